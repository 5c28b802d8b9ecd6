package bench

import (
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"driftbench/bench/features"
	"driftbench/internal/atomicfile"
	"driftbench/internal/jsonfile"
	"driftbench/internal/origin"
	"driftbench/internal/text"
	"driftbench/report"
	"driftbench/stats"
)

// originFile says in scores/ what computed the features that were scored.
const originFile = "origin.json"

// scoresOrigin is the content of originFile.
type scoresOrigin struct {
	origin.Origin
	Files map[string]string `json:"files,omitempty"` // SHA-256 of each table of scores, by its name
}

// writeScores writes scores/ into out: for every split one table of the files
// and their scores, for every layer the confidence files of the original
// analysis, one Mahalanobis score a line, and their origin, which goes first and
// comes last.
func writeScores(out string, s *Splits) error {
	dir, err := atomicfile.Folder(out, "scores")
	if err != nil {
		return fmt.Errorf("writing the scores: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, originFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	write := func(name string, content func(io.Writer) error) error {
		path := filepath.Join(dir, name)
		if err := atomicfile.Write(path, content); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		return nil
	}
	made := scoresOrigin{s.Origin, map[string]string{}}
	for _, x := range s.All() {
		name, sum := x.Name+".csv", sha256.New()
		err := write(name, func(w io.Writer) error {
			return writeScoreTable(io.MultiWriter(w, sum), x, s.Labels, s.detectors.Names())
		})
		if err != nil {
			return err
		}
		made.Files[name] = hex.EncodeToString(sum.Sum(nil))
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
	if s.Origin.ModelSHA256 == "" {
		return nil
	}
	return write(originFile, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(made)
	})
}

// readOrigin reads what writeScores wrote of the origin. Without the file it is
// empty.
func readOrigin(path string) (made scoresOrigin, err error) {
	const most = 1 << 20 // bytes; a layer takes 60, a table 100
	err = jsonfile.Read(path, most, &made)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return scoresOrigin{}, fmt.Errorf("reading the origin of scores: %w: score again", err)
	}
	return made, nil
}

// writeScoreTable writes the rows of a split with their scores by the named
// detectors. Names, labels and dates are guarded against spreadsheets as those of the
// features are, see [text.SpreadsheetSafe], so that the two join.
func writeScoreTable(w io.Writer, x *Split, labels, names []string) error {
	c := csv.NewWriter(w)
	c.Write(append([]string{"name", "label", "first_seen", "predicted"}, names...))
	for row, r := range x.Rows {
		predicted := ""
		if x.Predicted != nil {
			predicted = labels[x.Predicted[row]]
		}
		record := []string{text.SpreadsheetSafe(r.Name), text.SpreadsheetSafe(r.Label), text.SpreadsheetSafe(r.FirstSeen), text.SpreadsheetSafe(predicted)}
		for _, name := range names {
			record = append(record, formatScore(x.Scores[name][row]))
		}
		c.Write(record)
	}
	c.Flush()
	return c.Error()
}

// mostAtypical is the number of files that are listed to be looked at next.
const mostAtypical = 50

// atypical lists the files of the last Out split that score lowest by the
// preferred of the named detectors, with the training class that each is nearest
// to in the layer of the detector, or else in the deepest layer with a Gaussian.
// The distance there orders files of equal score: an ensemble of ranks ends at 0.
// It returns nil without a detector that no Out label tunes.
func (s *Splits) atypical(names []string) (*report.Atypical, error) {
	names = slices.DeleteFunc(slices.Clone(names), stats.UsesOutLabels)
	if len(names) == 0 || len(s.Out) == 0 {
		return nil, nil
	}
	x := s.Out[len(s.Out)-1]
	list := &report.Atypical{Detector: report.Preferred(names), Split: x.Name}
	scores, in := x.Scores[list.Detector], slices.Sorted(slices.Values(s.In.Scores[list.Detector]))
	_, layer, _ := strings.Cut(list.Detector, "/")
	for _, name := range append(slices.Clone(s.Layers), layer) {
		if s.detectors.Gaussian(name) != nil && x.features()[name].Rows > 0 {
			list.Layer = name
		}
	}
	inLayer := x.Scores["mahalanobis/"+list.Layer]
	order := make([]int, len(x.Rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		c := cmp.Compare(scores[a], scores[b])
		if c == 0 && inLayer != nil {
			c = cmp.Compare(inLayer[a], inLayer[b])
		}
		return c
	})
	order = order[:min(mostAtypical, len(order))]
	var nearest []int
	if list.Layer != "" {
		l := x.Layers[slices.IndexFunc(x.Layers, func(l features.Layer) bool { return l.Name == list.Layer })]
		part := stats.Matrix{Rows: len(order), Cols: l.Width, Data: make([]float32, len(order)*l.Width)}
		for i, row := range order {
			if err := l.ReadRows(part.Row(i), row, row+1); err != nil {
				return nil, fmt.Errorf("split %s: %w", x.Name, err)
			}
		}
		var err error
		if nearest, err = s.detectors.Gaussian(list.Layer).Nearest(part); err != nil {
			return nil, fmt.Errorf("split %s: %w", x.Name, err)
		}
	}
	for i, row := range order {
		r := x.Rows[row]
		below, _ := slices.BinarySearch(in, scores[row])
		f := report.AtypicalFile{Name: r.Name, Label: r.Label, FirstSeen: r.FirstSeen, Group: r.Group, SHA256: r.SHA256,
			Score: report.Num(scores[row]), LayerScore: report.Num(nan), InBelow: report.Num(float64(below) / float64(len(in)))}
		if inLayer != nil {
			f.LayerScore = report.Num(inLayer[row])
		}
		if nearest != nil {
			f.Nearest = s.Labels[nearest[i]]
		}
		if x.Predicted != nil {
			f.Predicted = s.Labels[x.Predicted[row]]
		}
		list.Files = append(list.Files, f)
	}
	return list, nil
}

func formatScore(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
