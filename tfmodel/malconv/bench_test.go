package malconv

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkRun gives the files a second and their bytes a second, padding
// included, for batches of files of the usual size. Nothing is kept from one
// batch to the next. A file's windows are
//
//	random  400, all distinct
//	zeros   400, all one
//	mixed   200, of which half were seen in the batch; a fifth of the rest is zeros
//
// A batch of one is the latency of a file.
func BenchmarkRun(b *testing.B) {
	for _, kernel := range Kernels() {
		benchmarkRun(b, kernel, "random", random(64))
	}
	fastest := Kernels()[0]
	benchmarkRun(b, fastest, "random", random(1))
	benchmarkRun(b, fastest, "zeros", zeros(64))
	benchmarkRun(b, fastest, "mixed", mixed(64))
}

func benchmarkRun(b *testing.B, kernel, content string, files [][]byte) {
	name := fmt.Sprintf("kernel=%s/content=%s/batch=%d", kernel, content, len(files))
	b.Run(name, func(b *testing.B) {
		w := keras.withWeights(1, 64, 4)
		e := newEngine(b, w, Options{Kernel: kernel, CacheBytes: -1})
		out := run(b, e, files)
		for b.Loop() {
			if err := e.Run(&out, files); err != nil {
				b.Fatal(err)
			}
		}
		n := float64(len(files)) * float64(b.N) / b.Elapsed().Seconds()
		b.ReportMetric(n, "files/s")
		b.ReportMetric(n*float64(w.MaxLen), "B/s")
	})
}

func BenchmarkNew(b *testing.B) {
	w := keras.withWeights(1, 64, 4)
	for b.Loop() {
		e, err := New(w, Options{})
		if err != nil {
			b.Fatal(err)
		}
		e.Close()
	}
}

func random(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 3))
	out := make([][]byte, n)
	for i := range out {
		out[i] = make([]byte, keras.MaxLen)
		for j := range out[i] {
			out[i][j] = byte(rng.Uint32())
		}
	}
	return out
}

func zeros(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = make([]byte, keras.MaxLen)
	}
	return out
}

func mixed(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 4))
	out := random(n)
	for i := range out {
		out[i] = out[i][:keras.MaxLen/2]
		for at := 0; at < len(out[i]); at += keras.Window {
			window := out[i][at : at+keras.Window]
			if rng.IntN(2) == 0 && i > 0 {
				copy(window, out[rng.IntN(i)][at:])
				continue
			}
			for j := 0; j < len(window); {
				run := window[j:min(j+1+rng.IntN(8), len(window))]
				if rng.IntN(5) == 0 {
					clear(run)
				}
				j += len(run)
			}
		}
	}
	return out
}
