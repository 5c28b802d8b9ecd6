package stats

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// vim is virtual-logit matching: Wang et al., "ViM: Out-Of-Distribution with
// Virtual-logit Matching", CVPR 2022. With z the logits, o the origin, at which
// all logits are zero, and R a basis of the complement of the principal subspace
// of the training rows about o,
//
//	score(f) = log Σ_c exp z_c − α·‖Rᵀ(f−o)‖.
//
// The norm of the residual Rᵀ(f−o) is large for features that the training rows
// do not have. α makes its mean over the training rows equal to the mean of their
// largest logits; unless that is positive, a large residual would raise the score,
// and vim cannot be fitted. The principal subspace has half as many dimensions as
// the training rows span.
//
// o is −W⁺b of the last linear map of the network, z = Wf + b, whose W and b are
// the least-squares solution on the training rows. f is the last layer for which
// that solution is exact up to rounding.
type vim struct {
	layer    string
	classes  int
	origin   []float64  // width
	residual *mat.Dense // width×(width−principal)
	alpha    float64
}

func fitViM(_ *Detectors, t *Training, _ string) (detector, error) {
	err := errors.New("stats: vim needs a feature layer")
	for i, layer := range slices.Backward(t.Layers) {
		v, e := fitViMOf(t, layer)
		if !errors.Is(e, errNotLinear) {
			return v, e
		}
		if i == len(t.Layers)-1 {
			err = e
		}
	}
	return nil, err
}

// errNotLinear reports a layer that the logits are not a linear function of.
var errNotLinear = errors.New("stats: vim: the logits are not a linear function of the features")

func fitViMOf(t *Training, layer string) (detector, error) {
	x, err := t.Fit.layer(layer)
	if err != nil {
		return nil, err
	}
	z, err := t.Fit.layer(Logits)
	if err != nil {
		return nil, err
	}
	largest := make([]float64, z.Rows)
	if err := eachRow(z, func(i int, row []float64) { largest[i], _ = maxAndLogSumExp(row) }); err != nil {
		return nil, inLayer(Logits, err)
	}
	d, k := x.Cols, z.Cols

	// W, b, o and R all follow from the joint moments of features and logits.
	m, err := jointMoments(x, z)
	if err != nil {
		return nil, inLayer(layer, err) // the logits are finite, see above
	}
	center := m.Mean(0)
	weights, err := leastSquares(m.Scatter(0), d, k)
	if err != nil {
		return nil, inLayer(layer, err)
	}
	bias := mat.NewVecDense(k, nil)
	bias.MulVec(weights, mat.NewVecDense(d, center[:d]))
	bias.SubVec(mat.NewVecDense(k, center[d:]), bias)
	v := &vim{layer: layer, classes: k}
	if v.origin, err = origin(weights, bias); err != nil {
		return nil, inLayer(layer, err)
	}

	rank, vectors, err := principal(m.Scatter(0).SliceSym(0, d).(*mat.SymDense), float64(x.Rows), minus(center[:d], v.origin))
	if err != nil {
		return nil, inLayer(layer, err)
	}
	v.residual = mat.DenseCopyOf(vectors.Slice(0, d, rank/2, d))

	residual := make([]float64, x.Rows)
	if err := v.norms(residual, x); err != nil {
		return nil, err
	}
	v.alpha = mean(largest) / mean(residual)
	if math.IsNaN(v.alpha) || math.IsInf(v.alpha, 0) {
		return nil, inLayer(layer, ErrNoVariance)
	}
	if v.alpha <= 0 {
		return nil, fmt.Errorf("stats: vim: the largest logits of the fit rows have the mean %.3g, which must be positive", mean(largest))
	}
	return v, nil
}

