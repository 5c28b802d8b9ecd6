package report

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// familySection shows AUROC by family.
func familySection(v view) section {
	s := section{
		id: "families", title: "AUROC by family",
		read: "Each cell compares a family with the same family of the training span: no colour is no drift, orange is drift, blue is scores above the training span.",
		rest: "All detectors and numbers",
	}
	main, all, t := familyFigure(v, v.main()), familyFigure(v, v.drawn()), familyTable(v)
	t.more, all.more = true, true
	all.name, all.title = "auroc-by-family-all-detectors", all.title+", all detectors"
	s.figures, s.tables = []figure{main}, []table{t}
	if len(all.panels) > len(main.panels) {
		s.figures = append(s.figures, all)
	}
	if slices.ContainsFunc(v.families(), func(f family) bool { return f.origin != trained }) {
		s.notes = []string{fmt.Sprintf("New families and files without a label have no like in the training span: they are compared with all files of %s.", v.inName())}
	}
	return s
}

// family is a row of the numbers by family.
type family struct {
	label  string // empty for the files without a label
	origin familyOrigin
}

// familyOrigin says whether the training span has files of a family.
type familyOrigin string

const (
	trained    familyOrigin = "trained"
	newFamily  familyOrigin = "new"
	unlabelled familyOrigin = "unlabelled"
)

// familyNames returns the names of families with their marks, each of about so
// many characters and no two alike.
func familyNames(fs []family, most int) []string {
	var labels []string
	for _, f := range fs {
		labels = append(labels, f.label)
	}
	labels = drawnApart(labels, most)
	for i, f := range fs {
		switch f.origin {
		case newFamily:
			labels[i] += " (new)"
		case unlabelled:
			labels[i] = "no label"
		}
	}
	return labels
}

// rows returns the AUROCs of a split by family.
func (s DetectorSplit) rows() (fs []family, as []ClassAUROC) {
	for _, c := range s.Classes {
		fs = append(fs, family{c.Label, trained})
	}
	for _, c := range s.Families {
		kind := newFamily
		if c.Label == "" {
			kind = unlabelled
		}
		fs = append(fs, family{c.Label, kind})
	}
	return fs, slices.Concat(s.Classes, s.Families)
}

// families lists the labels of the results, those that only an AUROC has, the
// new families, and last the files without a label.
func (v view) families() []family {
	seen := map[family]bool{}
	var all []family
	add := func(f family) {
		if !seen[f] {
			seen[f] = true
			all = append(all, f)
		}
	}
	for _, label := range v.Labels {
		add(family{label, trained})
	}
	for _, d := range v.Detectors {
		for _, s := range d.Splits {
			fs, _ := s.rows()
			for _, f := range fs {
				add(f)
			}
		}
	}
	rank := func(f family) int { return slices.Index([]familyOrigin{trained, newFamily, unlabelled}, f.origin) }
	slices.SortStableFunc(all, func(a, b family) int { return rank(a) - rank(b) })
	return all
}

// mostFamilies is how many families a picture and a table on the page show.
const mostFamilies = 30

// largest returns the families with the most Out files, in their order, and how
// many others there are. The files without a label are always among them.
func (v view) largest() (shown []family, more int) {
	all := v.families()
	if len(all) <= mostFamilies {
		return all, 0
	}
	files := map[family]int{}
	for _, d := range v.drawn() {
		sum := map[family]int{}
		for _, s := range d.Splits {
			fs, as := s.rows()
			for i, f := range fs {
				sum[f] += as[i].Out
			}
		}
		for f, n := range sum {
			files[f] = max(files[f], n)
		}
	}
	files[family{"", unlabelled}] = math.MaxInt
	bySize := slices.SortedStableFunc(slices.Values(all), func(a, b family) int { return cmp.Compare(files[b], files[a]) })
	keep := map[family]bool{}
	for _, f := range bySize[:mostFamilies] {
		keep[f] = true
	}
	return slices.DeleteFunc(all, func(f family) bool { return !keep[f] }), len(bySize) - mostFamilies
}

func familyFigure(v view, of []Detector) figure {
	f := figure{name: "auroc-by-family-and-split", title: "AUROC by family and split", gap: v.noAUROC()}
	var ds []Detector
	for _, d := range of {
		if slices.ContainsFunc(d.Splits, func(s DetectorSplit) bool {
			_, as := s.rows()
			return slices.ContainsFunc(as, func(c ClassAUROC) bool { return c.Value.OK() })
		}) {
			ds = append(ds, d)
		}
	}
	families, more := v.largest()
	switch {
	case f.gap != "":
		return f
	case len(ds) == 0 && len(families) < 2:
		f.gap = "There is one class alone: its AUROC is that of the split."
		return f
	case len(ds) == 0:
		f.gap = "No family has an AUROC: too few files of each."
		return f
	}
	f.alt = fmt.Sprintf("Heat map of the AUROC by family, over %s; the table holds the numbers.", count(len(v.outNames()), "split"))
	f.caption = "Faded: the interval holds 0.5, or there is none. Dash: too few files. The table has intervals and numbers of files."
	var labels []string
	for _, family := range families {
		labels = append(labels, family.label)
	}
	f.caption += keyOf(labels)
	if more > 0 {
		f.caption += fmt.Sprintf(" These are the %d families with the most files; auroc-by-family.csv has %d more.", len(families), more)
	}
	var splits categories
	for _, name := range v.outNames() {
		splits.add(v.splitLabel(name, 22), "")
	}
	f.cols = 3
	f.least = leftMargin + vg.Length(len(v.outNames()))*32
	f.height = splits.height(0.9 + 0.3*vg.Length(len(families)))
	for _, d := range ds {
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return familyPanel(v, d, families, splits, width) })
	}
	return f
}

