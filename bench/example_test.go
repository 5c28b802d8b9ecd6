package bench_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"driftbench/bench"
	"driftbench/bench/corpus"
	_ "driftbench/internal/process" // keeps TensorFlow quiet
)

// From a synthetic corpus that drifts to the AUROC of each later split.
func Example() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	opt := bench.Options{
		Corpus: filepath.Join(dir, "corpus"), Model: "corpus/malconv", Out: filepath.Join(dir, "out"),
		Detectors: []string{"mahalanobis/layer8"}, Resamples: 10,
	}
	if err := corpus.Synth(ctx, opt.Corpus, corpus.Options{Files: 300, Seed: 1, Drift: 1}); err != nil {
		log.Fatal(err)
	}
	results, err := bench.Run(ctx, opt)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range results.Detectors[0].Splits {
		fmt.Printf("%s: AUROC %.2f [%.2f, %.2f]\n", s.Split, s.AUROC, s.AUROCLo, s.AUROCHi)
	}
	// Output:
	// 2018-Q1: AUROC 0.78 [0.57, 0.91]
	// 2018-late: AUROC 0.88 [0.66, 0.97]
	// 2019: AUROC 0.91 [0.72, 0.98]
}
