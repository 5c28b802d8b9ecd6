package malconv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// bitEqual fails where two outputs differ in a bit.
func bitEqual(t *testing.T, what string, got, want Outputs) {
	t.Helper()
	for _, layer := range []struct {
		name      string
		got, want []float32
	}{
		{"layer7", got.Layer7, want.Layer7},
		{"layer8", got.Layer8, want.Layer8},
		{"logits", got.Logits, want.Logits},
	} {
		if len(layer.got) != len(layer.want) {
			t.Fatalf("%s: %s has %d values, want %d", what, layer.name, len(layer.got), len(layer.want))
		}
		for i := range layer.want {
			if math.Float32bits(layer.got[i]) != math.Float32bits(layer.want[i]) {
				t.Fatalf("%s: %s[%d] = %v, want %v to the bit", what, layer.name, i, layer.got[i], layer.want[i])
			}
		}
	}
}

// TestSameBits has the same outputs, to the bit, from every kernel, for any
// number of threads, size of a pass, size of the cache, batching and order, with the
// filter and without.
func TestSameBits(t *testing.T) {
	for i, s := range shapes {
		w := s.w.withWeights(uint64(i), 6, 3)
		batch := files(uint64(i), w, 60)
		sameBits(t, s.name, w, batch)
	}
}

func sameBits(t *testing.T, name string, w Weights, batch [][]byte) {
	t.Helper()
	want := run(t, newEngine(t, w, Options{Threads: 1, Kernel: "portable", CacheBytes: -1, leastFiltered: never}), batch)
	for _, kernel := range Kernels() {
		for _, o := range []Options{
			{Threads: 1, CacheBytes: -1, leastFiltered: 1},
			{Threads: 2, CacheBytes: 1 << 20, leastFiltered: never},
			{Threads: 2, CacheBytes: 1 << 20, leastFiltered: 3}, // some windows are kept as bounds, others exact
			{Threads: 3, passWindows: 7, CacheBytes: -1, leastFiltered: 1},
			{Threads: 7, passWindows: 1, CacheBytes: 1, leastFiltered: 1},
			{Threads: 2, passWindows: 3, CacheBytes: 2 * 40 * slotBytes(64, 4), leastFiltered: 2},
		} {
			o.Kernel = kernel
			e := newEngine(t, w, o)
			if filtered := e.kernel.coarse != nil; filtered != (w.Filters > 16) {
				t.Fatalf("%s: it is %v that a model of %d filters has a filter", name, filtered, w.Filters)
			}
			for _, size := range []int{1, 7, len(batch)} {
				var got Outputs
				for part := range slices.Chunk(batch, size) {
					out := run(t, e, part)
					got.Layer7 = append(got.Layer7, out.Layer7...)
					got.Layer8 = append(got.Layer8, out.Layer8...)
					got.Logits = append(got.Logits, out.Logits...)
				}
				bitEqual(t, fmt.Sprintf("%s %+v, batches of %d", name, o, size), got, want)
			}
			order := rand.New(rand.NewPCG(9, 9)).Perm(len(batch))
			shuffled := make([][]byte, len(batch))
			for to, from := range order {
				shuffled[to] = batch[from]
			}
			got := run(t, e, shuffled)
			for to, from := range order {
				bitEqual(t, fmt.Sprintf("%s %+v, file %d at %d", name, o, from, to), row(got, w, to), row(want, w, from))
			}
		}
	}
}

// TestOneZero: an activation that underflows from below is +0, as a maximum over
// zeros of both signs would depend on their order.
func TestOneZero(t *testing.T) {
	w := shapes[1].w.withWeights(1, 2, 1) // its merge is linear
	clear(w.ConvKernel)
	w.ConvActivation = "linear"
	for i := range w.Filters {
		w.ConvBias[i], w.ConvBias[w.Filters+i] = -1e-30, -100
	}
	for _, kernel := range Kernels() {
		for i, v := range run(t, newEngine(t, w, Options{Kernel: kernel}), [][]byte{{1}}).Layer7 {
			if math.Float32bits(v) != 0 {
				t.Fatalf("%s: layer7[%d] is %v, want +0", kernel, i, v)
			}
		}
	}
}

// row returns the outputs of one file.
func row(o Outputs, w Weights, i int) Outputs {
	cut := func(x []float32, width int) []float32 { return x[i*width : (i+1)*width] }
	return Outputs{cut(o.Layer7, w.Filters), cut(o.Layer8, len(w.DenseBias)), cut(o.Logits, len(w.LogitsBias))}
}
