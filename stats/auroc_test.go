package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// files are files that are groups of their own.
func files(scores []float64) Sample { return Sample{Scores: scores} }

// deLong is AUROCOf for files that are groups of their own.
func deLong(in, out []float64) AUROC { return AUROCOf(files(in), files(out)) }

// pairwise is the definition: every pair, and the variance of the means over
// its rows and columns.
func pairwise(in, out []float64) (auc, variance float64) {
	rows, cols := make([]float64, len(in)), make([]float64, len(out))
	for i, x := range in {
		for j, y := range out {
			v := 0.0
			if y < x {
				v = 1
			} else if y == x {
				v = 0.5
			}
			auc += v
			rows[i] += v / float64(len(out))
			cols[j] += v / float64(len(in))
		}
	}
	auc /= float64(len(in) * len(out))
	for _, side := range [][]float64{rows, cols} {
		s := 0.0
		for _, v := range side {
			s += (v - auc) * (v - auc)
		}
		variance += s / float64(len(side)-1) / float64(len(side))
	}
	return auc, variance
}

func TestDeLongAgainstPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for trial := range 200 {
		in, out := normals(rng, 2+rng.IntN(40), 0.5), normals(rng, 2+rng.IntN(40), 0)
		if trial%2 == 1 { // many ties
			for _, s := range [][]float64{in, out} {
				for i := range s {
					s[i] = math.Round(s[i])
				}
			}
		}
		auc, variance := pairwise(in, out)
		got := deLong(in, out)
		if math.Abs(got.Value-auc) > 1e-12 || math.Abs(got.Variance-variance) > 1e-12 {
			t.Fatalf("trial %d: %v, variance %v; want %v, %v", trial, got.Value, got.Variance, auc, variance)
		}
		if got.Lo > got.Value || got.Hi < got.Value || got.Lo < 0 || got.Hi > 1 {
			t.Fatalf("trial %d: %v", trial, got)
		}
	}
}

func TestDeLongAtTheEdges(t *testing.T) {
	same := []float64{3, 3, 3}
	if a := deLong(same, same); a.Value != 0.5 || a.Variance != 0 || a.P != 1 {
		t.Errorf("constant scores: %+v", a)
	}
	in, out := []float64{4, 5, 6}, []float64{1, 2, 3}
	// 2 of the 20 ways to label six files separate them.
	if a := deLong(in, out); a.Value != 1 || a.Hi != 1 || math.Abs(a.P-0.1) > 1e-12 || math.Abs(math.Pow(a.Lo, 3)-0.025) > 1e-12 {
		t.Errorf("separated: %+v", a)
	}
	if a := deLong(out, in); a.Value != 0 || a.Lo != 0 || math.Abs(math.Pow(1-a.Hi, 3)-0.025) > 1e-12 {
		t.Errorf("separated the wrong way: %+v", a)
	}
	if a := deLong(in[:1], out); a.Value != 1 || a.Lo != 0 || a.Hi != 1 || !math.IsNaN(a.P) {
		t.Errorf("one file: %+v", a)
	}
	if a := deLong(nil, out); !math.IsNaN(a.Value) {
		t.Errorf("no file: %+v", a)
	}
}

// Against a constant detector the paired test is the one against 0.5.
func TestDifferenceFromAConstant(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 1))
	in, out := normals(rng, 40, 0.4), normals(rng, 30, 0)
	a := deLong(in, out)
	d := PairedDetectors(files(in), files(out), make([]float64, 40), make([]float64, 30))
	if !near(d.Value, a.Value-0.5, 1e-12) || !near(d.Variance, a.Variance, 1e-12) || !near(d.P, a.P, 1e-9) {
		t.Errorf("difference %+v, AUROC %+v", d, a)
	}
}

func TestDifferencesWithoutVariance(t *testing.T) {
	in, out := []float64{4, 5, 6}, []float64{1, 2, 3}
	same := []float64{0, 0, 0}
	if d := PairedDetectors(files(in), files(out), same, same); d.Value != 0.5 || math.Abs(d.P-0.1) > 1e-12 || d.Lo >= 0.5 || d.Hi < 0.5 {
		t.Errorf("separated against constant: %+v", d)
	}
	if d := PairedSplits(files(in), files(out), files(out[:1])); !math.IsNaN(d.P) {
		t.Errorf("a split of one file: %+v", d)
	}
}

