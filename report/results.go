// Package report shows the numbers of a drift run as PNG and SVG pictures, one
// HTML page, CSV tables, a terminal table and a summary for CI.
//
// It draws a [Results] and knows nothing of how the numbers were made: it reads
// no corpus, runs no model and computes no statistics. Where a Results lacks
// the numbers of a picture or table, the page gives the reason in its place.
package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"

	"driftbench/internal/atomicfile"
	"driftbench/internal/origin"
	"driftbench/internal/plan"
	"driftbench/internal/regular"
)

// SchemaVersion is the version of results.json that this package reads and
// writes. Fields are only ever added within a version.
const SchemaVersion = 1

// Results holds every number that the report shows. It is the content of
// results.json.
type Results struct {
	SchemaVersion int      `json:"schema_version"`
	Train         string   `json:"train"`  // name of the training span, such as "2017"
	Labels        []string `json:"labels"` // classes, in the order of the model's outputs
	// What computed the features that the numbers are made from; empty in the
	// results of earlier versions.
	origin.Origin
	// InUnseen says whether the network was trained on any In file: "unseen" if
	// not, "seen" if it was, "unknown" if the model does not tell.
	InUnseen string `json:"in_unseen"`

	Splits      []Split      `json:"splits"` // fit, then In, then Out in time order
	Fits        []Fit        `json:"fits"`
	Detectors   []Detector   `json:"detectors"`
	Comparisons []Comparison `json:"comparisons,omitempty"`
	// Classifier is nil if the model's classes are not the corpus's labels.
	Classifier *Classifier `json:"classifier,omitempty"`
	Warnings   []string    `json:"warnings,omitempty"`

	// Verdict is nil in the results of versions that gave none.
	Verdict *Verdict `json:"verdict,omitempty"`
	Checks  []Check  `json:"checks,omitempty"`
	// Atypical lists what to look at next; nil in the results of versions that gave
	// no list.
	Atypical *Atypical `json:"atypical,omitempty"`
	// Regroupings say what the intervals would be if files formed groups that the
	// index does not name.
	Regroupings []Regrouping `json:"regroupings,omitempty"`
}

// Verdict is the answer to whether the classifier has drifted, and what to do.
type Verdict struct {
	Drift    string   `json:"drift"`              // "yes", "no", or "unknown": too few files, or a check that blocks
	Since    string   `json:"since,omitempty"`    // first Out split of lasting drift
	Action   string   `json:"action"`             // "keep", "label", "retrain", "inspect", "collect", or "none": withheld
	Because  string   `json:"because"`            // a sentence with the numbers, or the check that withholds the verdict
	Detector string   `json:"detector,omitempty"` // that the answer is taken from
	Split    string   `json:"split,omitempty"`    // the last Out split
	AUROC    Interval `json:"auroc"`              // of Detector on Split
}

// Status is the outcome of a check.
type Status string

const (
	Pass  Status = "pass"
	Warn  Status = "warn"  // the verdict holds with the reservation that Detail gives
	Block Status = "block" // the verdict is withheld
)

// Check says whether the numbers of a run can mean what the verdict says.
type Check struct {
	Name    string         `json:"name"` // such as "the files are programs"
	Status  Status         `json:"status"`
	Detail  string         `json:"detail"`         // what was found, in a sentence with its numbers
	Todo    string         `json:"todo,omitempty"` // what to do about it
	Numbers map[string]Num `json:"numbers,omitempty"`
}

// Regrouping is the effect of one way to group files on the AUROC of an Out
// split by the preferred detector.
type Regrouping struct {
	By           string   `json:"by"` // such as "PE timestamps"
	Split        string   `json:"split"`
	Groups       int      `json:"groups"` // of In and Out together
	DesignEffect Num      `json:"design_effect"`
	AUROC        Interval `json:"auroc"`
}

// Atypical lists the files of the last Out split that are least like the training
// span, the most atypical first.
type Atypical struct {
	Detector string         `json:"detector"`
	Split    string         `json:"split"`
	Layer    string         `json:"layer,omitempty"` // in which AtypicalFile.Nearest is nearest
	Files    []AtypicalFile `json:"files"`
}

