package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"driftbench/internal/origin"
)

// Summary is the answer of a run for scripts: the verdict, the checks and the
// numbers of the detector that the verdict is taken from. It is the content of
// summary.json, which has a few KB.
type Summary struct {
	SchemaVersion int            `json:"schema_version"`
	Answer        Answer         `json:"answer"`
	Verdict       Verdict        `json:"verdict"`
	Train         string         `json:"train"`
	origin.Origin                // as in results.json
	InUnseen      string         `json:"in_unseen"` // as in results.json
	Splits        []SummarySplit `json:"splits"`    // In, then Out in time order
	Checks        []Check        `json:"checks"`    // those that block first, without their numbers
	Rules         []RuleOutcome  `json:"rules,omitempty"`
}

// Answer is the verdict in four sentences, as the terminal and the page show it.
type Answer struct {
	Drift    string `json:"drift"` // yes, no or cannot be said; with the AUROC
	Since    string `json:"since"`
	Accuracy string `json:"accuracy"`
	Do       string `json:"do"` // what to do, and why
}

// SummarySplit has the main numbers of one split.
type SummarySplit struct {
	Split     string   `json:"split"`
	Role      Role     `json:"role"`
	Files     int      `json:"files"`
	Groups    int      `json:"groups,omitempty"`
	Effective Num      `json:"effective_files"` // null if every file is its own group, or not known
	AUROC     Interval `json:"auroc"`           // null for In
	PHolm     Num      `json:"p_holm"`
	NullLo    Num      `json:"null_lo"`
	NullHi    Num      `json:"null_hi"`
	Accuracy  Interval `json:"accuracy"`
}

// Summarize returns the summary of a run, with the outcomes of the rules that it
// was tested against.
func Summarize(r Results, rules []RuleOutcome) Summary {
	v := newView(r)
	s := Summary{
		SchemaVersion: SchemaVersion, Answer: v.answers(), Verdict: v.verdict,
		Train: v.Train, Origin: v.Origin, InUnseen: v.InUnseen, Splits: v.mainNumbers(), Checks: []Check{}, Rules: rules,
	}
	for _, c := range v.sorted() {
		c.Numbers = nil
		s.Checks = append(s.Checks, c)
	}
	return s
}

// Write writes the summary as JSON.
func (s Summary) Write(w io.Writer) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encoding the summary: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// WriteSummary writes the summary of a run to the file path.
func WriteSummary(path string, r Results) error {
	var b strings.Builder
	if err := Summarize(r, nil).Write(&b); err != nil {
		return err
	}
	return writeFile(path, []byte(b.String()))
}

// mainNumbers returns the numbers of In and of each Out split by the preferred
// detector.
func (v view) mainNumbers() []SummarySplit {
	of := func(name string, role Role) SummarySplit {
		s := v.splitNamed(name)
		return SummarySplit{Split: name, Role: role, Files: s.Files, Groups: s.Groups, Effective: none(),
			AUROC: noInterval(), PHolm: none(), NullLo: none(), NullHi: none(), Accuracy: v.accuracyOrNone(name).Accuracy}
	}
	in := of(v.in().Name, RoleIn)
	in.Files = v.inFiles()
	all := []SummarySplit{in}
	d := v.preferred()
	for _, name := range v.outNames() {
		x := of(name, RoleOut)
		x.Files = v.outFiles(name)
		if d != nil {
			if s := d.split(name); s != nil {
				x.AUROC, x.PHolm, x.NullLo, x.NullHi = s.auroc(), s.PHolm, s.NullLo, s.NullHi
			}
		}
		if s := v.typical(name, DetectorSplit.grouped); s != nil {
			x.Groups, x.Effective = s.GroupsOut, s.EffectiveOut
			if all[0].Groups == 0 || !all[0].Effective.OK() {
				all[0].Groups, all[0].Effective = s.GroupsIn, s.EffectiveIn
			}
		}
		all = append(all, x)
	}
	return all
}

// status returns the answer to whether there is drift in the words of the badge.
func (v view) status() string {
	switch v.verdict.Drift {
	case driftYes:
		return "yes"
	case driftNo:
		return "no"
	}
	return "cannot be said"
}

// answers returns the verdict in four sentences.
func (v view) answers() Answer {
	return Answer{Drift: v.driftLine(), Since: v.sinceLine(), Accuracy: v.accuracyLine(), Do: v.doLine()}
}

// withheld reports whether the verdict gives no answer.
func (v view) withheld() bool { return v.verdict.Action == actionNone }

// driftLine says whether there is drift, with size and interval, or what withholds
// the answer.
func (v view) driftLine() string {
	if blocked := v.blocked(); v.withheld() && len(blocked) > 0 {
		s := "cannot be said: blocked by the check “" + short(blocked[0].Name, 60) + "”"
		if n := len(blocked) - 1; n > 0 {
			s += " and " + count(n, "other")
		}
		return s
	}
	if v.withheld() || !v.verdict.AUROC.Value.OK() {
		return "cannot be said: " + v.why()
	}
	return fmt.Sprintf("%s, AUROC %s on %s; 0.5 is no drift", v.status(), interval(v.verdict.AUROC, auroc2), short(v.verdict.Split, 24))
}

