package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

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
		a := DeLong(normals(rng, m, shiftFor(auroc)), normals(rng, n, 0))
		if a.Hi < auroc {
			tooLow++
		}
		if a.Lo > auroc {
			tooHigh++
		}
	}
	return tooLow, tooHigh
}

// The limit that the comment of DeLong states.
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
				a := DeLong(in, out)
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
		d := PairedDetectors(inA, add(outA, normals(rng, 80, 0)), inB, add(outA, normals(rng, 80, 0)))
		if d.Lo <= 0 && 0 <= d.Hi {
			hits++
		}
		detectors[i] = d.P
		splits[i] = PairedSplits(in, outA, outB).P
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
		a, b := DeLong(in, out), Metrics(in, out, Bootstrap{Resamples: 1000, Seed: 1})[auroc]
		if b.Value != a.Value || math.Abs(b.Lo-a.Lo) > 0.01 || math.Abs(b.Hi-a.Hi) > 0.01 {
			t.Errorf("bootstrap %v, DeLong %v", b.Interval, a.Interval)
		}
		ratio += (b.Hi - b.Lo) / (a.Hi - a.Lo) / trials
	}
	if ratio < 0.97 || ratio > 1.03 {
		t.Errorf("bootstrap intervals are %.3f times as wide as DeLong's", ratio)
	}
}

// The true value of a metric without a closed form is that of very many files.
func TestBootstrapIntervalsCover(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 5))
	truth := newRanking(sortBoth(normals(rng, 400_000, 1.5), normals(rng, 400_000, 0)))
	want := truth.metrics(truth.groups)
	var hits [numMetrics]int
	const trials = 400
	for range trials {
		for k, m := range Metrics(normals(rng, 200, 1.5), normals(rng, 200, 0), Bootstrap{Resamples: 200}) {
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
	in, out := normals(rng, 100, 1), normals(rng, 70, 0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := Metrics(in, out, Bootstrap{Seed: 5})
	for _, n := range []int{2, 3, 8} {
		runtime.GOMAXPROCS(n)
		if got := Metrics(in, out, Bootstrap{Seed: 5}); !slices.Equal(got, want) {
			t.Errorf("on %d processors: %v, want %v", n, got, want)
		}
	}
	if other := Metrics(in, out, Bootstrap{Seed: 6}); slices.Equal(other, want) {
		t.Error("another seed gives the same intervals")
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
		balanced, each := PerClass(in, inClass, out, outClass, 2)
		if balanced.Lo <= 0.5 && 0.5 <= balanced.Hi {
			hits++
		}
		plain += DeLong(in, out).Value / draws
		if want := (each[0].Value + each[1].Value) / 2; balanced.Value != want {
			t.Fatalf("balanced %v, mean %v", balanced.Value, want)
		}
	}
	covers(t, hits)
	if plain < 0.6 {
		t.Errorf("the plain AUROC, %.3f, does not see the mix", plain)
	}
}
