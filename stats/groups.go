package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Sample is the scores of some files and the group of each. Files of one group,
// such as a release or a campaign, are not independent.
type Sample struct {
	Scores []float64
	// Groups[i] identifies the group of file i. Samples that are compared share
	// these numbers: files of both are one group if the numbers are equal. A file
	// with a negative number is a group of its own, and so is every file if Groups
	// is nil.
	Groups []int
}

// of returns the files whose index satisfies the condition.
func (s Sample) of(condition func(i int) bool) Sample {
	var part Sample
	for i, v := range s.Scores {
		if condition(i) {
			part.Scores = append(part.Scores, v)
			if s.Groups != nil {
				part.Groups = append(part.Groups, s.Groups[i])
			}
		}
	}
	return part
}

// numberGroups numbers the groups of the samples from 0 to n−1: number[k][i] is
// that of file i of sample k. n is 0 if no two files share a group. It panics if
// a sample has groups, but not one for each score.
func numberGroups(samples ...Sample) (number [][]int, n int) {
	files, most := 0, -1 // most is the largest number of a group
	for _, s := range samples {
		if s.Groups != nil && len(s.Groups) != len(s.Scores) {
			panic(fmt.Sprintf("stats: %d scores with %d groups", len(s.Scores), len(s.Groups)))
		}
		files += len(s.Scores)
		for _, g := range s.Groups {
			most = max(most, g)
		}
	}
	if most < 0 {
		return make([][]int, len(samples)), 0
	}
	known := newNumbers(most, files)
	for _, s := range samples {
		of := make([]int, len(s.Scores))
		for i := range of {
			of[i] = n
			if s.Groups == nil || s.Groups[i] < 0 {
				n++
			} else if of[i] = known.of(s.Groups[i], n); of[i] == n {
				n++
			}
		}
		number = append(number, of)
	}
	if n == files {
		return make([][]int, len(samples)), 0
	}
	return number, n
}

// numbers keeps the number of each group: in a list if that is not much longer than
// there are files, which takes a tenth of the time of a map.
type numbers struct {
	listed []int32 // number plus one, by group; 0 is none
	mapped map[int]int
}

func newNumbers(most, files int) numbers {
	if most < 16*files && files < math.MaxInt32 {
		return numbers{listed: make([]int32, most+1)}
	}
	return numbers{mapped: map[int]int{}}
}

// of returns the number of a group, which is next if it has none yet.
func (k numbers) of(group, next int) int {
	if k.listed != nil {
		if k.listed[group] == 0 {
			k.listed[group] = int32(next) + 1
		}
		return int(k.listed[group]) - 1
	}
	if _, ok := k.mapped[group]; !ok {
		k.mapped[group] = next
	}
	return k.mapped[group]
}

// fewestGroups is the number of groups below which there is no interval.
const fewestGroups = 3

// term is the mean of one value per file. An estimate is a sum of terms, one for
// each side.
type term struct {
	groups    int       // K
	effective float64   // K_eff = 1/Σ w_g², with w_g the share of files in group g
	df        float64   // degrees of freedom of variance
	variance  float64   // Σ c_g²
	files     float64   // the variance if the files were independent
	weights   []float64 // w_g; nil if the files are independent
	errors    []float64 // c_g, of which the estimate's variance is made; nil as well
}

// newTerm returns the term of values with the given mean. group[i] is the group
// of value i, less than n; nil if the files are independent. With M values, K
// groups and w_g the share of group g, the leave-one-group-out jackknife gives
//
//	c_g = √((K−1)/K) · Σ_{i in g} (v_i − mean)/M / (1 − w_g),
//
// and df = √((K−1)(K_eff−1)), which are the variance and the degrees of freedom
// of independent files if every group has one. Everything is NaN for one group.
func newTerm(values []float64, mean float64, group []int, n int) term {
	size := float64(len(values))
	var t term
	sums, counts, squares := make([]float64, n), make([]float64, n), 0.0
	for i, v := range values {
		squares += (v - mean) * (v - mean)
		if group != nil {
			sums[group[i]] += v - mean
			counts[group[i]]++
		}
	}
	t.files = squares / (size - 1) / size
	if group == nil {
		t.groups, t.effective, t.df, t.variance = len(values), size, size-1, t.files
		return t
	}
	concentration := 0.0
	for g, count := range counts {
		if count > 0 {
			t.groups++
			counts[g] /= size
			concentration += counts[g] * counts[g]
		}
	}
	t.weights, t.errors, t.effective = counts, sums, 1/concentration
	k := float64(t.groups)
	t.df = math.Sqrt((k - 1) * (t.effective - 1))
	for g, w := range t.weights {
		t.errors[g] *= math.Sqrt((k-1)/k) / size / (1 - w)
		t.variance += t.errors[g] * t.errors[g]
	}
	return t
}

// meanTerm returns the mean of terms, which are those of other files.
func meanTerm(terms []term) term {
	scale := 1 / float64(len(terms))
	t := term{weights: make([]float64, len(terms[0].weights)), errors: make([]float64, len(terms[0].errors))}
	concentration := 0.0
	for g := range t.errors {
		for _, part := range terms {
			t.weights[g] += part.weights[g] * scale
			t.errors[g] += part.errors[g] * scale
		}
		if t.weights[g] > 0 {
			t.groups++
		}
		concentration += t.weights[g] * t.weights[g]
		t.variance += t.errors[g] * t.errors[g]
	}
	t.effective = 1 / concentration
	t.df = math.Sqrt(float64(t.groups-1) * (t.effective - 1))
	return t
}

