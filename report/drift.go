package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// driftSection is AUROC by split: the picture the whole report is about.
func driftSection(v view) section {
	return section{
		id: "auroc-drift", title: "AUROC drift by split",
		read: fmt.Sprintf("AUROC is the chance that a file of %s scores as more typical than a file of the later split: 0.5 is no drift and further above is more; how far chance alone could bring it is what the p-value says.",
			v.inName()),
		notes:   []string{fmt.Sprintf("In stands for %s, held-out files of the training span; Out for the files of a later split.", v.inName()), independence},
		figures: []figure{driftFigure(v)},
		tables:  []table{aurocTable(v)},
	}
}

// outNames returns the Out splits in the order of time, those of the results
// first and then any that only a detector knows.
func (v view) outNames() []string {
	var names []string
	for _, s := range v.role(RoleOut) {
		names = append(names, s.Name)
	}
	for _, d := range v.Detectors {
		for _, s := range d.Splits {
			if !slices.Contains(names, s.Split) {
				names = append(names, s.Split)
			}
		}
	}
	return names
}

func cleanAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = clean(n)
	}
	return out
}

// noAUROC explains why nothing can be drawn of a run without any AUROC.
func (v view) noAUROC() string {
	switch {
	case len(v.outNames()) == 0:
		return "There is no later split to compare with: add one under tests in corpus.yaml."
	case len(v.main()) == 0:
		return "No detector has an AUROC; the detector table says why each was skipped."
	}
	return ""
}

func driftFigure(v view) figure {
	f := figure{name: "auroc-drift-by-split", title: "AUROC of " + v.inName() + " against later files", gap: v.noAUROC()}
	if f.gap != "" {
		return f
	}
	f.caption = "Bars are 95% intervals. The grey band is where the AUROC falls 95 times in 100 when nothing has drifted; n is the number of files."
	f.alt = f.title + ": " + v.spoken()
	ds := v.main()
	splits := v.splitCategories()
	f.cols, f.least, f.height = 1, 3*vg.Inch, splits.height(3.3)
	f.legend = v.legend(ds)
	f.direct = direct(f.legend)
	f.panels = []panel{func(width vg.Length) *plot.Plot {
		return driftPanel(v, "", splits, width, f.direct && !isNarrow(width))
	}}
	return f
}

// splitCategories names the later splits, each with its number of files.
func (v view) splitCategories() categories {
	var c categories
	for _, name := range v.outNames() {
		note := "no files"
		if n := v.outFiles(name); n > 0 {
			note = fmt.Sprintf("n %d", n)
		}
		c.add(name, note)
	}
	return c
}

// legend names detectors.
func (v view) legend(ds []Detector) []entry {
	var es []entry
	for _, d := range ds {
		es = append(es, entry{shorten(clean(d.Name), 40), v.styles[d.Name]})
	}
	return es
}

// driftPanel draws AUROC by split; names says whether to name the detectors
// at the right edge.
func driftPanel(v view, title string, splits categories, width vg.Length, names bool) *plot.Plot {
	p := newPanel(title, fmt.Sprintf("later split (n: its files; %s: n %d)", shorten(v.inName(), 16), v.inFiles()), "AUROC (95% interval)")
	outs := v.outNames()
	var null []box
	for i, name := range outs {
		if lo, hi, ok := v.null(name); ok {
			null = append(null, box{float64(i) - 0.42, float64(i) + 0.42, lo, hi})
		}
	}
	addBoxes(p, nullStyle(), null...)
	p.Add(rule{at: 0.5})

	ds := v.main()
	var all []point
	var labels endLabels
	for j, d := range ds {
		offset := (float64(j) - float64(len(ds)-1)/2) * 0.09
		ps := make([]point, len(outs))
		for i, name := range outs {
			ps[i] = absent(float64(i) + offset)
			if s := d.split(name); s != nil {
				ps[i].y, ps[i].lo, ps[i].hi = share(s.AUROC), share(s.AUROCLo), share(s.AUROCHi)
			}
		}
		addLine(p, v.styles[d.Name], ps)
		addPoints(p, v.styles[d.Name], ps)
		all = append(all, ps...)
		labels.add(shorten(clean(d.Name), 40), v.styles[d.Name], ps)
	}
	if names {
		p.Add(labels)
	}
	splits.set(p, width)
	setAUROC(p, all)
	return p
}

