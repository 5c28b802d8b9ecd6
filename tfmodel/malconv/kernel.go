package malconv

// #cgo CFLAGS: -std=c11 -O3 -Wall -Wextra
// #cgo LDFLAGS: -lm
// #include <stdlib.h>
// #include "kernel.h"
//
// static void build(const struct table_kernel *k, const struct table_shape *s, int32_t depth, const float *embedding,
//                   const float *kernel, float *octet, float *low, float *high) {
//	k->build(s, depth, embedding, kernel, octet, low, high);
// }
//
// static void quantize(const struct table_kernel *k, const struct table_shape *s, int32_t block, int32_t n, const float *octets,
//                      const float *low, const struct table_limits *limits, uint8_t *band) {
//	k->quantize(s, block, n, octets, low, limits, band);
// }
//
// static void expand(const struct table_kernel *k, const struct table_shape *s, const struct table_store *store,
//                    const struct table_lists *l, int32_t from, int32_t to) {
//	k->expand(s, store, l, from, to);
// }
//
// static void sum(const struct table_kernel *k, const struct table_shape *s, const struct table_store *store,
//                 const struct table_lists *l, int32_t octet, int32_t from, int32_t to, const float *table, const float *bias, float *sums) {
//	k->sum(s, store, l, octet, from, to, table, bias, sums);
// }
//
// static void refine(const struct table_kernel *k, const struct table_shape *s, const struct table_store *store,
//                    const int32_t *slots, int32_t n, int32_t octet, const float *table, const float *bias, float *sums, uint8_t *keys) {
//	k->refine(s, store, slots, n, octet, table, bias, sums, keys);
// }
//
// static void columns(const struct table_kernel *k, const struct table_shape *s, const struct table_store *store,
//                     const struct table_columns *c, int32_t from, int32_t to) {
//	k->columns(s, store, c, from, to);
// }
//
// static void bound(const struct table_kernel *k, const struct table_shape *s, const struct table_store *store,
//                   const struct table_columns *c, int32_t band, int32_t from, int32_t to, const uint8_t *table,
//                   const struct table_limits *limits, void *sums) {
//	k->bound(s, store, c, band, from, to, table, limits, sums);
// }
//
// static int64_t choose(const struct table_kernel *k, const struct table_shape *s, const struct table_store *store,
//                       const struct table_search *q, int32_t octet, int64_t from, int64_t to, int32_t *list) {
//	return k->choose(s, store, q, octet, from, to, list);
// }
//
// static int64_t prove(const struct table_kernel *k, const struct table_shape *s, const struct table_store *store,
//                      const struct table_search *q, int32_t octet, int32_t *todo, int64_t *n, int32_t *list) {
//	return k->prove(s, store, q, octet, todo, n, list);
// }
import "C"

import (
	"fmt"
	"iter"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	lanes          = C.LANES
	rowEntries     = C.ROW
	blockPositions = C.POSITIONS
	limitValues    = C.sizeof_struct_table_limits / C.sizeof_float
	sections       = C.SECTIONS
	linearBits     = C.LINEAR_BITS
	octetsOfBand   = C.OCTETS
	bandRow        = C.BAND_ROW
	stateExact     = C.EXACT
)

// Kernels returns the names of the kernels that this processor can run, the
// fastest first.
func Kernels() []string {
	var names []string
	for _, name := range []string{"avx512", "avx2", "portable"} {
		if kernelNamed(name) != nil {
			names = append(names, name)
		}
	}
	return names
}

func kernelNamed(name string) *C.struct_table_kernel {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.table_kernel(c)
}

// arena is the memory outside of the Go heap, on huge pages where the system has
// them. In the heap, 200 MB would let the garbage collector wait for as much
// garbage again, and on small pages a table takes 32,000 address translations.
// It is C's allocator's, so that sanitizers know its bounds.
type arena struct {
	blocks []block
	err    error // the first failure

	populating sync.WaitGroup
}

type block struct {
	p    unsafe.Pointer
	size C.size_t
}

// alloc returns n values, not cleared, or nil and a.err set.
func alloc[T uint8 | uint16 | int32 | uint64 | float32](a *arena, n int) []T {
	var zero T
	size := n * int(unsafe.Sizeof(zero))
	p := C.table_alloc(C.size_t(size))
	if p == nil {
		if a.err == nil {
			a.err = fmt.Errorf("no memory for %d MB", size>>20)
		}
		return nil
	}
	a.blocks = append(a.blocks, block{p, C.size_t(size)})
	return unsafe.Slice((*T)(p), n)
}

