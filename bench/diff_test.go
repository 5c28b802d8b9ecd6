package bench

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"driftbench/bench/features"
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
	digests := func(name string) string {
		text := "name,label,first_seen,group,sha256,size\n"
		for i := range 4 {
			text += "f" + strconv.Itoa(i) + ",worm,2017-01,," + name + strconv.Itoa(i) + ",1\n"
		}
		return text
	}
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		for _, split := range []string{"2017-val", "2019"} {
			writeFile(t, filepath.Join(dir, "features", split+".csv"), digests(split))
		}
	}
	writeFile(t, filepath.Join(a, "scores", "2017-val.csv"), table("5", "6", "7", "2"))
	writeFile(t, filepath.Join(a, "scores", "2019.csv"), table("1", "3", "4"))
	writeFile(t, filepath.Join(b, "scores", "2017-val.csv"), table("-5", "-6", "-7", "-2"))
	writeFile(t, filepath.Join(b, "scores", "2019.csv"), table("-1", "-3", "-4"))
	r := report.Results{
		Splits:    []report.Split{{Name: "2017-val", Role: report.RoleIn}, {Name: "2019", Role: report.RoleOut}},
		Detectors: []report.Detector{{Name: "msp"}, {Name: "vim", Skipped: "no layer"}},
	}
	diff := func() ([]SplitDiff, error) {
		return diffRuns(&scoredRun{dir: a, results: r, features: filepath.Join(a, "features")}, &scoredRun{dir: b, results: r, features: filepath.Join(b, "features")})
	}
	got, err := diff()
	if err != nil || len(got) != 1 || len(got[0].Detectors) != 1 {
		t.Fatalf("%+v, %v, want one test", got, err)
	}
	// 10 of 12 pairs are in order in A, 2 in B.
	d := got[0].Detectors[0]
	if got[0].In.Pairs != 4 || got[0].Out.Pairs != 3 || d.A != 10./12 || d.B != 2./12 || float64(d.Test.Delta) != d.A-d.B {
		t.Errorf("%+v", got[0])
	}

	writeFile(t, filepath.Join(b, "scores", "2019.csv"), table("-1", "NaN"))
	if _, err := diff(); err == nil || !strings.Contains(err.Error(), `2019.csv:3: "msp" is "NaN", no finite number`) {
		t.Errorf("a score that is no number: %v", err)
	}
}

// No cell of scores/ is a formula, and the names that are read join the features.
func TestScoresGuardFormulas(t *testing.T) {
	names := []string{"=1+1", "+1", "-1", "@x", "'=1", "'x", "a=1"}
	x := &Split{Predicted: make([]int, len(names)), Scores: map[string][]float64{"msp": make([]float64, len(names))}}
	for i, name := range names {
		x.Rows = append(x.Rows, features.Row{Name: name, Label: name, FirstSeen: "2019-01"})
		x.Scores["msp"][i] = -float64(i)
	}
	var b strings.Builder
	if err := writeScoreTable(&b, x, []string{"=label"}, []string{"msp"}); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		for _, cell := range strings.Split(line, ",")[:4] {
			if strings.ContainsAny(cell[:1], "=+-@") {
				t.Errorf("%s: the cell %q is a formula", line, cell)
			}
		}
	}
	files, scores, err := parseScores(strings.NewReader(b.String()), "x.csv", []string{"msp"})
	if err != nil || len(files) != len(names) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for i, name := range names {
		if files[i].Name != name || files[i].Label != name || scores[0][i] != -float64(i) {
			t.Errorf("%q was read as %+v with %v", name, files[i], scores[0][i])
		}
	}
}

// A file has the digest of its row even where names repeat and rows are dropped,
// or none if that is not certain.
func TestDescribe(t *testing.T) {
	row := func(name, digest string) features.Row {
		return features.Row{Name: name, Label: "worm", FirstSeen: "2019-01", SHA256: digest, Group: "g" + digest}
	}
	rows := []features.Row{row("a", "1"), row("b", "2"), row("b", "3"), row("c", "4"), row("c", "5"), row("d", "6"), row("d", "6")}
	files := []features.Row{row("b", ""), row("a", ""), row("b", ""), row("c", ""), row("d", ""), row("e", ""), {Name: "a"}}
	describe(files, rows)
	var got []string
	for _, f := range files {
		got = append(got, f.SHA256)
	}
	if want := []string{"2", "1", "3", "", "6", "", ""}; !slices.Equal(got, want) || files[1].Group != "g1" {
		t.Errorf("the digests are %q, want %q", got, want)
	}
}

// Files of one group in either run, or of equal bytes, count as one.
func TestPairsCountGroups(t *testing.T) {
	pair := func(a, b, digest string) [2]features.Row {
		return [2]features.Row{{Group: a, SHA256: digest}, {Group: b, SHA256: digest}}
	}
	in, out := groupPairs(paired{rows: [][2]features.Row{pair("x", "", "1"), pair("", "y", "2"), pair("", "", "3")}},
		paired{rows: [][2]features.Row{pair("x", "", "4"), pair("", "y", "5"), pair("", "", "3"), pair("", "", "6")}})
	if in[0] != out[0] || in[1] != out[1] || in[2] != out[2] || len(slices.Compact(slices.Sorted(slices.Values(slices.Concat(in, out))))) != 4 {
		t.Errorf("groups %v, %v", in, out)
	}
}

// A results.json may come from elsewhere, and its splits name files.
func TestDiffRefusesSplitsThatNameNoFile(t *testing.T) {
	_, _, err := readScores("run", "../../2019", []string{"msp"}, io.Discard)
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
