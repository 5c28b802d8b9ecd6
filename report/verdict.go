package report

import (
	"fmt"
	"slices"
	"strings"
)

// Drift of a [Verdict].
const (
	driftYes     = "yes"
	driftNo      = "no"
	driftUnknown = "unknown"
)

// Action of a [Verdict].
const (
	actionKeep    = "keep"
	actionLabel   = "label"
	actionRetrain = "retrain"
	actionInspect = "inspect"
	actionCollect = "collect"
	actionNone    = "none" // the verdict is withheld
)

const (
	level       = 0.05 // p-value below which an AUROC differs from 0.5
	smallEffect = 0.55 // AUROC below which files that are told apart differ little
	largeEffect = 0.7  // AUROC that an interval must exclude to speak against drift
	// fewInMonth is the number of files, or of groups, below which a month
	// without a significant difference is no evidence against drift: with 10 files
	// against very many, an AUROC below 0.68 is inside the null band.
	fewInMonth = 10
	// manyGrouped is the design effect of a [Regrouping] above which the intervals
	// by file are too narrow to go without a warning.
	manyGrouped = 1.5
)

// ClassesAlike is the name of the check that compares the classes of the splits.
// Unless it passes, [Judge] asks for the class-balanced AUROC too.
const ClassesAlike = "classes are alike"

// Judge returns the verdict on a run. It reads the latest Out split that the
// preferred detector has an AUROC for.
//
// The verdict is withheld if a check blocks, if the network was trained on In,
// or if there is no AUROC. Otherwise drift is
//
//   - "yes" if the AUROC is above 0.5 at p < 0.05 (Holm over the splits) and, where
//     the classes of the split differ from those of In, the interval of the
//     class-balanced AUROC lies above 0.5 too;
//   - "no" if p is not below 0.05 and the interval ends below 0.7;
//   - "unknown" in every other case: an AUROC below 0.5, one without an interval,
//     an interval too wide to rule drift out, or classes that may be the cause.
//
// The action is "retrain" if drift is "yes" with an AUROC of at least 0.55 and the
// accuracy interval lies below that of In, "label" if one of the two holds
// alone, "inspect" if the AUROC is below 0.5 or the classes may be the cause,
// "collect" if there are too few files, and else "keep".
func Judge(r Results) Verdict { return indexed(r).judge() }

func (v view) judge() Verdict {
	out := Verdict{Drift: driftUnknown, Action: actionNone, AUROC: noInterval()}
	d := v.preferred()
	if d != nil {
		last := d.last()
		out.Detector, out.Split, out.AUROC = d.Name, last.Split, last.auroc()
	}
	switch blocked := v.blocked(); {
	case len(blocked) > 0:
		out.Because = fmt.Sprintf("The check %q blocks the verdict: %s", clean(blocked[0].Name), blocked[0].text())
		if len(blocked) > 1 {
			out.Because += fmt.Sprintf(" Other checks block it too: %s.", names(blocked[1:], func(c Check) string { return c.Name }))
		}
	case d == nil:
		out.Because = v.noAUROC()
		if out.Because == "" {
			out.Because = "Every detector with an AUROC was tuned on later files."
		}
	case v.InUnseen == "seen":
		out.Because = v.unseen()
	default:
		v.decide(&out, *d)
	}
	return out
}

// decide sets the answer where nothing withholds it.
func (v view) decide(out *Verdict, d Detector) {
	last := *d.last()
	at := v.position(last)
	fell, told := v.accuracyFell(last.Split), at == above && last.AUROC >= smallEffect
	switch at {
	case above:
		out.Drift = driftYes
		var positions []position
		for _, s := range d.Splits {
			positions = append(positions, v.position(s))
		}
		out.Since = d.Splits[lasting(positions)].Split
	case within:
		out.Drift = driftNo
	}
	switch {
	case at == below || at == mixed:
		out.Action = actionInspect
	case told && fell:
		out.Action = actionRetrain
	case told || fell:
		out.Action = actionLabel
	case at == unsure:
		out.Action = actionCollect
	default:
		out.Action = actionKeep
	}
	out.Because = v.answer(d, last, at)
}

// blocked returns the checks that withhold the verdict.
func (v view) blocked() []Check {
	return slices.DeleteFunc(slices.Clone(v.Checks), func(c Check) bool { return c.Status != Block })
}