// populate has the system supply the pages in the background. It clears 200 MB of
// them, which takes tenths of a second. Without it the first files would wait for
// each page; an engine that was just built is probed on one core meanwhile.
func (a *arena) populate() {
	blocks := a.blocks
	a.populating.Go(func() {
		for _, b := range blocks {
			C.table_populate(b.p, b.size)
		}
	})
}

// free returns all memory; it may be called again.
func (a *arena) free() {
	a.populating.Wait()
	for _, b := range a.blocks {
		C.free(b.p)
	}
	a.blocks = nil
}

// kernel is the model as the C code has it.
type kernel struct {
	functions *C.struct_table_kernel
	shape     C.struct_table_shape
	threads   int
	octets    int
	table     []float32 // [octets][window][symbols][rowEntries]
	bias      []float32 // [octets][rowEntries]

	// The filter; nil where it cannot serve.
	coarse []uint8   // [bands][blocks][positions][256][64]
	limits []float32 // [octets] struct table_limits

	least int // fresh windows of a pass that is filtered
	skip  int // passes to sum plainly, as the filter decided too little
	// floor is the least activation, of a model with ReLU and finite sums: 0.
	floor float32

	slots   []int32     // fresh windows of the pass
	scratch []uint8     // lists, or columns, of unitWindows
	sums    [][]float32 // for each thread

	// The search of a pass.
	thresholds []float32
	lists      [][]int32 // for each octet
	todo       [][]int32 // for each thread
}

const (
	// unitWindows is the largest number of windows that a thread sums at a time. Their
	// sums, 64 or 128 bytes each, are to stay near beside two blocks of the table. Each
	// unit reads the table of its octet or band, so with fewer it takes longer too.
	unitWindows = 8192
	// boundWindows is the same for bounds, whose sums have 256 bytes.
	boundWindows = 4096
	// leastFiltered is the number of fresh windows from which on the filter is faster
	// than plain sums.
	leastFiltered = 64
	// A pass in which more than half of the fresh activations have to be summed after
	// the filter is summed plainly, and so are the next ones before the filter is tried again.
	skipPasses = 7
)

// newKernel builds the tables.
func newKernel(a *arena, w *Weights, opt Options) (*kernel, error) {
	threads, windows := opt.Threads, opt.passWindows
	octets := (w.Filters + lanes - 1) / lanes
	k := &kernel{
		functions: kernelNamed(opt.Kernel),
		shape: C.struct_table_shape{
			window:  C.int32_t(w.Window),
			symbols: C.int32_t(w.Vocabulary + 1),
			pad:     C.int32_t(w.Pad),
			octets:  C.int32_t(octets),
		},
		threads: threads,
		octets:  octets,
		least:   opt.leastFiltered,
		floor:   float32(math.Inf(-1)),
		lists:   make([][]int32, octets),
		todo:    make([][]int32, threads),
	}
	k.setReLU(truth(w.ConvActivation == "relu"), truth(w.MergeActivation == "relu"))
	if k.functions == nil {
		return nil, fmt.Errorf("kernel %q is not one of this processor's %q", opt.Kernel, Kernels())
	}
	unit := min(windows, unitWindows)
	k.slots = alloc[int32](a, windows)
	k.scratch = alloc[uint8](a, max(unit*k.listBytes(), min(unit, boundWindows)*k.columnBytes(), 64*threads*k.lineBytes()))
	for range threads {
		k.sums = append(k.sums, alloc[float32](a, max(unit*rowEntries, min(unit, boundWindows)*sections*2*bandRow/C.sizeof_float)))
	}
	k.bias = alloc[float32](a, octets*rowEntries)
	k.table = alloc[float32](a, octets*k.octetEntries())
	if a.err != nil {
		return nil, a.err
	}
	embedding := differences(w)
	low, high := make([]float32, octets*w.Window*rowEntries), make([]float32, octets*w.Window*rowEntries)
	parallel(threads, octets, func(_, o int) {
		conv := octetKernel(w, o)
		octetBias(k.bias[o*rowEntries:(o+1)*rowEntries], w, o, conv)
		at := o * w.Window * rowEntries
		C.build(k.functions, &k.shape, C.int32_t(w.Embedding), cfloats(embedding), cfloats(conv), cfloats(k.octet(o)),
			cfloats(low[at:]), cfloats(high[at:]))
	})
	if err := k.addFilter(a, low, high); err != nil {
		return nil, err
	}
	return k, nil
}

