package report

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
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
	r.Atypical = &Atypical{Detector: "mahalanobis/ensemble", Split: "2019", Layer: "layer8"}
	for k := range 12 {
		r.Atypical.Files = append(r.Atypical.Files, AtypicalFile{Name: fmt.Sprintf("2019/%02d.exe", k), Label: labels[k%4], FirstSeen: "2019-07-01", Group: fmt.Sprintf("build-%d", k/3),
			SHA256: fmt.Sprintf("%064x", k), Score: Num(k / 4), LayerScore: Num(k - 200), InBelow: Num(k) / 162, Nearest: labels[(k+1)%4], Predicted: labels[k%4]})
	}
	r.Checks = []Check{
		{Name: "the model knows these files", Status: Pass, Detail: "accuracy on the fit rows is 99%, and 40% are of the commonest class"},
		{Name: "rows are distinct", Status: Warn, Detail: "11 of 213 files of 2018-late have the bytes of an earlier row", Todo: "take the copies out of the index", Numbers: map[string]Num{"2018-late": 11}},
		{Name: "the files are programs", Status: Pass, Detail: "every file is a PE"},
		{Name: ClassesAlike, Status: Pass, Detail: "every split has files of every class"},
	}
	return r
}

// inGroups returns a copy of a run whose files are in groups of about eight, and
// whose last split has new families and files without a label.
func inGroups(old Results) Results {
	b, err := json.Marshal(old)
	if err != nil {
		panic(err)
	}
	var r Results
	if err := json.Unmarshal(b, &r); err != nil {
		panic(err)
	}
	for i := range r.Splits {
		s := &r.Splits[i]
		s.Groups, s.LargestGroup, s.NearCopies = s.Files/8, 31, 0
		if s.Role != RoleFit {
			s.GroupMates, s.NearCopies = i, Num(3*i)
		}
	}
	for i := range r.Detectors {
		for j := range r.Detectors[i].Months {
			m := &r.Detectors[i].Months[j]
			m.Groups = m.Out / 3
		}
	}
	r.Splits[1].Excluded = 4
	r.Splits[4].Unlabelled, r.Splits[4].NewFamilies = 20, []ClassCount{{"emotet", 14}, {"qakbot", 6}}
	for i := range r.Detectors {
		for j := range r.Detectors[i].Splits {
			s := &r.Detectors[i].Splits[j]
			s.GroupsIn, s.GroupsOut, s.DesignEffect = s.In/8, s.Out/8, Num(2.4+0.2*float64(j))
			s.EffectiveIn, s.EffectiveOut = Num(s.In)/s.DesignEffect, Num(s.Out)/s.DesignEffect
			if j == 0 {
				s.GroupsOut, s.FewGroups = 4, true
			}
			s.Metrics = append(s.Metrics, Metric{"DTACC", Interval{0.7, 0.66, 0.74}})
			if j == 2 {
				s.Families = []ClassAUROC{{"emotet", s.In, 14, s.auroc()}, {"qakbot", s.In, 6, Interval{0.9, 0.6, 0.98}}, {"", s.In, 20, Interval{0.41, 0.3, 0.5}}}
			}
		}
	}
	return r
}

// manyFamilies is a run with 580 families of the training span and 300 new ones,
// the k-th of either with 1/k of the files of the first.
func manyFamilies() Results {
	r := inGroups(inventedRun())
	r.Labels = nil
	for k := range 580 {
		r.Labels = append(r.Labels, fmt.Sprintf("family-%03d", k))
	}
	zipf := func(k int) int { return 900 / (k + 1) }
	for i := range r.Splits {
		s := &r.Splits[i]
		s.Classes = nil
		for k, label := range r.Labels {
			s.Classes = append(s.Classes, ClassCount{label, zipf(k)})
			s.Files += zipf(k)
		}
	}
	s := &r.Splits[4]
	s.NewFamilies = nil
	for k := range 300 {
		s.NewFamilies = append(s.NewFamilies, ClassCount{fmt.Sprintf("new-%03d", k), zipf(k)})
	}
	for i := range r.Detectors {
		for j := range r.Detectors[i].Splits {
			d := &r.Detectors[i].Splits[j]
			d.Classes = nil
			for k, label := range r.Labels {
				d.Classes = append(d.Classes, ClassAUROC{label, zipf(k), zipf(k), Interval{0.6, 0.5, 0.7}})
			}
			if j < 2 {
				continue
			}
			d.Families = []ClassAUROC{{"", d.In, 20, Interval{0.41, 0.3, 0.5}}}
			for _, c := range s.NewFamilies {
				d.Families = append(d.Families, ClassAUROC{c.Label, d.In, c.Files, Interval{0.7, 0.6, 0.8}})
			}
		}
	}
	return r
}

