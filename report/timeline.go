package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// timelineSection shows the run by month.
func timelineSection(v view) section {
	s := section{
		id: "timeline", title: "Over time",
		read:    "Drift has begun where the intervals of the AUROC leave 0.5 and stay above it; the accuracy shows whether the classifier suffers.",
		figures: []figure{timelineFigure(v), operationFigure(v)},
		tables:  []table{monthTable(v), operationTable(v)},
		rest:    "A threshold in operation, numbers and notes",
	}
	s.figures[1].more, s.tables[0].more, s.tables[1].more = true, true, true
	if v.Classifier == nil {
		return s
	}
	if len(v.Classifier.AUT) > 0 {
		text := "AUT, the area under a metric over the months (TESSERACT), 1 when every file of every month is right: " + metricsInWords(v.Classifier.AUT) + ". "
		if missing := v.Classifier.MissingMonths; len(missing) > 0 {
			text += fmt.Sprintf("It passes over %s without labelled files (%s).", count(len(missing), "month"), list(missing))
		} else {
			text += "Months without files are left out."
		}
		if len(v.Classifier.AUTCalendar) > 0 {
			text += " With each month weighted by its distance to the next it is " + metricsInWords(v.Classifier.AUTCalendar) + "."
		}
		s.notes = append(s.notes, text)
	}
	if o := v.Classifier.Operation; o != nil {
		s.notes = append(s.notes, fmt.Sprintf("Standard deviations over the months, for a threshold of %s: share rejected %s, error of the kept %s, AURC %s, ECE %s.",
			short(o.Detector, 60), percent(o.RejectedSD), percent(o.ErrorKeptSD), auroc3(o.AURCSD), auroc3(o.ECESD)))
	}
	return s
}

func metricsInWords(ms []Metric) string {
	var parts []string
	for _, m := range ms {
		parts = append(parts, clean(m.Name)+" "+interval(m.Interval, auroc3))
	}
	return strings.Join(parts, ", ")
}

const noOperation = "There are no numbers by month of a threshold in operation."

// operationFigure shows what the user of a threshold would have seen by month.
func operationFigure(v view) figure {
	f := figure{name: "operation-by-month", title: "A threshold in operation, by month"}
	var cal calendar
	if cal, f.gap = v.calendar(); f.gap != "" {
		return f
	}
	if v.Classifier == nil || v.Classifier.Operation == nil {
		f.gap = noOperation
		return f
	}
	o := *v.Classifier.Operation
	for _, p := range []struct {
		title  string
		number func(OperationMonth) Interval
		target float64 // the value on In; 0 for none
		ticks  plot.Ticker
	}{
		{"share of files rejected", func(m OperationMonth) Interval { return m.Rejected }, 0.05, shareTicks{}},
		{"error of the files that are kept", func(m OperationMonth) Interval { return m.ErrorKept }, 0, shareTicks{}},
		{"AURC", func(m OperationMonth) Interval { return Interval{m.AURC, none(), none()} }, 0, scoreTicks{}},
		{"ECE", func(m OperationMonth) Interval { return Interval{m.ECE, none(), none()} }, 0, scoreTicks{}},
	} {
		ps := cal.points()
		most := 0.0
		for _, m := range o.Months {
			if x, ok := cal.at(m.Month); ok {
				q := pointAt(x, p.number(m))
				q.few = m.Files < fewInMonth
				ps[int(x)] = q
				for _, y := range []float64{q.y, q.hi} {
					if finite(y) {
						most = max(most, y)
					}
				}
			}
		}
		if len(runs(ps)) == 0 {
			continue
		}
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot {
			panel := newPanel(p.title, "", "")
			s := accuracyStyle()
			addBand(panel, s, ps)
			if p.target > 0 {
				panel.Add(reference{at: p.target})
			}
			addSeries(panel, s, withoutIntervals(ps))
			cal.set(panel, width)
			panel.Y.Min, panel.Y.Max = 0, min(1, max(0.1, most*1.1))
			panel.Y.Tick.Marker = p.ticks
			return panel
		})
	}
	if len(f.panels) == 0 {
		f.gap = noOperation
		return f
	}
	f.cols, f.least, f.height = 2, 3*vg.Inch, tall(1.9)
	f.alt = fmt.Sprintf("Share rejected, error of the files kept, AURC and ECE by month from %s to %s; the table holds the numbers.", monthName(cal.first), monthName(cal.last))
	f.caption = fmt.Sprintf("Files that score below the threshold of %s, which rejects 5%% of In (dashed), are rejected, the others kept. AURC is the error averaged over all thresholds, ECE the distance of confidence from accuracy. Shaded: 95%% intervals. Hollow: fewer than %d files.", short(o.Detector, 60), fewInMonth)
	return f
}

