package bench

import (
	"maps"
	"math"

	"driftbench/bench/dataset"
	"driftbench/report"
	"driftbench/stats"
)

// calibrationBins is the number of bins of the expected calibration error, as in
// Naeini et al. (2015).
const calibrationBins = 10

// mostMonthlyConfusion is the number of labels up to which the confusion matrix of
// every month is kept: it has as many numbers as the square of the labels.
const mostMonthlyConfusion = 64

var nan = math.NaN()

// classifier measures the accuracy of the model on the files that have a class,
// by split and month, and how much more accurate it is on the files that a
// detector does not reject. It returns nil when the predicted classes of any split
// are not known.
func (s *Splits) classifier() *report.Classifier {
	c := new(report.Classifier)
	for _, x := range s.All() {
		if x.Predicted == nil {
			return nil
		}
		c.Splits = append(c.Splits, s.accuracy(x.Name, x, x.labelled()))
		if x.Role != report.RoleFit && x.Confidence != nil {
			c.Calibration = append(c.Calibration, calibration(x.Name, x, x.labelled()))
		}
	}
	s.addMonths(c)
	for _, name := range s.detectors.Names() {
		threshold := stats.Threshold(s.In.Scores[name], keepIn)
		for _, x := range s.Out {
			rows := x.labelled()
			sample := x.sampleOf(name, rows)
			r := stats.Reject(sample, x.correct(rows), threshold)
			kept := 0
			for _, score := range sample.Scores {
				if score >= threshold {
					kept++
				}
			}
			coverage, accuracy := interval(r.Coverage), interval(r.Accuracy)
			c.Rejection = append(c.Rejection, report.Rejection{
				Detector: name, Split: x.Name,
				Misclassified: interval(r.Misclassified.Interval),
				AURC:          report.Num(r.AURC),
				Curve:         pairs(r.Curve),
				Coverage:      report.Num(r.Coverage.Value),
				Accuracy:      report.Num(r.Accuracy.Value),
				Kept:          kept, CoverageInterval: &coverage, AccuracyInterval: &accuracy,
			})
		}
	}
	return c
}

// sampleOf returns the scores of some rows of x by a detector with their groups.
func (x *Split) sampleOf(detector string, rows []int) stats.Sample {
	return stats.Sample{Scores: pick(x.Scores[detector], rows), Groups: pick(x.Groups, rows)}
}

// accuracy measures the model on some rows of a split.
func (s *Splits) accuracy(name string, x *Split, rows []int) report.Accuracy {
	m := stats.NewConfusion(len(s.Labels), pick(x.Classes, rows), pick(x.Predicted, rows))
	return report.Accuracy{
		Name: name, Files: len(rows),
		Accuracy: interval(stats.Proportion(x.correct(rows), pick(x.Groups, rows))), MacroF1: report.Num(m.MacroF1()), Confusion: m,
	}
}

// calibration compares the confidence of the model with its accuracy on some rows
// of a split.
func calibration(name string, x *Split, rows []int) report.Calibration {
	ece, bins := stats.ECE(pick(x.Confidence, rows), x.correct(rows), calibrationBins)
	c := report.Calibration{Name: name, ECE: report.Num(ece)}
	for _, b := range bins {
		c.Bins = append(c.Bins, report.CalibrationBin{Files: b.N, Confidence: report.Num(b.Confidence), Accuracy: report.Num(b.Accuracy)})
	}
	return c
}

