package stats

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

const (
	nameEnsemble   = "mahalanobis/ensemble"
	nameRegression = "mahalanobis/ensemble-out-labels"
)

// rankEnsemble is the mean over the layers of the rank r of a Mahalanobis score
// s among those of held-out In rows,
//
//	r(s) = (#{In < s} + ½#{In = s}) / #In.
//
// Every layer has the same weight whatever its width, and nothing is fitted on
// Out rows. It may score the In rows themselves: r is monotone, so that within a
// layer no comparison of an In row with an Out row changes.
type rankEnsemble struct {
	layers  []mahalanobis
	heldOut [][]float64 // sorted scores of the In rows, for each layer
}

// allLayers fits the tied Gaussians of all layers and scores x with each.
func (d *Detectors) allLayers(t *Training, x Features) (layers []mahalanobis, scores [][]float64, err error) {
	for _, layer := range t.Layers {
		g, err := d.tied(t, layer)
		if err != nil {
			return nil, nil, err
		}
		m := mahalanobis{layer, g}
		s := make([]float64, x[layer].Rows)
		if err := m.score(s, x); err != nil {
			return nil, nil, err
		}
		layers, scores = append(layers, m), append(scores, s)
	}
	if len(layers) == 0 {
		return nil, nil, errors.New("stats: no layers")
	}
	return layers, scores, nil
}

func fitRankEnsemble(d *Detectors, t *Training, _ string) (detector, error) {
	if len(t.In) == 0 {
		return nil, errors.New("stats: the ensemble needs In rows that were held out")
	}
	layers, scores, err := d.allLayers(t, t.In)
	if err != nil {
		return nil, err
	}
	e := &rankEnsemble{layers: layers}
	for _, s := range scores {
		if len(s) == 0 {
			return nil, errors.New("stats: the ensemble needs In rows that were held out")
		}
		e.heldOut = append(e.heldOut, sorted(s))
	}
	return e, nil
}

func (e *rankEnsemble) score(dst []float64, x Features) error {
	clear(dst)
	s := make([]float64, len(dst))
	for k, layer := range e.layers {
		if err := layer.score(s, x); err != nil {
			return err
		}
		for i, v := range s {
			dst[i] += rank(v, e.heldOut[k]) / float64(len(e.layers))
		}
	}
	return nil
}

func (e *rankEnsemble) encode(enc *encoder) {
	for _, s := range e.heldOut {
		enc.int(len(s))
		enc.floats(s)
	}
}

func decodeRankEnsemble(d *Detectors, r *decoder, _ string) detector {
	e := &rankEnsemble{layers: d.decodeLayers(r)}
	for range e.layers {
		s := r.floats(r.int(math.MaxInt), math.MaxFloat64)
		if r.err == nil && (len(s) == 0 || !slices.IsSorted(s)) {
			r.fail("scores are missing or not in order")
		}
		e.heldOut = append(e.heldOut, s)
	}
	return e
}

// decodeLayers returns the Mahalanobis scores of all layers.
func (d *Detectors) decodeLayers(r *decoder) []mahalanobis {
	var layers []mahalanobis
	for _, layer := range d.layers {
		layers = append(layers, mahalanobis{layer, r.gaussian(d.gaussian[layer].tied, layer)})
	}
	if len(layers) == 0 {
		r.fail("an ensemble has no layers")
	}
	return layers
}

// regression is the ensemble of Lee et al. (2018): a logistic regression of
// Out (1) against In (0) on the Mahalanobis scores of the layers, unscaled.
// The score is −P(Out). It is fitted on the very labels that its AUROC is then
// measured against. Of more than mostRegressed In and Out rows a sample is used: it
// has one weight a layer to find.
type regression struct {
	layers []mahalanobis
	logistic
}

func fitRegression(d *Detectors, t *Training, _ string) (detector, error) {
	if len(t.In) == 0 || len(t.Out) == 0 {
		return nil, errors.New("stats: the regression needs In rows and Out rows")
	}
	layers, in, err := d.allLayers(t, t.In)
	if err != nil {
		return nil, err
	}
	_, out, err := d.allLayers(t, t.Out)
	if err != nil {
		return nil, err
	}
	m, n := len(in[0]), len(out[0])
	if min(m, n) < folds {
		return nil, fmt.Errorf("stats: the regression needs %d In and Out rows, has %d and %d", folds, m, n)
	}
	var x [][]float64
	var y []bool
	for side, scores := range [][][]float64{in, out} {
		for _, i := range sampleRows(len(scores[0]), m+n) {
			row := make([]float64, len(layers))
			for k := range row {
				row[k] = scores[k][i]
			}
			x, y = append(x, row), append(y, side == 1)
		}
	}
	return &regression{layers, fitLogisticCV(x, y)}, nil
}

// mostRegressed is the number of In and Out rows above which the regression is
// fitted on a sample of them.
const mostRegressed = 50_000

// sampleRows returns the numbers, in order, of n rows out of all that there are:
// every row if these are at most mostRegressed, else their share of a seeded sample
// of that many, but at least folds.
func sampleRows(n, all int) []int {
	wanted := n
	if all > mostRegressed {
		wanted = min(n, max(folds, int(int64(n)*mostRegressed/int64(all))))
	}
	rng := rand.New(rand.NewPCG(1, 0))
	var rows []int
	for i := range n {
		if rng.IntN(n-i) < wanted { // as in sampleBank
			rows = append(rows, i)
			wanted--
		}
	}
	return rows
}

func (r *regression) score(dst []float64, x Features) error {
	for i := range dst {
		dst[i] = r.bias
	}
	s := make([]float64, len(dst))
	for k, layer := range r.layers {
		if err := layer.score(s, x); err != nil {
			return err
		}
		for i, v := range s {
			dst[i] += r.weights[k] * v
		}
	}
	for i, v := range dst {
		dst[i] = -expit(v)
	}
	return nil
}

