package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// headline returns the conclusions of a run as sentences with their numbers:
// whether it has drifted, in which families, since when, what rejection gains,
// and a recommendation. The first sentence answers whether it has drifted.
func headline(v view) []string {
	d := v.preferred()
	if d == nil {
		why := v.noAUROC()
		if why == "" {
			why = "Every detector with an AUROC was tuned on later files."
		}
		return []string{"Whether the classifier has drifted cannot be said. " + why}
	}
	last := d.last()
	lines := []string{v.answer(*d, *last)}
	if s := v.caveat(last.Split); s != "" {
		lines = append(lines, s)
	}
	if s := last.families(); s != "" {
		lines = append(lines, s)
	}
	lines = append(lines, d.since())
	if s := v.savings(*d, *last); s != "" {
		lines = append(lines, s)
	}
	return append(lines, v.advice(*last))
}

func (v view) answer(d Detector, last DetectorSplit) string {
	number := fmt.Sprintf("AUROC %s by %s", interval(last.auroc(), auroc2), short(d.Name, 60))
	if last.PHolm.OK() {
		number += ", p " + pValue(last.PHolm)
	}
	split, train := short(last.Split, 40), v.trainName()
	var parts []string
	switch last.drift() {
	case above:
		parts = append(parts, fmt.Sprintf("%s files are told from %s with %s", split, train, number))
	case below:
		parts = append(parts, fmt.Sprintf("%s files score above those of %s, with %s, below 0.5: not the usual drift, so look at the data", split, train, number))
	case within:
		parts = append(parts, fmt.Sprintf("%s files cannot be told from %s: %s, where 0.5 is no drift", split, train, number))
	case unsure:
		parts = append(parts, fmt.Sprintf("%s files have %s against %s, too few of them for a test", split, number, train))
	}
	if s := v.accuracyChange(last.Split); s != "" {
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ") + "."
}

// caveat names other causes of a high AUROC than drift: a network that was
// trained on In, or files of classes that In lacks.
func (v view) caveat(split string) string {
	var parts []string
	if v.InUnseen != "unseen" {
		parts = append(parts, v.unseen())
	}
	if lacking := v.lacking(split); len(lacking) > 0 {
		parts = append(parts, fmt.Sprintf("%s has no files of %s, which %s has: files of a new class may score low without any drift in the others.",
			v.inName(), strings.Join(lacking, ", "), short(split, 40)))
	}
	return strings.Join(parts, " ")
}

// lacking lists the classes of a split that In has no files of.
func (v view) lacking(split string) []string {
	s := find(v.Splits, func(s Split) bool { return s.Name == split })
	if s == nil || len(v.in().Classes) == 0 {
		return nil
	}
	var names []string
	for _, c := range s.Classes {
		here := func(d ClassCount) bool { return d.Label == c.Label && d.Files > 0 }
		if c.Files > 0 && !slices.ContainsFunc(v.in().Classes, here) {
			names = append(names, short(c.Label, 40))
		}
	}
	return names
}

// accuracyChange compares the accuracy on a split with that on In. If the
// network was trained on In, it gives the accuracy on the split alone.
func (v view) accuracyChange(split string) string {
	in, out := v.accuracyOrNone(v.in().Name).Accuracy, v.accuracyOrNone(split).Accuracy
	if v.InUnseen == "seen" && out.Value.OK() {
		return "accuracy is " + percent(out.Value)
	}
	if !in.Value.OK() || !out.Value.OK() {
		return ""
	}
	a, b := percent(in.Value), percent(out.Value)
	switch {
	case out.Hi < in.Lo:
		return fmt.Sprintf("accuracy fell from %s on %s to %s", a, v.inName(), b)
	case out.Lo > in.Hi:
		return fmt.Sprintf("accuracy rose from %s on %s to %s", a, v.inName(), b)
	}
	return fmt.Sprintf("accuracy is %s, against %s on %s", b, a, v.inName())
}

// verdict is the result of comparing an AUROC with 0.5.
type verdict int

const (
	unsure verdict = iota // too few files for a test
	within                // no significant difference from 0.5
	above
	below
)

// level is the p-value below which an AUROC differs from 0.5.
const level = 0.05

// drift judges a split by its p-value, corrected over the splits. It does not
// use the null band: an interval outside the band is far more than p asks for.
func (s DetectorSplit) drift() verdict {
	switch {
	case !s.AUROC.OK() || !s.PHolm.OK():
		return unsure
	case s.PHolm >= level:
		return within
	case s.AUROC > 0.5:
		return above
	}
	return below
}

// fewInMonth is the number of files below which a month without a significant
// difference is no evidence against drift: with 10 files against very many, an
// AUROC below 0.68 is inside the null band.
const fewInMonth = 10

// drift judges a month by its interval, uncorrected.
func (m DetectorMonth) drift() verdict {
	switch {
	case !m.AUROC.OK() || !m.AUROCLo.OK() || !m.AUROCHi.OK():
		return unsure
	case m.AUROCLo > 0.5:
		return above
	case m.AUROCHi < 0.5:
		return below
	case m.Out < fewInMonth:
		return unsure
	}
	return within
}

// families names the family that has drifted furthest if its interval lies above
// all others, else every family whose interval lies above 0.5. It returns "" for
// a split that has not drifted or has one family.
func (s DetectorSplit) families() string {
	var known []ClassAUROC
	for _, c := range s.Classes {
		if c.Value.OK() && c.Lo.OK() && c.Hi.OK() {
			known = append(known, c)
		}
	}
	if s.drift() != above || len(known) < 2 {
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
			told = append(told, short(c.Label, 40))
		}
	}
	switch len(told) {
	case 0:
		return "No family's interval is above 0.5 by itself."
	case 1:
		return fmt.Sprintf("By family, the interval of %s alone is above 0.5, and overlaps others, so that the families cannot be ranked.", told[0])
	}
	return fmt.Sprintf("By family, the intervals of %s are above 0.5; they overlap, so that the families cannot be ranked.", strings.Join(told, ", "))
}

