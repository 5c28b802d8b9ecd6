package report

import (
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
