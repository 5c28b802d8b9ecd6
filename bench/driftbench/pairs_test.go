package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"driftbench/report"
)

// A run against a part of itself: the files that both hold are found by name
// whatever their order, and nothing differs on them.
func TestCompareRunWithItself(t *testing.T) {
	run, other, out := extracted(), t.TempDir(), t.TempDir()
	copyTree(t, other, run, func(path string) bool { return path == "results.json" || strings.HasPrefix(path, "scores/") })
	table := filepath.Join(other, "scores", "2019.csv")
	lines := strings.Split(strings.TrimSpace(readFile(t, table)), "\n")
	last := len(lines) - 1
	lines[1], lines[last] = lines[last], lines[1]
	writeFile(t, table, strings.Join(lines[:last], "\n")+"\n") // one file less, another order

	stdout := mustRun(t, "report", "--compare", run, other, "--out", out)
	if want := "2019: " + strconv.Itoa(last-1) + " files that both hold"; !strings.Contains(stdout, want) {
		t.Errorf("want %q in\n%s", want, stdout)
	}
	rows := regexp.MustCompile(`(?m)^[a-z].*  ([01]\.\d{3})  ([01]\.\d{3})  \+0\.000 \[\+0\.000, \+0\.000\] +1$`).FindAllStringSubmatch(stdout, -1)
	r, err := report.ReadResults(filepath.Join(run, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 * len(scoredBy(r)); len(rows) != want {
		t.Errorf("%d rows without a difference, want %d:\n%s", len(rows), want, stdout)
	}
	for _, row := range rows {
		if row[1] != row[2] {
			t.Errorf("A has %s, B %s on the same scores", row[1], row[2])
		}
	}
	for _, line := range strings.Split(stdout, "\n") {
		if len(line) > 100 && !strings.Contains(line, out) && !strings.Contains(line, run) {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
	if page := readFile(t, filepath.Join(out, "report", "comparison.html")); !strings.Contains(page, "Paired tests") {
		t.Error("comparison.html has no paired tests")
	}
}

// The difference and its sign: B has the scores of A turned round.
func TestPairedDifferenceIsOfAMinusB(t *testing.T) {
	table := func(scores ...string) string {
		var b strings.Builder
		b.WriteString("name,label,first_seen,predicted,msp\n")
		for i, s := range scores {
			b.WriteString("f" + strconv.Itoa(i) + ",worm,2017-01,," + s + "\n")
		}
		return b.String()
	}
	a, b := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(a, "scores", "2017-val.csv"), table("5", "6", "7", "2"))
	writeFile(t, filepath.Join(a, "scores", "2019.csv"), table("1", "3", "4"))
	writeFile(t, filepath.Join(b, "scores", "2017-val.csv"), table("-5", "-6", "-7", "-2"))
	writeFile(t, filepath.Join(b, "scores", "2019.csv"), table("-1", "-3", "-4"))
	r := report.Results{
		Splits:    []report.Split{{Name: "2017-val", Role: report.RoleIn}, {Name: "2019", Role: report.RoleOut}},
		Detectors: []report.Detector{{Name: "msp"}, {Name: "vim", Skipped: "no layer"}},
	}
	got, err := pairRuns(a, b, r, r)
	if err != nil || len(got) != 1 || len(got[0].tests) != 1 {
		t.Fatalf("%+v, %v, want one test", got, err)
	}
	// 10 of 12 pairs are in order in A, 2 in B.
	p := got[0]
	if p.in != 4 || p.out != 3 || p.a[0] != 10./12 || p.b[0] != 2./12 || float64(p.tests[0].Delta) != p.a[0]-p.b[0] {
		t.Errorf("%+v", p)
	}

	writeFile(t, filepath.Join(b, "scores", "2019.csv"), table("-1", "NaN"))
	if _, err := pairRuns(a, b, r, r); err == nil || !strings.Contains(err.Error(), `2019.csv:3: "msp" is "NaN", no finite number`) {
		t.Errorf("a score that is no number: %v", err)
	}
}

func TestCompareRefuses(t *testing.T) {
	run, out := extracted(), t.TempDir()
	other := t.TempDir()
	copyTree(t, other, run, func(path string) bool { return path == "results.json" || strings.HasPrefix(path, "scores/") })
	for _, split := range []string{"2018-Q1", "2018-late", "2019"} {
		path := filepath.Join(other, "scores", split+".csv")
		header, _, _ := strings.Cut(readFile(t, path), "\n")
		writeFile(t, path, header+"\n")
	}
	stdout := mustRun(t, "report", "--compare", run, other, "--out", out)
	if !strings.Contains(stdout, "They share no files, so there are no paired tests") {
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
	r := report.Results{
		Splits:    []report.Split{{Name: "2017-val", Role: report.RoleIn}, {Name: "../../2019", Role: report.RoleOut}},
		Detectors: []report.Detector{{Name: "msp"}},
	}
	if _, err := pairRuns(run, run, r, r); err == nil || !strings.Contains(err.Error(), `names a split "../../2019", which names no file`) {
		t.Errorf("a split that leads out of scores/: %v", err)
	}
	if err := os.Remove(filepath.Join(other, "scores", "2019.csv")); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := driftbench("report", "--out", out, "--compare", run, other); status != exitFailed || !strings.Contains(stderr, "2019.csv: no such file") {
		t.Errorf("lost scores: status %d, stderr %q", status, stderr)
	}
}

// Every error in a table of scores says where it is.
func TestReadScoresRefuses(t *testing.T) {
	const head = "name,msp\n"
	for text, want := range map[string]string{
		"":                                 "s.csv is empty",
		"name,mls\n":                       `s.csv has no column "msp"`,
		head + "a,1\nb,x\n":                `s.csv:3: "msp" is "x", no finite number`,
		head + "\"a\nb\",NaN\n":            `s.csv:2: "msp" is "NaN", no finite number`,
		head + "a,1\nb\n":                  "s.csv:3: another number of fields than the header",
		head + "a,1\nb,\"1\n":              "s.csv:3: extraneous or missing",
		string(make([]byte, 2<<20)):        "s.csv:1: more than 1048576 bytes without the end of a record",
		head + string(make([]byte, 2<<20)): "s.csv:2: more than 1048576 bytes without the end of a record",
	} {
		if _, _, err := parseScores(strings.NewReader(text), "s.csv", []string{"msp"}); err == nil || !strings.Contains(err.Error(), "reading the scores: "+want) {
			t.Errorf("%.80q: error %v, want %q", text, err, want)
		}
	}
}
