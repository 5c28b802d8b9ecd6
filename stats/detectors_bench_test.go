package stats

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func BenchmarkKNN(b *testing.B) {
	UseBLAS()
	for _, n := range []int{2_000, 20_000} {
		b.Run(fmt.Sprintf("n=%d/bank=%d/d=128", n, n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 3))
			k, err := newKNN("layer7", normalMatrix(rng, n, 128), 0)
			if err != nil {
				b.Fatal(err)
			}
			x := Features{"layer7": normalMatrix(rng, n, 128)}
			dst := make([]float64, n)
			for b.Loop() {
				if err := k.score(dst, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}
