package stats

import (
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Difference is one AUROC minus another that shares files with it.
type Difference struct {
	Interval
	Variance float64
	P        float64 // two-sided, against no difference
}

// PairedDetectors compares two detectors on the same files: inA[i] and inB[i]
// are scores of one In file, outA[i] and outB[i] of one Out file. It is the
// test of DeLong, DeLong & Clarke-Pearson (1988): the AUROCs differ by the mean
// of the differences of their placements, which are independent from file to
// file. P and interval are Student's with Welch's degrees of freedom. Fewer
// than two files on a side leave NaN.
func PairedDetectors(inA, outA, inB, outB []float64) Difference {
	if len(inA) != len(inB) || len(outA) != len(outB) {
		panic(fmt.Sprintf("stats: comparing %d and %d In files with %d and %d", len(inA), len(outA), len(inB), len(outB)))
	}
	return difference(inA, outA, inB, outB, true)
}

// PairedSplits compares a detector on two Out splits that are held against the
// same In files: outA and outB are independent, the placements of the In files
// are not.
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
	// Each part is the variance of a mean with its own degrees of freedom.
	squares := 0.0
	for _, v := range parts {
		n := float64(len(v))
		s, m := 0.0, mean(v)
		for _, x := range v {
			s += (x - m) * (x - m)
		}
		part := s / (n - 1) / n // NaN for fewer than two
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
	default: // both are separated or constant
		a, b := DeLong(inA, outA), DeLong(inB, outB)
		d.Lo, d.Hi = a.Lo-b.Hi, a.Hi-b.Lo
		d.P = min(a.P, b.P)
	}
	return d
}

// allPlacements returns the placement of every In score among the Out scores,
// and the chance of an In score above every Out score, in the order given.
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

// rank is the share of sorted below x, plus half the share equal to it.
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

// mean is NaN for no values.
func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// Holm corrects p-values for being several: each, from the smallest on, is
// multiplied by the number of those not smaller, and none is less than the one
// before (Holm 1979). NaN stays NaN and is not counted.
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
