package report

import (
	"image/color"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// style is how a series looks in every picture. Series differ in colour, dash
// and glyph at once, so that no reader depends on one of them.
type style struct {
	color  color.NRGBA
	dashes []vg.Length
	glyph  draw.GlyphDrawer
}

// palette is that of Okabe and Ito (2008), told apart by colour-blind readers,
// without its yellow, which vanishes on white. Seven follow, most of them of
// Tol's muted colours (2021), so that the fourteen detectors of a network with
// two feature layers have one each.
func palette() []color.NRGBA {
	return []color.NRGBA{
		rgb(0x000000), // black
		rgb(0xD55E00), // vermillion
		rgb(0x0072B2), // blue
		rgb(0x009E73), // bluish green
		rgb(0xCC79A7), // reddish purple
		rgb(0xE69F00), // orange
		rgb(0x56B4E9), // sky blue
		rgb(0x882255), // wine
		rgb(0x999933), // olive
		rgb(0x332288), // indigo
		rgb(0x777777), // grey
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

// usual is how many of the styles belong to the usual detectors alone.
const usual = 3

// seriesStyle is the i-th style. Eleven colours, five dashes and four glyphs
// repeat together only after 220 series.
func seriesStyle(i int) style {
	dashes := [][]vg.Length{nil, {5, 2.5}, {1.5, 2}, {8, 2, 1.5, 2}, {3, 1.5}}
	glyphs := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamondGlyph{}}
	colors := palette()
	c := i
	if i >= usual {
		c = usual + (i-usual)%(len(colors)-usual)
	}
	return style{color: colors[c], dashes: dashes[i%len(dashes)], glyph: glyphs[i%len(glyphs)]}
}

// detectorStyles gives every detector its style. The usual detectors have
// theirs fixed, so that two reports can be laid side by side.
func detectorStyles(ds []Detector) map[string]style {
	styles := map[string]style{
		"mahalanobis/ensemble": seriesStyle(0),
		"mahalanobis/layer8":   seriesStyle(1),
		"mahalanobis/layer7":   seriesStyle(2),
	}
	next := usual
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

// grey is an opaque grey; the constants are dark enough, or light enough, for
// the white card every picture is drawn on.
type grey uint8

const (
	ink  grey = 0x22 // text, reference lines
	soft grey = 0x59 // notes
	hair grey = 0xE8 // grid
)

// RGBA implements color.Color.
func (g grey) RGBA() (_, _, _, _ uint32) {
	v := uint32(g) * 0x101
	return v, v, v, 0xFFFF
}
