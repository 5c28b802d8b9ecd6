package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"driftbench/report"
)

// writeFile makes a file with its folder.
func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
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
	got, err := diffRuns(a, b, r, r)
	if err != nil || len(got) != 1 || len(got[0].Detectors) != 1 {
		t.Fatalf("%+v, %v, want one test", got, err)
	}
	// 10 of 12 pairs are in order in A, 2 in B.
	d := got[0].Detectors[0]
	if got[0].In != 4 || got[0].Out != 3 || d.A != 10./12 || d.B != 2./12 || float64(d.Test.Delta) != d.A-d.B {
		t.Errorf("%+v", got[0])
	}

	writeFile(t, filepath.Join(b, "scores", "2019.csv"), table("-1", "NaN"))
	if _, err := diffRuns(a, b, r, r); err == nil || !strings.Contains(err.Error(), `2019.csv:3: "msp" is "NaN", no finite number`) {
		t.Errorf("a score that is no number: %v", err)
	}
}

// A results.json may come from elsewhere, and its splits name files.
func TestDiffRefusesSplitsThatNameNoFile(t *testing.T) {
	_, _, err := readScores("run", "../../2019", []string{"msp"})
	if err == nil || !strings.Contains(err.Error(), `names a split "../../2019", which names no file`) {
		t.Errorf("a split that leads out of scores/: %v", err)
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
