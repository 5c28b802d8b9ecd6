package stats

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func BenchmarkMoments(b *testing.B) {
	UseBLAS()
	const n, d, classes = 100_000, 128, 4
	b.Run(fmt.Sprintf("n=%d/d=%d/classes=%d", n, d, classes), func(b *testing.B) {
		x, class := normalMatrix(rand.New(rand.NewPCG(1, 4)), n, d), cycle(n, classes)
		for b.Loop() {
			if err := NewMoments(classes, d).Add(x, class); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
	})
}

func BenchmarkNewTiedGaussian(b *testing.B) {
	UseBLAS()
	for _, d := range []int{64, 128} {
		b.Run(fmt.Sprintf("d=%d/classes=4", d), func(b *testing.B) {
			m := NewMoments(4, d)
			if err := m.Add(normalMatrix(rand.New(rand.NewPCG(1, 5)), 2000, d), cycle(2000, 4)); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := NewTiedGaussian(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDetectors(b *testing.B) {
	UseBLAS()
	const n = 10_000
	rng := rand.New(rand.NewPCG(1, 6))
	d := fitAll(b, trainedWidths(rng, 2000, 128, 64))
	x := trainedWidths(rng, n, 128, 64).Fit
	scores := make([]float64, n)
	for _, name := range d.Names() {
		b.Run(fmt.Sprintf("detector=%s/n=%d", name, n), func(b *testing.B) {
			for b.Loop() {
				if err := d.Score(scores, name, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

func BenchmarkMetrics(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 7))
	in, out := normals(rng, 1000, 1), normals(rng, 3000, 0)
	b.Run("in=1000/out=3000/resamples=2000", func(b *testing.B) {
		for b.Loop() {
			Metrics(in, out, Bootstrap{})
		}
	})
}

func BenchmarkPairedDetectors(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 8))
	const n = 100_000
	inA, inB, outA, outB := normals(rng, n/2, 1), normals(rng, n/2, 1), normals(rng, n/2, 0), normals(rng, n/2, 0)
	b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
		for b.Loop() {
			PairedDetectors(inA, outA, inB, outB)
		}
	})
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
