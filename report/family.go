package report

import (
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
	return section{
		id: "families", title: "AUROC by family",
		read:    "Each cell compares the files of one family with the same family of the training span: 0.5 (white) is no drift, orange is drift, blue is scores above those of the training span.",
		figures: []figure{familyFigure(v)},
		tables:  []table{familyTable(v)},
	}
}

// families lists the labels of the results, and after them those that only an
// AUROC has.
func (v view) families() []string {
	names := slices.Clone(v.Labels)
	for _, d := range v.Detectors {
		for _, s := range d.Splits {
			for _, c := range s.Classes {
				names = addNew(names, c.Label)
			}
		}
	}
	return names
}

func familyFigure(v view) figure {
	f := figure{name: "auroc-by-family-and-split", title: "AUROC by family and split", gap: v.noAUROC()}
	var ds []Detector
	for _, d := range v.drawn() {
		if slices.ContainsFunc(d.Splits, func(s DetectorSplit) bool {
			return slices.ContainsFunc(s.Classes, func(c ClassAUROC) bool { return c.Value.OK() })
		}) {
			ds = append(ds, d)
		}
	}
	switch {
	case f.gap != "":
		return f
	case len(ds) == 0 && len(v.families()) < 2:
		f.gap = "There is one class alone: its AUROC is that of the split."
		return f
	case len(ds) == 0:
		f.gap = "No family has an AUROC: too few files of each."
		return f
	}
	f.alt = fmt.Sprintf("Heat map of the AUROC by family, over %s; the table holds the numbers.", count(len(v.outNames()), "split"))
	f.caption = "A cell with a dash has too few files of the family. The table has the intervals and the numbers of files."
	var splits categories
	for _, name := range v.outNames() {
		splits.add(name, "")
	}
	f.cols = 3
	f.least = leftMargin + vg.Length(len(v.outNames()))*32
	f.height = splits.height(0.9 + 0.3*vg.Length(len(v.families())))
	for _, d := range ds {
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return familyPanel(v, d, splits, width) })
	}
	return f
}

func familyPanel(v view, d Detector, splits categories, width vg.Length) *plot.Plot {
	p := newPanel(short(d.Name, 30), "", "")
	families := v.families()
	var ticks []plot.Tick
	var h heat
	for i, label := range families {
		y := float64(len(families) - 1 - i)
		ticks = append(ticks, plot.Tick{Value: y, Label: short(label, 14)})
		for j, name := range v.outNames() {
			c := heatCell{x: float64(j), y: y, value: math.NaN()}
			if s := d.split(name); s != nil {
				if a := find(s.Classes, func(c ClassAUROC) bool { return c.Label == label }); a != nil {
					c.value = share(a.Value)
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

// heat is a grid of AUROCs, each cell with its colour and its number.
type heat []heatCell

type heatCell struct{ x, y, value float64 }

// Plot implements plot.Plotter.
func (h heat) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	const gap = 0.75
	for _, cell := range h {
		r := vg.Rectangle{
			Min: vg.Point{X: x(cell.x-0.5) + gap, Y: y(cell.y-0.5) + gap},
			Max: vg.Point{X: x(cell.x+0.5) - gap, Y: y(cell.y+0.5) - gap},
		}
		fill, text := color.Color(hair), missing
		if finite(cell.value) {
			fill, text = diverging(cell.value), fixed(Num(cell.value), 2)
		}
		c.SetColor(fill)
		c.Fill(r.Path())
		c.StrokeLines(draw.LineStyle{Color: hair, Width: vg.Points(0.5)},
			[]vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}, r.Min})
		sty := labelStyle()
		sty.XAlign, sty.YAlign = draw.XCenter, draw.YCenter
		for sty.Width(text) > r.Max.X-r.Min.X && sty.Font.Size > 4 { // a number is at most as wide as its cell
			sty.Font.Size -= 0.5
		}
		c.FillText(sty, vg.Point{X: (r.Min.X + r.Max.X) / 2, Y: (r.Min.Y + r.Max.Y) / 2}, text)
	}
}

// diverging is white at 0.5, orange towards 1 and blue towards 0, and always
// light enough for a black number.
func diverging(auroc float64) color.NRGBA {
	end, t := rgb(0xE66101), (auroc-0.5)/0.5
	if t < 0 {
		end, t = rgb(0x4F9BD9), -t
	}
	t = min(1, t)
	mix := func(c uint8) uint8 { return uint8(255 + (float64(c)-255)*t + 0.5) }
	return color.NRGBA{mix(end.R), mix(end.G), mix(end.B), 0xFF}
}

func familyTable(v view) table {
	t := table{name: "auroc-by-family", caption: "AUROC by family, split and detector", empty: "There are no numbers by family.",
		columns: []column{textColumn("Family", "family"), textColumn("Split", "split"), textColumn("Detector", "detector"),
			numColumn("In files", "in"), numColumn("Out files", "out"), intervalColumn("AUROC (95% interval)", "auroc")}}
	for _, d := range v.drawn() {
		for _, s := range d.Splits {
			for _, c := range s.Classes {
				t.rows = append(t.rows, []cell{textCell(c.Label), textCell(s.Split), textCell(d.Name),
					countCell(c.In), countCell(c.Out), intervalCell(c.Interval, auroc3)})
			}
		}
	}
	return t
}
