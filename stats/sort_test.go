package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	for _, n := range []int{0, 1, 100, 5000} {
		s := normals(rng, n, 0)
		if n > 3 {
			s[0], s[1], s[2], s[3] = math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1)
		}
		want := slices.Clone(s)
		slices.Sort(want)
		if got := sorted(s); !slices.Equal(got, want) {
			t.Errorf("%d scores come out of order", n)
		}
	}
	if got := sorted(make([]float64, 5000)); !slices.Equal(got, make([]float64, 5000)) {
		t.Error("constant scores change")
	}
}

func TestKthLargest(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 2))
	for trial := range 300 {
		v := normals(rng, 1+rng.IntN(80), 0)
		if trial%2 == 0 {
			for i := range v {
				v[i] = math.Round(v[i])
			}
		}
		want := sorted(v)
		slices.Reverse(want)
		k := 1 + rng.IntN(len(v))
		if got := kthLargest(v, k); got != want[k-1] {
			t.Fatalf("trial %d: %v, want %v", trial, got, want[k-1])
		}
	}
}
