package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"driftbench/bench/corpus"
)

func (a *app) corpusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "corpus",
		Short: "Make a corpus",
		Args:  a.noSubcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.synthCommand())
	return cmd
}

func (a *app) synthCommand() *cobra.Command {
	var out string
	var opt corpus.Options
	cmd := &cobra.Command{
		Use:   "synth --out DIR",
		Short: "Make a synthetic corpus: harmless PE-like files that drift",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.Check(); err != nil {
				return usageError{err}
			}
			if err := corpus.Synth(cmd.Context(), out, opt); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "a corpus of seed %d with drift %v is in %s\n", opt.Seed, opt.Drift, out)
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&out, "out", "o", "", "`DIR` to make")
	fl.IntVar(&opt.Files, "files", 1200, "number of files, `N`")
	fl.Uint64Var(&opt.Seed, "seed", 1, "the same seed `S` makes the same bytes")
	fl.Float64Var(&opt.Drift, "drift", 1, "`X`: with 0 later files come from the same distribution, more moves them month by month")
	fl.Float64Var(&opt.GroupSize, "group-size", 4, "`MEAN` files a build, that is, a group of files that resemble each other; 1: no groups")
	cmd.MarkFlagRequired("out")
	return cmd
}
