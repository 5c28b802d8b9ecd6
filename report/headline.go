package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// headline returns the verdict and, unless it is withheld, what else the run says:
// what the verdict depends on, the families, the months, what rejection
// gains, and a recommendation. The first element is the verdict.
func headline(v view) []string {
	lines := []string{v.lead()}
	d := v.preferred()
	if d == nil || v.verdict.Action == actionNone {
		return append(lines, v.regrouped()...)
	}
	last := *d.last()
	lines = append(lines, v.caveats(last.Split)...)
	lines = append(lines, v.regrouped()...)
	for _, s := range []string{v.others(last.Split), v.newFiles(last.Split), v.byFamily(last), v.byMonth(*d, last.Split), v.savings(*d, last), v.advice()} {
		if s != "" {
			lines = append(lines, s)
		}
	}
	return lines
}

// lead returns the verdict in words, with its reason.
func (v view) lead() string {
	because := clean(v.verdict.Because)
	switch {
	case v.verdict.Drift == driftYes && v.verdict.Since != "":
		return fmt.Sprintf("Drift since %s. %s", short(v.verdict.Since, 40), because)
	case v.verdict.Drift == driftYes:
		return "Drift. " + because
	case v.verdict.Drift == driftNo:
		return "No drift found. " + because
	case v.verdict.Action == actionNone:
		return "Verdict withheld. " + because
	}
	return "Drift unknown. " + because
}

// answer returns the sentence with the numbers of a verdict.
func (v view) answer(d Detector, last DetectorSplit, at position) string {
	number := fmt.Sprintf("AUROC %s by %s", interval(last.auroc(), auroc2), short(d.Name, 60))
	if last.PHolm.OK() {
		number += ", p " + pValue(last.PHolm)
	}
	split, train := short(last.Split, 40), v.trainName()
	var text string
	switch {
	case at == above:
		text = fmt.Sprintf("%s files are told from %s with %s", split, train, number)
		if last.AUROC < smallEffect {
			text += "; told apart, but the effect is small"
		}
	case at == mixed:
		text = fmt.Sprintf("%s files are told from %s with %s, but their classes differ and the class-balanced AUROC is %s, not above 0.5 by its interval, so that another mix of classes can be the cause",
			split, train, number, interval(last.Balanced, auroc2))
	case at == below:
		text = fmt.Sprintf("%s files score above those of %s, with %s, below 0.5: not the usual drift, so look at the data", split, train, number)
	case at == within:
		text = fmt.Sprintf("%s files cannot be told from %s: %s, where 0.5 is no drift", split, train, number)
	case isShare(last.AUROCLo) && isShare(last.AUROCHi) && last.PHolm.OK():
		text = fmt.Sprintf("%s files cannot be told from %s: %s; with so few %s the interval reaches above %v, so that drift cannot be ruled out", split, train, number, v.units(), largeEffect)
	default:
		text = fmt.Sprintf("%s files have %s against %s, too few of them for a test", split, number, train)
		if isShare(last.NullLo) && isShare(last.NullHi) {
			where := "inside"
			if last.AUROC < last.NullLo || last.AUROC > last.NullHi {
				where = "outside"
			}
			text += fmt.Sprintf("; all that can be said is that it lies %s the no-drift band, %.2f to %.2f", where, last.NullLo, last.NullHi)
		}
	}
	if s := v.accuracyChange(last.Split); s != "" {
		text += "; " + s
	}
	return text + "."
}

// caveats name what else than drift can raise the AUROC of a split.
func (v view) caveats(split string) []string {
	var lines []string
	if v.InUnseen != "unseen" {
		lines = append(lines, v.unseen())
	}
	in, s := v.in(), v.splitNamed(split)
	if lacking := v.lacking(s, in); len(lacking) > 0 && in.labelled() {
		lines = append(lines, fmt.Sprintf("%s has no files of %s, which %s has: files of a new class may score low without any drift in the others.",
			v.inName(), list(lacking), short(split, 40)))
	}
	if lacking := v.lacking(in, s); len(lacking) > 0 && s.labelled() {
		lines = append(lines, fmt.Sprintf("%s has no files of %s, which %s has: the AUROC compares other classes.", short(split, 40), list(lacking), v.inName()))
	}
	return lines
}

// regrouped warns of groups that the index does not name, if they would widen
// the interval of the verdict.
func (v view) regrouped() []string {
	var lines []string
	for _, g := range v.Regroupings {
		if g.Split != v.verdict.Split || !(g.DesignEffect > manyGrouped) {
			continue
		}
		s := fmt.Sprintf("The index names no groups of files. If those of one group by %s are alike (%s), the variance is %s times as large, and the AUROC of %s is %s",
			short(g.By, 60), count(g.Groups, "group"), significant(g.DesignEffect), short(g.Split, 40), interval(g.AUROC, auroc2))
		if v.verdict.Drift == driftYes && !(g.AUROC.Lo > 0.5) {
			s += ", which does not exclude 0.5, no drift"
		}
		lines = append(lines, s+".")
	}
	return lines
}

// others names the other detectors that tell a split from In where the verdict
// finds no drift.
func (v view) others(split string) string {
	var told []string
	for _, d := range v.Detectors {
		if s := d.split(split); s != nil && d.Skipped == "" && !d.UsesOutLabels && v.position(*s) == above {
			told = append(told, d.Name)
		}
	}
	if v.verdict.Drift != driftNo || len(told) == 0 {
		return ""
	}
	return fmt.Sprintf("Other detectors do tell %s from %s, at p < %v each, corrected over the splits and not over the detectors: %s.", short(split, 40), v.trainName(), level, list(told))
}

