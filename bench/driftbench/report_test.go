package main

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"driftbench/bench"
	"driftbench/report"
)

// partOf reports whether a path of a run is needed to compare the run.
func partOf(path string) bool {
	return path == "results.json" || strings.HasPrefix(path, "scores/") || strings.HasPrefix(path, "features/") && strings.HasSuffix(path, ".csv")
}

// A run against a part of itself under other names: the files that both hold are
// found by their bytes whatever their names and order, and nothing differs on
// them. Files of the same name and other bytes are no pair.
func TestDiffPairsByContent(t *testing.T) {
	run, other, out := extracted(), t.TempDir(), t.TempDir()
	copyTree(t, other, run, partOf)
	table := filepath.Join(other, "scores", "2019.csv")
	lines := strings.Split(strings.TrimSpace(readFile(t, table)), "\n")
	last := len(lines) - 1
	lines[1], lines[last] = lines[last], lines[1]
	writeFile(t, table, strings.Join(lines[:last], "\n")+"\n") // one file less, another order
	for _, path := range []string{filepath.Join(other, "features", "2018-Q1.csv"), filepath.Join(other, "scores", "2018-Q1.csv")} {
		edit(t, path, func(s string) string { return strings.ReplaceAll(s, ".exe", ".renamed") })
	}
	digest := regexp.MustCompile(`,[0-9a-f]{8}([0-9a-f]{56}),`)
	edit(t, filepath.Join(other, "features", "2018-late.csv"), func(s string) string { return digest.ReplaceAllString(s, ",00000000$1,") })

	stdout := mustRun(t, "diff", run, other, "--out", out)
	for _, want := range []string{
		"A and B cannot be told apart on 2019: AUROC 1.000 and 1.000 by\n  mahalanobis/ensemble",
		"\n2019: " + strconv.Itoa(last-1) + " files paired by content, 1 of A and 0 of B not\n",
		"\n2018-Q1: 8 files paired by content, 0 of A and 0 of B not\n",
		"\n2018-late: 0 files paired by content, 9 of A and 9 of B not (9 have the same\n  name and other bytes)\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("want %q in\n%s", want, stdout)
		}
	}
	rows := regexp.MustCompile(`(?m)^[a-z].*  ([01]\.\d{3})  ([01]\.\d{3})  \+0\.000 \[\+0\.000, \+0\.000\] +1$`).FindAllStringSubmatch(stdout, -1)
	r, err := report.ReadResults(filepath.Join(run, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	scored := slices.DeleteFunc(r.Detectors, func(d report.Detector) bool { return d.Skipped != "" })
	if want := 2 * len(scored); len(rows) != want {
		t.Errorf("%d rows without a difference, want %d:\n%s", len(rows), want, stdout)
	}
	for _, row := range rows {
		if row[1] != row[2] {
			t.Errorf("A has %s, B %s on the same scores", row[1], row[2])
		}
	}
	for _, line := range strings.Split(stdout, "\n") {
		if len(line) > 80 && !strings.Contains(line, out) && !strings.Contains(line, run) {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
	if page := readFile(t, filepath.Join(out, "report", "comparison.html")); !strings.Contains(page, "Paired tests") {
		t.Error("comparison.html has no paired tests")
	}
	status, old, stderr := driftbench("report", "--compare", run, other, "--out", out)
	if status != exitDone || old != stdout || !strings.Contains(stderr, "driftbench diff "+run) {
		t.Errorf("the old name: status %d, stderr %q, stdout\n%s", status, stderr, old)
	}
}

// Two runs of different models compare, and the answer begins with that. Files of
// one run must be of one model.
func TestDiffTellsModels(t *testing.T) {
	run, other := extracted(), t.TempDir()
	whole := func(path string) bool { return partOf(path) || path == "manifest.json" || path == "features/2019.json" }
	copyTree(t, other, run, whole)
	r, err := report.ReadResults(filepath.Join(run, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	hash, model := strings.Repeat("b", 64), r.ModelSHA256
	if model == "" || r.EngineIdentity == "" || len(r.Origin.Layers) != 3 {
		t.Fatalf("results.json says of its origin %+v", r.Origin)
	}
	if stdout := mustRun(t, "diff", run, other); !strings.Contains(stdout, "Both are of the model "+model[:12]+".\n") {
		t.Errorf("one model:\n%s", stdout)
	}
	of := func(s string) string { return strings.ReplaceAll(s, model, hash) }
	edit(t, filepath.Join(other, "results.json"), of)
	for _, tc := range []struct {
		path, want string // the next file to be of the other model, and the refusal before that
	}{
		{"scores/origin.json", "results.json and " + filepath.Join(other, "scores") + " do not belong together: they are of the models bbbbbbbbbbbb and " + model[:12]},
		{"manifest.json", "results.json and " + filepath.Join(other, "manifest.json") + " do not belong together"},
		{"features/2019.json", "results.json and split 2019 in " + filepath.Join(other, "features") + " do not belong together"},
	} {
		if status, _, stderr := driftbench("diff", run, other); status != exitFailed || !strings.Contains(stderr, tc.want) {
			t.Errorf("before %s: status %d, stderr %q, want %q", tc.path, status, stderr, tc.want)
		}
		edit(t, filepath.Join(other, tc.path), of)
	}
	stdout := mustRun(t, "diff", run, other)
	if first := "A and B are of different models, " + model[:12] + " and bbbbbbbbbbbb (SHA-256): a"; !strings.HasPrefix(stdout, first) || !strings.Contains(stdout, "not drift") {
		t.Errorf("two models:\n%s", stdout)
	}
	edit(t, filepath.Join(other, "results.json"), func(s string) string { return strings.Replace(s, hash, "", 1) })
	for _, lost := range []string{"manifest.json", "scores/origin.json"} {
		if err := os.Remove(filepath.Join(other, lost)); err != nil {
			t.Fatal(err)
		}
	}
	if stdout := mustRun(t, "diff", run, other); !strings.Contains(stdout, "Whether both are of one model is not known: B does not say") {
		t.Errorf("a run that does not tell:\n%s", stdout)
	}
}

// Tables of scores that were put in the place of others are named.
func TestDiffTellsChangedScores(t *testing.T) {
	run, other := extracted(), t.TempDir()
	copyTree(t, other, run, func(path string) bool { return partOf(path) || path == "manifest.json" })
	if _, _, stderr := driftbench("diff", run, other); strings.Contains(stderr, "changed") {
		t.Errorf("an unchanged copy: %s", stderr)
	}
	path := filepath.Join(other, "scores", "2019.csv")
	edit(t, path, func(s string) string { return s[:strings.LastIndex(s, ".")] + ".25\n" })
	if status, _, stderr := driftbench("diff", run, other); status != 0 || !strings.Contains(stderr, path+" changed after the scoring") {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
}

func TestCompareRefuses(t *testing.T) {
	run, out := extracted(), t.TempDir()
	other := t.TempDir()
	copyTree(t, other, run, partOf)
	for _, split := range []string{"2018-Q1", "2018-late", "2019"} {
		path := filepath.Join(other, "scores", split+".csv")
		header, _, _ := strings.Cut(readFile(t, path), "\n")
		writeFile(t, path, header+"\n")
	}
	stdout := mustRun(t, "report", "--compare", run, other, "--out", out)
	if !strings.Contains(stdout, "A and B cannot be compared: no file of the one has the bytes") {
		t.Errorf("nothing shared:\n%s", stdout)
	}

	for _, tc := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--compare", run}, exitUsage, "--compare wants the output folders of two runs, not 1"},
		{[]string{run}, exitUsage, "is too much"},
		{[]string{"--compare", run, filepath.Join(other, "none")}, exitFailed, "results.json"},
	} {
		status, _, stderr := driftbench(append([]string{"report", "--out", out}, tc.args...)...)
		if status != tc.status || !strings.Contains(stderr, tc.want) {
			t.Errorf("%q: status %d, stderr %q, want %d and %q", tc.args, status, stderr, tc.status, tc.want)
		}
	}
	if err := os.Remove(filepath.Join(other, "scores", "2019.csv")); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := driftbench("report", "--out", out, "--compare", run, other); status != exitFailed || !strings.Contains(stderr, "2019.csv: no such file") {
		t.Errorf("lost scores: status %d, stderr %q", status, stderr)
	}
}

// Where too few files are paired for a test, the answer has no p.
func TestDifferenceOf(t *testing.T) {
	for p, want := range map[report.Num]string{
		report.Num(math.NaN()): "There are too few files or groups to compare A and B on 2019: AUROC 0.700 and 0.600 by msp, on 2 files that both hold.",
		0.01:                   "A and B differ on 2019: AUROC 0.700 and 0.600 by msp, p (Holm) 0.01, on 2 files that both hold.",
		0.5:                    "A and B cannot be told apart on 2019: AUROC 0.700 and 0.600 by msp, p (Holm) 0.5, on 2 files that both hold.",
	} {
		s := bench.SplitDiff{Split: "2019", Out: bench.Pairing{Pairs: 2}, Detectors: []bench.DetectorDiff{{Detector: "msp", A: 0.7, B: 0.6, Test: report.Comparison{PHolm: p}}}}
		if got := differenceOf([]bench.SplitDiff{s}); got != want {
			t.Errorf("p %v: %q, want %q", p, got, want)
		}
	}
}
