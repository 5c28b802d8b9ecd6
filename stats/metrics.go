package stats

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sort"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
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

// Bootstrap configures resampling. The zero value is ready to use.
type Bootstrap struct {
	Resamples int // 0 means 2000
	Seed      uint64
}

// Metrics returns the metrics of the scores in against the scores out, in this
// order; TPR and FPR are the shares of In and Out files at or above a threshold,
// and TNR = 1 − FPR:
//
//   - AUROC: ties count one half.
//   - AUPR-In, AUPR-Out: average precision Σ (R_k−R_{k−1})·P_k with In or Out as
//     the positives, as in scikit-learn.
//   - FPR@95TPR: FPR at the highest threshold with TPR ≥ 95%.
//   - FPR@95TPR-Out: the same with Out as the positives, which score low: the
//     share of In below the lowest threshold that has 95% of Out below it, as in
//     OpenOOD and pytorch-ood.
//   - TNR@TPR95: TNR where TPR is nearest to 95%, and if two are equally near,
//     at the larger TPR, as in Lee et al. (2018).
//   - DTACC: the maximum of ½(TPR+TNR) over all thresholds.
//
// The interval of the AUROC is that of [AUROCOf]. The others come from a stratified
// bootstrap, which resamples the groups of In and of Out separately. Percentiles
// are corrected for bias (Efron 1981), because a metric at the best threshold,
// such as DTACC, is larger in a resample than in the sample. Near an AUROC of 0.5
// the interval of DTACC covers about 70% all the same. If files share groups, the
// bootstrap is too narrow: in place of the normal quantile 1.96 it takes
// t_df·max(1, √Variance/sd), with df and Variance of the AUROC and sd the standard
// deviation of its resamples. Resample i has its own random numbers, from the seed
// and i, so that the intervals do not depend on the number of processors. The time
// is proportional to resamples times files: 2000 resamples of 4,000 files take a
// few tenths of a second.
//
// With more than 20,000 files on the two sides together, what is resampled is at
// most 1,000 batches a side, into which the groups are dealt at random, from the
// seed; and the files of a batch are counted in bins of scores, about 1,500, that are fine
// where the thresholds of the metrics lie. What the bins change in a metric of all
// files is taken off its resamples. The width of such an interval has a standard
// deviation of 2% from the batches, 1/√(2·1000), and the time hardly grows with the
// files.
//
// Values are NaN if a side is empty. Intervals from the bootstrap are NaN if every
// resample has the same value, if files share groups and there is one resample, or if AUROCOf has no interval or a variance that is
// 0 or NaN: if the sides are separated, the scores are all equal, or a side has one
// file. Metrics panics as AUROCOf does.
func Metrics(in, out Sample, b Bootstrap) []Metric {
	sortedIn, sortedOut := sortBoth(in.Scores, out.Scores)
	a := aurocOf(in, out, sortedIn, sortedOut)
	r := newRanking(sortedIn, sortedOut)
	values := r.metrics()
	all := make([]Metric, numMetrics)
	for k, name := range metricNames() {
		all[k] = Metric{Name: name, Interval: Interval{values[k], math.NaN(), math.NaN()}}
	}
	all[auroc].Interval = a.Interval
	if math.IsNaN(a.Lo) || !(a.Variance > 0) {
		return all
	}
	if b.Resamples == 0 {
		b.Resamples = 2000
	}
	number, groups := numberGroups(in, out)
	unitsIn, unitsOut := fileUnits(r.in), fileUnits(r.out)
	if groups > 0 {
		unitsIn, unitsOut = r.groupUnits(in.Scores, number[0], groups), r.groupUnits(out.Scores, number[1], groups)
	}
	var draws [][numMetrics]float64
	if len(in.Scores)+len(out.Scores) > mostResampled {
		draws = r.resampleBatches(unitsIn, unitsOut, b, values)
	} else {
		draws = r.resample(unitsIn, unitsOut, b)
	}
	quantile := normalQuantile
	if groups > 0 {
		sd := stat.StdDev(metricDraws(draws, auroc), nil)
		if !(sd > 0) { // such as of one resample
			return all
		}
		quantile = studentsQuantile(a.DF) * max(1, math.Sqrt(a.Variance)/sd)
	}
	for k := auroc + 1; k < numMetrics; k++ {
		if lo, hi := percentiles(draws, k, values[k], quantile); lo < hi {
			all[k].Lo, all[k].Hi = lo, hi
		}
	}
	return all
}

