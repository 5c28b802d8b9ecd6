package stats

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// logistic is P(y) = 1/(1+exp(−w·x−b)).
type logistic struct {
	weights []float64
	bias    float64
}

// folds is the number of parts of the cross-validation.
const folds = 5

// fitLogisticCV chooses the strength C of the penalty as scikit-learn's
// LogisticRegressionCV does by default, and fits with it on all rows: ten
// values from 1e−4 to 1e4, five stratified folds of consecutive rows, the best
// mean accuracy, the smallest C among equals.
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

// stratify gives every row its fold. Rows of each class go in order, with as
// many a fold as scikit-learn's StratifiedKFold deals: row i of all rows sorted
// by class counts for fold i mod folds. The first row's class sorts first.
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
// Newton's method; the bias has no penalty.
func fitLogistic(x [][]float64, y []bool, c float64) logistic {
	d := len(x[0])
	// Centring moves the bias only, and keeps the Hessian well conditioned.
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
		// The loss is convex and the step downhill: halve it until it is no
		// overshoot.
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
		// The decrement is twice what is left to gain, and the step just taken
		// has gained it.
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
