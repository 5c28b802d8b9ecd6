package report

import (
	"fmt"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// calendar is a run of months, one after the other without a hole.
type calendar struct{ first, last int } // year·12 + month

// parseMonth reads YYYY-MM.
func parseMonth(s string) (int, bool) {
	t, err := time.Parse("2006-01", s)
	return t.Year()*12 + int(t.Month()) - 1, err == nil
}

func monthName(m int) string { return fmt.Sprintf("%04d-%02d", m/12, m%12+1) }

// calendar spans every month of the run, or says why it cannot be drawn.
func (v view) calendar() (c calendar, gap string) {
	c = calendar{first: 1 << 30}
	see := func(name string) {
		if m, ok := parseMonth(name); ok {
			c.first, c.last = min(c.first, m), max(c.last, m)
		}
	}
	for _, d := range v.main() {
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

// at is the place of a month on the axis.
func (c calendar) at(month string) (float64, bool) {
	m, ok := parseMonth(month)
	return float64(m - c.first), ok && m >= c.first && m <= c.last
}

// set labels as many months as fit: all, or each second, third, … from
// January.
func (c calendar) set(p *plot.Plot, width vg.Length) {
	most := int((width - side) / (tickStyle().Width("2018-01") + 8))
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

// points makes one point a month; months without a number stay gaps.
func (c calendar) points() []point {
	ps := make([]point, c.months())
	for i := range ps {
		ps[i] = absent(float64(i))
	}
	return ps
}

// monthFiles is the number of files of each month.
func (v view) monthFiles() map[string]int {
	files := map[string]int{}
	for _, d := range v.main() {
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

// monthTable is the timeline in numbers, months without files too.
func monthTable(v view) table {
	t := table{name: "timeline-by-month", caption: "AUROC and classification quality by month",
		columns: []column{textColumn("Month", "month"), numColumn("Files", "files")}}
	var cal calendar
	if cal, t.gap = v.calendar(); t.gap != "" {
		return t
	}
	ds := v.main()
	for _, d := range ds {
		t.columns = append(t.columns, intervalColumn("AUROC "+clean(d.Name), "auroc "+clean(d.Name)))
	}
	if d := v.chosen(); d != nil {
		t.columns = append(t.columns, column{title: "No-drift band " + clean(d.Name), csv: []string{"null_lo", "null_hi"}, numeric: true})
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
			row = append(row, intervalCell(x.AUROC, x.AUROCLo, x.AUROCHi, auroc3))
		}
		if d := v.chosen(); d != nil {
			x := d.month(name)
			row = append(row, bandCell(x.NullLo, x.NullHi))
		}
		if v.Classifier != nil {
			a := noAccuracy(name)
			if i := slices.IndexFunc(v.Classifier.Months, func(a Accuracy) bool { return a.Name == name }); i >= 0 {
				a = v.Classifier.Months[i]
			}
			row = append(row, intervalCell(a.Accuracy.Value, a.Accuracy.Lo, a.Accuracy.Hi, percent), numCell(a.MacroF1, auroc3))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// month returns the numbers of d in a month, none when it has none.
func (d Detector) month(name string) DetectorMonth {
	if i := slices.IndexFunc(d.Months, func(m DetectorMonth) bool { return m.Month == name }); i >= 0 {
		return d.Months[i]
	}
	x := none()
	return DetectorMonth{Month: name, AUROC: x, AUROCLo: x, AUROCHi: x, NullLo: x, NullHi: x}
}
