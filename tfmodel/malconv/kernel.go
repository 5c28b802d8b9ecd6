package malconv

// #cgo CFLAGS: -std=c11 -O3 -Wall -Wextra
// #cgo LDFLAGS: -lm
// #include <stdlib.h>
// #include "kernel.h"
//
// static void expand(const struct table_kernel *k, const struct table_shape *s, const struct table_pass *p, int32_t from, int32_t to) {
//	k->expand(s, p, from, to);
// }
//
// static void sum(table_sum *f, const struct table_shape *s, const struct table_pass *p, int32_t group, int32_t from, int32_t to,
//                 const void *table, const float *scale, const float *bias, void *sums) {
//	f(s, p, group, from, to, table, scale, bias, sums);
// }
import "C"

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	lanes          = C.LANES
	rowEntries     = C.ROW
	blockPositions = C.POSITIONS
	listRows       = C.LIST
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

// Precision is the type of the table's entries.
type Precision int

const (
	Float32 Precision = C.TABLE_FLOAT32
	// Int16 stores each entry as a multiple of a step, the largest entry of its
	// channel over 32767, rounded to the nearest, and adds these integers without
	// error. A sum is off by at most W/2 steps, and by about sqrt(W/12) of them, 6.5
	// for W = 500, as the errors are independent. That is some 5e-5 of the scale of
	// the outputs. With AVX-512 it is 1.5 times as fast as Float32, else less.
	Int16 Precision = C.TABLE_INT16
)

// kernel is the model as the C code has it. A group is 16 filters, linear and gate.
type kernel struct {
	functions *C.struct_table_kernel
	shape     C.struct_table_shape
	groups    int
	precision Precision
	table     []byte      // [groups][window][symbols][rowEntries], of float32 or int16
	scale     []float32   // [groups][rowEntries], where the table is of int16
	bias      []float32   // [groups][rowEntries]
	entries   []uint16    // see struct table_pass
	counts    []uint8     // see struct table_pass
	slots     []int32     // windows of the pass
	sums      [][]float32 // for each thread, of float32 or uint32
}

// unitWindows is about the number of windows that a thread sums at a time, at most
// half as many more. Their sums, 128 bytes each, are to stay in the second-level
// cache beside two blocks of the table: with twice as many it takes a tenth longer.
// Each unit reads the table of its group, so with half as many it takes longer too.
const unitWindows = 8192

// newKernel builds the table. windows is the largest number of windows of a pass.
func newKernel(a *arena, name string, precision Precision, w *Weights, threads, windows int) (*kernel, error) {
	groups := (w.Filters + lanes - 1) / lanes
	k := &kernel{
		functions: kernelNamed(name),
		shape: C.struct_table_shape{
			window:     C.int32_t(w.Window),
			symbols:    C.int32_t(w.Vocabulary + 1),
			pad:        C.int32_t(w.Pad),
			filters:    C.int32_t(groups * lanes),
			conv_relu:  truth(w.ConvActivation == "relu"),
			merge_relu: truth(w.MergeActivation == "relu"),
		},
		groups:    groups,
		precision: precision,
	}
	if k.functions == nil {
		return nil, fmt.Errorf("kernel %q is not one of this processor's %q", name, Kernels())
	}
	if precision != Float32 && precision != Int16 {
		return nil, fmt.Errorf("precision %d is neither Float32 nor Int16", precision)
	}
	blocks := int(C.table_blocks(&k.shape))
	k.entries = alloc[uint16](a, blocks*windows*listRows)
	k.counts = alloc[uint8](a, blocks*windows)
	k.slots = alloc[int32](a, windows)
	for range threads {
		k.sums = append(k.sums, alloc[float32](a, min(windows, 3*unitWindows/2)*rowEntries))
	}
	k.bias = alloc[float32](a, groups*rowEntries)
	k.scale = alloc[float32](a, groups*rowEntries)
	k.table = alloc[uint8](a, groups*k.groupBytes())
	if a.err != nil {
		return nil, a.err
	}
	embedding := differences(w)
	parallel(threads, groups, func(_, g int) { k.fill(g, w, embedding) })
	return k, nil
}

// fill computes one group of the table. embedding is that of differences.
func (k *kernel) fill(g int, w *Weights, embedding []float32) {
	conv := groupKernel(w, g)
	groupBias(k.bias[g*rowEntries:(g+1)*rowEntries], w, g, conv)
	build := func(out unsafe.Pointer) {
		C.table_build(&k.shape, C.int32_t(w.Embedding), cfloats(embedding), cfloats(conv), (*C.float)(out))
	}
	if k.precision == Float32 {
		build(k.group(g))
		return
	}
	rows := int(k.shape.window * k.shape.symbols)
	exact := make([]float32, rows*rowEntries)
	build(unsafe.Pointer(unsafe.SliceData(exact)))
	C.table_quantize(C.size_t(rows), cfloats(exact), (*C.uint32_t)(k.group(g)), cfloats(k.scale[g*rowEntries:]))
}

func (k *kernel) groupBytes() int {
	entry := C.sizeof_float
	if k.precision == Int16 {
		entry = C.sizeof_int16_t
	}
	return int(k.shape.window*k.shape.symbols) * rowEntries * entry
}

func (k *kernel) group(g int) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(k.table[g*k.groupBytes():]))
}

// run computes the activations of the windows in slots, [slots][filters].
func (k *kernel) run(keys []byte, stride int, activations []float32, windows int) {
	if windows == 0 {
		return
	}
	threads := len(k.sums)
	p := C.struct_table_pass{
		windows:     C.int32_t(windows),
		keys:        (*C.uint8_t)(unsafe.SliceData(keys)),
		key_stride:  C.size_t(stride),
		slots:       (*C.int32_t)(unsafe.SliceData(k.slots)),
		entries:     (*C.uint16_t)(unsafe.SliceData(k.entries)),
		counts:      (*C.uint8_t)(unsafe.SliceData(k.counts)),
		activations: cfloats(activations),
	}
	const chunk = 256
	parallel(threads, (windows+chunk-1)/chunk, func(_, i int) {
		C.expand(k.functions, &k.shape, &p, C.int32_t(i*chunk), C.int32_t(min((i+1)*chunk, windows)))
	})

	// A unit is one group over a part of the windows. There are enough of them to
	// keep all threads busy.
	parts := max(1, (windows+unitWindows/2)/unitWindows)
	for parts < windows && k.groups*parts%threads != 0 && k.groups*parts < 4*threads {
		parts++
	}
	parallel(threads, k.groups*parts, func(thread, i int) {
		g, part := i/parts, i%parts
		C.sum(k.functions.sum[k.precision], &k.shape, &p, C.int32_t(g), C.int32_t(part*windows/parts), C.int32_t((part+1)*windows/parts),
			k.group(g), cfloats(k.scale[g*rowEntries:]), cfloats(k.bias[g*rowEntries:]), unsafe.Pointer(unsafe.SliceData(k.sums[thread])))
	})
}

// fold sets row to its maximum with the activations of the slots.
func (k *kernel) fold(row, activations []float32, slots []int32) {
	C.table_fold(k.shape.filters, cfloats(activations), (*C.int32_t)(unsafe.SliceData(slots)), C.int32_t(len(slots)), cfloats(row))
}

func cfloats(s []float32) *C.float { return (*C.float)(unsafe.SliceData(s)) }

func truth(b bool) C.int32_t {
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
