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

// ErrNoVariance reports that every row equals its class mean, so that the
// covariance is zero and defines no distance.
var ErrNoVariance = errors.New("stats: the features do not vary within any class")

// An EmptyClassError reports a class without rows to fit.
type EmptyClassError struct{ Class int }

func (e *EmptyClassError) Error() string {
	return fmt.Sprintf("stats: class %d has no rows to fit on", e.Class)
}

// TiedGaussian is one Gaussian per class, all with the same covariance. Several
// goroutines may use it.
type TiedGaussian struct {
	// Rank is the number of eigenvalues of the covariance above the cutoff of
	// NewTiedGaussian. If it is less than the width, some features are dead or
	// linearly dependent, or there are too few rows, and the score ignores
	// variation in the missing directions.
	Rank int
	// Condition is the largest of these eigenvalues divided by the smallest.
	Condition float64

	unit   bool // rows are scaled to unit length first
	width  int
	center []float64      // mean of all rows, subtracted first to keep precision
	whiten blas64.General // width×Rank, L of P = L·Lᵀ, lower triangular
	means  [][]float64    // of the classes, [class][width]
	white  []float64      // the centred means times L, classes×Rank
}

// NewTiedGaussian fits the covariance Σ = Σ_c S_c / N and its pseudo-inverse.
// Eigenvalues up to max|λ|·width·2⁻⁵² count as zero, as in scipy.linalg.pinvh;
// no ridge is added. The error is an [*EmptyClassError] if a class has no rows,
// and [ErrNoVariance] if no eigenvalue is left.
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
// the transpose of R in diag(λ^−½)·Vᵀ = Q·R. At a width of 128 skipping its zeros
// saves a quarter of the multiplications.
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

// Width returns the number of features per row.
func (g *TiedGaussian) Width() int { return g.width }

// Mean returns the mean of class c, which the caller must not change.
func (g *TiedGaussian) Mean(c int) []float64 { return g.means[c] }

// Precision returns the pseudo-inverse P of the covariance, width×width.
func (g *TiedGaussian) Precision() *mat.SymDense {
	l := mat.NewDense(g.width, g.Rank, g.whiten.Data)
	var p mat.SymDense
	p.SymOuterK(1, l)
	return &p
}

// Score writes max_c −½ (x−μ_c)ᵀ P (x−μ_c) of every row x to dst. The error is a
// [*NotFiniteError] or a [*WidthError]. Score panics if len(dst) is not x.Rows.
func (g *TiedGaussian) Score(dst []float64, x Matrix) error {
	return g.distances(dst, x, func(_, squared float64) float64 { return -squared / 2 })
}

// Nearest returns for every row of x the class whose mean is nearest to it, the
// first of several. The error is a [*NotFiniteError] or a [*WidthError].
func (g *TiedGaussian) Nearest(x Matrix) ([]int, error) {
	if err := checkScores(make([]float64, x.Rows), x, g.width); err != nil {
		return nil, err
	}
	centred, white := make([]float64, g.width), make([]float64, g.Rank)
	classes := make([]int, x.Rows)
	for i := range classes {
		if err := g.load(centred, x, i, i+1); err != nil {
			return nil, err
		}
		g.project(white, centred, 1)
		least := math.Inf(1)
		for c := range len(g.means) {
			if d := squaredDistance(white, g.white[c*g.Rank:(c+1)*g.Rank]); d < least {
				least, classes[i] = d, c
			}
		}
	}
	return classes, nil
}

// distances replaces dst[i] by f(dst[i], squared), where squared is the squared
// distance of row i to its nearest class mean.
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

// load writes rows lo to hi of x minus the centre to dst, after scaling them to
// unit length if the fit did.
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

// project writes x·L to dst, n×Rank. Column j of L is zero above row j; columns
// are multiplied in groups, without the leading rows in which all of them are zero.
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

// nearest returns the squared distance of z to the nearest whitened class mean.
// It does not expand it to ‖z‖²−2z·m+‖m‖², which cancels where classes are far
// apart.
func (g *TiedGaussian) nearest(z []float64) float64 {
	least := math.Inf(1)
	for m := g.white; len(m) > 0; m = m[len(z):] {
		least = min(least, squaredDistance(z, m[:len(z)]))
	}
	return least
}

// squaredDistance returns ‖a−b‖². Four independent sums let the processor
// pipeline the additions.
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

// mahalanobis is the score of one tied Gaussian: of the features as they are
// (Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution
// Samples and Adversarial Attacks", NeurIPS 2018), or of the features at unit
// length (Mueller & Hein, "Mahalanobis++: Improving OOD Detection via Feature
// Normalization", ICML 2025), whose covariance does not depend on how feature
// norms vary between files.
type mahalanobis struct {
	layer string
	g     *TiedGaussian
}

func fitMahalanobis(d *Detectors, t *Training, layer string) (detector, error) {
	g, err := d.tied(t, layer)
	return &mahalanobis{layer, g}, err
}

