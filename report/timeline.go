package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// timelineSection shows the run by month.
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
			parts = append(parts, clean(m.Name)+" "+interval(m.Interval, auroc3))
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
	ds := v.drawn()
	if slices.ContainsFunc(ds, Detector.hasMonths) {
		f.legend = v.legend(ds)
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return monthlyAUROC(v, cal, width) })
		f.caption += "; grey: where a month's AUROC falls 95 times in 100 without drift"
		if len(ds) > 1 {
			if d := v.preferred(); d != nil {
				f.caption += fmt.Sprintf("; both are drawn for %s", clean(d.Name))
			}
		}
	}
	f.caption += ". A line breaks at months without files or with too few."
	if v.Classifier != nil && slices.ContainsFunc(v.Classifier.Months, func(a Accuracy) bool { return isShare(a.Accuracy.Value) || isShare(a.MacroF1) }) {
		f.legend = append(f.legend, entry{"accuracy", accuracyStyle()}, entry{"macro-F1", macroF1Style()})
		if in := v.accuracy(v.in().Name); in != nil && in.Accuracy.Value.OK() {
			f.legend = append(f.legend, entry{fmt.Sprintf("accuracy on %s: %s", short(v.inName(), 16), percent(in.Accuracy.Value)), referenceStyle()})
		}
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return monthlyAccuracy(v, cal, width) })
	} else if v.Classifier == nil {
		f.caption += " " + noAccuracyKnown
	}
	f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return monthlyFiles(v, cal, width) })
	return f
}

func (d Detector) hasMonths() bool {
	return slices.ContainsFunc(d.Months, func(m DetectorMonth) bool { return isShare(m.AUROC) })
}

