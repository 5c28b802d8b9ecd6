package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"driftbench/report"
)

// finish writes scores/, manifest.json and results.json into out, draws the
// report, and judges it by the rules. The results.json of an earlier run goes
// first, so that none ever lies beside scores that are not its own.
func (a *app) finish(out string, man *manifest, sc *scored, r report.Results, opt scoring) error {
	results := filepath.Join(out, "results.json")
	if err := os.Remove(results); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeScores(out, sc); err != nil {
		return err
	}
	if opt.saveFit != "" {
		if err := saveFit(opt.saveFit, sc); err != nil {
			return err
		}
	}
	if err := man.write(out); err != nil {
		return err
	}
	if err := report.WriteResults(results, r); err != nil {
		return err
	}
	if err := a.draw(out, r); err != nil {
		return err
	}
	checks, err := opt.judge(r)
	if err != nil {
		return err
	}
	a.printTable(out, r)
	return a.printChecks(checks)
}

// draw draws the report of out.
func (a *app) draw(out string, r report.Results) error {
	in, err := reportInput(out, r)
	if err != nil {
		return err
	}
	a.startSpinner("drawing")
	if err := report.Write(out, in); err != nil {
		return err
	}
	a.closeProgress()
	return nil
}

// printTable prints the results as a table, and where the report is.
func (a *app) printTable(out string, r report.Results) {
	report.Table(a.out, r)
	fmt.Fprintf(a.out, "\nThe report is %s; its pictures lie beside it.\n", filepath.Join(out, "report", "index.html"))
}

// reportInput is what the report of out is drawn from: r, and the manifest and
// the throughput that lie beside it.
func reportInput(out string, r report.Results) (report.Input, error) {
	made, err := provenance(out)
	if err != nil {
		return report.Input{}, err
	}
	timed, err := throughputRows(out)
	if err != nil {
		return report.Input{}, err
	}
	path, err := filepath.Abs(out)
	if err != nil {
		return report.Input{}, err
	}
	return report.Input{Name: filepath.Base(path), Results: r, Manifest: made, Throughput: timed}, nil
}

func (a *app) reportCommand() *cobra.Command {
	var out string
	var compare bool
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
				return a.compareRuns(out, args[0], args[1])
			}
			r, err := report.ReadResults(filepath.Join(out, "results.json"))
			if err != nil {
				return err
			}
			if err := a.lockOut(out); err != nil {
				return err
			}
			if err := a.draw(out, r); err != nil {
				return err
			}
			a.printTable(out, r)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`DIR` of a run, or the one to draw a comparison into")
	cmd.Flags().BoolVar(&compare, "compare", false, "draw two runs, OUT_A and OUT_B, side by side")
	cmd.MarkFlagRequired("out")
	return cmd
}
