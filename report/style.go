package report

import (
	"cmp"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// style is how a series is drawn in every picture. Series differ in colour, dash
// and glyph at once, so that no reader depends on one of them.
type style struct {
	color  color.NRGBA
	dashes []vg.Length
	glyph  draw.GlyphDrawer
}

// palette is that of Okabe and Ito (2008), told apart by colour-blind readers,
// without its yellow, which vanishes on white, and its black, whose faint shade is
// that of the no-drift band. Eight follow, most of them of Tol's muted colours
// (2021), so that the fourteen detectors of a network with two feature layers have
// one each, and none is grey.
func palette() []color.NRGBA {
	return []color.NRGBA{
		rgb(0x0072B2), // blue
		rgb(0xD55E00), // vermillion
		rgb(0x332288), // indigo
		rgb(0x009E73), // bluish green
		rgb(0xCC79A7), // reddish purple
		rgb(0xE69F00), // orange
		rgb(0x56B4E9), // sky blue
		rgb(0x882255), // wine
		rgb(0x999933), // olive
		rgb(0x661100), // brown
		rgb(0x5F8A00), // leaf green
		rgb(0x44AA99), // teal
		rgb(0xAA4499), // purple
		rgb(0x117733), // green
	}
}

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xFF}
}

func (s style) faint(alpha uint8) color.NRGBA {
	c := s.color
	c.A = alpha
	return c
}

func (s style) line() draw.LineStyle {
	return draw.LineStyle{Color: s.color, Width: vg.Points(1.4), Dashes: s.dashes}
}

func (s style) point() draw.GlyphStyle {
	return draw.GlyphStyle{Color: s.color, Radius: vg.Points(2.6), Shape: s.glyph}
}

// reserved is how many styles belong to the detectors of preference alone.
const reserved = 3

// seriesStyle returns the i-th style. Eleven colours, five dashes and four
// glyphs repeat together only after 220 series.
func seriesStyle(i int) style {
	dashes := [][]vg.Length{nil, {5, 2.5}, {1.5, 2}, {8, 2, 1.5, 2}, {3, 1.5}}
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamondGlyph{}}
	colors := palette()
	c := i
	if i >= reserved {
		c = reserved + (i-reserved)%(len(colors)-reserved)
	}
	return style{color: colors[c], dashes: dashes[i%len(dashes)], glyph: glyphs[i%len(glyphs)]}
}

// detectorStyles returns the style of every detector by name. Those of
// preference have the same style in every report, so that two reports compare.
func detectorStyles(ds []Detector) map[string]style {
	styles := map[string]style{}
	for i, name := range preference() {
		styles[name] = seriesStyle(i)
	}
	next := reserved
	for _, d := range ds {
		if _, ok := styles[d.Name]; !ok {
			styles[d.Name] = seriesStyle(next)
			next++
		}
	}
	return styles
}

// nullStyle fills the band where AUROC falls without drift.
func nullStyle() style { return style{color: rgb(0xE2E2E2)} }

// diamondGlyph is a filled diamond.
type diamondGlyph struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (diamondGlyph) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	r := sty.Radius * 1.25
	var p vg.Path
	p.Move(vg.Point{X: pt.X, Y: pt.Y + r})
	p.Line(vg.Point{X: pt.X + r, Y: pt.Y})
	p.Line(vg.Point{X: pt.X, Y: pt.Y - r})
	p.Line(vg.Point{X: pt.X - r, Y: pt.Y})
	p.Close()
	c.Fill(p)
}

// grey is an opaque grey. The constants have the contrast they need on the
// white background of every picture.
type grey uint8

const (
	ink  grey = 0x22 // text
	soft grey = 0x59 // axes and notes
	hair grey = 0xE8 // grid
)

// RGBA implements color.Color.
func (g grey) RGBA() (_, _, _, _ uint32) {
	v := uint32(g) * 0x101
	return v, v, v, 0xFFFF
}

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

// newPanel returns an empty plot in the style of all: sans serif, thin axes,
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

