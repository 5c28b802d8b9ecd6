package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"driftbench/bench/dataset"
	"driftbench/bench/dataset/date"
	"driftbench/bench/features"
	"driftbench/internal/origin"
	"driftbench/report"
	"driftbench/stats"
)

// Split is the files of one split with their features and, after [Evaluate],
// their scores.
type Split struct {
	features.Split
	Role     report.Role
	From, To dataset.Month   // the span, inclusive
	Months   []dataset.Month // of each row
	Dropped  int             // rows whose file could not be read, or gives no finite features
	Excluded int             // In rows with the bytes of a fit row, which are left out
	Groups   []int           // of each row; the same number in two splits is the same group, and a negative one a group of its own

	// Classes holds the class of each row as an index into [Splits].Labels. It is
	// -1 for an Out row without a label or of a family that training lacks.
	// Predicted is the class that the model gives the row, and Confidence the
	// probability that it gives that class: nil where the model's classes are not
	// known to be the labels.
	Classes, Predicted []int
	Confidence         []float64

	// Scores holds one score a row, by detector.
	Scores map[string][]float64
}

// Splits are the splits of a run by what they are for.
type Splits struct {
	Fit *Split   // fits the detectors
	In  *Split   // held out of the training span: the positives
	Out []*Split // later files, in time order: the negatives

	Train    string   // name of the training span
	Labels   []string // classes, in the order of the model's outputs
	Layers   []string // feature layers, in the order of the network
	InUnseen string   // as in report.Results
	Warnings []string // of what made the features
	// Origin is what computed the features, as far as they and the fit file tell.
	Origin origin.Origin

	grouped bool      // whether any row names its group
	other   []string  // labels of training rows that are of the class other
	made    *Manifest // of the extraction

	// saved says that the detectors come from a fit file: Fit and In then have
	// scores and no features. Otherwise Evaluate fits them on Fit.
	saved     bool
	detectors *stats.Detectors
	skipped   map[string]string // detectors that could not be fitted, and why
}

// All returns Fit, In and Out, in that order.
func (s *Splits) All() []*Split { return append([]*Split{s.Fit, s.In}, s.Out...) }

// available is what an evaluation of s gives numbers of.
func (s *Splits) available() available {
	a := available{detectors: stats.Names(s.Layers), accuracy: true}
	if s.saved {
		a.detectors = slices.DeleteFunc(a.detectors, func(name string) bool {
			_, skipped := s.skipped[name]
			return !skipped && !slices.Contains(s.detectors.Names(), name)
		})
	}
	for _, x := range s.All() {
		a.splits = append(a.splits, x.Name)
		a.accuracy = a.accuracy && x.Predicted != nil
	}
	for _, x := range s.Out {
		a.out = append(a.out, x.Name)
	}
	return a
}

