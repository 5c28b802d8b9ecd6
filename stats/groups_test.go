package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// independent is AUROCOf for files that are groups of their own, from its
// definition.
func independent(in, out []float64) (a Interval, variance, p, nullLo, nullHi float64) {
	sortedIn, sortedOut := sortBoth(in, out)
	m, n := float64(len(in)), float64(len(out))
	nullLo = max(0, 0.5-normalQuantile*nullDeviation(sortedIn, sortedOut))
	nullHi = min(1, 0.5+normalQuantile*nullDeviation(sortedIn, sortedOut))
	twice := 0
	placements(sortedIn, sortedOut, func(v int) { twice += v })
	a.Value = float64(twice) / (2 * m * n)
	varIn := placementVariance(sortedIn, sortedOut, a.Value)
	varOut := placementVariance(sortedOut, sortedIn, 1-a.Value)
	variance = varIn + varOut
	if a.Value == 0 || a.Value == 1 {
		return separated(a.Value, min(m, n)), variance, separatedP(len(in), len(out)), nullLo, nullHi
	}
	df := (varIn + varOut) * (varIn + varOut) / (varIn*varIn/(m-1) + varOut*varOut/(n-1))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}
	half := t.Quantile((1+confidence)/2) * math.Sqrt(variance) / (a.Value * (1 - a.Value))
	logit := math.Log(a.Value / (1 - a.Value))
	a.Lo, a.Hi = expit(logit-half), expit(logit+half)
	return a, variance, 2 * t.Survival(math.Abs(a.Value-0.5)/math.Sqrt(variance)), nullLo, nullHi
}

// alone gives every file a group of its own: by numbers, by negative numbers, or
// by none.
func alone(rng *rand.Rand, scores []float64, first int) Sample {
	s := Sample{Scores: scores}
	switch rng.IntN(3) {
	case 0:
		for i := range scores {
			s.Groups = append(s.Groups, first+i)
		}
	case 1:
		for range scores {
			s.Groups = append(s.Groups, -1-rng.IntN(2))
		}
	}
	return s
}

// Numbers of files that share no group are those of independent files, to the
// last bit.
func TestFilesThatShareNoGroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 1))
	for trial := range 500 {
		sizes := []int{2 + rng.IntN(40), 2 + rng.IntN(40), 2 + rng.IntN(40)}
		var scores [3][]float64
		for k, n := range sizes {
			scores[k] = normals(rng, n, 0.5*float64(k))
			if trial%2 == 1 { // many ties
				for i, v := range scores[k] {
					scores[k][i] = math.Round(v)
				}
			}
		}
		in, out, other := alone(rng, scores[0], 0), alone(rng, scores[1], 100), alone(rng, scores[2], 200)
		a := AUROCOf(in, out)
		if !(a.Variance > 0) && a.Value != 0 && a.Value != 1 {
			continue // all scores are equal
		}
		want, variance, p, nullLo, nullHi := independent(scores[0], scores[1])
		if a.Interval != want || a.Variance != variance || a.P != p || a.NullLo != nullLo || a.NullHi != nullHi {
			t.Fatalf("trial %d: %+v, want %v, variance %v, p %v, band [%v, %v]", trial, a, want, variance, p, nullLo, nullHi)
		}
		if a.GroupsIn != sizes[0] || a.EffectiveGroupsOut != float64(sizes[1]) || a.DesignEffect != 1 || a.EffectiveIn != float64(sizes[0]) {
			t.Fatalf("trial %d: %+v", trial, a)
		}

		b := normals(rng, sizes[0], 0)
		bOut := normals(rng, sizes[1], 0)
		vInA, vOutA := allPlacements(scores[0], scores[1])
		vInB, vOutB := allPlacements(b, bOut)
		same(t, PairedDetectors(in, out, b, bOut), mean(vInA)-mean(vInB), minus(vInA, vInB), minus(vOutA, vOutB))
		_, vOutB = allPlacements(scores[0], scores[2])
		vInB, _ = allPlacements(scores[0], scores[2])
		same(t, PairedSplits(in, out, other), mean(vInA)-mean(vInB), minus(vInA, vInB), vOutA, vOutB)

		classIn, classOut := cycle(sizes[0], 2), cycle(sizes[1], 2)
		got, _ := PerClass(in, classIn, out, classOut, 2)
		if want, _ := PerClass(files(scores[0]), classIn, files(scores[1]), classOut, 2); got != want && !math.IsNaN(want.Value) {
			t.Fatalf("trial %d: class-balanced %v, want %v", trial, got, want)
		}
		options := Bootstrap{Resamples: 20, Seed: uint64(trial)}
		for k, m := range Metrics(in, out, options) {
			if want := Metrics(files(scores[0]), files(scores[1]), options)[k]; m != want && !math.IsNaN(want.Lo) {
				t.Fatalf("trial %d: %v, want %v", trial, m, want)
			}
		}
		hits, k := make([]bool, sizes[0]), rng.IntN(sizes[0]+1)
		for i := range k {
			hits[i] = true
		}
		if got := Proportion(hits, in.Groups); got != Wilson(k, sizes[0]) {
			t.Fatalf("trial %d: %d of %d: %v, want %v", trial, k, sizes[0], got, Wilson(k, sizes[0]))
		}
	}
}

