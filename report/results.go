// Package report turns the numbers of a drift run into things people look
// at: PNG and SVG pictures, one HTML page, CSV tables and a terminal table.
//
// It draws a [Results] and knows nothing of how the numbers were made: no
// files of the corpus, no model, no statistics. What a Results does not hold
// is drawn as an explained gap.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"driftbench/internal/regular"
)

// SchemaVersion is the version of results.json that this package reads and
// writes. Fields are only ever added within a version.
const SchemaVersion = 1

// Results is every number the report shows, and the content of results.json.
type Results struct {
	SchemaVersion int      `json:"schema_version"`
	Train         string   `json:"train"`  // name of the training span, such as "2017"
	Labels        []string `json:"labels"` // classes, in the order of the model's outputs
	// InUnseen says whether the network was trained on any In file:
	// "unseen", "seen" or "unknown" (the model does not say).
	InUnseen string `json:"in_unseen"`

	Splits      []Split      `json:"splits"` // fit, then In, then Out in time order
	Fits        []Fit        `json:"fits"`
	Detectors   []Detector   `json:"detectors"`
	Comparisons []Comparison `json:"comparisons,omitempty"`
	// Classifier is nil when the model's classes are not the corpus's labels.
	Classifier *Classifier `json:"classifier,omitempty"`
	Warnings   []string    `json:"warnings,omitempty"`
}

// Role says what a split is for.
type Role string

const (
	RoleFit Role = "fit" // fits the detectors
	RoleIn  Role = "in"  // held out of the training span: the positives
	RoleOut Role = "out" // later files: the negatives
)

// Split describes the files of one time split.
type Split struct {
	Name       string `json:"name"`
	Role       Role   `json:"role"`
	From       string `json:"from"` // first month, YYYY-MM
	To         string `json:"to"`   // last month, inclusive
	Files      int    `json:"files"`
	Dropped    int    `json:"dropped"`    // rows whose file could not be read
	Duplicates int    `json:"duplicates"` // files whose bytes were seen in an earlier row
	// SeenInFit counts the In or Out files whose bytes are those of a fit file.
	SeenInFit int          `json:"seen_in_fit"`
	Classes   []ClassCount `json:"classes"` // in the order of Results.Labels
}

// ClassCount is the number of files of one class.
type ClassCount struct {
	Label string `json:"label"`
	Files int    `json:"files"`
}

// Fit describes the Gaussian fit of one layer.
type Fit struct {
	Layer     string `json:"layer"`
	Width     int    `json:"width"`
	Rows      int    `json:"rows"`
	Rank      int    `json:"rank"`      // of the tied covariance
	Condition Num    `json:"condition"` // largest over smallest kept eigenvalue
}

// Detector is one out-of-distribution score and how well it tells Out from In.
type Detector struct {
	Name string `json:"name"` // such as "mahalanobis/layer7"
	// UsesOutLabels marks a detector that was tuned on Out files; its numbers
	// are optimistic.
	UsesOutLabels bool   `json:"uses_out_labels,omitempty"`
	Skipped       string `json:"skipped,omitempty"` // why there are no numbers

	// Threshold is the score that keeps 95% of In.
	Threshold Num `json:"threshold"`
	// Gap is the AUROC of fit rows against In rows: the generalisation gap.
	// It is an in-sample number, because the detector was fitted on the rows it
	// scores: above 0.5, and near 1 with few rows for the width, even for
	// features that hold nothing to remember. It compares runs of one size.
	Gap Interval `json:"gap"`
	// Edges are the n+1 bin edges of every histogram of this detector.
	Edges       []Num           `json:"edges,omitempty"`
	InHistogram []Num           `json:"in_histogram,omitempty"` // share of In files per bin
	Splits      []DetectorSplit `json:"splits"`                 // one per Out split, in order
	Months      []DetectorMonth `json:"months,omitempty"`
}

