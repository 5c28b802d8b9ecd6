package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
	"driftbench/tfmodel"
)

// extractFlags are the flags of the commands that extract features.
type extractFlags struct {
	corpus corpusFlags
	model  modelFlags
	out    string
	batch  int
	cache  string
}

func (f *extractFlags) add(cmd *cobra.Command) {
	f.corpus.add(cmd)
	f.model.add(cmd)
	cmd.Flags().StringVar(&f.out, "out", "", "folder to write into")
	cmd.Flags().IntVar(&f.batch, "batch", 0, "files a batch; 0 is what suits the engine")
	cmd.Flags().StringVar(&f.cache, "cache", defaultCache(), "folder of the feature cache, or none")
	cmd.MarkFlagRequired("corpus")
	cmd.MarkFlagRequired("out")
}

// extract opens corpus and model, tells what does not fit before any work is
// done, and extracts every split.
func (f *extractFlags) extract(ctx context.Context, a *app) (*dataset.Corpus, *extraction, *manifest, error) {
	fail := func(err error) (*dataset.Corpus, *extraction, *manifest, error) {
		return nil, nil, nil, err
	}
	if err := f.model.check(); err != nil {
		return fail(err)
	}
	if f.batch < 0 {
		return fail(usagef("--batch %d: want 0 or more", f.batch))
	}
	if err := prepareOut(f.out); err != nil {
		return fail(err)
	}
	man := a.newManifest()
	model, err := tfmodel.Inspect(f.model.dir)
	if err != nil {
		return fail(err)
	}
	c, err := f.corpus.load(ctx, a)
	if err != nil {
		return fail(err)
	}
	for _, w := range misfits(model, c) {
		a.log.Warn(w)
		man.Warnings = append(man.Warnings, w)
	}
	engine, err := f.model.open(a, model)
	if err != nil {
		return fail(err)
	}
	defer engine.Close()
	kept, err := a.openCache(f.cache, model, engine)
	if err != nil {
		return fail(err)
	}
	if f.batch == 0 {
		f.batch = suitedBatch(engine, model)
	}
	x := &extractor{engine: engine, cache: kept, layers: model.Layers, maxLen: model.MaxLen, batch: f.batch}
	done, err := a.extractAll(ctx, c, x, f.out)
	if err != nil {
		return fail(err)
	}
	man.setCorpus(c)
	man.setModel(model, engine, f.batch)
	man.setExtraction(done)
	man.InUnseen = unseen(model, done.splits[1])
	return c, done, man, nil
}

// misfits says where model and corpus do not fit each other well.
func misfits(m *tfmodel.Model, c *dataset.Corpus) []string {
	var warnings []string
	fit := len(c.Splits[0].Rows)
	for _, l := range m.Layers[:len(m.Layers)-1] {
		if fit < l.Width {
			warnings = append(warnings, fmt.Sprintf("split %s has %d rows, fewer than the %d features of %s: its covariance has directions that no row shows; add rows or raise fit in corpus.yaml",
				c.Splits[0].Name, fit, l.Width, l.Name))
		}
	}
	if n := outputs(m); n != len(c.Labels) {
		warnings = append(warnings, fmt.Sprintf("the model tells %d classes, the corpus has %d labels: accuracy is left out; set labels in corpus.yaml in the order of the model's outputs", n, len(c.Labels)))
	}
	return warnings
}

// outputs is the number of classes the model tells: one sigmoid unit tells two.
func outputs(m *tfmodel.Model) int { return max(2, m.Layers[len(m.Layers)-1].Width) }

func (a *app) extractCommand() *cobra.Command {
	var f extractFlags
	cmd := &cobra.Command{
		Use:   "extract --corpus DIR --model DIR --out DIR",
		Short: "Run the model over every split and write features/ alone",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, done, man, err := f.extract(cmd.Context(), a)
			if err != nil {
				return err
			}
			if err := man.write(f.out); err != nil {
				return err
			}
			for i, s := range done.splits {
				fmt.Fprintf(a.out, "%-12s %6d files, %d dropped\n", s.Name, len(s.Rows), len(done.dropped[i]))
			}
			fmt.Fprintf(a.out, "features are in %s\n", filepath.Join(f.out, "features"))
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) runCommand() *cobra.Command {
	var f extractFlags
	var opt scoring
	cmd := &cobra.Command{
		Use:   "run --corpus DIR --model DIR --out DIR",
		Short: "The whole way: read, extract, fit, score, report",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.check(); err != nil {
				return err
			}
			ctx := cmd.Context()
			c, done, man, err := f.extract(ctx, a)
			if err != nil {
				return err
			}
			s, err := corpusSamples(c, done)
			if err != nil {
				return err
			}
			s.inUnseen, s.warnings = man.InUnseen, man.Warnings
			r, err := a.score(ctx, s, opt, f.out)
			if err != nil {
				return err
			}
			if err := man.write(f.out); err != nil {
				return err
			}
			return a.finish(f.out, *r)
		},
	}
	f.add(cmd)
	opt.add(cmd)
	return cmd
}

// corpusSamples are the extracted splits with their roles.
func corpusSamples(c *dataset.Corpus, x *extraction) (*samples, error) {
	s := &samples{train: c.Train.Name, labels: c.Labels}
	for i, split := range c.Splits {
		s.all = append(s.all, &sample{
			Split:   x.splits[i],
			role:    report.Role(split.Role),
			from:    split.From.String(),
			to:      split.To.String(),
			dropped: len(x.dropped[i]),
		})
	}
	s.layers = layerNames(s.fit().Split)
	return s, s.setClasses(s.all)
}

// unseen says whether the network was trained on files of In.
func unseen(m *tfmodel.Model, in features.Split) string {
	if m.TrainedOn == nil {
		return "unknown"
	}
	for _, r := range in.Rows {
		if m.TrainedOn[r.SHA256] {
			return "seen"
		}
	}
	return "unseen"
}
