package throughput

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table is a part of an answer, for the terminal and the report alike.
type Table struct {
	Name    string // of a file
	Caption string
	Columns []string
	Rows    [][]Cell
}

// Cell is a text and the number that it is sorted by, NaN for a text alone. The
// number has the interval Lo to Hi where Text shows one.
type Cell struct {
	Text          string
	Value, Lo, Hi float64
}

func textCell(s string) Cell { return Cell{s, math.NaN(), math.NaN(), math.NaN()} }

func estimateCell(e Estimate, scale float64) Cell {
	if !e.Known() {
		return textCell("")
	}
	e = Estimate{e.Center * scale, e.Lo * scale, e.Hi * scale}
	return Cell{interval(e, number), e.Center, e.Lo, e.Hi}
}

func numberCell(x float64, format func(float64) string) Cell {
	if math.IsNaN(x) {
		return textCell("")
	}
	return Cell{format(x), x, math.NaN(), math.NaN()}
}

func countCell(n int) Cell {
	return numberCell(float64(n), func(float64) string { return strconv.Itoa(n) })
}

func percent(x float64) string { return strconv.FormatFloat(100*x, 'f', 0, 64) + "%" }

func gigabytes(x float64) string { return number(x / 1e9) }

// Tables are the numbers of an answer: the speeds, what they cost, how far the
// targets agree, and the speeds by batch. A column that no target has a number for,
// or that says the same of several, is left out.
func (a *Answer) Tables() []Table {
	var speed, cost, agree Table
	speed = Table{Name: "throughput", Caption: "Speed at the best batch, fastest first: medians over the rounds with 95% intervals, ratios within a round",
		Columns: []string{"engine", "batch", "files/s", "times the best CPU", "MB/s", "bound by", "ms, one file"}}
	disk := Table{Name: "throughput-disk", Caption: "With the files read from disk",
		Columns: []string{"engine", "files/s", "times the best CPU", "bound by", "files an hour", "cost of a million"}}
	cost = Table{Name: "throughput-cost", Caption: "What it takes, from memory at the best batch",
		Columns: []string{"engine", "s to the first result", "GB of memory", "GB of GPU memory", "CPU use", "GPU use", "J a file, CPU", "J a file, GPU"}}
	agree = Table{Name: "throughput-agreement", Caption: "Largest difference from " + strings.Replace(a.Reference, "-", " on ", 1) + ": of a layer as a share of its largest value, of AUROC as it is",
		Columns: []string{"engine"}}
	for _, s := range a.Speeds {
		for _, d := range s.Differences {
			if !slices.Contains(agree.Columns, d.Of) {
				agree.Columns = append(agree.Columns, d.Of)
			}
		}
	}
	if !slices.ContainsFunc(a.Speeds, func(s *Speed) bool { return s.Disk.Known() }) {
		disk.Caption = "What a million files take, from memory"
	}
	for _, s := range a.Speeds {
		name := textCell(s.Name())
		ratio, diskRatio := estimateCell(s.Ratio, 1), estimateCell(s.DiskRatio, 1)
		if s == a.Base {
			ratio = Cell{"1", 1, math.NaN(), math.NaN()}
			if s.Disk.Known() {
				diskRatio = ratio
			}
		}
		speed.Rows = append(speed.Rows, []Cell{name, countCell(s.Batch), estimateCell(s.Files, 1), ratio, numberCell(s.Bytes/1e6, number), textCell(s.Bound), numberCell(1e3*s.Latency, number)})
		disk.Rows = append(disk.Rows, []Cell{name, estimateCell(s.Disk, 1), diskRatio, textCell(s.DiskBound), numberCell(3600*s.Best().Center, number), numberCell(s.Cost, number)})
		cost.Rows = append(cost.Rows, []Cell{name, numberCell(s.First, number), numberCell(s.Memory, gigabytes), numberCell(s.GPUMemory, gigabytes),
			numberCell(s.CPUUse, percent), numberCell(s.GPUUse, percent), numberCell(s.CPUJoules, number), numberCell(s.GPUJoules, number)})
		if len(s.Differences) > 0 {
			row := []Cell{name}
			for _, of := range agree.Columns[1:] {
				cell := textCell("")
				for _, d := range s.Differences {
					if d.Of == of {
						cell = numberCell(d.Value, func(x float64) string { return strconv.FormatFloat(x, 'g', 2, 64) })
					}
				}
				row = append(row, cell)
			}
			agree.Rows = append(agree.Rows, row)
		}
	}
	var tables []Table
	for _, t := range []Table{speed, disk, cost, agree, a.batches()} {
		if t = t.tidy(); len(t.Columns) > 1 && len(t.Rows) > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}

// batches is the table of files/s by batch, a column a target.
func (a *Answer) batches() Table {
	t := Table{Name: "throughput-batches", Caption: "Files/s from memory by batch", Columns: []string{"batch"}}
	var sizes []int
	for _, r := range a.Curve {
		if !slices.Contains(sizes, r.Batch) {
			sizes = append(sizes, r.Batch)
		}
	}
	slices.Sort(sizes)
	for _, s := range a.Speeds {
		t.Columns = append(t.Columns, s.Name())
	}
	if len(sizes) < 2 {
		return t
	}
	for _, batch := range sizes {
		row := []Cell{countCell(batch)}
		for _, s := range a.Speeds {
			cell := textCell("")
			for _, r := range s.curve {
				if r.Batch == batch {
					cell = estimateCell(Estimate{r.Center, r.Lo, r.Hi}, 1)
				}
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// tidy removes the columns, but for the first, that are empty, and those that say
// the same in each of several rows, which it adds to the caption, unless nothing
// else is left.
func (t Table) tidy() Table {
	dull, left := make([]bool, len(t.Columns)), 0
	filled := make([]bool, len(t.Columns))
	for i := range t.Columns {
		dull[i] = i > 0 && len(t.Rows) > 1
		for _, row := range t.Rows {
			dull[i] = dull[i] && row[i].Text == t.Rows[0][i].Text
			filled[i] = filled[i] || row[i].Text != ""
		}
		if i > 0 && filled[i] && !dull[i] {
			left++
		}
	}
	out := Table{Name: t.Name, Caption: t.Caption, Rows: make([][]Cell, len(t.Rows))}
	for i, title := range t.Columns {
		if !filled[i] {
			continue
		}
		if dull[i] && left > 0 {
			out.Caption += fmt.Sprintf("; %s: %s for all", title, t.Rows[0][i].Text)
			continue
		}
		out.Columns = append(out.Columns, title)
		for j, row := range t.Rows {
			out.Rows[j] = append(out.Rows[j], row[i])
		}
	}
	return out
}

// Print writes the sentences of an answer, then its tables. Sentences and captions
// are broken into lines by fold, and tables have at most width columns.
func (a *Answer) Print(w io.Writer, width int, fold func(string) string) error {
	var b strings.Builder
	for _, line := range a.Lines() {
		b.WriteString(fold(line))
	}
	for _, t := range a.Tables() {
		b.WriteString("\n" + fold(t.Caption+":"))
		t.print(&b, width)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// print aligns the first column to the left and the others to the right. Columns that
// do not fit the lines follow below, behind the first column again.
func (t Table) print(b *strings.Builder, most int) {
	rows := [][]string{t.Columns}
	for _, row := range t.Rows {
		var line []string
		for _, c := range row {
			line = append(line, c.Text)
		}
		rows = append(rows, line)
	}
	width := make([]int, len(t.Columns))
	for _, row := range rows {
		for i, s := range row {
			width[i] = max(width[i], utf8.RuneCountInString(s))
		}
	}
	for from := 1; from < len(width); {
		to, taken := from, width[0]
		for to < len(width) && (to == from || taken+2+width[to] <= most) {
			taken += 2 + width[to]
			to++
		}
		if from > 1 {
			b.WriteByte('\n')
		}
		for _, row := range rows {
			line := padRight(row[0], width[0])
			for i := from; i < to; i++ {
				line += "  " + padLeft(row[i], width[i])
			}
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		from = to
	}
}
