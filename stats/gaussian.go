package stats

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// ErrNoVariance reports that every row equals its class mean, so that there
// is no covariance to measure distances by.
var ErrNoVariance = errors.New("stats: the features do not vary within any class")

// An EmptyClassError reports a class without rows to fit on.
type EmptyClassError struct{ Class int }

func (e *EmptyClassError) Error() string {
	return fmt.Sprintf("stats: class %d has no rows to fit on", e.Class)
}

// TiedGaussian is one Gaussian a class, with the covariance that all of them
// share. It may be used from several goroutines.
type TiedGaussian struct {
	// Rank is the number of eigenvalues of the covariance that are not zero to
	// working precision. Less than the width means dead or dependent features,
	// or too few rows: what varies only in new files is then not seen.
	Rank int
	// Condition is the largest over the smallest of these eigenvalues.
	Condition float64

	unit   bool // rows are scaled to unit length first
	width  int
	center []float64      // mean of all rows, taken off first to keep digits
	whiten blas64.General // width×Rank, L of P = L·Lᵀ, lower triangular
	means  [][]float64    // of the classes, [class][width]
	white  []float64      // the centred means times L, classes×Rank
}

// NewTiedGaussian fits the covariance Σ_c S_c / N and its pseudo-inverse.
// Eigenvalues up to max|λ|·width·ε count as zero, as in scipy.linalg.pinvh;
// no ridge is added. A class without rows is an [*EmptyClassError].
func NewTiedGaussian(m *Moments) (*TiedGaussian, error) {
	d := m.width
	n := float64(m.Total())
	cov := mat.NewSymDense(d, nil)
	for c := range m.classes {
		if m.classes[c].n == 0 {
			return nil, &EmptyClassError{Class: c}
		}
		cov.AddSym(cov, m.Scatter(c))
	}
	cov.ScaleSym(1/n, cov)

	var eig mat.EigenSym
	if !eig.Factorize(cov, true) {
		return nil, errors.New("stats: the eigenvalues of the covariance do not converge")
	}
	values := eig.Values(nil) // ascending
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	largest := max(math.Abs(values[0]), math.Abs(values[d-1]))
	if !(largest < 1e200) { // not of float32 features
		return nil, errors.New("stats: the covariance is not finite")
	}
	if largest < 1e-110 { // less than float32 can tell apart
		return nil, ErrNoVariance
	}
	cutoff := largest * float64(d) * epsilon
	first := d
	for first > 0 && values[first-1] > cutoff {
		first--
	}
	if first == d {
		return nil, ErrNoVariance
	}

	g := &TiedGaussian{
		Rank:      d - first,
		Condition: values[d-1] / values[first],
		width:     d,
		center:    m.Pooled().Mean(0),
	}
	g.whiten = triangular(values[first:], vectors.Slice(0, d, first, d))
	k := len(m.classes)
	centred := make([]float64, 0, k*d)
	for c := range m.classes {
		mean := m.classes[c].mean
		g.means = append(g.means, append([]float64(nil), mean...))
		for j, v := range mean {
			centred = append(centred, v-g.center[j])
		}
	}
	g.white = make([]float64, k*g.Rank)
	g.project(g.white, centred, k)
	return g, nil
}

// triangular returns L, d×r and lower triangular, with L·Lᵀ = V·diag(1/λ)·Vᵀ:
// the transpose of R in diag(λ^−½)·Vᵀ = Q·R. At a width of 128 its zeros spare a
// quarter of the products.
func triangular(values []float64, vectors mat.Matrix) blas64.General {
	d, r := vectors.Dims()
	scaled := mat.NewDense(r, d, nil)
	for j, l := range values {
		for i := range d {
			scaled.Set(j, i, vectors.At(i, j)/math.Sqrt(l))
		}
	}
	tau, work := make([]float64, r), make([]float64, 1)
	raw := scaled.RawMatrix()
	lapack64.Geqrf(raw, tau, work, -1)
	work = make([]float64, int(work[0]))
	lapack64.Geqrf(raw, tau, work, len(work))
	l := mat.NewDense(d, r, nil)
	for j := range r {
		for i := j; i < d; i++ {
			l.Set(i, j, scaled.At(j, i)) // below the diagonal is Q
		}
	}
	return l.RawMatrix()
}