// sumVariance returns the variance of a sum of terms and its degrees of freedom.
// The errors of a group that is in several terms add up before they are squared;
// the degrees of freedom are then the smallest of the terms, otherwise Welch's.
func sumVariance(terms ...term) (variance, df float64) {
	squares, least := 0.0, math.Inf(1)
	for _, t := range terms {
		variance += t.variance
		squares += t.variance * t.variance / t.df
		least = min(least, t.df)
	}
	df = variance * variance / squares
	if terms[0].errors == nil {
		return variance, df
	}
	variance = 0
	for g := range terms[0].errors {
		in, sum := 0, 0.0
		for _, t := range terms {
			sum += t.errors[g]
			if t.weights[g] > 0 {
				in++
			}
		}
		variance += sum * sum
		if in > 1 {
			df = least
		}
	}
	return variance, df
}

// designEffectAtNull returns the factor by which groups inflate the variance of
// the AUROC without drift, and its degrees of freedom. The correlation ρ of two
// files of a group is that of their ranks within their own side, which drift does
// not change, from a one-way analysis of variance pooled over the sides: with r_i
// the rank share less one half,
//
//	SSB = Σ_g (Σ_{i in g} r_i)²/m_g,   SSW = Σ r_i² − SSB,
//	dfb = Σ_sides (K−1),   dfw = Σ_sides (M−K),
//	m0 = Σ_sides (M − Σ_g m_g²/M) / dfb,   MSB = SSB/dfb,   MSW = SSW/dfw,
//	ρ = (MSB − MSW) / (MSB + (m0−1)·MSW), in [0, 1]; 0 if dfw is 0.
//
// With m_g and n_g the files of group g among the M In and N Out files, the factor
// is (1−ρ) + ρ · Σ_g (m_g/M − n_g/N)² / (1/M + 1/N). in and out are ranks.
func designEffectAtNull(ranksIn, ranksOut []float64, groups [][]int, in, out term) (factor, df float64) {
	var between, all, dfb, dfw, spread float64
	for side, ranks := range [][]float64{ranksIn, ranksOut} {
		t := []term{in, out}[side]
		sums := make([]float64, len(t.weights))
		for i, r := range ranks {
			sums[groups[side][i]] += r - 0.5
			all += (r - 0.5) * (r - 0.5)
		}
		size := float64(len(ranks))
		for g, w := range t.weights {
			if w > 0 {
				between += sums[g] * sums[g] / (w * size)
			}
		}
		dfb += float64(t.groups - 1)
		dfw += size - float64(t.groups)
		spread += size - size/t.effective
	}
	m0, msb, msw := spread/dfb, between/dfb, (all-between)/dfw
	rho := (msb - msw) / (msb + (m0-1)*msw)
	if dfw == 0 || math.IsNaN(rho) { // NaN if every score is the same
		rho = 0
	}
	rho = max(0, min(rho, 1))
	apart := 0.0
	for g := range in.weights {
		apart += (in.weights[g] - out.weights[g]) * (in.weights[g] - out.weights[g])
	}
	return 1 - rho + rho*apart/(1/float64(len(ranksIn))+1/float64(len(ranksOut))), dfb
}

// studentsQuantile returns the (1+confidence)/2 quantile of Student's t.
func studentsQuantile(df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile((1 + confidence) / 2)
}

// studentsP returns the two-sided p-value of t.
func studentsP(t, df float64) float64 {
	return 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(math.Abs(t))
}

// Proportion returns the share p of hits with an interval that counts the groups
// of the files, which are as in [Sample]. If no two files share a group it is
// [Wilson]'s for the number of files n. Otherwise it is Wilson's for
//
//	n/d · (1.96/t_df)²,   d = Σ_g c_g² / (p(1−p)/(n−1)),
//
// where d, at least 1, is the design effect, with c_g and df as in [AUROCOf] (Korn
// & Graubard, Survey Methodology 1998), and for the number of groups if p is 0 or
// 1; NaN for fewer than three groups. p is NaN if there are no files. Proportion
// panics if groups is not nil and not one for each hit.
func Proportion(hits []bool, groups []int) Interval {
	s := Sample{Scores: make([]float64, len(hits)), Groups: groups}
	k := 0
	for i, hit := range hits {
		if hit {
			s.Scores[i] = 1
			k++
		}
	}
	number, n := numberGroups(s)
	if n == 0 {
		return Wilson(k, len(hits))
	}
	p := float64(k) / float64(len(hits))
	t := newTerm(s.Scores, p, number[0], n)
	switch {
	case t.groups < fewestGroups:
		return Interval{p, math.NaN(), math.NaN()}
	case p == 0 || p == 1:
		return wilson(p, float64(t.groups))
	}
	ratio := normalQuantile / studentsQuantile(t.df)
	return wilson(p, float64(len(hits))/max(1, t.variance/t.files)*ratio*ratio)
}