// addMonths measures the model and the threshold of the preferred detector by
// month of the Out files.
func (s *Splits) addMonths(c *report.Classifier) {
	detector := report.Preferred(s.detectors.Names())
	all := s.outRows(detector)
	var months []dataset.Month
	var accuracies, f1s []float64
	byMonth := all.byMonth()
	for _, m := range s.months() {
		rows := all.some(byMonth[m])
		if len(rows.labelled()) == 0 {
			continue
		}
		a := s.accuracy(m.String(), rows, rows.labelled())
		if len(s.Labels) > mostMonthlyConfusion {
			a.Confusion = nil
		}
		c.Months = append(c.Months, a)
		months = append(months, m)
		accuracies = append(accuracies, float64(a.Accuracy.Value))
		f1s = append(f1s, float64(a.MacroF1))
	}
	none := func(v float64) report.Interval {
		return report.Interval{Value: report.Num(v), Lo: report.Num(nan), Hi: report.Num(nan)}
	}
	c.AUT = []report.Metric{{Name: "accuracy", Interval: none(stats.AUT(accuracies))}, {Name: "macro-F1", Interval: none(stats.AUT(f1s))}}
	for i, m := range months {
		for gap := months[max(0, i-1)] + 1; gap < m; gap++ {
			c.MissingMonths = append(c.MissingMonths, gap.String())
		}
	}
	if len(c.MissingMonths) > 0 {
		times := make([]float64, len(months))
		for i, m := range months {
			times[i] = float64(m)
		}
		c.AUTCalendar = []report.Metric{{Name: "accuracy", Interval: none(stats.AUTAt(times, accuracies))}, {Name: "macro-F1", Interval: none(stats.AUTAt(times, f1s))}}
	}
	if detector != "" {
		c.Operation = s.operation(detector, all)
	}
}

// operation returns what an operator who rejects the files below the threshold
// that keeps keepIn of In would have seen by month (Herzog et al. 2025).
func (s *Splits) operation(detector string, out *Split) *report.Operation {
	threshold := stats.Threshold(s.In.Scores[detector], keepIn)
	o := &report.Operation{Detector: detector}
	var rejected, errors, aurc, ece []float64
	byMonth := out.byMonth()
	for _, m := range s.months() {
		x := out.some(byMonth[m])
		rows := x.labelled()
		r := stats.Reject(x.sampleOf(detector, rows), x.correct(rows), threshold)
		month := report.OperationMonth{
			Month: m.String(), Files: len(x.Rows),
			Rejected:  interval(stats.Below(x.sample(detector), threshold)),
			ErrorKept: report.Interval{Value: report.Num(1 - r.Accuracy.Value), Lo: report.Num(1 - r.Accuracy.Hi), Hi: report.Num(1 - r.Accuracy.Lo)},
			AURC:      report.Num(r.AURC), ECE: report.Num(nan),
		}
		if x.Confidence != nil {
			month.ECE = calibration("", x, rows).ECE
		}
		o.Months = append(o.Months, month)
		rejected, errors = append(rejected, float64(month.Rejected.Value)), append(errors, float64(month.ErrorKept.Value))
		aurc, ece = append(aurc, float64(month.AURC)), append(ece, float64(month.ECE))
	}
	o.RejectedSD, o.ErrorKeptSD = report.Num(stats.Spread(rejected)), report.Num(stats.Spread(errors))
	o.AURCSD, o.ECESD = report.Num(stats.Spread(aurc)), report.Num(stats.Spread(ece))
	return o
}

// outRows returns the rows of all Out splits as one split, with the scores of one
// detector and without features.
func (s *Splits) outRows(detector string) *Split {
	all := &Split{Role: report.RoleOut, Scores: map[string][]float64{}}
	for _, x := range s.Out {
		all.Rows = append(all.Rows, x.Rows...)
		all.Months = append(all.Months, x.Months...)
		all.Groups = append(all.Groups, x.Groups...)
		all.Classes = append(all.Classes, x.Classes...)
		all.Predicted = append(all.Predicted, x.Predicted...)
		all.Confidence = append(all.Confidence, x.Confidence...)
		all.Scores[detector] = append(all.Scores[detector], x.Scores[detector]...)
	}
	return all
}

// some returns a split without features that has the given rows of x.
func (x *Split) some(rows []int) *Split {
	part := *x
	part.Layers, part.Scores = nil, maps.Clone(x.Scores)
	part.take(rows)
	return &part
}