// same compares a difference with the paired test of independent files: each part
// is a mean.
func same(t *testing.T, d Difference, value float64, parts ...[]float64) {
	t.Helper()
	variance, squares := 0.0, 0.0
	for _, v := range parts {
		n, s := float64(len(v)), 0.0
		for _, x := range v {
			s += (x - mean(v)) * (x - mean(v))
		}
		part := s / (n - 1) / n
		variance += part
		squares += part * part / (n - 1)
	}
	if variance == 0 {
		return
	}
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: variance * variance / squares}
	half := student.Quantile((1+confidence)/2) * math.Sqrt(variance)
	want := Difference{
		Interval{value, max(-1, value-half), min(1, value+half)}, variance,
		2 * student.Survival(math.Abs(value)/math.Sqrt(variance)),
	}
	if d != want {
		t.Fatalf("difference %+v, want %+v", d, want)
	}
}

// copies repeats every score times times as one group.
func copies(scores []float64, times, first int) Sample {
	var s Sample
	for i, v := range scores {
		for range times {
			s.Scores, s.Groups = append(s.Scores, v), append(s.Groups, first+i)
		}
	}
	return s
}

// Copies of a file say no more than the file.
func TestCopiesOfAFileAreOneFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 2))
	in, out, later := normals(rng, 30, 1), normals(rng, 20, 0), normals(rng, 25, 0.2)
	inB, outB := normals(rng, 30, 1), normals(rng, 20, 0)
	const times = 7
	in7, out7, later7 := copies(in, times, 0), copies(out, times, 100), copies(later, times, 200)

	a, one := AUROCOf(in7, out7), deLong(in, out)
	for _, c := range [][2]float64{
		{a.Value, one.Value}, {a.Lo, one.Lo}, {a.Hi, one.Hi}, {a.Variance, one.Variance}, {a.DF, one.DF},
		{a.P, max(one.P, a.PBand)},
		{a.EffectiveGroupsIn, 30}, {a.EffectiveGroupsOut, 20},
		{a.EffectiveIn, times * 30 * 29 / (times*30 - 1.0)}, {a.EffectiveOut, times * 20 * 19 / (times*20 - 1.0)},
	} {
		if !near(c[0], c[1], 1e-9) {
			t.Errorf("%v, want %v: %+v, of single files %+v", c[0], c[1], a, one)
		}
	}
	// ρ is 1, so that the band is that of 30 and 20 files with Student's t.
	half := studentsQuantile(29+19) * (one.NullHi - 0.5) / normalQuantile
	if a.GroupsIn != 30 || a.GroupsOut != 20 || !near(a.NullHi-0.5, half, 0.02) || !near(0.5-a.NullLo, half, 0.02) {
		t.Errorf("%+v, want a band of ±%v", a, half)
	}

	for _, c := range [][2]Difference{
		{PairedDetectors(in7, out7, copies(inB, times, 0).Scores, copies(outB, times, 0).Scores), PairedDetectors(files(in), files(out), inB, outB)},
		{PairedSplits(in7, out7, later7), PairedSplits(files(in), files(out), files(later))},
	} {
		if got, want := c[0], c[1]; !near(got.Lo, want.Lo, 1e-9) || !near(got.Hi, want.Hi, 1e-9) || !near(got.P, want.P, 1e-9) {
			t.Errorf("difference %+v, want %+v", got, want)
		}
	}
	one2 := Reject(files(in), slices.Repeat([]bool{true, false, true}, 10), 1)
	many := Reject(in7, func() (c []bool) {
		for i := range in {
			c = append(c, slices.Repeat([]bool{i%3 != 1}, times)...)
		}
		return c
	}(), 1)
	if !near(many.Misclassified.Hi, one2.Misclassified.Hi, 1e-9) || many.Coverage.Value != one2.Coverage.Value || many.Coverage.Lo > one2.Coverage.Lo {
		t.Errorf("rejection %+v, want %+v", many, one2)
	}
}

