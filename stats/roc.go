package stats

import (
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/stat"
)

// ranking counts In and Out files by score. Its thresholds are the distinct
// scores, so that no operating point separates files with equal scores.
type ranking struct {
	m, n    int       // In and Out files
	scores  []float64 // distinct, lowest first
	in, out []int32   // files of each of these scores
}

// newRanking merges sorted scores.
func newRanking(in, out []float64) ranking {
	most := len(in) + len(out)
	r := ranking{m: len(in), n: len(out), scores: make([]float64, 0, most), in: make([]int32, 0, most), out: make([]int32, 0, most)}
	for i, j := 0, 0; i < len(in) || j < len(out); {
		v := math.Inf(1)
		if i < len(in) {
			v = in[i]
		}
		if j < len(out) {
			v = min(v, out[j])
		}
		var tiedIn, tiedOut int32
		for ; i < len(in) && in[i] == v; i++ {
			tiedIn++
		}
		for ; j < len(out) && out[j] == v; j++ {
			tiedOut++
		}
		r.scores, r.in, r.out = append(r.scores, v), append(r.in, tiedIn), append(r.out, tiedOut)
	}
	return r
}

// ROC returns the ROC curve as pairs (FPR, TPR) from (0,0) to (1,1): the shares of
// Out and In files that score at or above a threshold. It has at most points
// points; the full curve nowhere departs from it by more than 2/(points−2) in
// FPR plus TPR. ROC returns nil if a side is empty, and panics if points < 3 or a
// score is NaN.
func ROC(in, out []float64, points int) [][2]float64 {
	if points < 3 {
		panic("stats: an ROC curve of fewer than 3 points")
	}
	if len(in) == 0 || len(out) == 0 {
		return nil
	}
	r := newRanking(sortBoth(in, out))
	step := 2 / float64(points-2) // FPR plus TPR goes from 0 to 2
	curve := [][2]float64{{0, 0}}
	last := 0.0 // FPR+TPR of the last point
	tp, fp := 0, 0
	for i := len(r.scores) - 1; i >= 0; i-- {
		tp += int(r.in[i])
		fp += int(r.out[i])
		tpr, fpr := float64(tp)/float64(r.m), float64(fp)/float64(r.n)
		if i == 0 || tpr+fpr-last >= step {
			curve = append(curve, [2]float64{fpr, tpr})
			last = tpr + fpr
		}
	}
	return curve
}

// Threshold returns the largest of scores at or above which at least the given
// share of them lies: the threshold of 95% TPR for In scores and share 0.95. It
// returns NaN if there are no scores or share > 1, and panics if a score is NaN.
func Threshold(scores []float64, share float64) float64 {
	check(scores)
	s := sorted(scores)
	for i := range s {
		k := i + 1 // scores at or above the k-th largest
		if float64(k)/float64(len(s)) >= share {
			return s[len(s)-k]
		}
	}
	return math.NaN()
}

// Below returns the share of scores less than threshold, which are rejected, with
// the interval of [Proportion]. It is NaN if there are no scores; a NaN among the
// scores or as the threshold counts as not less.
func Below(s Sample, threshold float64) Interval {
	rejected := make([]bool, len(s.Scores))
	for i, v := range s.Scores {
		rejected[i] = v < threshold
	}
	return Proportion(rejected, s.Groups)
}

// Edges returns the bins+1 edges of bins of equal width from the 0.5% to the 99.5%
// quantile of all scores together, so that a few outliers do not leave the rest
// in one bin. Around a constant score the bins have a small positive width.
// Edges returns nil if there are no scores, and panics if a score is NaN. bins must
// be positive, and the two quantiles finite.
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
	if lo == hi {
		pad := max(math.Abs(lo)/1000, 0.5)
		lo, hi = lo-pad, hi+pad
	}
	edges := make([]float64, bins+1)
	for i := range edges {
		edges[i] = lo + (hi-lo)*float64(i)/float64(bins)
	}
	return edges
}

