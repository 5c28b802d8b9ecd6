package malconv

import (
	"math"
	"testing"
)

// TestInt16Error holds the 16-bit table to what its comment promises, on sums of
// whole size.
func TestInt16Error(t *testing.T) {
	if testing.Short() {
		t.Skip("multiplies 1 GFLOP in plain Go")
	}
	w := keras.withWeights(1, 64, 4)
	w.MaxLen, w.Windows = 50000, 100
	file := random(1)[0][:50000]
	layer7, layer8, _ := reference(w, [][]byte{file})
	got := run(t, newEngine(t, w, Options{Precision: Int16}), [][]byte{file})
	for _, layer := range []struct {
		name string
		got  []float32
		want []float64
	}{{"layer7", got.Layer7, layer7}, {"layer8", got.Layer8, layer8}} {
		var off, scale float64
		for i, v := range layer.want {
			off = max(off, math.Abs(float64(layer.got[i])-v))
			scale = max(scale, math.Abs(v))
		}
		t.Logf("%s is off by %.1e of the scale", layer.name, off/scale)
		if off > 2e-4*scale {
			t.Errorf("%s is off by %.1e of the scale, want 2e-4 at most", layer.name, off/scale)
		}
	}
}

// TestInt16Exact has a table of multiples of 2^-14 to the ends of the range, with
// gates and linear channels of either sign: 16 bits hold it without error.
func TestInt16Exact(t *testing.T) {
	w := Weights{
		MaxLen: 60, Vocabulary: 256, Pad: 0, Embedding: 2, Filters: 16, Window: 30, Windows: 2,
		ConvActivation: "linear", MergeActivation: "linear", DenseActivation: "linear",
	}.withWeights(1, 1, 1)
	for s := range w.Vocabulary {
		v := float32((s*257)%65535-32767) / (1 << 14)
		switch s {
		case 0:
			v = 0
		case 255:
			v = 32767. / (1 << 14)
		}
		w.EmbeddingTable[2*s], w.EmbeddingTable[2*s+1] = v, -v
	}
	// Each channel follows the symbol or its negative.
	clear(w.ConvKernel)
	for position := range w.Window {
		for channel := range 2 * w.Filters {
			sign := (position + channel/3) % 2
			w.ConvKernel[(position*2+sign)*2*w.Filters+channel] = 1
		}
	}
	batch := append(files(1, w, 200), []byte{255, 255, 1, 1})
	for _, kernel := range Kernels() {
		want := run(t, newEngine(t, w, Options{Kernel: kernel}), batch)
		bitEqual(t, kernel, run(t, newEngine(t, w, Options{Kernel: kernel, Precision: Int16}), batch), want)
	}
}