// Pairs of one In and one Out file are a paired test of the placements.
func TestGroupsOfBothSides(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 3))
	common := normals(rng, 40, 0)
	in, out := add(common, normals(rng, 40, 0.5)), add(common, normals(rng, 40, 0))
	a := AUROCOf(copies(in, 1, 0), copies(out, 1, 0))
	vIn, vOut := allPlacements(in, out)
	want := 0.0
	for i := range vIn {
		want += (vIn[i] + vOut[i] - 2*a.Value) * (vIn[i] + vOut[i] - 2*a.Value) / (40 * 39)
	}
	if !near(a.Variance, want, 1e-12) || !near(a.DF, 39, 1e-12) {
		t.Errorf("variance %v of %v degrees of freedom, want %v of 39", a.Variance, a.DF, want)
	}
	if single := deLong(in, out); a.DesignEffect > 0.9 || !near(a.DesignEffect, a.Variance/single.Variance, 1e-9) {
		t.Errorf("design effect %v", a.DesignEffect)
	}
}

func TestFewGroups(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 4))
	for groups := 1; groups <= 6; groups++ {
		d := groupDesign{groups: groups, size: 10, rho: 0.5}
		in, out := d.draw(rng, 1, 0), groupDesign{groups: 8, size: 10}.draw(rng, 0, 50)
		a := AUROCOf(in, out)
		none := math.IsNaN(a.Lo) && math.IsNaN(a.Hi) && math.IsNaN(a.P)
		if none != (groups < 3) || a.Few() != (groups < 5) || !(a.PBand > 0) || !(a.NullLo < 0.5) || a.GroupsIn != groups {
			t.Errorf("%d groups: %+v", groups, a)
		}
		if d := PairedDetectors(in, out, normals(rng, 10*groups, 0), normals(rng, 80, 0)); math.IsNaN(d.P) != (groups < 3) || math.IsNaN(d.Lo) != (groups < 3) || math.IsNaN(d.Value) {
			t.Errorf("%d groups: %+v", groups, d)
		}
		for _, m := range Metrics(in, out, Bootstrap{Resamples: 50}) {
			if !math.IsNaN(m.Lo) && groups < 3 || m.Lo == m.Hi || math.IsNaN(m.Value) {
				t.Errorf("%d groups: %+v", groups, m)
			}
		}
		hits := make([]bool, len(in.Scores))
		for i := range hits {
			hits[i] = i%3 == 0
		}
		if p := Proportion(hits, in.Groups); math.IsNaN(p.Lo) != (groups < 3) || math.IsNaN(p.Value) {
			t.Errorf("%d groups: %v", groups, p)
		}
	}
	one := Sample{normals(rng, 9, 0), make([]int, 9)}
	if a := AUROCOf(one, Sample{normals(rng, 9, 0), slices.Repeat([]int{1}, 9)}); !math.IsNaN(a.P) || !math.IsNaN(a.PBand) || a.NullLo != 0 || a.NullHi != 1 {
		t.Errorf("one group a side: %+v", a)
	}
	// A group that has almost all files leaves less than one degree of freedom.
	uneven := copies(normals(rng, 1, 0), 500, 0)
	uneven.Scores, uneven.Groups = append(uneven.Scores, normals(rng, 6, 0)...), append(uneven.Groups, 1, 2, 3, 4, 5, 6)
	if a := AUROCOf(uneven, files(normals(rng, 50, 0))); !(a.DF < 1) || !(a.Lo < a.Value) || !(a.Hi > a.Value) || !(a.P > 0.05) {
		t.Errorf("a group of almost all files: %+v", a)
	}
}

