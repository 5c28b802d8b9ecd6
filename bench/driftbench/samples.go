package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
	"driftbench/stats"
)

// sample is one split, ready to be scored.
type sample struct {
	features.Split
	role      report.Role
	from, to  string // months
	dropped   int
	classes   []int // of each row, index into the labels
	predicted []int // the same as the model tells it; nil when its classes are not the labels

	// scores holds one score a row by detector where they come from a fit
	// file, whose samples have no features; else it is nil.
	scores map[string][]float64
}

// samples are the splits of a run: fit, In, then Out in time order.
type samples struct {
	train    string   // name of the training span
	labels   []string // classes, in the order of the model's outputs
	layers   []string // feature layers, in the order of the network
	inUnseen string   // as in report.Results
	warnings []string // of what made the features
	all      []*sample

	saved *savedFit // what the detectors come from; nil fits them on the first sample
}

func (s *samples) fit() *sample   { return s.all[0] }
func (s *samples) in() *sample    { return s.all[1] }
func (s *samples) out() []*sample { return s.all[2:] }

// plan is what scoring s gives numbers of.
func (s *samples) plan() plan {
	p := plan{detectors: stats.Names(s.layers), predicts: true}
	if s.saved != nil {
		p.detectors = slices.DeleteFunc(p.detectors, func(name string) bool {
			_, skipped := s.saved.Skipped[name]
			return !skipped && !slices.Contains(s.saved.detectors.Names(), name)
		})
	}
	for _, x := range s.all {
		p.splits = append(p.splits, x.Name)
		p.predicts = p.predicts && x.predicted != nil
	}
	return p
}

// layerNames names the feature layers of a split.
func layerNames(s features.Split) []string {
	var names []string
	for _, l := range s.Layers {
		if l.Name != stats.Logits {
			names = append(names, l.Name)
		}
	}
	return names
}

// setClasses turns the labels and logits of the samples into classes.
func (s *samples) setClasses(of []*sample) error {
	class := map[string]int{}
	for i, l := range s.labels {
		class[l] = i
	}
	for _, x := range of {
		x.classes = make([]int, len(x.Rows))
		for i, r := range x.Rows {
			c, ok := class[r.Label]
			if !ok {
				return fmt.Errorf("split %q: label %q of %q is none of %s", x.Name, r.Label, r.Name, strings.Join(s.labels, ", "))
			}
			x.classes[i] = c
		}
		x.predicted = classify(x, len(s.labels))
	}
	return nil
}

// checkMonths refuses rows that belong to no month.
func checkMonths(split string, rows []features.Row) error {
	for _, r := range rows {
		if len(r.FirstSeen) >= len("2006-01") {
			if _, err := dataset.ParseMonth(month(r)); err == nil {
				continue
			}
		}
		return fmt.Errorf("split %q: first_seen %q of %q begins with no month: want YYYY-MM", split, r.FirstSeen, r.Name)
	}
	return nil
}

func month(r features.Row) string   { return r.FirstSeen[:len("2006-01")] }
func byMonth(a, b features.Row) int { return cmp.Compare(month(a), month(b)) }

// features are the layers of a sample as stats wants them, sharing memory.
func (s *sample) features() stats.Features {
	f := stats.Features{}
	for _, l := range s.Layers {
		f[l.Name] = stats.Matrix{Rows: len(s.Rows), Cols: l.Width, Data: l.Data}
	}
	return f
}

// stackFeatures puts the rows of several samples under each other.
func stackFeatures(several []*sample) stats.Features {
	f := stats.Features{}
	for _, s := range several {
		for name, m := range s.features() {
			all := f[name]
			f[name] = stats.Matrix{Rows: all.Rows + m.Rows, Cols: m.Cols, Data: append(all.Data, m.Data...)}
		}
	}
	return f
}
