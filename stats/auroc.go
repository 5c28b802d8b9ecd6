package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// AUROC is an area under the ROC curve of In against Out: the chance that an
// In file scores above an Out file, plus half the chance of a tie.
type AUROC struct {
	Interval
	Variance float64 // DeLong's; NaN with fewer than two files on a side
	P        float64 // two-sided, against 0.5; NaN with fewer than two files on a side
	// NullLo and NullHi are the band that holds 95 in 100 such AUROCs when In
	// and Out have one distribution.
	NullLo, NullHi float64
}

// DeLong returns the AUROC of in against out. Neither slice is changed. It is
// NaN when a side is empty. It panics when a score is NaN.
//
// With the placement of an In score x among the n Out scores
//
//	V(x) = (#{y<x} + ½#{y=x}) / n
//
// and likewise that of an Out score among the m In scores, the AUROC is the
// mean of V and its variance the sum of var(V)/size over both sides (DeLong,
// DeLong & Clarke-Pearson, Biometrics 1988). Sorting both sides gives all
// placements in one walk, as in Sun & Xu, "Fast Implementation of DeLong's
// Algorithm", IEEE SPL 2014.
//
// The interval is symmetric in logit(AUROC), which covers better than the
// plain one near 0 and 1 (Pepe 2003), and P is Brunner and Munzel's (2000):
// DeLong's variance with Student's t. Both take Welch's degrees of freedom;
// from some hundred files on that is the normal distribution. Near 0 and 1
// with few files on a side the placements vary too little to tell their
// variance, and the interval covers less: 90 to 94% in simulations of normal
// scores with AUROC 0.95 to 0.99 and 144 against 10 or 20 files or 400 against
// 50, where it misses towards the end three times as often as away from it.
//
// Complete separation leaves no variance. Of min(m,n) pairs without a common
// file all are then in order, which has chance AUROC^min(m,n): the interval
// ends where that is 2.5%. P is that of the permutation test, 2·m!n!/(m+n)!.
func DeLong(in, out []float64) AUROC {
	a, b := sortBoth(in, out)
	return deLong(a, b)
}

// deLong is DeLong on sorted scores.
func deLong(in, out []float64) AUROC {
	m, n := float64(len(in)), float64(len(out))
	if m == 0 || n == 0 {
		nan := math.NaN()
		return AUROC{Interval{nan, nan, nan}, nan, nan, nan, nan}
	}
	var a AUROC
	a.NullLo, a.NullHi = nullBand(in, out)

	twice := 0 // twice the number of pairs in order; exact, so that 0.5 is 0.5
	placements(in, out, func(v int) { twice += v })
	a.Value = float64(twice) / (2 * m * n)
	if m < 2 || n < 2 {
		a.Lo, a.Hi, a.Variance, a.P = 0, 1, math.NaN(), math.NaN()
		return a
	}
	varIn := placementVariance(in, out, a.Value)
	varOut := placementVariance(out, in, 1-a.Value)
	a.Variance = varIn + varOut
	switch {
	case a.Value == 0 || a.Value == 1:
		a.Interval = separated(a.Value, len(in), len(out))
		a.P = separatedP(len(in), len(out))
	case a.Variance == 0: // every score is the same
		a.Lo, a.Hi, a.P = a.Value, a.Value, 1
	default:
		df := welch(varIn, m-1, varOut, n-1)
		a.Interval = proportionInterval(a.Value, math.Sqrt(a.Variance), df)
		t := math.Abs(a.Value-0.5) / math.Sqrt(a.Variance)
		a.P = 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(t)
	}
	return a
}

// placements calls yield for every x in order with 2·#{y<x} + #{y=x}. Both
// slices are sorted.
func placements(x, y []float64, yield func(twice int)) {
	below, upTo := 0, 0
	for _, v := range x {
		for below < len(y) && y[below] < v {
			below++
		}
		upTo = max(upTo, below)
		for upTo < len(y) && y[upTo] == v {
			upTo++
		}
		yield(below + upTo)
	}
}

// placementVariance is the variance of the mean of the placements of x in y,
// which is known.
func placementVariance(x, y []float64, mean float64) float64 {
	sum, scale := 0.0, 1/(2*float64(len(y)))
	placements(x, y, func(twice int) {
		d := float64(twice)*scale - mean
		sum += d * d
	})
	n := float64(len(x))
	return sum / (n - 1) / n
}

// separated is the interval of an AUROC that is 0 or 1.
func separated(value float64, m, n int) Interval {
	reach := math.Pow((1-confidence)/2, 1/float64(min(m, n)))
	if value == 1 {
		return Interval{1, reach, 1}
	}
	return Interval{0, 0, 1 - reach}
}

// separatedP is 2·m!n!/(m+n)!: of all ways to label the files, two separate.
func separatedP(m, n int) float64 {
	lgamma := func(k int) float64 { v, _ := math.Lgamma(float64(k) + 1); return v }
	return min(1, 2*math.Exp(lgamma(m)+lgamma(n)-lgamma(m+n)))
}

// nullBand is the band of the AUROC when labels are shuffled among the sorted
// scores: 0.5 ± 1.96 standard deviations of Mann and Whitney's U, with
// the correction for ties.
func nullBand(in, out []float64) (lo, hi float64) {
	m, n := float64(len(in)), float64(len(out))
	total := m + n
	if total < 2 {
		return 0, 1
	}
	ties := 0.0 // Σ t³−t over groups of t equal scores
	i, j := 0, 0
	for i < len(in) || j < len(out) {
		var v float64
		if j == len(out) || i < len(in) && in[i] <= out[j] {
			v = in[i]
		} else {
			v = out[j]
		}
		t := -(i + j)
		for i < len(in) && in[i] == v {
			i++
		}
		for j < len(out) && out[j] == v {
			j++
		}
		if t += i + j; t > 1 {
			ties += float64(t) * (float64(t)*float64(t) - 1)
		}
	}
	variance := (total + 1 - ties/(total*(total-1))) / (12 * m * n)
	half := normalQuantile * math.Sqrt(max(0, variance))
	return max(0, 0.5-half), min(1, 0.5+half)
}
