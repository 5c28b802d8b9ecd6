package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"driftbench/report"
	"driftbench/stats"
)

// scoring says what is computed from the features.
type scoring struct{}

func (o *scoring) add(cmd *cobra.Command) {}

// score fits the detectors on the fit sample, scores every sample, writes
// scores/ into out, and returns the numbers of the report.
func (a *app) score(ctx context.Context, samples []*sample, labels []string, train string, opt scoring, out string) (*report.Results, error) {
	r := &report.Results{SchemaVersion: report.SchemaVersion, Train: train, Labels: labels, InUnseen: "unknown"}
	for _, s := range samples {
		r.Splits = append(r.Splits, describeSplit(s, labels))
	}
	fit := samples[0]
	for _, l := range fit.Layers {
		if l.Name == "logits" {
			continue
		}
		m := stats.NewMoments(len(labels), l.Width)
		x := stats.Matrix{Rows: len(fit.Rows), Cols: l.Width, Data: l.Data}
		if err := m.Add(x, fit.classes); err != nil {
			return nil, nameFile(err, fit, l.Name)
		}
		g, err := stats.NewTiedGaussian(m)
		if err != nil {
			return nil, err
		}
		r.Fits = append(r.Fits, report.Fit{Layer: l.Name, Width: l.Width, Rows: len(fit.Rows), Rank: g.Rank, Condition: report.Num(g.Condition)})
		var in []float64
		det := report.Detector{Name: "mahalanobis/" + l.Name}
		for _, s := range samples[1:] {
			ls, _ := s.layer(l.Name)
			scores := make([]float64, len(s.Rows))
			if err := g.Score(scores, stats.Matrix{Rows: len(s.Rows), Cols: l.Width, Data: ls.Data}); err != nil {
				return nil, nameFile(err, s, l.Name)
			}
			if s.role == report.RoleIn {
				in = scores
				continue
			}
			au := stats.DeLong(in, scores)
			det.Splits = append(det.Splits, report.DetectorSplit{
				Split: s.Name, In: len(in), Out: len(scores),
				AUROC: report.Num(au.Value), AUROCLo: report.Num(au.Lo), AUROCHi: report.Num(au.Hi),
				NullLo: report.Num(au.NullLo), NullHi: report.Num(au.NullHi), P: report.Num(au.P),
			})
		}
		r.Detectors = append(r.Detectors, det)
	}
	return r, ctx.Err()
}

// nameFile turns a row number of stats into the name of a file.
func nameFile(err error, s *sample, layer string) error {
	var bad *stats.NotFiniteError
	if errors.As(err, &bad) {
		return fmt.Errorf("features of split %s, layer %s: file %q, column %d is %v: the model gives no finite number for it; leave the file out", s.Name, layer, s.Rows[bad.Row].Name, bad.Col, bad.Value)
	}
	return fmt.Errorf("split %s, layer %s: %w", s.Name, layer, err)
}

func describeSplit(s *sample, labels []string) report.Split {
	d := report.Split{Name: s.Name, Role: s.role, From: s.from, To: s.to, Files: len(s.Rows), Dropped: s.dropped}
	seen := map[string]bool{}
	counts := make([]int, len(labels))
	for i, row := range s.Rows {
		if seen[row.SHA256] {
			d.Duplicates++
		}
		seen[row.SHA256] = true
		counts[s.classes[i]]++
	}
	for i, l := range labels {
		d.Classes = append(d.Classes, report.ClassCount{Label: l, Files: counts[i]})
	}
	return d
}

// finish writes results.json and the report, and prints the table.
func (a *app) finish(out string, r report.Results) error {
	if err := report.WriteResults(filepath.Join(out, "results.json"), r); err != nil {
		return err
	}
	return a.draw(out, r)
}

// draw draws the report of out and prints the table.
func (a *app) draw(out string, r report.Results) error {
	provenance, err := readProvenance(out)
	if err != nil {
		return err
	}
	if err := report.Write(out, report.Input{Name: filepath.Base(out), Results: r, Manifest: provenance}); err != nil {
		return err
	}
	if err := report.Table(a.out, r); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\nThe report is %s, its pictures lie beside it.\n", filepath.Join(out, "report", "index.html"))
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
