package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"driftbench/bench"
)

func (a *app) extractCommand() *cobra.Command {
	o := a.options()
	cmd := &cobra.Command{
		Use:   "extract {--corpus DIR | --index FILE} --model DIR --out DIR",
		Short: "Run the model over every split and write features/ alone",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Cache == noCache {
				o.Cache = ""
			}
			man, err := bench.Extract(cmd.Context(), o)
			if err != nil {
				return err
			}
			a.printSplits(o, man)
			return nil
		},
	}
	addExtract(cmd, &o)
	return cmd
}

// printSplits prints how many files the splits have, and where their features are.
func (a *app) printSplits(o bench.Options, man *bench.Manifest) {
	a.closeBar()
	for _, s := range man.Splits {
		fmt.Fprintf(a.out, "%-12s %6d files, %d dropped\n", s.Name, s.Files, s.Dropped)
	}
	fmt.Fprintf(a.out, "features are in %s\n", filepath.Join(o.Out, "features"))
}

func (a *app) splitsCommand() *cobra.Command {
	o := a.options()
	cmd := &cobra.Command{
		Use:   "splits {--corpus DIR | --index FILE} --out DIR",
		Short: "Write the split CSVs alone: what a training script reads",
		Long: `Write OUT/splits/<split>.csv, which a training script reads, and
OUT/splits/roles.csv, which names the split of each file. With the latter as the
key split of corpus.yaml, later runs use these very splits, whatever rows the
index gains or loses. OUT/splits/roles.json beside it says which index that was.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := bench.WriteSplits(cmd.Context(), o)
			if err != nil {
				return err
			}
			for _, s := range c.Splits.All() {
				fmt.Fprintf(a.out, "%-12s %6d rows, %v to %v\n", s.Name, len(s.Rows), s.From, s.To)
			}
			fmt.Fprintf(a.out, "holdout: %s\n", c.Train.Holdout)
			return nil
		},
	}
	addCorpus(cmd, &o)
	addOut(cmd, &o, "`DIR` to write splits/ into")
	cmd.MarkFlagRequired("corpus")
	return cmd
}
