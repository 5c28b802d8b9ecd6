// Package malconv runs MalConv (Raff et al. 2017, "Malware Detection by Eating a
// Whole EXE") on a CPU, with its embedding and both convolutions as one table.
//
// MalConv embeds every symbol of a file, E: V×d, and convolves windows of W
// symbols that do not overlap, K: W×d×2F, F linear and F gate channels. Both
// steps are linear in the one-hot symbols s_0 ... s_{W-1} of a window, so
// together they are a sum of W rows of a table that is computed once:
//
//	out = b + Σ_t T[t][s_t]     T[t][s] = Σ_c E[s][c]·K[t][c]
//
// which is d times fewer operations than the matrix product and is bound by how
// fast the rows come out of the second-level cache. Taking the row of symbol 0
// out of the table and into the bias,
//
//	T'[t][s] = T[t][s] − T[t][0]     b' = b + Σ_t T[t][0]
//
// leaves nothing to add for a zero byte, the commonest byte of a program.
//
// The window's activation is merge(conv(out_linear)·σ(out_gate)), and layer7 is
// its maximum over the windows of the file. A maximum depends on the set of
// windows alone: a window that was seen before, in this file or an earlier one,
// is recognised by its bytes and costs no sum, and all padding of a short file is
// one window. layer8 = dense(layer7), logits = layer8·L + l.
//
// Only the maximum counts, so most activations need not be known. A second table of
// 16 bits for a filter, a quarter of the size, bounds the activations of each window
// from above, and the windows that may hold the maximum are summed in float32: see
// docs/engine.md. The outputs are those of summing all of them, to the bit.
//
// The rows of a window are always added in the order of its positions, so that
// outputs do not depend, to the last bit, on the batch, on the number of threads,
// on which windows are kept or on the instruction set.
package malconv

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"runtime"
	"sync"

	"driftbench/tfmodel/windows"
)

// Revision is the number of the engine's arithmetic. It goes up with every change
// that changes a bit of the outputs.
const Revision = 1

// passWindows is the number of windows that are computed at once, with 1.3 KB of
// row lists each. It is a multiple of unitWindows, so that units are of like size.
const passWindows = 3 * unitWindows

// defaultCacheBytes is enough for some 117,000 windows of the usual shape, those of
// about a thousand programs. Twice as much found no more windows again.
const defaultCacheBytes = 120 << 20

// Options are the settings of an engine. The zero value is useful.
type Options struct {
	Threads int    // number of threads; 0 is runtime.GOMAXPROCS
	Kernel  string // one of Kernels; "" is the first
	// CacheBytes bounds the memory of the windows that are kept between passes.
	// 0 is 120 MB; below zero none are kept. The windows of two passes, 52 MB for
	// the usual shape, take their memory in any case. All memory is allocated at
	// once: page by page it would slow the first files down.
	CacheBytes int

	// For tests; where they are 0, the constants of these names.
	passWindows, leastFiltered int
}

// Outputs are the outputs of n files, row-major.
type Outputs struct {
	Layer7 []float32 // n×F, the maxima over the windows
	Layer8 []float32 // n×H, the outputs of the dense layer
	Logits []float32 // n×C, the inputs of the softmax or sigmoid
}

// Engine computes the outputs of a MalConv. It is safe for concurrent use; one Run
// computes at a time, with all threads.
type Engine struct {
	mu      sync.Mutex
	w       Weights // without EmbeddingTable and ConvKernel
	dense   func(float64) float64
	options Options
	cutter  windows.Cutter
	arena   *arena // nil when closed
	kernel  *kernel
	store   store

	// The current pass: which windows of the store each file has.
	pending int // windows that are still to be computed
	slots   []int32
	rows    []span
	maxima  []float32 // [n][octets][lanes]
}

// span is the slots of a file: from the end of the span before to below end. It is
// struct table_span.
type span struct{ file, end int64 }

// New builds the table from the weights, which it does not keep. Weights whose
// sizes do not agree or that are not finite, an option out of range, and too
// little memory are errors.
func New(w Weights, o Options) (*Engine, error) {
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("malconv: checking the weights: %w", err)
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Kernel == "" {
		o.Kernel = Kernels()[0]
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.passWindows == 0 {
		o.passWindows = passWindows
	}
	if o.leastFiltered == 0 {
		o.leastFiltered = leastFiltered
	}
	e := &Engine{
		w:       w,
		dense:   activation(w.DenseActivation),
		options: o,
		cutter:  windows.Cutter{MaxLen: w.MaxLen, Window: w.Window, Windows: w.Windows, Lead: w.Lead, Pad: w.Pad, Front: w.Front},
		arena:   &arena{},
	}
	if err := e.build(&w); err != nil {
		e.arena.free()
		return nil, fmt.Errorf("malconv: building the table: %w", err)
	}
	e.w.EmbeddingTable, e.w.ConvKernel = nil, nil
	runtime.AddCleanup(e, (*arena).free, e.arena) // a backstop for a missing Close
	return e, nil
}

func (e *Engine) build(w *Weights) (err error) {
	if e.kernel, err = newKernel(e.arena, w, e.options); err != nil {
		return err
	}
	stride, octets := e.cutter.Stride(), e.kernel.octets
	capacity := max(e.options.CacheBytes/2/slotBytes(stride, octets), e.options.passWindows)
	e.store = store{
		seed:  maphash.MakeSeed(),
		young: newGeneration(e.arena, stride, octets, capacity),
		old:   newGeneration(e.arena, stride, octets, capacity),
	}
	if e.arena.err != nil {
		return e.arena.err
	}
	e.arena.populate()
	e.store.forget()
	return nil
}

// Forget drops the windows that are kept, so that the next Run takes as long as a
// new engine's. It is for benchmarks that run over the same files again.
func (e *Engine) Forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.arena != nil {
		e.store.forget()
		e.kernel.skip = 0
	}
}

