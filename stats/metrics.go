package stats

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Metric is a named value with its 95% interval.
type Metric struct {
	Name string
	Interval
}

// The metrics, in the order of [Metrics].
const (
	auroc = iota
	auprIn
	auprOut
	fprIn
	fprOut
	tnr95
	dtacc
	numMetrics
)

func metricNames() [numMetrics]string {
	return [...]string{"AUROC", "AUPR-In", "AUPR-Out", "FPR@95TPR", "FPR@95TPR-Out", "TNR@TPR95", "DTACC"}
}

// Bootstrap says how to resample. The zero value is ready to use.
type Bootstrap struct {
	Resamples int // 0 is 2000
	Seed      uint64
}

// Metrics returns the metrics of in against out, with 95% intervals from a
// stratified bootstrap: In and Out files are drawn again, each among
// themselves. The percentiles are corrected for bias (Efron 1981), because a
// metric that takes the best threshold, as DTACC does, finds a better one in
// every resample. Resample i has its own random numbers, from the seed and
// i, so that the intervals do not depend on the number of processors. Time
// grows with resamples times files: 2000 of 4,000 files take a few tenths of a
// second. Values are NaN when a side is empty. It panics when a score is NaN.
//
// They are, in this order:
//
//   - AUROC: ties count one half.
//   - AUPR-In, AUPR-Out: average precision Σ (R_k−R_{k−1})·P_k with In or Out as
//     the positives, as in scikit-learn.
//   - FPR@95TPR: share of Out kept at the first threshold that keeps 95% of In.
//   - FPR@95TPR-Out: share of In rejected at the first threshold that rejects
//     95% of Out, as in OpenOOD and pytorch-ood.
//   - TNR@TPR95: share of Out rejected where the share of In kept is nearest to
//     95%, the larger one of two equally near, as in Lee et al. (2018).
//   - DTACC: the best ½(TPR+TNR) over all thresholds.
func Metrics(in, out []float64, b Bootstrap) []Metric {
	r := newRanking(sortBoth(in, out))
	values := r.metrics(r.groups)
	all := make([]Metric, numMetrics)
	for k, name := range metricNames() {
		all[k] = Metric{Name: name, Interval: Interval{values[k], math.NaN(), math.NaN()}}
	}
	if r.m == 0 || r.n == 0 {
		return all
	}
	if b.Resamples == 0 {
		b.Resamples = 2000
	}
	draws := r.resample(b)
	for k := range all {
		s := make([]float64, len(draws))
		for i := range draws {
			s[i] = draws[i][k]
		}
		slices.Sort(s)
		// The bias in normal quantiles; 0 when the draws lie evenly around
		// the value.
		half := 0.5 / float64(len(s))
		z := distuv.UnitNormal.Quantile(max(half, min(rank(values[k], s), 1-half)))
		at := func(q float64) float64 {
			return stat.Quantile(distuv.UnitNormal.CDF(2*z+q), stat.LinInterp, s, nil)
		}
		all[k].Lo = min(values[k], at(-normalQuantile))
		all[k].Hi = max(values[k], at(normalQuantile))
	}
	return all
}

// resample returns the metrics of every resample.
func (r *ranking) resample(b Bootstrap) [][numMetrics]float64 {
	in, out := r.groupOf(func(g group) int { return g.in }), r.groupOf(func(g group) int { return g.out })
	draws := make([][numMetrics]float64, b.Resamples)
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), b.Resamples)
	for w := range workers {
		wg.Go(func() {
			groups := make([]group, len(r.groups))
			for i := w; i < b.Resamples; i += workers {
				rng := rand.New(rand.NewPCG(b.Seed, uint64(i)))
				clear(groups)
				for range in {
					groups[in[rng.IntN(len(in))]].in++
				}
				for range out {
					groups[out[rng.IntN(len(out))]].out++
				}
				draws[i] = r.metrics(groups)
			}
		})
	}
	wg.Wait()
	return draws
}

// groupOf lists the group of every file.
func (r *ranking) groupOf(count func(group) int) []int32 {
	var files []int32
	for i, g := range r.groups {
		for range count(g) {
			files = append(files, int32(i))
		}
	}
	return files
}

// metrics walks once over the thresholds, lowest first. A group without files
// is no threshold.
func (r *ranking) metrics(groups []group) [numMetrics]float64 {
	var v [numMetrics]float64
	if r.m == 0 || r.n == 0 {
		for k := range v {
			v[k] = math.NaN()
		}
		return v
	}
	m, n := float64(r.m), float64(r.n)
	tp, fp := r.m, r.n // kept at the present threshold
	twice := 0         // pairs in order, doubled
	nearest := math.Inf(1)
	v[fprIn], v[fprOut] = 1, math.NaN()
	for i := 0; ; i++ {
		tpr, fpr := float64(tp)/m, float64(fp)/n
		if tpr >= 0.95 {
			v[fprIn] = fpr
		}
		if math.IsNaN(v[fprOut]) && float64(r.n-fp)/n >= 0.95 {
			v[fprOut] = float64(r.m-tp) / m
		}
		if off := math.Abs(tpr - 0.95); off < nearest {
			nearest, v[tnr95] = off, 1-fpr
		}
		v[dtacc] = max(v[dtacc], (tpr+1-fpr)/2)
		for i < len(groups) && groups[i] == (group{}) {
			i++
		}
		if i == len(groups) {
			break
		}
		g := groups[i]
		v[auprIn] += float64(g.in) / m * float64(tp) / float64(tp+fp)
		tp -= g.in
		fp -= g.out
		twice += g.in * (2*(r.n-fp) - g.out)
		v[auprOut] += float64(g.out) / n * float64(r.n-fp) / float64(r.n-fp+r.m-tp)
	}
	v[auroc] = float64(twice) / (2 * m * n)
	return v
}