// percentiles returns the bias-corrected interval of metric k, whose value is
// known, from its resamples.
func percentiles(draws [][numMetrics]float64, k int, value, quantile float64) (lo, hi float64) {
	s := metricDraws(draws, k)
	slices.Sort(s)
	// The bias as a normal quantile: 0 if half of the draws are below the value.
	half := 0.5 / float64(len(s))
	z := distuv.UnitNormal.Quantile(max(half, min(rank(value, s), 1-half)))
	at := func(q float64) float64 {
		return stat.Quantile(distuv.UnitNormal.CDF(2*z+q), stat.LinInterp, s, nil)
	}
	return min(value, at(-quantile)), max(value, at(quantile))
}

// metricDraws returns metric k of every resample.
func metricDraws(draws [][numMetrics]float64, k int) []float64 {
	s := make([]float64, len(draws))
	for i := range draws {
		s[i] = draws[i][k]
	}
	return s
}

// units is what the bootstrap draws from one side: its files, or its groups.
type units struct {
	at    []int32 // the index in ranking.scores of every file
	start []int32 // at[start[u]:start[u+1]] are the files of group u; nil for files
}

// fileUnits returns the files of one side, with their number at each score.
func fileUnits(counts []int32) units {
	var u units
	for i, n := range counts {
		for range n {
			u.at = append(u.at, int32(i))
		}
	}
	return u
}

// groupUnits returns the groups of one side: group[i] is that of scores[i], less
// than groups.
func (r *ranking) groupUnits(scores []float64, group []int, groups int) units {
	of := make([][]int32, groups)
	for i, v := range scores {
		of[group[i]] = append(of[group[i]], int32(sort.SearchFloat64s(r.scores, v)))
	}
	u := units{start: []int32{0}}
	for _, at := range of {
		if len(at) > 0 {
			u.at = append(u.at, at...)
			u.start = append(u.start, int32(len(u.at)))
		}
	}
	return u
}

// draw draws as many units as there are with replacement, counts their files by
// score, and returns how many these are.
func (u *units) draw(counts []int32, rng *rand.Rand) (files int) {
	clear(counts)
	if u.start == nil {
		for range u.at {
			counts[u.at[rng.IntN(len(u.at))]]++
		}
		return len(u.at)
	}
	for range len(u.start) - 1 {
		k := rng.IntN(len(u.start) - 1)
		at := u.at[u.start[k]:u.start[k+1]]
		for _, i := range at {
			counts[i]++
		}
		files += len(at)
	}
	return files
}

// resample returns the metrics of every resample of the units of both sides.
func (r *ranking) resample(in, out units, b Bootstrap) [][numMetrics]float64 {
	draws := make([][numMetrics]float64, b.Resamples)
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), b.Resamples)
	for w := range workers {
		wg.Go(func() {
			drawn := ranking{in: make([]int32, len(r.scores)), out: make([]int32, len(r.scores))}
			for i := w; i < b.Resamples; i += workers {
				rng := rand.New(rand.NewPCG(b.Seed, uint64(i)))
				drawn.m = in.draw(drawn.in, rng)
				drawn.n = out.draw(drawn.out, rng)
				draws[i] = drawn.metrics()
			}
		})
	}
	wg.Wait()
	return draws
}

// The number of files of both sides above which batches are resampled, how many
// batches there are, and how fine the bins are, see [ranking.bins].
const (
	mostResampled = 20_000
	mostBatches   = 1_000
	binShare      = 1.0 / 256
	binStep       = 1.0 / 16
)

// bins returns the bin of every score of r, and the number of bins. A bin is a run
// of scores. It ends when the shares of In and of Out in it add up to binShare, and
// where a metric needs it earlier: when its share of a side is binStep of the
// distance, as a share of that side, to the lowest or the highest score, which
// precision needs, or to the threshold of 95% TPR or 95% TNR, which moves from
// resample to resample. A score that would fill a bin alone has its own.
func (r *ranking) bins() (of []int32, n int) {
	of = make([]int32, len(r.scores))
	var bin [2]float64   // shares of In and Out in this bin
	var below [2]float64 // and up to its end
	points := [2]float64{0.05, 0.95}
	full := func(share [2]float64) bool {
		for k, v := range share {
			if v > 0 && v >= binStep*min(below[k], 1-below[k], math.Abs(below[k]-points[k])) {
				return true
			}
		}
		return share[0]+share[1] >= binShare
	}
	for i := range of {
		score := [2]float64{float64(r.in[i]) / float64(r.m), float64(r.out[i]) / float64(r.n)}
		for k, v := range score {
			below[k] += v
		}
		if bin != [2]float64{} && full(score) {
			bin = [2]float64{}
			n++
		}
		of[i] = int32(n)
		for k, v := range score {
			bin[k] += v
		}
		if full(bin) {
			bin = [2]float64{}
			n++
		}
	}
	return of, int(of[len(of)-1]) + 1
}

