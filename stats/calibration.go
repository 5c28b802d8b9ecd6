package stats

import "math"

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
