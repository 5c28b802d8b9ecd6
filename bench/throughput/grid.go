package throughput

import (
	"io"
	"strings"
	"unicode/utf8"
)

// grid is a table of text: the first row is the heading, the first column the
// labels. Columns are as wide as their widest cell.
type grid [][]string

// write aligns labels to the left and everything else to the right, after an
// empty line.
func (g grid) write(w io.Writer) error {
	width := make([]int, len(g[0]))
	for _, row := range g {
		for i, s := range row {
			width[i] = max(width[i], utf8.RuneCountInString(s))
		}
	}
	var b strings.Builder
	b.WriteByte('\n')
	for _, row := range g {
		var line strings.Builder
		for i, s := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(s))
			switch {
			case i == 0:
				line.WriteString(s + pad)
			case i%2 == 1: // a median or a change begins a group
				line.WriteString("  " + pad + s)
			default:
				line.WriteString(" " + pad + s)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
