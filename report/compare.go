package report

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"

	"driftbench/internal/origin"
)

// WriteComparison writes a report of two runs side by side:
// dir/report/comparison.html, its pictures and its tables. Each of pairs is a
// test over the files that both runs have, with A "detector@split" of run a and
// B that of run b. The notes say how the files were paired.
func WriteComparison(dir string, a, b Input, pairs []Comparison, notes []string) error {
	return comparisonPage(a, b, pairs, notes...).write(dir, "comparison.html", printDPI)
}

func comparisonPage(a, b Input, pairs []Comparison, notes ...string) page {
	c := newComparison(a, b, pairs)
	c.notes = notes
	p := page{Title: fmt.Sprintf("Drift report: %s against %s", c.nameA, c.nameB), Lead: c.headline()}
	for _, of := range []func() section{c.driftSection, c.pairSection, c.accuracySection, c.dataSection, c.provenanceSection} {
		s := of()
		s.seal()
		p.Sections = append(p.Sections, s)
	}
	return p
}

// comparison is two runs that share their styles.
type comparison struct {
	a, b         view
	nameA, nameB string
	manifests    [2][]KeyValue
	pairs        []Comparison
	notes        []string // on how files were paired
}

func newComparison(a, b Input, pairs []Comparison) comparison {
	c := comparison{
		a: newView(a.Results), b: newView(b.Results), pairs: pairs,
		nameA: runName(a, "A"), nameB: runName(b, "B"), manifests: [2][]KeyValue{a.Manifest, b.Manifest},
	}
	styles := detectorStyles(slices.Concat(a.Results.Detectors, b.Results.Detectors))
	for _, v := range []*view{&c.a, &c.b, c.a.small, c.b.small} {
		if v != nil {
			v.styles = styles
		}
	}
	return c
}

func runName(in Input, letter string) string {
	if name := clean(in.Name); name != "" {
		return letter + " (" + shorten(name, 40) + ")"
	}
	return letter
}

// headline compares the AUROCs of the last split that both runs have, and then
// gives the first conclusion of each run.
func (c comparison) headline() []string {
	var first string
	if d := c.a.preferred(); d != nil {
		for _, s := range slices.Backward(d.Splits) {
			t := c.b.numbers(d.Name, s.Split)
			if t == nil || !s.AUROC.OK() || !t.AUROC.OK() {
				continue
			}
			first = fmt.Sprintf("On %s, %s has AUROC %s and %s %s, both by %s", clean(s.Split),
				c.nameA, interval(s.auroc(), auroc2), c.nameB, interval(t.auroc(), auroc2), clean(d.Name))
			key := d.Name + "@" + s.Split
			if p := find(c.pairs, func(p Comparison) bool { return p.A == key && p.B == key }); p != nil {
				first += fmt.Sprintf("; on the files both hold the difference is %s, p %s (Holm)", interval(Interval{p.Delta, p.Lo, p.Hi}, auroc2), pValue(p.PHolm))
			}
			break
		}
	}
	if first == "" {
		first = "The two runs have no detector and split in common"
	}
	first += "."
	if same, sentence := SameModel(c.nameA, c.nameB, c.a.Results, c.b.Results); same {
		first += " " + sentence
	} else {
		first = sentence + " " + first
	}
	return []string{strings.TrimSpace(first), c.nameA + ": " + c.a.brief(), c.nameB + ": " + c.b.brief()}
}

// SameModel says in a sentence whether two runs, by their names, are of one model.
// same is false where they are not; where that is not known the sentence says so.
func SameModel(nameA, nameB string, a, b Results) (same bool, sentence string) {
	hashA, hashB := a.ModelSHA256, b.ModelSHA256
	switch {
	case hashA == "" || hashB == "":
		unknown := nameA
		if hashA != "" {
			unknown = nameB
		}
		return true, fmt.Sprintf("Whether both are of one model is not known: %s does not say which model it is of.", unknown)
	case hashA != hashB:
		return false, fmt.Sprintf("%s and %s are of different models, %s and %s (SHA-256): a difference between them is one of the models, not drift.", nameA, nameB, clean(origin.Short(hashA)), clean(origin.Short(hashB)))
	case a.EngineIdentity != "" && b.EngineIdentity != "" && a.EngineIdentity != b.EngineIdentity:
		return true, fmt.Sprintf("Both are of the model %s, by different engines: their scores differ by rounding too.", clean(origin.Short(hashA)))
	}
	return true, fmt.Sprintf("Both are of the model %s.", clean(origin.Short(hashA)))
}

// brief returns the verdict of a run with what it depends on.
func (v view) brief() string {
	lines := []string{v.lead()}
	if v.verdict.Action != actionNone {
		lines = append(lines, v.caveats(v.verdict.Split)...)
	}
	return strings.Join(lines, " ")
}