func TestHolm(t *testing.T) {
	nan := math.NaN()
	// From Holm's procedure by hand: 4·0.01, 3·0.02, 2·0.03 and then no less.
	got := Holm([]float64{0.04, 0.01, nan, 0.03, 0.02})
	want := []float64{0.06, 0.04, nan, 0.06, 0.06}
	for i := range want {
		if math.IsNaN(want[i]) != math.IsNaN(got[i]) || math.Abs(got[i]-want[i]) > 1e-12 {
			t.Errorf("%v, want %v", got, want)
		}
	}
	if got := Holm([]float64{0.9, 0.8}); !slices.Equal(got, []float64{1, 1}) {
		t.Errorf("large p-values become %v", got)
	}
}

// These tests simulate files whose true AUROC is known: In scores of a normal
// distribution with mean μ, Out scores with mean 0, and AUROC = Φ(μ/√2).

const draws = 2000

func shiftFor(auroc float64) float64 { return math.Sqrt2 * distuv.UnitNormal.Quantile(auroc) }

// covers fails unless hits of draws intervals are 93 to 97%.
func covers(t *testing.T, hits int) {
	t.Helper()
	if share := float64(hits) / draws; share < 0.93 || share > 0.97 {
		t.Errorf("%.1f%% of the intervals cover, not 93 to 97%%", 100*share)
	}
}

// uniform fails unless p-values pass Kolmogorov and Smirnov's test at 1%.
func uniform(t *testing.T, p []float64) {
	t.Helper()
	slices.Sort(p)
	n, d := float64(len(p)), 0.0
	for i, v := range p {
		d = max(d, v-float64(i)/n, float64(i+1)/n-v)
	}
	if limit := 1.628 / math.Sqrt(n); !(d <= limit) {
		t.Errorf("p-values are %.4f from uniform, more than %.4f", d, limit)
	}
}

func TestIntervalsCover(t *testing.T) {
	for _, c := range []struct {
		auroc float64
		m, n  int
	}{{0.5, 200, 100}, {0.8, 100, 50}, {0.95, 100, 50}, {0.97, 400, 200}, {0.7, 300, 10}, {0.6, 100, 5}} {
		t.Run(fmt.Sprintf("auroc=%v/in=%d/out=%d", c.auroc, c.m, c.n), func(t *testing.T) {
			tooLow, tooHigh := misses(c.auroc, c.m, c.n)
			covers(t, draws-tooLow-tooHigh)
		})
	}
}

// misses counts the intervals that lie below and above the true AUROC.
func misses(auroc float64, m, n int) (tooLow, tooHigh int) {
	rng := rand.New(rand.NewPCG(10, 1))
	for range draws {
		a := deLong(normals(rng, m, shiftFor(auroc)), normals(rng, n, 0))
		if a.Hi < auroc {
			tooLow++
		}
		if a.Lo > auroc {
			tooHigh++
		}
	}
	return tooLow, tooHigh
}

// The limit that the comment of AUROCOf states.
func TestIntervalsNearOneCoverLess(t *testing.T) {
	for _, c := range []struct {
		auroc float64
		m, n  int
	}{{0.95, 144, 10}, {0.97, 144, 10}, {0.97, 144, 20}, {0.98, 144, 20}, {0.99, 144, 20}, {0.99, 400, 50}} {
		t.Run(fmt.Sprintf("auroc=%v/in=%d/out=%d", c.auroc, c.m, c.n), func(t *testing.T) {
			tooLow, tooHigh := misses(c.auroc, c.m, c.n)
			share := 1 - float64(tooLow+tooHigh)/draws
			if share < 0.885 || share > 0.95 { // 90 to 94%, and two deviations of 2000 draws
				t.Errorf("%.1f%% of the intervals cover", 100*share)
			}
			if tooHigh < 2*tooLow {
				t.Errorf("%d intervals are too near 1, %d too far from it", tooHigh, tooLow)
			}
		})
	}
}