// jointMoments returns the moments of the rows of x with those of z beside them, as
// one class.
func jointMoments(x, z Matrix) (*Moments, error) {
	d, k := x.Cols, z.Cols
	m := NewMoments(1, d+k)
	classes := make([]int, min(x.Rows, momentRows))
	joint := make([]float32, len(classes)*(d+k))
	var bufX, bufZ []float32
	for lo := 0; lo < x.Rows; lo += momentRows {
		n := min(momentRows, x.Rows-lo)
		features, err := x.rows(&bufX, lo, lo+n)
		if err != nil {
			return nil, err
		}
		logits, err := z.rows(&bufZ, lo, lo+n)
		if err != nil {
			return nil, err
		}
		for i := range n {
			copy(joint[i*(d+k):], features[i*d:(i+1)*d])
			copy(joint[i*(d+k)+d:], logits[i*k:(i+1)*k])
		}
		if err := m.Add(Matrix{Rows: n, Cols: d + k, Data: joint[:n*(d+k)]}, classes[:n]); err != nil {
			var notFinite *NotFiniteError
			if errors.As(err, &notFinite) {
				notFinite.Row += lo
			}
			return nil, err
		}
	}
	return m, nil
}

// principal returns the eigenvectors of E[(f−o)(f−o)ᵀ], largest eigenvalue
// first, and how many eigenvalues are not zero. scatter is that of n rows about
// their mean, and mean their mean minus o. A mean far from o would swamp the
// scatter in the sum of the two; instead, with S/n = VΛVᵀ, the vectors are the
// right singular vectors of the matrix with the rows of Λ^½Vᵀ and the mean.
func principal(scatter *mat.SymDense, n float64, mean []float64) (rank int, vectors *mat.Dense, err error) {
	var eig mat.EigenSym
	if !eig.Factorize(scatter, true) {
		return 0, nil, errors.New("stats: the eigenvalues of the features do not converge")
	}
	d := len(mean)
	var v mat.Dense
	eig.VectorsTo(&v)
	rows := mat.NewDense(d+1, d, nil)
	for i, l := range eig.Values(nil) {
		for j := range d {
			rows.Set(i, j, math.Sqrt(max(0, l)/n)*v.At(j, i))
		}
	}
	rows.SetRow(d, mean)
	var svd mat.SVD
	if !svd.Factorize(rows, mat.SVDThin) {
		return 0, nil, errors.New("stats: the singular values of the features do not converge")
	}
	values := svd.Values(nil)
	for _, s := range values {
		if s*s > values[0]*values[0]*float64(d)*epsilon {
			rank++
		}
	}
	vectors = new(mat.Dense)
	svd.VTo(vectors)
	return rank, vectors, nil
}

// leastSquares returns W, k×d, of z = Wf + b from the scatter of (f, z).
// Directions in which f varies by less than the precision of float32 do not
// determine W and are left out.
func leastSquares(scatter *mat.SymDense, d, k int) (*mat.Dense, error) {
	var eig mat.EigenSym
	if !eig.Factorize(scatter.SliceSym(0, d), true) {
		return nil, errors.New("stats: the eigenvalues of the features do not converge")
	}
	values := eig.Values(nil)
	full := mat.DenseCopyOf(scatter)
	const epsilon32 = 1.0 / (1 << 24)
	cutoff := values[d-1] * (float64(d) * epsilon32) * (float64(d) * epsilon32)
	var vectors, cross, w mat.Dense
	eig.VectorsTo(&vectors)
	cross.Mul(full.Slice(d, d+k, 0, d), &vectors)
	for j, l := range values {
		for i := range k {
			if l > cutoff {
				cross.Set(i, j, cross.At(i, j)/l)
			} else {
				cross.Set(i, j, 0)
			}
		}
	}
	w.Mul(&cross, vectors.T())

	var explained mat.Dense
	explained.Mul(&w, full.Slice(0, d, d, d+k))
	rest, all := 0.0, 0.0
	for i := range k {
		all += scatter.At(d+i, d+i)
		rest += scatter.At(d+i, d+i) - explained.At(i, i)
	}
	if !(rest <= 1e-6*all) || all == 0 {
		return nil, errNotLinear
	}
	return &w, nil
}