// lasting returns the index of the first above after which every verdict is
// above or unsure, or -1.
func lasting(vs []verdict) int {
	first := -1
	for i := len(vs) - 1; i >= 0; i-- {
		switch vs[i] {
		case above:
			first = i
		case within, below:
			return first
		}
	}
	return first
}

// since gives the split and the month in which drift began. A month has fewer
// files than a split, so a split may show drift that its months do not.
func (d Detector) since() string {
	var splits, months []verdict
	for _, s := range d.Splits {
		splits = append(splits, s.drift())
	}
	known := 0
	for _, m := range d.Months {
		months = append(months, m.drift())
		if months[len(months)-1] != unsure {
			known++
		}
	}
	var text string
	if i := lasting(splits); i >= 0 {
		text = fmt.Sprintf("By split, the AUROC is above 0.5 at p < 0.05 (Holm over the splits) since %s", short(d.Splits[i].Split, 40))
	} else {
		text = "By split, the AUROC is not above 0.5 at p < 0.05 (Holm over the splits) at the end"
	}
	switch i := lasting(months); {
	case known == 0:
		return text + "; by month it cannot be said, for no month has enough files."
	case i >= 0:
		return fmt.Sprintf("%s; by month since %s, each by its own interval, those with too few files to say left out.", text, clean(d.Months[i].Month))
	}
	return text + "; by month, with fewer files each, the intervals do not stay above it."
}

// savings gives the effect of rejection at the threshold on the accuracy.
func (v view) savings(d Detector, last DetectorSplit) string {
	r, all := v.rejection(d.Name, last.Split), v.accuracy(last.Split)
	if r == nil || all == nil || !r.Coverage.OK() || !r.Accuracy.OK() || !all.Accuracy.Value.OK() {
		return ""
	}
	before, after := percent(all.Accuracy.Value), percent(r.Accuracy)
	text := fmt.Sprintf("Rejecting the files of %s that score below the threshold set on In (%s of them) ", short(last.Split, 40), percent(1-r.Coverage))
	if before == after {
		return text + "leaves the accuracy on the rest at " + after + "."
	}
	return text + fmt.Sprintf("takes the accuracy on the rest from %s to %s.", before, after)
}

// advice returns a recommendation with the rule it follows. There is none if the
// network was trained on In or In lacks a class of the split, and a conditional
// one if it is not known whether the network was trained on In.
func (v view) advice(last DetectorSplit) string {
	switch {
	case v.InUnseen == "seen":
		return fmt.Sprintf("Recommendation: none on these numbers; measure with files of %s that the network was not trained on.", v.trainName())
	case len(v.lacking(last.Split)) > 0:
		return fmt.Sprintf("Recommendation: none on these numbers; look at the class-balanced AUROC, or give %s files of every class.", v.inName())
	case v.InUnseen != "unseen":
		return fmt.Sprintf("Recommendation, if %s was new to the network: %s", v.inName(), v.action(last))
	}
	return "Recommendation: " + v.action(last)
}

// action returns what the rule recommends, followed by the rule.
func (v view) action(last DetectorSplit) string {
	const rule = " Rule: retrain when the AUROC of the last split is above 0.5 at p < 0.05 (Holm over the splits) and its accuracy interval lies below that of In; label a sample of the newest files when one of the two holds alone; else keep."
	in, out := v.accuracy(v.in().Name), v.accuracy(last.Split)
	known := in != nil && out != nil && in.Accuracy.Lo.OK() && out.Accuracy.Hi.OK()
	fell := known && out.Accuracy.Hi < in.Accuracy.Lo
	switch drift := last.drift(); {
	case drift == below:
		return "look at the data before anything else; no rule for retraining reads an AUROC below 0.5."
	case drift == unsure:
		return "collect more files; the last split is too small to decide." + rule
	case drift == above && fell:
		return "retrain." + rule
	case drift == above && known:
		return "keep the model for now, and label a sample of the newest files to watch its accuracy." + rule
	case drift == above:
		return "label a sample of the newest files and measure the accuracy on it, which is not known here." + rule
	case fell:
		return "label a sample of the newest files, for the accuracy fell where the scores show no reason." + rule
	}
	return "keep the model." + rule
}