// AtypicalFile is a file of an [Atypical].
type AtypicalFile struct {
	Name      string `json:"name"`
	Label     string `json:"label"` // as in the index
	FirstSeen string `json:"first_seen"`
	Group     string `json:"group,omitempty"`
	SHA256    string `json:"sha256,omitempty"` // of the bytes that the model sees
	Score     Num    `json:"score"`
	// LayerScore is the score by the Mahalanobis detector of Atypical.Layer, which
	// orders files of equal Score; null if there is none.
	LayerScore Num    `json:"layer_score"`
	InBelow    Num    `json:"in_below"`            // share of In files that score lower
	Nearest    string `json:"nearest,omitempty"`   // training class with the nearest mean; empty if not known
	Predicted  string `json:"predicted,omitempty"` // class that the model gives it; empty if not known
}

// Role is the purpose of a split.
type Role string

const (
	RoleFit Role = "fit" // files of the training span that the detectors are fitted on
	RoleIn  Role = "in"  // held-out files of the training span: the positives
	RoleOut Role = "out" // later files: the negatives
)

// Split counts the files of one time split.
type Split struct {
	Name       string `json:"name"`
	Role       Role   `json:"role"`
	From       string `json:"from"` // first month, YYYY-MM
	To         string `json:"to"`   // last month, inclusive
	Files      int    `json:"files"`
	Dropped    int    `json:"dropped"`    // rows whose file could not be read
	Duplicates int    `json:"duplicates"` // files with the bytes of an earlier row
	// SeenInFit is the number of In or Out files with the bytes of a fit file.
	SeenInFit int          `json:"seen_in_fit"`
	Classes   []ClassCount `json:"classes"` // in the order of Results.Labels

	// Excluded is the number of In rows left out because their bytes are those
	// of a fit file. They are not among Files.
	Excluded int `json:"excluded,omitempty"`
	// Groups is the number of groups of files; 0 in the results of versions
	// that knew none. LargestGroup is the number of files of the largest.
	Groups       int `json:"groups,omitempty"`
	LargestGroup int `json:"largest_group,omitempty"`
	// GroupMates and NearCopies are the numbers of In or Out files that share a
	// group, or most of their distinct windows, with a fit file. NearCopies is
	// null if the features do not tell.
	GroupMates int `json:"group_mates,omitempty"`
	NearCopies Num `json:"near_copies"`
	// Unlabelled counts the Out files without a label, NewFamilies those of each
	// label that is not among Results.Labels. They are among Files and have no
	// part in accuracy or class-balanced numbers.
	Unlabelled  int          `json:"unlabelled,omitempty"`
	NewFamilies []ClassCount `json:"new_families,omitempty"`
	Kinds       []KindCount  `json:"kinds,omitempty"` // of the files, the commonest first
}

// KindCount is the number of files of one kind, such as "PE" or "gzip".
type KindCount struct {
	Kind  string `json:"kind"`
	Files int    `json:"files"`
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
	Condition Num    `json:"condition"` // largest eigenvalue over the smallest that is not dropped
}

// Detector is one out-of-distribution score and how well it separates Out from
// In. In files are the positives and score high.
type Detector struct {
	Name string `json:"name"` // such as "mahalanobis/layer7"
	// UsesOutLabels marks a detector that was fitted on Out files, so that its
	// numbers are optimistic.
	UsesOutLabels bool   `json:"uses_out_labels,omitempty"`
	Skipped       string `json:"skipped,omitempty"` // why there are no numbers
	// Neighbour is the k of a detector that scores by the k-th nearest neighbour.
	Neighbour int `json:"neighbour,omitempty"`
	// NeighbourRows is the number of fit rows among which the neighbour is: all, or
	// of more than 10,000 a seeded sample.
	NeighbourRows int `json:"neighbour_rows,omitempty"`

	// Threshold is the score that 95% of the In files reach or exceed.
	Threshold Num `json:"threshold"`
	// Gap is the generalisation gap: the AUROC of fit rows against In rows. The
	// detector was fitted on the fit rows, so the gap is above 0.5, and with few
	// rows for the width of the layer near 1, even if the network memorised
	// nothing. Compare it only between runs with equal numbers of rows.
	Gap Interval `json:"gap"`
	// Edges are the n+1 bin edges, in rising order, of the detector's histograms
	// of n bins.
	Edges       []Num           `json:"edges,omitempty"`
	InHistogram []Num           `json:"in_histogram,omitempty"` // share of In files per bin
	Splits      []DetectorSplit `json:"splits"`                 // one per Out split, in order
	Months      []DetectorMonth `json:"months,omitempty"`
}

