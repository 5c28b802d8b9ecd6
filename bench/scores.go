package bench

import (
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"driftbench/internal/atomicfile"
	"driftbench/report"
)

// writeScores writes scores/ into out: for every split one table of the files
// and their scores, and for every layer the confidence files of the original
// analysis, one Mahalanobis score a line.
func writeScores(out string, s *Splits) error {
	write := func(name string, content func(io.Writer) error) error {
		path := filepath.Join(out, "scores", name)
		if err := atomicfile.Write(path, content); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		return nil
	}
	for _, x := range s.All() {
		err := write(x.Name+".csv", func(w io.Writer) error { return writeScoreTable(w, x, s.Labels, s.detectors.Names()) })
		if err != nil {
			return err
		}
	}
	for g, layer := range s.Layers {
		for _, x := range s.All()[1:] {
			name := fmt.Sprintf("confidence_Ga%d_In.txt", g)
			if x.Role == report.RoleOut {
				name = fmt.Sprintf("confidence_Ga%d_Out_%s.txt", g, x.Name)
			}
			scores, ok := x.Scores["mahalanobis/"+layer]
			if !ok {
				continue
			}
			err := write(name, func(w io.Writer) error {
				for _, v := range scores {
					if _, err := io.WriteString(w, formatScore(v)+"\n"); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// writeScoreTable writes the rows of a split with their scores by the named
// detectors. Like the features it is data for programs: every name is that of
// the index, byte for byte, so that the two join.
func writeScoreTable(w io.Writer, x *Split, labels, names []string) error {
	c := csv.NewWriter(w)
	c.Write(append([]string{"name", "label", "first_seen", "predicted"}, names...))
	for row, r := range x.Rows {
		predicted := ""
		if x.Predicted != nil {
			predicted = labels[x.Predicted[row]]
		}
		record := []string{r.Name, r.Label, r.FirstSeen, predicted}
		for _, name := range names {
			record = append(record, formatScore(x.Scores[name][row]))
		}
		c.Write(record)
	}
	c.Flush()
	return c.Error()
}

func formatScore(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
