package report

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// classifierSection shows what the model takes for what.
func classifierSection(v view) section {
	s := section{
		id: "classifier", title: "What the model gets wrong",
		read:    "Each row is the label of the index, each column what the model says; what lies off the diagonal is wrong.",
		figures: []figure{confusionFigure(v.pictured())},
		tables:  []table{accuracyTable(v)},
	}
	s.tables[0].more = true
	return s
}

// commonest returns the numbers of the classes with the most files over the
// matrices, in their order.
func commonest(labels int, ms ...[][]int) []int {
	files := make([]int, labels)
	for _, m := range ms {
		for i := range min(labels, len(m)) {
			for _, n := range m[i] {
				files[i] += max(0, n)
			}
		}
	}
	all := make([]int, labels)
	for i := range all {
		all[i] = i
	}
	slices.SortStableFunc(all, func(a, b int) int { return files[b] - files[a] })
	all = all[:min(mostClasses, labels)]
	slices.Sort(all)
	return all
}

// merged returns the matrix of the given classes, with all others as a last class
// where there are any.
func merged(m [][]int, classes []int, labels int) [][]int {
	n := len(classes)
	if n < labels {
		n++
	}
	out := make([][]int, n)
	for i := range out {
		out[i] = make([]int, n)
	}
	at := func(c int) int {
		if i := slices.Index(classes, c); i >= 0 {
			return i
		}
		return n - 1
	}
	for i := range min(labels, len(m)) {
		for j := range min(labels, len(m[i])) {
			out[at(i)][at(j)] += max(0, m[i][j])
		}
	}
	return out
}

// confusionFigure draws the confusion matrices of In and of the later splits, the
// last four of them.
func confusionFigure(v view) figure {
	f := figure{name: "confusion-by-split", title: "What the model takes for what"}
	if v.Classifier == nil {
		f.gap = noAccuracyKnown
		return f
	}
	var shown []Accuracy
	for _, name := range append([]string{v.in().Name}, v.outNames()...) {
		if a := v.accuracy(name); a != nil && len(a.Confusion) > 0 && a.Files > 0 {
			shown = append(shown, *a)
		}
	}
	labels := len(v.Labels)
	if len(shown) == 0 || labels == 0 {
		f.gap = "The run has no confusion matrices."
		return f
	}
	if len(shown) > 4 {
		shown = append(shown[:1], shown[len(shown)-3:]...)
	}
	var ms [][][]int
	for _, a := range shown {
		ms = append(ms, a.Confusion)
	}
	classes := commonest(labels, ms...)
	var texts []string
	for _, c := range classes {
		texts = append(texts, v.Labels[c])
	}
	f.caption = "Files by label (rows) and by what the model says (columns); the colour is the share of the row." + keyOf(texts)
	texts = drawnApart(texts, 12)
	if len(classes) < labels {
		texts = append(texts, fmt.Sprintf("%d others", labels-len(classes)))
	}
	for _, a := range shown {
		m := merged(a.Confusion, classes, labels)
		f.panels = append(f.panels, func(width vg.Length) *plot.Plot {
			return confusionPanel(fmt.Sprintf("%s (n %d)", short(a.Name, 24), a.Files), texts, m, width)
		})
	}
	f.cols, f.least = 4, leftMargin+vg.Length(len(texts))*18
	names := categories{names: texts, notes: make([]string, len(texts))}
	f.height = names.height(0.8 + 0.24*vg.Length(len(texts)))
	f.alt = fmt.Sprintf("Confusion matrices of %s; results.json holds the numbers.", count(len(shown), "split"))
	if len(classes) < labels {
		f.caption += fmt.Sprintf(" The %d commonest classes.", len(classes))
	}
	return f
}

func confusionPanel(title string, texts []string, m [][]int, width vg.Length) *plot.Plot {
	p := newPanel(title, "", "")
	var ticks []plot.Tick
	var h heat
	for i, row := range m {
		y := float64(len(m) - 1 - i)
		ticks = append(ticks, plot.Tick{Value: y, Label: texts[i]})
		sum := 0
		for _, n := range row {
			sum += n
		}
		for j, n := range row {
			c := heatCell{x: float64(j), y: y, text: fmt.Sprint(n)}
			if sum > 0 {
				c.fill = shaded(float64(n)/float64(sum), i == j)
			}
			h = append(h, c)
		}
	}
	p.Add(h)
	categories{names: texts, notes: make([]string, len(texts))}.set(p, width)
	p.X.Width = 0
	setRows(p, ticks, -0.5, float64(len(m))-0.5)
	return p
}

