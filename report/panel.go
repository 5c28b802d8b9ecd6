package report

import (
	"cmp"
	"math"
	"slices"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

func labelStyle() text.Style {
	return text.Style{Color: ink, Font: sans(9), YAlign: draw.YTop, Handler: plot.DefaultTextHandler}
}

func noteStyle() text.Style {
	s := labelStyle()
	s.Color, s.Font.Size = soft, 8
	return s
}

func tickStyle() text.Style {
	s := labelStyle()
	s.Font.Size = 8.5
	return s
}

func titleStyle() text.Style {
	s := labelStyle()
	s.Font = sans(11)
	s.Font.Weight = xfont.WeightBold
	return s
}

// wrap breaks txt at spaces into lines of at most width.
func wrap(sty text.Style, txt string, width vg.Length) []string {
	var lines []string
	for _, word := range strings.Fields(txt) {
		if n := len(lines); n > 0 && sty.Width(lines[n-1]+" "+word) <= width {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// newPanel returns an empty plot in the house look: sans serif, thin axes,
// light horizontal grid.
func newPanel(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.TextStyle.Font = sans(9.5)
	p.Title.TextStyle.Color = ink
	p.Title.Padding = 4
	p.Title.Text = title
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = sans(9)
		axis.Label.TextStyle.Color = ink
		axis.Label.Padding = 3
		axis.Tick.Label.Font = tickStyle().Font
		axis.Tick.Label.Color = ink
		axis.Tick.Length = 3
		axis.LineStyle.Color = soft
		axis.Tick.LineStyle.Color = soft
		axis.Padding = 2
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = hair
	p.Add(grid)
	return p
}

// must unwraps the constructors of gonum/plot, which fail on empty and on
// non-finite data only; callers pass neither.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// point is a value with an interval at x. A y that is no number is a gap, a
// bound that is no number leaves the interval out.
type point struct{ x, y, lo, hi float64 }

// absent is the gap at x.
func absent(x float64) point { return point{x, math.NaN(), math.NaN(), math.NaN()} }

func (p point) hasInterval() bool { return finite(p.lo) && finite(p.hi) }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

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

// rule is a straight dashed reference line across the panel. A vertical one
// may have a note at its top, on the side with more room.
type rule struct {
	at       float64
	vertical bool
	note     string
}

func ruleStyle() style { return style{color: rgb(0x595959), dashes: []vg.Length{3, 2}} }

// Plot implements plot.Plotter.
func (r rule) Plot(c draw.Canvas, p *plot.Plot) {
	line := ruleStyle().line()
	line.Width = vg.Points(0.8)
	x, y := p.Transforms(&c)
	if !r.vertical {
		if at := y(r.at); c.ContainsY(at) {
			c.StrokeLine2(line, c.Min.X, at, c.Max.X, at)
		}
		return
	}
	at := x(r.at)
	if !c.ContainsX(at) {
		return
	}
	c.StrokeLine2(line, at, c.Min.Y, at, c.Max.Y)
	sty := noteStyle()
	if at > c.Center().X {
		sty.XAlign = draw.XRight
	}
	c.FillText(sty, vg.Point{X: at + 3 + 6*vg.Length(sty.XAlign), Y: c.Max.Y}, r.note)
}

// endLabels names series at the right edge of the panel, beside where they
// end, pushed apart where they would overlap.
type endLabels []endLabel

type endLabel struct {
	text string
	y    float64
	style
}

const endLabelHeight = 10 * vg.Length(1)

func endStyle(s style) text.Style {
	t := labelStyle()
	t.Color = s.color
	t.YAlign = draw.YCenter
	return t
}

// GlyphBoxes implements plot.GlyphBoxer: it keeps room for the longest label.
func (e endLabels) GlyphBoxes(*plot.Plot) []plot.GlyphBox {
	var w vg.Length
	for _, l := range e {
		w = max(w, endStyle(l.style).Width(l.text))
	}
	return []plot.GlyphBox{{X: 1, Y: 0.5, Rectangle: vg.Rectangle{Max: vg.Point{X: w + 6}}}}
}

// add names the series that ends at the last of the points with a value.
func (e *endLabels) add(text string, s style, ps []point) {
	if runs := runs(ps); len(runs) > 0 {
		last := runs[len(runs)-1]
		*e = append(*e, endLabel{text, last[len(last)-1].y, s})
	}
}

// Plot implements plot.Plotter.
func (e endLabels) Plot(c draw.Canvas, p *plot.Plot) {
	e = slices.SortedStableFunc(slices.Values(e), func(a, b endLabel) int { return cmp.Compare(a.y, b.y) })
	_, y := p.Transforms(&c)
	at := make([]vg.Length, len(e))
	for i, l := range e {
		at[i] = min(max(y(l.y), c.Min.Y+endLabelHeight/2), c.Max.Y-endLabelHeight/2)
		if i > 0 {
			at[i] = max(at[i], at[i-1]+endLabelHeight)
		}
	}
	// Whatever was pushed out at the top pushes the others down.
	top := c.Max.Y + endLabelHeight/2
	for i := len(at) - 1; i >= 0; i-- {
		at[i] = min(at[i], top-endLabelHeight)
		top = at[i]
	}
	for i, l := range e {
		c.FillText(endStyle(l.style), vg.Point{X: c.Max.X + 6, Y: at[i] + 1}, l.text)
	}
}