// point is a value with an interval at x. If y is NaN the series breaks there,
// if lo or hi is NaN no interval is drawn.
type point struct {
	x, y, lo, hi float64
	few          bool // of fewer than fewInMonth files: a hollow glyph
}

// absent returns a point at x without a value.
func absent(x float64) point { return point{x: x, y: math.NaN(), lo: math.NaN(), hi: math.NaN()} }

// pointAt returns the point at x of a value that lies between 0 and 1.
func pointAt(x float64, v Interval) point {
	return point{x: x, y: share(v.Value), lo: share(v.Lo), hi: share(v.Hi)}
}

func (p point) hasInterval() bool { return finite(p.lo) && finite(p.hi) }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// isShare reports whether x lies between 0 and 1, as AUROCs, accuracies and
// rates do. Any other number is not drawn.
func isShare(x Num) bool { return x >= 0 && x <= 1 }

// share returns x, or NaN unless isShare(x).
func share(x Num) float64 {
	if isShare(x) {
		return float64(x)
	}
	return math.NaN()
}

// curve returns the pairs whose two numbers are shares. It skips those less
// than a line's width from the one before, but for the last: nobody sees them,
// and the curve of 100,000 files stays small.
func curve(pairs [][2]Num) plotter.XYs {
	const step = 4e-3
	var out plotter.XYs
	every := (len(pairs) + mostPoints - 1) / mostPoints
	for i, p := range pairs {
		if i%every != 0 && i < len(pairs)-1 {
			continue
		}
		q := plotter.XY{X: share(p[0]), Y: share(p[1])}
		if !finite(q.X) || !finite(q.Y) {
			continue
		}
		if n := len(out); n > 0 && i < len(pairs)-1 && math.Abs(q.X-out[n-1].X) < step && math.Abs(q.Y-out[n-1].Y) < step {
			continue
		}
		out = append(out, q)
	}
	return out
}

// withoutIntervals returns the points with their values alone.
func withoutIntervals(ps []point) []point {
	out := make([]point, len(ps))
	for i, p := range ps {
		out[i] = absent(p.x)
		out[i].y, out[i].few = p.y, p.few
	}
	return out
}

// runs returns the stretches of points that have values.
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

// shift returns the distance to the side of the i-th of n series, step apart,
// so that none hides another.
func shift(i, n int, step float64) float64 { return (float64(i) - float64(n-1)/2) * step }

func addCurve(p *plot.Plot, sty draw.LineStyle, xy plotter.XYs) {
	l := must(plotter.NewLine(xy))
	l.LineStyle = sty
	p.Add(l)
}

func addGlyphs(p *plot.Plot, s style, xy plotter.XYs) {
	sc := must(plotter.NewScatter(xy))
	sc.GlyphStyle = s.point()
	p.Add(sc)
}

// addArea fills a polygon.
func addArea(p *plot.Plot, fill color.Color, outline plotter.XYs) {
	poly := must(plotter.NewPolygon(outline))
	poly.Color = fill
	poly.LineStyle.Width = 0
	p.Add(poly)
}

// addSeries joins the points of each run, and draws a glyph at every point and
// its interval as a bar.
func addSeries(p *plot.Plot, s style, ps []point) {
	for _, run := range runs(ps) {
		addCurve(p, s.line(), xys(run, middle))
	}
	addPoints(p, s, ps)
}

func addPoints(p *plot.Plot, s style, ps []point) {
	all := slices.Concat(runs(ps)...)
	bars := slices.DeleteFunc(slices.Clone(all), func(q point) bool { return !q.hasInterval() })
	if len(bars) > 0 {
		e := must(plotter.NewYErrorBars(errorPoints(bars)))
		e.LineStyle = draw.LineStyle{Color: s.color, Width: vg.Points(1)}
		e.CapWidth = 4
		p.Add(e)
	}
	if len(all) > 0 {
		addGlyphs(p, s, xys(all, middle))
	}
	hollow := slices.DeleteFunc(all, func(q point) bool { return !q.few })
	if len(hollow) > 0 {
		sc := must(plotter.NewScatter(xys(hollow, middle)))
		sc.GlyphStyle = style{color: rgb(0xFFFFFF), glyph: s.glyph}.point()
		sc.Radius *= 0.6
		p.Add(sc)
	}
}