// batches deals the units into batches at random and returns the number of files
// of every batch in each of n bins, row-major. bin[i] is that of score i of the
// ranking.
func (u *units) batches(bin []int32, n int, rng *rand.Rand) blas32.General {
	k := len(u.at)
	if u.start != nil {
		k = len(u.start) - 1
	}
	b := blas32.General{Rows: min(k, mostBatches), Cols: n, Stride: n}
	b.Data = make([]float32, b.Rows*n)
	for i, unit := range rng.Perm(k) {
		counts := b.Data[i%b.Rows*n:][:n]
		files := u.at[unit : unit+1 : unit+1]
		if u.start != nil {
			files = u.at[u.start[unit]:u.start[unit+1]]
		}
		for _, at := range files {
			counts[bin[at]]++
		}
	}
	return b
}

// resampleBatches is resample for many files: it draws batches of units, and counts
// files in bins. values are the metrics of all files.
func (r *ranking) resampleBatches(in, out units, b Bootstrap, values [numMetrics]float64) [][numMetrics]float64 {
	bin, n := r.bins()
	whole := ranking{in: make([]int32, n), out: make([]int32, n)}
	for i, k := range bin {
		whole.in[k] += r.in[i]
		whole.out[k] += r.out[i]
	}
	whole.m, whole.n = r.m, r.n
	offset := whole.metrics()
	for k, v := range values {
		offset[k] = v - offset[k]
	}
	rng := rand.New(rand.NewPCG(b.Seed, math.MaxUint64)) // no resample has this number
	sides := [2]blas32.General{in.batches(bin, n, rng), out.batches(bin, n, rng)}

	const block = 64 // resamples of a matrix product, whose counts are whole numbers
	type buffers struct {
		times, counts [2]blas32.General
		drawn         ranking
	}
	draws := make([][numMetrics]float64, b.Resamples)
	eachBlock(b.Resamples, block, func() *buffers {
		s := &buffers{drawn: ranking{in: make([]int32, n), out: make([]int32, n)}}
		for k, side := range sides {
			s.times[k] = blas32.General{Rows: block, Cols: side.Rows, Stride: side.Rows, Data: make([]float32, block*side.Rows)}
			s.counts[k] = blas32.General{Rows: block, Cols: n, Stride: n, Data: make([]float32, block*n)}
		}
		return s
	}, func(s *buffers, lo, hi int) error {
		clear(s.times[0].Data)
		clear(s.times[1].Data)
		for i := range hi - lo {
			rng := rand.New(rand.NewPCG(b.Seed, uint64(lo+i)))
			for k, side := range sides {
				times := s.times[k].Data[i*side.Rows:][:side.Rows]
				for range side.Rows {
					times[rng.IntN(side.Rows)]++
				}
			}
		}
		for k, side := range sides {
			blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, s.times[k], side, 0, s.counts[k])
		}
		for i := range hi - lo {
			s.drawn.m = toCounts(s.drawn.in, s.counts[0].Data[i*n:])
			s.drawn.n = toCounts(s.drawn.out, s.counts[1].Data[i*n:])
			draws[lo+i] = s.drawn.metrics()
			for k, v := range offset {
				draws[lo+i][k] = max(0, min(draws[lo+i][k]+v, 1))
			}
		}
		return nil
	})
	return draws
}

// toCounts writes the first numbers of counts to dst, and returns their sum.
func toCounts(dst []int32, counts []float32) (sum int) {
	for i := range dst {
		dst[i] = int32(counts[i])
		sum += int(dst[i])
	}
	return sum
}

// metrics computes the metrics in one pass over the thresholds from the lowest. A
// score without files is no threshold.
func (r *ranking) metrics() [numMetrics]float64 {
	var v [numMetrics]float64
	if r.m == 0 || r.n == 0 {
		for k := range v {
			v[k] = math.NaN()
		}
		return v
	}
	m, n := float64(r.m), float64(r.n)
	tp, fp := r.m, r.n // files at or above the threshold
	twice := 0         // twice the number of pairs in order
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
		for i < len(r.in) && r.in[i] == 0 && r.out[i] == 0 {
			i++
		}
		if i == len(r.in) {
			break
		}
		tiedIn, tiedOut := int(r.in[i]), int(r.out[i])
		v[auprIn] += float64(tiedIn) / m * float64(tp) / float64(tp+fp)
		tp -= tiedIn
		fp -= tiedOut
		twice += tiedIn * (2*(r.n-fp) - tiedOut)
		v[auprOut] += float64(tiedOut) / n * float64(r.n-fp) / float64(r.n-fp+r.m-tp)
	}
	v[auroc] = float64(twice) / (2 * m * n)
	return v
}
