package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"driftbench/bench/dataset"
)

// corpusFlags are the flags of every command that reads a corpus.
type corpusFlags struct {
	dir     string
	options dataset.Options
}

func (f *corpusFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "corpus", "", "`DIR` with dataset.csv and, optionally, corpus.yaml")
	fl.StringVar(&f.options.ConfigFile, "corpus-config", "", "use this `FILE` in place of the folder's corpus.yaml")
	fl.BoolVar(&f.options.AllowOutside, "allow-outside", false, "read files whose names or links lead out of the corpus root")
}

// load opens the corpus and looks at every file of its splits, so that what
// cannot be measured is known before the model runs.
func (f *corpusFlags) load(ctx context.Context, a *app) (c *dataset.Corpus, looks []dataset.Look, err error) {
	c, err = dataset.Load(f.dir, f.options)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range c.Warnings {
		a.log.Warn(w)
	}
	looks, err = c.Check(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i, l := range looks {
		if d := l.Dropped; len(d) > 0 {
			a.log.Warn(fmt.Sprintf("split %s: %d of %d files cannot be read; the first: %v", c.Splits[i].Name, len(d), len(c.Splits[i].Rows), d[0]))
		}
	}
	return c, looks, nil
}

func (a *app) splitsCommand() *cobra.Command {
	var corpus corpusFlags
	var out string
	cmd := &cobra.Command{
		Use:   "splits --corpus DIR --out DIR",
		Short: "Write the split CSVs alone: what a training script reads",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.prepareOut(out); err != nil {
				return err
			}
			c, err := dataset.Load(corpus.dir, corpus.options)
			if err != nil {
				return err
			}
			if err := c.WriteSplits(out); err != nil {
				return err
			}
			for _, s := range c.Splits {
				fmt.Fprintf(a.out, "%-12s %6d rows, %v to %v\n", s.Name, len(s.Rows), s.From, s.To)
			}
			return nil
		},
	}
	corpus.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`DIR` to write splits/ into")
	cmd.MarkFlagRequired("corpus")
	cmd.MarkFlagRequired("out")
	return cmd
}
