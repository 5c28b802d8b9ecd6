package bench

import (
	"driftbench/bench/dataset"
	"driftbench/report"
	"driftbench/stats"
)

const (
	histogramBins = 40
	curvePoints   = 200
	keepIn        = 0.95 // share of In above a detector's threshold
)

// measure compares the scores that one detector gives In with those of every
// Out split and month.
func (s *Splits) measure(name string, opt Options) report.Detector {
	fit, in := s.Fit.sample(name), s.In.sample(name)
	reference := stats.NewReference(in)
	shown := [][]float64{in.Scores}
	for _, x := range s.Out {
		shown = append(shown, x.Scores[name])
	}
	d := report.Detector{
		Name:          name,
		UsesOutLabels: stats.UsesOutLabels(name),
		Threshold:     report.Num(stats.Threshold(in.Scores, keepIn)),
		Gap:           interval(stats.AUROCOf(fit, in).Interval),
	}
	d.Neighbour, d.NeighbourRows = s.detectors.Neighbours(name)
	edges := stats.ReadableEdges(histogramBins, shown...)
	d.Edges = nums(edges)
	d.InHistogram = nums(stats.Histogram(edges, in.Scores))

	var p []float64
	for _, x := range s.Out {
		out := x.sample(name)
		a := reference.AUROC(out)
		balanced, classes := stats.PerClass(in, s.In.Classes, out, x.Classes, len(s.Labels))
		rejected := interval(stats.Below(out, float64(d.Threshold)))
		against := report.DetectorSplit{
			Split: x.Name, In: len(in.Scores), Out: len(out.Scores),
			AUROC: report.Num(a.Value), AUROCLo: report.Num(a.Lo), AUROCHi: report.Num(a.Hi),
			NullLo: report.Num(a.NullLo), NullHi: report.Num(a.NullHi),
			P:        report.Num(a.P),
			Balanced: interval(balanced),
			GroupsIn: a.GroupsIn, GroupsOut: a.GroupsOut, FewGroups: a.Few(),
			EffectiveIn: report.Num(a.EffectiveIn), EffectiveOut: report.Num(a.EffectiveOut), DesignEffect: report.Num(a.DesignEffect),
			Families: s.families(name, reference, x),
			Rejected: rejected.Value, RejectedInterval: &rejected,
			ROC:       pairs(stats.ROC(in.Scores, out.Scores, curvePoints)),
			Histogram: nums(stats.Histogram(edges, out.Scores)),
		}
		for _, m := range stats.Metrics(in, out, stats.Bootstrap{Resamples: opt.Resamples, Seed: opt.Seed}) {
			against.Metrics = append(against.Metrics, report.Metric{Name: m.Name, Interval: interval(m.Interval)})
		}
		for c, a := range classes {
			against.Classes = append(against.Classes, report.ClassAUROC{
				Label: s.Labels[c], In: count(s.In.Classes, c), Out: count(x.Classes, c), Interval: interval(a.Interval),
			})
		}
		d.Splits = append(d.Splits, against)
		p = append(p, a.P)
		opt.Monitor.advance(1)
	}
	for i, p := range stats.Holm(p) {
		d.Splits[i].PHolm = report.Num(p)
	}

	var byMonth []map[dataset.Month][]int // of each Out split
	for _, x := range s.Out {
		byMonth = append(byMonth, x.byMonth())
	}
	for _, m := range s.months() {
		var out stats.Sample
		for i, x := range s.Out {
			part := x.sampleOf(name, byMonth[i][m])
			out.Scores, out.Groups = append(out.Scores, part.Scores...), append(out.Groups, part.Groups...)
		}
		a := reference.AUROC(out)
		d.Months = append(d.Months, report.DetectorMonth{
			Month: m.String(), Out: len(out.Scores), Groups: a.GroupsOut,
			AUROC: report.Num(a.Value), AUROCLo: report.Num(a.Lo), AUROCHi: report.Num(a.Hi),
			NullLo: report.Num(a.NullLo), NullHi: report.Num(a.NullHi),
		})
	}
	return d
}

// compare tests, on the same files, every detector against the preferred one
// on every Out split, and the preferred one between neighbouring Out splits.
// Each of the two families of tests is corrected by Holm on its own.
func (s *Splits) compare(names []string) []report.Comparison {
	if len(names) == 0 {
		return nil
	}
	first := report.Preferred(names)
	var detectors, splits []report.Comparison
	for i, x := range s.Out {
		for _, name := range names {
			if name == first {
				continue
			}
			d := stats.PairedDetectors(s.In.sample(name), x.sample(name), s.In.Scores[first], x.Scores[first])
			detectors = append(detectors, comparison(name+"@"+x.Name, first+"@"+x.Name, d))
		}
		if i > 0 {
			before := s.Out[i-1]
			d := stats.PairedSplits(s.In.sample(first), x.sample(first), before.sample(first))
			splits = append(splits, comparison(first+"@"+x.Name, first+"@"+before.Name, d))
		}
	}
	holm(detectors)
	holm(splits)
	return append(splits, detectors...)
}

// families returns the AUROC of all In files against the Out files of each label
// that training lacks, the commonest label first.
func (s *Splits) families(detector string, in *stats.Reference, x *Split) []report.ClassAUROC {
	rows := map[string][]int{}
	counts := map[string]int{}
	for row, c := range x.Classes {
		if c < 0 {
			label := x.Rows[row].Label
			rows[label] = append(rows[label], row)
			counts[label]++
		}
	}
	var all []report.ClassAUROC
	for _, label := range commonest(counts) {
		out := x.sampleOf(detector, rows[label])
		all = append(all, report.ClassAUROC{
			Label: label, In: len(in.Scores), Out: len(out.Scores), Interval: interval(in.AUROC(out).Interval),
		})
	}
	return all
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