func (r *regression) encode(e *encoder) {
	e.floats(r.weights)
	e.floats([]float64{r.bias})
}

func decodeRegression(d *Detectors, r *decoder, _ string) detector {
	e := &regression{layers: d.decodeLayers(r)}
	e.weights = r.floats(len(e.layers), 1e50)
	for _, v := range r.floats(1, math.MaxFloat64) {
		e.bias = v
	}
	return e
}

// logistic is P(y) = 1/(1+exp(−w·x−b)).
type logistic struct {
	weights []float64
	bias    float64
}

// folds is the number of parts of the cross-validation.
const folds = 5

// fitLogisticCV selects the inverse penalty C as scikit-learn's
// LogisticRegressionCV does by default, and fits all rows with it: ten values
// from 1e−4 to 1e4, five stratified folds of consecutive rows, the best mean
// accuracy, the smallest C among equals.
func fitLogisticCV(x [][]float64, y []bool) logistic {
	const values = 10
	fold := stratify(y)
	bestC, best := 0.0, -1.0
	for i := range values {
		c := math.Pow(10, -4+8*float64(i)/(values-1))
		accuracy := 0.0
		for f := range folds {
			var trainX, testX [][]float64
			var trainY, testY []bool
			for j := range x {
				if fold[j] == f {
					testX, testY = append(testX, x[j]), append(testY, y[j])
				} else {
					trainX, trainY = append(trainX, x[j]), append(trainY, y[j])
				}
			}
			l := fitLogistic(trainX, trainY, c)
			right := 0
			for j, row := range testX {
				if (l.logit(row) > 0) == testY[j] {
					right++
				}
			}
			accuracy += float64(right) / float64(len(testX)) / folds
		}
		if accuracy > best+1e-12 { // ties up to rounding go to the smaller C
			bestC, best = c, accuracy
		}
	}
	return fitLogistic(x, y, bestC)
}

// stratify returns the fold of every row, as scikit-learn's StratifiedKFold
// assigns it. With the rows sorted by class, the class of the first row first,
// row i adds one to the number of rows that fold i mod folds takes of its class;
// then the rows of each class fill the folds in order.
func stratify(y []bool) []int {
	first := 0
	for _, v := range y {
		if v == y[0] {
			first++
		}
	}
	var quota [2][folds]int // of the class of the first row, and of the other
	for i := range y {
		if i < first {
			quota[0][i%folds]++
		} else {
			quota[1][i%folds]++
		}
	}
	fold := make([]int, len(y))
	var next [2]int
	for i, v := range y {
		class := 0
		if v != y[0] {
			class = 1
		}
		for quota[class][next[class]] == 0 {
			next[class]++
		}
		quota[class][next[class]]--
		fold[i] = next[class]
	}
	return fold
}

// fitLogistic minimises ½‖w‖² + C·Σ log(1+exp(−s·(w·x+b))), s = ±1, by
// Newton's method. The bias b is not penalised.
func fitLogistic(x [][]float64, y []bool, c float64) logistic {
	d := len(x[0])
	// Centring changes the bias alone, and makes the Hessian better conditioned.
	center := make([]float64, d)
	for _, row := range x {
		for j, v := range row {
			center[j] += v / float64(len(x))
		}
	}
	z := make([][]float64, len(x))
	for i, row := range x {
		z[i] = append(minus(row, center), 1)
	}
	w := make([]float64, d+1)
	loss := func(w []float64) float64 {
		sum := 0.0
		for _, v := range w[:d] {
			sum += v * v / 2
		}
		for i, row := range z {
			s := dot(w, row)
			if y[i] {
				s = -s
			}
			sum += c * (max(s, 0) + math.Log1p(math.Exp(-math.Abs(s))))
		}
		return sum
	}
	const iterations = 200
	now := loss(w)
	for range iterations {
		gradient, hessian := mat.NewVecDense(d+1, nil), mat.NewSymDense(d+1, nil)
		g, h := gradient.RawVector().Data, hessian.RawSymmetric()
		for j, v := range w[:d] {
			g[j] = v
			h.Data[j*h.Stride+j] = 1
		}
		for i, row := range z {
			p := expit(dot(w, row))
			curvature, slope := c*p*(1-p), c*p
			if y[i] {
				slope = c * (p - 1)
			}
			for j, v := range row {
				g[j] += slope * v
				for k := j; k <= d; k++ {
					h.Data[j*h.Stride+k] += curvature * v * row[k]
				}
			}
		}
		var chol mat.Cholesky
		var step mat.VecDense
		if !chol.Factorize(hessian) || chol.SolveVecTo(&step, gradient) != nil {
			break // flat to working precision
		}
		// The loss is convex and the step is a descent direction: halve it until
		// the loss no longer grows.
		next, t := make([]float64, d+1), 1.0
		for ; t > 1e-10; t /= 2 {
			for j := range next {
				next[j] = w[j] - t*step.AtVec(j)
			}
			if l := loss(next); l <= now {
				w, now = next, l
				break
			}
		}
		// Newton's decrement is twice the estimated distance to the minimum, which
		// the step just taken has covered.
		if t <= 1e-10 || mat.Dot(gradient, &step) < 1e-12*(1+now) {
			break
		}
	}
	l := logistic{weights: w[:d], bias: w[d]}
	l.bias -= dot(l.weights, center)
	return l
}

func (l logistic) logit(x []float64) float64 { return l.bias + dot(l.weights, x) }

func dot(a, b []float64) float64 {
	s := 0.0
	for j, v := range a {
		s += v * b[j]
	}
	return s
}
