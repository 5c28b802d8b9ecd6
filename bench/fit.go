package bench

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/internal/atomicfile"
	"driftbench/internal/origin"
	"driftbench/internal/plan"
	"driftbench/internal/regular"
	"driftbench/report"
	"driftbench/stats"
)

// fitMagic begins a fit file, with its version. A file of version 1 lacks the
// origin.
const (
	fitMagic  = "driftbench scoring fit 2\n"
	fitMagic1 = "driftbench scoring fit 1\n"
)

// savedFit is the content of a fit file: the fitted detectors, and the fit and
// In splits with their scores, which every AUROC, threshold and gap is measured
// against. It scores new files without the training features. Scoring the same
// files with it gives the results.json of the run that saved it.
//
// A fit file is
//
//	driftbench scoring fit 2     the format and its version
//	{"train":"2017",…}           this struct as one line of JSON
//	…                            stats.Detectors.MarshalBinary
//	32 bytes                     SHA-256 of all before
//
// The reader takes no length from the file, so that what it allocates is
// bounded by the size of the file.
type savedFit struct {
	Train  string   `json:"train"`
	Labels []string `json:"labels"`
	origin.Origin
	InUnseen string            `json:"in_unseen"`
	Skipped  map[string]string `json:"skipped,omitempty"` // detectors that could not be fitted, and why
	Other    []string          `json:"other,omitempty"`   // labels of the class other
	Fit      savedSplit        `json:"fit"`
	In       savedSplit        `json:"in"`

	detectors *stats.Detectors
}

// savedSplit is a split without its features, one column a field. Names and
// dates are bytes, since they need not be UTF-8.
type savedSplit struct {
	From      dataset.Month `json:"from"`
	To        dataset.Month `json:"to"`
	Dropped   int           `json:"dropped"`
	Names     [][]byte      `json:"names"`
	FirstSeen [][]byte      `json:"first_seen"`
	SHA256    []string      `json:"sha256"`
	// Files of earlier versions have none of these.
	Labels     [][]byte  `json:"labels,omitempty"` // where they are not those of Classes
	Groups     [][]byte  `json:"groups,omitempty"`
	Kinds      []string  `json:"kinds,omitempty"`
	Linked     []uint32  `json:"linked,omitempty"`
	NearFit    []string  `json:"near_fit,omitempty"`
	Confidence []float64 `json:"confidence,omitempty"`
	Excluded   int       `json:"excluded,omitempty"`

	Classes   []int                `json:"classes"`
	Predicted []int                `json:"predicted,omitempty"`
	Scores    map[string][]float64 `json:"scores"` // by detector
}

// saveFit writes the fitted detectors of s, and what they are measured against.
func saveFit(path string, s *Splits) error {
	f := savedFit{
		Train: s.Train, Labels: s.Labels, Origin: s.Origin, InUnseen: s.InUnseen, Skipped: s.skipped, Other: s.other,
		Fit: saveSplit(s.Fit), In: saveSplit(s.In),
	}
	meta, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("saving the fit: %w", err)
	}
	detectors, err := s.detectors.MarshalBinary()
	if err != nil {
		return fmt.Errorf("saving the fit: %w", err)
	}
	err = atomicfile.Write(path, func(w io.Writer) error {
		h := sha256.New()
		hashed := io.MultiWriter(w, h)
		for _, part := range [][]byte{[]byte(fitMagic), meta, []byte("\n"), detectors} {
			if _, err := hashed.Write(part); err != nil {
				return err
			}
		}
		_, err := w.Write(h.Sum(nil))
		return err
	})
	if err != nil {
		return fmt.Errorf("saving the fit: %w", err)
	}
	return nil
}

// saveSplit returns a split without its features.
func saveSplit(x *Split) savedSplit {
	s := savedSplit{
		From: x.From, To: x.To, Dropped: x.Dropped,
		Classes: x.Classes, Predicted: x.Predicted, Confidence: x.Confidence, Scores: x.Scores, Excluded: x.Excluded,
	}
	for _, r := range x.Rows {
		s.Labels = append(s.Labels, []byte(r.Label))
		s.Groups = append(s.Groups, []byte(r.Group))
		s.Kinds = append(s.Kinds, r.Kind)
		s.Linked = append(s.Linked, r.Linked)
		s.NearFit = append(s.NearFit, r.NearFit)
		s.Names = append(s.Names, []byte(r.Name))
		s.FirstSeen = append(s.FirstSeen, []byte(r.FirstSeen))
		s.SHA256 = append(s.SHA256, r.SHA256)
	}
	return s
}

// readFit reads a fit file into splits that hold Fit and In.
func readFit(path string) (*Splits, error) {
	const most = 1 << 32 // bytes
	b, err := regular.ReadIf(path, most, len(fitMagic), checkFitMagic)
	if err != nil {
		return nil, fmt.Errorf("reading the fit %s: %w", path, err)
	}
	s, err := parseFit(b)
	if err != nil {
		return nil, fmt.Errorf("reading the fit %s: %w", path, err)
	}
	return s, nil
}

