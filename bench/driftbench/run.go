package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"driftbench/bench"
	"driftbench/report"
)

func (a *app) runCommand() *cobra.Command {
	o := a.options()
	var f evaluateFlags
	cmd := &cobra.Command{
		Use:   "run --corpus DIR --model DIR --out DIR",
		Short: "Extract features, score them and write the report",
		Long: `Read the files of a corpus, run the model over them, fit the detectors, score
every split, and write features/, scores/, results.json and the report under
--out.
` + ruleHelp,
		Example: `  driftbench run --corpus samples --model malconv --out drift
  driftbench run --corpus samples --model malconv --out drift --summary drift.md \
    --fail-if 'auroc(2019, mahalanobis/ensemble) > 0.75' --fail-if 'accuracy(2019) < 0.9'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.set(&o); err != nil {
				return err
			}
			r, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.printResults(o, r)
		},
	}
	addExtract(cmd, &o)
	f.add(cmd, &o)
	return cmd
}

// printResults prints the results as a table, where the report is, and what
// came of the rules, the failed ones last. It returns a ruleError if a rule
// holds.
func (a *app) printResults(o bench.Options, r report.Results) error {
	a.closeBar()
	report.Table(a.out, r)
	fmt.Fprintf(a.out, "\nThe report is %s; its pictures lie beside it.\n", filepath.Join(o.Out, "report", "index.html"))
	checks := bench.Decide(o.FailIf, r)
	for _, failed := range []bool{false, true} {
		for _, c := range checks {
			if c.Failed == failed {
				fmt.Fprintf(a.out, "%s: %s: %s\n", map[bool]string{false: "passed", true: "failed"}[failed], c.Rule, c.Reason)
			}
		}
	}
	if slices.ContainsFunc(checks, func(c report.RuleOutcome) bool { return c.Failed }) {
		return errRule
	}
	return nil
}