// numbers returns the numbers of one detector on one split, or nil.
func (v view) numbers(detector, split string) *DetectorSplit {
	if i, ok := v.detectorAt[detector]; ok {
		return v.Detectors[i].split(split)
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
	a, b := c.a.pictured(), c.b.pictured()
	f.alt = fmt.Sprintf("AUROC by split. %s: %s %s: %s", c.nameA, aurocsInWords(a.drawn()), c.nameB, aurocsInWords(b.drawn()))
	f.caption = driftCaption
	for _, cut := range []struct{ name, what string }{{c.nameA, c.a.cut}, {c.nameB, c.b.cut}} {
		if cut.what != "" {
			f.caption += " " + cut.name + ": " + cut.what
		}
	}
	f.legend = a.legend(a.drawn())
	for _, e := range b.legend(b.drawn()) {
		if !slices.ContainsFunc(f.legend, func(o entry) bool { return o.text == e.text }) {
			f.legend = append(f.legend, e)
		}
	}
	splitsA, splitsB := a.splitCategories(), b.splitCategories()
	f.cols, f.least = 2, 3*vg.Inch
	f.height = func(width vg.Length) vg.Length { return max(splitsA.height(3)(width), splitsB.height(3)(width)) }
	draw := func(width vg.Length) (*plot.Plot, *plot.Plot) {
		p, q := driftPanel(a, a.drawn(), c.nameA, splitsA, width, false), driftPanel(b, b.drawn(), c.nameB, splitsB, width, false)
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
	t := table{name: "comparison-auroc", caption: "AUROC of both runs", empty: "Neither run has an AUROC.",
		columns: []column{textColumn("Detector", "detector"), textColumn("Split", "split"),
			intervalColumn("AUROC in "+c.nameA, "auroc_a"), intervalColumn("AUROC in "+c.nameB, "auroc_b")}}
	type key struct{ detector, split string }
	var keys []key
	for _, v := range []view{c.a, c.b} {
		for _, d := range v.Detectors {
			for _, s := range d.Splits {
				if d.Skipped == "" {
					keys = append(keys, key{d.Name, s.Split})
				}
			}
		}
	}
	for _, k := range unique(keys) {
		row := []cell{textCell(k.detector), textCell(k.split)}
		for _, v := range []view{c.a, c.b} {
			x := noInterval()
			if s := v.numbers(k.detector, k.split); s != nil {
				x = s.auroc()
			}
			row = append(row, intervalCell(x, auroc3))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func (c comparison) pairSection() section {
	t := pairedTable("comparison-paired", c.pairs)
	t.empty = "There are no paired tests: no file of the one run has the bytes of a file of the other."
	var notes []string
	for _, n := range c.notes {
		notes = append(notes, clean(n))
	}
	t.caption = fmt.Sprintf("Paired tests on the files both runs hold: A is %s, B is %s; p (Holm) is corrected over all of them.", c.nameA, c.nameB)
	return section{
		id: "paired", title: "Paired tests",
		read:   "A small p-value says that the two runs differ on the files they share, beyond what those files happen to be.",
		notes:  notes,
		tables: []table{t},
	}
}

func (c comparison) accuracySection() section {
	t := table{name: "comparison-accuracy", caption: "Classification quality of both runs",
		empty: "Neither run has an accuracy: the models' classes are not the corpora's labels.",
		columns: []column{textColumn("Split", "split"),
			intervalColumn("Accuracy of "+c.nameA, "accuracy_a"), intervalColumn("Accuracy of "+c.nameB, "accuracy_b"),
			numColumn("Macro-F1 of "+c.nameA, "macro_f1_a"), numColumn("Macro-F1 of "+c.nameB, "macro_f1_b")}}
	var names []string
	for _, v := range []view{c.a, c.b} {
		if v.Classifier != nil {
			for _, a := range v.Classifier.Splits {
				names = append(names, a.Name)
			}
		}
	}
	for _, name := range unique(names) {
		a, b := c.a.accuracyOrNone(name), c.b.accuracyOrNone(name)
		t.rows = append(t.rows, []cell{textCell(name),
			intervalCell(a.Accuracy, percent), intervalCell(b.Accuracy, percent), numCell(a.MacroF1, auroc3), numCell(b.MacroF1, auroc3)})
	}
	return section{
		id: "accuracy", title: "Accuracy by split",
		read:   "The run whose accuracy falls less over the splits holds up better.",
		tables: []table{t},
	}
}

func (c comparison) dataSection() section {
	t := table{name: "comparison-files", caption: "Files of both runs", empty: "Neither run describes its splits.",
		columns: []column{textColumn("Split", "split"), numColumn("Files in "+c.nameA, "files_a"), numColumn("Files in "+c.nameB, "files_b")}}
	var names []string
	for _, s := range slices.Concat(c.a.Splits, c.b.Splits) {
		names = append(names, s.Name)
	}
	for _, name := range unique(names) {
		t.rows = append(t.rows, []cell{textCell(name), countCell(c.a.outFiles(name)), countCell(c.b.outFiles(name))})
	}
	return section{
		id: "data", title: "Data",
		read:   "Where the numbers of files differ, the runs were made on other files, and the paired tests alone compare like with like.",
		notes:  []string{c.nameA + ": " + c.a.unseen(), c.nameB + ": " + c.b.unseen()},
		tables: []table{t},
	}
}

func (c comparison) provenanceSection() section {
	t := table{name: "comparison-provenance", caption: "From the two manifests", empty: "Neither run has a manifest.",
		columns: []column{textColumn("What", "key"), textColumn(c.nameA, "a"), textColumn(c.nameB, "b"), textColumn("Same", "same")}}
	var values [2]map[string]string
	for i, m := range c.manifests {
		values[i] = map[string]string{}
		for _, kv := range m {
			if _, twice := values[i][kv.Key]; !twice {
				values[i][kv.Key] = kv.Value
			}
		}
	}
	var keys []string
	for _, kv := range slices.Concat(c.manifests[0], c.manifests[1]) {
		keys = append(keys, kv.Key)
	}
	for _, key := range unique(keys) {
		a, b, same := values[0][key], values[1][key], "no"
		if a == b {
			same = "yes"
		}
		t.rows = append(t.rows, []cell{textCell(key), textCell(a), textCell(b), textCell(same)})
	}
	return section{
		id: "provenance", title: "Provenance",
		read:   "What is not the same here is what the two runs differ in.",
		tables: []table{t},
	}
}
