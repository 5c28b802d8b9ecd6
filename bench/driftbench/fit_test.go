package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"driftbench/bench"
)

// A fit file stands in for the training features: the same later files get the
// same numbers to the last bit.
func TestFitFileGivesTheSameResults(t *testing.T) {
	slow(t)
	run := extracted()
	later := t.TempDir()
	copyTree(t, later, run, func(path string) bool {
		return path == "manifest.json" || strings.HasPrefix(path, "features/") && !strings.HasPrefix(path, "features/2017-")
	})
	from := filepath.Join(later, "features")
	out := filepath.Join(later, "scored")
	mustRun(t, "score", "--features", from, "--fit", filepath.Join(run, "run.fit"), "--out", out, "--resamples", "50")
	for _, file := range []string{"results.json", "scores/2017-val.csv", "scores/2019.csv"} {
		if readFile(t, filepath.Join(out, file)) != readFile(t, filepath.Join(run, file)) {
			t.Errorf("%s differs from that of the run which saved the fit", file)
		}
	}
	var m bench.Manifest
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(out, "manifest.json"))), &m); err != nil {
		t.Fatal(err)
	}
	if m.Features != from || m.Extracted == nil || m.Extracted.ModelSHA256 == "" {
		t.Errorf("the manifest names neither the features (%q) nor what made them", m.Features)
	}
}

// Features that were scored where they lie still tell how they were made.
func TestScoreEqualsRun(t *testing.T) {
	slow(t)
	run := extracted()
	dir := t.TempDir()
	copyTree(t, dir, run, func(path string) bool {
		return path == "manifest.json" || strings.HasPrefix(path, "features/")
	})
	for range 2 {
		mustRun(t, "score", "--features", filepath.Join(dir, "features"), "--out", dir, "--resamples", "50")
		if readFile(t, filepath.Join(dir, "results.json")) != readFile(t, filepath.Join(run, "results.json")) {
			t.Error("scoring the features of a run gives other results than the run")
		}
	}
}

func TestFitFlags(t *testing.T) {
	features, fit := filepath.Join(extracted(), "features"), filepath.Join(extracted(), "run.fit")
	for _, tc := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--fit", fit, "--save-fit", "x"}, exitUsage, "--fit and --save-fit do not go together: the file is there already"},
		{[]string{"--fit", fit, "--detectors", "msp"}, exitUsage, "--fit and --detectors do not go together: they are those of the file"},
		{[]string{"--fit", fit, "--corpus-config", "x"}, exitUsage, "--fit and --corpus-config do not go together"},
		{[]string{"--save-fit", features}, exitUsage, "--save-fit " + features + " is a folder: want a file"},
		{[]string{"--save-fit", filepath.Join(fit, "x")}, exitFailed, "--save-fit: "},
		{[]string{"--fit", filepath.Join(features, "none")}, exitFailed, "no such file"},
		{[]string{"--fit", features}, exitFailed, "is a directory"},
	} {
		status, _, stderr := driftbench(append([]string{"score", "--features", features, "--out", t.TempDir()}, tc.args...)...)
		if status != tc.status || !strings.Contains(stderr, tc.want) {
			t.Errorf("%q: status %d, stderr %q, want %d and %q", tc.args, status, stderr, tc.status, tc.want)
		}
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("a refused command wrote its fit")
	}
}
