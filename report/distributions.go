package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// distributionSection is how each detector scores each split.
func distributionSection(v view) section {
	return section{
		id: "score-distributions", title: "Score distributions by split",
		read:    fmt.Sprintf("Each row is one split; the grey outline repeats %s, so where the coloured shape slides to the left of it, files look less like the training year.", v.inName()),
		figures: []figure{distributionFigure(v)},
	}
}

// drawable reports whether d has edges that rise and a histogram of In on
// them.
func (d Detector) drawable() bool {
	n := len(d.Edges)
	if d.Skipped != "" || n < 2 || !allShares(d.InHistogram, n-1) {
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

// allShares reports whether h has n bins, each with a share of the files.
func allShares(h []Num, n int) bool {
	return len(h) == n && !slices.ContainsFunc(h, func(x Num) bool { return !finite(share(x)) })
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
		f.gap = "No detector has score histograms."
		return f
	}
	rows := len(v.outNames()) + 1
	f.caption = "Each shape is the share of the split's files per score bin, on one scale within a panel. The dashed line is the score that keeps 95% of In."
	f.alt = fmt.Sprintf("Histograms of the scores of %s, one row per split.", count(len(ds), "detector"))
	f.cols, f.least = 3, 2.5*vg.Inch
	f.height = tall(vg.Length(rows)*0.42 + 0.8)
	for _, d := range ds {
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return ridges(v, d) })
	}
	return f
}

// ridges draws In on top and every later split below it, each on its own
// baseline with In's outline behind.
func ridges(v view, d Detector) *plot.Plot {
	p := newPanel(shorten(clean(d.Name), 30), "score (higher is more typical)", "")
	names := v.outNames()
	var top Num
	for _, h := range append([][]Num{d.InHistogram}, histograms(d)...) {
		if allShares(h, len(d.Edges)-1) {
			top = max(top, slices.Max(h))
		}
	}
	if top == 0 {
		top = 1
	}
	// One row is one unit of y; its tallest bin takes nine tenths.
	shape := func(h []Num, base float64) plotter.XYs {
		var out plotter.XYs
		for i, x := range h {
			y := base + 0.9*float64(x/top)
			if n := len(out); n > 0 && out[n-1].Y == y {
				out[n-1].X = float64(d.Edges[i+1]) // a flat tail is one segment
				continue
			}
			out = append(out, plotter.XY{X: float64(d.Edges[i]), Y: y}, plotter.XY{X: float64(d.Edges[i+1]), Y: y})
		}
		return out
	}
	outline := func(h []Num, base float64) {
		l := must(plotter.NewLine(shape(h, base)))
		l.Color, l.Width = grey(0x88), vg.Points(0.8)
		p.Add(l)
	}
	fill := func(h []Num, base float64, s style) {
		first, last := float64(d.Edges[0]), float64(d.Edges[len(d.Edges)-1])
		poly := must(plotter.NewPolygon(append(shape(h, base), plotter.XY{X: last, Y: base}, plotter.XY{X: first, Y: base})))
		poly.Color = s.faint(0xB0)
		poly.LineStyle.Width = 0
		p.Add(poly)
	}
	ticks := []plot.Tick{{Value: float64(len(names)), Label: shorten(v.inName(), 16)}}
	fill(d.InHistogram, float64(len(names)), style{color: rgb(0xAAAAAA)})
	outline(d.InHistogram, float64(len(names)))
	for i, name := range names {
		base := float64(len(names) - 1 - i)
		label := shorten(clean(name), 16)
		if s := d.split(name); s != nil && allShares(s.Histogram, len(d.Edges)-1) {
			fill(s.Histogram, base, v.styles[d.Name])
		} else {
			label += " (no scores)"
		}
		outline(d.InHistogram, base)
		ticks = append(ticks, plot.Tick{Value: base, Label: label})
	}
	if d.Threshold.OK() {
		p.Add(rule{at: float64(d.Threshold), vertical: true, note: "keeps 95%"})
	}
	p.X.Tick.Marker = scoreTicks{}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Length = 0
	p.Y.Width = 0
	p.Y.Min, p.Y.Max = 0, float64(len(names))+1.15
	return p
}

func histograms(d Detector) [][]Num {
	var hs [][]Num
	for _, s := range d.Splits {
		hs = append(hs, s.Histogram)
	}
	return hs
}
