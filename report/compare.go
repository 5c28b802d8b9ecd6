package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// WriteComparison draws two runs side by side: dir/report/comparison.html and
// its pictures and tables. In pairs, A names "detector@split" of run a, B of
// run b, and the test is paired over the files that both hold.
func WriteComparison(dir string, a, b Input, pairs []Comparison) error {
	return comparisonPage(a, b, pairs).write(dir, "comparison.html", printDPI)
}

func comparisonPage(a, b Input, pairs []Comparison) page {
	c := newComparison(a, b, pairs)
	return page{
		Title: fmt.Sprintf("Drift report: %s against %s", c.nameA, c.nameB),
		Lead:  c.headline(),
		Sections: []section{
			c.driftSection(), c.pairSection(), c.accuracySection(), c.dataSection(), c.provenanceSection(),
		},
	}
}

// comparison is two views that share their styles.
type comparison struct {
	a, b         view
	nameA, nameB string
	manifests    [2][]KeyValue
	pairs        []Comparison
}

func newComparison(a, b Input, pairs []Comparison) comparison {
	c := comparison{
		a: newView(a.Results), b: newView(b.Results), pairs: pairs,
		nameA: runName(a, "A"), nameB: runName(b, "B"), manifests: [2][]KeyValue{a.Manifest, b.Manifest},
	}
	c.a.styles = detectorStyles(slices.Concat(a.Results.Detectors, b.Results.Detectors))
	c.b.styles = c.a.styles
	return c
}

func runName(in Input, letter string) string {
	if name := clean(in.Name); name != "" {
		return letter + " (" + shorten(name, 40) + ")"
	}
	return letter
}

// headline sets the last split that both runs know side by side, and beside
// it each run's own answer.
func (c comparison) headline() []string {
	var first string
	if d := c.a.chosen(); d != nil {
		for _, s := range slices.Backward(d.Splits) {
			t := c.b.of(d.Name, s.Split)
			if t == nil || !s.AUROC.OK() || !t.AUROC.OK() {
				continue
			}
			first = fmt.Sprintf("On %s, %s has AUROC %s and %s %s, both by %s", clean(s.Split),
				c.nameA, interval(s.AUROC, s.AUROCLo, s.AUROCHi, auroc2), c.nameB, interval(t.AUROC, t.AUROCLo, t.AUROCHi, auroc2), clean(d.Name))
			key := d.Name + "@" + s.Split
			if i := slices.IndexFunc(c.pairs, func(p Comparison) bool { return p.A == key && p.B == key }); i >= 0 {
				p := c.pairs[i]
				first += fmt.Sprintf("; on the files both hold the difference is %s, p %s (Holm)", interval(p.Delta, p.Lo, p.Hi, auroc2), pValue(p.PHolm))
			}
			break
		}
	}
	if first == "" {
		first = "The two runs have no detector and split in common"
	}
	return []string{first + ".", c.nameA + ": " + c.a.brief(), c.nameB + ": " + c.b.brief()}
}

// brief is the answer of a run with what stands in its way.
func (v view) brief() string {
	text := headline(v)[0]
	if d := v.chosen(); d != nil {
		if s := v.caveat(d.last().Split); s != "" {
			text += " " + s
		}
	}
	return text
}

// of returns the numbers of one detector on one split, or nil.
func (v view) of(detector, split string) *DetectorSplit {
	for _, d := range v.Detectors {
		if d.Name == detector && d.Skipped == "" {
			return d.split(split)
		}
	}
	return nil
}

func (c comparison) driftSection() section {
	return section{
		id: "auroc-drift", title: "AUROC drift by split",
		read:    "Both runs on one scale: the further a line climbs above 0.5, the more drift in that run.",
		figures: []figure{c.driftFigure()},
		tables:  []table{c.aurocTable()},
	}
}

func (c comparison) driftFigure() figure {
	f := figure{name: "comparison-auroc-drift", title: "AUROC against later files"}
	if c.a.noAUROC() != "" || c.b.noAUROC() != "" {
		f.gap = "One of the runs has no AUROC, so there is nothing to set side by side."
		return f
	}
	f.alt = fmt.Sprintf("AUROC by split. %s: %s %s: %s", c.nameA, c.a.spoken(), c.nameB, c.b.spoken())
	f.caption = "Bars are 95% intervals. The grey band is where the AUROC falls 95 times in 100 when nothing has drifted; n is the number of files."
	f.legend = c.a.legend(c.a.main())
	for _, e := range c.b.legend(c.b.main()) {
		if !slices.ContainsFunc(f.legend, func(o entry) bool { return o.text == e.text }) {
			f.legend = append(f.legend, e)
		}
	}
	splitsA, splitsB := c.a.splitCategories(), c.b.splitCategories()
	f.cols, f.least = 2, 3*vg.Inch
	f.height = func(width vg.Length) vg.Length { return max(splitsA.height(3)(width), splitsB.height(3)(width)) }
	draw := func(width vg.Length) (*plot.Plot, *plot.Plot) {
		p, q := driftPanel(c.a, c.nameA, splitsA, width, false), driftPanel(c.b, c.nameB, splitsB, width, false)
		p.Y.Min = min(p.Y.Min, q.Y.Min)
		p.Y.Max = max(p.Y.Max, q.Y.Max)
		q.Y.Min, q.Y.Max = p.Y.Min, p.Y.Max
		return p, q
	}
	f.panels = []panel{
		func(width vg.Length) *plot.Plot { p, _ := draw(width); return p },
		func(width vg.Length) *plot.Plot { _, q := draw(width); return q },
	}
	return f
}

