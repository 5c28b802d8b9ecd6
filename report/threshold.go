package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// calibrationSection shows what the threshold, which rejects 5% of In, rejects
// of the later splits.
func calibrationSection(v view) section {
	return section{
		id: "calibration", title: "Calibration of the 95% threshold",
		read:    "The threshold is set to reject 5% of In; a detector whose point lies above the 5% line rejects more of the later files than it was set to.",
		notes:   []string{"The AUROC of fit rows against In is an in-sample number: the detector was fitted on the rows it scores there, so that it is above 0.5 even for a network that remembers nothing. Compare it only between runs with as many fit rows and features."},
		figures: []figure{calibrationFigure(v.pictured()).noting(v.cut)},
		tables:  []table{calibrationTable(v)},
		closed:  true,
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
		splits.add(v.splitLabel(name, 22), "")
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
		_, labels := addDetectors(p, v, v.drawn(), 0.06, func(s DetectorSplit) Interval { return Interval{s.Rejected, none(), none()} })
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
	if n := mostColumns(len(names), len(v.Detectors)); n < len(names) {
		t.caption += fmt.Sprintf(" The file has the latest %d of %d splits; results.json has all.", n, len(names))
		names = names[len(names)-n:]
	}
	for _, name := range names {
		t.columns = append(t.columns, intervalColumn("Rejected of "+clean(name), "rejected "+clean(name)))
	}
	for _, d := range v.Detectors {
		if d.Skipped != "" {
			continue
		}
		row := []cell{textCell(d.Name), numCell(d.Threshold, significant), intervalCell(d.Gap, auroc3)}
		for _, name := range names {
			x := noInterval()
			if s := d.split(name); s != nil {
				x = orValue(s.RejectedInterval, s.Rejected)
			}
			row = append(row, intervalCell(x, percent))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// coverageSection shows the effect of rejecting files with low scores on the
// accuracy among the others.
func coverageSection(v view) section {
	return section{
		id: "coverage", title: "Accuracy against coverage",
		read:    "Read from right to left: the more low-score files are rejected, the fewer are decided (coverage) and the more of those should be right; a flat curve means that rejecting buys nothing.",
		figures: []figure{coverageFigure(v.pictured()).noting(v.cut)},
		tables:  []table{coverageTable(v)},
		closed:  true,
	}
}

const noClassifier = "The model's classes are not the corpus's labels, so there is no accuracy to gain."

// rejection returns the numbers of one detector on one split, or nil.
func (v view) rejection(detector, split string) *Rejection {
	if i, ok := v.rejectedAt[[2]string{detector, split}]; ok {
		return &v.Classifier.Rejection[i]
	}
	return nil
}

func coverageFigure(v view) figure {
	f := figure{name: "accuracy-against-coverage", title: "Accuracy of the files that are kept"}
	if v.Classifier == nil {
		f.gap = noClassifier
		return f
	}
	ds := v.drawn()
	lowest, highest := 1.0, 0.0
	for _, name := range v.outNames() {
		any := false
		for _, d := range ds {
			if r := v.rejection(d.Name, name); r != nil {
				for _, q := range curve(r.Curve) {
					lowest, highest, any = min(lowest, q.Y), max(highest, q.Y), true
				}
				if isShare(r.Accuracy) {
					lowest, highest = min(lowest, float64(r.Accuracy)), max(highest, float64(r.Accuracy))
				}
			}
		}
		if any {
			f.panels = append(f.panels, func(vg.Length) *plot.Plot { return coveragePanel(v, ds, name, lowest, highest) })
		}
	}
	if len(f.panels) == 0 {
		f.gap = "No detector has a curve of accuracy against coverage."
		return f
	}
	f.legend = v.legend(ds)
	f.cols, f.least, f.height = 3, 2.2*vg.Inch, square
	f.alt = f.title + " against the share kept, one panel per split; the table holds the operating points."
	f.caption = "The ringed point is the operating point: files below the score that keeps 95% of In are rejected. n is the number of files."
	return f
}

// coveragePanel draws one split; lowest and highest bound the accuracies of all
// splits, which share one scale.
func coveragePanel(v view, ds []Detector, name string, lowest, highest float64) *plot.Plot {
	p := v.splitPanel(name, "coverage: share of files decided", "accuracy")
	for _, d := range ds {
		r := v.rejection(d.Name, name)
		if r == nil {
			continue
		}
		if xy := curve(r.Curve); len(xy) > 0 {
			addCurve(p, v.styles[d.Name].line(), xy)
		}
		if isShare(r.Coverage) && isShare(r.Accuracy) {
			p.Add(operatingPoint{float64(r.Coverage), float64(r.Accuracy), v.styles[d.Name]})
		}
	}
	p.X.Min, p.X.Max = 0, 1
	p.Y.Min, p.Y.Max = max(0, lowest-0.03), min(1, highest+0.03)
	p.X.Tick.Marker, p.Y.Tick.Marker = quarters{}, shareTicks{}
	return p
}

// quarters ticks an axis of shares at every quarter and labels every half.
type quarters struct{}

// Ticks implements plot.Ticker.
func (quarters) Ticks(_, _ float64) []plot.Tick {
	return []plot.Tick{{Value: 0, Label: "0%"}, {Value: 0.25}, {Value: 0.5, Label: "50%"}, {Value: 0.75}, {Value: 1, Label: "100%"}}
}

// operatingPoint is a detector's glyph with a ring around it.
type operatingPoint struct {
	x, y float64
	style
}

// Plot implements plot.Plotter.
func (o operatingPoint) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := vg.Point{X: x(o.x), Y: y(o.y)}
	c.DrawGlyphNoClip(o.point(), at)
	c.SetLineStyle(draw.LineStyle{Color: o.color, Width: vg.Points(1)})
	var ring vg.Path
	ring.Move(vg.Point{X: at.X + 5, Y: at.Y})
	ring.Arc(at, 5, 0, 2*math.Pi)
	ring.Close()
	c.Stroke(ring)
}

// orValue returns the interval of a value, or the value without one in the results
// of versions that gave none.
func orValue(x *Interval, value Num) Interval {
	if x == nil {
		return Interval{value, none(), none()}
	}
	return *x
}

// kept returns the number of files that are not rejected.
func (v view) kept(r Rejection) int {
	if r.Kept > 0 || !isShare(r.Coverage) {
		return r.Kept
	}
	return int(math.Round(float64(r.Coverage) * float64(v.accuracyOrNone(r.Split).Files)))
}

func coverageTable(v view) table {
	t := table{name: "rejection", caption: "What rejecting at the 95% threshold buys", empty: "No detector was tried for rejection.",
		columns: []column{textColumn("Detector", "detector"), textColumn("Split", "split"),
			numColumn("Accuracy of all", "accuracy_all"), intervalColumn("Coverage (95% interval)", "coverage"),
			numColumn("Kept files", "kept"), intervalColumn("Accuracy of the kept (95% interval)", "accuracy_kept"),
			intervalColumn("AUROC right against wrong", "misclassified"), numColumn("AURC", "aurc")}}
	if v.Classifier == nil {
		t.empty = noClassifier
		return t
	}
	for _, r := range v.Classifier.Rejection {
		all := v.accuracyOrNone(r.Split)
		t.rows = append(t.rows, []cell{textCell(r.Detector), textCell(r.Split),
			numCell(all.Accuracy.Value, percent), intervalCell(orValue(r.CoverageInterval, r.Coverage), percent),
			countCell(v.kept(r)), intervalCell(orValue(r.AccuracyInterval, r.Accuracy), percent),
			intervalCell(r.Misclassified, auroc3), numCell(r.AURC, auroc3)})
	}
	return t
}
