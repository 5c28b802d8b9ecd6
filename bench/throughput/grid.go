package throughput

import (
	"io"
	"strings"
	"unicode/utf8"
)

// grid is a table of text: the first row is the heading, the first column the
// labels. Columns are as wide as their widest cell.
type grid [][]string

// width returns the columns of the widest line.
func (g grid) width() (n int) {
	for i := range g[0] {
		column := 0
		for _, row := range g {
			column = max(column, utf8.RuneCountInString(row[i]))
		}
		n += column
		if i > 0 {
			n += 1 + i%2
		}
	}
	return n
}

// write aligns labels to the left and everything else to the right, after an
// empty line.
func (g grid) write(w io.Writer) error {
	width := make([]int, len(g[0]))
	for i := range width {
		for _, row := range g {
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	var b strings.Builder
	b.WriteByte('\n')
	for _, row := range g {
		var line strings.Builder
		for i, s := range row {
			switch {
			case i == 0:
				line.WriteString(padRight(s, width[i]))
			case i%2 == 1: // a median or a change begins a group
				line.WriteString("  " + padLeft(s, width[i]))
			default:
				line.WriteString(" " + padLeft(s, width[i]))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func padLeft(s string, width int) string {
	return strings.Repeat(" ", width-utf8.RuneCountInString(s)) + s
}

func padRight(s string, width int) string {
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

func longest(s []string) (width int) {
	for _, s := range s {
		width = max(width, utf8.RuneCountInString(s))
	}
	return width
}
