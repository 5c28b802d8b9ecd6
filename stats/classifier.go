package stats

import (
	"fmt"
	"math"
)

// Confusion counts files by true and predicted class: Confusion[true][predicted].
type Confusion [][]int

// NewConfusion counts files whose class truth[i] was predicted as predicted[i]. It
// panics if the slices differ in length or a class is not in [0, classes).
func NewConfusion(classes int, truth, predicted []int) Confusion {
	if len(truth) != len(predicted) {
		panic(fmt.Sprintf("stats: %d predictions of %d files", len(predicted), len(truth)))
	}
	c := make(Confusion, classes)
	for i := range c {
		c[i] = make([]int, classes)
	}
	for i, t := range truth {
		c[t][predicted[i]]++
	}
	return c
}

// MacroF1 returns the mean of F1 = 2·TP/(2·TP+FP+FN) over the classes that occur
// in truth, as scikit-learn's f1_score(labels=those, average="macro"); NaN if
// there are no files. A class that is only predicted would have an F1 of 0, so
// that one wrong file could halve the mean in a month with one class.
func (c Confusion) MacroF1() float64 {
	sum, classes := 0.0, 0.0
	for k := range c {
		truth, predicted := 0, 0
		for j := range c {
			truth += c[k][j]
			predicted += c[j][k]
		}
		if truth > 0 {
			sum += 2 * float64(c[k][k]) / float64(truth+predicted)
			classes++
		}
	}
	return sum / classes
}

// Wilson returns the share p = k/n with Wilson's (1927) score interval, with
// z = 1.96,
//
//	(p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n),
//
// which lies in [0, 1], contains p, and covers near 0 and 1 as well. It is NaN
// if n is 0.
func Wilson(k, n int) Interval { return wilson(float64(k)/float64(n), float64(n)) }

// wilson is Wilson for a share p of m files, which need not be a whole number.
func wilson(p, m float64) Interval {
	const z = normalQuantile
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	// For p = 0 and p = 1 one end equals p, up to rounding.
	return Interval{Value: p, Lo: max(0, min(p, middle-half)), Hi: min(1, max(p, middle+half))}
}

// AUT returns the area under a metric over time (TESSERACT; Pendlebury et al.,
// USENIX Security 2019): with N equally spaced points,
// Σ_k ½(metric_k + metric_{k+1}) / (N−1). It is NaN for fewer than two points.
func AUT(metric []float64) float64 {
	if len(metric) < 2 {
		return math.NaN()
	}
	area := 0.0
	for i := 1; i < len(metric); i++ {
		area += (metric[i-1] + metric[i]) / 2
	}
	return area / float64(len(metric)-1)
}

// Rejection describes how accurate a classifier is on the files that remain when
// those with low scores are rejected.
type Rejection struct {
	// Misclassified is the AUROC of correctly classified files against
	// misclassified ones; NaN if there are none of either.
	Misclassified AUROC
	// AURC is the area under the risk-coverage curve (Geifman, Uziel & El-Yaniv
	// 2019): the error rate of the k files that score highest, averaged over
	// k = 1…n. Errors among files of equal score count as evenly spread. It is
	// NaN if there are no files.
	AURC float64
	// Curve has pairs (coverage, accuracy), from the highest threshold to that
	// which rejects nothing, at most 200; nil if there are no files.
	Curve [][2]float64
	// Coverage is the share of files at or above the threshold, NaN if there are
	// no files. Accuracy is the share of correct ones among these, NaN if there
	// are none. Their intervals are those of [Proportion].
	Coverage, Accuracy Interval
}