func monthlyAUROC(v view, cal calendar, width vg.Length) *plot.Plot {
	p := newPanel("", "", "AUROC")
	preferred := v.preferred()
	var all []point
	var null []box
	lines := map[string][]point{}
	for _, d := range v.drawn() {
		ps := cal.points()
		for _, m := range d.Months {
			x, ok := cal.at(m.Month)
			if !ok {
				continue
			}
			ps[int(x)] = pointAt(x, m.auroc())
			if preferred != nil && d.Name == preferred.Name && isShare(m.NullLo) && isShare(m.NullHi) && m.AUROC.OK() {
				null = append(null, box{x - 0.5, x + 0.5, float64(m.NullLo), float64(m.NullHi)})
				all = append(all, point{x, float64(m.NullLo), float64(m.NullLo), float64(m.NullHi)})
			}
		}
		lines[d.Name] = ps
	}
	addBoxes(p, nullStyle(), null...)
	p.Add(reference{at: 0.5})
	for _, d := range v.drawn() {
		ps := lines[d.Name]
		if preferred != nil && d.Name == preferred.Name {
			addBand(p, v.styles[d.Name], ps)
			all = append(all, ps...)
		}
		ps = withoutIntervals(ps)
		addSeries(p, v.styles[d.Name], ps)
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
		accuracy[int(x)] = pointAt(x, a.Accuracy)
		f1[int(x)].y = share(a.MacroF1)
		for _, y := range []Num{a.Accuracy.Value, a.Accuracy.Lo, a.MacroF1} {
			if isShare(y) {
				lowest = min(lowest, float64(y))
			}
		}
	}
	addBand(p, accuracyStyle(), accuracy)
	if in := v.accuracy(v.in().Name); in != nil && isShare(in.Accuracy.Value) {
		p.Add(reference{at: float64(in.Accuracy.Value)})
		lowest = min(lowest, float64(in.Accuracy.Value))
	}
	addSeries(p, macroF1Style(), f1)
	addSeries(p, accuracyStyle(), withoutIntervals(accuracy))
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

// accuracyTable lists the quality of the classifier on every split.
func accuracyTable(v view) table {
	t := table{name: "accuracy-by-split", caption: "Classification quality by split", empty: "No split has an accuracy.",
		columns: []column{textColumn("Split", "split"), numColumn("Files", "files"), intervalColumn("Accuracy (95% interval)", "accuracy"), numColumn("Macro-F1", "macro_f1")}}
	if v.Classifier == nil {
		t.empty = noAccuracyKnown
		return t
	}
	for _, a := range v.Classifier.Splits {
		t.rows = append(t.rows, []cell{textCell(a.Name), countCell(a.Files),
			intervalCell(a.Accuracy, percent), numCell(a.MacroF1, auroc3)})
	}
	return t
}

// calendar is every month from first to last.
type calendar struct{ first, last int } // year·12 + month, counted from 0

// parseMonth parses YYYY-MM.
func parseMonth(s string) (int, bool) {
	t, err := time.Parse("2006-01", s)
	return t.Year()*12 + int(t.Month()) - 1, err == nil
}

func monthName(m int) string { return fmt.Sprintf("%04d-%02d", m/12, m%12+1) }

// calendar spans the months of the run; gap says why they cannot be drawn.
func (v view) calendar() (c calendar, gap string) {
	c = calendar{first: 1 << 30}
	see := func(name string) {
		if m, ok := parseMonth(name); ok {
			c.first, c.last = min(c.first, m), max(c.last, m)
		}
	}
	for _, d := range v.drawn() {
		for _, m := range d.Months {
			see(m.Month)
		}
	}
	if v.Classifier != nil {
		for _, a := range v.Classifier.Months {
			see(a.Name)
		}
	}
	const century = 100 * 12 // a mistyped year must not draw a million months
	switch {
	case c.first > c.last:
		gap = "There are no numbers by month: the run holds splits alone."
	case c.last-c.first >= century:
		gap = fmt.Sprintf("The months run from %s to %s, which is too long to draw: look for a mistyped first_seen in the index.", monthName(c.first), monthName(c.last))
	}
	return c, gap
}

func (c calendar) months() int { return c.last - c.first + 1 }

// at returns the x coordinate of a month, and whether the calendar holds it.
func (c calendar) at(month string) (float64, bool) {
	m, ok := parseMonth(month)
	return float64(m - c.first), ok && m >= c.first && m <= c.last
}

// set labels as many months of the x axis as fit: all, or every second, third,
// sixth and so on from January.
func (c calendar) set(p *plot.Plot, width vg.Length) {
	most := int((width - leftMargin) / (tickStyle().Width("2018-01") + 8))
	step := 240
	for _, s := range []int{120, 60, 24, 12, 6, 3, 2, 1} {
		if c.months()/s <= max(1, most) {
			step = s
		}
	}
	var ticks []plot.Tick
	for m := c.first; m <= c.last; m++ {
		t := plot.Tick{Value: float64(m - c.first)}
		if m%step == 0 || m == c.first && step > c.months() {
			t.Label = monthName(m)
		}
		ticks = append(ticks, t)
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.X.Min, p.X.Max = -0.6, float64(c.months())-0.4
}

// points returns one point per month, all without a value.
func (c calendar) points() []point {
	ps := make([]point, c.months())
	for i := range ps {
		ps[i] = absent(float64(i))
	}
	return ps
}

// monthFiles returns the number of files of each month.
func (v view) monthFiles() map[string]int {
	files := map[string]int{}
	for _, d := range v.drawn() {
		for _, m := range d.Months {
			files[m.Month] = max(files[m.Month], m.Out)
		}
	}
	if v.Classifier != nil {
		for _, a := range v.Classifier.Months {
			files[a.Name] = max(files[a.Name], a.Files)
		}
	}
	return files
}

// monthTable lists the numbers of every month, with those that have no files.
func monthTable(v view) table {
	t := table{name: "timeline-by-month", caption: "AUROC and classification quality by month",
		columns: []column{textColumn("Month", "month"), numColumn("Files", "files")}}
	var cal calendar
	if cal, t.empty = v.calendar(); t.empty != "" {
		return t
	}
	ds := v.drawn()
	for _, d := range ds {
		t.columns = append(t.columns, intervalColumn("AUROC "+clean(d.Name), "auroc "+clean(d.Name)))
	}
	if d := v.preferred(); d != nil {
		t.columns = append(t.columns, bandColumn("No-drift band "+clean(d.Name)))
	}
	if v.Classifier != nil {
		t.columns = append(t.columns, intervalColumn("Accuracy (95% interval)", "accuracy"), numColumn("Macro-F1", "macro_f1"))
	}
	files := v.monthFiles()
	for m := cal.first; m <= cal.last; m++ {
		name := monthName(m)
		row := []cell{textCell(name), countCell(files[name])}
		for _, d := range ds {
			x := d.month(name)
			row = append(row, intervalCell(x.auroc(), auroc3))
		}
		if d := v.preferred(); d != nil {
			x := d.month(name)
			row = append(row, bandCell(x.NullLo, x.NullHi))
		}
		if v.Classifier != nil {
			a := noAccuracy(name)
			if m := find(v.Classifier.Months, func(a Accuracy) bool { return a.Name == name }); m != nil {
				a = *m
			}
			row = append(row, intervalCell(a.Accuracy, percent), numCell(a.MacroF1, auroc3))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// month returns the numbers of d in a month, NaNs if it has none.
func (d Detector) month(name string) DetectorMonth {
	if m := find(d.Months, func(m DetectorMonth) bool { return m.Month == name }); m != nil {
		return *m
	}
	x := none()
	return DetectorMonth{Month: name, AUROC: x, AUROCLo: x, AUROCHi: x, NullLo: x, NullHi: x}
}