// epsilon is the distance from 1 to the next float64.
const epsilon = 1.0 / (1 << 52)

// Width is the number of features a row.
func (g *TiedGaussian) Width() int { return g.width }

// Mean is the mean of class c; it is not to be changed.
func (g *TiedGaussian) Mean(c int) []float64 { return g.means[c] }

// Precision is the pseudo-inverse P of the covariance, width×width.
func (g *TiedGaussian) Precision() *mat.SymDense {
	l := mat.NewDense(g.width, g.Rank, g.whiten.Data)
	var p mat.SymDense
	p.SymOuterK(1, l)
	return &p
}

// Score writes max_c −½ (x−μ_c)ᵀ P (x−μ_c) of every row to dst, which has the
// length x.Rows. The error is a *NotFiniteError or a *WidthError.
func (g *TiedGaussian) Score(dst []float64, x Matrix) error {
	return g.distances(dst, x, func(_, squared float64) float64 { return -squared / 2 })
}

// distances replaces every score by f of it and of the row's squared distance
// to its nearest class.
func (g *TiedGaussian) distances(dst []float64, x Matrix, f func(score, squared float64) float64) error {
	if err := checkScores(dst, x, g.width); err != nil {
		return err
	}
	d, r := g.width, g.Rank
	type buffers struct{ centred, white []float64 }
	return eachBlock(x.Rows, smallBlock, func() buffers {
		return buffers{make([]float64, smallBlock*d), make([]float64, smallBlock*r)}
	}, func(b buffers, lo, hi int) error {
		if err := g.load(b.centred[:(hi-lo)*d], x, lo, hi); err != nil {
			return err
		}
		g.project(b.white, b.centred, hi-lo)
		for i := lo; i < hi; i++ {
			dst[i] = f(dst[i], g.nearest(b.white[(i-lo)*r:(i-lo+1)*r]))
		}
		return nil
	})
}

// load writes rows lo to hi of x to dst, of unit length where the fit is, less
// the centre.
func (g *TiedGaussian) load(dst []float64, x Matrix, lo, hi int) error {
	if !g.unit {
		return load(dst, x, lo, hi, g.center)
	}
	if err := load(dst, x, lo, hi, nil); err != nil {
		return err
	}
	for ; len(dst) > 0; dst = dst[g.width:] {
		row := dst[:g.width]
		toUnit(row)
		for j := range row {
			row[j] -= g.center[j]
		}
	}
	return nil
}

// project writes x·L to dst, n×Rank. Column j of L begins at row j, and the
// columns are taken in groups that leave out the zeros which they share.
func (g *TiedGaussian) project(dst, x []float64, n int) {
	const group = 64
	for j := 0; j < g.Rank; j += group {
		cols := min(group, g.Rank-j)
		blas64.Gemm(blas.NoTrans, blas.NoTrans,
			1, blas64.General{Rows: n, Cols: g.width - j, Stride: g.width, Data: x[j:]},
			blas64.General{Rows: g.width - j, Cols: cols, Stride: g.Rank, Data: g.whiten.Data[j*g.Rank+j:]},
			0, blas64.General{Rows: n, Cols: cols, Stride: g.Rank, Data: dst[j:]})
	}
}

// nearest is the least squared distance of z to a whitened mean. Differences
// are taken before they are squared: ‖z‖²−2z·m+‖m‖² would cancel where classes
// are far apart.
func (g *TiedGaussian) nearest(z []float64) float64 {
	least := math.Inf(1)
	for m := g.white; len(m) > 0; m = m[len(z):] {
		least = min(least, squaredDistance(z, m[:len(z)]))
	}
	return least
}

// squaredDistance is ‖a−b‖², summed in four lanes to keep the adder busy.
func squaredDistance(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		d0, d1, d2, d3 := a[i]-b[i], a[i+1]-b[i+1], a[i+2]-b[i+2], a[i+3]-b[i+3]
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
	}
	for ; i < len(a); i++ {
		d := a[i] - b[i]
		s0 += d * d
	}
	return (s0 + s1) + (s2 + s3)
}