// DetectorSplit compares In with one Out split.
type DetectorSplit struct {
	Split string `json:"split"`
	In    int    `json:"in"`  // number of In files
	Out   int    `json:"out"` // number of Out files

	AUROC   Num `json:"auroc"` // 0.5 is no drift
	AUROCLo Num `json:"auroc_lo"`
	AUROCHi Num `json:"auroc_hi"`
	// NullLo and NullHi bound the null band, in which the AUROC falls 95 times
	// in 100 if there is no drift.
	NullLo Num `json:"null_lo"`
	NullHi Num `json:"null_hi"`
	P      Num `json:"p"`      // two-sided, of AUROC against 0.5
	PHolm  Num `json:"p_holm"` // P corrected by Holm over the splits of the detector

	Balanced Interval     `json:"balanced"` // mean of the per-class AUROCs
	Metrics  []Metric     `json:"metrics,omitempty"`
	Classes  []ClassAUROC `json:"classes,omitempty"`

	// GroupsIn and GroupsOut are the numbers of groups, EffectiveIn and
	// EffectiveOut the numbers of independent files that would have the same
	// variance. DesignEffect is the variance divided by that of independent
	// files. FewGroups says that a side has fewer than five groups: the interval
	// of three or four covers about 92%, and of fewer there is none.
	GroupsIn     int  `json:"groups_in,omitempty"`
	GroupsOut    int  `json:"groups_out,omitempty"`
	EffectiveIn  Num  `json:"effective_in"`
	EffectiveOut Num  `json:"effective_out"`
	DesignEffect Num  `json:"design_effect"`
	FewGroups    bool `json:"few_groups,omitempty"`
	// Families holds the AUROC of all In files against the Out files of each new
	// family and, under the empty label, those without a label.
	Families []ClassAUROC `json:"families,omitempty"`

	Rejected Num `json:"rejected"` // share of Out files below Detector.Threshold
	// RejectedInterval is Rejected with its interval; nil in the results of versions
	// that gave none.
	RejectedInterval *Interval `json:"rejected_interval,omitempty"`
	ROC              [][2]Num  `json:"roc,omitempty"`       // points of false and true positive rate
	Histogram        []Num     `json:"histogram,omitempty"` // share of Out files per bin of Detector.Edges
}

