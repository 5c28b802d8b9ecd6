package stats

import "math/rand/v2"

// normalMatrix draws standard normal features.
func normalMatrix(rng *rand.Rand, rows, cols int) Matrix {
	x := Matrix{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

// cycle numbers rows 0, 1, …, k−1, 0, 1, …
func cycle(rows, k int) []int {
	c := make([]int, rows)
	for i := range c {
		c[i] = i % k
	}
	return c
}

// normals draws n scores of a normal distribution with deviation 1.
func normals(rng *rand.Rand, n int, mean float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = mean + rng.NormFloat64()
	}
	return s
}
