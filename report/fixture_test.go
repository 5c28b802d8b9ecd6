package report

import (
	"fmt"
	"math"
)

// The numbers of this file are invented: they have the shape of a run, for
// tests of the drawing alone. None of them was measured.

// inventedRun is a complete Results: three detectors drawn large, two more,
// one skipped, three later splits, four families, 24 months of which one has
// no files.
func inventedRun() Results {
	labels := []string{"trojan", "virus", "worm", "backdoor"}
	r := Results{
		SchemaVersion: SchemaVersion, Train: "2017", Labels: labels, InUnseen: "unseen",
		Splits: []Split{
			inventedSplit("2017-fit", RoleFit, "2017-01", "2017-12", 400, labels),
			inventedSplit("2017-val", RoleIn, "2017-01", "2017-12", 162, labels),
			inventedSplit("2018-Q1", RoleOut, "2018-01", "2018-03", 96, labels),
			inventedSplit("2018-late", RoleOut, "2018-04", "2018-12", 213, labels),
			inventedSplit("2019", RoleOut, "2019-01", "2019-12", 181, labels),
		},
		Fits: []Fit{
			{Layer: "layer7", Width: 128, Rows: 400, Rank: 121, Condition: 3.1e6},
			{Layer: "layer8", Width: 64, Rows: 400, Rank: 64, Condition: 8.4e4},
		},
		Warnings: []string{"2 files of 2018-Q1 have build dates after their first_seen month"},
	}
	r.Splits[3].Dropped, r.Splits[3].Duplicates, r.Splits[3].SeenInFit = 3, 11, 2
	r.Detectors = []Detector{
		inventedDetector(r, "mahalanobis/layer7", 0.52, 0.07),
		inventedDetector(r, "mahalanobis/layer8", 0.53, 0.10),
		inventedDetector(r, "mahalanobis/ensemble", 0.54, 0.12),
		inventedDetector(r, "rmd/layer8", 0.50, 0.05),
		inventedDetector(r, "msp", 0.51, 0.03),
		{Name: "vim", Skipped: "the fit split has fewer rows (400) than layer7 has features (512)"},
	}
	r.Comparisons = []Comparison{
		{A: "mahalanobis/ensemble@2019", B: "mahalanobis/layer7@2019", Delta: 0.121, Lo: 0.078, Hi: 0.164, P: 0.00000004, PHolm: 0.0000002},
		{A: "mahalanobis/layer8@2019", B: "mahalanobis/layer8@2018-Q1", Delta: 0.2, Lo: 0.11, Hi: 0.29, P: 0.0001, PHolm: 0.0004},
		{A: "msp@2019", B: "rmd/layer8@2019", Delta: -0.04, Lo: -0.1, Hi: 0.02, P: 0.19, PHolm: 0.19},
	}
	r.Classifier = inventedClassifier(r)
	return r
}

func inventedSplit(name string, role Role, from, to string, n int, labels []string) Split {
	s := Split{Name: name, Role: role, From: from, To: to, Files: n}
	for i, l := range labels { // ever fewer, and none empty
		k := n * (len(labels) - i) * 2 / (len(labels) * (len(labels) + 1))
		s.Classes = append(s.Classes, ClassCount{l, k})
	}
	for _, c := range s.Classes {
		n -= c.Files
	}
	s.Classes[0].Files += n
	return s
}

// spread is a plausible half width of the interval of an AUROC.
func spread(in, out int) float64 {
	return 1.96 * math.Sqrt(float64(in+out+1)/float64(12*in*out))
}

