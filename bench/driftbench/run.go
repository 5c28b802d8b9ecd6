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
	var p printFlags
	cmd := &cobra.Command{
		Use:   "run {--corpus DIR | --index FILE} --model DIR --out DIR",
		Short: "Extract features, score them and write the report",
		Long: `Read the files of a corpus, run the model over them, fit the detectors, score
every split, and write features/, scores/, results.json and the report under
--out.
` + ruleHelp,
		Example: `  driftbench run --corpus samples --model malconv --out drift
  driftbench run --index metadata.csv --files samples/ --config corpus.yaml \
    --model malconv --out drift
  driftbench run --corpus samples --model malconv --out drift \
    --summary drift.md --fail-if 'accuracy(2019) < 0.9' \
    --fail-if 'auroc(2019, mahalanobis/ensemble) > 0.75'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.set(&o); err != nil {
				return err
			}
			r, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.printResults(o, p, r)
		},
	}
	addExtract(cmd, &o)
	f.add(cmd, &o)
	p.add(cmd)
	return cmd
}

// printFlags are the flags of how results are printed.
type printFlags struct{ all, json bool }

func (p *printFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.all, "all", false, "print every detector, and not only that of the verdict")
	cmd.Flags().BoolVar(&p.json, "json", false, "print summary.json in place of tables, with the outcomes of the rules")
	cmd.MarkFlagsMutuallyExclusive("all", "json")
}

// printResults prints the answer and the tables, where the report is, and what
// came of the rules, the failed ones last; or all this as JSON. It returns a
// ruleError if a rule holds.
func (a *app) printResults(o bench.Options, p printFlags, r report.Results) error {
	a.closeBar()
	checks := bench.Decide(o.FailIf, r)
	if p.json {
		if err := report.Summarize(r, checks).Write(a.out); err != nil {
			return err
		}
	} else {
		report.Text(a.out, r, a.look(p.all))
		fmt.Fprintf(a.out, "\nThe report is %s; its pictures lie beside it.\n", filepath.Join(o.Out, "report", "index.html"))
		for _, failed := range []bool{false, true} {
			for _, c := range checks {
				if c.Failed == failed {
					fmt.Fprintf(a.out, "%s: %s: %s\n", map[bool]string{false: "passed", true: "failed"}[failed], c.Rule, c.Reason)
				}
			}
		}
	}
	if slices.ContainsFunc(checks, func(c report.RuleOutcome) bool { return c.Failed }) {
		return errRule
	}
	return nil
}
