package bench

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"driftbench/report"
	"driftbench/stats"
)

// Evaluate fits the detectors on the fit split, scores every split, and returns
// every number of the report. It uses Detectors, Resamples and Seed of opt, and
// sets the scores of the splits. It writes nothing.
func Evaluate(ctx context.Context, s *Splits, opt Options) (report.Results, error) {
	if opt.Resamples < 0 {
		return report.Results{}, optionErrorf("resamples", " %d: want 0 or more", opt.Resamples)
	}
	r := report.Results{
		SchemaVersion: report.SchemaVersion,
		Train:         s.Train, Labels: s.Labels, Origin: s.Origin, InUnseen: s.InUnseen, Warnings: s.Warnings,
	}
	err := s.score(ctx, opt)
	if err != nil {
		return r, err
	}
	for _, x := range s.All() {
		r.Splits = append(r.Splits, s.describeSplit(x))
	}
	for _, layer := range s.Layers {
		if g := s.detectors.Gaussian(layer); g != nil {
			r.Fits = append(r.Fits, report.Fit{Layer: layer, Width: g.Width(), Rows: len(s.Fit.Rows), Rank: g.Rank, Condition: report.Num(g.Condition)})
			if g.Rank < g.Width() {
				r.Warnings = append(r.Warnings, fmt.Sprintf("the covariance of %s has rank %d of %d: dead or dependent features, or too few fit rows; what varies only in new files is not seen there", layer, g.Rank, g.Width()))
			}
			if g.Condition > float32Condition {
				r.Warnings = append(r.Warnings, fmt.Sprintf("the covariance of %s has the condition number %.1g, more than float32 features resolve: its smallest directions are rounding, and distances along them mean little", layer, g.Condition))
			}
		}
	}
	r.Warnings = append(r.Warnings, timeRules(s)...)
	for _, w := range r.Warnings[len(s.Warnings):] {
		opt.Monitor.log().Warn(w)
	}

	names := s.detectors.Names()
	opt.Monitor.stage("bootstrap", len(names)*len(s.Out), "AUROCs")
	var measuring errgroup.Group // at most one detector a processor
	measuring.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range stats.Names(s.Layers) {
		if why, skipped := s.skipped[name]; skipped {
			r.Detectors = append(r.Detectors, report.Detector{Name: name, UsesOutLabels: stats.UsesOutLabels(name), Skipped: why})
		} else if slices.Contains(names, name) {
			r.Detectors = append(r.Detectors, report.Detector{Name: name})
		}
	}
	err = await(ctx, func() error {
		for i, d := range r.Detectors {
			if d.Skipped != "" {
				continue
			}
			measuring.Go(func() error {
				if ctx.Err() == nil {
					r.Detectors[i] = s.measure(d.Name, opt)
				}
				return ctx.Err()
			})
		}
		return measuring.Wait()
	})
	if err != nil {
		return report.Results{}, err // the others may still be writing
	}
	r.Comparisons = s.compare(names)
	r.Classifier = s.classifier()
	if r.Atypical, err = s.atypical(names); err != nil {
		return r, err
	}
	r.Regroupings = s.regroup(report.Preferred(names))
	r.Checks = s.checks(&r)
	v := report.Judge(r)
	r.Verdict = &v
	return r, nil
}

// float32Condition is the condition number past which the smallest eigenvalues of
// a covariance are below the rounding of the largest in float32: 1/ε.
const float32Condition = 1 << 23

// useBLAS chooses the BLAS of the whole process before its first product.
var useBLAS = sync.OnceValue(stats.UseBLAS)

// score fits the detectors unless they come from a fit file, and scores the
// splits that have no scores yet.
func (s *Splits) score(ctx context.Context, opt Options) error {
	useBLAS()
	if !s.saved {
		for _, x := range s.All() {
			x.Scores = nil // of an earlier evaluation
		}
		if err := s.fit(ctx, opt); err != nil {
			return err
		}
	}
	files := 0
	for _, x := range s.All() {
		files += len(x.Rows)
	}
	opt.Monitor.stage("scoring", files, "files")
	for _, x := range s.All() {
		if err := s.scoreSplit(ctx, x, opt.Monitor); err != nil {
			return fmt.Errorf("split %s: %w", x.Name, err)
		}
	}
	return nil
}

// scoreSplit sets the scores of x that are missing. It holds the features of some
// rows at a time, and reads each once.
func (s *Splits) scoreSplit(ctx context.Context, x *Split, m Monitor) error {
	if x.Scores == nil {
		x.Scores = map[string][]float64{}
	}
	missing := slices.DeleteFunc(s.detectors.Names(), func(name string) bool { return x.Scores[name] != nil })
	scores := map[string][]float64{}
	for _, name := range missing {
		scores[name] = make([]float64, len(x.Rows))
	}
	rows := stats.Features{}
	for lo := 0; lo < len(x.Rows); lo += blockRows {
		hi := min(lo+blockRows, len(x.Rows))
		if len(missing) > 0 {
			if err := await(ctx, func() error { return x.block(rows, lo, hi) }); err != nil {
				return err
			}
		}
		for _, name := range missing {
			if err := await(ctx, func() error { return s.detectors.Score(scores[name][lo:hi], name, rows) }); err != nil {
				return err
			}
		}
		m.advance(hi - lo)
	}
	maps.Copy(x.Scores, scores)
	return nil
}

// await runs f. When ctx ends first it returns the error of ctx without waiting
// for f, which ends on its own.
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

// fit fits the detectors of opt.
func (s *Splits) fit(ctx context.Context, opt Options) error {
	opt.Monitor.stage("fitting", -1, "")
	var d *stats.Detectors
	err := await(ctx, func() (err error) {
		t := stats.Training{
			Layers:     s.Layers,
			Fit:        s.Fit.features(),
			Classes:    s.Fit.Classes,
			NumClasses: len(s.Labels),
			In:         s.In.features(),
		}
		if len(opt.Detectors) == 0 || slices.ContainsFunc(opt.Detectors, stats.UsesOutLabels) {
			t.Out = stackFeatures(s.Out)
		}
		d, err = stats.Fit(t, opt.Detectors...)
		return err
	})
	if err != nil {
		return err
	}
	s.detectors, s.skipped = d, map[string]string{}
	for _, name := range stats.Names(s.Layers) {
		if why := d.Skipped(name); why != nil {
			s.skipped[name] = why.Error()
		}
	}
	return nil
}

// timeRules says where the splits break the rules of TESSERACT (Pendlebury et
// al., USENIX Security 2019, section 4): no training file may be later than a
// test file, and every split should have the classes of the others.
func timeRules(s *Splits) []string {
	var broken []string
	newest := slices.Max(s.Fit.Months)
	for _, x := range s.Out {
		if oldest := slices.Min(x.Months); oldest <= newest {
			broken = append(broken, fmt.Sprintf("time rule: split %s has files of %v, not later than the newest fit file (%v): drift looks smaller than it is", x.Name, oldest, newest))
		}
	}
	for _, x := range s.All() {
		var lacking []string
		for c, label := range s.Labels {
			if !slices.Contains(x.Classes, c) {
				lacking = append(lacking, label)
			}
		}
		if len(lacking) > 0 {
			broken = append(broken, fmt.Sprintf("time rule: split %s has no %s: a change in the mix of classes looks like drift; see the class-balanced AUROC", x.Name, strings.Join(lacking, ", ")))
		}
	}
	return broken
}
