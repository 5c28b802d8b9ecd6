package report

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// point is a value with an interval at x. A y that is no number is a gap, a
// bound that is no number leaves the interval out.
type point struct{ x, y, lo, hi float64 }

// absent is the gap at x.
func absent(x float64) point { return point{x, math.NaN(), math.NaN(), math.NaN()} }

func (p point) hasInterval() bool { return finite(p.lo) && finite(p.hi) }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// share is x for a picture: AUROCs, accuracies and rates lie between 0 and 1,
// and what does not is no number to draw.
func share(x Num) float64 {
	if x >= 0 && x <= 1 {
		return float64(x)
	}
	return math.NaN()
}

// bare returns the points without their intervals.
func bare(ps []point) []point {
	out := make([]point, len(ps))
	for i, p := range ps {
		out[i] = absent(p.x)
		out[i].y = p.y
	}
	return out
}

// runs splits points at gaps.
func runs(ps []point) [][]point {
	var out [][]point
	open := false
	for _, p := range ps {
		if !finite(p.y) {
			open = false
			continue
		}
		if !open {
			out = append(out, nil)
			open = true
		}
		out[len(out)-1] = append(out[len(out)-1], p)
	}
	return out
}

func xys(ps []point, y func(point) float64) plotter.XYs {
	out := make(plotter.XYs, len(ps))
	for i, p := range ps {
		out[i] = plotter.XY{X: p.x, Y: y(p)}
	}
	return out
}

func middle(p point) float64 { return p.y }

// addLine joins the points of each run.
func addLine(p *plot.Plot, s style, ps []point) {
	for _, run := range runs(ps) {
		l := must(plotter.NewLine(xys(run, middle)))
		l.LineStyle = s.line()
		p.Add(l)
	}
}

// addPoints draws a glyph at every point, and its interval as a bar.
func addPoints(p *plot.Plot, s style, ps []point) {
	var all, bars []point
	for _, run := range runs(ps) {
		all = append(all, run...)
	}
	for _, q := range all {
		if q.hasInterval() {
			bars = append(bars, q)
		}
	}
	if len(bars) > 0 {
		e := must(plotter.NewYErrorBars(errorPoints(bars)))
		e.LineStyle = draw.LineStyle{Color: s.color, Width: vg.Points(1)}
		e.CapWidth = 4
		p.Add(e)
	}
	if len(all) > 0 {
		sc := must(plotter.NewScatter(xys(all, middle)))
		sc.GlyphStyle = s.point()
		p.Add(sc)
	}
}

// errorPoints lets plotter.NewYErrorBars see points as values with offsets.
type errorPoints []point

func (e errorPoints) Len() int                        { return len(e) }
func (e errorPoints) XY(i int) (x, y float64)         { return e[i].x, e[i].y }
func (e errorPoints) YError(i int) (float64, float64) { return e[i].y - e[i].lo, e[i].hi - e[i].y }

// addBand fills the interval of each run.
func addBand(p *plot.Plot, s style, ps []point) {
	for _, run := range runs(ps) {
		var upper, lower []point
		for _, q := range run {
			if q.hasInterval() {
				upper = append(upper, q)
				lower = append([]point{q}, lower...)
			}
		}
		if len(upper) == 1 {
			addPoints(p, s, upper) // a lone month has a bar in place of a band
		}
		if len(upper) < 2 {
			continue
		}
		outline := append(xys(upper, func(q point) float64 { return q.hi }), xys(lower, func(q point) float64 { return q.lo })...)
		poly := must(plotter.NewPolygon(outline))
		poly.Color = s.faint(0x30)
		poly.LineStyle.Width = 0
		p.Add(poly)
	}
}

// box is a filled rectangle in data coordinates.
type box struct{ x0, x1, y0, y1 float64 }

// addBoxes fills boxes with one colour.
func addBoxes(p *plot.Plot, s style, boxes ...box) {
	for _, b := range boxes {
		poly := must(plotter.NewPolygon(plotter.XYs{{X: b.x0, Y: b.y0}, {X: b.x1, Y: b.y0}, {X: b.x1, Y: b.y1}, {X: b.x0, Y: b.y1}}))
		poly.Color = s.color
		poly.LineStyle.Width = 0
		p.Add(poly)
	}
}
