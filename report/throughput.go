package report

import (
	"cmp"
	"fmt"
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

// ThroughputAnswer is what the timing says of CPU and GPU.
type ThroughputAnswer struct {
	Model  string   // SHA-256 of the model that was timed; "" if not known
	Lines  []string // sentences, the main one first
	Tables []ThroughputTable
	// BestCPU is the files/s of the fastest CPU engine at its best batch, and
	// AheadFrom the batch from which the GPU is faster than that; 0 is none.
	BestCPU   float64
	AheadFrom int
}

// ThroughputTable is a table of the answer. Name is one of those of
// throughputTables, and the first column names the rows.
type ThroughputTable struct {
	Name, Caption string
	Columns       []string
	Rows          [][]ThroughputCell
}

// ThroughputCell is a text, and the number with its interval that the text is of;
// NaN where there is none.
type ThroughputCell struct {
	Text          string
	Value, Lo, Hi float64
}

// throughputTables are the tables that an answer may have.
func throughputTables() []string {
	return []string{"throughput", "throughput-disk", "throughput-cost", "throughput-agreement", "throughput-batches"}
}

func throughputSection(rows []ThroughputRow, a ThroughputAnswer) section {
	s := section{
		id: "throughput", title: "Throughput",
		read:    "Files per second through the network by batch size, higher is faster; two settings differ when their intervals lie apart.",
		figures: []figure{throughputFigure(rows, a)},
		closed:  true,
	}
	for i, line := range a.Lines {
		if i == 0 {
			s.read = clean(line) + " " + s.read
			continue
		}
		s.notes = append(s.notes, clean(line))
	}
	for _, name := range throughputTables() {
		t := table{name: name, empty: noThroughput}
		for _, given := range a.Tables {
			if given.Name == name {
				t = given.table()
			}
		}
		s.tables = append(s.tables, t)
	}
	return s
}

func (given ThroughputTable) table() table {
	t := table{name: given.Name, caption: clean(given.Caption), empty: noThroughput}
	hasInterval := func(c ThroughputCell) bool { return finite(c.Lo) || finite(c.Hi) }
	for i, title := range given.Columns {
		title = clean(title)
		numeric, interval := false, false
		for _, row := range given.Rows {
			numeric = numeric || finite(row[i].Value)
			interval = interval || hasInterval(row[i])
		}
		name := strings.ReplaceAll(strings.ToLower(title), " ", "_")
		switch {
		case interval:
			t.columns = append(t.columns, intervalColumn(title, name))
		case numeric:
			t.columns = append(t.columns, numColumn(title, name))
		default:
			t.columns = append(t.columns, textColumn(title, name))
		}
	}
	for _, row := range given.Rows {
		var cells []cell
		for i, c := range row {
			out := textCell(c.Text)
			out.sort = Num(c.Value)
			switch len(t.columns[i].csv) {
			case 3:
				out.csv = []string{digits(Num(c.Value)), digits(Num(c.Lo)), digits(Num(c.Hi))}
			case 1:
				if t.columns[i].numeric {
					out.csv = []string{digits(Num(c.Value))}
				}
			}
			cells = append(cells, out)
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

const noThroughput = "Not measured in this run: driftbench throughput times the engines and devices that are there."

func throughputFigure(rows []ThroughputRow, a ThroughputAnswer) figure {
	f := figure{name: "throughput-by-batch", title: "Throughput by batch size"}
	var lines []string
	var batches []int
	drawn := map[string][]ThroughputRow{} // by line
	settings, least := map[string]bool{}, math.Inf(1)
	for _, r := range rows {
		if r.Unit != samplesPerSecond || !finite(r.Center) || r.Center <= 0 || r.Batch < 1 {
			continue
		}
		if r.Lo <= 0 {
			r.Lo = math.NaN() // has no place on a logarithmic axis
		}
		line := r.line()
		settings[line] = true
		if len(drawn[line]) == 0 && len(drawn) < mostSettings {
			lines = append(lines, line)
		} else if len(drawn[line]) == 0 || len(drawn[line]) == mostPoints {
			continue
		}
		drawn[line], batches = append(drawn[line], r), append(batches, r.Batch)
		least = min(least, r.Center)
	}
	if len(drawn) == 0 {
		f.gap = noThroughput
		return f
	}
	slices.Sort(batches)
	batches = slices.Compact(batches)

	f.alt = "Samples per second of " + count(len(lines), "setting") + " over " + count(len(batches), "batch size") + "; the table holds the numbers."
	f.caption = "Points are medians over the rounds, bars their 95% intervals. Both axes are logarithmic."
	if a.BestCPU > 0 {
		f.caption += " The horizontal line is the best CPU at its best batch"
		if a.AheadFrom > 0 {
			f.caption += ", the vertical one the batch from which the GPU is ahead of it"
		}
		f.caption += "."
	}
	if len(settings) > len(lines) {
		f.caption += fmt.Sprintf(" The first %d of %d settings; bench.txt has all.", len(lines), len(settings))
	}
	f.cols, f.least, f.height = 1, 3*vg.Inch, tall(3.2)
	styles := map[string]style{}
	for i, name := range lines {
		styles[name] = seriesStyle(reserved + i)
		f.legend = append(f.legend, entry{name, styles[name]})
	}
	f.panels = []panel{func(vg.Length) *plot.Plot {
		p := newPanel("", "batch size (files)", "samples per second")
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		for i, name := range lines {
			var ps []point
			for _, r := range slices.SortedStableFunc(slices.Values(drawn[name]), func(a, b ThroughputRow) int { return cmp.Compare(a.Batch, b.Batch) }) {
				ps = append(ps, point{x: math.Log2(float64(r.Batch)) + shift(i, len(lines), 0.06), y: r.Center, lo: r.Lo, hi: r.Hi})
			}
			addSeries(p, styles[name], ps)
		}
		if a.BestCPU > 0 && finite(a.BestCPU) {
			p.Add(reference{at: a.BestCPU})
			if a.AheadFrom > 0 {
				p.Add(reference{at: math.Log2(float64(a.AheadFrom)), vertical: true, note: "GPU ahead from batch " + strconv.Itoa(a.AheadFrom)})
			}
		}
		ticks := make([]plot.Tick, len(batches))
		for j, b := range batches {
			ticks[j] = plot.Tick{Value: math.Log2(float64(b)), Label: strconv.Itoa(b)}
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
		p.X.Min, p.X.Max = ticks[0].Value-0.4, ticks[len(ticks)-1].Value+0.4
		p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(p.Y.Max)))
		return p
	}}
	return f
}
