package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"driftbench/report"
)

// finish writes results.json into out, draws it, and judges it by the rules.
func (a *app) finish(out string, r report.Results, opt scoring) error {
	if err := report.WriteResults(filepath.Join(out, "results.json"), r); err != nil {
		return err
	}
	if err := a.draw(out, r); err != nil {
		return err
	}
	return a.judge(opt, r)
}

// draw draws the report of out and prints the table.
func (a *app) draw(out string, r report.Results) error {
	made, err := provenance(out)
	if err != nil {
		return err
	}
	timed, err := throughputRows(out)
	if err != nil {
		return err
	}
	in := report.Input{Name: filepath.Base(out), Results: r, Manifest: made, Throughput: timed}
	if err := report.Write(out, in); err != nil {
		return err
	}
	if err := report.Table(a.out, r); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\nThe report is %s; its pictures lie beside it.\n", filepath.Join(out, "report", "index.html"))
	return nil
}

func (a *app) reportCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report --out DIR",
		Short: "Draw the report again from results.json",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			r, err := report.ReadResults(filepath.Join(out, "results.json"))
			if err != nil {
				return err
			}
			return a.draw(out, r)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder of a run")
	cmd.MarkFlagRequired("out")
	return cmd
}
