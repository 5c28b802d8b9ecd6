package report

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// driftSection shows AUROC by split, the main result.
func driftSection(v view) section {
	all := aurocTable(v)
	all.more = true
	return section{
		id: "auroc-drift", title: "AUROC by split",
		read: fmt.Sprintf("AUROC is the chance that a file of %s scores as more typical than a later file: 0.5 is no drift, more is more drift.",
			v.inName()),
		notes:   append([]string{fmt.Sprintf("In stands for %s, held-out files of the training span; Out for the files of a later split. The p-value is the probability that chance alone brings the AUROC as far from 0.5.", v.inName())}, v.independence()...),
		figures: []figure{driftFigure(v.pictured()).noting(v.cut)},
		tables:  []table{mainTable(v), all},
		rest:    "All detectors, and notes",
	}
}

// mainTable lists the numbers of the preferred detector by split.
func mainTable(v view) table {
	t := table{name: "main-by-split", caption: "The detector of the verdict, and the accuracy of the model", empty: v.noAUROC(),
		columns: []column{textColumn("Split", "split"), numColumn("Files", "files")}}
	d := v.preferred()
	if d == nil {
		if t.empty == "" {
			t.empty = "Every detector with an AUROC was tuned on later files."
		}
		return t
	}
	t.caption = short(d.Name, 40) + " by split, and the accuracy of the model"
	t.columns = append(t.columns, intervalColumn("AUROC (95% interval)", "auroc"), numColumn("p (Holm)", "p_holm"), intervalColumn("Accuracy (95% interval)", "accuracy"))
	grouped := v.grouped()
	if grouped { // at the end, which a phone shows last
		t.columns = append(t.columns, numColumn("Groups", "groups"), numColumn("Effective files", "effective_files"))
	}
	for _, s := range v.mainNumbers() {
		auroc := intervalCell(s.AUROC, auroc3)
		if s.Role == RoleIn {
			auroc.text = "held out"
		}
		row := []cell{textCell(s.Split), countCell(s.Files), auroc, numCell(s.PHolm, pValue), intervalCell(s.Accuracy, percent)}
		if grouped {
			row = append(row, countCell(s.Groups), numCell(s.Effective, func(x Num) string { return fixed(x, 0) }))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

const driftCaption = "Bars: 95% intervals. Grey: where the AUROC falls 95 times in 100 without drift. n: files."

func driftFigure(v view) figure {
	f := figure{name: "auroc-drift-by-split", title: "AUROC of " + v.inName() + " against later files", gap: v.noAUROC()}
	if f.gap != "" {
		return f
	}
	f.caption = driftCaption
	f.alt = f.title + ": " + aurocsInWords(v.main())
	splits := v.splitCategories()
	f.cols, f.least, f.height = 1, 3*vg.Inch, splits.height(3.3)
	f.legend = v.legend(v.main())
	f.direct = fitAtEdge(f.legend)
	f.panels = []panel{func(width vg.Length) *plot.Plot {
		return driftPanel(v, v.main(), "", splits, width, f.direct && !isNarrow(width))
	}}
	return f
}

// splitCategories returns the later splits, each with its number of files.
func (v view) splitCategories() categories {
	var c categories
	for _, name := range v.outNames() {
		note := "no files"
		if n := v.outFiles(name); n > 0 {
			note = fmt.Sprintf("n %d", n)
		}
		if s := v.typical(name, DetectorSplit.grouped); s != nil {
			note += ", " + count(s.GroupsOut, "group")
		}
		c.add(v.splitLabel(name, 22), note)
	}
	return c
}

// legend returns one entry per detector.
func (v view) legend(ds []Detector) []entry {
	var es []entry
	for _, d := range ds {
		es = append(es, entry{short(d.Name, 40), v.styles[d.Name]})
	}
	return es
}

// driftPanel draws AUROC by split; names says whether to name the detectors
// at the right edge.
func driftPanel(v view, ds []Detector, title string, splits categories, width vg.Length, names bool) *plot.Plot {
	p := newPanel(title, fmt.Sprintf("later split (n: its files; %s: n %d)", short(v.inName(), 16), v.inFiles()), "AUROC (95% interval)")
	var null []box
	for i, name := range v.outNames() {
		if lo, hi, ok := v.null(name); ok {
			null = append(null, box{float64(i) - 0.42, float64(i) + 0.42, lo, hi})
		}
	}
	addBoxes(p, nullStyle(), null...)
	p.Add(reference{at: 0.5})
	points, labels := addDetectors(p, v, ds, 0.09, DetectorSplit.auroc)
	if names {
		p.Add(labels)
	}
	splits.set(p, width)
	setAUROC(p, points)
	return p
}

// addDetectors draws a number of each of the detectors by split, the series step
// apart. It returns all points, and the names of the series where they end.
func addDetectors(p *plot.Plot, v view, ds []Detector, step float64, number func(DetectorSplit) Interval) ([]point, endLabels) {
	var all []point
	var labels endLabels
	for j, d := range ds {
		var ps []point
		for i, name := range v.outNames() {
			x := float64(i) + shift(j, len(ds), step)
			if s := d.split(name); s != nil {
				ps = append(ps, pointAt(x, number(*s)))
			} else {
				ps = append(ps, absent(x))
			}
		}
		addSeries(p, v.styles[d.Name], ps)
		all = append(all, ps...)
		labels.add(short(d.Name, 40), v.styles[d.Name], ps)
	}
	return all, labels
}

// aurocsInWords lists the AUROCs of detectors for readers who cannot see the
// picture.
func aurocsInWords(ds []Detector) string {
	s := ""
	for i, d := range ds {
		if i > 0 {
			s += "; "
		}
		s += short(d.Name, 60) + " "
		for j, x := range d.Splits {
			if j > 0 {
				s += ", "
			}
			s += fmt.Sprintf("%s on %s", interval(x.auroc(), auroc2), short(x.Split, 60))
		}
	}
	return s + "."
}

// aurocTable lists every detector on every split.
func aurocTable(v view) table {
	in, out := numColumn("In files", "in"), numColumn("Out files", "out")
	grouped := v.grouped()
	if grouped {
		in, out = groupColumn("In files", "in"), groupColumn("Out files", "out")
	}
	t := table{
		name: "auroc-by-split", caption: "AUROC of every detector on every later split; p (Holm) is corrected over the splits of a detector.", empty: v.noAUROC(),
		columns: []column{
			textColumn("Detector", "detector"), textColumn("Split", "split"), in, out,
			intervalColumn("AUROC (95% interval)", "auroc"),
			intervalColumn("Class-balanced AUROC", "balanced"), numColumn("over classes", "balanced_classes"),
			bandColumn("No-drift band"),
			numColumn("p", "p"), numColumn("p (Holm)", "p_holm"),
		},
	}
	if grouped {
		t.columns = append(t.columns, column{title: "Design effect", csv: []string{"design_effect", "few_groups"}, numeric: true})
	}
	for _, d := range v.Detectors {
		if d.Skipped != "" {
			continue
		}
		for _, s := range d.Splits {
			row := []cell{
				textCell(d.Name), textCell(s.Split), countCell(s.In), countCell(s.Out),
				intervalCell(s.auroc(), auroc3), intervalCell(s.Balanced, auroc3), s.balancedCell(), bandCell(s.NullLo, s.NullHi),
				numCell(s.P, pValue), numCell(s.PHolm, pValue),
			}
			if grouped {
				row[2], row[3] = groupCell(s.In, s.GroupsIn, s.EffectiveIn), groupCell(s.Out, s.GroupsOut, s.EffectiveOut)
				effect := numCell(s.DesignEffect, significant)
				effect.csv = append(effect.csv, fmt.Sprint(s.FewGroups))
				if s.FewGroups {
					effect.text += ", few groups"
				}
				row = append(row, effect)
			}
			t.rows = append(t.rows, row)
		}
	}
	return t
}

// groupColumn heads the files of one side with their groups and effective files.
func groupColumn(title, csv string) column {
	return column{title: title + " (groups, effective files)", csv: []string{csv, "groups_" + csv, "effective_" + csv}, numeric: true}
}

func groupCell(files, groups int, effective Num) cell {
	return cell{text: fmt.Sprintf("%d (%d, %s)", files, groups, fixed(effective, 0)), csv: []string{fmt.Sprint(files), fmt.Sprint(groups), digits(effective)}, sort: Num(files)}
}

// balancedCell counts the classes whose AUROCs the class-balanced AUROC is the
// mean of: those with two files or more on both sides.
func (s DetectorSplit) balancedCell() cell {
	n := 0
	for _, c := range s.Classes {
		if c.In >= 2 && c.Out >= 2 {
			n++
		}
	}
	c := countCell(n)
	if len(s.Classes) > 0 {
		c.text = fmt.Sprintf("%d of %d", n, len(s.Classes))
	}
	return c
}
