package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// rocSection is the trade-off behind each AUROC.
func rocSection(v view) section {
	return section{
		id: "roc", title: "ROC curves",
		read:    "Each curve lets the threshold run over all scores; the nearer to the upper left corner, the better the detector tells the two apart, and the diagonal is no drift.",
		figures: []figure{rocFigure(v)},
	}
}

func rocFigure(v view) figure {
	f := figure{name: "roc-by-split", title: "ROC of " + v.inName() + " against later files", gap: v.noAUROC()}
	if f.gap != "" {
		return f
	}
	f.caption = "True positive rate: share of In files kept; false positive rate: share of the later files kept. n is the number of later files."
	f.cols, f.least = 3, 2.2*vg.Inch
	f.height = func(width vg.Length) vg.Length { return min(width, 2.75*vg.Inch) }
	ds := v.main()
	f.legend = v.legend(ds)
	for _, name := range v.outNames() {
		curves := map[string]plotter.XYs{}
		for _, d := range ds {
			if s := d.split(name); s != nil {
				if xy := pairs(s.ROC); len(xy) >= 2 {
					curves[d.Name] = xy
				}
			}
		}
		if len(curves) == 0 {
			continue
		}
		f.panels = append(f.panels, func(vg.Length) *plot.Plot {
			p := newPanel(fmt.Sprintf("%s (n %d)", shorten(clean(name), 24), v.outFiles(name)), "false positive rate", "true positive rate")
			p.Add(diagonal{})
			for _, d := range ds {
				if xy, ok := curves[d.Name]; ok {
					l := must(plotter.NewLine(xy))
					l.LineStyle = v.styles[d.Name].line()
					p.Add(l)
				}
			}
			unit(&p.X)
			unit(&p.Y)
			return p
		})
	}
	if missed := len(v.outNames()) - len(f.panels); missed > 0 {
		f.caption += fmt.Sprintf(" %s without a curve: too few files.", count(missed, "split"))
	}
	if len(f.panels) == 0 {
		f.gap = "No split has a ROC curve: too few files."
	}
	f.alt = f.title + ", one panel per split: " + v.spoken()
	return f
}

// pairs makes a curve of pairs of shares. Pairs that are no numbers are left
// out, and so are those less than a line's width from the one before, but for the
// last: no eye sees them, and a curve of 100,000 files stays small.
func pairs(ps [][2]Num) plotter.XYs {
	const step = 4e-3
	var out plotter.XYs
	for i, p := range ps {
		q := plotter.XY{X: share(p[0]), Y: share(p[1])}
		if !finite(q.X) || !finite(q.Y) {
			continue
		}
		if n := len(out); n > 0 && i < len(ps)-1 && math.Abs(q.X-out[n-1].X) < step && math.Abs(q.Y-out[n-1].Y) < step {
			continue
		}
		out = append(out, q)
	}
	return out
}

// unit sets an axis to 0 … 1.
func unit(a *plot.Axis) {
	a.Min, a.Max = 0, 1
	a.Tick.Marker = plot.ConstantTicks([]plot.Tick{{Value: 0, Label: "0"}, {Value: 0.5, Label: "0.5"}, {Value: 1, Label: "1"}})
}

// diagonal is the line of chance.
type diagonal struct{}

// Plot implements plot.Plotter.
func (diagonal) Plot(c draw.Canvas, _ *plot.Plot) {
	c.StrokeLine2(draw.LineStyle{Color: soft, Width: vg.Points(0.8), Dashes: []vg.Length{3, 2}}, c.Min.X, c.Min.Y, c.Max.X, c.Max.Y)
}
