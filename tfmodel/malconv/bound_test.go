package malconv

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// hurtful returns n windows, each built against one channel: at every position it
// has the byte whose rounding misleads the sum most, up or down, or the largest entry.
func hurtful(rng *rand.Rand, e *Engine, n int) [][]byte {
	k := e.kernel
	symbols := int(k.shape.symbols)
	out := make([][]byte, n)
	for i := range out {
		out[i] = make([]byte, e.w.Window)
		o, j, kind := rng.IntN(k.octets), rng.IntN(rowEntries), rng.IntN(3)
		for t := range out[i] {
			var worst float64
			for s := range 256 {
				v := float64(k.table[o*k.octetEntries()+(t*symbols+s)*rowEntries+j])
				unit := float64(k.unit(o, t)[j])
				score := v
				if kind < 2 && unit > 0 {
					score = (v - unit*math.RoundToEven(v/unit)) * float64(1-2*kind)
				}
				if score > worst {
					worst, out[i][t] = score, byte(s)
				}
			}
		}
	}
	return out
}

// unit returns the units of an octet's channels at a position.
func (k *kernel) unit(octet, position int) []float32 {
	section := position / int(k.sectionPositions())
	return k.limits[octet*limitValues+section*rowEntries:][:rowEntries]
}

// violations bounds and sums windows and returns how many activations there are, and
// how many are above their bound.
func violations(e *Engine, windows [][]byte) (pairs, above int) {
	k, g := e.kernel, &e.store.young
	for part := range slices.Chunk(windows, len(k.slots)) {
		for i, w := range part {
			e.cutter.Cut(g.key(i), w, 0)
			k.slots[i] = int32(i)
		}
		k.bound(g, k.slots[:len(part)])
		bounds := slices.Clone(g.activations)
		k.sum(g, k.slots[:len(part)])
		for o := range k.octets {
			for i := range part {
				for j, v := range g.activation(o, i) {
					bits := math.Float32bits(bounds[(o*g.capacity+i)*lanes+j])
					pairs++
					if !(math.Float32frombits(bits&^0xFFFF) >= v) {
						above++
					}
				}
			}
		}
	}
	return pairs, above
}

// TestBound: of 10 million activations of whole size none is above its bound, in
// models with and without ReLU, whose windows are random, as in files, or built to
// hurt; and half the bound does not hold.
func TestBound(t *testing.T) {
	pairs, count := 10_000_000, 4*len(Kernels())
	if testing.Short() {
		pairs /= 100
	}
	w := keras.withWeights(5, 1, 1)
	w.MaxLen, w.Windows = w.Window, 1
	rng := rand.New(rand.NewPCG(3, 3))
	var total int
	for _, kernel := range Kernels() {
		e := newEngine(t, w, Options{Kernel: kernel, passWindows: 2048, CacheBytes: 1})
		n := pairs/count/w.Filters + 1
		windows := hurtful(rng, e, 100)
		for len(windows) < n {
			f := make([]byte, w.Window)
			zero := rng.IntN(3)
			for i := range f {
				f[i] = byte(rng.IntN(256) >> rng.IntN(zero*4+1))
			}
			windows = append(windows, f)
		}
		for form := range 4 {
			e.kernel.setReLU(form&1, form>>1)
			p, above := violations(e, windows)
			if total += p; above > 0 {
				t.Errorf("%s, ReLU of form %d: %d of %d activations are above their bound", kernel, form, above, p)
			}
		}
		for i := range e.kernel.limits {
			if at := i % limitValues / rowEntries; at >= sections && at < 2*sections { // error
				e.kernel.limits[i] /= 2
			}
		}
		if _, above := violations(e, windows[:100]); above == 0 {
			t.Errorf("%s: windows built to hurt are below half of the bound", kernel)
		}
	}
	if total < pairs {
		t.Errorf("%d pairs were looked at, want %d", total, pairs)
	}
}