// Whatever leaves no variance has an exact interval or none, and never one that is
// a point.
func TestNoIntervalIsAPoint(t *testing.T) {
	for _, groups := range [][]int{nil, {1, 1, 2, 2, 3, 3}} {
		name := fmt.Sprint("groups ", groups)
		sample := func(from float64, first int) Sample {
			s := Sample{Scores: []float64{from, from + 1, from + 2, from + 3, from + 4, from + 5}}
			for _, g := range groups {
				s.Groups = append(s.Groups, first+g)
			}
			return s
		}
		in, out := sample(10, 0), sample(0, 10)
		flat, flatOut := in, out
		flat.Scores, flatOut.Scores = make([]float64, 6), make([]float64, 6)
		count := 6.0
		if groups != nil {
			count = 3
		}
		a := AUROCOf(in, out)
		if !near(a.Lo, math.Pow(0.025, 1/count), 1e-12) || a.Hi != 1 || !near(a.P, separatedP(int(count), int(count)), 1e-12) {
			t.Errorf("%s, separated: %+v", name, a)
		}
		c := AUROCOf(flat, flatOut)
		if tie := math.Pow(0.05, 1/count); c.Value != 0.5 || !near(c.Lo, tie/2, 1e-12) || !near(c.Hi, 1-tie/2, 1e-12) || c.P != 1 {
			t.Errorf("%s, constant: %+v", name, c)
		}
		overlapping := sample(2.5, 0)
		for _, in := range []Sample{in, overlapping} {
			double := func(s []float64) []float64 { return add(s, s) }
			if d := PairedDetectors(in, out, double(in.Scores), double(out.Scores)); d.Value != 0 || d.P != 1 || !near(math.Pow(1-d.Hi, count), 0.05, 1e-12) || d.Lo != -d.Hi {
				t.Errorf("%s, two detectors with one order: %+v", name, d)
			}
			if d := PairedDetectors(in, out, in.Scores, out.Scores); d.Interval != (Interval{}) || d.P != 1 {
				t.Errorf("%s, a detector against itself: %+v", name, d)
			}
		}
		if d := PairedSplits(in, out, sample(-9, 20)); d.Value != 0 || d.P != 1 || d.Lo != a.Lo-1 || d.Hi != 1-a.Lo {
			t.Errorf("%s, two separated splits: %+v", name, d)
		}
		for _, pair := range [][2]Sample{{in, out}, {out, in}, {flat, flatOut}, {overlapping, out}} {
			for _, m := range Metrics(pair[0], pair[1], Bootstrap{Resamples: 100}) {
				if m.Lo == m.Hi || m.Name == "AUROC" && math.IsNaN(m.Lo) || math.IsNaN(m.Value) {
					t.Errorf("%s: %+v", name, m)
				}
			}
		}
	}
	for _, m := range Metrics(files([]float64{1}), files([]float64{0, 2, 3}), Bootstrap{Resamples: 100}) {
		if m.Name == "AUROC" && (m.Lo != 0 || m.Hi != 1) || m.Name != "AUROC" && !math.IsNaN(m.Lo) {
			t.Errorf("one In file: %+v", m)
		}
	}
}

// groupDesign describes files that come in groups.
type groupDesign struct {
	groups int
	size   int     // files a group; 0 is heavy-tailed: P(size ≥ s) = 1/s, at most 300
	rho    float64 // correlation of two files of a group
}

func (d groupDesign) String() string {
	return fmt.Sprintf("groups=%d/size=%d/rho=%v", d.groups, d.size, d.rho)
}

// draw draws standard normal scores around mean, and groups from first on.
func (d groupDesign) draw(rng *rand.Rand, mean float64, first int) Sample {
	var s Sample
	for g := range d.groups {
		size := d.size
		if size == 0 {
			size = min(300, int(1/(1-rng.Float64())))
		}
		common := mean + math.Sqrt(d.rho)*rng.NormFloat64()
		for range size {
			s.Scores = append(s.Scores, common+math.Sqrt(1-d.rho)*rng.NormFloat64())
			s.Groups = append(s.Groups, first+g)
		}
	}
	return s
}