// addFilter builds the coarse table where it can serve: where there are more than two
// octets, so that a row of it stands for several of the float32 table, and all
// entries are of moderate size. low and high are the ranges of the entries, [octets][window][rowEntries].
func (k *kernel) addFilter(a *arena, low, high []float32) error {
	window := int(k.shape.window)
	if k.octets < 3 || window > maxFiltered {
		return nil
	}
	k.limits = alloc[float32](a, k.octets*limitValues)
	if a.err != nil {
		return a.err
	}
	for o := range k.octets {
		at := o * window * rowEntries
		if !limits(k.limits[o*limitValues:(o+1)*limitValues], low[at:at+window*rowEntries], high[at:at+window*rowEntries], k.bias[o*rowEntries:], k.sectionPositions()) {
			return nil
		}
	}
	bands := (k.octets + octetsOfBand - 1) / octetsOfBand
	coarse := alloc[uint8](a, bands*k.bandBytes())
	if a.err != nil {
		return a.err
	}
	blocks := int(C.table_blocks(&k.shape))
	parallel(k.threads, bands*blocks, func(_, i int) {
		band, block := i/blocks, i%blocks
		first := band * octetsOfBand
		C.quantize(k.functions, &k.shape, C.int32_t(block), C.int32_t(min(octetsOfBand, k.octets-first)), cfloats(k.table[first*k.octetEntries():]),
			cfloats(low[first*window*rowEntries:]), k.limit(first), cbytes(coarse[band*k.bandBytes():]))
	})
	k.coarse = coarse
	if k.shape.conv_relu+k.shape.merge_relu > 0 {
		k.floor = 0
	}
	return nil
}

// maxFiltered is the largest window for which sums of 16 bits do not make the unit
// much larger.
const maxFiltered = 1 << 14

// setReLU sets which activations are ReLU, 1, or linear, 0.
func (k *kernel) setReLU(conv, merge int) {
	k.shape.conv_relu, k.shape.merge_relu = C.int32_t(conv), C.int32_t(merge)
}

// limits sets dst, a struct table_limits, for an octet of which low and high are the
// ranges of the entries of each position, b is the bias and a section has that many
// positions. It returns false where the numbers are too large or too small for the
// filter. docs/engine.md derives them, unit and error for each section:
//
//	unit  = max(max_t range/(2^bits − 2), Σ_t range/(65500 − section))
//	error = unit·(1/2 + 2^-12)
//	base  = b + Σ_sections unit·Σ_t round(low/unit)
//	delta = (1.02·(W + 2) + 16)·2^-24·(|b| + Σ_t max|T| + Σ_sections unit·(2·|Σ_t round(low/unit)| + 65535))
func limits(dst, low, high, b []float32, section int) bool {
	window := len(low) / rowEntries
	at := func(i int) []float32 { return dst[i*rowEntries : (i+1)*rowEntries] }
	base, delta := at(2*sections), at(2*sections+1)
	for j := range rowEntries {
		bias := float64(b[j])
		total, least := math.Abs(bias), 0.0
		steps := 1 << linearBits
		if j >= lanes {
			steps = 1 << (16 - linearBits)
		}
		for h := range sections {
			first, end := min(h*section, window)*rowEntries+j, min((h+1)*section, window)*rowEntries
			var largest, ranges float64
			for i := first; i < end; i += rowEntries {
				l, h := float64(low[i]), float64(high[i])
				largest = max(largest, h-l)
				ranges += h - l
				total += max(h, -l)
			}
			unit := float32(max(largest/float64(steps-2), ranges/float64(65500-section)))
			u := float64(unit)
			if u > 0 && u < 1e-30 || !(u < 1e30) {
				return false
			}
			sum := 0.0
			if u > 0 && first < end {
				sum = float64(C.table_steps(cfloats(low[first:]), C.int32_t((end-first+rowEntries-1)/rowEntries), C.float(unit)))
			}
			least += u * sum
			total += 2*math.Abs(u*sum) + 65535*u
			at(h)[j] = unit
			at(sections + h)[j] = float32(u * (0.5 + 0x1p-12) * roundUp)
		}
		if !(total < 1e30) {
			return false
		}
		base[j] = float32(bias + least)
		delta[j] = float32((1.02*float64(window+2) + 16) * 0x1p-24 * total * roundUp)
	}
	return true
}

// roundUp is more than what rounding to float32 takes away.
const roundUp = 1 + 1e-6

func (k *kernel) octetEntries() int { return int(k.shape.window*k.shape.symbols) * rowEntries }

func (k *kernel) sectionPositions() int { return int(C.table_section(&k.shape)) }

func (k *kernel) bandBytes() int {
	return int(C.table_blocks(&k.shape)) * blockPositions * C.BYTES * bandRow
}