// DetectorMonth compares In with the Out files of one month.
type DetectorMonth struct {
	Month   string `json:"month"` // YYYY-MM
	Out     int    `json:"out"`
	Groups  int    `json:"groups,omitempty"` // of the Out files
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

// ClassAUROC is the AUROC of the In files of one class against its Out files.
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

// Classifier holds the quality of the model's own classification.
type Classifier struct {
	Splits    []Accuracy  `json:"splits"` // of every role
	Months    []Accuracy  `json:"months,omitempty"`
	AUT       []Metric    `json:"aut,omitempty"` // area under time (TESSERACT), per metric
	Rejection []Rejection `json:"rejection,omitempty"`

	// MissingMonths are those between the first and the last Out month that have
	// no labelled files, which AUT passes over. AUTCalendar weights each month by
	// its distance to the next instead.
	MissingMonths []string      `json:"missing_months,omitempty"`
	AUTCalendar   []Metric      `json:"aut_calendar,omitempty"`
	Calibration   []Calibration `json:"calibration,omitempty"` // In, then the Out splits
	// Operation is what an operator who rejects the files below Threshold of the
	// preferred detector would have seen by month.
	Operation *Operation `json:"operation,omitempty"`
}

// Calibration compares the model's confidence with its accuracy.
type Calibration struct {
	Name string `json:"name"` // split
	// ECE is the expected calibration error: the mean over the files of the
	// distance between confidence and accuracy within a bin (Naeini et al. 2015).
	ECE  Num              `json:"ece"`
	Bins []CalibrationBin `json:"bins"` // of equal width over 0 to 1
}

// CalibrationBin holds the files whose highest class probability falls in one bin.
type CalibrationBin struct {
	Files      int `json:"files"`
	Confidence Num `json:"confidence"` // mean of the highest class probability
	Accuracy   Num `json:"accuracy"`
}

// Operation is the operation of a detector's threshold over the months (Aurora,
// Herzog et al. 2025).
type Operation struct {
	Detector string           `json:"detector"`
	Months   []OperationMonth `json:"months"`
	// The standard deviations over the months.
	RejectedSD  Num `json:"rejected_sd"`
	ErrorKeptSD Num `json:"error_kept_sd"`
	AURCSD      Num `json:"aurc_sd"`
	ECESD       Num `json:"ece_sd"`
}

// OperationMonth is the operation of a threshold in one month.
type OperationMonth struct {
	Month     string   `json:"month"` // YYYY-MM
	Files     int      `json:"files"`
	Rejected  Interval `json:"rejected"`   // share of the files below the threshold
	ErrorKept Interval `json:"error_kept"` // share of the others that are misclassified
	AURC      Num      `json:"aurc"`
	ECE       Num      `json:"ece"`
}

// Accuracy is the classification quality on the files of a split or month.
type Accuracy struct {
	Name      string   `json:"name"` // split name, or YYYY-MM
	Files     int      `json:"files"`
	Accuracy  Interval `json:"accuracy"`
	MacroF1   Num      `json:"macro_f1"`
	Confusion [][]int  `json:"confusion,omitempty"` // [true][predicted], in the order of Results.Labels
}

// Rejection describes the classifier on the files of one split that remain when
// those with low scores of one detector are rejected.
type Rejection struct {
	Detector string `json:"detector"`
	Split    string `json:"split"`
	// Misclassified is the AUROC of the score of correctly classified files
	// against misclassified ones.
	Misclassified Interval `json:"misclassified"`
	AURC          Num      `json:"aurc"`            // area under the risk-coverage curve
	Curve         [][2]Num `json:"curve,omitempty"` // points of coverage and accuracy
	Coverage      Num      `json:"coverage"`        // share of files that reach Detector.Threshold
	Accuracy      Num      `json:"accuracy"`        // among those files
	// Kept counts those files. CoverageInterval and AccuracyInterval are Coverage and
	// Accuracy with their intervals. They are 0 and nil in the results of versions that
	// gave none.
	Kept             int       `json:"kept,omitempty"`
	CoverageInterval *Interval `json:"coverage_interval,omitempty"`
	AccuracyInterval *Interval `json:"accuracy_interval,omitempty"`
}

// Num is a float64 that JSON holds as null if it is NaN or infinite, which marks
// a value that could not be computed.
type Num float64

// OK reports whether n is finite.
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

// ReadResults reads results.json. A file of another schema version is an error
// that names both versions.
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
	splits := make([]plan.Split, len(r.Splits))
	for i, x := range r.Splits {
		splits[i] = plan.Split{Name: x.Name, Role: string(x.Role), From: x.From, To: x.To}
	}
	if err := cmp.Or(plan.Distinct(r.Labels), plan.Splits(splits)); err != nil {
		return Results{}, fmt.Errorf("report: %s: %w: run it again", path, err)
	}
	return r, nil
}