// Close frees the engine's memory. A later Run is an error, a second Close is not.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.arena != nil {
		e.arena.free()
		e.arena = nil
	}
	return nil
}

// Run sets dst to the outputs of n files. A file is its bytes without padding; one
// of more than MaxLen bytes is an error. The slices of dst are reused where they
// are large enough. The table is read from memory once for about 8,192 new
// windows, so 64 to 256 files a call are faster than few.
func (e *Engine) Run(dst *Outputs, files [][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.arena == nil {
		return errors.New("malconv: running: the engine is closed")
	}
	for i, f := range files {
		if len(f) > e.w.MaxLen {
			return fmt.Errorf("malconv: running: file %d has %d bytes, at most %d are taken", i, len(f), e.w.MaxLen)
		}
	}
	e.maximize(files)
	e.finish(dst, len(files))
	return nil
}

// maximize sets e.maxima to the maxima over the windows of each file.
func (e *Engine) maximize(files [][]byte) {
	e.maxima = resize(e.maxima, len(files)*e.kernel.octets*lanes)
	for i := range e.maxima {
		e.maxima[i] = e.kernel.floor
	}
	pass := e.passSize(files)
	for i, file := range files {
		for w := 0; w < e.w.Windows; w = e.cutter.Next(file, w) {
			if e.pending == pass || e.store.young.free() == 0 {
				e.rows = append(e.rows, span{int64(i), int64(len(e.slots))})
				e.flush()
			}
			e.cutter.Cut(e.store.candidate(), file, w)
			slot, fresh := e.store.intern()
			if fresh {
				e.kernel.slots[e.pending] = int32(slot)
				e.pending++
			}
			e.slots = append(e.slots, int32(slot))
		}
		e.rows = append(e.rows, span{int64(i), int64(len(e.slots))})
	}
	e.flush()
}

// passSize returns the number of windows to compute at once, such that no pass
// reads the table for a few windows alone.
func (e *Engine) passSize(files [][]byte) int {
	most := 1 // windows, if all are new
	for _, file := range files {
		most += min(len(file)/e.w.Window+3, e.w.Windows)
	}
	passes := (most + e.options.passWindows - 1) / e.options.passWindows
	return (most + passes - 1) / passes
}

// flush sets e.maxima to its maximum with the windows of the pass, and frees slots
// for the next one.
func (e *Engine) flush() {
	young := &e.store.young
	e.kernel.maximize(e.maxima, young, e.slots, e.rows, e.pending)
	e.pending, e.slots, e.rows = 0, e.slots[:0], e.rows[:0]
	if e.options.CacheBytes < 0 {
		young.clear()
	} else if young.free() < e.options.passWindows {
		e.store.rotate()
	}
}

// finish sets dst to e.maxima and to the dense layers of it.
func (e *Engine) finish(dst *Outputs, n int) {
	filters, hidden, classes := e.w.Filters, len(e.w.DenseBias), len(e.w.LogitsBias)
	dst.Layer7 = resize(dst.Layer7, n*filters)
	dst.Layer8 = resize(dst.Layer8, n*hidden)
	dst.Logits = resize(dst.Logits, n*classes)
	linear := activation("linear")
	parallel(e.options.Threads, n, func(_, i int) {
		row7 := dst.Layer7[i*filters : (i+1)*filters]
		row8 := dst.Layer8[i*hidden : (i+1)*hidden]
		copy(row7, e.maxima[i*e.kernel.octets*lanes:])
		dense(row8, row7, e.w.DenseKernel, e.w.DenseBias, e.dense)
		dense(dst.Logits[i*classes:(i+1)*classes], row8, e.w.LogitsKernel, e.w.LogitsBias, linear)
	})
}

// resize returns a slice of n values, s itself where it is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// activation returns an activation by its Keras name, or nil.
func activation(name string) func(float64) float64 {
	switch name {
	case "linear":
		return func(x float64) float64 { return x }
	case "relu":
		return func(x float64) float64 { return max(x, 0) }
	case "sigmoid":
		return func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	case "tanh":
		return math.Tanh
	}
	return nil
}

// dense sets dst = f(x·kernel + bias) for one row x; kernel is
// len(x)×len(dst). The sums are float64, which costs nothing: a file has one such
// row and hundreds of windows.
func dense(dst, x, kernel, bias []float32, f func(float64) float64) {
	sum := make([]float64, len(dst))
	for j, b := range bias {
		sum[j] = float64(b)
	}
	for i, v := range x {
		for j, k := range kernel[i*len(dst) : (i+1)*len(dst)] {
			// The product of two float32 is exact in float64, so a fused
			// multiply-add gives the same sum.
			sum[j] += float64(v) * float64(k)
		}
	}
	for j, s := range sum {
		dst[j] = float32(f(s))
	}
}