// TestSumBound holds the sums themselves to error·n + delta, where the entries are
// so small beside the bias that rounding in float32 is all the error, and where they
// are not. With a small share of delta the former must fail.
func TestSumBound(t *testing.T) {
	for _, bias := range []float32{0, 1e5} {
		w := shapes[0].w.withWeights(4, 1, 1)
		for i := range w.ConvBias {
			w.ConvBias[i] = bias * (1 + float32(i)/100)
		}
		if bias > 0 {
			for i := range w.ConvKernel {
				w.ConvKernel[i] /= 1000
			}
		}
		e := newEngine(t, w, Options{})
		k := e.kernel
		rng := rand.New(rand.NewPCG(8, 8))
		windows := append(hurtful(rng, e, 200), files(3, w, 60)...)
		off := func(share float32) (above int) {
			for _, window := range windows {
				window = append(slices.Clone(window), make([]byte, w.Window)...)[:w.Window]
				for o := range k.octets {
					for j := range rowEntries {
						sum, middle, limit := k.sums1(window, o, j, share)
						if !(math.Abs(float64(sum)-float64(middle)) <= limit) {
							above++
						}
					}
				}
			}
			return above
		}
		if n := off(1); n > 0 {
			t.Errorf("bias %v: %d sums are off by more than their bound", bias, n)
		}
		if n := off(1. / 64); bias > 0 && n == 0 {
			t.Errorf("bias %v: a 64th of delta is enough", bias)
		}
	}
}

// sums1 returns, for a channel of a window of bytes, the sum in float32 with its
// bias, what the coarse table says of it, and how far these may be apart with a
// share of delta.
func (k *kernel) sums1(window []byte, octet, j int, share float32) (sum, middle float32, limit float64) {
	limits := k.limits[octet*limitValues:][:limitValues]
	middle = limits[2*sections*rowEntries+j]
	limit = float64(limits[(2*sections+1)*rowEntries+j] * share)
	var q [sections]int
	for t, s := range window {
		section := t / k.sectionPositions()
		sum += k.table[octet*k.octetEntries()+(t*int(k.shape.symbols)+int(s))*rowEntries+j]
		q[section] += k.coarseEntry(octet, j, t, int(s))
		if s != 0 {
			limit += float64(limits[(sections+section)*rowEntries+j])
		}
	}
	for section, n := range q {
		middle += float32(float32(n) * limits[section*rowEntries+j])
	}
	return sum + k.bias[octet*rowEntries+j], middle, limit
}

// coarseEntry returns an entry of the coarse table.
func (k *kernel) coarseEntry(octet, j, position, symbol int) int {
	o := octet % octetsOfBand
	row := k.coarse[octet/octetsOfBand*k.bandBytes()+(position*256+symbol)*bandRow:][:bandRow]
	word := row[(o/2*lanes+j%lanes)*4:][:4]
	entry := int(word[o%2*2]) | int(word[o%2*2+1])<<8 // little endian
	if j < lanes {
		return entry & (1<<linearBits - 1)
	}
	return entry >> linearBits
}

// TestFilterLeavesMost: the filter decides most activations of random files, and none
// of the outputs changes with it.
func TestFilterLeavesMost(t *testing.T) {
	w := keras.withWeights(1, 6, 3)
	w.MaxLen, w.Windows = 50000, 100
	batch := random(8)
	for i := range batch {
		batch[i] = batch[i][:w.MaxLen-i]
	}
	e := newEngine(t, w, Options{})
	got := run(t, e, batch)
	g := &e.store.young
	exact := 0
	for o := range e.kernel.octets {
		for _, state := range g.states[o*g.capacity:][:g.n] {
			if state == stateExact {
				exact++
			}
		}
	}
	share := float64(exact) / float64(e.kernel.octets*g.n)
	t.Logf("%.3f of the activations were summed", share)
	if share > 0.5 || share == 0 {
		t.Errorf("%.3f of the activations were summed", share)
	}
	bitEqual(t, "filtered", got, run(t, newEngine(t, w, Options{leastFiltered: never}), batch))
}