// blocked is the check of a run whose verdict is withheld.
func blocked() Check {
	return Check{Name: "the files are programs", Status: Block, Detail: "97% of the files of 2019 are Git LFS pointers, text of about 130 bytes that stands in for a file that was never fetched", Todo: "run `git lfs pull` in the corpus, and then driftbench again"}
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
	s.Kinds = []KindCount{{"PE", s.Files - 1}, {"gzip", 1}}
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
		x := Accuracy{Name: s.Name, Files: s.Files, Accuracy: Interval{a, a - w, min(1, a+w)}, MacroF1: a - 0.03}
		for k, class := range s.Classes { // the wrong ones are taken for the next class
			row := make([]int, len(s.Classes))
			right := int(math.Round(float64(class.Files) * float64(a)))
			row[k], row[(k+1)%len(row)] = right, class.Files-right
			x.Confusion = append(x.Confusion, row)
		}
		c.Splits = append(c.Splits, x)
	}
	for _, m := range r.Detectors[0].Months {
		x := Accuracy{Name: m.Month, Files: m.Out, Accuracy: Interval{Num(math.NaN()), Num(math.NaN()), Num(math.NaN())}, MacroF1: Num(math.NaN())}
		if m.Out > 0 {
			a := 1.62 - 1.25*m.AUROC
			x.Accuracy, x.MacroF1 = Interval{a, max(0, a-0.12), min(1, a+0.1)}, a-0.05
		}
		c.Months = append(c.Months, x)
	}
	c.MissingMonths, c.AUTCalendar = []string{"2019-03"}, []Metric{{"accuracy", Interval{0.825, none(), none()}}, {"macro-F1", Interval{0.784, none(), none()}}}
	for i, s := range r.Splits[1:] {
		x := Calibration{Name: s.Name, ECE: Num(0.01 + 0.05*float64(i))}
		for k := range 10 {
			b := CalibrationBin{Confidence: none(), Accuracy: none()}
			if k > 2 {
				b = CalibrationBin{Files: s.Files * k * k / 280, Confidence: Num(k)/10 + 0.06, Accuracy: Num(k)/10 + 0.06 - 0.05*Num(i)}
			}
			x.Bins = append(x.Bins, b)
		}
		c.Calibration = append(c.Calibration, x)
	}
	c.Operation = &Operation{Detector: "mahalanobis/ensemble", RejectedSD: 0.08, ErrorKeptSD: 0.05, AURCSD: 0.021, ECESD: 0.018}
	for i, m := range c.Months {
		x := OperationMonth{Month: m.Name, Files: m.Files, Rejected: noInterval(), ErrorKept: noInterval(), AURC: none(), ECE: none()}
		if m.Files > 0 {
			y := Num(i) / 24
			x.Rejected, x.ErrorKept = Interval{0.05 + 0.3*y, 0.02 + 0.2*y, 0.2 + 0.4*y}, Interval{0.03 + 0.2*y, 0.01 + 0.1*y, 0.1 + 0.3*y}
			x.AURC, x.ECE = 0.02+0.1*y, 0.04+0.12*y*y
		}
		c.Operation.Months = append(c.Operation.Months, x)
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
	for i, device := range []string{"cpu", "gpu"} {
		for j, batch := range []int{1, 8, 32, 256} {
			x := float64(60*(j+1)*(6*i*j+1) + 25*j)
			rows = append(rows, ThroughputRow{Engine: "tensorflow", Device: device, Scenario: "forward", Unit: "samples/s", Batch: batch, Center: x, Lo: x * 0.95, Hi: x * 1.04, N: 10},
				ThroughputRow{Engine: "tensorflow", Device: device, Scenario: "forward", Unit: "MB/s", Batch: batch, Center: x * 0.2, Lo: x * 0.19, Hi: x * 0.208, N: 10})
		}
	}
	return rows
}

func inventedTiming() ThroughputAnswer {
	nan := math.NaN()
	return ThroughputAnswer{
		Lines:   []string{"GPU 14.9 times the best CPU (14.0 to 16.0) at batch 256; ahead from batch 8.", "Not read: joules of the CPU."},
		BestCPU: 315, AheadFrom: 8,
		Tables: []ThroughputTable{{
			Name: "throughput", Caption: "Speed", Columns: []string{"engine", "batch", "files/s", "bound by"},
			Rows: [][]ThroughputCell{
				{{"tensorflow on gpu", nan, nan, nan}, {"256", 256, nan, nan}, {"4,701 (4,466 to 4,889)", 4701, 4466, 4889}, {"computing", nan, nan, nan}},
				{{"tensorflow on cpu", nan, nan, nan}, {"256", 256, nan, nan}, {"315 (299 to 328)", 315, 299, 328}, {"computing", nan, nan, nan}},
			},
		}},
	}
}

