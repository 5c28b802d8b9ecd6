package dataset

import (
	"math"
	"math/bits"

	"gonum.org/v1/gonum/mathext/prng"
)

// sample returns the row numbers, of 0 to n-1, and their order that pandas
// gives for DataFrame.sample(frac=frac, random_state=seed).
func sample(n int, frac float64, seed uint32) []int {
	return permutation(n, seed)[:share(n, frac)]
}

// share is frac·n rounded as Python does: halves to even.
func share(n int, frac float64) int { return int(math.RoundToEven(frac * float64(n))) }

// permutation is numpy.random.RandomState(seed).permutation(n): Fisher-Yates
// from the end.
func permutation(n int, seed uint32) []int {
	src := prng.NewMT19937()
	src.Seed(uint64(seed))
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := interval(src, uint32(i))
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// interval is NumPy's legacy random_interval: uniform in [0, most] by masked
// rejection. It is not the remainder, and not Lemire's method.
func interval(src *prng.MT19937, most uint32) uint32 {
	mask := uint32(1)<<bits.Len32(most) - 1
	for {
		if v := src.Uint32() & mask; v <= most {
			return v
		}
	}
}