// TestNearCopies: files whose windows differ by little are summed plainly, and the
// filter is tried again later.
func TestNearCopies(t *testing.T) {
	w := keras.withWeights(2, 6, 3)
	w.MaxLen, w.Windows = 50000, 100
	rng := rand.New(rand.NewPCG(1, 9))
	batch := random(6)
	for i := range batch {
		batch[i] = batch[i][:w.MaxLen]
		for at := w.Window; at < w.MaxLen; at += w.Window {
			copy(batch[i][at:at+w.Window], batch[i])
			batch[i][at+rng.IntN(w.Window)]++
		}
	}
	e := newEngine(t, w, Options{leastFiltered: 10, passWindows: 200, CacheBytes: -1})
	got := run(t, e, batch)
	bitEqual(t, "near copies", got, run(t, newEngine(t, w, Options{leastFiltered: never}), batch))
	if e.kernel.skip == 0 {
		t.Error("no pass was summed plainly")
	}
	for range skipPasses {
		run(t, e, [][]byte{random(1)[0][:w.MaxLen]})
	}
	if e.kernel.skip != 0 {
		t.Errorf("the filter is not tried again: %d passes are left", e.kernel.skip)
	}
	e.kernel.skip = 3
	if e.Forget(); e.kernel.skip != 0 {
		t.Error("Forget leaves passes to sum plainly")
	}
}

// TestHugeWeights: where sums overflow there is no filter, and the outputs are those
// of plain sums.
func TestHugeWeights(t *testing.T) {
	for _, scale := range []float32{1e18, 1e-17} {
		w := shapes[0].w.withWeights(3, 2, 2)
		for i := range w.EmbeddingTable {
			w.EmbeddingTable[i] *= scale
		}
		for i := range w.ConvKernel {
			w.ConvKernel[i] *= scale
		}
		e := newEngine(t, w, Options{leastFiltered: 1})
		if e.kernel.coarse != nil {
			t.Errorf("scale %v: there is a filter", scale)
		}
		batch := files(1, w, 20)
		bitEqual(t, fmt.Sprint(scale), run(t, e, batch), run(t, newEngine(t, w, Options{Kernel: "portable", leastFiltered: never}), batch))
	}
}

// TestRevision: the outputs have the bits that they had when [Revision] became what
// it is, so that features kept under it are those of today.
func TestRevision(t *testing.T) {
	w := shapes[0].w
	next := uint32(1)
	values := func(n int, scale float32) []float32 {
		out := make([]float32, n)
		for i := range out {
			next = next*1664525 + 1013904223
			out[i] = (float32(next>>16) - 32768) / 32768 * scale
		}
		return out
	}
	w.EmbeddingTable, w.ConvKernel, w.ConvBias = values(256*8, 1), values(w.Window*8*2*w.Filters, 0.2), values(2*w.Filters, 0.5)
	w.DenseKernel, w.DenseBias, w.LogitsKernel, w.LogitsBias = values(w.Filters*6, 0.3), values(6, 1), values(18, 1), values(3, 1)
	batch := make([][]byte, 20)
	for i := range batch {
		batch[i] = make([]byte, 400-17*i)
		for j := range batch[i] {
			next = next*1664525 + 1013904223
			batch[i][j] = byte(next >> 24)
		}
	}
	for _, least := range []int{1, never} {
		h := fnv.New64a()
		out := run(t, newEngine(t, w, Options{leastFiltered: least}), batch)
		for _, v := range slices.Concat(out.Layer7, out.Layer8, out.Logits) {
			bits := math.Float32bits(v)
			h.Write([]byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)})
		}
		if got := h.Sum64(); Revision == 1 && got != 0xddc3afdc5cdb0e58 {
			t.Errorf("the outputs hash to %#x", got)
		}
	}
}