func inventedInput() Input {
	return Input{
		Name: "invented", Results: inventedRun(), Throughput: inventedThroughput(), Timing: inventedTiming(),
		Manifest: []KeyValue{{"command", "driftbench run --corpus corpus --model model --out out"}, {"model sha256", "0000000000000000000000000000000000000000000000000000000000000000"}, {"engine", "tensorflow"}, {"device", "cpu"}},
	}
}

const hostile = "=cmd|' /C calc'!A0\"><script>alert(1)</script>\xff\xfe\n\r\t\x00\u202e& 100% of {{.}} <img src=http://example.invalid/x.png>"

// degenerates are runs that lack, or have too much of, one thing each.
func degenerates() map[string]Input {
	none := none()
	runs := map[string]Input{"nothing": {}}
	add := func(name string, change func(*Input)) {
		in := inventedInput()
		change(&in)
		runs[name] = in
	}
	outs := func(r *Results, keep func(i int, d *DetectorSplit) bool) {
		for i := range r.Detectors {
			d := &r.Detectors[i]
			var kept []DetectorSplit
			for j := range d.Splits {
				if keep(j, &d.Splits[j]) {
					kept = append(kept, d.Splits[j])
				}
			}
			d.Splits = kept
		}
	}
	add("complete", func(*Input) {})
	add("groups", func(in *Input) { in.Results = inGroups(in.Results) })
	add("groups without numbers", func(in *Input) {
		in.Results = inGroups(in.Results)
		outs(&in.Results, func(_ int, s *DetectorSplit) bool {
			s.EffectiveIn, s.EffectiveOut, s.DesignEffect, s.AUROCLo, s.AUROCHi, s.PHolm = none, none, none, none, none, none
			return true
		})
		for i := range in.Results.Splits {
			in.Results.Splits[i].NearCopies = none
		}
	})
	add("580 families", func(in *Input) { in.Results = manyFamilies() })
	add("regroupings", func(in *Input) {
		in.Results.Regroupings = []Regrouping{
			{By: "PE timestamps", Split: "2019", Groups: 24, DesignEffect: 3.2, AUROC: Interval{0.8, 0.46, 0.95}},
			{By: hostile, Split: "2019", DesignEffect: none, AUROC: Interval{none, none, none}},
		}
	})
	add("blocked", func(in *Input) { in.Results.Checks = append(in.Results.Checks, blocked()) })
	add("no checks", func(in *Input) { in.Results.Checks = nil })
	add("one split", func(in *Input) {
		in.Results.Splits = in.Results.Splits[:3]
		outs(&in.Results, func(i int, _ *DetectorSplit) bool { return i == 0 })
	})
	add("no later split", func(in *Input) {
		in.Results.Splits = in.Results.Splits[:2]
		outs(&in.Results, func(int, *DetectorSplit) bool { return false })
		for i := range in.Results.Detectors {
			in.Results.Detectors[i].Months = nil
		}
	})
	add("one class", func(in *Input) {
		in.Results.Labels = []string{"worm"}
		for i, s := range in.Results.Splits {
			in.Results.Splits[i].Classes = []ClassCount{{"worm", s.Files}}
		}
		outs(&in.Results, func(_ int, s *DetectorSplit) bool { s.Classes = nil; return true })
	})
	add("split with one file", func(in *Input) {
		in.Results.Splits[2].Files = 1
		outs(&in.Results, func(i int, s *DetectorSplit) bool {
			if i == 0 {
				s.Out, s.AUROCLo, s.AUROCHi, s.NullLo, s.NullHi, s.P, s.PHolm = 1, none, none, none, none, none, none
				s.ROC, s.Histogram, s.Classes, s.Metrics = nil, nil, nil, nil
				s.Balanced, s.Rejected = Interval{none, none, none}, none
			}
			return true
		})
	})
	add("empty split", func(in *Input) {
		in.Results.Splits[3].Files = 0
		outs(&in.Results, func(i int, s *DetectorSplit) bool {
			if i == 1 {
				*s = DetectorSplit{Split: s.Split, AUROC: none, AUROCLo: none, AUROCHi: none, NullLo: none, NullHi: none, P: none, PHolm: none, Rejected: none, Balanced: Interval{none, none, none}}
			}
			return true
		})
	})
	add("no throughput", func(in *Input) { in.Throughput, in.Timing = nil, ThroughputAnswer{} })
	add("one slow and one fast device", func(in *Input) {
		in.Throughput = []ThroughputRow{
			{Engine: "tensorflow", Device: "cpu", Unit: samplesPerSecond, Batch: 32, Center: 100, Lo: math.NaN(), Hi: math.NaN(), N: 1},
			{Engine: "tensorflow", Device: "gpu", Unit: samplesPerSecond, Batch: 32, Center: 9000, Lo: -5, Hi: 9500, N: 10, Reading: true},
			{Engine: "broken", Device: "cpu", Unit: samplesPerSecond, Batch: 8, Center: math.NaN()},
		}
	})
	add("no classifier", func(in *Input) { in.Results.Classifier = nil })
	add("classifier without numbers", func(in *Input) { in.Results.Classifier = &Classifier{} })
	add("no calibration and operation", func(in *Input) {
		c := in.Results.Classifier
		c.Calibration, c.Operation, c.MissingMonths, c.AUTCalendar = nil, nil, nil, nil
		for i := range in.Results.Splits {
			in.Results.Splits[i].Kinds = nil
		}
	})
	add("calibration and operation without numbers", func(in *Input) {
		c := in.Results.Classifier
		c.Operation = &Operation{Detector: hostile, Months: []OperationMonth{{Month: "2018-02", Rejected: Interval{none, none, none}, ErrorKept: Interval{none, none, none}, AURC: none, ECE: none}, {Month: hostile}}, RejectedSD: none, ErrorKeptSD: none, AURCSD: none, ECESD: none}
		c.Calibration = []Calibration{{Name: "2019", ECE: none, Bins: []CalibrationBin{{Files: 3, Confidence: none, Accuracy: none}}}, {Name: hostile}}
		c.AUTCalendar = []Metric{{hostile, Interval{none, none, none}}}
		c.MissingMonths = slices.Repeat([]string{hostile}, 100)
		in.Results.Splits[0].Kinds, in.Results.Splits[1].Kinds = []KindCount{}, slices.Repeat([]KindCount{{hostile, -1}}, 40)
	})
	add("all skipped", func(in *Input) {
		for i := range in.Results.Detectors {
			in.Results.Detectors[i] = Detector{Name: in.Results.Detectors[i].Name, Skipped: "too few rows"}
		}
	})
	add("no detectors", func(in *Input) { in.Results.Detectors = nil })
	add("tuned only", func(in *Input) {
		in.Results.Detectors = in.Results.Detectors[2:3]
		in.Results.Detectors[0].UsesOutLabels = true
	})
	add("all numbers missing", func(in *Input) {
		outs(&in.Results, func(_ int, s *DetectorSplit) bool {
			s.AUROC, s.AUROCLo, s.AUROCHi, s.NullLo, s.NullHi = none, Num(math.Inf(-1)), Num(math.Inf(1)), none, none
			s.ROC = [][2]Num{{none, none}, {0, Num(math.Inf(1))}}
			s.Histogram[0] = none
			return true
		})
		for i := range in.Results.Detectors {
			d := &in.Results.Detectors[i]
			d.Threshold = none
			for j := range d.Months {
				d.Months[j].AUROC, d.Months[j].AUROCLo = none, none
			}
			if len(d.Edges) > 0 {
				d.Edges[3] = none
			}
		}
	})
	add("histograms of another length", func(in *Input) {
		in.Results.Detectors[0].InHistogram = in.Results.Detectors[0].InHistogram[:5]
		in.Results.Detectors[1].Splits[1].Histogram = nil
		in.Results.Detectors[2].Edges = nil
		clear(in.Results.Detectors[3].InHistogram)
		for i := range in.Results.Detectors[3].Splits {
			clear(in.Results.Detectors[3].Splits[i].Histogram)
		}
	})
	add("one month", func(in *Input) {
		for i := range in.Results.Detectors {
			if ms := in.Results.Detectors[i].Months; len(ms) > 0 {
				in.Results.Detectors[i].Months = ms[:1]
			}
		}
		in.Results.Classifier.Months = in.Results.Classifier.Months[:1]
	})
	add("bad months", func(in *Input) {
		in.Results.Detectors[0].Months[0].Month = "yesterday"
		in.Results.Detectors[0].Months[1].Month = "2018-13"
		in.Results.Detectors[0].Months[2].Month = "9999-12"
	})
	add("months without numbers", func(in *Input) {
		for i := range in.Results.Detectors {
			for j := range in.Results.Detectors[i].Months {
				in.Results.Detectors[i].Months[j].AUROC = none
			}
		}
		for j := range in.Results.Classifier.Months {
			in.Results.Classifier.Months[j].Accuracy = Interval{none, none, none}
			in.Results.Classifier.Months[j].MacroF1 = none
		}
	})
	add("drift below", func(in *Input) {
		outs(&in.Results, func(_ int, s *DetectorSplit) bool { s.AUROC, s.AUROCLo, s.AUROCHi = 0, 0, 0; return true })
	})
	add("perfect", func(in *Input) {
		outs(&in.Results, func(_ int, s *DetectorSplit) bool { s.AUROC, s.AUROCLo, s.AUROCHi = 1, 1, 1; return true })
	})
	add("40 months, 12 detectors, 10 splits", func(in *Input) { *in = inventedLarge() })
	add("hostile names", func(in *Input) {
		long := strings.Repeat("very-long-name-without-a-space", 8)
		in.Name = hostile
		r := &in.Results
		r.Train, r.Labels[1], r.Warnings[0] = hostile, hostile, hostile+long
		for i := range r.Splits {
			r.Splits[i].Name = fmt.Sprint(i, long, hostile)
			r.Splits[i].Classes[0].Label = hostile + long
		}
		for i := range r.Detectors {
			r.Detectors[i].Name = fmt.Sprint(hostile, long, i)
			for j := range r.Detectors[i].Splits {
				r.Detectors[i].Splits[j].Split = r.Splits[j+2].Name
				r.Detectors[i].Splits[j].Classes[0].Label = hostile
				r.Detectors[i].Splits[j].Metrics[0].Name = hostile
			}
		}
		r.Detectors[5].Skipped = hostile
		r.Comparisons[0].A = hostile
		r.Checks = append(r.Checks, Check{Name: hostile, Status: Status(hostile), Detail: hostile + long, Todo: hostile}, Check{Name: hostile, Status: Block})
		in.Throughput[0].Engine = hostile
		in.Timing.Lines = append(in.Timing.Lines, hostile)
		in.Timing.Tables[0].Rows[0][0].Text = hostile
		in.Timing.Tables[0].Caption = hostile
		in.Manifest = append(in.Manifest, KeyValue{hostile, hostile}, KeyValue{"path", "@SUM(A1)"}, KeyValue{"-x", "+x"})
	})
	return runs
}

