package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"driftbench/report"
	"driftbench/stats"
)

// scored is the scores of every detector for every sample.
type scored struct {
	*samples
	detectors *stats.Detectors
	skipped   map[string]string      // detectors that could not be fitted, and why
	scores    map[string][][]float64 // by detector: one slice a sample, one score a row
}

// score fits the detectors, scores every sample, and computes the numbers of
// the report. It writes nothing.
func (a *app) score(ctx context.Context, s *samples, opt scoring) (*scored, *report.Results, error) {
	sc, err := a.fitAndScore(ctx, s, opt)
	if err != nil {
		return nil, nil, err
	}
	r := &report.Results{
		SchemaVersion: report.SchemaVersion,
		Train:         s.train, Labels: s.labels, InUnseen: s.inUnseen, Warnings: s.warnings,
	}
	for _, x := range s.all {
		r.Splits = append(r.Splits, describeSplit(x, s.fit(), s.labels))
	}
	for _, layer := range s.layers {
		if g := sc.detectors.Gaussian(layer); g != nil {
			r.Fits = append(r.Fits, report.Fit{Layer: layer, Width: g.Width(), Rows: len(s.fit().Rows), Rank: g.Rank, Condition: report.Num(g.Condition)})
			if g.Rank < g.Width() {
				r.Warnings = append(r.Warnings, fmt.Sprintf("the covariance of %s has rank %d of %d: dead or dependent features, or too few fit rows; what varies only in new files is not seen there", layer, g.Rank, g.Width()))
			}
		}
	}
	r.Warnings = append(r.Warnings, timeRules(s)...)
	for _, w := range r.Warnings[len(s.warnings):] {
		a.log.Warn(w)
	}

	names := sc.detectors.Names()
	a.startProgress("bootstrap", len(names)*len(s.out()), "AUROCs")
	for _, name := range stats.Names(s.layers) {
		if why, skipped := sc.skipped[name]; skipped {
			r.Detectors = append(r.Detectors, report.Detector{Name: name, UsesOutLabels: stats.UsesOutLabels(name), Skipped: why})
		} else if slices.Contains(names, name) {
			var d report.Detector
			err := await(ctx, func() error {
				d = sc.measure(name, opt, a.advance)
				return nil
			})
			if err != nil {
				return nil, nil, err
			}
			r.Detectors = append(r.Detectors, d)
		}
	}
	a.closeProgress()
	r.Comparisons = sc.compare(names)
	r.Classifier = sc.classifier()
	return sc, r, nil
}

// fitAndScore fits the detectors on the fit sample, or takes those of a fit
// file, and scores all samples.
func (a *app) fitAndScore(ctx context.Context, s *samples, opt scoring) (*scored, error) {
	sc := &scored{samples: s, scores: map[string][][]float64{}}
	if s.saved != nil {
		sc.detectors, sc.skipped = s.saved.detectors, s.saved.Skipped
	} else if err := a.fit(ctx, sc, opt.detectors); err != nil {
		return nil, err
	}
	names := sc.detectors.Names()
	a.startProgress("scoring", len(names)*len(s.all), "scorings")
	for _, name := range names {
		for _, x := range s.all {
			scores, ok := x.scores[name]
			if !ok {
				scores = make([]float64, len(x.Rows))
				if err := await(ctx, func() error { return sc.detectors.Score(scores, name, x.features()) }); err != nil {
					return nil, fmt.Errorf("split %s: %w", x.Name, locate(err, []*sample{x}))
				}
			}
			sc.scores[name] = append(sc.scores[name], scores)
			a.advance(1)
		}
	}
	a.closeProgress()
	return sc, nil
}

// await runs f, and does not wait for its end once ctx has ended: the process
// is then about to end too.
func await(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fit fits the named detectors, all when there are none.
func (a *app) fit(ctx context.Context, sc *scored, names []string) error {
	a.startSpinner("fitting")
	var d *stats.Detectors
	err := await(ctx, func() (err error) {
		t := stats.Training{
			Layers:     sc.layers,
			Fit:        sc.fit().features(),
			Classes:    sc.fit().classes,
			NumClasses: len(sc.labels),
			In:         sc.in().features(),
		}
		if len(names) == 0 || slices.ContainsFunc(names, stats.UsesOutLabels) {
			t.Out = stackFeatures(sc.out()) // a copy of every row
		}
		d, err = stats.Fit(t, names...)
		return err
	})
	if err != nil {
		return locate(err, sc.all)
	}
	sc.detectors, sc.skipped = d, map[string]string{}
	for _, name := range stats.Names(sc.layers) {
		if why := d.Skipped(name); why != nil {
			sc.skipped[name] = why.Error()
		}
	}
	return nil
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
func describeSplit(s, fit *sample, labels []string) report.Split {
	d := report.Split{Name: s.Name, Role: s.role, From: s.from, To: s.to, Files: len(s.Rows), Dropped: s.dropped}
	seen, inFit := map[string]bool{}, map[string]bool{}
	if s != fit {
		for _, row := range fit.Rows {
			inFit[row.SHA256] = true
		}
	}
	counts := make([]int, len(labels))
	for i, row := range s.Rows {
		if seen[row.SHA256] {
			d.Duplicates++
		}
		seen[row.SHA256] = true
		if inFit[row.SHA256] {
			d.SeenInFit++
		}
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
		var lacking []string
		for c, label := range s.labels {
			if !slices.Contains(x.classes, c) {
				lacking = append(lacking, label)
			}
		}
		if len(lacking) > 0 {
			broken = append(broken, fmt.Sprintf("time rule: split %s has no %s: a change in the mix of classes looks like drift; see the class-balanced AUROC", x.Name, strings.Join(lacking, ", ")))
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
