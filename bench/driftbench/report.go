package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"driftbench/bench"
	"driftbench/internal/text"
)

func (a *app) reportCommand() *cobra.Command {
	o := a.options()
	var compare bool
	var p printFlags
	cmd := &cobra.Command{
		Use:   "report --out DIR [--compare OUT_A OUT_B]",
		Short: "Draw the report again from results.json, or two runs side by side",
		Long: `Draw the report of a run again, from results.json, manifest.json and bench.txt
under --out.

With --compare draw two runs side by side under --out: two models, or one model
at two times. Every detector is tested on the files that both runs have scored,
which are those of the same name in a split of the same name (paired DeLong test,
Holm-corrected over all).`,
		Example: `  driftbench report --out drift
  driftbench report --compare drift-old drift-new --out drift-old-new`,
		Args: func(_ *cobra.Command, args []string) error {
			if compare && len(args) != 2 {
				return usagef("--compare wants the output folders of two runs, not %d", len(args))
			}
			if !compare && len(args) > 0 {
				return usagef("the folder of a run goes to --out, and two go with --compare: %q is too much", args[0])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if compare {
				return a.diff(o, args[0], args[1])
			}
			r, err := bench.Draw(o)
			if err != nil {
				return err
			}
			return a.printResults(o, p, r)
		},
	}
	addOut(cmd, &o, "`DIR` of a run, or the one to draw a comparison into")
	p.add(cmd)
	cmd.Flags().BoolVar(&compare, "compare", false, "draw two runs, OUT_A and OUT_B, side by side")
	return cmd
}

// diff draws two runs side by side, and prints their tests.
func (a *app) diff(o bench.Options, dirA, dirB string) error {
	splits, err := bench.Diff(o, dirA, dirB)
	if err != nil {
		return err
	}
	a.closeBar()
	fmt.Fprintf(a.out, "A is %s, B is %s.\n", line(dirA), line(dirB))
	if len(splits) == 0 {
		fmt.Fprintln(a.out, "They share no files, so there are no paired tests: what both hold is looked up by name in\nsplits of the same name, among the detectors that both have.")
	}
	for _, s := range splits {
		fmt.Fprintf(a.out, "\n%s: %d files that both hold, against %d of %s\n", line(s.Split), s.Out, s.In, line(s.InSplit))
		fmt.Fprintf(a.out, "%-31s  %-5s  %-5s  %-24s  %s\n", "detector", "A", "B", "A - B", "p (Holm)")
		for _, d := range s.Detectors {
			difference := fmt.Sprintf("%+.3f [%+.3f, %+.3f]", float64(d.Test.Delta), float64(d.Test.Lo), float64(d.Test.Hi))
			fmt.Fprintf(a.out, "%-31s  %.3f  %.3f  %-24s  %.2g\n", line(d.Detector), d.A, d.B, difference, float64(d.Test.PHolm))
		}
	}
	fmt.Fprintf(a.out, "\nThe comparison is %s.\n", filepath.Join(o.Out, "report", "comparison.html"))
	return nil
}

// line returns s as one line that is safe to print.
func line(s string) string { return text.Line(s, '?') }
