package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"driftbench/bench"
	"driftbench/report"
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

// The files to look at next are those that score lowest, as scores/ has them.
func TestAtypicalFilesScoreLowest(t *testing.T) {
	r, err := report.ReadResults(filepath.Join(extracted(), "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(strings.NewReader(readFile(t, filepath.Join(extracted(), "scores", "2019.csv")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range records[0] {
		column[name] = i
	}
	number := func(record []string, name string) report.Num {
		v, err := strconv.ParseFloat(record[column[name]], 64)
		if err != nil {
			t.Fatal(err)
		}
		return report.Num(v)
	}
	rows := records[1:]
	slices.SortStableFunc(rows, func(a, b []string) int {
		return cmp.Or(cmp.Compare(number(a, "mahalanobis/ensemble"), number(b, "mahalanobis/ensemble")), cmp.Compare(number(a, "mahalanobis/layer8"), number(b, "mahalanobis/layer8")))
	})
	a := r.Atypical
	if a == nil || a.Detector != "mahalanobis/ensemble" || a.Split != "2019" || a.Layer != "layer8" || len(a.Files) != len(rows) {
		t.Fatalf("%+v, want %d files", a, len(rows))
	}
	for i, f := range a.Files {
		if f.Name != rows[i][0] || f.Score != number(rows[i], a.Detector) || f.LayerScore != number(rows[i], "mahalanobis/layer8") || f.Predicted != rows[i][3] || !slices.Contains(r.Labels, f.Nearest) || len(f.SHA256) != 64 {
			t.Errorf("%d: %+v, want %q", i, f, rows[i])
		}
	}
}

func TestFailIf(t *testing.T) {
	slow(t)
	features := filepath.Join(extracted(), "features")
	score := func(args ...string) (int, string, string) {
		return driftbench(append([]string{"score", "--features", features, "--resamples", "20", "--detectors", "msp"}, args...)...)
	}
	holds, holdsNot := "auroc(2019, msp) > 0.1", "accuracy(2017-fit) < 0.1"

	dir := t.TempDir()
	summary := filepath.Join(dir, "ci", "drift.xml")
	status, stdout, stderr := score("--out", dir, "--fail-if", holds, "--fail-if", holdsNot, "--summary", summary)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if status != exitRule || strings.Contains(stderr, "driftbench:") ||
		!strings.HasPrefix(lines[len(lines)-2], "passed: "+holdsNot+": the upper end of ") ||
		!strings.HasPrefix(lines[len(lines)-1], "failed: "+holds+": the lower end of ") {
		t.Errorf("status %d, stderr %q, last lines %q", status, stderr, lines[len(lines)-2:])
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
	if err := xml.Unmarshal([]byte(readFile(t, summary)), &suite); err != nil || suite.Tests != 9+2 || suite.Failures != 1 {
		t.Errorf("summary: %+v, %v, want 9 checks, 2 rules and 1 failure", suite, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "report", "index.html")); err != nil {
		t.Error("a failed rule leaves no report: ", err)
	}

	var printed, kept report.Summary
	status, stdout, _ = score("--out", dir, "--fail-if", holds, "--json")
	if err := json.Unmarshal([]byte(stdout), &printed); err != nil || status != exitRule || len(printed.Rules) != 1 || !printed.Rules[0].Failed || len(printed.Splits) != 4 {
		t.Errorf("--json: status %d, %v, %s", status, err, stdout)
	}
	printed.Rules = nil
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(dir, "summary.json"))), &kept); err != nil || fmt.Sprint(kept) != fmt.Sprint(printed) {
		t.Errorf("summary.json: %v, %+v, printed %+v", err, kept, printed)
	}
	if err := os.Remove(filepath.Join(dir, "summary.json")); err != nil {
		t.Fatal(err)
	}
	if again := mustRun(t, "report", "--out", dir, "--json"); again != readFile(t, filepath.Join(dir, "summary.json")) {
		t.Errorf("report --json: %s", again)
	}

	dir = t.TempDir()
	summary = filepath.Join(dir, "drift.md")
	status, _, stderr = score("--out", dir, "--fail-if", holdsNot, "--summary", summary)
	if status != exitDone {
		t.Errorf("no rule holds: status %d, stderr %q", status, stderr)
	}
	if md := readFile(t, summary); !strings.HasPrefix(md, "### ") || !strings.Contains(md, "| passed |") {
		t.Errorf("summary:\n%s", md)
	}
}

// What a rule names has to be known before hours of work are spent.
func TestFailIfRefuses(t *testing.T) {
	for _, command := range [][]string{
		{"run", "--corpus", small(), "--model", model, "--cache", "none"},
		{"score", "--features", filepath.Join(extracted(), "features")},
		{"score", "--features", filepath.Join(extracted(), "features"), "--fit", filepath.Join(extracted(), "run.fit")},
	} {
		for _, tc := range []struct{ flag, value, want string }{
			{"--fail-if", "auroc(2020, msp) > 0.5", `no split "2020" that has an auroc; there are 2018-Q1, 2018-late, 2019`},
			{"--fail-if", "auroc(2017-val, msp) > 0.5", `no split "2017-val" that has an auroc`},
			{"--fail-if", "auroc(2019, svm) > 0.5", `no detector "svm"; there are mahalanobis/layer7,`},
			{"--fail-if", "accuracy(2020) < 0.5", `no split "2020" that has an accuracy; there are 2017-fit, 2017-val, 2018-Q1,`},
			{"--fail-if", "auroc > 0.5", `want auroc(SPLIT, DETECTOR) > 0.75 or`},
			{"--summary", "drift.html", `--summary drift.html: want a name that ends in .md (Markdown) or .xml (JUnit)`},
		} {
			out := filepath.Join(t.TempDir(), "out")
			status, stdout, stderr := driftbench(append(command, "--out", out, tc.flag, tc.value)...)
			if status != exitUsage || stdout != "" || !strings.Contains(stderr, tc.want) {
				t.Errorf("%s %s %q: status %d, stdout %q, stderr %q, want %q", command[0], tc.flag, tc.value, status, stdout, stderr, tc.want)
			}
			if left, _ := os.ReadDir(out); len(left) > 0 {
				t.Errorf("%s %s %q: left %v", command[0], tc.flag, tc.value, left)
			}
		}
	}
}
