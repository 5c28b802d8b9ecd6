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

// Revision counts the changes of the engine that changed a bit of its outputs.
const Revision = 1

// passWindows is how many windows are computed at once, their lists ready: 1.3 KB
// each. It is a few times unitWindows, so that what is left over for the last
// unit is a fair part.
const passWindows = 3 * unitWindows

// defaultCacheBytes holds some 125,000 windows of the usual shape, those of the
// last thousand programs or so. Twice as many found no more again.
const defaultCacheBytes = 128 << 20

// Options are an engine's settings; the zero value is useful.
type Options struct {
	Threads int    // 0: as many as Go may run at once
	Kernel  string // one of Kernels; "": the first
	// Precision is Float32 or, faster and less exact, Int16.
	Precision Precision
	// CacheBytes bounds the memory of the windows that are kept. 0 means 128 MB;
	// below zero none is kept from one pass to the next. The windows of two
	// passes, 52 MB for the usual shape, are held in any case. All of it is taken at
	// once: pages that come one by one would slow the first files down.
	CacheBytes int

	passWindows int // for tests; 0: passWindows
}

// Outputs are the features of n files, row-major.
type Outputs struct {
	Layer7 []float32 // n×F, the maximum over the windows
	Layer8 []float32 // n×H, the dense layer
	Logits []float32 // n×C, before the softmax or sigmoid
}

// Engine computes a MalConv's features. Its methods may be called from several
// goroutines; one Run works at a time and uses all threads.
type Engine struct {
	mu      sync.Mutex
	w       Weights // without EmbeddingTable and ConvKernel
	dense   func(float64) float64
	options Options
	cutter  windows.Cutter
	arena   *arena // nil when closed
	kernel  *kernel
	store   store

	// The pass at hand: references of files to windows of the store.
	pending int
	slots   []int32
	rows    []span
	layer7  []float32 // n×filters, filters rounded up
}

// span says that the slots from the end of the span before it up to end are a file's.
type span struct{ file, end int }

// New builds the table from the weights, which it does not keep.
func New(w Weights, o Options) (*Engine, error) {
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("table: checking the weights: %w", err)
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
	e := &Engine{
		w:       w,
		dense:   activation(w.DenseActivation),
		options: o,
		cutter:  windows.Cutter{MaxLen: w.MaxLen, Window: w.Window, Windows: w.Windows, Lead: w.Lead, Pad: w.Pad},
		arena:   &arena{},
	}
	if err := e.build(&w); err != nil {
		e.arena.free()
		return nil, fmt.Errorf("table: building the table: %w", err)
	}
	e.w.EmbeddingTable, e.w.ConvKernel = nil, nil
	runtime.AddCleanup(e, (*arena).free, e.arena) // a backstop for a missing Close
	return e, nil
}

func (e *Engine) build(w *Weights) (err error) {
	if e.kernel, err = newKernel(e.arena, e.options.Kernel, e.options.Precision, w, e.options.Threads, e.options.passWindows); err != nil {
		return err
	}
	stride, filters := e.cutter.Stride(), int(e.kernel.shape.filters)
	capacity := max(e.options.CacheBytes/2/slotBytes(stride, filters), e.options.passWindows)
	e.store = store{
		seed:  maphash.MakeSeed(),
		young: newGeneration(e.arena, stride, filters, capacity),
		old:   newGeneration(e.arena, stride, filters, capacity),
	}
	if e.arena.err != nil {
		return e.arena.err
	}
	e.arena.populate()
	e.store.forget()
	return nil
}

// Kernel returns the name of the kernel in use.
func (e *Engine) Kernel() string { return e.options.Kernel }

// Forget drops the windows that are kept, as in a new engine. Whoever times
// passes over the same files calls it, or all but the first pass is lookups.
func (e *Engine) Forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.arena != nil {
		e.store.forget()
	}
}

// Close returns the engine's memory. Run fails after it; closing twice is fine.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.arena != nil {
		e.arena.free()
		e.arena = nil
	}
	return nil
}

// Run sets dst to the features of the files, which are their bytes, MaxLen at
// most, without padding. dst's slices are reused where they are large enough.
// Many files a call are faster, as the table is read from memory once for some
// 8,192 windows that are new; 64 to 256 files do.
func (e *Engine) Run(dst *Outputs, files [][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.arena == nil {
		return errors.New("table: running: the engine is closed")
	}
	for i, f := range files {
		if len(f) > e.w.MaxLen {
			return fmt.Errorf("table: running: file %d has %d bytes, at most %d are taken", i, len(f), e.w.MaxLen)
		}
	}
	e.maxima(files)
	e.finish(dst, len(files))
	return nil
}

// maxima sets layer7 to the maxima over each file's windows.
func (e *Engine) maxima(files [][]byte) {
	filters := int(e.kernel.shape.filters)
	e.layer7 = resize(e.layer7, len(files)*filters)
	for i := range e.layer7 {
		e.layer7[i] = float32(math.Inf(-1))
	}
	pass := e.passSize(files)
	for i, file := range files {
		for w := 0; w < e.w.Windows; w = e.cutter.Next(file, w) {
			if e.pending == pass || e.store.young.room() == 0 {
				e.rows = append(e.rows, span{i, len(e.slots)})
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
		e.rows = append(e.rows, span{i, len(e.slots)})
	}
	e.flush()
}

// passSize is how many windows to compute at once, so that no pass is left with
// a few, which would read the table for them alone.
func (e *Engine) passSize(files [][]byte) int {
	most := 1 // windows, if all are new
	for _, file := range files {
		most += min(len(file)/e.w.Window+3, e.w.Windows)
	}
	passes := (most + e.options.passWindows - 1) / e.options.passWindows
	return (most + passes - 1) / passes
}

// flush computes the pending windows, folds all that are referred to into their
// files' rows, and makes room for another pass.
func (e *Engine) flush() {
	young := &e.store.young
	e.kernel.run(young.keys, young.stride, young.activations, e.pending)
	parallel(e.options.Threads, len(e.rows), func(_, i int) {
		from := 0
		if i > 0 {
			from = e.rows[i-1].end
		}
		r := e.rows[i]
		e.kernel.fold(e.layer7[r.file*young.filters:][:young.filters], young.activations, e.slots[from:r.end])
	})
	e.pending, e.slots, e.rows = 0, e.slots[:0], e.rows[:0]
	if e.options.CacheBytes < 0 {
		young.clear()
	} else if young.room() < e.options.passWindows {
		e.store.rotate()
	}
}

// finish sets dst from layer7.
func (e *Engine) finish(dst *Outputs, n int) {
	filters, hidden, classes := e.w.Filters, len(e.w.DenseBias), len(e.w.LogitsBias)
	dst.Layer7 = resize(dst.Layer7, n*filters)
	dst.Layer8 = resize(dst.Layer8, n*hidden)
	dst.Logits = resize(dst.Logits, n*classes)
	linear := activation("linear")
	parallel(e.options.Threads, n, func(_, i int) {
		row7 := dst.Layer7[i*filters : (i+1)*filters]
		row8 := dst.Layer8[i*hidden : (i+1)*hidden]
		copy(row7, e.layer7[i*int(e.kernel.shape.filters):])
		dense(row8, row7, e.w.DenseKernel, e.w.DenseBias, e.dense)
		dense(dst.Logits[i*classes:(i+1)*classes], row8, e.w.LogitsKernel, e.w.LogitsBias, linear)
	})
}

// resize returns a slice of n values, s itself where it is large enough.
func resize(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}
