package report

import (
	"cmp"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

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