// errorPoints gives plotter.NewYErrorBars the bounds as distances from the values.
type errorPoints []point

func (e errorPoints) Len() int                        { return len(e) }
func (e errorPoints) XY(i int) (x, y float64)         { return e[i].x, e[i].y }
func (e errorPoints) YError(i int) (float64, float64) { return e[i].y - e[i].lo, e[i].hi - e[i].y }

// addBand fills the interval of each run. A run of one point has a bar.
func addBand(p *plot.Plot, s style, ps []point) {
	for _, run := range runs(ps) {
		upper := slices.DeleteFunc(run, func(q point) bool { return !q.hasInterval() })
		if len(upper) == 1 {
			addPoints(p, s, upper)
		}
		if len(upper) < 2 {
			continue
		}
		lower := slices.Clone(upper)
		slices.Reverse(lower)
		addArea(p, s.faint(0x30), append(xys(upper, func(q point) float64 { return q.hi }), xys(lower, func(q point) float64 { return q.lo })...))
	}
}

// box is a filled rectangle in data coordinates.
type box struct{ x0, x1, y0, y1 float64 }

func addBoxes(p *plot.Plot, s style, boxes ...box) {
	for _, b := range boxes {
		addArea(p, s.color, plotter.XYs{{X: b.x0, Y: b.y0}, {X: b.x1, Y: b.y0}, {X: b.x1, Y: b.y1}, {X: b.x0, Y: b.y1}})
	}
}

// reference is a straight dashed line across the panel. A vertical one may have
// a note at its top, on the side that is wider.
type reference struct {
	at       float64
	vertical bool
	note     string
}

func referenceStyle() style { return style{color: rgb(0x595959), dashes: []vg.Length{3, 2}} }

// Plot implements plot.Plotter.
func (r reference) Plot(c draw.Canvas, p *plot.Plot) {
	line := referenceStyle().line()
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

// GlyphBoxes implements plot.GlyphBoxer: it reserves the width of the longest
// label.
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
	// Labels that were pushed out at the top push the others down.
	top := c.Max.Y + endLabelHeight/2
	for i := len(at) - 1; i >= 0; i-- {
		at[i] = min(at[i], top-endLabelHeight)
		top = at[i]
	}
	for i, l := range e {
		c.FillText(endStyle(l.style), vg.Point{X: c.Max.X + 6, Y: at[i] + 1}, l.text)
	}
}

// categories are names along an axis, each with a note such as its number of
// files.
type categories struct{ names, notes []string }

func (c *categories) add(name, note string) {
	c.names = append(c.names, short(name, 22))
	c.notes = append(c.notes, note)
}

// leftMargin is about how much of a panel's width lies to the left of its data.
const leftMargin = 60 * vg.Length(1)

// turned reports whether the names are too wide to stand side by side in a
// panel of that width, and how long the longest is when turned upright.
func (c categories) turned(width vg.Length) (bool, vg.Length) {
	sty := tickStyle()
	slot := (width - leftMargin) / vg.Length(max(1, len(c.names)))
	fits, longest := true, vg.Length(0)
	for i, name := range c.names {
		fits = fits && max(sty.Width(name), sty.Width(c.notes[i])) < slot-4
		longest = max(longest, sty.Width(c.upright(i)))
	}
	return !fits, longest
}

func (c categories) upright(i int) string {
	if c.notes[i] == "" {
		return c.names[i]
	}
	return c.names[i] + ", " + c.notes[i]
}

// height returns the height of a panel by its width: base inches, and the
// length of the names where they stand upright.
func (c categories) height(base vg.Length) func(vg.Length) vg.Length {
	return func(width vg.Length) vg.Length {
		if turned, longest := c.turned(width); turned {
			return base*vg.Inch + longest
		}
		return base * vg.Inch
	}
}