// DetectorSplit is In against one Out split. In is positive and scores high.
type DetectorSplit struct {
	Split string `json:"split"`
	In    int    `json:"in"`  // number of In files
	Out   int    `json:"out"` // number of Out files

	AUROC   Num `json:"auroc"` // 0.5 is no drift
	AUROCLo Num `json:"auroc_lo"`
	AUROCHi Num `json:"auroc_hi"`
	NullLo  Num `json:"null_lo"` // where AUROC falls 95 times in 100 without drift
	NullHi  Num `json:"null_hi"`
	P       Num `json:"p"`      // two-sided, AUROC against 0.5
	PHolm   Num `json:"p_holm"` // the same, corrected over the splits of the detector

	Balanced Interval     `json:"balanced"` // mean of the per-class AUROCs
	Metrics  []Metric     `json:"metrics,omitempty"`
	Classes  []ClassAUROC `json:"classes,omitempty"`

	Rejected  Num      `json:"rejected"`            // share of Out files below Detector.Threshold
	ROC       [][2]Num `json:"roc,omitempty"`       // false positive rate, true positive rate
	Histogram []Num    `json:"histogram,omitempty"` // share of Out files per bin of Detector.Edges
}

// DetectorMonth is In against the Out files of one month.
type DetectorMonth struct {
	Month   string `json:"month"` // YYYY-MM
	Out     int    `json:"out"`
	AUROC   Num    `json:"auroc"`
	AUROCLo Num    `json:"auroc_lo"`
	AUROCHi Num    `json:"auroc_hi"`
	NullLo  Num    `json:"null_lo"`
	NullHi  Num    `json:"null_hi"`
}

// Interval is a value with its 95% interval.
type Interval struct {
	Value Num `json:"value"`
	Lo    Num `json:"lo"`
	Hi    Num `json:"hi"`
}

// Metric is a named value with its 95% interval, such as "AUPR-In".
type Metric struct {
	Name string `json:"name"`
	Interval
}

// ClassAUROC is the AUROC among the files of one class.
type ClassAUROC struct {
	Label string `json:"label"`
	In    int    `json:"in"`
	Out   int    `json:"out"`
	Interval
}

// Comparison is a paired DeLong test between two AUROCs on shared files:
// two detectors on one split, or one detector on two splits.
type Comparison struct {
	A     string `json:"a"` // "detector@split"
	B     string `json:"b"`
	Delta Num    `json:"delta"` // AUROC of A minus AUROC of B
	Lo    Num    `json:"lo"`
	Hi    Num    `json:"hi"`
	P     Num    `json:"p"`
	PHolm Num    `json:"p_holm"`
}

// Classifier is how well the model's own classes hold up.
type Classifier struct {
	Splits    []Accuracy  `json:"splits"` // every split, fit and In too
	Months    []Accuracy  `json:"months,omitempty"`
	AUT       []Metric    `json:"aut,omitempty"` // area under time (TESSERACT), per metric
	Rejection []Rejection `json:"rejection,omitempty"`
}

// Accuracy is the classification quality on the files of a split or month.
type Accuracy struct {
	Name      string   `json:"name"` // split name, or YYYY-MM
	Files     int      `json:"files"`
	Accuracy  Interval `json:"accuracy"`
	MacroF1   Num      `json:"macro_f1"`
	Confusion [][]int  `json:"confusion,omitempty"` // [true][predicted], in the order of Results.Labels
}

// Rejection is what rejecting the files with low scores of one detector buys
// on one split.
type Rejection struct {
	Detector string `json:"detector"`
	Split    string `json:"split"`
	// Misclassified is the AUROC of the score for correct against
	// misclassified files.
	Misclassified Interval `json:"misclassified"`
	AURC          Num      `json:"aurc"`            // area under risk against coverage
	Curve         [][2]Num `json:"curve,omitempty"` // coverage, accuracy
	Coverage      Num      `json:"coverage"`        // at Detector.Threshold
	Accuracy      Num      `json:"accuracy"`        // of the files kept there
}

// Num is a float64 that is null in JSON when it is not a finite number: a
// value that could not be computed.
type Num float64

