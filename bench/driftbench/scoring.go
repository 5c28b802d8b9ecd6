package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// scoring says what is computed from the features, and what is made of it.
type scoring struct {
	detectors []string
	resamples int
	seed      uint64
	saveFit   string // file; "" saves none
	failIf    []string
	rules     []rule // failIf, parsed by check
	summary   string // file; "" writes none
}

func (o *scoring) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringSliceVar(&o.detectors, "detectors", nil, "`NAMES` of the detectors to fit; all when empty, and a wrong name lists them")
	fl.IntVar(&o.resamples, "resamples", 2000, "bootstrap resamples of the ranking metrics, `N`")
	fl.Uint64Var(&o.seed, "bootstrap-seed", 1, "seed of the bootstrap, `S`")
	fl.StringVar(&o.saveFit, "save-fit", "", "keep the fitted detectors in this `FILE`, for score --fit")
	fl.StringArrayVar(&o.failIf, "fail-if", nil, "exit with status 3 if this `RULE` holds, see above; may be repeated")
	fl.StringVar(&o.summary, "summary", "", "write a summary for CI to `FILE`.md (Markdown) or FILE.xml (JUnit)")
}

// ruleHelp documents --fail-if in the help of a command.
const ruleHelp = `
--fail-if ends the run with exit status 3 when a rule holds, and names it in the
last line. A rule is
  auroc(SPLIT, DETECTOR) > 0.75
  accuracy(SPLIT) < 0.9
with < or >. The whole 95% interval must be past the bound: for > its lower end,
for < its upper end. A number that cannot be computed fails its rule.`

// check refuses what cannot be understood or written, before any work.
func (o *scoring) check() error {
	if o.resamples < 1 {
		return usagef("--resamples %d: want 1 or more", o.resamples)
	}
	for _, text := range o.failIf {
		r, err := parseRule(text)
		if err != nil {
			return err
		}
		o.rules = append(o.rules, r)
	}
	if ext := filepath.Ext(o.summary); o.summary != "" && ext != ".md" && ext != ".xml" {
		return usagef("--summary %s: want a name that ends in .md (Markdown) or .xml (JUnit)", o.summary)
	}
	if err := prepareFile("--summary", o.summary); err != nil {
		return err
	}
	return prepareFile("--save-fit", o.saveFit)
}

// checkAgainst refuses names that the run is not going to have.
func (o *scoring) checkAgainst(p plan) error {
	for _, name := range o.detectors {
		if !slices.Contains(p.detectors, name) {
			return usagef("--detectors: no detector %q; there are %s", name, strings.Join(p.detectors, ", "))
		}
	}
	if len(o.detectors) > 0 {
		p.detectors = o.detectors
	}
	for _, r := range o.rules {
		if err := r.check(p); err != nil {
			return err
		}
	}
	return nil
}