// sorted returns the checks, those that block first and those that pass last.
func (v view) sorted() []Check {
	rank := func(c Check) int {
		return slices.Index([]string{Block.word(), Warn.word(), Pass.word()}, c.Status.word())
	}
	return slices.SortedStableFunc(slices.Values(v.Checks), func(a, b Check) int { return rank(a) - rank(b) })
}

// word returns the status as tables and lines show it.
func (s Status) word() string {
	switch s {
	case Block:
		return "BLOCKED"
	case Pass:
		return "pass"
	}
	return "warning"
}

// text returns what a check found and what to do about it.
func (c Check) text() string {
	s := sentence(c.Detail)
	if c.Todo != "" {
		s += " To do: " + sentence(c.Todo)
	}
	return s
}

// alerts returns the checks that do not pass.
func (v view) alerts() []Check {
	return slices.DeleteFunc(v.sorted(), func(c Check) bool { return c.Status == Pass })
}

// sentence returns s clean and with a full stop.
func sentence(s string) string {
	s = strings.TrimRight(clean(s), " .")
	if s == "" {
		return "no details."
	}
	return s + "."
}

// position is where an AUROC lies from 0.5.
type position int

const (
	unsure position = iota // no interval, or one too wide to rule drift out
	within                 // not told from 0.5
	above
	below
	mixed // above, but the classes differ and the class-balanced AUROC is not above
)

// position judges a split by its p-value, corrected over the splits. It does not
// use the null band: an interval outside the band is far more than p asks for.
func (s DetectorSplit) position() position {
	switch {
	case !isShare(s.AUROC) || !isShare(s.PHolm) || !isShare(s.AUROCLo) || !isShare(s.AUROCHi):
		return unsure
	case s.PHolm < level && s.AUROC > 0.5:
		return above
	case s.PHolm < level && s.AUROC < 0.5:
		return below
	case s.AUROCHi > largeEffect:
		return unsure
	}
	return within
}

func (v view) position(s DetectorSplit) position {
	if at := s.position(); at != above || !v.classesDiffer(s.Split) || s.Balanced.Lo > 0.5 {
		return at
	}
	return mixed
}

// position judges a month by its interval, uncorrected.
func (m DetectorMonth) position() position {
	n := m.Out
	if m.Groups > 0 {
		n = m.Groups
	}
	switch {
	case !m.AUROC.OK() || !m.AUROCLo.OK() || !m.AUROCHi.OK():
		return unsure
	case m.AUROCLo > 0.5:
		return above
	case m.AUROCHi < 0.5:
		return below
	case n < fewInMonth:
		return unsure
	}
	return within
}

// lasting returns the index of the first above after which every position is
// above or unsure, or -1.
func lasting(at []position) int {
	first := -1
	for i := len(at) - 1; i >= 0; i-- {
		switch at[i] {
		case above:
			first = i
		case within, below, mixed:
			return first
		}
	}
	return first
}

// lacking lists the classes that split a has files of and split b has none of.
func (v view) lacking(a, b Split) []string {
	here := map[string]bool{}
	for _, c := range b.Classes {
		if c.Files > 0 {
			here[c.Label] = true
		}
	}
	var missing []string
	for _, c := range a.Classes {
		if c.Files > 0 && !here[c.Label] {
			missing = append(missing, c.Label)
		}
	}
	return missing
}

// labelled reports whether any file of s is of a class of the training span.
func (s Split) labelled() bool {
	return slices.ContainsFunc(s.Classes, func(c ClassCount) bool { return c.Files > 0 })
}

// classesDiffer reports whether the classes of a split are known to differ from
// those of In. Files without a label and new families do not count: they are
// part of the drift.
func (v view) classesDiffer(split string) bool {
	in, s := v.in(), v.splitNamed(split)
	if !in.labelled() || !s.labelled() {
		return false
	}
	check := find(v.Checks, func(c Check) bool { return c.Name == ClassesAlike })
	if check != nil && check.Status != Pass {
		return true
	}
	shared := map[string]bool{}
	for _, c := range s.Classes {
		if c.Files > 0 {
			if !v.inClasses[c.Label] {
				return true
			}
			shared[c.Label] = true
		}
	}
	return len(shared) < len(v.inClasses)
}

// accuracyFell reports whether the accuracy interval of a split lies below that
// of In.
func (v view) accuracyFell(split string) bool {
	return v.accuracyOrNone(split).Accuracy.Hi < v.accuracyOrNone(v.in().Name).Accuracy.Lo
}
