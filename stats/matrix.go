package stats

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas/blas64"
)

// Matrix holds features, one row per file: Rows×Cols, row-major.
type Matrix struct {
	Rows, Cols int
	Data       []float32 // len Rows·Cols
}

// Row returns row i, which shares memory with m.
func (m Matrix) Row(i int) []float32 { return m.Data[i*m.Cols : (i+1)*m.Cols] }

// Slice returns rows lo to hi−1, which share memory with m.
func (m Matrix) Slice(lo, hi int) Matrix {
	return Matrix{Rows: hi - lo, Cols: m.Cols, Data: m.Data[lo*m.Cols : hi*m.Cols]}
}

// check panics unless len(Data) is Rows·Cols.
func (m Matrix) check() {
	if m.Rows < 0 || m.Cols < 0 || len(m.Data) != m.Rows*m.Cols {
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

// load writes rows lo to hi−1 of x to dst in float64, minus shift unless it is
// nil.
func load(dst []float64, x Matrix, lo, hi int, shift []float64) error {
	for i := lo; i < hi; i++ {
		row := x.Row(i)
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
	buffer := func() []float64 { return make([]float64, x.Cols) }
	return eachBlock(x.Rows, smallBlock, buffer, func(row []float64, lo, hi int) error {
		for i := lo; i < hi; i++ {
			if err := load(row, x, i, i+1, nil); err != nil {
				return err
			}
			f(i, row)
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
