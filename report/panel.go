package report

import (
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
