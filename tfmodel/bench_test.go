package tfmodel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkTensorFlow times batches of 32 full-length files of which a share of
// the windows is distinct, sent whole and as distinct windows. Real programs
// are near one half; at 1 looking for repeats finds none.
func BenchmarkTensorFlow(b *testing.B) {
	const model = "../bench/corpus/malconv"
	for _, share := range []float64{1, 0.5} {
		for way, name := range map[string]string{"whole": "dense", "distinct": "tensorflow"} {
			b.Run(fmt.Sprintf("share=%g/windows=%s", share, way), func(b *testing.B) {
				m, e := open(b, model, name)
				rng := rand.NewChaCha8([32]byte{1})
				files := make([][]byte, 32)
				for i := range files {
					files[i] = make([]byte, m.MaxLen)
					rng.Read(files[i][:int(share*float64(m.MaxLen))])
				}
				if _, err := run(e, m, files); err != nil { // settles memory and threads
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := run(e, m, files); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(files)*b.N)/b.Elapsed().Seconds(), "samples/s")
			})
		}
	}
}
