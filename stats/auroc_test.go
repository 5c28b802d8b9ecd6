package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// pairwise is the definition: every pair, and the variance of the means over
// its rows and columns.
func pairwise(in, out []float64) (auc, variance float64) {
	rows, cols := make([]float64, len(in)), make([]float64, len(out))
	for i, x := range in {
		for j, y := range out {
			v := 0.0
			if y < x {
				v = 1
			} else if y == x {
				v = 0.5
			}
			auc += v
			rows[i] += v / float64(len(out))
			cols[j] += v / float64(len(in))
		}
	}
	auc /= float64(len(in) * len(out))
	for _, side := range [][]float64{rows, cols} {
		s := 0.0
		for _, v := range side {
			s += (v - auc) * (v - auc)
		}
		variance += s / float64(len(side)-1) / float64(len(side))
	}
	return auc, variance
}

func TestDeLongAgainstPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for trial := range 200 {
		in, out := normals(rng, 2+rng.IntN(40), 0.5), normals(rng, 2+rng.IntN(40), 0)
		if trial%2 == 1 { // many ties
			for _, s := range [][]float64{in, out} {
				for i := range s {
					s[i] = math.Round(s[i])
				}
			}
		}
		auc, variance := pairwise(in, out)
		got := DeLong(in, out)
		if math.Abs(got.Value-auc) > 1e-12 || math.Abs(got.Variance-variance) > 1e-12 {
			t.Fatalf("trial %d: %v, variance %v; want %v, %v", trial, got.Value, got.Variance, auc, variance)
		}
		if got.Lo > got.Value || got.Hi < got.Value || got.Lo < 0 || got.Hi > 1 {
			t.Fatalf("trial %d: %v", trial, got)
		}
	}
}

func TestDeLongAtTheEdges(t *testing.T) {
	same := []float64{3, 3, 3}
	if a := DeLong(same, same); a.Value != 0.5 || a.Variance != 0 || a.P != 1 {
		t.Errorf("constant scores: %+v", a)
	}
	in, out := []float64{4, 5, 6}, []float64{1, 2, 3}
	// 2 of the 20 ways to label six files separate them.
	if a := DeLong(in, out); a.Value != 1 || a.Hi != 1 || math.Abs(a.P-0.1) > 1e-12 || math.Abs(math.Pow(a.Lo, 3)-0.025) > 1e-12 {
		t.Errorf("separated: %+v", a)
	}
	if a := DeLong(out, in); a.Value != 0 || a.Lo != 0 || math.Abs(math.Pow(1-a.Hi, 3)-0.025) > 1e-12 {
		t.Errorf("separated the wrong way: %+v", a)
	}
	if a := DeLong(in[:1], out); a.Value != 1 || a.Lo != 0 || a.Hi != 1 || !math.IsNaN(a.P) {
		t.Errorf("one file: %+v", a)
	}
	if a := DeLong(nil, out); !math.IsNaN(a.Value) {
		t.Errorf("no file: %+v", a)
	}
}