func fitUnit(d *Detectors, t *Training, layer string) (detector, error) {
	x, err := t.Fit.layer(layer)
	if err != nil {
		return nil, err
	}
	m := NewMoments(t.NumClasses, x.Cols)
	if err := m.AddUnit(x, t.Classes); err != nil {
		return nil, inLayer(layer, err)
	}
	g := d.layerGaussians(layer)
	if err := g.fitUnit(m); err != nil {
		return nil, inLayer(layer, err)
	}
	return &mahalanobis{layer, g.unit}, nil
}

func (m *mahalanobis) score(dst []float64, x Features) error {
	rows, err := x.layer(m.layer)
	if err != nil {
		return err
	}
	return inLayer(m.layer, m.g.Score(dst, rows))
}

func (*mahalanobis) encode(*encoder) {} // the moments are saved by layer

func decodeMahalanobis(d *Detectors, r *decoder, layer string) detector {
	return &mahalanobis{layer, r.gaussian(d.gaussian[layer].tied, layer)}
}

func decodeUnit(d *Detectors, r *decoder, layer string) detector {
	return &mahalanobis{layer, r.gaussian(d.gaussian[layer].unit, layer)}
}

// gaussian returns g, which must have been saved.
func (d *decoder) gaussian(g *TiedGaussian, layer string) *TiedGaussian {
	if g == nil {
		d.fail("the Gaussian of layer %s is missing", layer)
	}
	return g
}

// relative is the Relative Mahalanobis distance: Ren et al., "A Simple Fix to
// Mahalanobis Distance for Improving Near-OOD Detection", 2021. With d_c the
// distance to class c and d_0 the distance under one Gaussian for all classes,
//
//	score(f) = max_c(−d_c²) + d_0²,
//
// which is 0 for every file if there is one class.
type relative struct {
	layer            string
	tied, background *TiedGaussian
}

func fitRelative(d *Detectors, t *Training, layer string) (detector, error) {
	if t.NumClasses < 2 {
		return nil, errors.New("stats: rmd needs two classes: with one, the two distances are equal and every score is 0")
	}
	tied, err := d.tied(t, layer)
	if err != nil {
		return nil, err
	}
	g := d.gaussian[layer]
	if err := g.fitBackground(); err != nil {
		return nil, inLayer(layer, err)
	}
	return &relative{layer, tied, g.background}, nil
}

func (r *relative) score(dst []float64, x Features) error {
	rows, err := x.layer(r.layer)
	if err != nil {
		return err
	}
	if err := r.tied.distances(dst, rows, func(_, near float64) float64 { return -near }); err != nil {
		return inLayer(r.layer, err)
	}
	return inLayer(r.layer, r.background.distances(dst, rows,
		func(score, background float64) float64 { return score + background }))
}

func (*relative) encode(*encoder) {} // the moments are saved by layer

func decodeRelative(d *Detectors, r *decoder, layer string) detector {
	g := d.gaussian[layer]
	return &relative{layer, r.gaussian(g.tied, layer), g.background}
}

// gaussians are the Gaussians of one layer, each nil until a detector needs it.
// Several detectors share them.
type gaussians struct {
	moments    *Moments
	tied       *TiedGaussian
	background *TiedGaussian // of all classes as one

	unitMoments *Moments // of features at unit length
	unit        *TiedGaussian
}

func (d *Detectors) layerGaussians(layer string) *gaussians {
	g, ok := d.gaussian[layer]
	if !ok {
		g = &gaussians{}
		d.gaussian[layer] = g
	}
	return g
}

// tied fits the tied Gaussian of a layer on the first call.
func (d *Detectors) tied(t *Training, layer string) (*TiedGaussian, error) {
	g := d.layerGaussians(layer)
	if g.tied != nil {
		return g.tied, nil
	}
	x, err := t.Fit.layer(layer)
	if err != nil {
		return nil, err
	}
	m := NewMoments(t.NumClasses, x.Cols)
	if err := m.Add(x, t.Classes); err != nil {
		return nil, inLayer(layer, err)
	}
	if g.tied, err = NewTiedGaussian(m); err != nil {
		return nil, inLayer(layer, err)
	}
	g.moments = m
	return g.tied, nil
}

func (g *gaussians) fitBackground() (err error) {
	if g.background == nil {
		g.background, err = NewTiedGaussian(g.moments.Pooled())
	}
	return err
}

func (g *gaussians) fitUnit(m *Moments) error {
	unit, err := NewTiedGaussian(m)
	if err != nil {
		return err
	}
	unit.unit = true
	g.unit, g.unitMoments = unit, m
	return nil
}

// fit fits the Gaussians of the moments that were saved.
func (g *gaussians) fit() (err error) {
	if g.moments != nil {
		if g.tied, err = NewTiedGaussian(g.moments); err != nil {
			return err
		}
		if err = g.fitBackground(); err != nil {
			return err
		}
	}
	if g.unitMoments != nil {
		return g.fitUnit(g.unitMoments)
	}
	return nil
}
