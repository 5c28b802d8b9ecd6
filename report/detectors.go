package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// detectorSection compares the detectors.
func detectorSection(v view) section {
	s := section{
		id: "detectors", title: "Detector comparison",
		read:    "Two detectors differ on a split when the p-value of their paired test (DeLong, on the same files) is small; overlapping intervals alone do not decide it.",
		figures: []figure{detectorFigure(v.pictured()).noting(v.cut)},
		tables:  []table{pairedTable("detector-comparison", v.Comparisons), metricTable(v), skippedTable(v)},
		closed:  true,
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
			widest = max(widest, tickStyle().Width(short(d.Name, 30)))
		}
	}
	f.alt = fmt.Sprintf("AUROC with 95%% intervals of %s, one panel per split; the first table of this page holds the numbers.", count(len(ds), "detector"))
	f.caption = "Bars are 95% intervals, the grey band is where the AUROC falls 95 times in 100 without drift."
	f.cols, f.least, f.height = 3, widest+1.5*vg.Inch, tall(0.8+0.19*vg.Length(len(ds)))
	for _, name := range v.outNames() {
		if slices.ContainsFunc(ds, func(d Detector) bool { s := d.split(name); return s != nil && isShare(s.AUROC) }) {
			f.panels = append(f.panels, func(vg.Length) *plot.Plot { return detectorPanel(v, ds, name) })
		}
	}
	if without := len(v.outNames()) - len(f.panels); without > 0 {
		f.caption += fmt.Sprintf(" %s without an AUROC: too few files.", count(without, "split"))
	}
	return f
}

func detectorPanel(v view, ds []Detector, name string) *plot.Plot {
	p := v.splitPanel(name, "AUROC", "")
	if lo, hi, ok := v.null(name); ok {
		addBoxes(p, nullStyle(), box{lo, hi, -0.6, float64(len(ds)) - 0.4})
	}
	p.Add(reference{at: 0.5, vertical: true})
	var ticks []plot.Tick
	for i, d := range ds {
		y := float64(len(ds) - 1 - i)
		ticks = append(ticks, plot.Tick{Value: y, Label: short(d.Name, 30)})
		s := d.split(name)
		if s == nil || !isShare(s.AUROC) {
			continue
		}
		if isShare(s.AUROCLo) && isShare(s.AUROCHi) {
			addCurve(p, draw.LineStyle{Color: v.styles[d.Name].color, Width: vg.Points(1.4)},
				plotter.XYs{{X: float64(s.AUROCLo), Y: y}, {X: float64(s.AUROCHi), Y: y}})
		}
		addGlyphs(p, v.styles[d.Name], plotter.XYs{{X: float64(s.AUROC), Y: y}})
	}
	// All splits have the same x axis.
	p.X.Min, p.X.Max = 0.45, 0.7
	for _, d := range ds {
		for _, s := range d.Splits {
			for _, x := range []Num{s.AUROC, s.AUROCLo, s.AUROCHi, s.NullLo, s.NullHi} {
				if isShare(x) {
					p.X.Min, p.X.Max = min(p.X.Min, float64(x)), max(p.X.Max, float64(x))
				}
			}
		}
	}
	p.X.Min, p.X.Max = max(0, p.X.Min-0.02), min(1, p.X.Max+0.02)
	p.X.Tick.Marker = tenths("")
	setRows(p, ticks, -0.6, float64(len(ds))-0.4)
	return p
}

func pairedTable(name string, cs []Comparison) table {
	t := table{name: name, caption: "Paired tests between AUROCs on shared files; p (Holm) is corrected over the tests between splits and, separately, over those between detectors.",
		empty: "There are no paired tests: they need two AUROCs on shared files.",
		columns: []column{textColumn("A", "a"), textColumn("B", "b"), intervalColumn("AUROC of A minus B (95% interval)", "delta"),
			numColumn("p", "p"), numColumn("p (Holm)", "p_holm")}}
	for _, c := range cs {
		t.rows = append(t.rows, []cell{textCell(c.A), textCell(c.B), intervalCell(Interval{c.Delta, c.Lo, c.Hi}, auroc3), numCell(c.P, pValue), numCell(c.PHolm, pValue)})
	}
	return t
}

// metricTable has a column for every metric beside the AUROC.
func metricTable(v view) table {
	t := table{name: "detector-metrics", caption: "Further metrics of every detector", empty: "There are no further metrics.",
		columns: []column{textColumn("Detector", "detector"), textColumn("Split", "split")}}
	var names []string
	known, rows := map[string]bool{}, 0
	for _, d := range v.Detectors {
		for _, s := range d.Splits {
			for _, m := range s.Metrics {
				if !known[m.Name] {
					known[m.Name] = true
					names = append(names, m.Name)
				}
			}
		}
		rows += len(d.Splits)
	}
	if n := mostColumns(len(names), rows); n < len(names) {
		t.caption += fmt.Sprintf(", the first %d of %d; results.json has all", n, len(names))
		names = names[:n]
	}
	if slices.Contains(names, "DTACC") {
		t.caption += "; the interval of DTACC, a maximum over thresholds, is too narrow near no drift, where it covers about 70% in place of 95%"
	}
	neighbours := slices.ContainsFunc(v.Detectors, func(d Detector) bool { return d.Neighbour > 0 })
	if neighbours {
		t.columns = append(t.columns, numColumn("k of the neighbour", "neighbour"))
	}
	for _, name := range names {
		t.columns = append(t.columns, intervalColumn(clean(name), clean(name)))
	}
	for _, d := range v.Detectors {
		if d.Skipped != "" || len(names) == 0 {
			continue
		}
		for _, s := range d.Splits {
			row := []cell{textCell(d.Name), textCell(s.Split)}
			if neighbours {
				k := none()
				if d.Neighbour > 0 {
					k = Num(d.Neighbour)
				}
				row = append(row, numCell(k, significant))
			}
			at := firstOf(s.Metrics, func(m Metric) string { return m.Name })
			for _, name := range names {
				x := noInterval()
				if i, ok := at[name]; ok {
					x = s.Metrics[i].Interval
				}
				row = append(row, intervalCell(x, auroc3))
			}
			t.rows = append(t.rows, row)
		}
	}
	return t
}

// skippedTable gives the reason of every detector without numbers.
func skippedTable(v view) table {
	t := table{name: "detectors-skipped", caption: "Detectors without numbers", empty: "Every detector was computed.",
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
		t.empty = "The run has no detectors."
	}
	return t
}
