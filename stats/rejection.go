package stats

import (
	"fmt"
	"math"
)

// Rejection is what rejecting the files with low scores buys a classifier.
type Rejection struct {
	// Misclassified is the AUROC of the score for files that are classified
	// correctly against those that are not.
	Misclassified AUROC
	// AURC is the area under risk against coverage (Geifman, Uziel & El-Yaniv
	// 2019): the error rate of the k files that score highest, averaged over
	// k = 1…n. Among ties the errors count as evenly spread.
	AURC float64
	// Curve is accuracy against coverage, (coverage, accuracy), from the
	// highest threshold to all files; in at most 200 points.
	Curve [][2]float64
	// Coverage is the share of files at or above the threshold, Accuracy that
	// of the correct ones among them (NaN when none is left).
	Coverage, Accuracy float64
}

// Reject judges scores by whether the files were classified correctly.
func Reject(scores []float64, correct []bool, threshold float64) Rejection {
	if len(scores) != len(correct) {
		panic(fmt.Sprintf("stats: %d scores of %d files", len(scores), len(correct)))
	}
	var right, wrong []float64
	kept, keptRight := 0, 0
	for i, s := range scores {
		if correct[i] {
			right = append(right, s)
		} else {
			wrong = append(wrong, s)
		}
		if s >= threshold {
			kept++
			if correct[i] {
				keptRight++
			}
		}
	}
	n := float64(len(scores))
	v := Rejection{
		Coverage: float64(kept) / n,
		Accuracy: float64(keptRight) / float64(kept),
	}
	a, b := sortBoth(right, wrong)
	v.Misclassified = deLong(a, b)
	if len(scores) == 0 {
		v.AURC = math.NaN()
		return v
	}
	const steps = 198
	r := newRanking(a, b)
	covered, errors, last := 0, 0, 0
	for i := len(r.groups) - 1; i >= 0; i-- {
		g := r.groups[i]
		size := g.in + g.out
		for j := 1; j <= size; j++ {
			v.AURC += (float64(errors) + float64(g.out*j)/float64(size)) / float64(covered+j) / n
		}
		covered += size
		errors += g.out
		if last == 0 || i == 0 || float64(covered-last)/n >= 1.0/steps {
			last = covered
			v.Curve = append(v.Curve, [2]float64{float64(covered) / n, 1 - float64(errors)/float64(covered)})
		}
	}
	return v
}
