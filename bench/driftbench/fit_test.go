package main

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A fit file stands in for the training features: the same later files get the
// same numbers to the last bit.
func TestFitFileGivesTheSameResults(t *testing.T) {
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
	var m manifest
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(out, "manifest.json"))), &m); err != nil {
		t.Fatal(err)
	}
	if m.Features != from || m.Extracted == nil || m.Extracted.ModelSHA256 == "" {
		t.Errorf("the manifest names neither the features (%q) nor what made them", m.Features)
	}
}

// Features that were scored where they lie still tell how they were made.
func TestScoreEqualsRun(t *testing.T) {
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

// resealed is a fit file with another description and a valid checksum.
func resealed(t *testing.T, file string, change func(*savedFit)) string {
	t.Helper()
	meta, rest, _ := strings.Cut(strings.TrimPrefix(file, fitMagic), "\n")
	var f savedFit
	if err := json.Unmarshal([]byte(meta), &f); err != nil {
		t.Fatal(err)
	}
	change(&f)
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	body := fitMagic + string(b) + "\n" + rest[:len(rest)-sha256.Size]
	sum := sha256.Sum256([]byte(body))
	return body + string(sum[:])
}

func TestReadFitRefuses(t *testing.T) {
	good := readFile(t, filepath.Join(extracted(), "run.fit"))
	if _, err := parseFit([]byte(resealed(t, good, func(*savedFit) {}))); err != nil {
		t.Fatalf("an unchanged fit: %v", err)
	}
	for name, tc := range map[string]struct{ file, want string }{
		"empty":         {"", "not written by --save-fit"},
		"other file":    {"PK\x03\x04", "not written by --save-fit"},
		"other version": {strings.Replace(good, "fit 1\n", "fit 2\n", 1), "not of version 1"},
		"only a header": {fitMagic, "cut short"},
		"cut short":     {good[:len(good)-1], "cut short or damaged"},
		"one bit":       {good[:200] + string(good[200]^1) + good[201:], "cut short or damaged"},
		"climbing name": {resealed(t, good, func(f *savedFit) { f.Train = "../2017" }), "cannot name a file"},
		"no labels":     {resealed(t, good, func(f *savedFit) { f.Labels = nil }), "labels"},
		"same labels":   {resealed(t, good, func(f *savedFit) { f.Labels[0] = f.Labels[1] }), "not all different"},
		"no such class": {resealed(t, good, func(f *savedFit) { f.In.Classes[3] = 4 }), "class 4 of 4"},
		"short column":  {resealed(t, good, func(f *savedFit) { f.Fit.SHA256 = f.Fit.SHA256[1:] }), "differ in length"},
		"lost scores":   {resealed(t, good, func(f *savedFit) { delete(f.In.Scores, "msp") }), "0 scores of msp"},
		"bad month":     {resealed(t, good, func(f *savedFit) { f.In.FirstSeen[0] = []byte("2017") }), "begins with no month"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "some.fit")
			writeFile(t, path, tc.file)
			status, stdout, stderr := driftbench("score", "--features", filepath.Join(extracted(), "features"), "--fit", path, "--out", t.TempDir())
			if status != exitFailed || stdout != "" || !strings.Contains(stderr, "reading the fit "+path+": ") || !strings.Contains(stderr, tc.want) {
				t.Errorf("status %d, stderr %q, want %q", status, stderr, tc.want)
			}
		})
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