// shaded is white for a share of 0, and green on the diagonal and orange off it
// for 1; always light enough for a dark number.
func shaded(share float64, right bool) color.Color {
	end := rgb(0xF0975A)
	if right {
		end = rgb(0x7FBF8E)
	}
	return tint(end, share)
}

// confidenceSection compares the model's confidence with its accuracy.
func confidenceSection(v view) section {
	return section{
		id: "confidence", title: "Confidence of the model",
		read:    "Points on the diagonal are right as often as the model says; below it the model is too sure of itself, and the expected calibration error (ECE) is the mean distance from it.",
		figures: []figure{confidenceFigure(v.pictured()).noting(v.cut)},
		tables:  []table{confidenceTable(v)},
		closed:  true,
	}
}

const noConfidence = "The confidence of the model is not known: the run has no class probabilities, or its classes are not the corpus's labels."

// calibrations returns the splits that have bins with files.
func (v view) calibrations() []Calibration {
	if v.Classifier == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.Classifier.Calibration), func(c Calibration) bool {
		return len(c.Bins) > mostBins || !slices.ContainsFunc(c.Bins, CalibrationBin.drawable)
	})
}

func (b CalibrationBin) drawable() bool {
	return b.Files > 0 && isShare(b.Confidence) && isShare(b.Accuracy)
}

func confidenceFigure(v view) figure {
	f := figure{name: "accuracy-by-confidence", title: "Accuracy by confidence"}
	for _, c := range v.calibrations() {
		f.panels = append(f.panels, func(vg.Length) *plot.Plot {
			p := newPanel(fmt.Sprintf("%s: ECE %s", short(c.Name, 24), auroc3(c.ECE)), "confidence", "accuracy")
			files := 0
			for _, b := range c.Bins {
				files += max(0, b.Files)
			}
			var ps []point
			for i, b := range c.Bins {
				if b.drawable() {
					n := float64(len(c.Bins))
					addBoxes(p, nullStyle(), box{float64(i) / n, float64(i+1) / n, 0, float64(b.Files) / float64(files)})
					ps = append(ps, pointAt(float64(b.Confidence), Interval{b.Accuracy, none(), none()}))
				}
			}
			p.Add(diagonal{})
			addSeries(p, accuracyStyle(), ps)
			setUnit(&p.X)
			setUnit(&p.Y)
			return p
		})
	}
	if len(f.panels) == 0 {
		f.gap = noConfidence
		return f
	}
	f.cols, f.least, f.height = 4, 1.9*vg.Inch, square
	f.alt = fmt.Sprintf("Accuracy against the highest class probability of %s, one panel each; the table holds the numbers.", count(len(f.panels), "split"))
	f.caption = "Each point is a bin of the highest class probability. Grey: the share of the files in the bin."
	return f
}

func confidenceTable(v view) table {
	t := table{name: "accuracy-by-confidence", caption: "Accuracy by the highest class probability", empty: noConfidence,
		columns: []column{textColumn("Split", "split"), numColumn("From", "from"), numColumn("To", "to"), numColumn("Files", "files"),
			numColumn("Confidence", "confidence"), numColumn("Accuracy", "accuracy")}}
	for _, c := range v.calibrations() {
		for i, b := range c.Bins {
			if b.Files > 0 {
				n := Num(len(c.Bins))
				t.rows = append(t.rows, []cell{textCell(c.Name), numCell(Num(i)/n, auroc2), numCell(Num(i+1)/n, auroc2), countCell(b.Files),
					numCell(b.Confidence, percent), numCell(b.Accuracy, percent)})
			}
		}
	}
	return t
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
	calibrated := v.Classifier.Calibration
	calibratedAt := firstOf(calibrated, func(c Calibration) string { return c.Name })
	if len(calibrated) > 0 {
		t.columns = append(t.columns, numColumn("ECE", "ece"))
	}
	for _, a := range v.Classifier.Splits {
		row := []cell{textCell(a.Name), countCell(a.Files), intervalCell(a.Accuracy, percent), numCell(a.MacroF1, auroc3)}
		if len(calibrated) > 0 {
			ece := none()
			if i, ok := calibratedAt[a.Name]; ok {
				ece = calibrated[i].ECE
			}
			row = append(row, numCell(ece, auroc3))
		}
		t.rows = append(t.rows, row)
	}
	return t
}