func familyPanel(v view, d Detector, families []family, splits categories, width vg.Length) *plot.Plot {
	p := newPanel(short(d.Name, 30), "", "")
	var ticks []plot.Tick
	var h heat
	names := familyNames(families, 24)
	for i, f := range families {
		y := float64(len(families) - 1 - i)
		ticks = append(ticks, plot.Tick{Value: y, Label: names[i]})
		for j, name := range v.outNames() {
			c := heatCell{x: float64(j), y: y, text: missing}
			if s := d.split(name); s != nil {
				fs, as := s.rows()
				if k := slices.Index(fs, f); k >= 0 && isShare(as[k].Value) {
					x := as[k]
					c.text = auroc2(x.Value)
					c.faded = !(x.Lo > 0.5 || x.Hi < 0.5)
					c.fill = diverging(float64(x.Value), c.faded)
				}
			}
			h = append(h, c)
		}
	}
	p.Add(h)
	splits.set(p, width)
	p.X.Width = 0
	setRows(p, ticks, -0.5, float64(len(families))-0.5)
	return p
}

// heat is a grid of cells, each with its colour and its number.
type heat []heatCell

// heatCell is grey unless it has a fill.
type heatCell struct {
	x, y  float64
	text  string
	fill  color.Color
	faded bool
}

// Plot implements plot.Plotter.
func (h heat) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	const gap = 0.75
	for _, cell := range h {
		r := vg.Rectangle{
			Min: vg.Point{X: x(cell.x-0.5) + gap, Y: y(cell.y-0.5) + gap},
			Max: vg.Point{X: x(cell.x+0.5) - gap, Y: y(cell.y+0.5) - gap},
		}
		fill, text := color.Color(hair), cell.text
		if cell.fill != nil {
			fill = cell.fill
		}
		c.SetColor(fill)
		c.Fill(r.Path())
		c.StrokeLines(draw.LineStyle{Color: hair, Width: vg.Points(0.5)},
			[]vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min})
		sty := labelStyle()
		sty.XAlign, sty.YAlign = draw.XCenter, draw.YCenter
		if cell.faded {
			sty.Color = soft
		}
		for sty.Width(text) > r.Max.X-r.Min.X && sty.Font.Size > 4 { // a number is at most as wide as its cell
			sty.Font.Size -= 0.5
		}
		c.FillText(sty, vg.Point{X: (r.Min.X + r.Max.X) / 2, Y: (r.Min.Y + r.Max.Y) / 2}, text)
	}
}

// diverging is white at 0.5, orange towards 1 and blue towards 0, and always
// light enough for a dark number, and turned round dark enough for a light one. A faded colour is a quarter as strong.
func diverging(auroc float64, faded bool) color.Color {
	end, t := rgb(0xF0975A), (auroc-0.5)/0.5
	if t < 0 {
		end, t = rgb(0x86BCE8), -t
	}
	if faded {
		t /= 4
	}
	return tint(end, t)
}

// tint is white for 0 and the colour end for 1.
func tint(end color.NRGBA, t float64) color.Color {
	t = min(1, max(0, t))
	mix := func(c uint8) uint8 { return uint8(255 + (float64(c)-255)*t + 0.5) }
	return color.NRGBA{mix(end.R), mix(end.G), mix(end.B), 0xFF}
}

func familyTable(v view) table {
	t := table{name: "auroc-by-family", caption: "AUROC by family, split and detector", empty: "There are no numbers by family.",
		columns: []column{textColumn("Family", "family"), textColumn("Split", "split"), textColumn("Detector", "detector"),
			numColumn("In files", "in"), numColumn("Out files", "out"), intervalColumn("AUROC (95% interval)", "auroc")}}
	families, more := v.largest()
	marked := slices.ContainsFunc(v.families(), func(f family) bool { return f.origin != trained })
	if marked {
		t.columns = append(t.columns, textColumn("Kind", "kind"))
	}
	var others [][]cell // of families past the largest
	for _, d := range v.drawn() {
		for _, s := range d.Splits {
			fs, as := s.rows()
			for i, c := range as {
				row := []cell{textCell(c.Label), textCell(s.Split), textCell(d.Name),
					countCell(c.In), countCell(c.Out), intervalCell(c.Interval, auroc3)}
				if marked {
					row = append(row, textCell(string(fs[i].origin)))
				}
				if more == 0 || slices.Contains(families, fs[i]) {
					t.rows = append(t.rows, row)
				} else {
					others = append(others, row)
				}
			}
		}
	}
	if more > 0 {
		t.caption += fmt.Sprintf(", of the %d families with the most files; the file has %d more", len(families), more)
		t.shown = len(t.rows)
		t.rows = append(t.rows, others...)
	}
	return t
}