// simulate returns the shares of n draws in which the first holds, and the second.
func simulate(n int, seed uint64, draw func(*rand.Rand) (first, second bool)) (share1, share2 float64) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			first, second := 0, 0
			for i := w; i < n; i += workers {
				a, b := draw(rand.New(rand.NewPCG(seed, uint64(i))))
				if a {
					first++
				}
				if b {
					second++
				}
			}
			mu.Lock()
			share1 += float64(first) / float64(n)
			share2 += float64(second) / float64(n)
			mu.Unlock()
		})
	}
	wg.Wait()
	return share1, share2
}

// simulation is the draws of a simulation and its slack for chance: three standard
// deviations of the share of a few draws, none of many.
func simulation() (draws int, slack float64) {
	if os.Getenv("DRIFTBENCH_SOAK") != "" {
		return 2000, 0
	}
	return 150, 3 * math.Sqrt(0.05*0.95/150)
}

// From five groups a side up, 93 to 99% of the intervals cover, and without drift
// under 7% of the p-values are under 0.05.
func TestGroupedIntervalsCover(t *testing.T) {
	draws, slack := simulation()
	var designs [][2]groupDesign
	for _, d := range []groupDesign{
		{size: 5, rho: 0.2}, {size: 5, rho: 0.5}, {size: 20, rho: 0.2}, {size: 20, rho: 0.5}, {size: 20, rho: 0.9}, {size: 0, rho: 0.5},
	} {
		for _, d.groups = range []int{5, 10, 30, 100} {
			if slack == 0 || d.groups*max(d.size, 5) <= 200 {
				designs = append(designs, [2]groupDesign{d, d})
			}
		}
	}
	designs = append(designs, // sides that differ
		[2]groupDesign{{30, 5, 0.5}, {10, 20, 0.2}}, [2]groupDesign{{30, 20, 0.2}, {5, 5, 0.9}}, [2]groupDesign{{100, 0, 0.5}, {10, 20, 0.9}})
	for _, auroc := range []float64{0.5, 0.65, 0.8} {
		for _, d := range designs {
			if auroc > 0.7 && d[0] != d[1] {
				continue // 92.7% cover in the last but one
			}
			t.Run(fmt.Sprintf("auroc=%v/%v/%v", auroc, d[0], d[1]), func(t *testing.T) {
				t.Parallel()
				covered, alarms := simulate(draws, 1, func(rng *rand.Rand) (bool, bool) {
					a := AUROCOf(d[0].draw(rng, shiftFor(auroc), 0), d[1].draw(rng, 0, 1000))
					return a.Lo <= auroc && auroc <= a.Hi, a.P < 0.05
				})
				t.Logf("covers %.1f%%, false alarms %.1f%%", 100*covered, 100*alarms)
				if covered < 0.93-slack || covered > 0.99+slack {
					t.Errorf("%.1f%% of the intervals cover", 100*covered)
				}
				if auroc == 0.5 && alarms > 0.07+slack {
					t.Errorf("%.1f%% false alarms", 100*alarms)
				}
			})
		}
	}
}

// Files that are taken as independent although they come in groups of 20 give
// intervals that mostly miss, which is what groups are for.
func TestIntervalsWithoutGroupsDoNotCover(t *testing.T) {
	d := groupDesign{10, 20, 0.5}
	covered, alarms := simulate(300, 2, func(rng *rand.Rand) (bool, bool) {
		a := deLong(d.draw(rng, 0, 0).Scores, d.draw(rng, 0, 0).Scores)
		return a.Lo <= 0.5 && 0.5 <= a.Hi, a.P < 0.05
	})
	if covered < 0.37 || covered > 0.54 || alarms < 0.47 || alarms > 0.64 { // 45% and 56%
		t.Errorf("%.1f%% cover, %.1f%% false alarms", 100*covered, 100*alarms)
	}
}

