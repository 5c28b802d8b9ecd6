package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"driftbench/bench"
)

func (a *app) splitsCommand() *cobra.Command {
	o := a.options()
	cmd := &cobra.Command{
		Use:   "splits --corpus DIR --out DIR",
		Short: "Write the split CSVs alone: what a training script reads",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := bench.WriteSplits(o)
			if err != nil {
				return err
			}
			for _, s := range c.Splits.All() {
				fmt.Fprintf(a.out, "%-12s %6d rows, %v to %v\n", s.Name, len(s.Rows), s.From, s.To)
			}
			return nil
		},
	}
	addCorpus(cmd, &o)
	addOut(cmd, &o, "`DIR` to write splits/ into")
	cmd.MarkFlagRequired("corpus")
	return cmd
}
