package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Moments holds the count, mean and scatter of every class, from which
// [NewTiedGaussian] fits. Blocks of rows can be added, and moments of other rows
// merged, in any order; the result differs only by rounding.
//
// The scatter of a class is S = Σ (x−μ)(x−μ)ᵀ. Two sets of rows merge by the
// pairwise formula (Chan, Golub & LeVeque 1983), with δ = μ_b − μ_a:
//
//	n = n_a + n_b,  μ = μ_a + δ·n_b/n,  S = S_a + S_b + δδᵀ·n_a·n_b/n.
type Moments struct {
	width   int
	classes []classMoments
}

type classMoments struct {
	n       int
	mean    []float64 // width
	scatter []float64 // width×width, the upper triangle is used
}

// NewMoments returns the moments of no rows, for classes 0 to classes−1 and width
// features per row. It panics unless both are positive.
func NewMoments(classes, width int) *Moments {
	if classes <= 0 || width <= 0 {
		panic(fmt.Sprintf("stats: moments of %d classes and %d features", classes, width))
	}
	m := &Moments{width: width, classes: make([]classMoments, classes)}
	for c := range m.classes {
		m.classes[c].mean = make([]float64, width)
		m.classes[c].scatter = make([]float64, width*width)
	}
	return m
}

// Classes returns the number of classes.
func (m *Moments) Classes() int { return len(m.classes) }

// Width returns the number of features per row.
func (m *Moments) Width() int { return m.width }

// Count returns the number of rows of class c.
func (m *Moments) Count(c int) int { return m.classes[c].n }

// Total returns the number of rows of all classes.
func (m *Moments) Total() int {
	n := 0
	for _, c := range m.classes {
		n += c.n
	}
	return n
}

// Mean returns the mean of class c, which the caller must not change.
func (m *Moments) Mean(c int) []float64 { return m.classes[c].mean }

// Scatter returns Σ (x−μ_c)(x−μ_c)ᵀ over the rows x of class c, width×width,
// which shares memory with m.
func (m *Moments) Scatter(c int) *mat.SymDense {
	return mat.NewSymDense(m.width, m.classes[c].scatter)
}

// Add adds the rows of x, row i of class classes[i]. The error is a
// [*NotFiniteError] or a [*WidthError]; m then contains some of the rows and must
// not be used. Add panics if len(classes) is not x.Rows or a class is not in
// [0, Classes()).
func (m *Moments) Add(x Matrix, classes []int) error { return m.add(x, classes, false) }

// AddUnit is [Moments.Add] of the rows scaled to unit length, for Mahalanobis++. A
// row of zeros stays zero.
func (m *Moments) AddUnit(x Matrix, classes []int) error { return m.add(x, classes, true) }

// momentRows is the number of rows that are added at a time, which bounds the
// working memory: 2 MB for 128 features.
const momentRows = 2048

func (m *Moments) add(x Matrix, classes []int, unit bool) error {
	x.check()
	if len(classes) != x.Rows {
		panic(fmt.Sprintf("stats: %d rows with %d classes", x.Rows, len(classes)))
	}
	if x.Cols != m.width {
		return &WidthError{Got: x.Cols, Want: m.width}
	}
	for i, c := range classes {
		if c < 0 || c >= len(m.classes) {
			panic(fmt.Sprintf("stats: row %d has class %d of %d", i, c, len(m.classes)))
		}
	}
	d := m.width
	rows := make([]float64, min(x.Rows, momentRows)*d)
	perClass := make([]float64, len(rows))
	block := NewMoments(1, d)
	for lo := 0; lo < x.Rows; lo += momentRows {
		hi := min(lo+momentRows, x.Rows)
		if err := load(rows, x, lo, hi, nil); err != nil {
			return err
		}
		if unit {
			for i := range hi - lo {
				toUnit(rows[i*d : (i+1)*d])
			}
		}
		for c := range m.classes {
			n := 0
			for i, ci := range classes[lo:hi] {
				if ci == c {
					copy(perClass[n*d:(n+1)*d], rows[i*d:])
					n++
				}
			}
			if n > 0 {
				block.classes[0].set(perClass[:n*d], n)
				m.classes[c].merge(&block.classes[0])
			}
		}
	}
	return nil
}

