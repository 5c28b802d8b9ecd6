package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// calibrationSection shows what the threshold, which rejects 5% of In, rejects
// of the later splits.
func calibrationSection(v view) section {
	return section{
		id: "calibration", title: "Calibration of the 95% threshold",
		read:    "The threshold is set to reject 5% of In; a detector whose point lies above the 5% line rejects more of the later files than it was set to.",
		notes:   []string{"The AUROC of fit rows against In is an in-sample number: the detector was fitted on the rows it scores there, so that it is above 0.5 even for a network that remembers nothing. Compare it only between runs with as many fit rows and features."},
		figures: []figure{calibrationFigure(v)},
		tables:  []table{calibrationTable(v)},
	}
}

const (
	asSet       = "5%: as set on In"
	noThreshold = "No detector has a threshold."
)

func calibrationFigure(v view) figure {
	f := figure{name: "rejected-by-split", title: "Files below the 95% threshold", gap: v.noAUROC()}
	if f.gap != "" {
		return f
	}
	var splits categories
	for _, name := range v.outNames() {
		splits.add(name, "")
	}
	f.cols, f.least, f.height = 1, 3*vg.Inch, splits.height(2.6)
	f.legend = append(v.legend(v.drawn()), entry{asSet, referenceStyle()})
	f.direct = fitAtEdge(f.legend)
	f.alt = "Share of each later split that scores below the threshold; the table holds the numbers."
	f.caption = "The line at 5% is what the threshold rejects of In."
	if !slices.ContainsFunc(v.drawn(), func(d Detector) bool {
		return slices.ContainsFunc(d.Splits, func(s DetectorSplit) bool { return isShare(s.Rejected) })
	}) {
		f.gap = noThreshold
		return f
	}
	f.panels = []panel{func(width vg.Length) *plot.Plot {
		p := newPanel("", "later split", "share of files rejected")
		p.Add(reference{at: 0.05})
		_, labels := addDetectors(p, v, 0.06, func(s DetectorSplit) Interval { return Interval{s.Rejected, none(), none()} })
		if f.direct && !isNarrow(width) {
			p.Add(append(endLabels{{asSet, 0.05, referenceStyle()}}, labels...))
		}
		splits.set(p, width)
		p.Y.Min, p.Y.Max = 0, min(1, max(0.1, p.Y.Max*1.1))
		p.Y.Tick.Marker = shareTicks{}
		return p
	}}
	return f
}

func calibrationTable(v view) table {
	t := table{name: "calibration", caption: "The threshold that keeps 95% of In, and what it rejects of each split", empty: noThreshold,
		columns: []column{textColumn("Detector", "detector"), numColumn("Threshold (score)", "threshold"),
			intervalColumn("AUROC of fit rows against In", "gap")}}
	names := v.outNames()
	for _, name := range names {
		t.columns = append(t.columns, numColumn("Rejected of "+clean(name), "rejected "+clean(name)))
	}
	for _, d := range v.Detectors {
		if d.Skipped != "" {
			continue
		}
		row := []cell{textCell(d.Name), numCell(d.Threshold, significant), intervalCell(d.Gap, auroc3)}
		for _, name := range names {
			x := none()
			if s := d.split(name); s != nil {
				x = s.Rejected
			}
			row = append(row, numCell(x, percent))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// confidenceSection compares the model's confidence with its accuracy.
func confidenceSection(v view) section {
	return section{
		id: "confidence", title: "Confidence of the model",
		read:    "Points on the diagonal are right as often as the model says; below it the model is too sure of itself, and the expected calibration error (ECE) is the mean distance from it.",
		figures: []figure{confidenceFigure(v)},
		tables:  []table{confidenceTable(v)},
	}
}

const noConfidence = "The confidence of the model is not known: the run has no class probabilities, or its classes are not the corpus's labels."

// calibrations returns the splits that have bins with files.
func (v view) calibrations() []Calibration {
	if v.Classifier == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.Classifier.Calibration), func(c Calibration) bool {
		return !slices.ContainsFunc(c.Bins, CalibrationBin.drawable)
	})
}

func (b CalibrationBin) drawable() bool {
	return b.Files > 0 && isShare(b.Confidence) && isShare(b.Accuracy)
}

func confidenceFigure(v view) figure {
	f := figure{name: "accuracy-by-confidence", title: "Accuracy by confidence"}
	for _, c := range v.calibrations() {
		f.panels = append(f.panels, func(vg.Length) *plot.Plot {
			p := newPanel(fmt.Sprintf("%s: ECE %s", short(c.Name, 24), auroc3(c.ECE)), "confidence", "accuracy")
			files := 0
			for _, b := range c.Bins {
				files += max(0, b.Files)
			}
			var ps []point
			for i, b := range c.Bins {
				if b.drawable() {
					n := float64(len(c.Bins))
					addBoxes(p, nullStyle(), box{float64(i) / n, float64(i+1) / n, 0, float64(b.Files) / float64(files)})
					ps = append(ps, pointAt(float64(b.Confidence), Interval{b.Accuracy, none(), none()}))
				}
			}
			p.Add(diagonal{})
			addSeries(p, accuracyStyle(), ps)
			setUnit(&p.X)
			setUnit(&p.Y)
			return p
		})
	}
	if len(f.panels) == 0 {
		f.gap = noConfidence
		return f
	}
	f.cols, f.least, f.height = 4, 1.9*vg.Inch, square
	f.alt = fmt.Sprintf("Accuracy against the highest class probability of %s, one panel each; the table holds the numbers.", count(len(f.panels), "split"))
	f.caption = "Each point is a bin of the highest class probability. Grey: the share of the files in the bin."
	return f
}

func confidenceTable(v view) table {
	t := table{name: "accuracy-by-confidence", caption: "Accuracy by the highest class probability", empty: noConfidence,
		columns: []column{textColumn("Split", "split"), numColumn("From", "from"), numColumn("To", "to"), numColumn("Files", "files"),
			numColumn("Confidence", "confidence"), numColumn("Accuracy", "accuracy")}}
	for _, c := range v.calibrations() {
		for i, b := range c.Bins {
			if b.Files > 0 {
				n := Num(len(c.Bins))
				t.rows = append(t.rows, []cell{textCell(c.Name), numCell(Num(i)/n, auroc2), numCell(Num(i+1)/n, auroc2), countCell(b.Files),
					numCell(b.Confidence, percent), numCell(b.Accuracy, percent)})
			}
		}
	}
	return t
}
