package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
	"driftbench/stats"
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
	cmd.Flags().StringVar(&f.out, "out", "", "`DIR` to write into")
	cmd.Flags().IntVar(&f.batch, "batch", 0, "files a batch, `N`; 0 is what suits the engine")
	cmd.Flags().StringVar(&f.cache, "cache", defaultCache(), "`DIR` of the feature cache, or none")
	cmd.MarkFlagRequired("corpus")
	cmd.MarkFlagRequired("out")
}

// job is an extraction that makes sense: corpus and model are there and fit.
type job struct {
	*extractFlags
	corpus *dataset.Corpus
	looks  []dataset.Look // at the files of its splits
	model  *tfmodel.Model
	man    *manifest
}

// prepare looks at corpus, model and output folder, so that what cannot be
// done is told before any work is.
func (f *extractFlags) prepare(ctx context.Context, a *app) (*job, error) {
	if err := f.model.check(); err != nil {
		return nil, err
	}
	if f.batch < 0 {
		return nil, usagef("--batch %d: want 0 or more", f.batch)
	}
	if err := a.prepareOut(f.out); err != nil {
		return nil, err
	}
	j := &job{extractFlags: f, man: a.newManifest()}
	var err error
	if j.model, err = tfmodel.Inspect(f.model.dir); err != nil {
		return nil, err
	}
	if j.corpus, j.looks, err = f.corpus.load(ctx, a); err != nil {
		return nil, err
	}
	j.man.setCorpus(j.corpus)
	for _, w := range misfits(j.model, j.corpus, len(j.corpus.Splits[0].Rows)-len(j.looks[0].Dropped)) {
		a.log.Warn(w)
		j.man.Warnings = append(j.man.Warnings, w)
	}
	return j, nil
}

// plan is what a run over the job gives numbers of.
func (j *job) plan() plan {
	p := plan{predicts: outputs(j.model) == len(j.corpus.Labels)}
	for _, s := range j.corpus.Splits {
		p.splits = append(p.splits, s.Name)
	}
	var layers []string
	for _, l := range j.model.Layers[:len(j.model.Layers)-1] {
		layers = append(layers, l.Name)
	}
	p.detectors = stats.Names(layers)
	return p
}

// extract extracts every split.
func (j *job) extract(ctx context.Context, a *app) (*extraction, error) {
	engine, err := j.extractFlags.model.open(a, j.model)
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	kept, err := a.openCache(j.cache, j.model, engine)
	if err != nil {
		return nil, err
	}
	batch := j.batch
	if batch == 0 {
		batch = tfmodel.SuitedBatch(engine, j.model)
	}
	x := &extractor{engine: engine, cache: kept, layers: j.model.Layers, maxLen: j.model.MaxLen, batch: batch}
	done, err := a.extractAll(ctx, j.corpus, j.looks, x, j.out)
	if err != nil {
		return nil, err
	}
	for i, s := range j.corpus.Splits { // files may have gone since they were looked at
		if err := j.corpus.Measurable(s, done.dropped[i]); err != nil {
			return nil, err
		}
	}
	j.man.setModel(j.model, engine, batch)
	j.man.setExtraction(done)
	j.man.InUnseen = unseen(j.model, done.splits[1])
	return done, nil
}

// misfits says where model and corpus do not fit each other well; fit is the
// number of fit rows that can be read.
func misfits(m *tfmodel.Model, c *dataset.Corpus, fit int) []string {
	var warnings []string
	for _, l := range m.Layers[:len(m.Layers)-1] {
		if fit < l.Width {
			warnings = append(warnings, fmt.Sprintf("split %s has %d readable files, fewer than the %d features of %s: its covariance has directions that no row shows; add rows or raise fit in corpus.yaml",
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
			j, err := f.prepare(cmd.Context(), a)
			if err != nil {
				return err
			}
			done, err := j.extract(cmd.Context(), a)
			if err != nil {
				return err
			}
			if err := j.man.write(f.out); err != nil {
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
		Long: `Read the files of a corpus, run the model over them, fit the detectors, score
every split, and write features/, scores/, results.json and the report under
--out.
` + ruleHelp,
		Example: `  driftbench run --corpus samples --model malconv --out drift
  driftbench run --corpus samples --model malconv --out drift --summary drift.md \
    --fail-if 'auroc(2019, mahalanobis/ensemble) > 0.75' --fail-if 'accuracy(2019) < 0.9'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.check(); err != nil {
				return err
			}
			ctx := cmd.Context()
			j, err := f.prepare(ctx, a)
			if err != nil {
				return err
			}
			if err := opt.checkAgainst(j.plan()); err != nil {
				return err
			}
			done, err := j.extract(ctx, a)
			if err != nil {
				return err
			}
			s, err := j.samples(done)
			if err != nil {
				return err
			}
			sc, r, err := a.score(ctx, s, opt)
			if err != nil {
				return err
			}
			return a.finish(f.out, j.man, sc, *r, opt)
		},
	}
	f.add(cmd)
	opt.add(cmd)
	return cmd
}

// samples are the extracted splits with their roles.
func (j *job) samples(x *extraction) (*samples, error) {
	s := &samples{
		train: j.corpus.Train.Name, labels: j.corpus.Labels,
		inUnseen: j.man.InUnseen, warnings: j.man.Warnings,
	}
	for i, split := range j.corpus.Splits {
		f := x.splits[i]
		for _, l := range j.model.Layers {
			layer, err := features.ReadLayer(x.dir, f.Name, l.Name, len(f.Rows))
			if err != nil {
				return nil, err
			}
			f.Layers = append(f.Layers, layer)
		}
		s.all = append(s.all, &sample{
			Split:   f,
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