// OK reports whether n is a number.
func (n Num) OK() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// MarshalJSON writes null for a value that is not finite.
func (n Num) MarshalJSON() ([]byte, error) {
	if !n.OK() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads null as NaN.
func (n *Num) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Num(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// ReadResults reads results.json. A file of another schema version is an
// error that names both versions.
func ReadResults(path string) (Results, error) {
	const most = 1 << 30 // bytes; a run of a thousand months has 100 MB
	b, err := regular.Read(path, most)
	if errors.Is(err, fs.ErrNotExist) {
		return Results{}, fmt.Errorf("report: there is no %s: run `driftbench run` or `driftbench score` first", path)
	}
	if err != nil {
		return Results{}, fmt.Errorf("report: reading results: %w", err)
	}
	return parseResults(b, path)
}

func parseResults(b []byte, path string) (Results, error) {
	var r Results
	if err := json.Unmarshal(b, &r); err != nil {
		return Results{}, fmt.Errorf("report: reading %s: %w", path, err)
	}
	if r.SchemaVersion != SchemaVersion {
		return Results{}, fmt.Errorf("report: %s has schema version %d, this driftbench reads %d: run it again", path, r.SchemaVersion, SchemaVersion)
	}
	return r, nil
}

// view is a Results with the choices the report makes about it: which
// detectors are drawn large, and which one the headline speaks of.
type view struct {
	Results
	styles map[string]style
}

func newView(r Results) view {
	return view{Results: r, styles: detectorStyles(r.Detectors)}
}

// preferred is the order in which a detector is chosen for the headline. The
// ensemble sees both layers, and a deeper layer is nearer to the decision.
func preferred() []string {
	return []string{"mahalanobis/ensemble", "mahalanobis/layer8", "mahalanobis/layer7"}
}

// computed reports whether d has at least one AUROC.
func (d Detector) computed() bool {
	return d.Skipped == "" && slices.ContainsFunc(d.Splits, func(s DetectorSplit) bool { return finite(share(s.AUROC)) })
}

// main returns the detectors that are drawn: the preferred ones, or where
// none of them was computed the first three that were.
func (v view) main() []Detector {
	var usual, all []Detector
	for _, d := range v.Detectors {
		if !d.computed() {
			continue
		}
		all = append(all, d)
		if slices.Contains(preferred(), d.Name) {
			usual = append(usual, d)
		}
	}
	if len(usual) > 0 {
		return usual
	}
	return all[:min(3, len(all))]
}

// chosen returns the detector of the headline: the most preferred one that
// was computed and never saw an Out file, or nil.
func (v view) chosen() *Detector {
	fair := func(d Detector) bool { return d.computed() && !d.UsesOutLabels }
	for _, name := range preferred() {
		if i := slices.IndexFunc(v.Detectors, func(d Detector) bool { return d.Name == name && fair(d) }); i >= 0 {
			return &v.Detectors[i]
		}
	}
	if i := slices.IndexFunc(v.Detectors, fair); i >= 0 {
		return &v.Detectors[i]
	}
	return nil
}

// role returns the splits of one role, in order.
func (v view) role(role Role) []Split {
	var out []Split
	for _, s := range v.Splits {
		if s.Role == role {
			out = append(out, s)
		}
	}
	return out
}

// in returns the In split; without one its name is made from the train span.
func (v view) in() Split {
	if in := v.role(RoleIn); len(in) > 0 {
		return in[0]
	}
	return Split{Name: v.Train + "-val", Role: RoleIn}
}

// inName and trainName are how titles and sentences call In and the training
// span.
func (v view) inName() string {
	if len(v.role(RoleIn)) == 0 && v.Train == "" {
		return "In"
	}
	return shorten(clean(v.in().Name), 40)
}

func (v view) trainName() string {
	if v.Train == "" {
		return v.inName()
	}
	return shorten(clean(v.Train), 40)
}

// split returns the numbers of d on the named split, or nil.
func (d Detector) split(name string) *DetectorSplit {
	if i := slices.IndexFunc(d.Splits, func(s DetectorSplit) bool { return s.Split == name }); i >= 0 {
		return &d.Splits[i]
	}
	return nil
}

// last returns the numbers of d on the latest split that has an AUROC, or nil.
func (d Detector) last() *DetectorSplit {
	for i := len(d.Splits) - 1; i >= 0; i-- {
		if d.Splits[i].AUROC.OK() {
			return &d.Splits[i]
		}
	}
	return nil
}

// accuracy returns the classifier's numbers on the named split, or nil.
func (v view) accuracy(name string) *Accuracy {
	if v.Classifier == nil {
		return nil
	}
	if i := slices.IndexFunc(v.Classifier.Splits, func(a Accuracy) bool { return a.Name == name }); i >= 0 {
		return &v.Classifier.Splits[i]
	}
	return nil
}

// accuracyOrNone is accuracy with missing numbers in place of nil.
func (v view) accuracyOrNone(name string) Accuracy {
	if a := v.accuracy(name); a != nil {
		return *a
	}
	return noAccuracy(name)
}

func noInterval() Interval { return Interval{none(), none(), none()} }

func noAccuracy(name string) Accuracy {
	return Accuracy{Name: name, Accuracy: noInterval(), MacroF1: none()}
}
