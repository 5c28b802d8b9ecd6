// Package bench measures how far a MalConv malware classifier has drifted, and
// how fast it runs. It is the harness behind the command driftbench.
//
// Data flows one way:
//
//	index ─► splits ─► file bytes ─► features ─► fit ─► scores ─► AUROC ─► report
//
// [Extract] reads the files of a corpus, runs the model over them and writes
// the features of every split. [ReadSplits] reads them back, [Evaluate] fits
// the detectors on the fit split, scores every split and says how well each Out
// split is told from In, and [Write] writes the scores, the results and the
// report. [Run] does all four, [Score] the last three. [Throughput] times the
// engines, [Diff] compares two runs.
//
// Nothing here prints: what is going on is told to a [Monitor].
package bench

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"driftbench/bench/dataset"
	"driftbench/internal/text"
	"driftbench/tfmodel"
)

// Options says what the functions of this package read, how they compute and
// where they write. Each function documents the fields that it uses, and all use
// Monitor. Where a field is not documented as needed, its zero value is a
// sensible default.
type Options struct {
	// Corpus is the folder of the corpus, and Dataset how it is opened. Without the
	// folder Dataset names an index or a configuration.
	Corpus  string
	Dataset dataset.Options
	// Model is the folder of the converted SavedModel.
	Model string
	// Engine says what computes the features, and on which device.
	Engine tfmodel.Options
	// Batch is the number of files a batch; 0 is what suits the engine.
	Batch int
	// Cache is the folder of the feature cache; "" keeps no features.
	Cache string

	// Features is a features folder written by [Extract]. FitFile is a fit file
	// whose detectors take the place of the training features; "" fits the
	// detectors on the fit split.
	Features string
	FitFile  string

	// Detectors names the detectors to fit; none means all.
	Detectors []string
	// Resamples is the number of bootstrap resamples of the ranking metrics; 0
	// is the default of [stats.Bootstrap]. Seed seeds the bootstrap.
	Resamples int
	Seed      uint64
	// FailIf holds rules on the results, see [ParseRule].
	FailIf []Rule

	// Out is the folder that receives the results. One command at a time may
	// write into it.
	Out string
	// SaveFit is the file that keeps the fitted detectors, Summary the summary
	// for CI: FILE.md in Markdown or FILE.xml as JUnit. "" writes none.
	SaveFit, Summary string

	// Command is the command line, which is recorded in manifest.json.
	Command []string
	Monitor Monitor
}

// FromCorpus reports whether o names a corpus.
func (o *Options) FromCorpus() bool {
	return o.Corpus != "" || o.Dataset.Index != "" || o.Dataset.ConfigFile != ""
}

// Monitor is told how far a function has come. The zero value is silent.
type Monitor struct {
	// Stage is called when a stage of n items begins; n is -1 where the number
	// is not known. The stage before it has ended.
	Stage func(name string, n int, items string)
	// Advance is called when n more items of the stage are done. It may be
	// called by several goroutines at a time.
	Advance func(n int)
	// Log receives messages and warnings.
	Log *slog.Logger
}

func (m Monitor) stage(name string, n int, items string) {
	if m.Stage != nil {
		m.Stage(name, n, items)
	}
}

func (m Monitor) advance(n int) {
	if m.Advance != nil {
		m.Advance(n)
	}
}

func (m Monitor) log() *slog.Logger {
	if m.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.Log
}

// say tells how the index of a corpus was read, and what is suspect about it.
func (m Monitor) say(c *dataset.Corpus) {
	for _, n := range c.Index.Notes {
		m.log().Info(n)
	}
	m.warn(c.Warnings)
}

func (m Monitor) warn(warnings []string) {
	for _, w := range warnings {
		m.log().Warn(w)
	}
}

// OptionError reports an invalid option.
type OptionError struct {
	Option string // as the command's flag is named, such as "fail-if"
	Detail string // begins with the value
}

func (e *OptionError) Error() string { return "--" + e.Option + e.Detail }

func optionErrorf(option, format string, args ...any) error {
	return &OptionError{option, fmt.Sprintf(format, args...)}
}

// InterruptedError reports that the context of a function has ended.
type InterruptedError struct {
	Kept string // a sentence that says what is complete on disk
	Err  error  // of the context
}

func (e *InterruptedError) Error() string { return "interrupted: " + e.Err.Error() }
func (e *InterruptedError) Unwrap() error { return e.Err }

// check refuses options of the evaluation that cannot be served, before any
// work is done.
func (o *Options) check() error {
	if o.Resamples < 0 {
		return optionErrorf("resamples", " %d: want 1 or more", o.Resamples)
	}
	if o.Batch < 0 {
		return optionErrorf("batch", " %d: want 0 or more", o.Batch)
	}
	if o.Summary != "" && !slices.Contains([]string{".md", ".xml"}, filepath.Ext(o.Summary)) {
		return optionErrorf("summary", " %s: want a name that ends in .md (Markdown) or .xml (JUnit)", o.Summary)
	}
	if o.FitFile != "" {
		for _, other := range []struct {
			option, why string
			set         bool
		}{
			{"save-fit", "the file is there already", o.SaveFit != ""},
			{"detectors", "they are those of the file", len(o.Detectors) > 0},
			{"corpus-config", "labels and training span are those of the file", o.Dataset.ConfigFile != ""},
		} {
			if other.set {
				return optionErrorf("fit", " and --%s do not go together: %s", other.option, other.why)
			}
		}
	}
	if err := prepareFile("summary", o.Summary); err != nil {
		return err
	}
	return prepareFile("save-fit", o.SaveFit)
}

// didYouMean asks for the name that another is most likely a slip of.
func didYouMean(name string, known []string) string {
	if near := text.Nearest(name, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// available lists what the results will contain.
type available struct {
	splits    []string // fit, In and Out
	out       []string
	detectors []string
	accuracy  bool // whether the model's classes are the labels
}

// checkNames refuses detectors and rules on what the run is not going to have.
func (o *Options) checkNames(a available) error {
	for _, name := range o.Detectors {
		if !slices.Contains(a.detectors, name) {
			return optionErrorf("detectors", ": no detector %q; there are %s%s", name, strings.Join(a.detectors, ", "), didYouMean(name, a.detectors))
		}
	}
	if len(o.Detectors) > 0 {
		a.detectors = o.Detectors
	}
	for _, r := range o.FailIf {
		if err := r.check(a); err != nil {
			return err
		}
	}
	return nil
}
