package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// ranking is In and Out scores merged: the operating points of a detector,
// from the one that rejects nothing up. Every distinct score is one threshold,
// so that a point which splits ties cannot be chosen.
type ranking struct {
	m, n   int // In and Out files
	groups []group
}

// group is the files of one score.
type group struct{ in, out int }

// newRanking merges sorted scores, lowest first.
func newRanking(in, out []float64) ranking {
	r := ranking{m: len(in), n: len(out)}
	for i, j := 0, 0; i < len(in) || j < len(out); {
		v := math.Inf(1)
		if i < len(in) {
			v = in[i]
		}
		if j < len(out) {
			v = min(v, out[j])
		}
		var g group
		for ; i < len(in) && in[i] == v; i++ {
			g.in++
		}
		for ; j < len(out) && out[j] == v; j++ {
			g.out++
		}
		r.groups = append(r.groups, g)
	}
	return r
}

// ROC returns the curve of TPR (share of In kept) against FPR (share of Out
// kept), from (0,0) to (1,1), in at most points points: no point of the full
// curve is further than 2/(points−2) from it in FPR and TPR together. It
// returns nil when a side is empty, and panics for fewer than 3 points.
func ROC(in, out []float64, points int) [][2]float64 {
	if points < 3 {
		panic("stats: an ROC curve of fewer than 3 points")
	}
	if len(in) == 0 || len(out) == 0 {
		return nil
	}
	r := newRanking(sortBoth(in, out))
	step := 2 / float64(points-2) // the curve is 2 long, in FPR plus TPR
	curve := [][2]float64{{0, 0}}
	kept := 0.0 // FPR+TPR of the last point
	tp, fp := 0, 0
	for i := len(r.groups) - 1; i >= 0; i-- {
		tp += r.groups[i].in
		fp += r.groups[i].out
		tpr, fpr := float64(tp)/float64(r.m), float64(fp)/float64(r.n)
		if i == 0 || tpr+fpr-kept >= step {
			curve = append(curve, [2]float64{fpr, tpr})
			kept = tpr + fpr
		}
	}
	return curve
}

// Threshold is the largest score that keeps at least the share keep of scores
// at or above it; NaN when there are none.
func Threshold(scores []float64, keep float64) float64 {
	check(scores)
	s := sorted(scores)
	for i := range s { // the k-th from above keeps k/n
		k := i + 1
		if float64(k)/float64(len(s)) >= keep {
			return s[len(s)-k]
		}
	}
	return math.NaN()
}

// Below is the share of scores under a threshold: what it rejects.
func Below(scores []float64, threshold float64) float64 {
	n := 0
	for _, s := range scores {
		if s < threshold {
			n++
		}
	}
	return float64(n) / float64(len(scores))
}

// Edges returns bins+1 edges of equal bins over the middle 99% of all scores
// together: a few far outliers would leave the rest in one bin. It returns
// nil when there are no scores.
func Edges(bins int, scores ...[]float64) []float64 {
	var all []float64
	for _, s := range scores {
		all = append(all, s...)
	}
	if len(all) == 0 {
		return nil
	}
	check(all)
	all = sorted(all)
	lo := stat.Quantile(0.005, stat.Empirical, all, nil)
	hi := stat.Quantile(0.995, stat.Empirical, all, nil)
	if lo == hi { // give a constant score a bin that has a width
		pad := max(math.Abs(lo)/1000, 0.5)
		lo, hi = lo-pad, hi+pad
	}
	edges := make([]float64, bins+1)
	for i := range edges {
		edges[i] = lo + (hi-lo)*float64(i)/float64(bins)
	}
	return edges
}

// Histogram returns the share of scores in each bin of edges. The first and
// the last bin take what lies outside, so that the shares add up to 1.
func Histogram(edges, scores []float64) []float64 {
	shares := make([]float64, len(edges)-1)
	for _, s := range scores {
		at := int(float64(len(shares)) * (s - edges[0]) / (edges[len(edges)-1] - edges[0]))
		shares[max(0, min(at, len(shares)-1))] += 1 / float64(len(scores))
	}
	return shares
}
