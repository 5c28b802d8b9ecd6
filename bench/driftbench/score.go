package main

import (
	"github.com/spf13/cobra"

	"driftbench/bench"
)

func (a *app) scoreCommand() *cobra.Command {
	o := a.options()
	var f evaluateFlags
	var p printFlags
	cmd := &cobra.Command{
		Use:   "score --features DIR --out DIR",
		Short: "Fit and score features that are already there",
		Long: `Fit the detectors on the fit split of a features folder, score every split, and
write scores/, results.json and the report under --out.

What each split is for, its span and the labels are those of the manifest.json
beside the folder. --corpus-config takes them from a corpus.yaml instead.
Without either, the one pair <train>-fit and <train>-val fits the detectors and
is In, and every other split is Out, in the order of its first month.

--save-fit keeps the fitted detectors and the scores of the fit and In files in
one file. With --fit that file takes the place of the training features: the
folder needs Out splits alone, and the fit and In splits that it holds are
passed over. A fit file and features of two models are refused; two engines of
one model differ by rounding, and are a warning.
` + ruleHelp,
		Example: `  driftbench score --features 2019/features --out 2019 --save-fit 2017.fit
  driftbench score --features 2020/features --out 2020 --fit 2017.fit`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.set(&o); err != nil {
				return err
			}
			r, err := bench.Score(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.printResults(o, p, r)
		},
	}
	f.add(cmd, &o)
	p.add(cmd)
	cmd.Flags().StringVar(&o.Features, "features", "", "`DIR` with <split>.csv and <split>.<layer>.npy")
	addOut(cmd, &o, "`DIR` to write results into")
	addConfig(cmd, &o, "take splits and labels from this corpus.yaml `FILE`")
	cmd.Flags().StringVar(&o.FitFile, "fit", "", "score with the detectors of this `FILE`, written by --save-fit")
	cmd.MarkFlagRequired("features")
	return cmd
}
