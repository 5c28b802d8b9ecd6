package stats

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas/blas64"
)

// Matrix holds features, one row per file: Rows×Cols, row-major. They are in memory,
// or read when they are needed.
type Matrix struct {
	Rows, Cols int
	Data       []float32 // len Rows·Cols, unless Read is set
	// Read, if not nil, takes the place of Data: it writes rows lo to hi−1 to dst,
	// which has as many values. Several goroutines call it, a few hundred to a few
	// thousand rows at a time, and every pass over the matrix reads it anew.
	Read func(dst []float32, lo, hi int) error
}

// Row returns row i of a matrix in memory, which it shares with m.
func (m Matrix) Row(i int) []float32 { return m.Data[i*m.Cols : (i+1)*m.Cols] }

// Slice returns rows lo to hi−1 of a matrix in memory, which they share with m.
func (m Matrix) Slice(lo, hi int) Matrix {
	return Matrix{Rows: hi - lo, Cols: m.Cols, Data: m.Data[lo*m.Cols : hi*m.Cols]}
}

// rows returns rows lo to hi−1. They share memory with m, or are read into buf,
// which is replaced if it is too small.
func (m Matrix) rows(buf *[]float32, lo, hi int) ([]float32, error) {
	if m.Read == nil {
		return m.Data[lo*m.Cols : hi*m.Cols], nil
	}
	n := (hi - lo) * m.Cols
	if cap(*buf) < n {
		*buf = make([]float32, n)
	}
	read := (*buf)[:n]
	if err := m.Read(read, lo, hi); err != nil {
		return nil, &readError{err}
	}
	return read, nil
}

// readError is an error of [Matrix].Read.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// pick returns the given rows in memory.
func (m Matrix) pick(rows []int) (Matrix, error) {
	some := Matrix{Rows: len(rows), Cols: m.Cols, Data: make([]float32, 0, len(rows)*m.Cols)}
	var buf []float32
	for _, i := range rows {
		row, err := m.rows(&buf, i, i+1)
		if err != nil {
			return some, err
		}
		some.Data = append(some.Data, row...)
	}
	return some, nil
}

// check panics unless m has Read or Rows·Cols values.
func (m Matrix) check() {
	if m.Rows < 0 || m.Cols < 0 || m.Read == nil && len(m.Data) != m.Rows*m.Cols {
		panic(fmt.Sprintf("stats: a %d×%d matrix with %d values", m.Rows, m.Cols, len(m.Data)))
	}
}

// A NotFiniteError reports a feature that is NaN or infinite. Row and Col start
// from 0.
type NotFiniteError struct {
	Row, Col int
	Value    float32
}

func (e *NotFiniteError) Error() string {
	return fmt.Sprintf("stats: feature at row %d, column %d is %v", e.Row, e.Col, e.Value)
}

// A WidthError reports rows with another number of features than the fit.
type WidthError struct{ Got, Want int }

func (e *WidthError) Error() string {
	return fmt.Sprintf("stats: rows have %d features, the fit has %d", e.Got, e.Want)
}

// smallBlock is the number of rows that a goroutine processes at a time: 192 rows
// of 128 float64 fit the processor's cache, and gonum does not split their
// product with up to 64 columns among goroutines of its own.
const smallBlock = 192

// buffers holds memory for the rows that load reads.
var buffers = sync.Pool{New: func() any { return new([]float32) }}

// load writes rows lo to hi−1 of x to dst in float64, minus shift unless it is
// nil.
func load(dst []float64, x Matrix, lo, hi int, shift []float64) error {
	buf := buffers.Get().(*[]float32)
	defer buffers.Put(buf)
	rows, err := x.rows(buf, lo, hi)
	if err != nil {
		return err
	}
	for i := lo; i < hi; i++ {
		row := rows[(i-lo)*x.Cols:][:x.Cols]
		out := dst[(i-lo)*x.Cols:][:len(row)]
		var bad float32 // 0 if every value is finite
		for j, v := range row {
			bad += v * 0
			out[j] = float64(v)
		}
		if bad != 0 {
			return notFinite(row, i)
		}
		if shift != nil {
			shift := shift[:len(out)]
			for j := range out {
				out[j] -= shift[j]
			}
		}
	}
	return nil
}

func notFinite(row []float32, i int) error {
	for j, v := range row {
		if v-v != 0 {
			return &NotFiniteError{Row: i, Col: j, Value: v}
		}
	}
	return nil
}

// eachBlock calls f for consecutive blocks of rows, lo to hi−1, from one goroutine
// per processor, each with its own buffers. After an error it starts no further
// block, and returns the error of the first block that has one.
func eachBlock[B any](rows, block int, buffers func() B, f func(b B, lo, hi int) error) error {
	blocks := (rows + block - 1) / block
	var next atomic.Int64
	var mu sync.Mutex // guards the two below
	var first error
	firstBlock := blocks
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), blocks) {
		wg.Go(func() {
			b := buffers()
			for {
				// Blocks start in order, so that every block before a failed one
				// runs too.
				i := int(next.Add(1)) - 1
				if i >= blocks {
					return
				}
				if err := f(b, i*block, min(rows, (i+1)*block)); err != nil {
					next.Store(int64(blocks)) // no further block starts
					mu.Lock()
					if i < firstBlock {
						first, firstBlock = err, i
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}

// eachRow calls f with every row of x as float64, from several goroutines.
func eachRow(x Matrix, f func(i int, row []float64)) error {
	buffer := func() []float64 { return make([]float64, smallBlock*x.Cols) }
	return eachBlock(x.Rows, smallBlock, buffer, func(rows []float64, lo, hi int) error {
		if err := load(rows, x, lo, hi, nil); err != nil {
			return err
		}
		for i := lo; i < hi; i++ {
			f(i, rows[(i-lo)*x.Cols:][:x.Cols])
		}
		return nil
	})
}

// toUnit scales v to length 1 and returns its former length. A vector of zeros
// stays zero.
func toUnit(v []float64) float64 {
	norm := blas64.Nrm2(blas64.Vector{N: len(v), Inc: 1, Data: v})
	if norm > 0 {
		for j := range v {
			v[j] /= norm
		}
	}
	return norm
}
