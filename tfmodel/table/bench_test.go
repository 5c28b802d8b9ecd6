package table

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkRun gives the files a second and the bytes a second, padding
// included, of batches of whole files of the usual size. Nothing is kept from
// one batch to the next. A file's windows are
//
//	random  400, all distinct
//	zeros   400, all one
//	mixed   200, of which every second was seen in the batch; a fifth of the rest are zeros
func BenchmarkRun(b *testing.B) {
	w := keras.withWeights(1, 64, 4)
	for _, kernel := range Kernels() {
		e := newEngine(b, w, Options{Kernel: kernel, CacheBytes: -1})
		for _, content := range []struct {
			name  string
			files func(n int) [][]byte
		}{{"random", random}, {"zeros", zeros}, {"mixed", mixed}} {
			for _, batch := range []int{1, 8, 64, 256} {
				b.Run(fmt.Sprintf("kernel=%s/content=%s/batch=%d", kernel, content.name, batch), func(b *testing.B) {
					files := content.files(batch)
					out := run(b, e, files)
					for b.Loop() {
						if err := e.Run(&out, files); err != nil {
							b.Fatal(err)
						}
					}
					n := float64(batch) * float64(b.N) / b.Elapsed().Seconds()
					b.ReportMetric(n, "files/s")
					b.ReportMetric(n*float64(w.MaxLen), "B/s")
				})
			}
		}
		e.Close()
	}
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

func zeros(n int) [][]byte { return make([][]byte, n) }

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