// origin returns −W⁺b, the shortest f with Wf + b = 0.
func origin(w *mat.Dense, b *mat.VecDense) ([]float64, error) {
	var svd mat.SVD
	if !svd.Factorize(w, mat.SVDThin) {
		return nil, errors.New("stats: vim: the singular values of the last layer do not converge")
	}
	k, d := w.Dims()
	values := svd.Values(nil)
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	o := mat.NewVecDense(d, nil)
	for i, s := range values {
		if s > values[0]*float64(max(k, d))*epsilon {
			o.AddScaledVec(o, -mat.Dot(u.ColView(i), b)/s, v.ColView(i))
		}
	}
	return o.RawVector().Data, nil
}

// norms writes ‖Rᵀ(f−o)‖ of every row to dst.
func (v *vim) norms(dst []float64, x Matrix) error {
	d := len(v.origin)
	_, r := v.residual.Dims()
	type buffers struct{ centred, parts []float64 }
	return inLayer(v.layer, eachBlock(x.Rows, smallBlock, func() buffers {
		return buffers{make([]float64, smallBlock*d), make([]float64, smallBlock*r)}
	}, func(b buffers, lo, hi int) error {
		if err := load(b.centred, x, lo, hi, v.origin); err != nil {
			return err
		}
		n := hi - lo
		blas64.Gemm(blas.NoTrans, blas.NoTrans,
			1, blas64.General{Rows: n, Cols: d, Stride: d, Data: b.centred}, v.residual.RawMatrix(),
			0, blas64.General{Rows: n, Cols: r, Stride: r, Data: b.parts})
		for i := range n {
			dst[lo+i] = blas64.Nrm2(blas64.Vector{N: r, Inc: 1, Data: b.parts[i*r : (i+1)*r]})
		}
		return nil
	}))
}

func (v *vim) score(dst []float64, x Features) error {
	rows, err := x.layer(v.layer)
	if err != nil {
		return err
	}
	z, err := x.layer(Logits)
	if err != nil {
		return err
	}
	if err := checkScores(dst, rows, len(v.origin)); err != nil {
		return inLayer(v.layer, err)
	}
	if err := checkScores(dst, z, v.classes); err != nil {
		return inLayer(Logits, err)
	}
	if err := v.norms(dst, rows); err != nil {
		return err
	}
	return inLayer(Logits, eachRow(z, func(i int, row []float64) {
		_, energy := maxAndLogSumExp(row)
		dst[i] = energy - v.alpha*dst[i]
	}))
}

func (v *vim) encode(e *encoder) {
	e.string(v.layer)
	e.int(v.classes)
	e.int(len(v.origin))
	e.floats(v.origin)
	_, cols := v.residual.Dims()
	e.int(cols)
	e.floats(v.residual.RawMatrix().Data)
	e.floats([]float64{v.alpha})
}

func decodeViM(d *Detectors, r *decoder, _ string) detector {
	if len(d.layers) == 0 {
		r.fail("vim has no layer")
		return nil
	}
	v := &vim{layer: d.layers[len(d.layers)-1]}
	if r.version > 1 {
		if v.layer = r.string(); !slices.Contains(d.layers, v.layer) {
			r.fail("vim is of layer %q, which is not there", v.layer)
		}
	}
	v.classes = r.int(1 << 20)
	width := r.int(1 << 20)
	v.origin = r.floats(width, math.MaxFloat32)
	cols := r.int(width)
	residual := r.floats(width*cols, 2)
	for _, a := range r.floats(1, 1e100) {
		v.alpha = a
	}
	if r.err == nil && len(residual) == 0 {
		r.fail("vim has no residual space")
	}
	if r.err != nil {
		return nil
	}
	v.residual = mat.NewDense(width, cols, residual)
	return v
}
