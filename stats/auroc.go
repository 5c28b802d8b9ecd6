package stats

import (
	"fmt"
	"math"
	"slices"
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
	logit, width := math.Log(p/(1-p)), studentsQuantile(df)*se/(p*(1-p))
	return Interval{Value: p, Lo: expit(logit - width), Hi: expit(logit + width)}
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// String formats the value and its interval as "0.712 [0.690, 0.733]".
func (i Interval) String() string { return fmt.Sprintf("%.3f [%.3f, %.3f]", i.Value, i.Lo, i.Hi) }

// AUROC is the area under the ROC curve of In against Out: the probability that
// an In file scores above an Out file, plus half the probability of a tie.
type AUROC struct {
	Interval
	Variance float64
	DF       float64 // degrees of freedom of Variance; NaN if Variance is 0
	P        float64 // two-sided, against 0.5
	// NullLo and NullHi contain the AUROC with probability 95% if the In and the
	// Out files have the same distribution. PBand is the two-sided p-value that
	// belongs to this band.
	NullLo, NullHi, PBand float64

	// GroupsIn and GroupsOut count the groups of each side, single files included.
	// EffectiveGroupsIn and EffectiveGroupsOut are 1/Σ_g w_g², with w_g the share of
	// the side's files that are in group g: equal to the number of groups if all
	// have one size, and less otherwise.
	GroupsIn, GroupsOut                   int
	EffectiveGroupsIn, EffectiveGroupsOut float64
	// DesignEffect is Variance divided by what it would be for independent files.
	// EffectiveIn and EffectiveOut are the numbers of independent files that would
	// have the variance of each side. They are NaN or infinite where a variance is
	// 0.
	DesignEffect, EffectiveIn, EffectiveOut float64
}

// Few reports whether a side has fewer than five groups. With three or four groups
// the interval covers about 92%. With fewer it is NaN if files share groups, and
// only the band says whether the AUROC differs from 0.5.
func (a AUROC) Few() bool { return min(a.GroupsIn, a.GroupsOut) < 5 }

// AUROCOf returns the AUROC of in against out, and does not change them. It takes
// O(n log n) for n files.
//
// With the placement of an In score x among the n Out scores
//
//	V(x) = (#{y<x} + ½#{y=x}) / n
//
// and one minus the placement of an Out score among the m In scores likewise, the
// AUROC a is the mean of V on either side. If every file is a group of its own,
// the variance is the sum of var(V)/size over the two sides (DeLong, DeLong &
// Clarke-Pearson, Biometrics 1988), with Welch's degrees of freedom.
//
// If files share groups, whole groups vary: per side with M files, K groups and
// w_g the share of files in group g, the leave-one-group-out jackknife gives
//
//	c_g = √((K−1)/K) · Σ_{i in g} (V_i − a)/M / (1 − w_g)
//	Variance = Σ_groups (Σ_sides c_g)²
//	df = √((K−1)(K_eff−1)) of a side, K_eff = 1/Σ w_g²
//
// with Welch's df over the sides, or the smaller if a group is on both.
//
// The interval is logit(a) ± t_df·√Variance/(a(1−a)), which covers better near 0
// and 1 than one symmetric in a (Pepe 2003). P is that of t = (a−½)/√Variance with
// df (Brunner & Munzel 2000), and with groups the larger of this and PBand. Near 0
// and 1 with few files on a side the variance of the placements is poorly
// estimated and the interval covers less: 90 to 94% in simulations of normal
// scores with AUROC 0.95 to 0.99 and 144 against 10 or 20 files or 400 against 50,
// where it lies beyond the true AUROC, towards 0 or 1, three times as often as
// short of it. With groups it covers 93 to 99% from 5 groups a side up, if the
// AUROC is 0.8 or less.
//
// If the sides are completely separated, the variance is zero. Then min(m,n)
// pairs that share no file are all in order, which has probability a^min(m,n): the
// interval ends where that is 2.5%. P is that of the permutation test,
// 2·m!n!/(m+n)!. If all scores are equal, min(m,n) pairs are ties, which has
// probability τ^min(m,n) if that of a tie is τ: the interval is τ/2 to 1−τ/2 where
// that is 5%, and P is 1. With groups, m and n are the numbers of groups.
//
// The band is ½ ± z·s, with s the standard deviation of Mann and Whitney's U under
// permutation of the labels, corrected for ties, divided by mn. With groups, s² is
// multiplied by (1−ρ) + ρ·Σ_g (m_g/m − n_g/n)²/(1/m + 1/n), with ρ the correlation of
// ranks within the groups of a side, by analysis of variance; z becomes Student's
// t with the K−1 of both sides as degrees of freedom.
//
// The value and all that follows from it are NaN if a side is empty. With one file
// on a side the interval is [0, 1]; Variance and P are NaN. If files share groups
// and a side has fewer than three groups, the interval and P are NaN; if both have
// one, the band is [0, 1] and PBand NaN. AUROCOf panics if a score is NaN or the
// groups of a sample are not as many as its scores.
func AUROCOf(in, out Sample) AUROC {
	sortedIn, sortedOut := sortBoth(in.Scores, out.Scores)
	return aurocOf(in, out, sortedIn, sortedOut)
}

// Reference is a sample against which others are measured again and again.
type Reference struct {
	Sample
	sorted []float64
}

// NewReference prepares in, which must not change while the reference is used. It
// panics if a score is NaN.
func NewReference(in Sample) *Reference {
	check(in.Scores)
	return &Reference{in, sorted(in.Scores)}
}

// AUROC is [AUROCOf] of the reference against out, without sorting the reference.
func (r *Reference) AUROC(out Sample) AUROC {
	check(out.Scores)
	return aurocOf(r.Sample, out, r.sorted, sorted(out.Scores))
}

// aurocOf is AUROCOf with the scores sorted as well.
func aurocOf(in, out Sample, sortedIn, sortedOut []float64) AUROC {
	m, n := len(sortedIn), len(sortedOut)
	number, groups := numberGroups(in, out)
	nan := math.NaN()
	a := AUROC{
		Interval: Interval{nan, nan, nan}, Variance: nan, DF: nan, P: nan, NullLo: nan, NullHi: nan, PBand: nan,
		GroupsIn: m, GroupsOut: n, EffectiveGroupsIn: float64(m), EffectiveGroupsOut: float64(n),
		DesignEffect: 1, EffectiveIn: float64(m), EffectiveOut: float64(n),
	}
	if m == 0 || n == 0 {
		return a
	}
	twice := 0 // twice the number of pairs in order, an exact integer
	placements(sortedIn, sortedOut, func(v int) { twice += v })
	a.Value = float64(twice) / (2 * float64(m) * float64(n))
	deviation := nullDeviation(sortedIn, sortedOut)

	if groups == 0 {
		a.setBand(deviation, normalQuantile, distuv.UnitNormal.Survival)
		if m < 2 || n < 2 {
			a.Lo, a.Hi = 0, 1
			return a
		}
		varIn := placementVariance(sortedIn, sortedOut, a.Value)
		varOut := placementVariance(sortedOut, sortedIn, 1-a.Value)
		a.Variance, a.DF = sumVariance(term{variance: varIn, df: float64(m - 1)}, term{variance: varOut, df: float64(n - 1)})
		a.infer(sortedIn[0] == sortedIn[m-1])
		return a
	}

	vIn, vOut := placementsAmong(in.Scores, out.Scores, sortedIn, sortedOut)
	tIn, tOut := newTerm(vIn, a.Value, number[0], groups), newTerm(vOut, a.Value, number[1], groups)
	a.GroupsIn, a.GroupsOut = tIn.groups, tOut.groups
	a.EffectiveGroupsIn, a.EffectiveGroupsOut = tIn.effective, tOut.effective
	a.Variance, a.DF = sumVariance(tIn, tOut)
	a.DesignEffect = a.Variance / (tIn.files + tOut.files)
	a.EffectiveIn = float64(m) * tIn.files / tIn.variance
	a.EffectiveOut = float64(n) * tOut.files / tOut.variance

	factor, df := designEffectAtNull(ranks(in.Scores, sortedIn), ranks(out.Scores, sortedOut), number, tIn, tOut)
	a.NullLo, a.NullHi = 0, 1
	if df > 0 {
		student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}
		a.setBand(deviation*math.Sqrt(factor), studentsQuantile(df), student.Survival)
	}
	if min(tIn.groups, tOut.groups) >= fewestGroups {
		a.infer(sortedIn[0] == sortedIn[m-1])
		if a.Variance > 0 {
			a.P = max(a.P, a.PBand)
		}
	}
	return a
}