// Reject evaluates rejecting the files that score below threshold: correct[i] says
// whether the class of file i was predicted correctly. It panics if there is not
// one correct for each score, or as [AUROCOf] does.
func Reject(s Sample, correct []bool, threshold float64) Rejection {
	if len(s.Scores) != len(correct) {
		panic(fmt.Sprintf("stats: %d scores of %d files", len(s.Scores), len(correct)))
	}
	right, wrong := s.of(func(i int) bool { return correct[i] }), s.of(func(i int) bool { return !correct[i] })
	a, b := sortBoth(right.Scores, wrong.Scores)
	accepted := make([]bool, len(correct))
	var acceptedCorrect []bool
	for i, score := range s.Scores {
		if accepted[i] = score >= threshold; accepted[i] {
			acceptedCorrect = append(acceptedCorrect, correct[i])
		}
	}
	v := Rejection{
		Misclassified: aurocOf(right, wrong, a, b),
		Coverage:      Proportion(accepted, s.Groups),
		Accuracy:      Proportion(acceptedCorrect, s.of(func(i int) bool { return accepted[i] }).Groups),
	}
	n := float64(len(correct))
	if n == 0 {
		v.AURC = math.NaN()
		return v
	}
	const steps = 198
	r := newRanking(a, b)
	covered, errors, last := 0, 0, 0
	for i := len(r.scores) - 1; i >= 0; i-- {
		wrong := int(r.out[i])
		size := int(r.in[i]) + wrong
		for j := 1; j <= size; j++ {
			v.AURC += (float64(errors) + float64(wrong*j)/float64(size)) / float64(covered+j) / n
		}
		covered += size
		errors += wrong
		if last == 0 || i == 0 || float64(covered-last)/n >= 1.0/steps {
			last = covered
			v.Curve = append(v.Curve, [2]float64{float64(covered) / n, 1 - float64(errors)/float64(covered)})
		}
	}
	return v
}

// Bin holds the files whose confidence falls in one bin of [ECE].
type Bin struct {
	N                    int
	Confidence, Accuracy float64 // means over the files; NaN without files
}

// ECE returns the expected calibration error of a classifier (Naeini, Cooper &
// Hauskrecht, AAAI 2015)
//
//	Σ_b n_b/n · |accuracy_b − confidence_b|
//
// over bins of equal width, of which bin b holds the files with a confidence in
// ((b)/bins, (b+1)/bins]; 0 is in the first. confidence[i] is the probability, from
// 0 to 1, of the class that the classifier gives file i, and correct[i] says
// whether that is the file's class. ECE is NaN without files. It panics if the
// lengths differ, if bins is not positive, or if a confidence is outside [0, 1].
func ECE(confidence []float64, correct []bool, bins int) (float64, []Bin) {
	if len(confidence) != len(correct) || bins < 1 {
		panic("stats: ECE: lengths differ, or no bins")
	}
	all := make([]Bin, bins)
	for i, c := range confidence {
		if !(c >= 0 && c <= 1) {
			panic("stats: ECE: a confidence is outside [0, 1]")
		}
		b := &all[max(0, int(math.Ceil(c*float64(bins)))-1)]
		b.N++
		b.Confidence += c
		if correct[i] {
			b.Accuracy++
		}
	}
	ece := 0.0
	for i := range all {
		b := &all[i]
		n := float64(b.N)
		ece += math.Abs(b.Accuracy - b.Confidence)
		b.Confidence, b.Accuracy = b.Confidence/n, b.Accuracy/n // 0/0 is NaN
	}
	return ece / float64(len(confidence)), all
}

// AUTAt returns the area under a metric over time, divided by the time from the
// first to the last value: the trapezoid rule with the values at the given times.
// For times that are equally far apart it is [AUT]. times must rise; AUTAt is NaN
// for fewer than two values, and panics if the lengths differ.
func AUTAt(times, metric []float64) float64 {
	if len(times) != len(metric) {
		panic("stats: AUTAt: lengths differ")
	}
	if len(times) < 2 {
		return math.NaN()
	}
	area := 0.0
	for i := range len(times) - 1 {
		area += (times[i+1] - times[i]) * (metric[i] + metric[i+1]) / 2
	}
	return area / (times[len(times)-1] - times[0])
}

// Spread returns the standard deviation of the values that are not NaN, with
// n − 1 in the denominator. It is NaN for fewer than two.
func Spread(x []float64) float64 {
	var n, mean, squares float64
	for _, v := range x {
		if math.IsNaN(v) {
			continue
		}
		n++
		d := v - mean
		mean += d / n
		squares += d * (v - mean)
	}
	if n < 2 {
		return math.NaN()
	}
	return math.Sqrt(squares / (n - 1))
}
