package report

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"driftbench/internal/fuzzing"
)

// Whatever results.json holds, it is refused in one line, or is written again
// as itself and is drawn.
func FuzzResults(f *testing.F) {
	r := inventedRun()
	for i := range r.Detectors { // less to mutate, and less to draw
		d := &r.Detectors[i]
		d.Months = d.Months[:min(2, len(d.Months))]
		for j := range d.Splits {
			s := &d.Splits[j]
			s.ROC, s.Classes = s.ROC[:min(3, len(s.ROC))], s.Classes[:min(2, len(s.Classes))]
		}
	}
	r.Detectors = r.Detectors[2:]
	b, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, seed := range []string{
		`{"schema_version":1}`, `{"schema_version":2}`, `{"schema_version":1,"train":"\u001b[2J\u202e\u009b"}`, `{"schema_version":1,"labels":[1]}`, `[`, ``,
		`{"schema_version":1,"splits":[{"role":"in"},{"role":"out","files":-1,"classes":[{},{}]}],"detectors":[{"name":"a","splits":[{"auroc":1e999}]}]}`,
		`{"schema_version":1,"detectors":[{"edges":[0,null,-1e308,1e308],"months":[{"month":"0000-00"},{"month":"9999-12"}]}],"classifier":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Results
		var err error
		// "{}," is a detector of a split, which takes 400 bytes.
		took := fuzzing.Allocated(func() { r, err = parseResults(b, "results.json") })
		if took > 1<<20+1024*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "results.json") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		read, err := parseResults(again, "again.json")
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := json.Marshal(read); err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%s\nbecame\n%s", again, twice)
		}
		drawAll(t, Input{Name: r.Train, Results: r})
	})
}

// drawAll draws everything that is made of a run.
func drawAll(t testing.TB, in Input) {
	for _, p := range []page{runPage(in), comparisonPage(in, in, in.Results.Comparisons)} {
		for _, s := range p.Sections {
			for _, f := range s.figures {
				if f.gap == "" {
					f.svg(narrowWidth)
				}
			}
			for _, table := range s.tables {
				table.encode()
			}
		}
		if _, err := p.render(); err != nil {
			t.Error(err)
		}
	}
	if err := Table(io.Discard, in.Results); err != nil {
		t.Error(err)
	}
	if err := Markdown(io.Discard, in.Results, nil); err != nil {
		t.Error(err)
	}
}
