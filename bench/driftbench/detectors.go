package main

import (
	"slices"

	"driftbench/report"
	"driftbench/stats"
)

const (
	histogramBins = 40
	curvePoints   = 200
	keepIn        = 0.95 // share of In above a detector's threshold
)

// measure holds the scores of one detector for In against those for every Out
// sample and month. done is called after each Out sample.
func (sc *scored) measure(name string, opt scoring, done func(int)) report.Detector {
	scores := sc.scores[name]
	fit, in, outs := scores[0], scores[1], scores[2:]
	d := report.Detector{
		Name:          name,
		UsesOutLabels: stats.UsesOutLabels(name),
		Threshold:     report.Num(stats.Threshold(in, keepIn)),
		Gap:           interval(stats.DeLong(fit, in).Interval),
	}
	edges := stats.Edges(histogramBins, scores[1:]...)
	d.Edges = nums(edges)
	d.InHistogram = nums(stats.Histogram(edges, in))

	var p []float64
	for i, out := range outs {
		x := sc.out()[i]
		a := stats.DeLong(in, out)
		balanced, classes := stats.PerClass(in, sc.in().classes, out, x.classes, len(sc.labels))
		s := report.DetectorSplit{
			Split: x.Name, In: len(in), Out: len(out),
			AUROC: report.Num(a.Value), AUROCLo: report.Num(a.Lo), AUROCHi: report.Num(a.Hi),
			NullLo: report.Num(a.NullLo), NullHi: report.Num(a.NullHi),
			P:         report.Num(a.P),
			Balanced:  interval(balanced),
			Rejected:  report.Num(stats.Below(out, float64(d.Threshold))),
			ROC:       pairs(stats.ROC(in, out, curvePoints)),
			Histogram: nums(stats.Histogram(edges, out)),
		}
		for _, m := range stats.Metrics(in, out, stats.Bootstrap{Resamples: opt.resamples, Seed: opt.seed}) {
			s.Metrics = append(s.Metrics, report.Metric{Name: m.Name, Interval: interval(m.Interval)})
		}
		for c, a := range classes {
			s.Classes = append(s.Classes, report.ClassAUROC{
				Label: sc.labels[c], In: count(sc.in().classes, c), Out: count(x.classes, c), Interval: interval(a.Interval),
			})
		}
		d.Splits = append(d.Splits, s)
		p = append(p, a.P)
		done(1)
	}
	for i, p := range stats.Holm(p) {
		d.Splits[i].PHolm = report.Num(p)
	}

	for _, m := range sc.months() {
		out := inMonth(sc.samples, m, func(split, row int) float64 { return scores[split][row] })
		a := stats.DeLong(in, out)
		d.Months = append(d.Months, report.DetectorMonth{
			Month: m, Out: len(out),
			AUROC: report.Num(a.Value), AUROCLo: report.Num(a.Lo), AUROCHi: report.Num(a.Hi),
			NullLo: report.Num(a.NullLo), NullHi: report.Num(a.NullHi),
		})
	}
	return d
}

// compare tests, on the same files, every detector against the first choice
// on every Out sample, and the first choice between neighbouring Out samples.
// Each of the two families of tests is corrected by Holm on its own.
func (sc *scored) compare(names []string) []report.Comparison {
	if len(names) == 0 {
		return nil
	}
	const usual = "mahalanobis/ensemble"
	first := names[0]
	if slices.Contains(names, usual) {
		first = usual
	}
	var detectors, splits []report.Comparison
	for i, x := range sc.out() {
		for _, name := range names {
			if name == first {
				continue
			}
			d := stats.PairedDetectors(sc.scores[name][1], sc.scores[name][i+2], sc.scores[first][1], sc.scores[first][i+2])
			detectors = append(detectors, comparison(name+"@"+x.Name, first+"@"+x.Name, d))
		}
		if i > 0 {
			before := sc.out()[i-1]
			d := stats.PairedSplits(sc.scores[first][1], sc.scores[first][i+2], sc.scores[first][i+1])
			splits = append(splits, comparison(first+"@"+x.Name, first+"@"+before.Name, d))
		}
	}
	holm(detectors)
	holm(splits)
	return append(splits, detectors...)
}

func comparison(a, b string, d stats.Difference) report.Comparison {
	return report.Comparison{A: a, B: b, Delta: report.Num(d.Value), Lo: report.Num(d.Lo), Hi: report.Num(d.Hi), P: report.Num(d.P)}
}

// holm corrects the p-values of one family of comparisons.
func holm(family []report.Comparison) {
	p := make([]float64, len(family))
	for i, c := range family {
		p[i] = float64(c.P)
	}
	for i, p := range stats.Holm(p) {
		family[i].PHolm = report.Num(p)
	}
}

func interval(i stats.Interval) report.Interval {
	return report.Interval{Value: report.Num(i.Value), Lo: report.Num(i.Lo), Hi: report.Num(i.Hi)}
}

func nums(v []float64) []report.Num {
	n := make([]report.Num, len(v))
	for i, x := range v {
		n[i] = report.Num(x)
	}
	return n
}

func pairs(v [][2]float64) [][2]report.Num {
	n := make([][2]report.Num, len(v))
	for i, x := range v {
		n[i] = [2]report.Num{report.Num(x[0]), report.Num(x[1])}
	}
	return n
}

func count(classes []int, class int) int {
	n := 0
	for _, c := range classes {
		if c == class {
			n++
		}
	}
	return n
}