// why returns the reason of a verdict that no check withholds.
func (v view) why() string {
	switch {
	case v.InUnseen == "seen":
		return "the network was trained on files of " + v.inName()
	case v.noAUROC() != "":
		return strings.TrimSuffix(lowerFirst(v.noAUROC()), ".")
	}
	return strings.TrimSuffix(lowerFirst(clean(v.verdict.Because)), ".")
}

func lowerFirst(s string) string {
	if s == "" {
		return "there is no reason given"
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// sinceLine says since when there is drift.
func (v view) sinceLine() string {
	d := v.preferred()
	if d == nil || v.withheld() {
		return "cannot be said"
	}
	if v.verdict.Drift == driftYes {
		since := v.verdict.Since
		if since == "" {
			return "cannot be said"
		}
		s := v.splitNamed(since)
		line := short(since, 24)
		if s.From != "" {
			line += fmt.Sprintf(" (%s to %s)", clean(s.From), clean(s.To))
		}
		if x := d.split(since); x != nil && since != v.verdict.Split {
			line += ", AUROC " + interval(x.auroc(), auroc2) + " there"
		}
		return line
	}
	var told []string
	for _, s := range d.Splits {
		if v.position(s) == above {
			told = append(told, s.Split)
		}
	}
	last := short(v.verdict.Split, 24)
	switch {
	case v.verdict.Drift == driftNo && len(told) > 0:
		return fmt.Sprintf("not lasting; told from %s on %s, but not on %s", v.trainName(), list(told), last)
	case v.verdict.Drift == driftNo:
		return fmt.Sprintf("no split up to %s shows drift", last)
	case len(told) > 0:
		return fmt.Sprintf("cannot be said; told from %s earlier: %s", v.trainName(), list(told))
	}
	return "cannot be said"
}

// accuracyBetween gives the accuracy on In and on a split in a few words.
func (v view) accuracyBetween(split string) string {
	in, out := v.accuracyOrNone(v.in().Name).Accuracy.Value, v.accuracyOrNone(split).Accuracy.Value
	return fmt.Sprintf("from %s to %s", percent(in), percent(out))
}

// accuracyLine compares the accuracy on the last split with that on In.
func (v view) accuracyLine() string {
	if v.Classifier == nil {
		return "not known: the model's classes are not the corpus's labels"
	}
	name := v.verdict.Split
	if out := v.outNames(); name == "" && len(out) > 0 {
		name = out[len(out)-1]
	}
	in, out := v.accuracyOrNone(v.in().Name), v.accuracyOrNone(name)
	if !out.Accuracy.Value.OK() {
		return "not known: no labelled files in " + short(name, 24)
	}
	after := fmt.Sprintf("%s on %s (n %d)", interval(out.Accuracy, percent), short(name, 24), out.Files)
	if !in.Accuracy.Value.OK() {
		return after
	}
	before := fmt.Sprintf("%s on %s (n %d)", percent(in.Accuracy.Value), v.inName(), in.Files)
	switch {
	case v.accuracyFell(name):
		return "fell from " + before + " to " + after
	case out.Accuracy.Lo > in.Accuracy.Hi:
		return "rose from " + before + " to " + after
	}
	return after + ", against " + before
}

// doLine says what to do, and why.
func (v view) doLine() string {
	last, train := short(v.verdict.Split, 24), v.trainName()
	var do string
	switch v.verdict.Action {
	case actionKeep:
		do = "keep the model; " + last + " is not told from " + train
		if v.verdict.Drift == driftYes {
			do = "keep the model; the effect is small and accuracy has not fallen"
		}
	case actionLabel:
		do = "label a sample of the newest files and measure the accuracy on it; "
		switch {
		case v.accuracyFell(v.verdict.Split):
			do += "accuracy fell " + v.accuracyBetween(v.verdict.Split)
		case v.Classifier == nil:
			do += "accuracy is not known"
		default:
			do += "accuracy has not fallen measurably"
		}
	case actionRetrain:
		do = fmt.Sprintf("retrain; %s is told from %s and accuracy fell %s", last, train, v.accuracyBetween(v.verdict.Split))
	case actionInspect:
		do = "look at the data first; "
		if d := v.preferred(); d != nil && d.split(v.verdict.Split) != nil && v.position(*d.split(v.verdict.Split)) == below {
			do += last + " scores above " + train
		} else {
			do += "another mix of classes can be the cause"
		}
	case actionCollect:
		do = fmt.Sprintf("collect more %s; %s has too few to decide", v.units(), last)
		if d := v.preferred(); d != nil {
			if s := d.split(v.verdict.Split); s != nil && s.grouped() {
				do = fmt.Sprintf("collect files of more groups; %s has %d and %s has %d", v.inName(), s.GroupsIn, last, s.GroupsOut)
			}
		}
	default:
		if blocked := v.blocked(); len(blocked) > 0 {
			todo := "look at the data first"
			if blocked[0].Todo != "" {
				todo = lowerFirst(strings.TrimSuffix(sentence(blocked[0].Todo), "."))
			}
			first, _, _ := strings.Cut(clean(blocked[0].Detail), "; ")
			return todo + "; " + lowerFirst(strings.TrimSuffix(first, "."))
		}
		if v.InUnseen == "seen" {
			return "score held-out files that the network was not trained on"
		}
		return "see the reason above; nothing can be concluded yet"
	}
	if v.InUnseen != "unseen" {
		do = fmt.Sprintf("if %s was new to the network: %s", v.inName(), do)
	}
	return do
}
