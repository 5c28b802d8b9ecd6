package stats

import (
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// confidence is the confidence level of every interval of this package.
const confidence = 0.95

// Interval is a value with its 95% confidence interval [Lo, Hi].
type Interval struct{ Value, Lo, Hi float64 }

// normalQuantile is the (1+confidence)/2 quantile of the standard normal.
const normalQuantile = 1.959963984540054

// proportionInterval returns the interval of a mean p of values in [0, 1] with
// standard error se: logit(p) ± t_df·se/(p(1−p)), which never leaves [0, 1]. p
// must not be 0 or 1.
func proportionInterval(p, se, df float64) Interval {
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile((1 + confidence) / 2)
	logit, width := math.Log(p/(1-p)), t*se/(p*(1-p))
	return Interval{Value: p, Lo: expit(logit - width), Hi: expit(logit + width)}
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// welch returns the degrees of freedom of a+b, two variances that were estimated
// with dfA and dfB (Welch–Satterthwaite).
func welch(a, dfA, b, dfB float64) float64 {
	return (a + b) * (a + b) / (a*a/dfA + b*b/dfB)
}

// String formats the value and its interval as "0.712 [0.690, 0.733]".
func (i Interval) String() string { return fmt.Sprintf("%.3f [%.3f, %.3f]", i.Value, i.Lo, i.Hi) }

// AUROC is the area under the ROC curve of In against Out: the probability that
// an In file scores above an Out file, plus half the probability of a tie.
type AUROC struct {
	Interval
	Variance float64 // DeLong's; NaN with fewer than two files on a side
	P        float64 // two-sided, against 0.5; NaN with fewer than two files on a side
	// NullLo and NullHi contain the AUROC with probability 95% if the In and the
	// Out files have the same distribution.
	NullLo, NullHi float64
}

// DeLong returns the AUROC of the scores in against the scores out, and does not
// change them. Every field is NaN if a side is empty. With one file on a side the
// interval is [0, 1], and Variance and P are NaN. DeLong panics if a score is NaN.
//
// With the placement of an In score x among the n Out scores
//
//	V(x) = (#{y<x} + ½#{y=x}) / n
//
// and the placement of an Out score among the m In scores likewise, the AUROC is
// the mean of V, and its variance is the sum of var(V)/size over the two sides
// (DeLong, DeLong & Clarke-Pearson, Biometrics 1988). One pass over the sorted
// scores yields all placements (Sun & Xu, "Fast Implementation of DeLong's
// Algorithm", IEEE SPL 2014).
//
// The interval is symmetric in logit(AUROC), which covers better near 0 and 1
// than one symmetric in AUROC (Pepe 2003). P is that of Brunner & Munzel (2000):
// DeLong's variance with Student's t. Both use Welch's degrees of freedom. Near 0
// and 1 with few files on a side the variance of the placements is poorly
// estimated and the interval covers less: 90 to 94% in simulations of normal
// scores with AUROC 0.95 to 0.99 and 144 against 10 or 20 files or 400 against
// 50, where it lies beyond the true AUROC, towards 0 or 1, three times as often
// as short of it.
//
// If the sides are completely separated, the variance is zero. Then min(m,n)
// pairs that share no file are all in order, which has probability
// AUROC^min(m,n): the interval ends where that is 2.5%. P is that of the
// permutation test, 2·m!n!/(m+n)!.
func DeLong(in, out []float64) AUROC {
	a, b := sortBoth(in, out)
	return deLong(a, b)
}

// deLong is DeLong for sorted scores.
func deLong(in, out []float64) AUROC {
	m, n := float64(len(in)), float64(len(out))
	if m == 0 || n == 0 {
		nan := math.NaN()
		return AUROC{Interval{nan, nan, nan}, nan, nan, nan, nan}
	}
	var a AUROC
	a.NullLo, a.NullHi = nullBand(in, out)

	twice := 0 // twice the number of pairs in order, an exact integer
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

// placements calls yield with 2·#{y<x} + #{y=x} for every x in order. x and y
// are sorted.
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

// placementVariance returns the variance of mean, the mean placement of x in y.
func placementVariance(x, y []float64, mean float64) float64 {
	sum, scale := 0.0, 1/(2*float64(len(y)))
	placements(x, y, func(twice int) {
		d := float64(twice)*scale - mean
		sum += d * d
	})
	n := float64(len(x))
	return sum / (n - 1) / n
}

// separated returns the interval of an AUROC that is 0 or 1.
func separated(value float64, m, n int) Interval {
	reach := math.Pow((1-confidence)/2, 1/float64(min(m, n)))
	if value == 1 {
		return Interval{1, reach, 1}
	}
	return Interval{0, 0, 1 - reach}
}

// separatedP returns 2·m!n!/(m+n)!: two of all the ways to label the files
// separate them.
func separatedP(m, n int) float64 {
	lgamma := func(k int) float64 { v, _ := math.Lgamma(float64(k) + 1); return v }
	return min(1, 2*math.Exp(lgamma(m)+lgamma(n)-lgamma(m+n)))
}

// nullBand returns 0.5 ± 1.96 standard deviations of the AUROC under permutation
// of the labels of sorted scores: those of Mann and Whitney's U, corrected for
// ties.
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

// PerClass returns the AUROC of the files of each class and the mean of these
// AUROCs. A change in the mix of classes, which moves the AUROC of all files
// together, does not move that mean. inClass[i] is the class of in[i], less than
// classes; a file of a negative class is left out.
//
// The mean is over the C classes that have at least two files on each side. Its
// interval combines theirs, which are independent (MOVER, Zou & Donner 2008):
// lo = mean − √Σ(A_c−lo_c)² / C, and hi likewise.
//
// balanced is NaN if there is no such class, and each[c] as [DeLong] of the files
// of class c: NaN if it has none on a side. PerClass panics if a slice of classes
// has another length than its scores, if a class is not below classes, or if a
// score is NaN.
func PerClass(in []float64, inClass []int, out []float64, outClass []int, classes int) (balanced Interval, each []AUROC) {
	inOf, outOf := byClass(in, inClass, classes), byClass(out, outClass, classes)
	each = make([]AUROC, classes)
	var sum, below, above, count float64
	for c := range classes {
		a := DeLong(inOf[c], outOf[c])
		each[c] = a
		if len(inOf[c]) < 2 || len(outOf[c]) < 2 {
			continue
		}
		count++
		sum += a.Value
		below += (a.Value - a.Lo) * (a.Value - a.Lo)
		above += (a.Hi - a.Value) * (a.Hi - a.Value)
	}
	value := sum / count // 0/0 is NaN
	return Interval{value, value - math.Sqrt(below)/count, value + math.Sqrt(above)/count}, each
}

func byClass(scores []float64, class []int, classes int) [][]float64 {
	if len(scores) != len(class) {
		panic(fmt.Sprintf("stats: %d scores with %d classes", len(scores), len(class)))
	}
	of := make([][]float64, classes)
	for i, c := range class {
		if c >= 0 {
			of[c] = append(of[c], scores[i])
		}
	}
	return of
}

// Difference is the difference of two AUROCs that share files, A − B.
type Difference struct {
	Interval
	Variance float64
	P        float64 // two-sided, against a difference of 0
}

// PairedDetectors compares two detectors, A and B, on the same files: inA[i] and
// inB[i] are the scores of one In file, outA[i] and outB[i] of one Out file. It is
// the test of DeLong, DeLong & Clarke-Pearson (1988): the difference of the
// AUROCs is the mean difference of the placements, which are independent between
// files. P and the interval use Student's t with Welch's degrees of freedom.
//
// With one file on a side all fields but Value are NaN, and with none Value too.
// PairedDetectors panics if the scores of A and B differ in number or a score is
// NaN.
func PairedDetectors(inA, outA, inB, outB []float64) Difference {
	if len(inA) != len(inB) || len(outA) != len(outB) {
		panic(fmt.Sprintf("stats: comparing %d and %d In files with %d and %d", len(inA), len(outA), len(inB), len(outB)))
	}
	return difference(inA, outA, inB, outB, true)
}

// PairedSplits compares one detector on two Out splits, A and B, that share no
// file, against the same In files. It is NaN and panics as [PairedDetectors].
func PairedSplits(in, outA, outB []float64) Difference {
	return difference(in, outA, in, outB, false)
}

func difference(inA, outA, inB, outB []float64, sameOut bool) Difference {
	vInA, vOutA := allPlacements(inA, outA)
	vInB, vOutB := allPlacements(inB, outB)
	var d Difference
	d.Value = mean(vInA) - mean(vInB)
	parts := [][]float64{minus(vInA, vInB)}
	if sameOut {
		parts = append(parts, minus(vOutA, vOutB))
	} else {
		parts = append(parts, vOutA, vOutB)
	}
	// Each part is a mean, whose variance has its own degrees of freedom.
	squares := 0.0
	for _, v := range parts {
		n := float64(len(v))
		s, m := 0.0, mean(v)
		for _, x := range v {
			s += (x - m) * (x - m)
		}
		part := s / (n - 1) / n // NaN for fewer than two files
		d.Variance += part
		squares += part * part / (n - 1)
	}
	switch {
	case math.IsNaN(d.Variance):
		d.Lo, d.Hi, d.P = math.NaN(), math.NaN(), math.NaN()
	case d.Variance > 0:
		t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: d.Variance * d.Variance / squares}
		se := math.Sqrt(d.Variance)
		half := t.Quantile((1+confidence)/2) * se
		d.Lo, d.Hi = max(-1, d.Value-half), min(1, d.Value+half)
		d.P = 2 * t.Survival(math.Abs(d.Value)/se)
	case d.Value == 0:
		d.P = 1
	default: // each of the two is completely separated or constant
		a, b := DeLong(inA, outA), DeLong(inB, outB)
		d.Lo, d.Hi = a.Lo-b.Hi, a.Hi-b.Lo
		d.P = min(a.P, b.P)
	}
	return d
}

// allPlacements returns, in the order given, the placement of every In score
// among the Out scores, and one minus that of every Out score among the In
// scores.
func allPlacements(in, out []float64) (vIn, vOut []float64) {
	a, b := sortBoth(in, out)
	vIn, vOut = make([]float64, len(in)), make([]float64, len(out))
	for i, x := range in {
		vIn[i] = rank(x, b)
	}
	for i, y := range out {
		vOut[i] = 1 - rank(y, a)
	}
	return vIn, vOut
}

// rank returns the share of sorted that is less than x, plus half the share that
// equals x.
func rank(x float64, sorted []float64) float64 {
	below := sort.SearchFloat64s(sorted, x)
	upTo := below + sort.Search(len(sorted)-below, func(i int) bool { return sorted[below+i] > x })
	return float64(below+upTo) / (2 * float64(len(sorted)))
}

func minus(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	return d
}

// mean returns NaN for no values.
func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// Holm corrects p for multiple testing (Holm 1979). The k-th smallest of n
// p-values, k from 1, becomes the largest of min(1, (n−j+1)·p_(j)) over j ≤ k. NaN
// stays NaN and does not count in n. The result has the order of p.
func Holm(p []float64) []float64 {
	corrected := make([]float64, len(p))
	var order []int
	for i, v := range p {
		if math.IsNaN(v) {
			corrected[i] = v
		} else {
			order = append(order, i)
		}
	}
	sort.Slice(order, func(i, j int) bool { return p[order[i]] < p[order[j]] })
	least := 0.0
	for rank, i := range order {
		least = max(least, min(1, p[i]*float64(len(order)-rank)))
		corrected[i] = least
	}
	return corrected
}
