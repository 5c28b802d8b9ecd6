package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"driftbench/internal/fuzzing"
)

func TestNames(t *testing.T) {
	want := []string{"mahalanobis/layer7", "mahalanobis/layer8", "mahalanobis/ensemble", "mahalanobis/ensemble-out-labels",
		"rmd/layer7", "rmd/layer8", "mahalanobis++/layer7", "mahalanobis++/layer8", "knn/layer7", "knn/layer8",
		"vim", "msp", "maxlogit", "energy"}
	if got := Names([]string{"layer7", "layer8"}); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, name := range want {
		if UsesOutLabels(name) != strings.Contains(name, "out-labels") {
			t.Errorf("%s: UsesOutLabels is %v", name, UsesOutLabels(name))
		}
	}
}

// Out files that have moved score lower, whatever looks at features, but for
// rmd: the shift is as strange to the background as to the classes, and cancels.
// Held-out files that are like the fit rows score like them.
func TestDetectorsSeeDrift(t *testing.T) {
	training := trained(rand.New(rand.NewPCG(11, 1)), 1000)
	d := fitAll(t, training)
	score := func(name string, x Features) []float64 {
		s := make([]float64, x["layer7"].Rows)
		if err := d.Score(s, name, x); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, name := range d.Names() {
		in := score(name, training.In)
		a := DeLong(in, score(name, training.Out))
		if !slices.Contains([]string{"rmd/layer7", "rmd/layer8", "msp", "maxlogit", "energy"}, name) && a.Lo < 0.55 {
			t.Errorf("%s: AUROC %v of files that have moved", name, a)
		}
		// Fit rows lie nearer to their own fit, by little with so many of them.
		if gap := DeLong(score(name, training.Fit), in); gap.Value < 0.45 || gap.Value > 0.6 {
			t.Errorf("%s: AUROC %v of fit rows against In rows", name, gap)
		}
	}
}

func TestDetectorsThatCannotBeFitted(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 2))
	base := trained(rng, 100)
	for _, c := range []struct {
		name    string
		change  func(*Training)
		skipped []string
	}{
		{"no held-out rows", func(t *Training) { t.In = nil }, []string{nameEnsemble, nameRegression}},
		{"no Out rows", func(t *Training) { t.Out = nil }, []string{nameRegression}},
		{"no logits", func(t *Training) { delete(t.Fit, Logits) }, []string{"vim", "msp", "maxlogit", "energy"}},
		{"logits of something else", func(t *Training) { t.Fit[Logits] = normalMatrix(rng, 100, 4) }, []string{"vim"}},
		{"a class without rows", func(t *Training) { t.NumClasses = 5 }, []string{"mahalanobis/layer7", "mahalanobis/layer8",
			nameEnsemble, nameRegression, "rmd/layer7", "rmd/layer8", "mahalanobis++/layer7", "mahalanobis++/layer8"}},
		{"few rows", func(t *Training) {
			t.Classes = t.Classes[:40]
			t.Fit = Features{"layer7": t.Fit["layer7"].Slice(0, 40), "layer8": t.Fit["layer8"].Slice(0, 40), Logits: t.Fit[Logits].Slice(0, 40)}
		}, []string{"knn/layer7", "knn/layer8"}},
	} {
		training := base
		training.Fit = Features{}
		for layer, x := range base.Fit {
			training.Fit[layer] = x
		}
		c.change(&training)
		d, err := Fit(training)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var skipped []string
		for _, name := range Names(training.Layers) {
			if d.Skipped(name) != nil {
				skipped = append(skipped, name)
			} else if !slices.Contains(d.Names(), name) {
				t.Errorf("%s: %s is neither fitted nor skipped", c.name, name)
			}
		}
		if !slices.Equal(skipped, c.skipped) {
			t.Errorf("%s: skipped %q, want %q", c.name, skipped, c.skipped)
		}
	}
}

