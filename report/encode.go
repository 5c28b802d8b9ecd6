package report

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"html"
	"html/template"
	"image/png"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// png draws the figure as a PNG.
func (f figure) png(width vg.Length, dpi int) []byte {
	_, _, height := f.layout(width)
	c := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))
	f.draw(draw.New(c))
	var b bytes.Buffer
	if err := png.Encode(&b, c.Image()); err != nil {
		panic(err) // memory never fails to write
	}
	return withResolution(b.Bytes(), dpi)
}

// withResolution adds the pHYs chunk, which image/png does not write, so that
// the picture prints at its size. PNG specification, 11.3.4.3.
func withResolution(img []byte, dpi int) []byte {
	const header = 8 + 4 + 4 + 13 + 4 // signature and the IHDR chunk
	perMetre := uint32(float64(dpi)/0.0254 + 0.5)
	chunk := append([]byte{0, 0, 0, 9}, "pHYs"...)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = append(chunk, 1)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return bytes.Join([][]byte{img[:header], chunk, img[header:]}, nil)
}

// svg draws the figure as an SVG. Fonts are not embedded: Arial has the
// widths of Liberation Sans, so it may take its place, and so may, nearly, DejaVu
// Sans Condensed, where there is no other.
func (f figure) svg(width vg.Length) []byte {
	_, _, height := f.layout(width)
	c := vgsvg.New(width, height)
	dc := draw.New(c)
	dc.SetColor(grey(0xFF))
	dc.Fill(dc.Rectangle.Path())
	f.draw(dc)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		panic(err) // memory never fails to write
	}
	// What every text repeats is said once, at the root.
	short := strings.NewReplacer("font-family:Liberation Sans;font-variant:normal;", "", "font-weight:normal;", "", "font-style:normal;", "").Replace(b.String())
	root := `role="img" aria-label="` + html.EscapeString(f.alt) + `" font-family="Liberation Sans, Arial, Helvetica, DejaVu Sans Condensed, sans-serif"` + "\n\t"
	return []byte(strings.Replace(short, "xmlns:xlink", root+"xmlns:xlink", 1))
}

// inline is the picture as it stands in the page: SVG, which stays sharp, or
// where that grows very large, PNG.
func (f figure) inline(width vg.Length) template.URL {
	const large, screenDPI = 600_000, 96
	if b := f.svg(width); len(b) <= large {
		return dataURL("image/svg+xml", b)
	}
	return dataURL("image/png", f.png(width, screenDPI))
}

func dataURL(kind string, data []byte) template.URL {
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data))
}
