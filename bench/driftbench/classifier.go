package main

import (
	"driftbench/report"
	"driftbench/stats"
)

// classify takes the predicted classes of a sample from its logits, as indices
// into the labels. It returns nil when the model's classes are not the labels.
func classify(x *sample, labels int) []int {
	for _, l := range x.Layers {
		if l.Name != stats.Logits || max(2, l.Width) != labels {
			continue
		}
		classes := make([]int, len(x.Rows))
		for i := range classes {
			row := l.Data[i*l.Width : (i+1)*l.Width]
			if l.Width == 1 { // one sigmoid unit: above 0 is the second label
				if row[0] > 0 {
					classes[i] = 1
				}
				continue
			}
			for c, v := range row {
				if v > row[classes[i]] {
					classes[i] = c
				}
			}
		}
		return classes
	}
	return nil
}

// classifier measures the model's own classes by split and month, and what
// rejecting files by score buys; nil when the classes of any sample are not
// known.
func (sc *scored) classifier() *report.Classifier {
	c := new(report.Classifier)
	for _, x := range sc.all {
		if x.predicted == nil {
			return nil
		}
		c.Splits = append(c.Splits, accuracy(x.Name, sc.labels, x.classes, x.predicted))
	}

	var accuracies, f1s []float64
	for _, m := range sc.months() {
		truth := inMonth(sc.samples, m, func(split, row int) int { return sc.all[split].classes[row] })
		said := inMonth(sc.samples, m, func(split, row int) int { return sc.all[split].predicted[row] })
		a := accuracy(m, sc.labels, truth, said)
		c.Months = append(c.Months, a)
		accuracies = append(accuracies, float64(a.Accuracy.Value))
		f1s = append(f1s, float64(a.MacroF1))
	}
	nan := report.Num(stats.AUT(nil))
	for _, aut := range []struct {
		name   string
		values []float64
	}{{"accuracy", accuracies}, {"macro-F1", f1s}} {
		c.AUT = append(c.AUT, report.Metric{Name: aut.name, Interval: report.Interval{Value: report.Num(stats.AUT(aut.values)), Lo: nan, Hi: nan}})
	}

	for _, name := range sc.detectors.Names() {
		threshold := stats.Threshold(sc.scores[name][1], keepIn)
		for i, x := range sc.out() {
			correct := make([]bool, len(x.Rows))
			for j, class := range x.classes {
				correct[j] = x.predicted[j] == class
			}
			r := stats.Reject(sc.scores[name][i+2], correct, threshold)
			c.Rejection = append(c.Rejection, report.Rejection{
				Detector: name, Split: x.Name,
				Misclassified: interval(r.Misclassified.Interval),
				AURC:          report.Num(r.AURC),
				Curve:         pairs(r.Curve),
				Coverage:      report.Num(r.Coverage),
				Accuracy:      report.Num(r.Accuracy),
			})
		}
	}
	return c
}

func accuracy(name string, labels []string, truth, predicted []int) report.Accuracy {
	m := stats.NewConfusion(len(labels), truth, predicted)
	return report.Accuracy{
		Name: name, Files: len(truth),
		Accuracy: interval(m.Accuracy()), MacroF1: report.Num(m.MacroF1()), Confusion: m,
	}
}