// setBand sets the band and PBand from the standard deviation without drift, and
// the quantile and the survival function of its distribution.
func (a *AUROC) setBand(deviation, quantile float64, survival func(float64) float64) {
	half := quantile * deviation
	a.NullLo, a.NullHi = max(0, 0.5-half), min(1, 0.5+half)
	a.PBand = 1
	if a.Value != 0.5 {
		a.PBand = 2 * survival(math.Abs(a.Value-0.5)/deviation)
	}
}

// infer sets the interval and P from the other fields. constant says that all In
// scores are equal.
func (a *AUROC) infer(constant bool) {
	fewest := float64(min(a.GroupsIn, a.GroupsOut))
	switch {
	case a.Value == 0 || a.Value == 1:
		a.Interval = separated(a.Value, fewest)
		a.P = separatedP(a.GroupsIn, a.GroupsOut)
	case a.Variance > 0:
		a.Interval = proportionInterval(a.Value, math.Sqrt(a.Variance), a.DF)
		a.P = studentsP((a.Value-0.5)/math.Sqrt(a.Variance), a.DF)
	case constant && a.Value == 0.5: // all scores of both sides are equal
		tie := math.Pow(1-confidence, 1/fewest)
		a.Lo, a.Hi, a.P = tie/2, 1-tie/2, 1
	default: // the files of every group add up to 0 by chance
		a.P = a.PBand
	}
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

// separated returns the interval of an AUROC that is 0 or 1, with count files or
// groups on the smaller side.
func separated(value, count float64) Interval {
	reach := math.Pow((1-confidence)/2, 1/count)
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

// nullDeviation returns the standard deviation of the AUROC of sorted scores under
// permutation of the labels: that of Mann and Whitney's U, corrected for ties.
func nullDeviation(in, out []float64) float64 {
	m, n := float64(len(in)), float64(len(out))
	total := m + n
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
	return math.Sqrt(max(0, variance))
}

// PerClass returns the AUROC of the files of each class and the mean of these
// AUROCs. A change in the mix of classes, which moves the AUROC of all files
// together, does not move that mean. inClass[i] is the class of file i of in, less
// than classes; a file of a negative class is left out.
//
// The mean is over the C classes that have at least two groups on each side, which
// are at least two files if every file is a group of its own. Without shared
// groups its interval combines those of the classes, which are independent (MOVER,
// Zou & Donner 2008): lo = mean − √Σ(A_c−lo_c)² / C, and hi likewise. With groups
// the interval is as in [AUROCOf], with c_g = Σ_classes c_gc / C and w_g = Σ_classes
// w_gc / C; if the mean is 0 or 1 it is MOVER's.
//
// balanced is NaN if there is no such class, and each[c] as [AUROCOf] of the files
// of class c: NaN if it has none on a side. The interval is NaN as well if files
// share groups and a side has fewer than three groups in all. PerClass panics if a
// slice of classes has another length than its sample, if a class is not below
// classes, or as AUROCOf does.
func PerClass(in Sample, inClass []int, out Sample, outClass []int, classes int) (balanced Interval, each []AUROC) {
	inOf, outOf := byClass(in, inClass, classes), byClass(out, outClass, classes)
	each = make([]AUROC, classes)
	var both []Sample // In and Out of every class that counts
	var sum, below, above, count float64
	for c := range classes {
		a := AUROCOf(inOf[c], outOf[c])
		each[c] = a
		if a.GroupsIn < 2 || a.GroupsOut < 2 {
			continue
		}
		both = append(both, inOf[c], outOf[c])
		count++
		sum += a.Value
		below += (a.Value - a.Lo) * (a.Value - a.Lo)
		above += (a.Hi - a.Value) * (a.Hi - a.Value)
	}
	value := sum / count // 0/0 is NaN
	mover := Interval{value, value - math.Sqrt(below)/count, value + math.Sqrt(above)/count}
	number, groups := numberGroups(both...)
	if groups == 0 || value == 0 || value == 1 {
		return mover, each
	}
	var termsIn, termsOut []term
	for k := 0; k < len(both); k += 2 {
		vIn, vOut := allPlacements(both[k].Scores, both[k+1].Scores)
		termsIn = append(termsIn, newTerm(vIn, mean(vIn), number[k], groups))
		termsOut = append(termsOut, newTerm(vOut, mean(vOut), number[k+1], groups))
	}
	tIn, tOut := meanTerm(termsIn), meanTerm(termsOut)
	variance, df := sumVariance(tIn, tOut)
	if min(tIn.groups, tOut.groups) < fewestGroups || !(variance > 0) {
		return Interval{value, math.NaN(), math.NaN()}, each
	}
	return proportionInterval(value, math.Sqrt(variance), df), each
}

func byClass(s Sample, class []int, classes int) []Sample {
	if len(s.Scores) != len(class) {
		panic(fmt.Sprintf("stats: %d scores with %d classes", len(s.Scores), len(class)))
	}
	of := make([]Sample, classes)
	for i, c := range class {
		if c < 0 {
			continue
		}
		of[c].Scores = append(of[c].Scores, s.Scores[i])
		if s.Groups != nil {
			of[c].Groups = append(of[c].Groups, s.Groups[i])
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

// PairedDetectors compares two detectors, A and B, on the same files: inB[i] is B's
// score of the In file that A gives inA.Scores[i], and outB[i] likewise. It is the
// test of DeLong, DeLong & Clarke-Pearson (1988): the difference of the AUROCs is
// the mean difference of the placements of a file, whose variance counts groups as
// [AUROCOf] does. P and the interval, difference ± t_df·√Variance, use Student's t.
//
// If the variance is zero, the two order all pairs of an In and an Out file alike,
// or both AUROCs are 0, 1 or of constant scores. In the first case min(m,n) pairs
// that share no file are ordered alike, which has probability (1−δ)^min(m,n) if δ
// is that of a pair that is not: the interval is ±δ where that is 5%, and P is 1. If
// A and B have the same scores, they are one detector, and the interval is [0, 0].
// In the second case it is A.Lo − B.Hi to A.Hi − B.Lo, and P the smaller of theirs.
// m and n are the numbers of groups.
//
// With one file on a side, or fewer than three groups if files share groups, all
// fields but Value are NaN, and with no file Value too. PairedDetectors panics if
// the scores of A and B differ in number, or as AUROCOf does.
func PairedDetectors(inA, outA Sample, inB, outB []float64) Difference {
	if len(inA.Scores) != len(inB) || len(outA.Scores) != len(outB) {
		panic(fmt.Sprintf("stats: comparing %d and %d In files with %d and %d", len(inA.Scores), len(outA.Scores), len(inB), len(outB)))
	}
	number, n := numberGroups(inA, outA)
	vInA, vOutA := allPlacements(inA.Scores, outA.Scores)
	vInB, vOutB := allPlacements(inB, outB)
	dIn, dOut := minus(vInA, vInB), minus(vOutA, vOutB)
	tIn, tOut := newTerm(dIn, mean(dIn), number[0], n), newTerm(dOut, mean(dOut), number[1], n)
	d := difference(mean(vInA)-mean(vInB), n > 0, tIn, tOut)
	if d.Variance == 0 && tIn.files == 0 && tOut.files == 0 && d.Value == 0 {
		d.Lo, d.Hi, d.P = 0, 0, 1
		if !slices.Equal(inA.Scores, inB) || !slices.Equal(outA.Scores, outB) {
			d.Hi = 1 - math.Pow(1-confidence, 1/float64(min(tIn.groups, tOut.groups)))
			d.Lo = -d.Hi
		}
		return d
	}
	d.exact(inA, outA, Sample{inB, inA.Groups}, Sample{outB, outA.Groups})
	return d
}

// PairedSplits compares one detector on two Out splits, A and B, that share no
// file, against the same In files. Splits may share groups. The rest is as in
// [PairedDetectors], but for the intervals of pairs that are ordered alike.
func PairedSplits(in, outA, outB Sample) Difference {
	number, n := numberGroups(in, outA, outB)
	vInA, vOutA := allPlacements(in.Scores, outA.Scores)
	vInB, vOutB := allPlacements(in.Scores, outB.Scores)
	dIn := minus(vInA, vInB)
	for i, v := range vOutB {
		vOutB[i] = -v // B is subtracted
	}
	d := difference(mean(vInA)-mean(vInB), n > 0, newTerm(dIn, mean(dIn), number[0], n),
		newTerm(vOutA, mean(vOutA), number[1], n), newTerm(vOutB, mean(vOutB), number[2], n))
	d.exact(in, outA, in, outB)
	return d
}

// difference returns the difference that is the sum of terms.
func difference(value float64, grouped bool, terms ...term) Difference {
	variance, df := sumVariance(terms...)
	d := Difference{Interval{value, math.NaN(), math.NaN()}, variance, math.NaN()}
	for _, t := range terms {
		if grouped && t.groups < fewestGroups {
			d.Variance = math.NaN()
		}
	}
	if d.Variance > 0 {
		se := math.Sqrt(variance)
		half := studentsQuantile(df) * se
		d.Lo, d.Hi = max(-1, value-half), min(1, value+half)
		d.P = studentsP(value/se, df)
	}
	return d
}

// exact sets P and the interval if the variance is zero because neither AUROC has
// one.
func (d *Difference) exact(inA, outA, inB, outB Sample) {
	if d.Variance != 0 {
		return
	}
	a, b := AUROCOf(inA, outA), AUROCOf(inB, outB)
	if a.Variance == 0 && b.Variance == 0 {
		d.Lo, d.Hi = a.Lo-b.Hi, a.Hi-b.Lo
		d.P = min(a.P, b.P)
		if d.Value == 0 {
			d.P = 1
		}
	}
}

// allPlacements returns, in the order given, the placement of every In score
// among the Out scores, and one minus that of every Out score among the In
// scores.
func allPlacements(in, out []float64) (vIn, vOut []float64) {
	sortedIn, sortedOut := sortBoth(in, out)
	return placementsAmong(in, out, sortedIn, sortedOut)
}

func placementsAmong(in, out, sortedIn, sortedOut []float64) (vIn, vOut []float64) {
	vIn, vOut = ranks(in, sortedOut), ranks(out, sortedIn)
	for i, v := range vOut {
		vOut[i] = 1 - v
	}
	return vIn, vOut
}

// ranks returns the rank of every score among sorted.
func ranks(scores, sorted []float64) []float64 {
	r := make([]float64, len(scores))
	for i, x := range scores {
		r[i] = rank(x, sorted)
	}
	return r
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