// inFiles and outFiles are the numbers of files behind an AUROC.
func (v view) inFiles() int {
	if n := v.in().Files; n > 0 {
		return n
	}
	for _, d := range v.Detectors {
		for _, s := range d.Splits {
			return s.In
		}
	}
	return 0
}

func (v view) outFiles(name string) int {
	for _, s := range v.Splits {
		if s.Name == name {
			return s.Files
		}
	}
	for _, d := range v.Detectors {
		if s := d.split(name); s != nil {
			return s.Out
		}
	}
	return 0
}

// null returns the null band of a split. It depends on the numbers of files
// far more than on the detector, so the chosen detector's stands for all.
func (v view) null(name string) (lo, hi float64, ok bool) {
	ds := v.main()
	if d := v.chosen(); d != nil {
		ds = append([]Detector{*d}, ds...)
	}
	for _, d := range ds {
		if s := d.split(name); s != nil && finite(share(s.NullLo)) && finite(share(s.NullHi)) {
			return float64(s.NullLo), float64(s.NullHi), true
		}
	}
	return 0, 0, false
}

// spoken lists the main detectors' AUROCs for a reader who cannot see them.
func (v view) spoken() string {
	s := ""
	for i, d := range v.main() {
		if i > 0 {
			s += "; "
		}
		s += clean(d.Name) + " "
		for j, x := range d.Splits {
			if j > 0 {
				s += ", "
			}
			s += fmt.Sprintf("%s on %s", interval(x.AUROC, x.AUROCLo, x.AUROCHi, auroc2), clean(x.Split))
		}
	}
	return s + "."
}

// aurocTable is every detector on every split.
func aurocTable(v view) table {
	t := table{
		name: "auroc-by-split", caption: "AUROC of every detector on every later split; p (Holm) is corrected over the splits of a detector.",
		columns: []column{
			textColumn("Detector", "detector"), textColumn("Split", "split"),
			numColumn("In files", "in"), numColumn("Out files", "out"),
			intervalColumn("AUROC (95% interval)", "auroc"),
			intervalColumn("Class-balanced AUROC", "balanced"), numColumn("over classes", "balanced_classes"),
			{title: "No-drift band", csv: []string{"null_lo", "null_hi"}, numeric: true},
			numColumn("p", "p"), numColumn("p (Holm)", "p_holm"),
		},
	}
	for _, d := range v.Detectors {
		if d.Skipped != "" {
			continue
		}
		for _, s := range d.Splits {
			t.rows = append(t.rows, []cell{
				textCell(d.Name), textCell(s.Split), countCell(s.In), countCell(s.Out),
				intervalCell(s.AUROC, s.AUROCLo, s.AUROCHi, auroc3),
				intervalCell(s.Balanced.Value, s.Balanced.Lo, s.Balanced.Hi, auroc3), s.balancedCell(),
				bandCell(s.NullLo, s.NullHi),
				numCell(s.P, pValue), numCell(s.PHolm, pValue),
			})
		}
	}
	if len(t.rows) == 0 {
		t.gap = v.noAUROC()
	}
	return t
}

// balancedCell counts the classes that the class-balanced AUROC is the mean
// of: those with two files or more on both sides.
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

func bandCell(lo, hi Num) cell {
	text := missing
	if lo.OK() && hi.OK() {
		text = auroc3(lo) + " to " + auroc3(hi)
	}
	return cell{text: text, csv: []string{plain(lo), plain(hi)}, sort: hi}
}
