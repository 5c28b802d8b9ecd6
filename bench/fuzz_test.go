package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/internal/fixture"
	"driftbench/internal/fuzzing"
	"driftbench/report"
)

// seal makes a fit file of what follows its first line.
func seal(body []byte) []byte {
	b := append([]byte(fitMagic), body...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// Whatever the bytes, reading a fit ends in one line, or in splits that later
// files are scored with.
func FuzzParseFit(f *testing.F) {
	dir := fixture.Features(f)
	for _, detectors := range [][]string{nil, {"mahalanobis/ensemble"}, {"knn/layer8"}, {"vim", "msp"}} {
		b := savedBytes(f, Options{Features: dir, Detectors: detectors})
		f.Add(b[len(fitMagic) : len(b)-sha256.Size])
	}
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"train":"t","labels":["a"],"fit":{"names":["YQ=="],"first_seen":["MjAxNy0wMQ=="],"sha256":[""],"classes":[0]}}` + "\n" + "driftbench fit 1\n\x00\x00\x00\x00\x00\x00\x00\x00"))
	later, err := ReadSplits(Options{Features: dir})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := seal(body)
		var s *Splits
		var err error
		// A name of one byte takes 6 in the file and 150 in a row.
		took := fuzzing.Allocated(func() { s, err = parseFit(b) })
		if took > 1<<20+256*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q is not one line", err)
			}
			return
		}
		for _, x := range s.All() {
			if len(x.Rows) == 0 || len(x.Classes) != len(x.Rows) {
				t.Errorf("split %q has %d rows and %d classes", x.Name, len(x.Rows), len(x.Classes))
			}
			for _, name := range s.detectors.Names() {
				if len(x.Scores[name]) != len(x.Rows) {
					t.Errorf("split %q has %d scores of %s", x.Name, len(x.Scores[name]), name)
				}
			}
		}
		out := *later.Out[0]
		s.Out = append(s.Out, &out)
		if err := out.setClasses(map[string]int{"a": 0, "b": len(s.Labels) - 1}, s.Labels); err != nil {
			t.Fatal(err)
		}
		s.setGroups()
		r, err := Evaluate(context.Background(), s, Options{Resamples: 2})
		if err != nil {
			return // layers of another width or name
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

// Whatever manifest.json holds, it is refused in one line that names it, or is
// written again as itself.
func FuzzManifest(f *testing.F) {
	config := dataset.DefaultConfig()
	b, err := json.Marshal(Manifest{
		Command: []string{"driftbench", "run"}, Config: &config, Model: "m", GPUs: []string{"a", "b"}, Warnings: []string{"w"},
		Dropped: []DroppedFile{{"2019", "\xff\n", "worm", 7, "is missing"}}, Extracted: &Manifest{Command: []string{"x"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, seed := range []string{
		"", "{", "null", "[]", `{"started":"now"}`, `{"config":{"Train":{"From":"2017-1\n"}}}`, `{"extracted":{"extracted":{}}}`,
		`{"config":{"Labels":["a","a"],"Tests":null}}`, `{"command":["\u001b[2J\u202e"],"cores":1e9}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m *Manifest
		var err error
		// "{}," is a dropped file, which takes 80 bytes.
		took := fuzzing.Allocated(func() { m, err = parseManifest(b, "manifest.json") })
		if took > 1<<20+256*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "manifest.json") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		m.provenance()
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		read, err := parseManifest(again, "again.json")
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if twice, err := json.Marshal(read); err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%s\nbecame\n%s", again, twice)
		}
	})
}

// Whatever a table of scores holds, it is refused in one line that names it, or
// gives a finite score of every detector for every name.
func FuzzScores(f *testing.F) {
	const head = "name,label,first_seen,predicted,msp,energy\n"
	for _, seed := range []string{
		"", head, head + "a,worm,2017-01,,1,2\n", head + "a,worm,2017-01,,NaN,2\n", head + "a,worm,2017-01,,1,1e999\n",
		head + "\"a\nb\",worm,2017-01,,-0x1p-2,1_0\n", head + "a,b\n", "msp\n1\n", "energy,msp\n1,2\n", head + "\"a",
	} {
		f.Add([]byte(seed))
	}
	detectors := []string{"msp", "energy"}
	f.Fuzz(func(t *testing.T, b []byte) {
		var names []features.Row
		var scores [][]float64
		var err error
		took := fuzzing.Allocated(func() { names, scores, err = parseScores(bytes.NewReader(b), "2019.csv", detectors) })
		if took > 1<<20+256*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "2019.csv") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		for d := range detectors {
			if len(scores[d]) != len(names) || slices.ContainsFunc(scores[d], func(v float64) bool { return v-v != 0 }) {
				t.Errorf("%d names have the scores %v", len(names), scores[d])
			}
		}
	})
}

// Whatever a rule says, it is refused with the forms of a rule, or means the
// same when its parts are put together again, and can be decided.
func FuzzRule(f *testing.F) {
	for _, seed := range []string{
		"auroc(2019, mahalanobis/ensemble) > 0.75", "accuracy(2019)<.9", "auroc(2019,msp) > NaN", "auroc(,) > 0", "accuracy(2019) < 0x1p-2",
		"auroc(a,b,c) > 1e-9", "accuracy(\n) < 1", "auroc(\xff,\x1b[2J) > 0", "accuracy(2019) < -0",
	} {
		f.Add(seed)
	}
	names := available{splits: []string{"2017-fit", "2017-val", "2019"}, out: []string{"2019"}, detectors: []string{"msp"}, accuracy: true}
	res := report.Results{
		Detectors:  []report.Detector{{Name: "msp", Splits: []report.DetectorSplit{{Split: "2019", AUROC: 0.7, AUROCLo: 0.6, AUROCHi: 0.8}}}},
		Classifier: &report.Classifier{Splits: []report.Accuracy{{Name: "2019", Accuracy: report.Interval{Value: 0.7, Lo: 0.6, Hi: 0.8}}}},
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), ruleForms) {
				t.Errorf("error %q is not one line with the forms", err)
			}
			return
		}
		if !(r.bound >= 0 && r.bound <= 1) || r.split == "" || (r.metric == "auroc") != (r.detector != "") {
			t.Fatalf("accepted %+v", r)
		}
		inner, sign := r.split, "<"
		if r.detector != "" {
			inner += "," + r.detector
		}
		if r.above {
			sign = ">"
		}
		again, err := ParseRule(r.metric + "(" + inner + ")" + sign + strconv.FormatFloat(r.bound, 'g', -1, 64))
		again.text = r.text
		if err != nil || again != r {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
		if err := r.check(names); err != nil {
			if !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q is not one line", err)
			}
			return
		}
		want := r.split != "2019" || r.above && 0.6 > r.bound || !r.above && 0.8 < r.bound // of the others there is no number
		if c := r.decide(res); c.Failed != want {
			t.Errorf("%+v: %+v", r, c)
		}
	})
}
