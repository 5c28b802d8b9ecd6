package stats

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

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

func BenchmarkScore(b *testing.B) {
	UseBLAS()
	for _, size := range []struct{ n, d, classes int }{{100_000, 128, 4}, {100_000, 64, 4}} {
		b.Run(fmt.Sprintf("n=%d/d=%d/classes=%d", size.n, size.d, size.classes), func(b *testing.B) {
			x := normalMatrix(rand.New(rand.NewPCG(1, 1)), size.n, size.d)
			m := NewMoments(size.classes, size.d)
			if err := m.Add(x, cycle(size.n, size.classes)); err != nil {
				b.Fatal(err)
			}
			g, err := NewTiedGaussian(m)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]float64, size.n)
			for b.Loop() {
				if err := g.Score(dst, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size.n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}