func TestWithoutDrift(t *testing.T) {
	for _, c := range []struct {
		m, n  int
		round float64 // scores are rounded to multiples, so that they tie
	}{{200, 100, 0}, {50, 400, 0}, {150, 150, 0.5}} {
		t.Run(fmt.Sprintf("in=%d/out=%d/round=%v", c.m, c.n, c.round), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(10, 2))
			p := make([]float64, draws)
			inBand := 0
			for i := range p {
				in, out := normals(rng, c.m, 0), normals(rng, c.n, 0)
				if c.round > 0 {
					for _, s := range [][]float64{in, out} {
						for j := range s {
							s[j] = math.Round(s[j]/c.round) * c.round
						}
					}
				}
				a := deLong(in, out)
				p[i] = a.P
				if a.NullLo <= a.Value && a.Value <= a.NullHi {
					inBand++
				}
			}
			uniform(t, p)
			covers(t, inBand)
		})
	}
}

// Two detectors that see the same drift through different noise, and two
// splits of the same drift against one In.
func TestEqualAUROCsDoNotDiffer(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 3))
	detectors, splits := make([]float64, draws), make([]float64, draws)
	hits := 0
	for i := range draws {
		in, outA, outB := normals(rng, 120, 1), normals(rng, 80, 0), normals(rng, 60, 0)
		inA, inB := add(in, normals(rng, 120, 0)), add(in, normals(rng, 120, 0))
		d := PairedDetectors(files(inA), files(add(outA, normals(rng, 80, 0))), inB, add(outA, normals(rng, 80, 0)))
		if d.Lo <= 0 && 0 <= d.Hi {
			hits++
		}
		detectors[i] = d.P
		splits[i] = PairedSplits(files(in), files(outA), files(outB)).P
	}
	uniform(t, detectors)
	uniform(t, splits)
	covers(t, hits)
}

func add(a, b []float64) []float64 {
	s := make([]float64, len(a))
	for i := range s {
		s[i] = a[i] + b[i]
	}
	return s
}

func TestBootstrapAgreesWithDeLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 4))
	ratio := 0.0
	const trials = 40
	for range trials {
		in, out := normals(rng, 300, 1), normals(rng, 200, 0)
		a, b := deLong(in, out), Metrics(files(in), files(out), Bootstrap{Resamples: 10})[auroc].Interval
		if b != a.Interval {
			t.Errorf("two intervals of one AUROC: %v and %v", b, a.Interval)
		}
		r := newRanking(sortBoth(in, out))
		drawn := r.resample(fileUnits(r.in), fileUnits(r.out), Bootstrap{Resamples: 1000, Seed: 1})
		lo, hi := percentiles(drawn, auroc, a.Value, normalQuantile)
		if math.Abs(lo-a.Lo) > 0.01 || math.Abs(hi-a.Hi) > 0.01 {
			t.Errorf("bootstrap [%v, %v], DeLong %v", lo, hi, a.Interval)
		}
		ratio += (hi - lo) / (a.Hi - a.Lo) / trials
	}
	if ratio < 0.97 || ratio > 1.03 {
		t.Errorf("bootstrap intervals are %.3f times as wide as DeLong's", ratio)
	}
}

// The true value of a metric without a closed form is that of very many files.
func TestBootstrapIntervalsCover(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 5))
	truth := newRanking(sortBoth(normals(rng, 400_000, 1.5), normals(rng, 400_000, 0)))
	want := truth.metrics()
	var hits [numMetrics]int
	const trials = 400
	for range trials {
		for k, m := range Metrics(files(normals(rng, 200, 1.5)), files(normals(rng, 200, 0)), Bootstrap{Resamples: 200}) {
			if m.Lo <= want[k] && want[k] <= m.Hi {
				hits[k]++
			}
		}
	}
	for k, name := range metricNames() {
		// DTACC is the least: the best of many thresholds stays a little too
		// good.
		if share := float64(hits[k]) / trials; share < 0.85 {
			t.Errorf("%s: %.1f%% of the intervals cover", name, 100*share)
		}
	}
}

