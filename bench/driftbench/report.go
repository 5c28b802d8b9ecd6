package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"driftbench/bench"
	"driftbench/internal/text"
	"driftbench/report"
)

func (a *app) reportCommand() *cobra.Command {
	o := a.options()
	var compare bool
	var p printFlags
	cmd := &cobra.Command{
		Use:   "report --out DIR",
		Short: "Draw the report again from results.json",
		Long: `Draw the report of a run again, from results.json, manifest.json and bench.txt
under --out.`,
		Example: `  driftbench report --out drift`,
		Args: func(_ *cobra.Command, args []string) error {
			if compare && len(args) != 2 {
				return usagef("--compare wants the output folders of two runs, not %d", len(args))
			}
			if !compare && len(args) > 0 {
				return usagef("%q is too much: name the folder of the run by --out; `driftbench diff A B` compares two runs", args[0])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if compare {
				a.log.Warn("report --compare has become driftbench diff", "instead", fmt.Sprintf("driftbench diff %s %s --out %s", args[0], args[1], o.Out))
				return a.diff(o, args[0], args[1])
			}
			r, err := bench.Draw(o)
			if err != nil {
				return err
			}
			return a.printResults(o, p, r)
		},
	}
	addOut(cmd, &o, "`DIR` of the run")
	p.add(cmd)
	cmd.Flags().BoolVar(&compare, "compare", false, "the old name of driftbench diff")
	cmd.Flags().MarkHidden("compare")
	return cmd
}

func (a *app) diffCommand() *cobra.Command {
	o := a.options()
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two runs on the files that both have scored",
		Long: `Compare two runs, given by their output folders: two models, or one model at two
times. Files are paired by the SHA-256 of the bytes that the model sees, within
splits of the same name, and never by their names. Every detector of both is
tested on the pairs (paired DeLong test, Holm-corrected over all); intervals
count groups. Models of other input lengths see other bytes of long files, and
pair the shorter ones alone. The answer says first whether the runs are of one
model: between two models a difference is no drift.

With --out the two runs are drawn side by side as a page.`,
		Example: `  driftbench diff drift-old drift-new
  driftbench diff drift-old drift-new --out drift-old-new`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("diff wants the output folders of two runs, not %d", len(args))
			}
			for _, arg := range args {
				if filepath.Ext(arg) == ".txt" {
					return usagef("%s is no output folder of a run: `driftbench compare` compares benchmark files", line(arg))
				}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.diff(o, args[0], args[1]) },
	}
	cmd.Flags().StringVarP(&o.Out, "out", "o", "", "`DIR` to draw the two runs into; none when empty")
	return cmd
}

// diff tests two runs on the files that both have, and prints the tests. It draws
// the runs side by side if there is a folder for that.
func (a *app) diff(o bench.Options, dirA, dirB string) error {
	d, err := bench.Diff(o, dirA, dirB)
	if err != nil {
		return err
	}
	splits := d.Splits
	a.closeBar()
	fold := a.look(false).Fold
	if d.OneModel {
		fmt.Fprintf(a.out, "%s%s", fold(differenceOf(splits)), fold(d.Models))
	} else {
		fmt.Fprintf(a.out, "%s%s", fold(d.Models), fold(differenceOf(splits)))
	}
	fmt.Fprintf(a.out, "\nA is %s, B is %s.\n", line(dirA), line(dirB))
	if len(splits) > 0 {
		fmt.Fprint(a.out, fold(splits[0].In.String()))
	}
	for _, s := range splits {
		fmt.Fprintf(a.out, "\n%s", fold(s.Out.String()))
		if len(s.Detectors) == 0 {
			continue
		}
		fmt.Fprintf(a.out, "%-31s  %-5s  %-5s  %-23s  %s\n", "detector", "A", "B", "A - B", "p (Holm)")
		for _, d := range s.Detectors {
			difference, p := fmt.Sprintf("%+.3f", d.A-d.B), "too few"
			if d.Test.PHolm.OK() {
				difference = fmt.Sprintf("%+.3f [%+.3f, %+.3f]", float64(d.Test.Delta), float64(d.Test.Lo), float64(d.Test.Hi))
				p = fmt.Sprintf("%.2g", float64(d.Test.PHolm))
			}
			fmt.Fprintf(a.out, "%-31s  %.3f  %.3f  %-23s  %s\n", line(d.Detector), d.A, d.B, difference, p)
		}
	}
	if o.Out != "" {
		fmt.Fprintf(a.out, "\nThe comparison is %s.\n", filepath.Join(o.Out, "report", "comparison.html"))
	}
	return nil
}

// differenceOf says in a sentence whether two runs differ: by the preferred
// detector on the last split that both have files of.
func differenceOf(splits []bench.SplitDiff) string {
	for _, s := range slices.Backward(splits) {
		var names []string
		for _, d := range s.Detectors {
			names = append(names, d.Detector)
		}
		i := slices.Index(names, report.Preferred(names))
		if i < 0 {
			continue
		}
		d := s.Detectors[i]
		answer, p := "A and B cannot be told apart on", fmt.Sprintf(", p (Holm) %.2g", float64(d.Test.PHolm))
		switch {
		case !d.Test.PHolm.OK():
			answer, p = "There are too few files or groups to compare A and B on", ""
		case d.Test.PHolm < 0.05:
			answer = "A and B differ on"
		}
		return fmt.Sprintf("%s %s: AUROC %.3f and %.3f by %s%s, on %d files that both hold.", answer, line(s.Split), d.A, d.B, line(d.Detector), p, s.Out.Pairs)
	}
	return "A and B cannot be compared: no file of the one has the bytes of a file of the other in a later split of the same name, or no detector is in both."
}

// line returns s as one line that is safe to print.
func line(s string) string { return text.Line(s, '?') }
