package report

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// ThroughputRow is the median of one case of a throughput measurement over its
// repetitions: a row of the throughput table and a point of its picture.
type ThroughputRow struct {
	Engine   string  // such as "tensorflow"
	Device   string  // such as "cpu"
	Scenario string  // such as "forward"; may be empty
	Unit     string  // such as "samples/s", the only unit that is drawn
	Batch    int     // files per batch
	Reading  bool    // whether the time includes reading the files from disk
	Center   float64 // median, in Unit
	Lo, Hi   float64 // 95% interval of Center; NaN if there are too few repetitions
	N        int     // repetitions
}

const samplesPerSecond = "samples/s"

// line returns the name of the series that the row belongs to.
func (r ThroughputRow) line() string {
	s := clean(r.Engine + " on " + r.Device)
	if r.Scenario != "" {
		s += ", " + clean(r.Scenario)
	}
	if r.Reading {
		s += ", with reading"
	}
	return s
}

func throughputSection(rows []ThroughputRow) section {
	s := section{
		id: "throughput", title: "Throughput",
		read:    "Files per second through the network by batch size, higher is faster; two settings differ when their intervals lie apart.",
		figures: []figure{throughputFigure(rows)},
		tables:  []table{throughputTable(rows)},
		closed:  true,
	}
	if slices.ContainsFunc(rows, func(r ThroughputRow) bool { return strings.HasPrefix(r.Unit, "p99") }) {
		s.notes = []string{"p99 is the latency that 99 of 100 files stay below: of a pass over fewer than 100 files it is about that of the slowest. bench.txt says how many files a pass had."}
	}
	return s
}

const noThroughput = "Not measured in this run: driftbench throughput times the engines and devices that are there."

func throughputFigure(rows []ThroughputRow) figure {
	f := figure{name: "throughput-by-batch", title: "Throughput by batch size"}
	var lines []string
	var batches []int
	var drawn []ThroughputRow
	least, most := math.Inf(1), 0.0
	for _, r := range rows {
		if r.Unit != samplesPerSecond || !finite(r.Center) || r.Center <= 0 {
			continue
		}
		drawn, lines, batches = append(drawn, r), addNew(lines, r.line()), addNew(batches, r.Batch)
		least, most = min(least, r.Center), max(most, r.Center)
	}
	if len(drawn) == 0 {
		f.gap = noThroughput
		return f
	}
	slices.Sort(batches)
	logarithmic := most > 30*least

	f.alt = "Samples per second of " + count(len(lines), "setting") + " over " + count(len(batches), "batch size") + "; the table holds the numbers."
	f.caption = "Points are medians over the repetitions, bars their 95% intervals."
	if logarithmic {
		f.caption += " The vertical axis is logarithmic."
	}
	f.cols, f.least, f.height = 1, 3*vg.Inch, tall(3.2)
	styles := map[string]style{}
	for i, name := range lines {
		styles[name] = seriesStyle(reserved + i)
		f.legend = append(f.legend, entry{name, styles[name]})
	}
	f.panels = []panel{func(vg.Length) *plot.Plot {
		p := newPanel("", "batch size (files)", "samples per second")
		p.Y.Min = 0
		for i, name := range lines {
			ps := make([]point, len(batches))
			for j, b := range batches {
				ps[j] = absent(float64(j) + shift(i, len(lines), 0.06))
				for _, r := range drawn {
					if r.line() == name && r.Batch == b {
						ps[j].y, ps[j].lo, ps[j].hi = r.Center, r.Lo, r.Hi
						if logarithmic && r.Lo <= 0 {
							ps[j].lo = math.NaN()
						}
					}
				}
			}
			addSeries(p, styles[name], ps)
		}
		ticks := make([]plot.Tick, len(batches))
		for j, b := range batches {
			ticks[j] = plot.Tick{Value: float64(j), Label: strconv.Itoa(b)}
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
		p.X.Min, p.X.Max = -0.4, float64(len(batches))-0.6
		if logarithmic {
			p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
			p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(p.Y.Max)))
		}
		return p
	}}
	return f
}

func throughputTable(rows []ThroughputRow) table {
	t := table{
		name: "throughput", caption: "Throughput of every case, medians over the repetitions", empty: noThroughput,
		columns: []column{
			textColumn("Engine", "engine"), textColumn("Device", "device"), textColumn("Scenario", "scenario"),
			textColumn("Reading", "reading"), numColumn("Batch", "batch"),
			intervalColumn("Median (95% interval)", "median"), textColumn("Unit", "unit"), numColumn("Repetitions", "n"),
		},
	}
	for _, r := range slices.SortedStableFunc(slices.Values(rows), func(a, b ThroughputRow) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.line(), b.line()), cmp.Compare(a.Batch, b.Batch))
	}) {
		reading := "no"
		if r.Reading {
			reading = "yes"
		}
		t.rows = append(t.rows, []cell{
			textCell(r.Engine), textCell(r.Device), textCell(r.Scenario), textCell(reading), countCell(r.Batch),
			intervalCell(Interval{Num(r.Center), Num(r.Lo), Num(r.Hi)}, significant), textCell(r.Unit), countCell(r.N),
		})
	}
	return t
}