func (c comparison) aurocTable() table {
	t := table{name: "comparison-auroc", caption: "AUROC of both runs",
		columns: []column{textColumn("Detector", "detector"), textColumn("Split", "split"),
			intervalColumn("AUROC in "+c.nameA, "auroc_a"), intervalColumn("AUROC in "+c.nameB, "auroc_b")}}
	type key struct{ detector, split string }
	var keys []key
	for _, v := range []view{c.a, c.b} {
		for _, d := range v.Detectors {
			for _, s := range d.Splits {
				if k := (key{d.Name, s.Split}); d.Skipped == "" && !slices.Contains(keys, k) {
					keys = append(keys, k)
				}
			}
		}
	}
	for _, k := range keys {
		row := []cell{textCell(k.detector), textCell(k.split)}
		for _, v := range []view{c.a, c.b} {
			x := noInterval()
			if s := v.of(k.detector, k.split); s != nil {
				x = Interval{s.AUROC, s.AUROCLo, s.AUROCHi}
			}
			row = append(row, intervalCell(x.Value, x.Lo, x.Hi, auroc3))
		}
		t.rows = append(t.rows, row)
	}
	if len(t.rows) == 0 {
		t.gap = "Neither run has an AUROC."
	}
	return t
}

func (c comparison) pairSection() section {
	t := pairedTable("comparison-paired", c.pairs)
	if t.gap != "" {
		t.gap = "There are no paired tests: the runs share no files."
	}
	t.caption = fmt.Sprintf("Paired tests on the files both runs hold: A is %s, B is %s; p (Holm) is corrected over all of them.", c.nameA, c.nameB)
	return section{
		id: "paired", title: "Paired tests",
		read:   "A small p-value says that the two runs differ on the files they share, beyond what those files happen to be.",
		tables: []table{t},
	}
}

func (c comparison) accuracySection() section {
	t := table{name: "comparison-accuracy", caption: "Classification quality of both runs",
		columns: []column{textColumn("Split", "split"),
			intervalColumn("Accuracy of "+c.nameA, "accuracy_a"), intervalColumn("Accuracy of "+c.nameB, "accuracy_b"),
			numColumn("Macro-F1 of "+c.nameA, "macro_f1_a"), numColumn("Macro-F1 of "+c.nameB, "macro_f1_b")}}
	for _, name := range c.union(func(v view) []string {
		var names []string
		if v.Classifier != nil {
			for _, a := range v.Classifier.Splits {
				names = append(names, a.Name)
			}
		}
		return names
	}) {
		a, b := c.a.accuracyOrNone(name), c.b.accuracyOrNone(name)
		t.rows = append(t.rows, []cell{textCell(name),
			intervalCell(a.Accuracy.Value, a.Accuracy.Lo, a.Accuracy.Hi, percent), intervalCell(b.Accuracy.Value, b.Accuracy.Lo, b.Accuracy.Hi, percent),
			numCell(a.MacroF1, auroc3), numCell(b.MacroF1, auroc3)})
	}
	if len(t.rows) == 0 {
		t.gap = "Neither run has an accuracy: the models' classes are not the corpora's labels."
	}
	return section{
		id: "accuracy", title: "Accuracy by split",
		read:   "The run whose accuracy falls less over the splits holds up better.",
		tables: []table{t},
	}
}

// union lists the names of both runs, each once.
func (c comparison) union(names func(view) []string) []string {
	out := names(c.a)
	for _, n := range names(c.b) {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func (c comparison) dataSection() section {
	t := table{name: "comparison-files", caption: "Files of both runs",
		columns: []column{textColumn("Split", "split"), numColumn("Files in "+c.nameA, "files_a"), numColumn("Files in "+c.nameB, "files_b")}}
	for _, name := range c.union(func(v view) []string {
		var names []string
		for _, s := range v.Splits {
			names = append(names, s.Name)
		}
		return names
	}) {
		t.rows = append(t.rows, []cell{textCell(name), countCell(c.a.outFiles(name)), countCell(c.b.outFiles(name))})
	}
	if len(t.rows) == 0 {
		t.gap = "Neither run describes its splits."
	}
	return section{
		id: "data", title: "Data",
		read:   "Where the numbers of files differ, the runs were made on other files, and the paired tests alone compare like with like.",
		notes:  []string{c.nameA + ": " + c.a.unseen(), c.nameB + ": " + c.b.unseen()},
		tables: []table{t},
	}
}

func (c comparison) provenanceSection() section {
	t := table{name: "comparison-provenance", caption: "From the two manifests",
		columns: []column{textColumn("What", "key"), textColumn(c.nameA, "a"), textColumn(c.nameB, "b"), textColumn("Same", "same")}}
	value := func(m []KeyValue, key string) string {
		for _, kv := range m {
			if kv.Key == key {
				return kv.Value
			}
		}
		return ""
	}
	var keys []string
	for _, kv := range slices.Concat(c.manifests[0], c.manifests[1]) {
		if !slices.Contains(keys, kv.Key) {
			keys = append(keys, kv.Key)
		}
	}
	for _, key := range keys {
		a, b, same := value(c.manifests[0], key), value(c.manifests[1], key), "no"
		if a == b {
			same = "yes"
		}
		t.rows = append(t.rows, []cell{textCell(key), textCell(a), textCell(b), textCell(same)})
	}
	if len(t.rows) == 0 {
		t.gap = "Neither run has a manifest."
	}
	return section{
		id: "provenance", title: "Provenance",
		read:   "What is not the same here is what the two runs differ in.",
		tables: []table{t},
	}
}
