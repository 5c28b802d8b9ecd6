package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
)

func (a *app) scoreCommand() *cobra.Command {
	var f scoreFlags
	cmd := &cobra.Command{
		Use:   "score --features DIR --out DIR",
		Short: "Fit and score features that are already there",
		Long: `Fit the detectors on the fit split of a features folder, score every split, and
write scores/, results.json and the report under --out.

Splits, labels and spans are those of the files: <train>-fit fits the detectors,
<train>-val is In, every other split is Out, in the order of its first month.
--corpus-config takes them, and the order of the labels, from a corpus.yaml.

--save-fit keeps the fitted detectors and the scores of the fit and In files in
one file. With --fit that file takes the place of the training features: the
folder needs Out splits alone, and what <train>-fit and <train>-val it holds are
passed over.
` + ruleHelp,
		Example: `  driftbench score --features 2019/features --out 2019 --save-fit 2017.fit
  driftbench score --features 2020/features --out 2020 --fit 2017.fit`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.scoreFeatures(cmd.Context(), f) },
	}
	f.opt.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.features, "features", "", "`DIR` with <split>.csv and <split>.<layer>.npy")
	fl.StringVar(&f.out, "out", "", "`DIR` to write results into")
	fl.StringVar(&f.config, "corpus-config", "", "take splits and labels from this corpus.yaml `FILE`")
	fl.StringVar(&f.fit, "fit", "", "score with the detectors of this `FILE`, written by --save-fit")
	cmd.MarkFlagRequired("features")
	cmd.MarkFlagRequired("out")
	return cmd
}

type scoreFlags struct {
	opt                        scoring
	features, out, config, fit string
}

func (f *scoreFlags) check() error {
	for _, other := range []struct {
		flag, why string
		set       bool
	}{
		{"--save-fit", "the file is there already", f.opt.saveFit != ""},
		{"--detectors", "they are those of the file", len(f.opt.detectors) > 0},
		{"--corpus-config", "labels and training span are those of the file", f.config != ""},
	} {
		if f.fit != "" && other.set {
			return usagef("--fit and %s do not go together: %s", other.flag, other.why)
		}
	}
	return f.opt.check()
}

func (a *app) scoreFeatures(ctx context.Context, f scoreFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := a.prepareOut(f.out); err != nil {
		return err
	}
	man := a.newManifest()
	made, err := extractedBy(f.features)
	if err != nil {
		return err
	}
	man.Features, man.Fit = f.features, f.fit
	if made.Command != nil {
		man.Extracted = made
	}
	var s *samples
	if f.fit != "" {
		s, err = readSamplesFor(f.fit, f.features, made)
	} else {
		s, err = readSamples(f.features, f.config, made)
	}
	if err != nil {
		return err
	}
	for _, w := range s.warnings {
		a.log.Warn(w)
	}
	if err := f.opt.checkAgainst(s.plan()); err != nil {
		return err
	}
	sc, r, err := a.score(ctx, s, f.opt)
	if err != nil {
		return err
	}
	return a.finish(f.out, man, sc, *r, f.opt)
}

// readSamples reads every split of a features folder, or those that the
// corpus.yaml config names when it is not empty.
func readSamples(dir, config string, made *manifest) (*samples, error) {
	names, err := features.List(dir)
	if err != nil {
		return nil, err
	}
	s := &samples{inUnseen: cmp.Or(made.InUnseen, "unknown"), warnings: slices.Clone(made.Warnings)}
	corpus := made.Config
	if config != "" {
		c, err := dataset.LoadConfigFile(filepath.Dir(config), config)
		if err != nil {
			return nil, err
		}
		corpus = &c
		wanted := splitNames(corpus)
		for _, w := range wanted {
			if !slices.Contains(names, w) {
				return nil, fmt.Errorf("%s holds no split %q, which %s names", dir, w, config)
			}
		}
		names = wanted
	}
	for _, name := range names {
		if config == "" && s.passOver(name, made) {
			continue
		}
		x, err := readSample(dir, name, made)
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, x)
	}
	s.sort()
	if len(s.all) < 2 || s.fit().role != report.RoleFit || s.in().role != report.RoleIn ||
		len(s.all) > 2 && s.all[2].role != report.RoleOut {
		return nil, fmt.Errorf("%s holds the splits %s: want one <train>-fit, one <train>-val and later splits", dir, strings.Join(names, ", "))
	}
	s.train = strings.TrimSuffix(s.fit().Name, "-fit")
	s.layers = layerNames(s.fit().Split)
	if corpus != nil {
		s.labels = corpus.Labels
		s.setSpans(corpus)
		return s, s.setClasses(s.all)
	}
	return s, s.guessLabels()
}

