package bench

import (
	"driftbench/report"
	"driftbench/stats"
)

// classifier measures the accuracy of the model by split and month, and how
// much more accurate it is on the files that a detector does not reject. It
// returns nil when the predicted classes of any split are not known.
func (s *Splits) classifier() *report.Classifier {
	c := new(report.Classifier)
	for _, x := range s.All() {
		if x.Predicted == nil {
			return nil
		}
		c.Splits = append(c.Splits, accuracy(x.Name, s.Labels, x.Classes, x.Predicted))
	}

	var accuracies, f1s []float64
	for _, m := range s.months() {
		truth := inMonth(s, m, func(x *Split, row int) int { return x.Classes[row] })
		predicted := inMonth(s, m, func(x *Split, row int) int { return x.Predicted[row] })
		a := accuracy(m.String(), s.Labels, truth, predicted)
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

	for _, name := range s.detectors.Names() {
		threshold := stats.Threshold(s.In.Scores[name], keepIn)
		for _, x := range s.Out {
			correct := make([]bool, len(x.Rows))
			for j, class := range x.Classes {
				correct[j] = x.Predicted[j] == class
			}
			r := stats.Reject(x.Scores[name], correct, threshold)
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
