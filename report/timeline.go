package report

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// timelineSection is the run month by month.
func timelineSection(v view) section {
	s := section{
		id: "timeline", title: "Timeline by month",
		read:    "Drift has begun where the intervals of the AUROC leave 0.5 and stay above it; the accuracy below shows whether the classifier suffers.",
		figures: []figure{timelineFigure(v)},
		tables:  []table{monthTable(v), accuracyTable(v)},
	}
	if v.Classifier != nil && len(v.Classifier.AUT) > 0 {
		var parts []string
		for _, m := range v.Classifier.AUT {
			parts = append(parts, clean(m.Name)+" "+interval(m.Value, m.Lo, m.Hi, auroc3))
		}
		s.notes = []string{"AUT, the area under a metric over the months (TESSERACT), 1 when every file of every month is right; months without files are left out: " + strings.Join(parts, "; ") + "."}
	}
	return s
}

func accuracyStyle() style { return style{color: rgb(0x117733), glyph: seriesStyle(3).glyph} }
func macroF1Style() style {
	return style{color: rgb(0xAA4499), dashes: seriesStyle(1).dashes, glyph: seriesStyle(1).glyph}
}

func timelineFigure(v view) figure {
	f := figure{name: "timeline-by-month", title: "AUROC, classification quality and files by month"}
	var cal calendar
	if cal, f.gap = v.calendar(); f.gap != "" {
		return f
	}
	f.cols, f.least, f.height = 1, 3*vg.Inch, tall(2)
	f.alt = fmt.Sprintf("Monthly AUROC, accuracy and number of files from %s to %s; the table holds the numbers.", monthName(cal.first), monthName(cal.last))
	f.caption = "Shaded around a line: its 95% interval"
	ds := v.main()
	if slices.ContainsFunc(ds, Detector.hasMonths) {
		f.legend = v.legend(ds)
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return monthlyAUROC(v, cal, width) })
		f.caption += "; grey: where a month's AUROC falls 95 times in 100 without drift"
		if len(ds) > 1 {
			if d := v.chosen(); d != nil {
				f.caption += fmt.Sprintf("; both are drawn for %s", clean(d.Name))
			}
		}
	}
	f.caption += ". A line breaks at months without files or with too few."
	if v.Classifier != nil && slices.ContainsFunc(v.Classifier.Months, func(a Accuracy) bool { return finite(share(a.Accuracy.Value)) || finite(share(a.MacroF1)) }) {
		f.legend = append(f.legend, entry{"accuracy", accuracyStyle()}, entry{"macro-F1", macroF1Style()})
		if in := v.accuracy(v.in().Name); in != nil && in.Accuracy.Value.OK() {
			f.legend = append(f.legend, entry{fmt.Sprintf("accuracy on %s: %s", shorten(v.inName(), 16), percent(in.Accuracy.Value)), ruleStyle()})
		}
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return monthlyAccuracy(v, cal, width) })
	} else if v.Classifier == nil {
		f.caption += " " + noAccuracyKnown
	}
	f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return monthlyFiles(v, cal, width) })
	return f
}

func (d Detector) hasMonths() bool {
	return slices.ContainsFunc(d.Months, func(m DetectorMonth) bool { return finite(share(m.AUROC)) })
}