// months lists the months of the Out rows in order.
func (s *Splits) months() []dataset.Month {
	var all []dataset.Month
	for _, x := range s.Out {
		all = append(all, x.Months...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// byMonth returns the numbers of the rows of x by month.
func (x *Split) byMonth() map[dataset.Month][]int {
	rows := map[dataset.Month][]int{}
	for row, m := range x.Months {
		rows[m] = append(rows[m], row)
	}
	return rows
}

// setMonths takes the months of the rows from their first_seen.
func (x *Split) setMonths() error {
	x.Months = make([]dataset.Month, len(x.Rows))
	for i, r := range x.Rows {
		m, err := date.OfFirstSeen(r.FirstSeen)
		if err != nil {
			return fmt.Errorf("split %q: first_seen %q of %q begins with no month: want YYYY-MM", x.Name, r.FirstSeen, r.Name)
		}
		x.Months[i] = m
	}
	return nil
}

// setClasses takes the classes of the rows from their labels, and the predicted
// ones from their logits. classes holds the class of every label.
func (x *Split) setClasses(classes map[string]int, labels []string) error {
	x.Classes = make([]int, len(x.Rows))
	for i, r := range x.Rows {
		c, ok := classes[r.Label]
		if !ok && x.Role != report.RoleOut {
			return fmt.Errorf("split %q: label %q of %q is none of %s", x.Name, r.Label, r.Name, strings.Join(labels, ", "))
		}
		if !ok {
			c = -1
		}
		x.Classes[i] = c
	}
	var err error
	if x.Predicted, x.Confidence, err = predict(x.Split, len(labels)); err != nil {
		return fmt.Errorf("split %q: %w", x.Name, err)
	}
	return nil
}

// predict returns the classes that the logits give the rows of s and their
// probabilities, or nil when the model does not have that many classes.
func predict(s features.Split, classes int) (predicted []int, confidence []float64, err error) {
	i := slices.IndexFunc(s.Layers, func(l features.Layer) bool { return l.Name == stats.Logits })
	if i < 0 || max(2, s.Layers[i].Width) != classes {
		return nil, nil, nil
	}
	predicted, confidence = make([]int, len(s.Rows)), make([]float64, len(s.Rows))
	err = eachRow(s.Layers[i], len(s.Rows), func(i int, row []float32) {
		if len(row) == 1 { // one sigmoid unit: above 0 is the second label
			if row[0] > 0 {
				predicted[i] = 1
			}
			confidence[i] = 1 / (1 + math.Exp(-math.Abs(float64(row[0]))))
			return
		}
		for c, v := range row {
			if v > row[predicted[i]] {
				predicted[i] = c
			}
		}
		sum := 0.0 // of the softmax, relative to the largest
		for _, v := range row {
			sum += math.Exp(float64(v) - float64(row[predicted[i]]))
		}
		confidence[i] = 1 / sum
	})
	return predicted, confidence, err
}

// eachRow calls f with every row of a layer that has that many.
func eachRow(l features.Layer, rows int, f func(i int, row []float32)) error {
	buf := make([]float32, min(rows, blockRows)*l.Width)
	for lo := 0; lo < rows; lo += blockRows {
		n := min(blockRows, rows-lo)
		if err := l.ReadRows(buf[:n*l.Width], lo, lo+n); err != nil {
			return err
		}
		for i := range n {
			f(lo+i, buf[i*l.Width:(i+1)*l.Width])
		}
	}
	return nil
}

// blockRows is the number of rows that are in memory at a time. It is a multiple of
// the rows of every product in stats, so that the last bits of scores do not depend
// on where a block ends.
const blockRows = 128 * 192

// labelled returns the numbers of the rows that have a class.
func (x *Split) labelled() []int {
	var rows []int
	for row, c := range x.Classes {
		if c >= 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// correct tells of the given rows whether the model's class is the label's.
func (x *Split) correct(rows []int) []bool {
	correct := make([]bool, len(rows))
	for i, row := range rows {
		correct[i] = x.Predicted[row] == x.Classes[row]
	}
	return correct
}

// features returns the layers of x as stats wants them.
func (x *Split) features() stats.Features {
	f := stats.Features{}
	for _, l := range x.Layers {
		f[l.Name] = stats.Matrix{Rows: len(x.Rows), Cols: l.Width, Data: l.Data, Read: l.Read}
	}
	return f
}

// block reads rows lo to hi−1 of every layer into memory, that of dst if it is large
// enough.
func (x *Split) block(dst stats.Features, lo, hi int) error {
	for _, l := range x.Layers {
		n := (hi - lo) * l.Width
		data := dst[l.Name].Data
		if cap(data) < n {
			data = make([]float32, n)
		}
		if err := l.ReadRows(data[:n], lo, hi); err != nil {
			return err
		}
		dst[l.Name] = stats.Matrix{Rows: hi - lo, Cols: l.Width, Data: data[:n]}
	}
	return nil
}

// stackFeatures puts the rows of several splits under each other. They are read when
// they are needed.
func stackFeatures(splits []*Split) stats.Features {
	f := stats.Features{}
	parts := map[string][]features.Layer{} // by layer
	ends := map[string][]int{}             // of the rows of each part
	for _, x := range splits {
		for _, l := range x.Layers {
			m, ok := f[l.Name]
			if !ok {
				m.Cols = l.Width
			}
			m.Rows += len(x.Rows)
			f[l.Name] = m
			parts[l.Name], ends[l.Name] = append(parts[l.Name], l), append(ends[l.Name], m.Rows)
		}
	}
	for name, m := range f {
		m.Read = func(dst []float32, lo, hi int) error {
			start := 0
			for k, end := range ends[name] {
				if n := min(hi, end) - lo; n > 0 {
					if width := parts[name][k].Width; width != m.Cols {
						return &stats.LayerError{Layer: name, Err: &stats.WidthError{Got: width, Want: m.Cols}}
					}
					if err := parts[name][k].ReadRows(dst[:n*m.Cols], lo-start, lo-start+n); err != nil {
						return err
					}
					dst, lo = dst[n*m.Cols:], lo+n
				}
				start = end
			}
			return nil
		}
		f[name] = m
	}
	return f
}