func TestBootstrapIsTheSameOnAnyNumberOfProcessors(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 6))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, size := range []int{100, mostResampled} { // of which the second is resampled in batches
		in, out := normals(rng, size, 1), normals(rng, 70, 0)
		runtime.GOMAXPROCS(1)
		want := Metrics(files(in), files(out), Bootstrap{Seed: 5})
		for _, n := range []int{2, 3, 8} {
			runtime.GOMAXPROCS(n)
			if got := Metrics(files(in), files(out), Bootstrap{Seed: 5}); !slices.Equal(got, want) {
				t.Errorf("%d files on %d processors: %v, want %v", size, n, got, want)
			}
		}
		if other := Metrics(files(in), files(out), Bootstrap{Seed: 6}); slices.Equal(other, want) {
			t.Errorf("%d files: another seed gives the same intervals", size)
		}
	}
}

// The metrics of resampled batches, counted in bins, are distributed as those of
// resampled files or groups. A standard deviation of 2,000 draws is known to 1.6%.
func TestBatchesAgreeWithFiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 8))
	rounded := func(v []float64) []float64 {
		for i := range v {
			v[i] = math.Round(8 * v[i])
		}
		return v
	}
	grouped := func(d groupDesign, mean float64, first int) Sample { return d.draw(rng, mean, first) }
	for _, tc := range []struct {
		name    string
		in, out Sample
	}{
		{"files", files(normals(rng, 2000, 1)), files(normals(rng, 3000, 0))},
		{"few In", files(normals(rng, 60, 1)), files(normals(rng, 3000, 0))},
		{"few Out", files(normals(rng, 3000, 1)), files(normals(rng, 60, 0))},
		{"near 1", files(normals(rng, 2000, 3)), files(normals(rng, 2000, 0))},
		{"ties", files(rounded(normals(rng, 2000, 1))), files(rounded(normals(rng, 2000, 0)))},
		{"many groups", grouped(groupDesign{1500, 2, 0.5}, 1, 0), grouped(groupDesign{1500, 2, 0.5}, 0, 1e6)},
		{"few groups", grouped(groupDesign{30, 50, 0.5}, 1, 0), grouped(groupDesign{50, 40, 0.5}, 0, 1e6)},
	} {
		name, in, out := tc.name, tc.in, tc.out
		r := newRanking(sortBoth(in.Scores, out.Scores))
		number, n := numberGroups(in, out)
		unitsIn, unitsOut := fileUnits(r.in), fileUnits(r.out)
		if n > 0 {
			unitsIn, unitsOut = r.groupUnits(in.Scores, number[0], n), r.groupUnits(out.Scores, number[1], n)
		}
		b := Bootstrap{Resamples: 2000, Seed: 1}
		exact, got := r.resample(unitsIn, unitsOut, b), r.resampleBatches(unitsIn, unitsOut, b, r.metrics())
		for k, metric := range metricNames() {
			want, sd := stat.MeanStdDev(metricDraws(exact, k), nil)
			mean, gotSD := stat.MeanStdDev(metricDraws(got, k), nil)
			t.Logf("%s, %s: %.5f ± %.5f: off by %+.2f deviations, which is %.3f times as large", name, metric, want, sd, (mean-want)/sd, gotSD/sd)
			if math.Abs(mean-want) > 0.12*sd || math.Abs(gotSD/sd-1) > 0.08 {
				t.Errorf("%s, %s: %v ± %v, want %v ± %v", name, metric, mean, gotSD, want, sd)
			}
		}
	}
}