// ReadableEdges returns the edges of [Edges], unless more than half of the scores of
// one sample are in one bin of these. The edges are then the distinct quantiles of
// all scores together at equal steps, at most bins+1, so that bins are narrow where
// scores pile up. With fewer than three such quantiles they are those of Edges.
func ReadableEdges(bins int, scores ...[]float64) []float64 {
	edges := Edges(bins, scores...)
	piled := func(s []float64) bool { return slices.Max(Histogram(edges, s)) > 0.5 }
	if edges == nil || !slices.ContainsFunc(scores, piled) {
		return edges
	}
	all := sorted(slices.Concat(scores...))
	var quantiles []float64
	for i := range bins + 1 {
		quantiles = append(quantiles, all[i*(len(all)-1)/bins])
	}
	if quantiles = slices.Compact(quantiles); len(quantiles) < 3 {
		return edges
	}
	return quantiles
}

// Histogram returns the share of scores in each bin of edges, which are those of
// [Edges] or [ReadableEdges]. Scores outside count in the first or the last bin, so
// that the shares sum to 1; without scores all are 0. Histogram panics if there
// are fewer than two edges or a score is NaN.
func Histogram(edges, scores []float64) []float64 {
	shares := make([]float64, len(edges)-1)
	if !evenly(edges) {
		check(scores)
		for _, s := range scores {
			after, found := slices.BinarySearch(edges, s)
			if !found {
				after--
			}
			shares[max(0, min(after, len(shares)-1))] += 1 / float64(len(scores))
		}
		return shares
	}
	for _, s := range scores {
		at := float64(len(shares)) * (s - edges[0]) / (edges[len(edges)-1] - edges[0])
		shares[int(max(0, min(at, float64(len(shares)-1))))] += 1 / float64(len(scores))
	}
	return shares
}

// evenly reports whether edges are equally spaced but for rounding.
func evenly(edges []float64) bool {
	n := len(edges) - 1
	width := (edges[n] - edges[0]) / float64(n)
	for i := range n {
		if math.Abs(edges[i+1]-edges[i]-width) > width/100 {
			return false
		}
	}
	return true
}

// sortBoth returns sorted copies of in and out. It panics if a score is NaN.
func sortBoth(in, out []float64) (a, b []float64) {
	check(in)
	check(out)
	var wg sync.WaitGroup
	wg.Go(func() { a = sorted(in) })
	b = sorted(out)
	wg.Wait()
	return a, b
}

// check panics if a score is NaN, which cannot be sorted.
func check(scores []float64) {
	for _, v := range scores {
		if v != v {
			panic("stats: a score is NaN")
		}
	}
}

// sorted returns a sorted copy of scores, none of which is NaN. Many scores are
// sorted by radix, byte by byte, in a fifth of the time of comparisons.
func sorted(scores []float64) []float64 {
	const fewScores = 2048
	s := slices.Clone(scores)
	if len(s) < fewScores {
		slices.Sort(s)
		return s
	}
	keys, spare := make([]uint64, len(s)), make([]uint64, len(s))
	var counts [8][256]int
	for i, v := range s {
		k := sortKey(v)
		keys[i] = k
		for b := range counts {
			counts[b][byte(k>>(8*b))]++
		}
	}
	for b := range counts {
		count := &counts[b]
		if count[byte(keys[0]>>(8*b))] == len(keys) {
			continue // every key has the same byte
		}
		next := 0
		for v, n := range count {
			count[v] = next
			next += n
		}
		for _, k := range keys {
			at := &count[byte(k>>(8*b))]
			spare[*at] = k
			*at++
		}
		keys, spare = spare, keys
	}
	for i, k := range keys {
		s[i] = fromSortKey(k)
	}
	return s
}

// sortKey maps floats to integers in the same order: the bits of positive numbers
// are in order already, those of negative ones in reverse.
func sortKey(v float64) uint64 {
	b := math.Float64bits(v)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

func fromSortKey(k uint64) float64 {
	return math.Float64frombits(k ^ (uint64(int64(^k)>>63) | 1<<63))
}

// kthLargest returns the k-th largest of v, k from 1, by Hoare's selection, which
// reorders v.
func kthLargest[T float32 | float64](v []T, k int) T {
	lo, hi, at := 0, len(v)-1, k-1
	for lo < hi {
		pivot := v[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for v[i] > pivot {
				i++
			}
			for v[j] < pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case at <= j:
			hi = j
		case at >= i:
			lo = i
		default:
			return v[at]
		}
	}
	return v[at]
}
