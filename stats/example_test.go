package stats_test

import (
	"fmt"
	"math/rand/v2"

	"driftbench/stats"
)

// features draws rows of three features, of two classes by turns; later files
// have moved along the last feature.
func features(rng *rand.Rand, rows int, moved float32) stats.Matrix {
	x := stats.Matrix{Rows: rows, Cols: 3, Data: make([]float32, 3*rows)}
	for i := range rows {
		row := x.Row(i)
		for j := range row {
			row[j] = float32(rng.NormFloat64())
		}
		row[0] += float32(4 * (i % 2))
		row[2] += moved
	}
	return x
}

func turns(rows int) []int {
	classes := make([]int, rows)
	for i := range classes {
		classes[i] = i % 2
	}
	return classes
}

// A fit on the training year tells later files from held-out ones.
func Example() {
	rng := rand.New(rand.NewPCG(1, 2))
	fit, in, out := features(rng, 1000, 0), features(rng, 300, 0), features(rng, 200, 1)

	m := stats.NewMoments(2, 3)
	if err := m.Add(fit, turns(1000)); err != nil {
		fmt.Println(err)
		return
	}
	g, err := stats.NewTiedGaussian(m)
	if err != nil {
		fmt.Println(err)
		return
	}
	inScores, outScores := make([]float64, 300), make([]float64, 200)
	if err := g.Score(inScores, in); err != nil {
		fmt.Println(err)
	}
	if err := g.Score(outScores, out); err != nil {
		fmt.Println(err)
	}
	a := stats.AUROCOf(stats.Sample{Scores: inScores}, stats.Sample{Scores: outScores})
	fmt.Println("AUROC", a, "p < 0.001:", a.P < 0.001)
	// Output: AUROC 0.613 [0.561, 0.662] p < 0.001: true
}

func ExampleFit() {
	rng := rand.New(rand.NewPCG(1, 3))
	training := stats.Training{
		Layers:     []string{"layer8"},
		Fit:        stats.Features{"layer8": features(rng, 1000, 0)},
		Classes:    turns(1000),
		NumClasses: 2,
	}
	d, err := stats.Fit(training)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Names())
	fmt.Println(d.Skipped("energy"))

	scores := make([]float64, 5)
	if err := d.Score(scores, "knn/layer8", stats.Features{"layer8": features(rng, 5, 0)}); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%.2f\n", scores)
	// Output:
	// [mahalanobis/layer8 rmd/layer8 mahalanobis++/layer8 knn/layer8]
	// stats: the features are missing (layer logits)
	// [-0.69 -0.10 -0.69 -0.12 -0.64]
}

// Shards that were read apart make one fit.
func ExampleMoments_Merge() {
	rng := rand.New(rand.NewPCG(1, 4))
	a, b := stats.NewMoments(2, 3), stats.NewMoments(2, 3)
	if err := a.Add(features(rng, 100, 0), turns(100)); err != nil {
		fmt.Println(err)
	}
	if err := b.Add(features(rng, 50, 0), turns(50)); err != nil {
		fmt.Println(err)
	}
	a.Merge(b)
	fmt.Println(a.Count(0), a.Count(1))
	// Output: 75 75
}

func ExampleAUROCOf() {
	in := stats.Sample{Scores: []float64{0.9, 0.8, 0.7, 0.6, 0.4}}
	out := stats.Sample{Scores: []float64{0.6, 0.5, 0.3, 0.2}}
	a := stats.AUROCOf(in, out)
	fmt.Println(a)
	fmt.Printf("without drift between %.2f and %.2f\n", a.NullLo, a.NullHi)
	// Output:
	// 0.875 [0.330, 0.990]
	// without drift between 0.10 and 0.90
}

// Two detectors on the same files: the second adds noise to the first.
func ExamplePairedDetectors() {
	rng := rand.New(rand.NewPCG(1, 5))
	draw := func(n int, mean float64) (a, b []float64) {
		for range n {
			s := rng.NormFloat64() + mean
			a, b = append(a, s), append(b, s+rng.NormFloat64())
		}
		return a, b
	}
	inA, inB := draw(300, 1)
	outA, outB := draw(200, 0)
	d := stats.PairedDetectors(stats.Sample{Scores: inA}, stats.Sample{Scores: outA}, inB, outB)
	fmt.Println(d, "p < 0.01:", d.P < 0.01)
	// Output: 0.086 [0.049, 0.123] p < 0.01: true
}

func ExampleMetrics() {
	rng := rand.New(rand.NewPCG(1, 6))
	var in, out []float64
	for range 200 {
		in, out = append(in, rng.NormFloat64()+2), append(out, rng.NormFloat64())
	}
	for _, m := range stats.Metrics(stats.Sample{Scores: in}, stats.Sample{Scores: out}, stats.Bootstrap{Seed: 1}) {
		fmt.Println(m.Name, m.Interval)
	}
	// Output:
	// AUROC 0.925 [0.897, 0.946]
	// AUPR-In 0.926 [0.899, 0.949]
	// AUPR-Out 0.929 [0.903, 0.951]
	// FPR@95TPR 0.340 [0.258, 0.441]
	// FPR@95TPR-Out 0.330 [0.225, 0.425]
	// TNR@TPR95 0.650 [0.550, 0.740]
	// DTACC 0.845 [0.805, 0.873]
}

func ExampleHolm() {
	fmt.Printf("%.2f\n", stats.Holm([]float64{0.01, 0.04, 0.03}))
	// Output: [0.03 0.06 0.06]
}