// WriteResults writes results.json and sets its schema version. Equal Results
// give equal bytes, and a reader of path never sees a part of the file.
func WriteResults(path string, r Results) error {
	r.SchemaVersion = SchemaVersion
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encoding results: %w", err)
	}
	return writeFile(path, append(b, '\n'))
}

// writeFile replaces the whole file at once.
func writeFile(path string, data []byte) error {
	err := atomicfile.Write(path, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		return fmt.Errorf("report: writing %s: %w", path, err)
	}
	return nil
}

// preference is the order in which [Preferred] picks. The ensemble sees both
// layers, and a deeper layer is nearer to the classifier's decision.
func preference() []string {
	return []string{"mahalanobis/ensemble", "mahalanobis/layer8", "mahalanobis/layer7"}
}

// Preferred returns the detector to report where there is only space for one:
// of names mahalanobis/ensemble, else mahalanobis/layer8, else
// mahalanobis/layer7, else the first, or "" if there are none.
func Preferred(names []string) string {
	for _, name := range preference() {
		if slices.Contains(names, name) {
			return name
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// view is a Results with the lookups that several sections share.
type view struct {
	Results
	verdict Verdict          // that of the Results, or of Judge where they have none
	styles  map[string]style // by the name of the detector
}

func newView(r Results) view {
	v := view{Results: r, styles: detectorStyles(r.Detectors)}
	if r.Verdict != nil {
		v.verdict = *r.Verdict
	} else {
		v.verdict = v.judge()
	}
	return v
}

// find returns the first element of s for which ok is true, or nil.
func find[T any](s []T, ok func(T) bool) *T {
	if i := slices.IndexFunc(s, ok); i >= 0 {
		return &s[i]
	}
	return nil
}

// addNew appends x to s unless s holds it.
func addNew[T comparable](s []T, x T) []T {
	if slices.Contains(s, x) {
		return s
	}
	return append(s, x)
}

// computed reports whether d has at least one AUROC.
func (d Detector) computed() bool {
	return d.Skipped == "" && slices.ContainsFunc(d.Splits, func(s DetectorSplit) bool { return isShare(s.AUROC) })
}

// drawn returns the detectors whose series are drawn: those of preference, or
// if none of them was computed the first three that were.
func (v view) drawn() []Detector {
	var preferred, all []Detector
	for _, d := range v.Detectors {
		if !d.computed() {
			continue
		}
		all = append(all, d)
		if slices.Contains(preference(), d.Name) {
			preferred = append(preferred, d)
		}
	}
	if len(preferred) > 0 {
		return preferred
	}
	return all[:min(3, len(all))]
}

// preferred returns the detector of the headline: among those that were
// computed and are not fitted on Out files the preferred one, or nil.
func (v view) preferred() *Detector {
	fair := func(d Detector) bool { return d.computed() && !d.UsesOutLabels }
	var names []string
	for _, d := range v.Detectors {
		if fair(d) {
			names = append(names, d.Name)
		}
	}
	name := Preferred(names)
	return find(v.Detectors, func(d Detector) bool { return d.Name == name && fair(d) })
}

// main returns the detector whose numbers the open part of the page shows.
func (v view) main() []Detector {
	if d := v.preferred(); d != nil {
		return []Detector{*d}
	}
	return v.drawn()
}

// role returns the splits of one role, in order.
func (v view) role(role Role) []Split {
	return slices.DeleteFunc(slices.Clone(v.Splits), func(s Split) bool { return s.Role != role })
}

// in returns the In split; without one its name is made from the train span.
func (v view) in() Split {
	if in := v.role(RoleIn); len(in) > 0 {
		return in[0]
	}
	return Split{Name: v.Train + "-val", Role: RoleIn}
}

// inName returns the name of In for titles and sentences.
func (v view) inName() string {
	if len(v.role(RoleIn)) == 0 && v.Train == "" {
		return "In"
	}
	return short(v.in().Name, 40)
}

// trainName returns the name of the training span for titles and sentences.
func (v view) trainName() string {
	if v.Train == "" {
		return v.inName()
	}
	return short(v.Train, 40)
}

// outNames returns the Out splits in the order of time, and after them those
// that only a detector has.
func (v view) outNames() []string {
	var names []string
	for _, s := range v.role(RoleOut) {
		names = append(names, s.Name)
	}
	for _, d := range v.Detectors {
		for _, s := range d.Splits {
			names = addNew(names, s.Split)
		}
	}
	return names
}

// inFiles returns the number of In files behind an AUROC.
func (v view) inFiles() int {
	if n := v.in().Files; n > 0 {
		return n
	}
	for _, d := range v.Detectors {
		for _, s := range d.Splits {
			return s.In
		}
	}
	return 0
}

// splitNamed returns the named split, or one without files.
func (v view) splitNamed(name string) Split {
	if s := find(v.Splits, func(s Split) bool { return s.Name == name }); s != nil {
		return *s
	}
	return Split{Name: name}
}

// outFiles returns the number of files of the named split.
func (v view) outFiles(name string) int {
	if s := find(v.Splits, func(s Split) bool { return s.Name == name }); s != nil {
		return s.Files
	}
	for _, d := range v.Detectors {
		if s := d.split(name); s != nil {
			return s.Out
		}
	}
	return 0
}

// noAUROC explains why a run without any AUROC has no pictures, or returns "".
func (v view) noAUROC() string {
	switch {
	case len(v.outNames()) == 0:
		return "There is no later split to compare with: add one under tests in corpus.yaml."
	case len(v.drawn()) == 0:
		return "No detector has an AUROC; the detector table says why each was skipped."
	}
	return ""
}

// typical returns the numbers of one detector that stand for all on a split,
// which differ little between them: those of the preferred one if ok holds for
// them, else of the first drawn one that it holds for, or nil.
func (v view) typical(name string, ok func(DetectorSplit) bool) *DetectorSplit {
	ds := v.drawn()
	if d := v.preferred(); d != nil {
		ds = append([]Detector{*d}, ds...)
	}
	for _, d := range ds {
		if s := d.split(name); s != nil && ok(*s) {
			return s
		}
	}
	return nil
}

// null returns the null band of a split.
func (v view) null(name string) (lo, hi float64, ok bool) {
	s := v.typical(name, func(s DetectorSplit) bool { return isShare(s.NullLo) && isShare(s.NullHi) })
	if s == nil {
		return 0, 0, false
	}
	return float64(s.NullLo), float64(s.NullHi), true
}

// grouped reports whether any two files of In or of the split share a group.
func (s DetectorSplit) grouped() bool {
	return s.GroupsIn > 0 && s.GroupsOut > 0 && (s.GroupsIn < s.In || s.GroupsOut < s.Out)
}

// grouped reports whether any two files of one side share a group.
func (v view) grouped() bool {
	return slices.ContainsFunc(v.Splits, func(s Split) bool { return s.Groups > 0 && s.Groups < s.Files }) ||
		slices.ContainsFunc(v.Detectors, func(d Detector) bool { return slices.ContainsFunc(d.Splits, DetectorSplit.grouped) })
}

// units names what intervals take for independent.
func (v view) units() string {
	if v.grouped() {
		return "groups"
	}
	return "files"
}

func (s DetectorSplit) auroc() Interval { return Interval{s.AUROC, s.AUROCLo, s.AUROCHi} }
func (m DetectorMonth) auroc() Interval { return Interval{m.AUROC, m.AUROCLo, m.AUROCHi} }

// split returns the numbers of d on the named split, or nil.
func (d Detector) split(name string) *DetectorSplit {
	return find(d.Splits, func(s DetectorSplit) bool { return s.Split == name })
}

// last returns the numbers of d on the latest split that has an AUROC, or nil.
func (d Detector) last() *DetectorSplit {
	for i := len(d.Splits) - 1; i >= 0; i-- {
		if isShare(d.Splits[i].AUROC) {
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
	return find(v.Classifier.Splits, func(a Accuracy) bool { return a.Name == name })
}

// accuracyOrNone returns the same numbers, or NaNs in place of nil.
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