// set makes c the moments of x, n rows, and subtracts their mean from x.
func (c *classMoments) set(x []float64, n int) {
	d := len(c.mean)
	c.n = n
	clear(c.mean)
	for i := range n {
		for j, v := range x[i*d : (i+1)*d] {
			c.mean[j] += v
		}
	}
	for j := range c.mean {
		c.mean[j] /= float64(n)
	}
	for i := range n {
		row := x[i*d : (i+1)*d]
		for j := range row {
			row[j] -= c.mean[j]
		}
	}
	blas64.Syrk(blas.Trans, 1, blas64.General{Rows: n, Cols: d, Stride: d, Data: x},
		0, blas64.Symmetric{Uplo: blas.Upper, N: d, Stride: d, Data: c.scatter})
}

// merge adds the moments of other rows to c.
func (c *classMoments) merge(b *classMoments) {
	if b.n == 0 {
		return
	}
	n := c.n + b.n
	nb := float64(b.n) / float64(n)
	weight := float64(c.n) * nb
	delta := make([]float64, len(c.mean))
	for j := range delta {
		delta[j] = b.mean[j] - c.mean[j]
		c.mean[j] += delta[j] * nb
	}
	d := len(c.mean)
	for i := range d {
		w := weight * delta[i]
		row, other := c.scatter[i*d:(i+1)*d], b.scatter[i*d:(i+1)*d]
		for j := i; j < d; j++ {
			row[j] += other[j] + w*delta[j]
		}
	}
	c.n = n
}

// Merge adds the moments of other rows to m. It panics if the two differ in
// classes or width.
func (m *Moments) Merge(other *Moments) {
	if len(m.classes) != len(other.classes) || m.width != other.width {
		panic(fmt.Sprintf("stats: merging moments of %d classes × %d features with %d × %d",
			len(m.classes), m.width, len(other.classes), other.width))
	}
	for c := range m.classes {
		m.classes[c].merge(&other.classes[c])
	}
}

// Pooled returns the moments of all rows as one class, which the background
// Gaussian of Relative Mahalanobis is fitted on.
func (m *Moments) Pooled() *Moments {
	p := NewMoments(1, m.width)
	for c := range m.classes {
		p.classes[0].merge(&m.classes[c])
	}
	return p
}

const momentsHeader = "driftbench moments 1\n"

// MarshalBinary returns the moments in a form that UnmarshalBinary reads: for
// every class the count, the mean and the upper triangle of the scatter.
func (m *Moments) MarshalBinary() ([]byte, error) {
	e := encoder{[]byte(momentsHeader)}
	e.moments(m)
	return e.b, nil
}

func (e *encoder) moments(m *Moments) {
	d := m.width
	e.int(len(m.classes))
	e.int(d)
	for _, c := range m.classes {
		e.int(c.n)
		e.floats(c.mean)
		for i := range d {
			e.floats(c.scatter[i*d+i : (i+1)*d])
		}
	}
}

// UnmarshalBinary replaces m by the moments that MarshalBinary wrote. If b is
// anything else, it leaves m unchanged and returns a [*FormatError].
func (m *Moments) UnmarshalBinary(b []byte) error {
	d := decoder{b: b}
	d.header(momentsHeader)
	read := d.moments()
	if err := d.end(); err != nil {
		return err
	}
	*m = *read
	return nil
}

func (d *decoder) moments() *Moments {
	classes, width := d.int(math.MaxInt32), d.int(1<<20)
	if d.err == nil && (classes == 0 || width == 0) {
		d.fail("moments of %d classes and %d features", classes, width)
	}
	// 8 bytes a number. The limits above keep the product from overflowing.
	if size := 1 + width + width*(width+1)/2; d.err == nil && classes > len(d.b)/8/size {
		d.fail("the file is cut short")
	}
	if d.err != nil {
		return nil
	}
	m := NewMoments(classes, width)
	for c := range m.classes {
		class := &m.classes[c]
		class.n = d.int(1 << 40)
		copy(class.mean, d.floats(width, math.MaxFloat32))
		for i := range width {
			copy(class.scatter[i*width+i:(i+1)*width], d.floats(width-i, 1e150))
			if d.err == nil && class.scatter[i*width+i] < 0 {
				d.fail("a sum of squares is negative")
			}
		}
	}
	return m
}
