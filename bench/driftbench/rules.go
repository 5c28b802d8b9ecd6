package main

import (
	"cmp"
	"errors"
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

// rule is a condition under which a run fails, such as
//
//	auroc(2019, mahalanobis/ensemble) > 0.75
//	accuracy(2019) < 0.9
//
// It holds when the whole 95% interval does: for > its lower end must be above
// the bound, for < its upper end below. A rule on a number that could not be
// computed holds too, for nothing then says that all is well.
type rule struct {
	text     string // as it was written
	metric   string // auroc or accuracy
	split    string
	detector string // of auroc
	above    bool
	bound    float64
}

const ruleForms = "auroc(SPLIT, DETECTOR) > 0.75 or accuracy(SPLIT) < 0.9, with < or > and a bound from 0 to 1"

var ruleForm = regexp.MustCompile(`^\s*(auroc|accuracy)\s*\(([^()]*)\)\s*([<>])\s*(\S+)\s*$`)

func parseRule(text string) (rule, error) {
	wrong := usagef("--fail-if %q: want %s", text, ruleForms)
	m := ruleForm.FindStringSubmatch(text)
	if m == nil {
		return rule{}, wrong
	}
	r := rule{text: strings.TrimSpace(text), metric: m[1], above: m[3] == ">"}
	var err error
	if r.bound, err = strconv.ParseFloat(m[4], 64); err != nil || !(r.bound >= 0 && r.bound <= 1) {
		return rule{}, wrong
	}
	split, detector, two := strings.Cut(m[2], ",")
	r.split, r.detector = strings.TrimSpace(split), strings.TrimSpace(detector)
	if r.split == "" || two != (r.metric == "auroc") || two && r.detector == "" {
		return rule{}, wrong
	}
	return r, nil
}

// plan is what a run is going to have numbers of.
type plan struct {
	splits    []string // fit, In, Out
	detectors []string
	predicts  bool // whether the model's classes are the labels
}

// check refuses a rule on what the run has no number of.
func (r rule) check(p plan) error {
	splits := p.splits
	if r.metric == "auroc" {
		splits = p.splits[2:] // those that In is held against
		if !slices.Contains(p.detectors, r.detector) {
			return usagef("--fail-if %q: no detector %q; there are %s", r.text, r.detector, strings.Join(p.detectors, ", "))
		}
	} else if !p.predicts {
		return usagef("--fail-if %q: there is no accuracy, because the model's classes are not known to be the labels", r.text)
	}
	if !slices.Contains(splits, r.split) {
		return usagef("--fail-if %q: no split %q that has an %s; there are %s", r.text, r.split, r.metric, strings.Join(splits, ", "))
	}
	return nil
}

// decide holds the rule against the results.
func (r rule) decide(res report.Results) report.Check {
	value, why := r.value(res)
	if !value.Lo.OK() || !value.Hi.OK() {
		return report.Check{Rule: r.text, Failed: true, Reason: "it could not be computed: " + cmp.Or(why, "too few files")}
	}
	end, is, failed := "lower", "above", float64(value.Lo) > r.bound
	if !r.above {
		end, is, failed = "upper", "below", float64(value.Hi) < r.bound
	}
	if !failed {
		is = "not " + is
	}
	return report.Check{Rule: r.text, Failed: failed, Reason: fmt.Sprintf("the %s end of %v is %s %v",
		end, stats.Interval{Value: float64(value.Value), Lo: float64(value.Lo), Hi: float64(value.Hi)}, is, r.bound)}
}

// value is the number the rule is about, or why there is none.
func (r rule) value(res report.Results) (v report.Interval, why string) {
	v.Lo = report.Num(stats.AUT(nil)) // NaN
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

// ruleError says that a rule of --fail-if holds; the rule itself has been
// printed.
type ruleError struct{ error }

// judge holds the rules against the results and writes the summary.
func (o *scoring) judge(r report.Results) ([]report.Check, error) {
	var checks []report.Check
	for _, rule := range o.rules {
		checks = append(checks, rule.decide(r))
	}
	if o.summary == "" {
		return checks, nil
	}
	err := atomicfile.Write(o.summary, func(w io.Writer) error {
		if filepath.Ext(o.summary) == ".xml" {
			return report.JUnit(w, checks)
		}
		return report.Markdown(w, r, checks)
	})
	if err != nil {
		return nil, fmt.Errorf("writing the summary: %w", err)
	}
	return checks, nil
}

// printChecks prints what came of the rules, the failed ones last, and returns
// a ruleError if there are any.
func (a *app) printChecks(checks []report.Check) error {
	slices.SortStableFunc(checks, func(a, b report.Check) int {
		switch {
		case a.Failed == b.Failed:
			return 0
		case a.Failed:
			return 1
		}
		return -1
	})
	var err error
	for _, c := range checks {
		word := "passed"
		if c.Failed {
			word, err = "failed", ruleError{errors.New(c.Rule)}
		}
		fmt.Fprintf(a.out, "%s: %s: %s\n", word, c.Rule, c.Reason)
	}
	return err
}
