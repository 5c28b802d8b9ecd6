package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Against a constant detector the paired test is the one against 0.5.
func TestDifferenceFromAConstant(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 1))
	in, out := normals(rng, 40, 0.4), normals(rng, 30, 0)
	a := DeLong(in, out)
	d := PairedDetectors(in, out, make([]float64, 40), make([]float64, 30))
	if !near(d.Value, a.Value-0.5, 1e-12) || !near(d.Variance, a.Variance, 1e-12) || !near(d.P, a.P, 1e-9) {
		t.Errorf("difference %+v, AUROC %+v", d, a)
	}
}

func TestDifferencesWithoutVariance(t *testing.T) {
	in, out := []float64{4, 5, 6}, []float64{1, 2, 3}
	if d := PairedDetectors(in, out, in, out); d.Value != 0 || d.P != 1 || d.Lo != 0 || d.Hi != 0 {
		t.Errorf("a detector against itself: %+v", d)
	}
	same := []float64{0, 0, 0}
	if d := PairedDetectors(in, out, same, same); d.Value != 0.5 || math.Abs(d.P-0.1) > 1e-12 || d.Lo >= 0.5 || d.Hi < 0.5 {
		t.Errorf("separated against constant: %+v", d)
	}
	if d := PairedSplits(in, out, out[:1]); !math.IsNaN(d.P) {
		t.Errorf("a split of one file: %+v", d)
	}
}

func TestHolm(t *testing.T) {
	nan := math.NaN()
	// From Holm's procedure by hand: 4·0.01, 3·0.02, 2·0.03 and then no less.
	got := Holm([]float64{0.04, 0.01, nan, 0.03, 0.02})
	want := []float64{0.06, 0.04, nan, 0.06, 0.06}
	for i := range want {
		if math.IsNaN(want[i]) != math.IsNaN(got[i]) || math.Abs(got[i]-want[i]) > 1e-12 {
			t.Errorf("%v, want %v", got, want)
		}
	}
	if got := Holm([]float64{0.9, 0.8}); !slices.Equal(got, []float64{1, 1}) {
		t.Errorf("large p-values become %v", got)
	}
}