func operationTable(v view) table {
	t := table{name: "operation-by-month", caption: "A threshold in operation, by month", empty: noOperation,
		columns: []column{textColumn("Month", "month"), numColumn("Files", "files"), intervalColumn("Rejected (95% interval)", "rejected"),
			intervalColumn("Error of the kept (95% interval)", "error_kept"), numColumn("AURC", "aurc"), numColumn("ECE", "ece")}}
	if v.Classifier == nil || v.Classifier.Operation == nil {
		return t
	}
	for _, m := range v.Classifier.Operation.Months {
		t.rows = append(t.rows, []cell{textCell(m.Month), countCell(m.Files), intervalCell(m.Rejected, percent), intervalCell(m.ErrorKept, percent), numCell(m.AURC, auroc3), numCell(m.ECE, auroc3)})
	}
	return t
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
	f.caption = "Shaded: 95% intervals"
	ds := v.main()
	if slices.ContainsFunc(ds, Detector.hasMonths) {
		f.legend = v.legend(ds)
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot { return monthlyAUROC(v, cal, width) })
		f.caption += "; grey: no-drift band"
		if len(ds) > 1 {
			if d := v.preferred(); d != nil {
				f.caption += fmt.Sprintf("; both are drawn for %s", clean(d.Name))
			}
		}
	}
	f.caption += fmt.Sprintf(". Hollow and faded: fewer than %d files.", fewInMonth)
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
	ds := v.main()
	var all []point
	var null []box
	lines := map[string][]point{}
	for _, d := range ds {
		ps := cal.points()
		for _, m := range d.Months {
			x, ok := cal.at(m.Month)
			if !ok {
				continue
			}
			ps[int(x)] = pointAt(x, m.auroc())
			ps[int(x)].few = m.Out < fewInMonth
			if preferred != nil && d.Name == preferred.Name && isShare(m.NullLo) && isShare(m.NullHi) && m.AUROC.OK() {
				null = append(null, box{x - 0.5, x + 0.5, float64(m.NullLo), float64(m.NullHi)})
				all = append(all, point{x: x, y: float64(m.NullLo), lo: float64(m.NullLo), hi: float64(m.NullHi)})
			}
		}
		lines[d.Name] = ps
	}
	addBoxes(p, nullStyle(), null...)
	p.Add(reference{at: 0.5})
	for _, d := range ds {
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
		accuracy[int(x)].few, f1[int(x)].few = a.Files < fewInMonth, a.Files < fewInMonth
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
	var bars, few []box
	files := v.monthFiles()
	for i := range cal.months() {
		if n := float64(files[monthName(cal.first+i)]); n > 0 {
			bar := box{float64(i) - 0.4, float64(i) + 0.4, 0, n}
			if n < fewInMonth {
				few = append(few, bar)
			} else {
				bars = append(bars, bar)
			}
			most = max(most, n)
		}
	}
	addBoxes(p, style{color: rgb(0x888888)}, bars...)
	addBoxes(p, style{color: rgb(0xC4C4C4)}, few...)
	cal.set(p, width)
	p.Y.Min, p.Y.Max = 0, max(1, most*1.1)
	p.Y.Tick.Marker = countTicks{}
	return p
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
		if o := v.Classifier.Operation; o != nil {
			for _, m := range o.Months {
				see(m.Month)
			}
		}
	}
	switch {
	case c.first > c.last:
		gap = "There are no numbers by month: the run holds splits alone."
	case c.last-c.first >= mostMonths: // a mistyped year must not draw a million months
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
	if cal, t.empty = v.calendar(); cal.first > cal.last {
		return t
	}
	ds := v.drawn()
	groups := map[string]int{}
	grouped := false
	for _, d := range ds {
		for _, m := range d.Months {
			groups[m.Month] = max(groups[m.Month], m.Groups)
			grouped = grouped || m.Groups > 0 && m.Groups < m.Out
		}
	}
	if grouped {
		t.columns = append(t.columns, numColumn("Groups", "groups"))
	}
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
	var months []string
	if cal.months() <= mostMonths {
		for m := cal.first; m <= cal.last; m++ {
			months = append(months, monthName(m))
		}
	} else { // those with numbers alone
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if _, ok := cal.at(name); ok {
				months = append(months, name)
			}
		}
	}
	at := make([]map[string]int, len(ds))
	for i, d := range ds {
		at[i] = firstOf(d.Months, func(m DetectorMonth) string { return m.Month })
	}
	var preferredAt, accuracies map[string]int
	if d := v.preferred(); d != nil {
		preferredAt = firstOf(d.Months, func(m DetectorMonth) string { return m.Month })
	}
	if v.Classifier != nil {
		accuracies = firstOf(v.Classifier.Months, func(a Accuracy) string { return a.Name })
	}
	for _, name := range months {
		row := []cell{textCell(name), countCell(files[name])}
		if grouped {
			row = append(row, countCell(groups[name]))
		}
		for i, d := range ds {
			row = append(row, intervalCell(d.month(at[i], name).auroc(), auroc3))
		}
		if d := v.preferred(); d != nil {
			x := d.month(preferredAt, name)
			row = append(row, bandCell(x.NullLo, x.NullHi))
		}
		if v.Classifier != nil {
			a := noAccuracy(name)
			if i, ok := accuracies[name]; ok {
				a = v.Classifier.Months[i]
			}
			row = append(row, intervalCell(a.Accuracy, percent), numCell(a.MacroF1, auroc3))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// month returns the numbers of d in a month, whose place at gives, or NaNs if it has
// none.
func (d Detector) month(at map[string]int, name string) DetectorMonth {
	if i, ok := at[name]; ok {
		return d.Months[i]
	}
	x := none()
	return DetectorMonth{Month: name, AUROC: x, AUROCLo: x, AUROCHi: x, NullLo: x, NullHi: x}
}