// set puts the names at 0, 1, … of the x axis.
func (c categories) set(p *plot.Plot, width vg.Length) {
	sty := &p.X.Tick.Label
	turned, _ := c.turned(width)
	if turned {
		sty.Rotation, sty.XAlign, sty.YAlign = math.Pi/2, draw.XRight, draw.YCenter
	}
	ticks := make([]plot.Tick, len(c.names))
	for i, name := range c.names {
		ticks[i] = plot.Tick{Value: float64(i), Label: name}
		switch {
		case turned:
			ticks[i].Label = c.upright(i) + "  " // the spaces keep the text off the axis
		case c.notes[i] != "":
			ticks[i].Label += "\n" + c.notes[i]
		}
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.X.Tick.Length = 0
	p.X.Min, p.X.Max = -0.5, float64(len(c.names))-0.5
}

// setAUROC bounds the y axis by what is drawn, always with 0.5.
func setAUROC(p *plot.Plot, ps []point) {
	lo, hi := 0.45, 0.7
	for _, q := range ps {
		for _, y := range []float64{q.y, q.lo, q.hi} {
			if finite(y) {
				lo, hi = min(lo, y), max(hi, y)
			}
		}
	}
	p.Y.Min = max(0, math.Floor(lo*20-0.2)/20)
	p.Y.Max = min(1, math.Ceil(hi*20+0.2)/20)
	p.Y.Tick.Marker = tenths("no drift ")
}

// setRows labels the rows of a panel that has one row per unit of y, from lo to hi.
func setRows(p *plot.Plot, ticks []plot.Tick, lo, hi float64) {
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Length, p.Y.Width = 0, 0
	p.Y.Min, p.Y.Max = lo, hi
}

// tenths ticks every tenth, labelled, and every twentieth. Its text stands
// before the label of 0.5.
type tenths string

// Ticks implements plot.Ticker.
func (n tenths) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for i := int(math.Ceil(lo*20 - 1e-9)); i <= int(math.Floor(hi*20+1e-9)); i++ {
		t := plot.Tick{Value: float64(i) / 20}
		if i%2 == 0 {
			t.Label = strconv.FormatFloat(t.Value, 'f', 1, 64)
		}
		if i == 10 {
			t.Label = string(n) + t.Label
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// countTicks labels an axis of whole numbers.
type countTicks struct{}

// Ticks implements plot.Ticker.
func (countTicks) Ticks(lo, hi float64) []plot.Tick {
	step := 1.0
	for next := 0; (hi-lo)/step > 5; next++ {
		step *= []float64{2, 2.5, 2}[next%3]
	}
	var ticks []plot.Tick
	for y := math.Ceil(lo/step) * step; y <= hi; y += step {
		ticks = append(ticks, plot.Tick{Value: y, Label: strconv.FormatFloat(y, 'f', -1, 64)})
	}
	return ticks
}

// shareTicks labels an axis of shares in percent.
type shareTicks struct{}

// Ticks implements plot.Ticker.
func (shareTicks) Ticks(lo, hi float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lo, hi)
	for i, t := range ticks {
		if !t.IsMinor() {
			ticks[i].Label = strconv.FormatFloat(math.Round(t.Value*1e4)/100, 'f', -1, 64) + "%"
		}
	}
	return ticks
}

// scoreTicks labels an axis of scores with as many decimals as its ticks need:
// the default ticks round some of them to the same label.
type scoreTicks struct{}

// Ticks implements plot.Ticker.
func (scoreTicks) Ticks(lo, hi float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lo, hi)
	decimals := 0
	for _, t := range ticks {
		for !t.IsMinor() && decimals < 12 {
			shown, _ := strconv.ParseFloat(strconv.FormatFloat(t.Value, 'f', decimals, 64), 64)
			if math.Abs(shown-t.Value) < 1e-6*(hi-lo) {
				break
			}
			decimals++
		}
	}
	for i, t := range ticks {
		if !t.IsMinor() {
			ticks[i].Label = fixed(Num(t.Value), decimals)
			if math.Abs(t.Value) >= 1e6 {
				ticks[i].Label = strconv.FormatFloat(t.Value, 'g', 4, 64)
			}
		}
	}
	return ticks
}
