package report

import (
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Widths of a picture: saved and on a wide page, and on a phone, where it is
// drawn anew in one column and not shrunk.
const (
	wideWidth   = 8.5 * vg.Inch
	narrowWidth = 3.55 * vg.Inch
)

// figure is one picture: a title, an optional legend, and panels in a grid with
// as many columns as the width allows.
type figure struct {
	name    string // of its files, without extension
	title   string
	alt     string // the text for readers who cannot see the picture
	caption string // how to read bands and bars
	gap     string // why there is no picture; then there are no panels
	more    bool   // shown when the reader opens the rest of its section

	legend []entry
	direct bool // on a wide page the panels name their series in place of the legend
	panels []panel
	cols   int                             // at most so many columns
	least  vg.Length                       // width below which a panel is not drawn beside another
	height func(width vg.Length) vg.Length // of a panel of that width
}

// tall returns the height of panels that are as tall at every width.
func tall(inches vg.Length) func(vg.Length) vg.Length {
	return func(vg.Length) vg.Length { return inches * vg.Inch }
}

// square returns the height of panels that are about as tall as wide.
func square(width vg.Length) vg.Length { return min(width, 2.75*vg.Inch) }

// panel makes one plot for the given width.
type panel func(width vg.Length) *plot.Plot

// entry is one line of a legend.
type entry struct {
	text string
	style
}

// isNarrow reports whether a panel of that width is drawn for a phone.
func isNarrow(width vg.Length) bool { return width <= narrowWidth }

const (
	margin  = 8 * vg.Length(1)
	legendH = 14 * vg.Length(1)
)

// grid returns how many columns and rows of panels fit.
func (f figure) grid(width vg.Length) (cols, rows int) {
	cols = max(1, min(f.cols, len(f.panels), int((width-2*margin)/f.least)))
	return cols, (len(f.panels) + cols - 1) / cols
}

// layout returns the title and the legend broken into lines, and the height of
// the figure.
func (f figure) layout(width vg.Length) (title []string, legend [][]entry, height vg.Length) {
	title = wrap(titleStyle(), f.title, width-2*margin)
	entries := f.legend
	if f.direct && !isNarrow(width) {
		entries = nil
	}
	used := width
	for _, e := range entries {
		w := e.width()
		if used+w > width-2*margin {
			legend = append(legend, nil)
			used = 0
		}
		legend[len(legend)-1] = append(legend[len(legend)-1], e)
		used += w
	}
	cols, rows := f.grid(width)
	height = 2*margin + vg.Length(len(title))*15 + vg.Length(len(legend))*legendH + 6 + vg.Length(rows)*f.height((width-2*margin)/vg.Length(cols))
	return title, legend, height
}

// fitAtEdge reports whether the names of the series are few and short enough
// for the right edge of a panel.
func fitAtEdge(es []entry) bool {
	return len(es) <= 6 && !slices.ContainsFunc(es, func(e entry) bool { return labelStyle().Width(e.text) > 1.8*vg.Inch })
}

const sampleWidth = 24 * vg.Length(1)

func (e entry) width() vg.Length {
	return sampleWidth + 4 + labelStyle().Width(e.text) + 14
}

func (e entry) draw(c draw.Canvas, at vg.Point) {
	c.StrokeLine2(e.line(), at.X, at.Y, at.X+sampleWidth, at.Y)
	c.DrawGlyphNoClip(e.point(), vg.Point{X: at.X + sampleWidth/2, Y: at.Y})
	sty := labelStyle()
	sty.YAlign = draw.YCenter
	c.FillText(sty, vg.Point{X: at.X + sampleWidth + 4, Y: at.Y + 1}, e.text)
}

func (f figure) draw(c draw.Canvas) {
	width := c.Max.X - c.Min.X
	title, legend, _ := f.layout(width)
	y := c.Max.Y - margin
	for _, line := range title {
		c.FillText(titleStyle(), vg.Point{X: c.Min.X + margin, Y: y}, line)
		y -= 15
	}
	for _, row := range legend {
		x := c.Min.X + margin
		for _, e := range row {
			e.draw(c, vg.Point{X: x, Y: y - legendH/2})
			x += e.width()
		}
		y -= legendH
	}
	y -= 6

	cols, rows := f.grid(width)
	tiles := draw.Tiles{Cols: cols, Rows: rows, PadX: 12, PadY: 12}
	area := draw.Crop(c, margin, -margin, margin, y-c.Max.Y)
	plots := make([][]*plot.Plot, rows)
	for i := range plots {
		plots[i] = make([]*plot.Plot, cols)
		for j := range plots[i] {
			if k := i*cols + j; k < len(f.panels) {
				plots[i][j] = f.panels[k]((area.Max.X - area.Min.X) / vg.Length(cols))
				plots[i][j].BackgroundColor = nil // white on white, which takes as long as all strokes
			}
		}
	}
	for i, row := range plot.Align(plots, tiles, area) {
		for j, cell := range row {
			if plots[i][j] != nil {
				plots[i][j].Draw(cell)
			}
		}
	}
}
