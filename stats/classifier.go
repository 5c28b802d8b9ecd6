package stats

import (
	"fmt"
	"math"
)

// Confusion counts files by true and predicted class: Confusion[true][predicted].
type Confusion [][]int

// NewConfusion counts predictions. It panics when the slices differ in length
// or a class is not in [0, classes).
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

// Accuracy is the share of files on the diagonal, with Wilson's interval.
func (c Confusion) Accuracy() Interval {
	right, all := 0, 0
	for t, row := range c {
		right += row[t]
		for _, n := range row {
			all += n
		}
	}
	return Wilson(right, all)
}

// MacroF1 is the mean of F1 = 2·TP/(2·TP+FP+FN) over the classes that files
// truly have, scikit-learn's f1_score(labels=those, average="macro"); NaN
// without files. A class that is predicted alone has F1 0 whatever its number,
// so that one wrong file would halve the mean of a month with one class.
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

// Wilson is the share k/n with Wilson's (1927) score interval, which stays in
// [0, 1], holds the share, and covers near its ends; NaN when n is 0.
func Wilson(k, n int) Interval {
	const z = normalQuantile
	p, m := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	// At 0 and n one end is the share itself, but for rounding.
	return Interval{Value: p, Lo: max(0, min(p, middle-half)), Hi: min(1, max(p, middle+half))}
}

// AUT is the area under a metric over time (TESSERACT; Pendlebury et al.,
// USENIX Security 2019): the trapezoid rule over equally spaced points, divided
// by their number less one. It is NaN for fewer than two points.
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