func monthlyAUROC(v view, cal calendar, width vg.Length) *plot.Plot {
	p := newPanel("", "", "AUROC")
	chosen := v.chosen()
	var all []point
	var null []box
	lines := map[string][]point{}
	for _, d := range v.main() {
		ps := cal.points()
		for _, m := range d.Months {
			x, ok := cal.at(m.Month)
			if !ok {
				continue
			}
			q := point{x, share(m.AUROC), share(m.AUROCLo), share(m.AUROCHi)}
			ps[int(x)] = q
			if chosen != nil && d.Name == chosen.Name && finite(share(m.NullLo)) && finite(share(m.NullHi)) && m.AUROC.OK() {
				null = append(null, box{x - 0.5, x + 0.5, float64(m.NullLo), float64(m.NullHi)})
				all = append(all, point{x, float64(m.NullLo), float64(m.NullLo), float64(m.NullHi)})
			}
		}
		lines[d.Name] = ps
	}
	addBoxes(p, nullStyle(), null...)
	p.Add(rule{at: 0.5})
	for _, d := range v.main() {
		ps := lines[d.Name]
		if chosen != nil && d.Name == chosen.Name {
			addBand(p, v.styles[d.Name], ps)
			all = append(all, ps...)
		}
		ps = bare(ps)
		addLine(p, v.styles[d.Name], ps)
		addPoints(p, v.styles[d.Name], ps)
		all = append(all, ps...)
	}
	cal.set(p, width)
	setAUROC(p, all)
	return p
}

func monthlyAccuracy(v view, cal calendar, width vg.Length) *plot.Plot {
	p := newPanel("", "", "accuracy, macro-F1")
	accuracy, f1 := cal.points(), cal.points()
	lowest := 1.0
	for _, a := range v.Classifier.Months {
		x, ok := cal.at(a.Name)
		if !ok {
			continue
		}
		accuracy[int(x)] = point{x, share(a.Accuracy.Value), share(a.Accuracy.Lo), share(a.Accuracy.Hi)}
		f1[int(x)].y = share(a.MacroF1)
		for _, y := range []Num{a.Accuracy.Value, a.Accuracy.Lo, a.MacroF1} {
			if finite(share(y)) {
				lowest = min(lowest, float64(y))
			}
		}
	}
	addBand(p, accuracyStyle(), accuracy)
	accuracy = bare(accuracy)
	if in := v.accuracy(v.in().Name); in != nil && finite(share(in.Accuracy.Value)) {
		p.Add(rule{at: float64(in.Accuracy.Value)})
		lowest = min(lowest, float64(in.Accuracy.Value))
	}
	for _, s := range []struct {
		style
		ps []point
	}{{macroF1Style(), f1}, {accuracyStyle(), accuracy}} {
		addLine(p, s.style, s.ps)
		addPoints(p, s.style, s.ps)
	}
	cal.set(p, width)
	p.Y.Min, p.Y.Max = max(0, lowest-0.05), 1
	p.Y.Tick.Marker = shareTicks{}
	return p
}

func monthlyFiles(v view, cal calendar, width vg.Length) *plot.Plot {
	p := newPanel("", "month first seen", "files")
	most := 0.0
	var bars []box
	files := v.monthFiles()
	for i := range cal.months() {
		if n := float64(files[monthName(cal.first+i)]); n > 0 {
			bars = append(bars, box{float64(i) - 0.4, float64(i) + 0.4, 0, n})
			most = max(most, n)
		}
	}
	addBoxes(p, style{color: rgb(0x888888)}, bars...)
	cal.set(p, width)
	p.Y.Min, p.Y.Max = 0, max(1, most*1.1)
	return p
}

const noAccuracyKnown = "Accuracy is not known: the model's classes are not the corpus's labels."

// accuracyTable is the classifier on every split.
func accuracyTable(v view) table {
	t := table{name: "accuracy-by-split", caption: "Classification quality by split",
		columns: []column{textColumn("Split", "split"), numColumn("Files", "files"), intervalColumn("Accuracy (95% interval)", "accuracy"), numColumn("Macro-F1", "macro_f1")}}
	if v.Classifier == nil {
		t.gap = noAccuracyKnown
		return t
	}
	if len(v.Classifier.Splits) == 0 {
		t.gap = "No split has an accuracy."
	}
	for _, a := range v.Classifier.Splits {
		t.rows = append(t.rows, []cell{textCell(a.Name), countCell(a.Files),
			intervalCell(a.Accuracy.Value, a.Accuracy.Lo, a.Accuracy.Hi, percent), numCell(a.MacroF1, auroc3)})
	}
	return t
}
