package report

import (
	"os"
	"path/filepath"
	"testing"

	"gonum.org/v1/plot/cmpimg"
)

// goldenDPI keeps the golden pictures small; 60 is enough to see a line move.
const goldenDPI = 60

// Pictures may differ by this in each pixel: fonts are drawn in floating
// point, which is not the same on every processor.
const tolerance = 0.1

func goldens(in Input) map[string]func() []byte {
	pictures := map[string]func() []byte{}
	for _, s := range sections(in) {
		for _, f := range s.figures {
			if f.gap == "" {
				pictures[f.name] = func() []byte { return f.png(wideWidth, goldenDPI) }
				if f.name == "auroc-drift-by-split" || f.name == "timeline-by-month" {
					pictures[f.name+"-narrow"] = func() []byte { return f.png(narrowWidth, goldenDPI) }
				}
			}
		}
	}
	return pictures
}

func same(t *testing.T, name string, got []byte) bool {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name+".png"))
	if err != nil {
		t.Fatal(err)
	}
	ok, err := cmpimg.EqualApprox("png", got, want, tolerance)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestPicturesGolden(t *testing.T) {
	for name, draw := range goldens(inventedInput()) {
		got := draw()
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", name+".png"), got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if !same(t, name, got) {
			path := filepath.Join(os.TempDir(), name+".png")
			os.WriteFile(path, got, 0o644)
			t.Errorf("%s differs from its golden picture; the new one is %s", name, path)
		}
	}
}

// The tolerance must not hide a change of a number.
func TestPicturesGoldenAreSensitive(t *testing.T) {
	in := inventedInput()
	in.Throughput[0].Center += 10
	in.Results.Classifier.Months[3].MacroF1 -= 0.03
	for i := range in.Results.Classifier.Rejection {
		in.Results.Classifier.Rejection[i].Coverage -= 0.02
	}
	d := &in.Results.Detectors[2]
	for i := range d.Splits {
		s := &d.Splits[i]
		s.AUROC += 0.01
		s.Rejected += 0.01
		s.Classes[1].Value += 0.01
		s.Histogram[20] += 0.01
		for k := range s.ROC {
			s.ROC[k][1] *= 0.97
		}
	}
	for name, draw := range goldens(in) {
		if name != "timeline-by-month-narrow" && same(t, name, draw()) {
			t.Errorf("%s did not change with its numbers", name)
		}
	}
}
