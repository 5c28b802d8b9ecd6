package bench

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"driftbench/internal/atomicfile"
	"driftbench/report"
	"driftbench/stats"
)

// Rule is a condition under which a run fails, such as
//
//	auroc(2019, mahalanobis/ensemble) > 0.75
//	accuracy(2019) < 0.9
//
// It holds when the whole 95% interval does: for > the lower end must be above
// the bound, for < the upper end below. A rule on a number that cannot be
// computed holds too.
type Rule struct {
	text     string // as it was written
	metric   string // auroc or accuracy
	split    string
	detector string // of auroc
	above    bool
	bound    float64
}

const ruleForms = "auroc(SPLIT, DETECTOR) > 0.75 or accuracy(SPLIT) < 0.9, with < or > and a bound from 0 to 1"

var ruleForm = regexp.MustCompile(`^\s*(auroc|accuracy)\s*\(([^()]*)\)\s*([<>])\s*(\S+)\s*$`)

// ParseRule reads a rule as it is written in the comment of [Rule].
func ParseRule(text string) (Rule, error) {
	wrong := optionErrorf("fail-if", " %q: want %s", text, ruleForms)
	m := ruleForm.FindStringSubmatch(text)
	if m == nil {
		return Rule{}, wrong
	}
	r := Rule{text: strings.TrimSpace(text), metric: m[1], above: m[3] == ">"}
	var err error
	if r.bound, err = strconv.ParseFloat(m[4], 64); err != nil || !(r.bound >= 0 && r.bound <= 1) {
		return Rule{}, wrong
	}
	split, detector, two := strings.Cut(m[2], ",")
	r.split, r.detector = strings.TrimSpace(split), strings.TrimSpace(detector)
	if r.split == "" || two != (r.metric == "auroc") || two && r.detector == "" {
		return Rule{}, wrong
	}
	return r, nil
}

// check returns an error if the results will lack the number of the rule.
func (r Rule) check(a available) error {
	splits := a.splits
	if r.metric == "auroc" {
		splits = a.out
		if !slices.Contains(a.detectors, r.detector) {
			return optionErrorf("fail-if", " %q: no detector %q; there are %s", r.text, r.detector, strings.Join(a.detectors, ", "))
		}
	} else if !a.accuracy {
		return optionErrorf("fail-if", " %q: there is no accuracy, because the model's classes are not known to be the labels", r.text)
	}
	if !slices.Contains(splits, r.split) {
		return optionErrorf("fail-if", " %q: no split %q that has an %s; there are %s", r.text, r.split, r.metric, strings.Join(splits, ", "))
	}
	return nil
}

// decide applies the rule to results.
func (r Rule) decide(res report.Results) report.RuleOutcome {
	value, why := r.value(res)
	if !value.Lo.OK() || !value.Hi.OK() {
		return report.RuleOutcome{Rule: r.text, Failed: true, Reason: "it could not be computed: " + cmp.Or(why, "too few files")}
	}
	end, is, failed := "lower", "above", float64(value.Lo) > r.bound
	if !r.above {
		end, is, failed = "upper", "below", float64(value.Hi) < r.bound
	}
	if !failed {
		is = "not " + is
	}
	return report.RuleOutcome{Rule: r.text, Failed: failed, Reason: fmt.Sprintf("the %s end of %v is %s %v",
		end, stats.Interval{Value: float64(value.Value), Lo: float64(value.Lo), Hi: float64(value.Hi)}, is, r.bound)}
}

// value returns the number that the rule is about, or why there is none.
func (r Rule) value(res report.Results) (v report.Interval, why string) {
	v.Lo = report.Num(nan)
	if r.metric == "accuracy" {
		for _, a := range res.Classifier.Splits {
			if a.Name == r.split {
				return a.Accuracy, ""
			}
		}
		return v, ""
	}
	for _, d := range res.Detectors {
		if d.Name != r.detector {
			continue
		}
		for _, s := range d.Splits {
			if s.Split == r.split {
				return report.Interval{Value: s.AUROC, Lo: s.AUROCLo, Hi: s.AUROCHi}, ""
			}
		}
		return v, d.Skipped
	}
	return v, ""
}

// Decide applies rules to results. The order is that of the rules.
func Decide(rules []Rule, r report.Results) []report.RuleOutcome {
	var checks []report.RuleOutcome
	for _, rule := range rules {
		checks = append(checks, rule.decide(r))
	}
	return checks
}

// writeSummary writes the summary for CI in the format that the name of the
// file asks for.
func writeSummary(path string, r report.Results, checks []report.RuleOutcome) error {
	err := atomicfile.Write(path, func(w io.Writer) error {
		if filepath.Ext(path) == ".xml" {
			return report.JUnit(w, r, checks)
		}
		return report.Markdown(w, r, checks)
	})
	if err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}
