package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"driftbench/report"
	"driftbench/stats"
)

// scoring says what is computed from the features.
type scoring struct {
	detectors []string
	resamples int
	seed      uint64
}

func (o *scoring) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringSliceVar(&o.detectors, "detectors", nil, "detectors to fit, by name; all when empty")
	fl.IntVar(&o.resamples, "resamples", 2000, "bootstrap resamples of the ranking metrics")
	fl.Uint64Var(&o.seed, "bootstrap-seed", 1, "seed of the bootstrap")
}

func (o *scoring) check() error {
	if o.resamples < 1 {
		return usagef("--resamples %d: want 1 or more", o.resamples)
	}
	return nil
}

// samples are the splits of a run: fit, In, then Out in time order.
type samples struct {
	train  string // name of the training span
	labels []string
	all    []*sample
}

func (s *samples) fit() *sample   { return s.all[0] }
func (s *samples) in() *sample    { return s.all[1] }
func (s *samples) out() []*sample { return s.all[2:] }

// layers names the feature layers, in the order of the network.
func (s *samples) layers() []string {
	var names []string
	for _, l := range s.fit().Layers {
		if l.Name != stats.Logits {
			names = append(names, l.Name)
		}
	}
	return names
}

// scored is the scores of every detector for every sample.
type scored struct {
	*samples
	detectors *stats.Detectors
	scores    map[string][][]float64 // by detector: one slice a sample, one score a row
}

// score fits the detectors, scores every sample, writes scores/ into out, and
// returns the numbers of the report.
func (a *app) score(ctx context.Context, s *samples, opt scoring, out string) (*report.Results, error) {
	sc, err := a.fitAndScore(ctx, s, opt)
	if err != nil {
		return nil, err
	}
	predicted := classify(s)
	if err := writeScores(out, sc, predicted); err != nil {
		return nil, err
	}

	r := &report.Results{SchemaVersion: report.SchemaVersion, Train: s.train, Labels: s.labels, InUnseen: "unknown"}
	for _, x := range s.all {
		r.Splits = append(r.Splits, describeSplit(x, s.labels))
	}
	for _, layer := range s.layers() {
		if g := sc.detectors.Gaussian(layer); g != nil {
			r.Fits = append(r.Fits, report.Fit{Layer: layer, Width: g.Width(), Rows: len(s.fit().Rows), Rank: g.Rank, Condition: report.Num(g.Condition)})
			if g.Rank < g.Width() {
				r.Warnings = append(r.Warnings, fmt.Sprintf("the covariance of %s has rank %d of %d: dead or dependent features, or too few fit rows; what varies only in new files is not seen there", layer, g.Rank, g.Width()))
			}
		}
	}
	r.Warnings = append(r.Warnings, timeRules(s)...)

	names := sc.detectors.Names()
	a.startProgress("bootstrap", len(names)*len(s.out()))
	for _, name := range stats.Names(s.layers()) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if why := sc.detectors.Skipped(name); why != nil {
			r.Detectors = append(r.Detectors, report.Detector{Name: name, UsesOutLabels: stats.UsesOutLabels(name), Skipped: why.Error()})
		} else if slices.Contains(names, name) {
			r.Detectors = append(r.Detectors, sc.measure(name, opt, a.advance))
		}
	}
	a.closeProgress()
	r.Comparisons = sc.compare(names)
	r.Classifier = sc.classifier(predicted)
	return r, nil
}

// fitAndScore fits the detectors on the fit sample and scores all samples.
func (a *app) fitAndScore(ctx context.Context, s *samples, opt scoring) (*scored, error) {
	t := stats.Training{
		Layers:     s.layers(),
		Fit:        s.fit().features(),
		Classes:    s.fit().classes,
		NumClasses: len(s.labels),
		In:         s.in().features(),
		Out:        stackFeatures(s.out()),
	}
	a.startProgress("fit", 1)
	d, err := stats.Fit(t, opt.detectors...)
	if err != nil {
		return nil, locate(err, s.all)
	}
	a.advance(1)
	sc := &scored{samples: s, detectors: d, scores: map[string][][]float64{}}
	a.startProgress("scoring", len(d.Names())*len(s.all))
	for _, name := range d.Names() {
		for _, x := range s.all {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			dst := make([]float64, len(x.Rows))
			if err := d.Score(dst, name, x.features()); err != nil {
				return nil, locate(err, []*sample{x})
			}
			sc.scores[name] = append(sc.scores[name], dst)
			a.advance(1)
		}
	}
	a.closeProgress()
	return sc, nil
}

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

// locate turns a bad feature into the name of its file: it looks for the
// first one in the samples.
func locate(err error, in []*sample) error {
	var layer *stats.LayerError
	var bad *stats.NotFiniteError
	if !errors.As(err, &layer) || !errors.As(err, &bad) {
		return err
	}
	for _, s := range in {
		m, ok := s.features()[layer.Layer]
		if !ok {
			continue
		}
		for i, v := range m.Data {
			if v-v != 0 { // NaN or infinite
				return fmt.Errorf("features/%s.%s.npy: file %q has %v in column %d: the model gives no finite number for it; take the file out of the index", s.Name, layer.Layer, s.Rows[i/m.Cols].Name, v, i%m.Cols)
			}
		}
	}
	return err
}

// describeSplit counts the files of a sample.
func describeSplit(s *sample, labels []string) report.Split {
	d := report.Split{Name: s.Name, Role: s.role, From: s.from, To: s.to, Files: len(s.Rows), Dropped: s.dropped}
	seen := map[string]bool{}
	counts := make([]int, len(labels))
	for i, row := range s.Rows {
		if seen[row.SHA256] {
			d.Duplicates++
		}
		seen[row.SHA256] = true
		counts[s.classes[i]]++
	}
	for i, l := range labels {
		d.Classes = append(d.Classes, report.ClassCount{Label: l, Files: counts[i]})
	}
	return d
}

// timeRules says where the corpus breaks the rules of TESSERACT (Pendlebury
// et al., USENIX Security 2019, section 4): no training file may be later
// than a test file, and every split should have the classes of the others.
func timeRules(s *samples) []string {
	var broken []string
	newest := slices.MaxFunc(s.fit().Rows, byMonth)
	for _, o := range s.out() {
		oldest := slices.MinFunc(o.Rows, byMonth)
		if month(oldest) <= month(newest) {
			broken = append(broken, fmt.Sprintf("time rule: split %s has files of %s, not later than the newest fit file (%s): drift looks smaller than it is", o.Name, month(oldest), month(newest)))
		}
	}
	for _, x := range s.all {
		for c, label := range s.labels {
			if !slices.Contains(x.classes, c) {
				broken = append(broken, fmt.Sprintf("time rule: split %s has no %s: a change in the mix of classes looks like drift; see the class-balanced AUROC", x.Name, label))
			}
		}
	}
	return broken
}

// months lists the months of the Out samples in order.
func (s *samples) months() []string {
	var all []string
	for _, o := range s.out() {
		for _, r := range o.Rows {
			all = append(all, month(r))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// inMonth collects what at returns for every Out row of a month.
func inMonth[T any](s *samples, name string, at func(split, row int) T) []T {
	var picked []T
	for i, o := range s.out() {
		for j, r := range o.Rows {
			if month(r) == name {
				picked = append(picked, at(i+2, j))
			}
		}
	}
	return picked
}