func TestFitAndScoreNameTheFeature(t *testing.T) {
	training := trained(rand.New(rand.NewPCG(11, 3)), 400)
	d := fitAll(t, training)
	training.Out["layer8"].Row(123)[2] = float32(math.Inf(1))
	scores := make([]float64, 200)
	for _, name := range []string{"mahalanobis/layer8", "mahalanobis/ensemble", "rmd/layer8", "mahalanobis++/layer8", "knn/layer8", "vim"} {
		var layer *LayerError
		var bad *NotFiniteError
		err := d.Score(scores, name, training.Out)
		if !errors.As(err, &layer) || !errors.As(err, &bad) || layer.Layer != "layer8" || bad.Row != 123 || bad.Col != 2 {
			t.Errorf("scoring by %s: %v", name, err)
		}
	}
	for _, name := range Names(training.Layers) {
		training := trained(rand.New(rand.NewPCG(11, 3)), 400)
		layer := "layer8"
		if strings.HasSuffix(name, "layer7") {
			layer = "layer7"
		}
		if name == "msp" || name == "maxlogit" || name == "energy" {
			continue // nothing of them is fitted
		}
		training.Fit[layer].Row(321)[1] = float32(math.NaN())
		var at *LayerError
		var bad *NotFiniteError
		if _, err := Fit(training, name); !errors.As(err, &at) || !errors.As(err, &bad) || at.Layer != layer || bad.Row != 321 || bad.Col != 1 {
			t.Errorf("fitting %s: %v", name, err)
		}
	}
	delete(training.Out, "layer7")
	var layer *LayerError
	if err := d.Score(scores, "knn/layer7", training.Out); !errors.As(err, &layer) || layer.Layer != "layer7" {
		t.Errorf("a layer that is missing: %v", err)
	}
	if _, err := Fit(training, "knn/layer9"); err == nil || !strings.Contains(err.Error(), "knn/layer8") {
		t.Errorf("a detector that is not there: %v", err)
	}
}

func TestOneSigmoidUnitIsTwoClasses(t *testing.T) {
	z := Matrix{Rows: 3, Cols: 1, Data: []float32{-3, 0, 2}}
	d, err := Fit(Training{Fit: Features{Logits: z}, Classes: make([]int, 3), NumClasses: 1}, "msp", "maxlogit", "energy")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]func(z float64) float64{
		"msp":      func(z float64) float64 { return max(expit(z), expit(-z)) },
		"maxlogit": func(z float64) float64 { return math.Abs(z) / 2 },
		"energy":   func(z float64) float64 { return math.Log(2 * math.Cosh(z/2)) },
	} {
		got := make([]float64, 3)
		if err := d.Score(got, name, Features{Logits: z}); err != nil {
			t.Fatal(err)
		}
		for i, v := range z.Data {
			if !near(got[i], want(float64(v)), 1e-12) {
				t.Errorf("%s of %v is %v, want %v", name, v, got[i], want(float64(v)))
			}
		}
	}
}

func TestScoringMemoryDoesNotGrow(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 4))
	d := fitAll(t, trainedWidths(rng, 400, 64, 64))
	x := trainedWidths(rng, 40_000, 64, 64).Fit
	allocated := func(name string, rows int) uint64 {
		part := Features{}
		for layer, m := range x {
			part[layer] = m.Slice(0, rows)
		}
		scores := make([]float64, rows)
		return fuzzing.Allocated(func() {
			if err := d.Score(scores, name, part); err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, name := range d.Names() {
		few, many := allocated(name, 4_000), allocated(name, 40_000)
		// A copy of the rows in float64 would be 512 bytes a row. An ensemble
		// holds one more score a row, and products leave some garbage a block.
		if grown := (int64(many) - int64(few)) / 36_000; grown > 64 {
			t.Errorf("%s allocates %d bytes for 4,000 rows and %d for 40,000", name, few, many)
		}
	}
}
