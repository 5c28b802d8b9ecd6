package report

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"html"
	"html/template"
	"image"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"git.sr.ht/~sbinet/gg"
	"golang.org/x/sync/errgroup"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
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

// noting returns the figure with a sentence behind its caption, unless it has no
// picture or there is none.
func (f figure) noting(sentence string) figure {
	if f.gap == "" && sentence != "" {
		f.caption += " " + sentence
	}
	return f
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

// picture is a figure laid out for one width: its strokes and texts, which are
// drawn as PNG, as SVG or as both.
type picture struct {
	width, height vg.Length
	alt           string
	strokes       recorder.Canvas
}

// picture lays the figure out.
func (f figure) picture(width vg.Length) *picture {
	_, _, height := f.layout(width)
	p := &picture{width: width, height: height, alt: f.alt}
	f.draw(draw.NewCanvas(&p.strokes, width, height))
	return p
}

// on draws the picture.
func (p *picture) on(c vg.Canvas) {
	if err := p.strokes.ReplayOn(c); err != nil {
		panic(err) // every action that was recorded can be drawn
	}
}

func (f figure) png(width vg.Length, dpi int) []byte { return f.picture(width).png(dpi) }

func (f figure) svg(width vg.Length) []byte { return f.picture(width).svg() }

// png draws the picture as a PNG.
func (p *picture) png(dpi int) []byte {
	if area := float64(p.width/vg.Inch) * float64(p.height/vg.Inch); area*float64(dpi)*float64(dpi) > mostPixels {
		dpi = int(math.Sqrt(mostPixels / area))
	}
	size := func(l vg.Length) int { return int(l.Dots(float64(dpi)) + 0.5) }
	img := newImage(size(p.width), size(p.height))
	defer images.Put(img)
	// As vgimg makes a context, but on img and not on a copy.
	ctx := gg.NewContextForRGBA(img)
	ctx.SetLineCapButt()
	ctx.InvertY()
	rounded := vg.Length(img.Rect.Dy()) / vg.Length(dpi) * vg.Inch
	p.on(pixels{vgimg.NewWith(vgimg.UseImageWithContext(img, ctx), vgimg.UseDPI(dpi)), rounded - p.height})
	return encodePNG(img, dpi)
}

// pixels is a canvas whose height is rounded to pixels, up by that much. vgimg puts
// strokes where they are by the height of the pixels, and texts by that of the canvas.
type pixels struct {
	*vgimg.Canvas
	up vg.Length
}

func (c pixels) FillString(f font.Face, at vg.Point, s string) {
	at.Y += c.up
	c.Canvas.FillString(f, at, s)
}

// images are the pixels of pictures that are encoded: some take 40 MB.
var images = sync.Pool{New: func() any { return new(image.RGBA) }}

// newImage returns an image with pixels of any colour.
func newImage(width, height int) *image.RGBA {
	img := images.Get().(*image.RGBA)
	if n := 4 * width * height; cap(img.Pix) < n {
		img.Pix = make([]uint8, n)
	} else {
		img.Pix = img.Pix[:n]
	}
	img.Stride, img.Rect = 4*width, image.Rect(0, 0, width, height)
	return img
}

// encodePNG encodes an opaque image of dpi dots per inch. Rows are not filtered and
// barely searched for repetitions, which on flat colours gives no larger files than
// image/png does, in a fifth of its time.
func encodePNG(img *image.RGBA, dpi int) []byte {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		at := len(b)
		b = append(append(b, name...), data...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[at:]))
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(width))
	header = binary.BigEndian.AppendUint32(header, uint32(height))
	chunk("IHDR", append(header, 8, 2, 0, 0, 0)) // 8 bits each of red, green and blue

	// So that the picture prints at its size. PNG specification, 11.3.4.3.
	perMetre := uint32(float64(dpi)/0.0254 + 0.5)
	resolution := binary.BigEndian.AppendUint32(nil, perMetre)
	resolution = binary.BigEndian.AppendUint32(resolution, perMetre)
	chunk("pHYs", append(resolution, 1))

	var data bytes.Buffer
	z, err := zlib.NewWriterLevel(&data, zlib.BestSpeed)
	if err != nil {
		panic(err) // BestSpeed is a level
	}
	row := make([]byte, 1+3*width) // begins with the number of the filter, 0 for none
	for y := range height {
		from := img.Pix[y*img.Stride:][:4*width]
		for x, to := 0, row[1:]; x < len(from); x, to = x+4, to[3:] {
			to[0], to[1], to[2] = from[x], from[x+1], from[x+2]
		}
		z.Write(row) // a buffer never fails to write
	}
	z.Close()
	chunk("IDAT", data.Bytes())
	chunk("IEND", nil)
	return b
}

// svg draws the picture as an SVG. Fonts are not embedded. Arial has the widths
// of Liberation Sans, and DejaVu Sans Condensed nearly so.
func (p *picture) svg() []byte {
	c := vgsvg.New(p.width, p.height)
	dc := draw.New(c)
	dc.SetColor(grey(0xFF))
	dc.Fill(dc.Rectangle.Path())
	p.on(c)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		panic(err) // memory never fails to write
	}
	// The font that every text element repeats is set once, at the root.
	short := strings.NewReplacer("font-family:Liberation Sans;font-variant:normal;", "", "font-weight:normal;", "", "font-style:normal;", "").Replace(b.String())
	root := `role="img" aria-label="` + html.EscapeString(p.alt) + `" font-family="Liberation Sans, Arial, Helvetica, DejaVu Sans Condensed, sans-serif"` + "\n\t"
	return []byte(strings.Replace(short, "xmlns:xlink", root+"xmlns:xlink", 1))
}

// inline returns the picture, whose SVG is given, as a data URL: the SVG, which is
// sharp at every size, or a PNG where the SVG is very large.
func (p *picture) inline(svg []byte) template.URL {
	const large, screenDPI = 600_000, 96
	if len(svg) <= large {
		return dataURL("image/svg+xml", svg)
	}
	return dataURL("image/png", p.png(screenDPI))
}

// drawn is a figure with its picture for a wide page, and for the page in one file
// also for a narrow one.
type drawn struct {
	png, svg []byte
	inline   [2]template.URL // wide and narrow
}

// drawFigures draws figures on all processors, the tallest first, so that none is left
// for one of them at the end. dpi is the resolution of the PNGs.
func drawFigures(figures []figure, dpi int) []drawn {
	all := make([]drawn, len(figures))
	order := make([]int, len(figures))
	heights := make([]vg.Length, len(figures))
	for i, f := range figures {
		order[i] = i
		_, _, heights[i] = f.layout(wideWidth)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(heights[b], heights[a]) })
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range order {
		g.Go(func() error {
			f, d := figures[i], &all[i]
			wide := f.picture(wideWidth)
			d.png, d.svg = wide.png(dpi), wide.svg()
			narrow := f.picture(narrowWidth)
			d.inline = [2]template.URL{wide.inline(d.svg), narrow.inline(narrow.svg())}
			return nil
		})
	}
	g.Wait() // no picture fails
	return all
}

func dataURL(kind string, data []byte) template.URL {
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data))
}
