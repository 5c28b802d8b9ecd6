package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// distributionSection shows the scores of each detector on each split.
func distributionSection(v view) section {
	return section{
		id: "score-distributions", title: "Score distributions by split",
		read:    fmt.Sprintf("Each row is one split; the grey outline repeats %s, so where the coloured shape slides to the left of it, files look less like the training year.", v.inName()),
		figures: []figure{distributionFigure(v.pictured()).noting(v.cut)},
		closed:  true,
	}
}

// drawable reports whether d has rising edges and a histogram of In on them.
func (d Detector) drawable() bool {
	n := len(d.Edges)
	if d.Skipped != "" || n < 2 || n > mostBins+1 || !allShares(d.InHistogram, n-1) {
		return false
	}
	const far = 1e15 // beyond it float64 cannot place ticks
	for i, e := range d.Edges {
		if !(math.Abs(float64(e)) < far) || i > 0 && e <= d.Edges[i-1] {
			return false
		}
	}
	return true
}

// evenEdges reports whether the bins are equally wide but for rounding.
func (d Detector) evenEdges() bool {
	n := len(d.Edges) - 1
	width := (d.Edges[n] - d.Edges[0]) / Num(n)
	for i := range n {
		if math.Abs(float64(d.Edges[i+1]-d.Edges[i]-width)) > float64(width)/100 {
			return false
		}
	}
	return true
}

// position returns where a score lies among the edges, in bins from the first.
func (d Detector) position(score Num) float64 {
	n := len(d.Edges) - 1
	for i := range n {
		if score <= d.Edges[i+1] {
			return float64(i) + max(0, float64((score-d.Edges[i])/(d.Edges[i+1]-d.Edges[i])))
		}
	}
	return float64(n)
}

// edgeTicks labels an axis of bins at some of their edges. An edge that reads as the
// last one is given by its distance from it, such as 1-6e-10.
type edgeTicks []Num

// Ticks implements plot.Ticker.
func (e edgeTicks) Ticks(_, _ float64) []plot.Tick {
	const most = 3
	n := len(e) - 1
	var ticks []plot.Tick
	for k := range most + 1 {
		i := k * n / most
		label, last := significant(e[i]), significant(e[n])
		if label == last && e[i] < e[n] {
			label += fmt.Sprintf("-%.1g", float64(e[n]-e[i]))
		}
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: label})
	}
	return ticks
}

// allShares reports whether h has n bins that hold shares.
func allShares(h []Num, n int) bool {
	return len(h) == n && !slices.ContainsFunc(h, func(x Num) bool { return !isShare(x) })
}

func distributionFigure(v view) figure {
	f := figure{name: "score-distributions-by-split", title: "Scores of " + v.inName() + " and of later files"}
	var ds []Detector
	for _, d := range v.Detectors {
		if d.drawable() {
			ds = append(ds, d)
		}
	}
	if len(ds) == 0 {
		f.gap = fmt.Sprintf("No detector has score histograms of at most %d bins.", mostBins)
		return f
	}
	rows := len(v.outNames()) + 1
	f.caption = "Each shape is the share of the split's files per score bin, on one scale within a panel. The dashed line is the score that keeps 95% of In."
	if slices.ContainsFunc(ds, func(d Detector) bool { return !d.evenEdges() }) {
		f.caption += " Where scores pile up at one value the scale is uneven, with narrow bins there."
	}
	f.alt = fmt.Sprintf("Histograms of the scores of %s, one row per split.", count(len(ds), "detector"))
	f.cols, f.least = 3, 2.5*vg.Inch
	f.height = tall(vg.Length(rows)*0.42 + 0.8)
	for _, d := range ds {
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return ridges(v, d) })
	}
	return f
}

// ridges draws the histogram of In at the top and that of every later split
// below it, each on its own baseline with the outline of In.
func ridges(v view, d Detector) *plot.Plot {
	p := newPanel(short(d.Name, 30), "score (higher is more typical)", "")
	// Bins of unequal width, where scores pile up, are drawn equally wide.
	even := d.evenEdges()
	at := func(i int) float64 {
		if even {
			return float64(d.Edges[i])
		}
		return float64(i)
	}
	names := v.outNames()
	var top Num
	for _, s := range append([]DetectorSplit{{Histogram: d.InHistogram}}, d.Splits...) {
		if allShares(s.Histogram, len(d.Edges)-1) {
			top = max(top, slices.Max(s.Histogram))
		}
	}
	if top == 0 {
		top = 1
	}
	// A row is one unit of y tall, of which the tallest bin takes nine tenths.
	shape := func(h []Num, base float64) plotter.XYs {
		var out plotter.XYs
		for i, x := range h {
			y := base + 0.9*float64(x/top)
			if n := len(out); n > 0 && out[n-1].Y == y {
				out[n-1].X = at(i + 1) // a flat tail is one segment
				continue
			}
			out = append(out, plotter.XY{X: at(i), Y: y}, plotter.XY{X: at(i + 1), Y: y})
		}
		return out
	}
	outline := func(h []Num, base float64) {
		addCurve(p, draw.LineStyle{Color: grey(0x88), Width: vg.Points(0.8)}, shape(h, base))
	}
	fill := func(h []Num, base float64, s style) {
		first, last := at(0), at(len(d.Edges)-1)
		addArea(p, s.faint(0xB0), append(shape(h, base), plotter.XY{X: last, Y: base}, plotter.XY{X: first, Y: base}))
	}
	ticks := []plot.Tick{{Value: float64(len(names)), Label: short(v.inName(), 16)}}
	fill(d.InHistogram, float64(len(names)), style{color: rgb(0xAAAAAA)})
	outline(d.InHistogram, float64(len(names)))
	for i, name := range names {
		base := float64(len(names) - 1 - i)
		label := v.splitLabel(name, 16)
		if s := d.split(name); s != nil && allShares(s.Histogram, len(d.Edges)-1) {
			fill(s.Histogram, base, v.styles[d.Name])
		} else {
			label += " (no scores)"
		}
		outline(d.InHistogram, base)
		ticks = append(ticks, plot.Tick{Value: base, Label: label})
	}
	if d.Threshold.OK() {
		x := float64(d.Threshold)
		if !even {
			x = d.position(d.Threshold)
		}
		p.Add(reference{at: x, vertical: true, note: "keeps 95%"})
	}
	p.X.Tick.Marker = scoreTicks{}
	if !even {
		p.X.Tick.Marker = edgeTicks(d.Edges)
	}
	setRows(p, ticks, 0, float64(len(names))+1.15)
	return p
}

// rocSection shows the ROC curve behind each AUROC.
func rocSection(v view) section {
	return section{
		id: "roc", title: "ROC curves",
		read:    "Each curve lets the threshold run over all scores; the nearer to the upper left corner, the better the detector tells the two apart, and the diagonal is no drift.",
		figures: []figure{rocFigure(v.pictured()).noting(v.cut)},
		closed:  true,
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
	f.alt = f.title + ", one panel per split: " + aurocsInWords(ds)
	return f
}

// splitPanel returns a panel whose title is a split and its number of files.
func (v view) splitPanel(name, x, y string) *plot.Plot {
	return newPanel(fmt.Sprintf("%s (n %d)", v.splitLabel(name, 24), v.outFiles(name)), x, y)
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