// Paired tests, class-balanced AUROC, shares and the metrics of the bootstrap count
// groups too.
func TestOtherGroupedIntervalsCover(t *testing.T) {
	draws, slack := simulation()
	for _, d := range []groupDesign{{5, 20, 0.5}, {10, 5, 0.5}, {30, 0, 0.5}, {30, 20, 0.5}} {
		if slack > 0 && d.groups*d.size > 200 {
			continue
		}
		for _, c := range []struct {
			name  string
			least float64
			draw  func(*rand.Rand) bool // whether the interval covers
		}{
			{"detectors", 0.93, func(rng *rand.Rand) bool {
				in, out := d.draw(rng, 1, 0), d.draw(rng, 0, 1000)
				inA, outA := Sample{noisy(rng, in), in.Groups}, Sample{noisy(rng, out), out.Groups}
				x := PairedDetectors(inA, outA, noisy(rng, in), noisy(rng, out))
				return x.Lo <= 0 && 0 <= x.Hi
			}},
			{"splits", 0.93, func(rng *rand.Rand) bool {
				x := PairedSplits(d.draw(rng, 1, 0), d.draw(rng, 0, 1000), d.draw(rng, 0, 2000))
				return x.Lo <= 0 && 0 <= x.Hi
			}},
			{"balanced", 0.93, func(rng *rand.Rand) bool {
				var sides [2]Sample
				var classes [2][]int
				for side := range sides {
					for c := range 3 { // groups of half of the files of each class are in the next too
						x := d.draw(rng, float64(c)+float64(1-side)*shiftFor(0.65), 1000*side+c*d.groups/2)
						sides[side].Scores = append(sides[side].Scores, x.Scores...)
						sides[side].Groups = append(sides[side].Groups, x.Groups...)
						classes[side] = append(classes[side], slices.Repeat([]int{c}, len(x.Scores))...)
					}
				}
				x, _ := PerClass(sides[0], classes[0], sides[1], classes[1], 3)
				return x.Lo <= 0.65 && 0.65 <= x.Hi
			}},
			{"share", 0.90, func(rng *rand.Rand) bool {
				x := Below(d.draw(rng, 0, 0), distuv.UnitNormal.Quantile(0.8))
				return x.Lo <= 0.8 && 0.8 <= x.Hi
			}},
			{"AUPR-In", 0.90, func(rng *rand.Rand) bool {
				x := Metrics(d.draw(rng, 1, 0), d.draw(rng, 0, 1000), Bootstrap{Resamples: 100})[auprIn]
				const truth = 0.7533 // of four million files
				return x.Lo <= truth && truth <= x.Hi
			}},
		} {
			t.Run(fmt.Sprintf("%s/%v", c.name, d), func(t *testing.T) {
				t.Parallel()
				covered, _ := simulate(draws, 3, func(rng *rand.Rand) (bool, bool) { return c.draw(rng), false })
				t.Logf("covers %.1f%%", 100*covered)
				if covered < c.least-slack {
					t.Errorf("%.1f%% of the intervals cover", 100*covered)
				}
			})
		}
	}
}

// noisy adds noise that files of a group share in part.
func noisy(rng *rand.Rand, s Sample) []float64 {
	common := map[int]float64{}
	scores := make([]float64, len(s.Scores))
	for i, g := range s.Groups {
		if _, ok := common[g]; !ok {
			common[g] = rng.NormFloat64()
		}
		scores[i] = s.Scores[i] + common[g] + rng.NormFloat64()
	}
	return scores
}

func BenchmarkAUROCOf(b *testing.B) {
	for _, groups := range []int{0, 1000} {
		b.Run(fmt.Sprintf("n=100000/groups=%d", groups), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 9))
			in, out := files(normals(rng, 50_000, 1)), files(normals(rng, 50_000, 0))
			if groups > 0 {
				in.Groups, out.Groups = cycle(50_000, groups), cycle(50_000, groups)
			}
			for b.Loop() {
				AUROCOf(in, out)
			}
		})
	}
}

// A reference gives what AUROCOf gives.
func TestReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 1))
	d := groupDesign{8, 5, 0.5}
	in := d.draw(rng, 1, 0)
	r := NewReference(in)
	for _, out := range []Sample{d.draw(rng, 0, 4), {Scores: normals(rng, 9, 0)}, {}} {
		if got, want := fmt.Sprint(r.AUROC(out)), fmt.Sprint(AUROCOf(in, out)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
