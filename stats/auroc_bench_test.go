package stats

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// normals draws n scores of a normal distribution with deviation 1.
func normals(rng *rand.Rand, n int, mean float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = mean + rng.NormFloat64()
	}
	return s
}

func BenchmarkDeLong(b *testing.B) {
	for _, n := range []int{10_000, 10_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			in, out := normals(rng, n/2, 1), normals(rng, n/2, 0)
			for b.Loop() {
				DeLong(in, out)
			}
		})
	}
}
