package main

import (
	"math"
	"path/filepath"
	"testing"

	"driftbench/bench/corpus"
	"driftbench/report"
)

// The 16-bit table is offered because no AUROC moves by more than 1e-3.
func TestTable16KeepsAUROC(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	if err := corpus.Synth(t.Context(), filepath.Join(dir, "corpus"), corpus.Options{Seed: 1, Drift: 1}); err != nil {
		t.Fatal(err)
	}
	results := map[string]report.Results{}
	for _, engine := range []string{"table", "table16"} {
		out := filepath.Join(dir, engine)
		mustRun(t, "run", "--corpus", filepath.Join(dir, "corpus"), "--model", model, "--engine", engine, "--out", out, "--cache", "none", "--resamples", "1")
		var err error
		if results[engine], err = report.ReadResults(filepath.Join(out, "results.json")); err != nil {
			t.Fatal(err)
		}
	}
	var largest float64
	moved := false
	for i, d := range results["table"].Detectors {
		for j, s := range d.Splits {
			other := results["table16"].Detectors[i].Splits[j]
			difference := math.Abs(float64(s.AUROC - other.AUROC))
			if !(difference <= 1e-3) {
				t.Errorf("%s on %s: AUROC %v by table, %v by table16", d.Name, s.Split, s.AUROC, other.AUROC)
			}
			largest = max(largest, difference)
		}
		moved = moved || d.Threshold != results["table16"].Detectors[i].Threshold
	}
	if !moved {
		t.Error("no threshold differs: table16 was not used")
	}
	t.Logf("largest change of an AUROC: %.2g", largest)
}
