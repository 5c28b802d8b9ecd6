package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// detectorSection compares the detectors with each other.
func detectorSection(v view) section {
	s := section{
		id: "detectors", title: "Detector comparison",
		read:    "Two detectors differ on a split when the p-value of their paired test (DeLong, on the same files) is small; overlapping intervals alone do not decide it.",
		figures: []figure{detectorFigure(v)},
		tables:  []table{comparisonTable(v), metricTable(v), skippedTable(v)},
	}
	for _, d := range v.Detectors {
		if d.UsesOutLabels {
			s.notes = append(s.notes, clean(d.Name)+" was tuned on later files: its numbers are optimistic.")
		}
	}
	return s
}

func detectorFigure(v view) figure {
	f := figure{name: "auroc-by-detector", title: "AUROC of every detector", gap: v.noAUROC()}
	if f.gap != "" {
		return f
	}
	var ds []Detector
	var widest vg.Length
	for _, d := range v.Detectors {
		if d.computed() {
			ds = append(ds, d)
			widest = max(widest, tickStyle().Width(shorten(clean(d.Name), 30)))
		}
	}
	f.alt = fmt.Sprintf("AUROC with 95%% intervals of %s, one panel per split; the first table of this page holds the numbers.", count(len(ds), "detector"))
	f.caption = "Bars are 95% intervals, the grey band is where the AUROC falls 95 times in 100 without drift."
	f.cols, f.least, f.height = 3, widest+1.5*vg.Inch, tall(0.8+0.19*vg.Length(len(ds)))
	for _, name := range v.outNames() {
		if slices.ContainsFunc(ds, func(d Detector) bool { s := d.split(name); return s != nil && finite(share(s.AUROC)) }) {
			f.panels = append(f.panels, func(vg.Length) *plot.Plot { return detectorPanel(v, ds, name) })
		}
	}
	if missed := len(v.outNames()) - len(f.panels); missed > 0 {
		f.caption += fmt.Sprintf(" %s without an AUROC: too few files.", count(missed, "split"))
	}
	return f
}

func detectorPanel(v view, ds []Detector, name string) *plot.Plot {
	p := newPanel(fmt.Sprintf("%s (n %d)", shorten(clean(name), 24), v.outFiles(name)), "AUROC", "")
	if lo, hi, ok := v.null(name); ok {
		addBoxes(p, nullStyle(), box{lo, hi, -0.6, float64(len(ds)) - 0.4})
	}
	p.Add(rule{at: 0.5, vertical: true})
	var ticks []plot.Tick
	for i, d := range ds {
		y := float64(len(ds) - 1 - i)
		ticks = append(ticks, plot.Tick{Value: y, Label: shorten(clean(d.Name), 30)})
		s := d.split(name)
		if s == nil || !finite(share(s.AUROC)) {
			continue
		}
		at := point{share(s.AUROC), y, share(s.AUROCLo), share(s.AUROCHi)}
		if at.hasInterval() {
			l := must(plotter.NewLine(plotter.XYs{{X: at.lo, Y: y}, {X: at.hi, Y: y}}))
			l.LineStyle = draw.LineStyle{Color: v.styles[d.Name].color, Width: vg.Points(1.4)}
			p.Add(l)
		}
		sc := must(plotter.NewScatter(plotter.XYs{{X: at.x, Y: y}}))
		sc.GlyphStyle = v.styles[d.Name].point()
		p.Add(sc)
	}
	// One x axis for all splits.
	p.X.Min, p.X.Max = 0.45, 0.7
	for _, d := range ds {
		for _, s := range d.Splits {
			for _, x := range []Num{s.AUROC, s.AUROCLo, s.AUROCHi, s.NullLo, s.NullHi} {
				if finite(share(x)) {
					p.X.Min, p.X.Max = min(p.X.Min, float64(x)), max(p.X.Max, float64(x))
				}
			}
		}
	}
	p.X.Min, p.X.Max = max(0, p.X.Min-0.02), min(1, p.X.Max+0.02)
	p.X.Tick.Marker = tenths("")
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Length, p.Y.Width = 0, 0
	p.Y.Min, p.Y.Max = -0.6, float64(len(ds))-0.4
	return p
}

func comparisonTable(v view) table { return pairedTable("detector-comparison", v.Comparisons) }

func pairedTable(name string, cs []Comparison) table {
	t := table{name: name, caption: "Paired tests between AUROCs on shared files; p (Holm) is corrected over all that compare splits, and apart from those over all that compare detectors.",
		columns: []column{textColumn("A", "a"), textColumn("B", "b"), intervalColumn("AUROC of A minus B (95% interval)", "delta"),
			numColumn("p", "p"), numColumn("p (Holm)", "p_holm")}}
	for _, c := range cs {
		t.rows = append(t.rows, []cell{textCell(c.A), textCell(c.B), intervalCell(c.Delta, c.Lo, c.Hi, auroc3), numCell(c.P, pValue), numCell(c.PHolm, pValue)})
	}
	if len(t.rows) == 0 {
		t.gap = "There are no paired tests: they need two AUROCs on shared files."
	}
	return t
}

// metricTable is every other metric, one column each.
func metricTable(v view) table {
	t := table{name: "detector-metrics", caption: "Further metrics of every detector",
		columns: []column{textColumn("Detector", "detector"), textColumn("Split", "split")}}
	var names []string
	for _, d := range v.Detectors {
		for _, s := range d.Splits {
			for _, m := range s.Metrics {
				if !slices.Contains(names, m.Name) {
					names = append(names, m.Name)
					t.columns = append(t.columns, intervalColumn(clean(m.Name), clean(m.Name)))
				}
			}
		}
	}
	for _, d := range v.Detectors {
		if d.Skipped != "" || len(names) == 0 {
			continue
		}
		for _, s := range d.Splits {
			row := []cell{textCell(d.Name), textCell(s.Split)}
			for _, name := range names {
				x := noInterval()
				if i := slices.IndexFunc(s.Metrics, func(m Metric) bool { return m.Name == name }); i >= 0 {
					x = s.Metrics[i].Interval
				}
				row = append(row, intervalCell(x.Value, x.Lo, x.Hi, auroc3))
			}
			t.rows = append(t.rows, row)
		}
	}
	if len(t.rows) == 0 {
		t.gap = "There are no further metrics."
	}
	return t
}

// skippedTable says why detectors have no numbers.
func skippedTable(v view) table {
	t := table{name: "detectors-skipped", caption: "Detectors without numbers",
		columns: []column{textColumn("Detector", "detector"), textColumn("Why", "why")}}
	for _, d := range v.Detectors {
		if !d.computed() {
			why := d.Skipped
			if why == "" {
				why = "no split has enough files"
			}
			t.rows = append(t.rows, []cell{textCell(d.Name), textCell(why)})
		}
	}
	if len(v.Detectors) == 0 {
		t.gap = "The run has no detectors."
	} else if len(t.rows) == 0 {
		t.gap = "Every detector was computed."
	}
	return t
}
