package table

// #cgo CFLAGS: -std=c11 -O3 -Wall -Wextra
// #include <stdlib.h>
// #include "kernel.h"
//
// static void expand(const struct table_kernel *k, const struct table_shape *s, const struct table_pass *p, int32_t from, int32_t to) {
//	k->expand(s, p, from, to);
// }
//
// static void sum(const struct table_kernel *k, const struct table_shape *s, const struct table_pass *p, int32_t group,
//                 int32_t from, int32_t to, const float *table, const float *bias, float *sums) {
//	k->sum(s, p, group, from, to, table, bias, sums);
// }
import "C"

import (
	"fmt"
	"unsafe"
)

const (
	lanes          = C.LANES
	rowFloats      = C.ROW
	blockPositions = C.POSITIONS
	listRows       = C.LIST
)

// Kernels names the kernels that this processor runs, the fastest first.
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

// arena is all the memory outside the Go heap, on huge pages where the system
// has them: what is large here would otherwise let the garbage collector wait
// for as much garbage again, and a table on small pages is 32,000 translations.
// C's allocator serves it, so that sanitizers know its bounds.
type arena struct {
	blocks []unsafe.Pointer
	err    error // the first failure
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
	a.blocks = append(a.blocks, p)
	return unsafe.Slice((*T)(p), n)
}

// free returns all memory; it may be called again.
func (a *arena) free() {
	for _, p := range a.blocks {
		C.free(p)
	}
	a.blocks = nil
}

// kernel is the model in C's hands. A group is 16 filters, linear and gate.
type kernel struct {
	functions *C.struct_table_kernel
	shape     C.struct_table_shape
	groups    int
	table     []float32   // [groups][window][symbols][rowFloats]
	bias      []float32   // [groups][rowFloats]
	entries   []uint16    // see struct table_pass
	counts    []uint8     // see struct table_pass
	slots     []int32     // windows of the pass
	sums      [][]float32 // for each thread
}

// newKernel builds the table. windows is the most that a pass may hold.
func newKernel(a *arena, name string, w *Weights, threads, windows int) (*kernel, error) {
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
		groups: groups,
	}
	if k.functions == nil {
		return nil, fmt.Errorf("kernel %q is not one of this processor's %q", name, Kernels())
	}
	blocks := int(C.table_blocks(&k.shape))
	k.entries = alloc[uint16](a, blocks*windows*listRows)
	k.counts = alloc[uint8](a, blocks*windows)
	k.slots = alloc[int32](a, windows)
	for range threads {
		k.sums = append(k.sums, alloc[float32](a, windows*rowFloats))
	}
	k.bias = alloc[float32](a, groups*rowFloats)
	group := int(C.table_group_floats(&k.shape))
	k.table = alloc[float32](a, groups*group)
	if a.err != nil {
		return nil, a.err
	}
	embedding := differences(w)
	base := w.EmbeddingTable[:w.Embedding]
	parallel(threads, groups, func(_, g int) {
		conv := groupKernel(w, g)
		groupBias(k.bias[g*rowFloats:(g+1)*rowFloats], w, g, conv, base)
		C.table_build(&k.shape, C.int32_t(w.Embedding), cfloats(embedding), cfloats(conv), cfloats(k.table[g*group:]))
	})
	return k, nil
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
	const chunk = 64 // whose keys stay in the first-level cache
	parallel(threads, (windows+chunk-1)/chunk, func(_, i int) {
		C.expand(k.functions, &k.shape, &p, C.int32_t(i*chunk), C.int32_t(min((i+1)*chunk, windows)))
	})

	// A unit is one group over a part of the windows. Few parts, as each reads
	// the group's table anew, but enough units to keep all threads at work.
	parts := 1
	for k.groups*parts%threads != 0 && k.groups*parts < 4*threads {
		parts++
	}
	group := len(k.table) / k.groups
	parallel(threads, k.groups*parts, func(thread, i int) {
		g, part := i/parts, i%parts
		C.sum(k.functions, &k.shape, &p, C.int32_t(g), C.int32_t(part*windows/parts), C.int32_t((part+1)*windows/parts),
			cfloats(k.table[g*group:]), cfloats(k.bias[g*rowFloats:]), cfloats(k.sums[thread]))
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
