package tfmodel

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// probe runs a few files of every kind of content and length two ways. A
// difference above the tolerance, a share of a layer's largest value, is an error.
func probe(m *Model, run, reference func(dst [][]float32, files [][]byte) error, tolerance float64) error {
	rng := rand.NewChaCha8([32]byte{7})
	files := [][]byte{nil, make([]byte, 1), make([]byte, m.MaxLen)}
	for _, length := range []int{m.MaxLen, m.MaxLen - 1, m.MaxLen/2 + 3, 700} {
		f := make([]byte, min(length, m.MaxLen))
		rng.Read(f)
		clear(f[len(f)/3 : len(f)/2]) // zeros between, as in real files
		files = append(files, f)
	}
	got, want := m.outputs(len(files)), m.outputs(len(files))
	if err := run(got, files); err != nil {
		return err
	}
	if err := reference(want, files); err != nil {
		return err
	}
	for i, l := range m.Layers {
		var scale, difference float64
		for j, w := range want[i] {
			scale = max(scale, math.Abs(float64(w)))
			difference = max(difference, math.Abs(float64(got[i][j]-w)))
		}
		if !(difference <= tolerance*scale) {
			return fmt.Errorf("%s of a probe differs from that of whole files through TensorFlow by %.2g of its largest value", l.Name, difference/scale)
		}
	}
	return nil
}
