package main

import (
	"github.com/spf13/cobra"

	"driftbench/bench"
)

func (a *app) mergeCommand() *cobra.Command {
	o := a.options()
	cmd := &cobra.Command{
		Use:   "merge --corpus DIR --model DIR --out DIR FILES...",
		Short: "Make features/ of what workers have written",
		Long: `Write features/ and manifest.json as extract does, byte for byte, from the
output of workers. A folder stands for its files part-*, as Spark writes them;
files may be packed by gzip or Zstandard.

Every row of the splits has to be there. Rows that are in no split are passed
over, and equal rows may come several times. Rows that are missing, that
contradict one another, and those of another model or of several engines are
errors that name the row. Labels, dates and groups are those of the index; a
warning counts rows that were extracted with others.

In manifest.json the machine, times and batch are those of the merge, and the
warnings about places are in the logs of the workers alone. Where the model
finds the class of few fit rows, 64 of their files are read and run again, as
extract does; without the files a warning says that this is left out.`,
		Example: `  driftbench merge --corpus corpus --model malconv --out out shards/*.jsonl
  driftbench merge --corpus corpus --model malconv --out out spark-output`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			man, err := bench.Merge(cmd.Context(), o, args)
			if err != nil {
				return err
			}
			a.printSplits(o, man)
			return nil
		},
	}
	addCorpus(cmd, &o)
	cmd.Flags().StringVar(&o.Model, "model", "", "`DIR` of the converted SavedModel")
	addOut(cmd, &o, "`DIR` to write into")
	cmd.MarkFlagRequired("model")
	cmd.MarkFlagRequired("corpus")
	return cmd
}