// inventedLarge has more of everything than a page is made for.
func inventedLarge() Input {
	in := inventedInput()
	r := &in.Results
	r.Labels = nil
	for i := range 12 {
		r.Labels = append(r.Labels, fmt.Sprintf("family-%c", 'a'+i))
	}
	r.Splits = r.Splits[:0]
	r.Splits = append(r.Splits, inventedSplit("2017-fit", RoleFit, "2017-01", "2017-12", 4000, r.Labels), inventedSplit("2017-val", RoleIn, "2017-01", "2017-12", 1500, r.Labels))
	for i := range 10 {
		r.Splits = append(r.Splits, inventedSplit(fmt.Sprintf("2018-2021 part %d", i+1), RoleOut, "2018-01", "2021-04", 300+i, r.Labels))
	}
	r.Detectors = nil
	for i, name := range []string{"mahalanobis/layer7", "mahalanobis/layer8", "mahalanobis/ensemble", "rmd/layer7", "rmd/layer8",
		"mahalanobis++/layer7", "mahalanobis++/layer8", "knn/layer8", "vim", "msp", "maxlogit", "energy"} {
		d := inventedDetector(*r, name, 0.5, 0.01+0.002*float64(i))
		for m := range 40 {
			d.Months = append(d.Months[:min(m, len(d.Months))], d.Months[m%24:]...)
		}
		d.Months = slices.Repeat(d.Months[:20], 2)
		for m := range d.Months {
			d.Months[m].Month = fmt.Sprintf("%d-%02d", 2018+m/12, m%12+1)
		}
		if name == "knn/layer8" {
			d.Neighbour = 12
		}
		r.Detectors = append(r.Detectors, d)
	}
	for i := range r.Detectors {
		for j := range r.Detectors[i].Splits {
			s := &r.Detectors[i].Splits[j]
			for k := range 20000 {
				f := float64(k) / 19999
				if k == 0 {
					s.ROC = s.ROC[:0]
				}
				s.ROC = append(s.ROC, [2]Num{Num(f), Num(math.Pow(f, 0.4))})
			}
		}
	}
	r.Classifier = nil
	return in
}
