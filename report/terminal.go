package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// terminalWidth is the most columns Table uses.
const terminalWidth = 100

// Table prints the AUROC of every detector on every later split, with its 95%
// interval, the number of files and the null band, in at most 100 columns.
// Splits that do not fit side by side follow in further blocks.
func Table(w io.Writer, r Results) error {
	v := newView(r)
	var b strings.Builder
	fmt.Fprintf(&b, "AUROC of %s (%s) against later files: 0.5 is no drift.\n* p < 0.05 (Holm over the splits)\n",
		crop(v.inName(), 16), count(v.inFiles(), "file"))
	names := v.outNames()
	if len(names) == 0 {
		b.WriteString(v.noAUROC() + "\n")
	}
	var rows []Detector
	for _, d := range v.Detectors {
		if d.Skipped == "" {
			rows = append(rows, d)
		}
	}
	labels := []string{"detector", "files", "no-drift band"}
	for _, d := range rows {
		labels = append(labels, clean(d.Name))
	}
	const first, rest, perBlock = 31, 21, 3 // 31 + 3·(2+21) = 100
	for ; len(names) > 0; names = names[min(perBlock, len(names)):] {
		grid := [][]string{labels}
		for _, name := range names[:min(perBlock, len(names))] {
			column := []string{clean(name), fmt.Sprint(v.outFiles(name)), missing}
			if lo, hi, ok := v.null(name); ok {
				column[2] = fmt.Sprintf("%.3f to %.3f", lo, hi)
			}
			for _, d := range rows {
				column = append(column, terminalCell(d.split(name)))
			}
			grid = append(grid, column)
		}
		b.WriteString("\n")
		writeColumns(&b, grid, first, rest)
	}
	var notes []string
	for _, d := range v.Detectors {
		switch {
		case d.Skipped != "":
			notes = append(notes, fmt.Sprintf("%s: skipped: %s", clean(d.Name), clean(d.Skipped)))
		case d.UsesOutLabels:
			notes = append(notes, fmt.Sprintf("%s: tuned on later files, so optimistic", clean(d.Name)))
		}
	}
	if len(notes) > 0 {
		b.WriteString("\n")
	}
	for _, note := range notes {
		b.WriteString(crop(note, terminalWidth) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func terminalCell(s *DetectorSplit) string {
	if s == nil || !s.AUROC.OK() {
		return missing
	}
	text := interval(s.AUROC, s.AUROCLo, s.AUROCHi, auroc3)
	text = strings.NewReplacer("(", "[", ")", "]", " to ", ", ").Replace(text)
	if s.PHolm < level {
		text += "*"
	}
	return text
}

// writeColumns prints columns side by side, cropped to first and rest
// columns, as wide as their longest cell.
func writeColumns(b *strings.Builder, grid [][]string, first, rest int) {
	for i := range grid[0] {
		line := ""
		for j, column := range grid {
			most := rest
			if j == 0 {
				most = first
			}
			width := 0
			for _, s := range column {
				width = max(width, uniseg.StringWidth(crop(s, most)))
			}
			cell := crop(column[i], most)
			line += cell + strings.Repeat(" ", width-uniseg.StringWidth(cell)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// crop shortens s to at most width columns of a terminal.
func crop(s string, width int) string {
	for most := width; uniseg.StringWidth(s) > width; most-- {
		s = shorten(s, most)
	}
	return s
}