// inventedDetector has AUROCs that start at auroc and grow by step a split.
func inventedDetector(r Results, name string, auroc, step float64) Detector {
	const bins = 40
	d := Detector{Name: name, Threshold: -95, Gap: Interval{0.53, 0.49, 0.57}}
	for i := range bins + 1 {
		d.Edges = append(d.Edges, Num(-160+3*i))
	}
	bell := func(center float64) []Num {
		h, sum := make([]Num, bins), Num(0)
		for i := range h {
			z := (-160 + 3*(float64(i)+0.5) - center) / 14
			h[i] = Num(math.Exp(-z * z / 2))
			sum += h[i]
		}
		for i := range h {
			h[i] /= sum
		}
		return h
	}
	d.InHistogram = bell(-72)
	in := r.Splits[1].Files
	for i, s := range r.Splits[2:] {
		a := auroc + step*float64(i)*1.1
		w := spread(in, s.Files)
		x := DetectorSplit{
			Split: s.Name, In: in, Out: s.Files,
			AUROC: Num(a), AUROCLo: Num(a - w*0.9), AUROCHi: Num(min(1, a+w*0.9)),
			NullLo: Num(0.5 - w), NullHi: Num(0.5 + w), P: Num(math.Exp(-math.Abs(a-0.5) * 60)),
			Balanced:  Interval{Num(a - 0.01), Num(a - 0.01 - w), Num(a - 0.01 + w)},
			Rejected:  Num(0.05 + (a-0.5)*0.9),
			Histogram: bell(-72 - (a-0.5)*60),
			Metrics: []Metric{
				{"AUPR-In", Interval{Num(a - 0.05), Num(a - 0.05 - w), Num(a - 0.05 + w)}},
				{"AUPR-Out", Interval{Num(a), Num(a - w), Num(a + w)}},
				{"FPR@95TPR", Interval{Num(1.4 - a), Num(1.4 - a - w), Num(1.4 - a + w)}},
			},
		}
		x.PHolm = min(1, 3*x.P)
		power := Num(a / (1 - a)) // TPR = FPR^(1/power) has area a
		for k := range 51 {
			f := float64(k) / 50
			x.ROC = append(x.ROC, [2]Num{Num(f), Num(math.Pow(f, 1/float64(power)))})
		}
		for k, c := range s.Classes {
			b := min(0.97, a+0.06*(float64(k)-1.2))
			x.Classes = append(x.Classes, ClassAUROC{Label: c.Label, In: r.Splits[1].Classes[k].Files, Out: c.Files,
				Interval: Interval{Num(b), Num(b - 2*w), Num(min(1, b+2*w))}})
		}
		d.Splits = append(d.Splits, x)
	}
	for m := range 24 {
		n := 9 + (m*7)%11
		if m == 14 {
			n = 0
		}
		x := DetectorMonth{Month: fmt.Sprintf("%d-%02d", 2018+m/12, m%12+1), Out: n,
			AUROC: Num(math.NaN()), AUROCLo: Num(math.NaN()), AUROCHi: Num(math.NaN()), NullLo: Num(math.NaN()), NullHi: Num(math.NaN())}
		if n > 0 {
			w := spread(in, n)
			a := auroc + step*float64(m)/9 + 0.03*math.Sin(float64(m)*2.3)
			x.AUROC, x.AUROCLo, x.AUROCHi = Num(a), Num(a-w), Num(min(1, a+w))
			x.NullLo, x.NullHi = Num(0.5-w), Num(0.5+w)
		}
		d.Months = append(d.Months, x)
	}
	return d
}

func inventedClassifier(r Results) *Classifier {
	c := &Classifier{AUT: []Metric{{"accuracy", Interval{0.83, 0.81, 0.85}}, {"macro-F1", Interval{0.79, 0.77, 0.81}}}}
	values := []Num{0.995, 0.97, 0.93, 0.84, 0.71}
	for i, s := range r.Splits {
		a, w := values[i], Num(1/math.Sqrt(float64(s.Files)))/2
		c.Splits = append(c.Splits, Accuracy{Name: s.Name, Files: s.Files, Accuracy: Interval{a, a - w, min(1, a+w)}, MacroF1: a - 0.03})
	}
	for _, m := range r.Detectors[0].Months {
		x := Accuracy{Name: m.Month, Files: m.Out, Accuracy: Interval{Num(math.NaN()), Num(math.NaN()), Num(math.NaN())}, MacroF1: Num(math.NaN())}
		if m.Out > 0 {
			a := 1.62 - 1.25*m.AUROC
			x.Accuracy, x.MacroF1 = Interval{a, max(0, a-0.12), min(1, a+0.1)}, a-0.05
		}
		c.Months = append(c.Months, x)
	}
	for n, d := range r.Detectors[:5] {
		gain := Num(0.5 + 0.25*float64(n%3))
		for i, s := range d.Splits {
			full := values[i+2]
			j := Rejection{Detector: d.Name, Split: s.Split, Misclassified: Interval{0.78, 0.72, 0.84}, AURC: 0.07,
				Coverage: 1 - s.Rejected, Accuracy: full + gain*(1-full)*s.Rejected}
			for k := 1; k <= 40; k++ {
				cov := Num(k) / 40
				j.Curve = append(j.Curve, [2]Num{cov, full + gain*(1-full)*(1-cov)})
			}
			c.Rejection = append(c.Rejection, j)
		}
	}
	return c
}

func inventedThroughput() []ThroughputRow {
	var rows []ThroughputRow
	for i, engine := range []string{"tensorflow", "table"} {
		for j, batch := range []int{1, 8, 32} {
			x := float64(60*(j+1)*(2*i+1) + 25*j)
			rows = append(rows, ThroughputRow{Engine: engine, Device: "cpu", Scenario: "forward", Unit: "samples/s", Batch: batch, Center: x, Lo: x * 0.95, Hi: x * 1.04, N: 10},
				ThroughputRow{Engine: engine, Device: "cpu", Scenario: "forward", Unit: "MB/s", Batch: batch, Center: x * 0.2, Lo: x * 0.19, Hi: x * 0.208, N: 10})
		}
	}
	return rows
}

func inventedInput() Input {
	return Input{
		Name: "invented", Results: inventedRun(), Throughput: inventedThroughput(),
		Manifest: []KeyValue{{"command", "driftbench run --corpus corpus --model model --out out"}, {"model sha256", "0000000000000000000000000000000000000000000000000000000000000000"}, {"engine", "tensorflow"}, {"device", "cpu"}},
	}
}