// Class 1 scores lower than class 0 in both spans, and there is more of it
// later: nothing has drifted but the mix.
func TestBalancedAUROCIgnoresTheMix(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 7))
	draw := func(n int, share float64) (scores []float64, class []int) {
		for range n {
			c := 0
			if rng.Float64() < share {
				c = 1
			}
			class = append(class, c)
			scores = append(scores, rng.NormFloat64()-3*float64(c))
		}
		return scores, class
	}
	hits, plain := 0, 0.0
	for range draws {
		in, inClass := draw(150, 0.2)
		out, outClass := draw(100, 0.7)
		balanced, each := PerClass(files(in), inClass, files(out), outClass, 2)
		if balanced.Lo <= 0.5 && 0.5 <= balanced.Hi {
			hits++
		}
		plain += deLong(in, out).Value / draws
		if want := (each[0].Value + each[1].Value) / 2; balanced.Value != want {
			t.Fatalf("balanced %v, mean %v", balanced.Value, want)
		}
	}
	covers(t, hits)
	if plain < 0.6 {
		t.Errorf("the plain AUROC, %.3f, does not see the mix", plain)
	}
}

// tprAt reads a curve at an FPR, straight between its points.
func tprAt(curve [][2]float64, fpr float64) (lo, hi float64) {
	lo, hi = 1, 0
	for i, p := range curve {
		if p[0] == fpr {
			lo, hi = min(lo, p[1]), max(hi, p[1])
		}
		if i > 0 && curve[i-1][0] < fpr && fpr < p[0] {
			q := curve[i-1]
			v := q[1] + (p[1]-q[1])*(fpr-q[0])/(p[0]-q[0])
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}

func TestROC(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 1))
	for _, n := range []int{1, 10, 5000} {
		in, out := normals(rng, n, 1), normals(rng, n+3, 0)
		curve := ROC(in, out, 200)
		if len(curve) > 200 || curve[0] != [2]float64{0, 0} || curve[len(curve)-1] != [2]float64{1, 1} {
			t.Fatalf("%d files: %d points from %v to %v", n, len(curve), curve[0], curve[len(curve)-1])
		}
		area := 0.0
		for i, p := range curve[1:] {
			q := curve[i]
			if p[0] < q[0] || p[1] < q[1] {
				t.Fatalf("%d files: the curve falls from %v to %v", n, q, p)
			}
			area += (p[0] - q[0]) * (p[1] + q[1]) / 2
		}
		if want := deLong(in, out).Value; math.Abs(area-want) > 0.001 {
			t.Errorf("%d files: area %v, AUROC %v", n, area, want)
		}
		// Every point of the full curve is close to the thinned one.
		for _, p := range ROC(in, out, 1_000_000) {
			if lo, hi := tprAt(curve, p[0]); p[1] < lo-0.011 || p[1] > hi+0.011 {
				t.Errorf("%d files: at FPR %v the full curve is at %v, the thinned one at %v to %v", n, p[0], p[1], lo, hi)
			}
		}
	}
	if ROC(nil, []float64{1}, 200) != nil {
		t.Error("a curve of no In files")
	}
	if curve := ROC([]float64{1, 1}, []float64{1}, 200); len(curve) != 2 {
		t.Errorf("constant scores give %v, not the diagonal", curve)
	}
}

func TestThreshold(t *testing.T) {
	for _, c := range []struct {
		scores []float64
		want   float64
	}{
		{[]float64{20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 2}, // keeps 19 of 20
		{[]float64{3, 1, 2}, 1},
		{[]float64{5, 5, 5, 5}, 5},
	} {
		got := Threshold(c.scores, 0.95)
		if below := Below(files(c.scores), got).Value; got != c.want || below > 0.05 {
			t.Errorf("%v: threshold %v, want %v, rejects %v", c.scores, got, c.want, below)
		}
	}
	if got := Threshold(nil, 0.95); !math.IsNaN(got) {
		t.Errorf("no scores: %v", got)
	}
}

func TestHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 2))
	in, out := normals(rng, 4000, 1), normals(rng, 1000, 0)
	in[0] = -1e9 // must not leave all others in one bin
	edges := Edges(40, in, out)
	if len(edges) != 41 || edges[0] < -4 || edges[40] > 5 {
		t.Fatalf("edges %v", edges)
	}
	for _, scores := range [][]float64{in, out} {
		sum := 0.0
		shares := Histogram(edges, scores)
		for b, share := range shares {
			sum += share
			if b == 0 || b == 39 {
				continue
			}
			count := 0
			for _, s := range scores {
				if edges[b] <= s && s < edges[b+1] {
					count++
				}
			}
			if math.Abs(share-float64(count)/float64(len(scores))) > 1e-9 {
				t.Errorf("bin %d has the share %v of %d, and %d in it", b, share, len(scores), count)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("shares add up to %v", sum)
		}
	}
	if shares := Histogram(Edges(4, []float64{7, 7}), []float64{7, 7}); shares[2] != 1 {
		t.Errorf("constant scores: %v", shares)
	}
}

func TestSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	for _, n := range []int{0, 1, 100, 5000} {
		s := normals(rng, n, 0)
		if n > 3 {
			s[0], s[1], s[2], s[3] = math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1)
		}
		want := slices.Clone(s)
		slices.Sort(want)
		if got := sorted(s); !slices.Equal(got, want) {
			t.Errorf("%d scores come out of order", n)
		}
	}
	if got := sorted(make([]float64, 5000)); !slices.Equal(got, make([]float64, 5000)) {
		t.Error("constant scores change")
	}
}

func TestKthLargest(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 2))
	for trial := range 300 {
		v := normals(rng, 1+rng.IntN(80), 0)
		if trial%2 == 0 {
			for i := range v {
				v[i] = math.Round(v[i])
			}
		}
		want := sorted(v)
		slices.Reverse(want)
		k := 1 + rng.IntN(len(v))
		if got := kthLargest(v, k); got != want[k-1] {
			t.Fatalf("trial %d: %v, want %v", trial, got, want[k-1])
		}
	}
}

func BenchmarkDeLong(b *testing.B) {
	for _, n := range []int{10_000, 10_000_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			in, out := normals(rng, n/2, 1), normals(rng, n/2, 0)
			for b.Loop() {
				deLong(in, out)
			}
		})
	}
}

func BenchmarkPairedDetectors(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 8))
	const n = 100_000
	inA, inB, outA, outB := normals(rng, n/2, 1), normals(rng, n/2, 1), normals(rng, n/2, 0), normals(rng, n/2, 0)
	b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
		for b.Loop() {
			PairedDetectors(files(inA), files(outA), inB, outB)
		}
	})
}

func BenchmarkMetrics(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 7))
	in, out := normals(rng, 1000, 1), normals(rng, 3000, 0)
	b.Run("in=1000/out=3000/resamples=2000", func(b *testing.B) {
		for b.Loop() {
			Metrics(files(in), files(out), Bootstrap{})
		}
	})
}

// Where scores pile up, bins are narrow there, and no bin but that of one value
// holds more than its part.
func TestReadableEdges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	normal, piled := make([]float64, 500), make([]float64, 500)
	for i := range normal {
		normal[i], piled[i] = r.NormFloat64(), 1-math.Exp(-12*r.Float64())
	}
	if got, want := ReadableEdges(40, normal), Edges(40, normal); !slices.Equal(got, want) {
		t.Errorf("scores that do not pile up: %v, want %v", got, want)
	}
	edges := ReadableEdges(40, piled)
	if h := Histogram(edges, piled); len(h) != 40 || slices.Max(h) > 0.05 || !slices.IsSorted(edges) {
		t.Errorf("scores that pile up: %v, %v", edges, h)
	}
	for i := range piled[:400] {
		piled[i] = 0
	}
	edges = ReadableEdges(40, piled, normal[:3])
	h := Histogram(edges, piled)
	sum := 0.0
	for _, x := range h {
		sum += x
	}
	zero, _ := slices.BinarySearch(edges, 0)
	if math.Abs(sum-1) > 1e-12 || h[zero] < 0.8 || len(slices.Compact(slices.Clone(edges))) != len(edges) {
		t.Errorf("400 of 500 scores are 0: %v, %v", edges, h)
	}
	if got := ReadableEdges(40, make([]float64, 10)); len(got) != 41 {
		t.Errorf("a constant score: %v", got)
	}
}