// newFiles counts the files of a split that are of no class of the training span.
func (v view) newFiles(split string) string {
	s := v.splitNamed(split)
	var parts []string
	if n := s.newFiles(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d are of families that the training span lacks (%s)", n, names(s.NewFamilies, func(c ClassCount) string { return c.Label })))
	}
	if s.Unlabelled > 0 {
		parts = append(parts, fmt.Sprintf("%d have no label", s.Unlabelled))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Of the %s of %s, %s: they count in the AUROC, and not in accuracy and class-balanced numbers.", count(s.Files, "file"), short(split, 40), strings.Join(parts, " and "))
}

func (s Split) newFiles() int {
	n := 0
	for _, c := range s.NewFamilies {
		n += c.Files
	}
	return n
}

// accuracyChange compares the accuracy on a split with that on In.
func (v view) accuracyChange(split string) string {
	in, out := v.accuracyOrNone(v.in().Name).Accuracy, v.accuracyOrNone(split).Accuracy
	if !in.Value.OK() || !out.Value.OK() {
		return ""
	}
	a, b := percent(in.Value), percent(out.Value)
	switch {
	case v.accuracyFell(split):
		return fmt.Sprintf("accuracy fell from %s on %s to %s", a, v.inName(), b)
	case out.Lo > in.Hi:
		return fmt.Sprintf("accuracy rose from %s on %s to %s", a, v.inName(), b)
	}
	return fmt.Sprintf("accuracy is %s, against %s on %s", b, a, v.inName())
}

// byFamily names the family that has drifted furthest if its interval lies above
// all others, else every family whose interval lies above 0.5. It returns "" for
// a split that has not drifted or has one family.
func (v view) byFamily(s DetectorSplit) string {
	var known []ClassAUROC
	for _, c := range s.Classes {
		if c.Value.OK() && c.Lo.OK() && c.Hi.OK() {
			known = append(known, c)
		}
	}
	if v.verdict.Drift != driftYes || len(known) < 2 {
		return ""
	}
	slices.SortStableFunc(known, func(a, b ClassAUROC) int { return cmp.Compare(b.Lo, a.Lo) })
	first := known[0]
	if first.Lo > 0.5 && !slices.ContainsFunc(known[1:], func(c ClassAUROC) bool { return c.Hi >= first.Lo }) {
		return fmt.Sprintf("Of the families, %s has drifted furthest, with AUROC %s: its interval lies above those of all others.",
			short(first.Label, 40), interval(first.Interval, auroc2))
	}
	var told []string
	for _, c := range known {
		if c.Lo > 0.5 {
			told = append(told, c.Label)
		}
	}
	switch len(told) {
	case 0:
		return "No family's interval is above 0.5 by itself."
	case 1:
		return fmt.Sprintf("By family, the interval of %s alone is above 0.5, and overlaps others, so that the families cannot be ranked.", list(told))
	}
	return fmt.Sprintf("By family, the intervals of %s are above 0.5; they overlap, so that the families cannot be ranked.", list(told))
}

// byMonth gives the month in which drift began. A month has fewer files than a
// split, so a split may show drift that its months do not.
func (v view) byMonth(d Detector, split string) string {
	if v.verdict.Drift == driftUnknown || v.classesDiffer(split) {
		return ""
	}
	var at []position
	for _, m := range d.Months {
		at = append(at, m.position())
	}
	switch i := lasting(at); {
	case !slices.ContainsFunc(at, func(p position) bool { return p != unsure }):
		return "By month it cannot be said, for no month has enough files."
	case i >= 0:
		return fmt.Sprintf("By month, the AUROC is above 0.5 since %s, each month by its own interval; months with too few files to say are left out.", clean(d.Months[i].Month))
	}
	return "By month, with fewer files each, the intervals do not stay above 0.5."
}

// savings gives the effect of rejection at the threshold on the accuracy.
func (v view) savings(d Detector, last DetectorSplit) string {
	r, all := v.rejection(d.Name, last.Split), v.accuracy(last.Split)
	if r == nil || all == nil || !r.Coverage.OK() || !r.Accuracy.OK() || !all.Accuracy.Value.OK() {
		return ""
	}
	kept := v.kept(*r)
	text := fmt.Sprintf("Rejecting the files of %s that score below the threshold set on In keeps %d of %d", short(last.Split, 40), kept, all.Files)
	if kept < fewInMonth {
		return text + ", too few to say what that does to the accuracy."
	}
	return text + fmt.Sprintf(", with accuracy %s, against %s of all.", interval(orValue(r.AccuracyInterval, r.Accuracy), percent), interval(all.Accuracy, percent))
}

// advice returns the recommendation with its rule.
func (v view) advice() string {
	recommendation := v.recommendation()
	if recommendation == "" {
		return ""
	}
	return recommendation + fmt.Sprintf(" Rule: retrain when the AUROC of the last split is above 0.5 at p < %v (Holm over the splits), is at least %v, and its accuracy interval lies below that of In; label a sample of the newest files when the AUROC or the accuracy says so alone; else keep.", level, smallEffect)
}

// recommendation says what to do, under a condition if it is not known whether
// the network was trained on In; "" where the verdict is withheld.
func (v view) recommendation() string {
	action, ok := map[string]string{
		actionKeep:    "keep the model.",
		actionLabel:   "label a sample of the newest files, and measure the accuracy on it.",
		actionRetrain: "retrain.",
		actionInspect: "look at the data before anything else.",
		actionCollect: "collect more " + v.units() + "; the last split has too few to decide.",
	}[v.verdict.Action]
	if !ok {
		return ""
	}
	if v.InUnseen != "unseen" {
		action = fmt.Sprintf("if %s was new to the network, %s", v.inName(), action)
	}
	return "Recommendation: " + action
}