// checkFitMagic returns an error for what does not begin as a fit file does.
func checkFitMagic(head []byte) error {
	if bytes.HasPrefix(head, []byte(fitMagic)) || bytes.HasPrefix(head, []byte(fitMagic1)) {
		return nil
	}
	format, version, _ := strings.Cut(strings.TrimSpace(fitMagic), " fit ")
	if bytes.HasPrefix(head, []byte(format+" fit ")) {
		return fmt.Errorf("it is not of version %s: save it again with this driftbench", version)
	}
	return errors.New("it was not written by --save-fit")
}

func parseFit(b []byte) (*Splits, error) {
	if err := checkFitMagic(b); err != nil {
		return nil, err
	}
	end := len(b) - sha256.Size
	if end < len(fitMagic) {
		return nil, errors.New("it is cut short: save it again")
	}
	if sum := sha256.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return nil, errors.New("it is cut short or damaged: save it again")
	}
	meta, detectors, _ := bytes.Cut(b[len(fitMagic):end], []byte("\n"))
	useBLAS() // reading detectors computes
	f := savedFit{detectors: new(stats.Detectors)}
	if err := json.Unmarshal(meta, &f); err != nil {
		return nil, err
	}
	if err := f.detectors.UnmarshalBinary(detectors); err != nil {
		return nil, err
	}
	return f.splits()
}

// splits checks f and returns its two splits.
func (f *savedFit) splits() (*Splits, error) {
	s := &Splits{
		Train: f.Train, Labels: f.Labels, Origin: f.Origin, InUnseen: f.InUnseen, Layers: f.detectors.Layers(),
		saved: true, detectors: f.detectors, skipped: f.Skipped, other: f.Other,
	}
	both := []plan.Split{
		{Name: dataset.FitName(f.Train), Role: string(report.RoleFit), From: monthOrNone(f.Fit.From), To: monthOrNone(f.Fit.To)},
		{Name: dataset.InName(f.Train), Role: string(report.RoleIn), From: monthOrNone(f.In.From), To: monthOrNone(f.In.To)},
	}
	if err := cmp.Or(plan.Distinct(f.Labels), plan.Splits(both)); err != nil {
		return nil, err
	}
	var err error
	if s.Fit, err = f.Fit.split(dataset.FitName(f.Train), report.RoleFit, f); err != nil {
		return nil, err
	}
	s.In, err = f.In.split(dataset.InName(f.Train), report.RoleIn, f)
	return s, err
}

func (c savedSplit) split(name string, role report.Role, f *savedFit) (*Split, error) {
	n, labels := len(c.Names), f.Labels
	x := &Split{
		Split: features.Split{Name: name, Rows: make([]features.Row, n)},
		Role:  role, From: c.From, To: c.To, Dropped: c.Dropped,
		Excluded: c.Excluded, Classes: c.Classes, Predicted: c.Predicted, Confidence: c.Confidence, Scores: c.Scores,
	}
	if n == 0 || len(c.FirstSeen) != n || len(c.SHA256) != n || len(c.Classes) != n || c.Predicted != nil && len(c.Predicted) != n {
		return nil, fmt.Errorf("split %q: its columns are empty or differ in length", name)
	}
	for _, length := range []int{len(c.Labels), len(c.Groups), len(c.Kinds), len(c.Linked), len(c.NearFit), len(c.Confidence)} {
		if length != 0 && length != n {
			return nil, fmt.Errorf("split %q: its columns differ in length", name)
		}
	}
	if len(c.Confidence) == 0 {
		x.Confidence = nil
	}
	for _, class := range slices.Concat(c.Classes, c.Predicted) {
		if class < 0 || class >= len(labels) {
			return nil, fmt.Errorf("split %q: class %d of %d", name, class, len(labels))
		}
	}
	for i := range x.Rows {
		r := features.Row{Name: string(c.Names[i]), Label: labels[c.Classes[i]], FirstSeen: string(c.FirstSeen[i]), SHA256: c.SHA256[i]}
		if len(c.Labels) > 0 {
			r.Label = string(c.Labels[i])
		}
		if len(c.Groups) > 0 {
			r.Group = string(c.Groups[i])
		}
		if len(c.Kinds) > 0 {
			r.Kind = c.Kinds[i]
		}
		if len(c.Linked) > 0 {
			r.Linked = c.Linked[i]
		}
		if len(c.NearFit) > 0 {
			r.NearFit = c.NearFit[i]
		}
		x.Rows[i] = r
	}
	for _, d := range f.detectors.Names() {
		if len(c.Scores[d]) != n {
			return nil, fmt.Errorf("split %q: %d scores of %s for %d rows", name, len(c.Scores[d]), d, n)
		}
	}
	return x, x.setMonths()
}
