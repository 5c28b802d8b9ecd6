package report

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// rocSection shows the ROC curve behind each AUROC.
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
	f.cols, f.least, f.height = 3, 2.2*vg.Inch, square
	ds := v.drawn()
	f.legend = v.legend(ds)
	for _, name := range v.outNames() {
		curves := map[string]plotter.XYs{}
		for _, d := range ds {
			if s := d.split(name); s != nil {
				if xy := curve(s.ROC); len(xy) >= 2 {
					curves[d.Name] = xy
				}
			}
		}
		if len(curves) == 0 {
			continue
		}
		f.panels = append(f.panels, func(vg.Length) *plot.Plot {
			p := v.splitPanel(name, "false positive rate", "true positive rate")
			p.Add(diagonal{})
			for _, d := range ds {
				if xy, ok := curves[d.Name]; ok {
					addCurve(p, v.styles[d.Name].line(), xy)
				}
			}
			setUnit(&p.X)
			setUnit(&p.Y)
			return p
		})
	}
	if without := len(v.outNames()) - len(f.panels); without > 0 {
		f.caption += fmt.Sprintf(" %s without a curve: too few files.", count(without, "split"))
	}
	if len(f.panels) == 0 {
		f.gap = "No split has a ROC curve: too few files."
	}
	f.alt = f.title + ", one panel per split: " + v.aurocsInWords()
	return f
}

// splitPanel returns a panel whose title is a split and its number of files.
func (v view) splitPanel(name, x, y string) *plot.Plot {
	return newPanel(fmt.Sprintf("%s (n %d)", short(name, 24), v.outFiles(name)), x, y)
}

// setUnit sets an axis to 0 … 1.
func setUnit(a *plot.Axis) {
	a.Min, a.Max = 0, 1
	a.Tick.Marker = plot.ConstantTicks([]plot.Tick{{Value: 0, Label: "0"}, {Value: 0.5, Label: "0.5"}, {Value: 1, Label: "1"}})
}

// diagonal is the ROC curve of chance.
type diagonal struct{}

// Plot implements plot.Plotter.
func (diagonal) Plot(c draw.Canvas, _ *plot.Plot) {
	c.StrokeLine2(draw.LineStyle{Color: soft, Width: vg.Points(0.8), Dashes: []vg.Length{3, 2}}, c.Min.X, c.Min.Y, c.Max.X, c.Max.Y)
}