// readSamplesFor reads a fit file and the Out splits of a features folder.
func readSamplesFor(fit, dir string, made *manifest) (*samples, error) {
	s, err := readFit(fit)
	if err != nil {
		return nil, err
	}
	names, err := features.List(dir)
	if err != nil {
		return nil, err
	}
	s.warnings = slices.Clone(made.Warnings)
	for _, name := range names {
		if roleOf(name) != report.RoleOut || s.passOver(name, made) {
			continue
		}
		x, err := readSample(dir, name, made)
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, x)
	}
	if len(s.out()) == 0 {
		return nil, fmt.Errorf("%s holds the splits %s: want one that is neither <train>-fit nor <train>-val", dir, strings.Join(names, ", "))
	}
	s.sort()
	if made.Config != nil {
		s.setSpans(made.Config)
	}
	return s, s.setClasses(s.out())
}

// passOver reports whether a split is left over from an earlier extraction into
// the same folder, perhaps by another model, and warns.
func (s *samples) passOver(split string, made *manifest) bool {
	if made.Config == nil || slices.Contains(splitNames(made.Config), split) {
		return false
	}
	s.warnings = append(s.warnings, fmt.Sprintf("split %s is passed over: the manifest.json of the features does not name it", split))
	return true
}

// splitNames names the splits of a corpus.
func splitNames(c *dataset.Config) []string {
	names := []string{c.Train.Name + "-fit", c.Train.Name + "-val"}
	for _, t := range c.Tests {
		names = append(names, t.Name)
	}
	return names
}

// roleOf tells what a split is for from its name.
func roleOf(split string) report.Role {
	switch {
	case strings.HasSuffix(split, "-fit"):
		return report.RoleFit
	case strings.HasSuffix(split, "-val"):
		return report.RoleIn
	}
	return report.RoleOut
}

// readSample reads one split of a features folder.
func readSample(dir, name string, made *manifest) (*sample, error) {
	f, err := features.Read(dir, name)
	if err != nil {
		return nil, err
	}
	if len(f.Rows) == 0 {
		return nil, fmt.Errorf("%s: split %q has no rows", dir, name)
	}
	if err := checkMonths(name, f.Rows); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return &sample{
		Split: f, role: roleOf(name), dropped: made.droppedFrom(name),
		from: month(slices.MinFunc(f.Rows, byMonth)), to: month(slices.MaxFunc(f.Rows, byMonth)),
	}, nil
}

// sort puts fit before In before Out, and Out in time order.
func (s *samples) sort() {
	order := map[report.Role]int{report.RoleFit: 0, report.RoleIn: 1, report.RoleOut: 2}
	slices.SortStableFunc(s.all, func(a, b *sample) int {
		return cmp.Or(cmp.Compare(order[a.role], order[b.role]), cmp.Compare(a.from, b.from))
	})
}

// setSpans gives the splits that c knows its spans in place of those of their
// files.
func (s *samples) setSpans(c *dataset.Config) {
	for _, x := range s.all {
		if x.role != report.RoleOut {
			x.from, x.to = c.Train.From.String(), c.Train.To.String()
		}
		for _, t := range c.Tests {
			if t.Name == x.Name {
				x.from, x.to = t.From.String(), t.To.String()
			}
		}
	}
}

// guessLabels takes the labels from the rows. Their order is then not that of
// the model's outputs, so what the model predicts is not known.
func (s *samples) guessLabels() error {
	found := map[string]bool{}
	for _, x := range s.all {
		for _, r := range x.Rows {
			found[r.Label] = true
		}
	}
	s.labels = slices.Sorted(maps.Keys(found))
	if err := s.setClasses(s.all); err != nil {
		return err
	}
	for _, x := range s.all {
		x.predicted = nil
	}
	s.warnings = append(s.warnings, "nothing says in which order the model has its classes, so accuracy is left out: give --corpus-config, or the features of driftbench extract with their manifest.json")
	return nil
}
