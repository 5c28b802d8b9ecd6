package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"driftbench/internal/atomicfile"
)

// writeScores writes scores/ into out: for every split one table of the files
// and their scores, and for every layer the confidence files of the original
// analysis, one Mahalanobis score a line.
func writeScores(out string, sc *scored) error {
	dir := filepath.Join(out, "scores")
	for i, x := range sc.all {
		path := filepath.Join(dir, x.Name+".csv")
		err := atomicfile.Write(path, func(w io.Writer) error { return writeScoreTable(w, sc, i) })
		if err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	for g, layer := range sc.layers {
		scores, ok := sc.scores["mahalanobis/"+layer]
		if !ok {
			continue
		}
		for i, x := range sc.all[1:] {
			name := fmt.Sprintf("confidence_Ga%d_In.txt", g)
			if i > 0 {
				name = fmt.Sprintf("confidence_Ga%d_Out_%s.txt", g, x.Name)
			}
			err := atomicfile.Write(filepath.Join(dir, name), func(w io.Writer) error {
				b := bufio.NewWriter(w)
				for _, v := range scores[i+1] {
					b.WriteString(formatScore(v))
					b.WriteByte('\n')
				}
				return b.Flush()
			})
			if err != nil {
				return fmt.Errorf("writing %s: %w", filepath.Join(dir, name), err)
			}
		}
	}
	return nil
}

func writeScoreTable(w io.Writer, sc *scored, split int) error {
	x := sc.all[split]
	names := sc.detectors.Names()
	c := csv.NewWriter(w)
	c.Write(append([]string{"name", "label", "first_seen", "predicted"}, names...))
	for row, r := range x.Rows {
		said := ""
		if x.predicted != nil {
			said = sc.labels[x.predicted[row]]
		}
		record := []string{inert(r.Name), inert(r.Label), inert(r.FirstSeen), inert(said)}
		for _, name := range names {
			record = append(record, formatScore(sc.scores[name][split][row]))
		}
		c.Write(record)
	}
	c.Flush()
	return c.Error()
}

// inert keeps a spreadsheet from taking the text of a file's author for a
// formula: it puts an apostrophe before the characters that begin one.
func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func formatScore(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