// listBytes, columnBytes and lineBytes are the memory of a window in struct
// table_lists, struct table_columns and the keys of refine.
func (k *kernel) listBytes() int {
	return int(C.table_blocks(&k.shape)) * (blockPositions*C.sizeof_uint16_t + 1)
}

func (k *kernel) columnBytes() int {
	return int(C.table_blocks(&k.shape))*blockPositions*C.sizeof_uint16_t + sections*C.sizeof_float
}

func (k *kernel) lineBytes() int { return (int(k.shape.window) + C.LINE - 1) / C.LINE * C.LINE }

func (k *kernel) limit(octet int) *C.struct_table_limits {
	return (*C.struct_table_limits)(unsafe.Pointer(&k.limits[octet*limitValues]))
}

func (g *generation) c() C.struct_table_store {
	return C.struct_table_store{
		keys:        cbytes(g.keys),
		key_stride:  C.size_t(g.stride),
		capacity:    C.size_t(g.capacity),
		activations: cfloats(g.activations),
		states:      cbytes(g.states),
	}
}

// maximize sets maxima, [files][octets][lanes], to its maximum with the activations
// of the windows of each span, of which the first n of k.slots are fresh, in the
// order of the spans.
func (k *kernel) maximize(maxima []float32, g *generation, slots []int32, spans []span, n int) {
	if len(slots) == 0 {
		return
	}
	fresh := k.slots[:n]
	k.thresholds = resize(k.thresholds, len(spans)*k.octets*lanes)
	store := g.c()
	q := C.struct_table_search{
		slots:      cints(slots),
		spans:      (*C.struct_table_span)(unsafe.Pointer(unsafe.SliceData(spans))),
		n:          C.int64_t(len(spans)),
		maxima:     cfloats(maxima),
		thresholds: cfloats(k.thresholds),
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	pins.Pin(q.slots)
	pins.Pin(q.spans)
	pins.Pin(q.maxima)
	pins.Pin(q.thresholds)
	most := min(len(slots), g.n)
	for o := range k.lists {
		k.lists[o] = resize(k.lists[o], most)[:0]
		pins.Pin(unsafe.SliceData(k.lists[o]))
	}
	// choose adds what is to be summed for some spans to k.lists, and returns how much.
	choose := func(from, to int) int {
		var chosen atomic.Int64
		parallel(k.threads, k.octets, func(_, o int) {
			list := k.lists[o]
			found := C.choose(k.functions, &k.shape, &store, &q, C.int32_t(o), C.int64_t(from), C.int64_t(to), cints(list[len(list):most]))
			k.lists[o] = list[:len(list)+int(found)]
			chosen.Add(int64(found))
		})
		return int(chosen.Load())
	}

	if k.coarse == nil || n < k.least {
		k.sum(g, fresh)
		choose(0, len(spans))
	} else if k.skip > 0 {
		k.skip--
		k.sum(g, fresh)
		choose(0, len(spans))
	} else {
		// A part of the windows shows whether the filter serves the others.
		part := min(n, boundWindows)
		k.bound(g, fresh[:part])
		ready := len(spans)
		if part < n {
			ready = spansBefore(spans, slots, fresh[part])
		}
		if choose(0, ready) > part*k.octets/2 {
			k.skip = skipPasses
			k.sum(g, fresh)
			for o, list := range k.lists {
				k.lists[o] = slices.DeleteFunc(list, func(slot int32) bool { return g.states[o*g.capacity+int(slot)] == stateExact })
			}
		} else {
			k.bound(g, fresh[part:])
		}
		choose(ready, len(spans))
	}

	parallel(k.threads, k.octets, func(thread, o int) {
		todo := resize(k.todo[thread], len(spans))
		k.todo[thread] = todo
		for r := range todo {
			todo[r] = int32(r)
		}
		open := C.int64_t(len(spans))
		for {
			k.refine(thread, &store, o, k.lists[o])
			list := k.lists[o][:most]
			found := C.prove(k.functions, &k.shape, &store, &q, C.int32_t(o), cints(todo), &open, cints(list))
			if k.lists[o] = list[:found]; found == 0 {
				return
			}
		}
	})
}

// spansBefore returns the number of the first spans that have no fresh slot from this
// one on. Fresh slots ascend.
func spansBefore(spans []span, slots []int32, first int32) int {
	for r, s := range spans {
		from := int64(0)
		if r > 0 {
			from = spans[r-1].end
		}
		if slices.ContainsFunc(slots[from:s.end], func(slot int32) bool { return slot >= first }) {
			return r
		}
	}
	return len(spans)
}

// bound sets the activations of the windows in slots to bounds.
func (k *kernel) bound(g *generation, slots []int32) {
	store := g.c()
	bands := (k.octets + octetsOfBand - 1) / octetsOfBand
	for slots := range evenly(slots, boundWindows) {
		windows := len(slots)
		c := C.struct_table_columns{
			windows: C.int32_t(windows),
			slots:   cints(slots),
			nonzero: (*C.float)(unsafe.Pointer(&k.scratch[0])),
			keys:    (*C.uint16_t)(unsafe.Pointer(&k.scratch[sections*C.sizeof_float*windows])),
		}
		k.chunks(windows, func(from, to C.int32_t) { C.columns(k.functions, &k.shape, &store, &c, from, to) })
		k.units(bands, windows, func(thread, band int, from, to C.int32_t) {
			C.bound(k.functions, &k.shape, &store, &c, C.int32_t(band), from, to, cbytes(k.coarse[band*k.bandBytes():]),
				k.limit(band*octetsOfBand), unsafe.Pointer(&k.sums[thread][0]))
		})
	}
}

// sum sets the activations of the windows in slots.
func (k *kernel) sum(g *generation, slots []int32) {
	store := g.c()
	blocks := int(C.table_blocks(&k.shape))
	for slots := range evenly(slots, unitWindows) {
		l := C.struct_table_lists{
			windows: C.int32_t(len(slots)),
			slots:   cints(slots),
			entries: (*C.uint16_t)(unsafe.Pointer(&k.scratch[0])),
			counts:  cbytes(k.scratch[blocks*len(slots)*blockPositions*C.sizeof_uint16_t:]),
		}
		k.chunks(len(slots), func(from, to C.int32_t) { C.expand(k.functions, &k.shape, &store, &l, from, to) })
		k.units(k.octets, len(slots), func(thread, o int, from, to C.int32_t) {
			C.sum(k.functions, &k.shape, &store, &l, C.int32_t(o), from, to, cfloats(k.octet(o)), cfloats(k.bias[o*rowEntries:]), cfloats(k.sums[thread]))
		})
	}
}

// refine sets the activations of the windows in slots in one octet.
func (k *kernel) refine(thread int, store *C.struct_table_store, o int, slots []int32) {
	share := len(k.scratch) / k.threads
	keys := k.scratch[thread*share:][:share]
	most := min(share/k.lineBytes(), C.sizeof_float*len(k.sums[thread])/(C.sizeof_float*rowEntries+1))
	for slots := range evenly(slots, most) {
		C.refine(k.functions, &k.shape, store, cints(slots), C.int32_t(len(slots)), C.int32_t(o), cfloats(k.octet(o)), cfloats(k.bias[o*rowEntries:]),
			cfloats(k.sums[thread]), cbytes(keys))
	}
}

// octet returns the float32 table of an octet.
func (k *kernel) octet(o int) []float32 { return k.table[o*k.octetEntries():][:k.octetEntries()] }

// chunks calls f for ranges of few windows, from all threads.
func (k *kernel) chunks(windows int, f func(from, to C.int32_t)) {
	const chunk = 256
	parallel(k.threads, (windows+chunk-1)/chunk, func(_, i int) { f(C.int32_t(i*chunk), C.int32_t(min((i+1)*chunk, windows))) })
}

// units calls f for every group over ranges of windows, of which there are enough to
// keep all threads busy.
func (k *kernel) units(groups, windows int, f func(thread, group int, from, to C.int32_t)) {
	parts := 1
	for parts < windows && groups*parts%k.threads != 0 && groups*parts < 4*k.threads {
		parts++
	}
	parallel(k.threads, groups*parts, func(thread, i int) {
		g, part := i/parts, i%parts
		f(thread, g, C.int32_t(part*windows/parts), C.int32_t((part+1)*windows/parts))
	})
}

// evenly yields the fewest parts of s, of like sizes, that have at most n values.
func evenly(s []int32, n int) iter.Seq[[]int32] {
	return func(yield func([]int32) bool) {
		parts := (len(s) + n - 1) / n
		for i := range parts {
			if !yield(s[i*len(s)/parts : (i+1)*len(s)/parts]) {
				return
			}
		}
	}
}

func cfloats(s []float32) *C.float { return (*C.float)(unsafe.SliceData(s)) }

func cbytes(s []uint8) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(s)) }

func cints(s []int32) *C.int32_t { return (*C.int32_t)(unsafe.SliceData(s)) }

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// parallel calls f(thread, i) for every i below n, from up to that many threads.
func parallel(threads, n int, f func(thread, i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for thread := range min(threads, n) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(thread, i)
			}
		})
	}
	wait.Wait()
}
