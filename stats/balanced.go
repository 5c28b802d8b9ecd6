package stats

import (
	"fmt"
	"math"
)

// PerClass returns the AUROC among the files of each class, and their mean: an
// AUROC that a change in the mix of classes leaves alone, which the plain one
// counts as drift. inClass[i] is the class of in[i], below classes; a file
// whose class is negative counts in none.
//
// The mean is over the classes with two files or more on both sides. Its
// interval joins theirs, which share no file (MOVER, Zou & Donner 2008): with
// C classes, lo = mean − √Σ(A_c−lo_c)² / C, and hi likewise. Without such a
// class it is NaN.
func PerClass(in []float64, inClass []int, out []float64, outClass []int, classes int) (balanced Interval, each []AUROC) {
	inOf, outOf := byClass(in, inClass, classes), byClass(out, outClass, classes)
	each = make([]AUROC, classes)
	var sum, below, above, count float64
	for c := range classes {
		a := DeLong(inOf[c], outOf[c])
		each[c] = a
		if len(inOf[c]) < 2 || len(outOf[c]) < 2 {
			continue
		}
		count++
		sum += a.Value
		below += (a.Value - a.Lo) * (a.Value - a.Lo)
		above += (a.Hi - a.Value) * (a.Hi - a.Value)
	}
	value := sum / count // 0/0 is NaN
	return Interval{value, value - math.Sqrt(below)/count, value + math.Sqrt(above)/count}, each
}

func byClass(scores []float64, class []int, classes int) [][]float64 {
	if len(scores) != len(class) {
		panic(fmt.Sprintf("stats: %d scores with %d classes", len(scores), len(class)))
	}
	of := make([][]float64, classes)
	for i, c := range class {
		if c >= 0 {
			of[c] = append(of[c], scores[i])
		}
	}
	return of
}
