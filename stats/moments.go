package stats

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// Moments holds count, mean and scatter of every class, all that a Gaussian
// fit needs of the training rows. It grows by blocks of rows and merges with
// the moments of other rows; the order matters only to rounding.
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

// NewMoments returns the moments of no rows: classes numbered from 0, width
// features a row. It panics unless both are positive.
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

// Classes is the number of classes.
func (m *Moments) Classes() int { return len(m.classes) }

// Width is the number of features a row.
func (m *Moments) Width() int { return m.width }

// Count is the number of rows of class c.
func (m *Moments) Count(c int) int { return m.classes[c].n }

// Total is the number of rows of all classes.
func (m *Moments) Total() int {
	n := 0
	for _, c := range m.classes {
		n += c.n
	}
	return n
}

// Mean is the mean of class c; it is not to be changed.
func (m *Moments) Mean(c int) []float64 { return m.classes[c].mean }

// Scatter is the sum of (x−μ_c)(x−μ_c)ᵀ over the rows of class c. It shares
// memory with m.
func (m *Moments) Scatter(c int) *mat.SymDense {
	return mat.NewSymDense(m.width, m.classes[c].scatter)
}

// Add takes in rows x, row i of class classes[i]. When it returns an error,
// a *NotFiniteError or a *WidthError, m holds the blocks before the bad row
// and is of no further use. It panics when classes and x differ in length or a
// class is out of range.
func (m *Moments) Add(x Matrix, classes []int) error { return m.add(x, classes, false) }

// AddUnit is Add with every row scaled to unit length first, as Mahalanobis++
// wants; a row of zeros stays as it is.
func (m *Moments) AddUnit(x Matrix, classes []int) error { return m.add(x, classes, true) }

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
	const blockRows = 2048 // bounds the working memory: 2 MB for 128 features
	d := m.width
	rows := make([]float64, min(x.Rows, blockRows)*d)
	perClass := make([]float64, len(rows))
	block := NewMoments(1, d)
	for lo := 0; lo < x.Rows; lo += blockRows {
		hi := min(lo+blockRows, x.Rows)
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

// set makes c the moments of x, n rows that are left centred.
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

// Merge adds the moments of other rows to m. It panics when they differ in
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

// Pooled returns the moments of all rows as one class: what the background
// Gaussian of Relative Mahalanobis is fitted on.
func (m *Moments) Pooled() *Moments {
	p := NewMoments(1, m.width)
	for c := range m.classes {
		p.classes[0].merge(&m.classes[c])
	}
	return p
}
