package main

import (
	"bytes"
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
	"driftbench/internal/regular"
	"driftbench/report"
	"driftbench/stats"
)

// fitMagic begins a fit file, with its version.
const fitMagic = "driftbench scoring fit 1\n"

// savedFit is what new files are scored with when the training features are
// gone: the fitted detectors, and the fit and In samples with their scores,
// which every AUROC, threshold and gap is measured against. Scoring the same
// files with it gives the results.json of the run that saved it.
//
// A fit file is
//
//	driftbench scoring fit 1     the format and its version
//	{"train":"2017",…}           this struct as one line of JSON
//	…                            stats.Detectors.MarshalBinary
//	32 bytes                     SHA-256 of all before
//
// The reader takes no length from the file, so that what it allocates is
// bounded by the size of the file.
type savedFit struct {
	Train    string            `json:"train"`
	Labels   []string          `json:"labels"`
	InUnseen string            `json:"in_unseen"`
	Skipped  map[string]string `json:"skipped,omitempty"` // detectors that could not be fitted, and why
	Fit      savedSample       `json:"fit"`
	In       savedSample       `json:"in"`

	detectors *stats.Detectors
}

// savedSample is a sample without its features, one column a field. Names and
// dates are bytes, for they need not be UTF-8.
type savedSample struct {
	From      string               `json:"from"`
	To        string               `json:"to"`
	Dropped   int                  `json:"dropped"`
	Names     [][]byte             `json:"names"`
	FirstSeen [][]byte             `json:"first_seen"`
	SHA256    []string             `json:"sha256"`
	Classes   []int                `json:"classes"`
	Predicted []int                `json:"predicted,omitempty"`
	Scores    map[string][]float64 `json:"scores"` // by detector
}

// saveFit writes the detectors of sc, and what they are measured against.
func saveFit(path string, sc *scored) error {
	f := savedFit{
		Train: sc.train, Labels: sc.labels, InUnseen: sc.inUnseen, Skipped: sc.skipped,
		Fit: sc.save(0), In: sc.save(1),
	}
	meta, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("saving the fit: %w", err)
	}
	detectors, err := sc.detectors.MarshalBinary()
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

// save takes a sample without its features.
func (sc *scored) save(i int) savedSample {
	x := sc.all[i]
	s := savedSample{
		From: x.from, To: x.to, Dropped: x.dropped,
		Classes: x.classes, Predicted: x.predicted, Scores: map[string][]float64{},
	}
	for _, r := range x.Rows {
		s.Names = append(s.Names, []byte(r.Name))
		s.FirstSeen = append(s.FirstSeen, []byte(r.FirstSeen))
		s.SHA256 = append(s.SHA256, r.SHA256)
	}
	for name, scores := range sc.scores {
		s.Scores[name] = scores[i]
	}
	return s
}

// readFit reads a fit file into samples that hold fit and In.
func readFit(path string) (*samples, error) {
	const most = 1 << 32 // bytes; kNN keeps the fit rows
	b, err := regular.Read(path, most)
	if err != nil {
		return nil, fmt.Errorf("reading the fit %s: %w", path, err)
	}
	s, err := parseFit(b)
	if err != nil {
		return nil, fmt.Errorf("reading the fit %s: %w", path, err)
	}
	return s, nil
}

func parseFit(b []byte) (*samples, error) {
	format, version, _ := strings.Cut(strings.TrimSpace(fitMagic), " fit ")
	if !bytes.HasPrefix(b, []byte(fitMagic)) {
		if bytes.HasPrefix(b, []byte(format+" fit ")) {
			return nil, fmt.Errorf("it is not of version %s: save it again with this driftbench", version)
		}
		return nil, errors.New("it was not written by --save-fit")
	}
	end := len(b) - sha256.Size
	if end < len(fitMagic) {
		return nil, errors.New("it is cut short: save it again")
	}
	if sum := sha256.Sum256(b[:end]); !bytes.Equal(sum[:], b[end:]) {
		return nil, errors.New("it is cut short or damaged: save it again")
	}
	meta, detectors, _ := bytes.Cut(b[len(fitMagic):end], []byte("\n"))
	f := savedFit{detectors: new(stats.Detectors)}
	if err := json.Unmarshal(meta, &f); err != nil {
		return nil, err
	}
	if err := f.detectors.UnmarshalBinary(detectors); err != nil {
		return nil, err
	}
	return f.samples()
}

// samples checks f and gives its two samples.
func (f *savedFit) samples() (*samples, error) {
	s := &samples{train: f.Train, labels: f.Labels, inUnseen: f.InUnseen, layers: f.detectors.Layers(), saved: f}
	if strings.ContainsAny(f.Train, "/\\\x00") { // it names files
		return nil, fmt.Errorf("the training span %q cannot name a file", f.Train)
	}
	if labels := slices.Sorted(slices.Values(f.Labels)); len(slices.Compact(labels)) < len(f.Labels) || len(f.Labels) == 0 {
		return nil, fmt.Errorf("the labels %q are not all different", f.Labels)
	}
	for _, part := range []struct {
		name string
		role report.Role
		savedSample
	}{{f.Train + "-fit", report.RoleFit, f.Fit}, {f.Train + "-val", report.RoleIn, f.In}} {
		x, err := part.sample(part.name, f.Labels, f.detectors.Names())
		if err != nil {
			return nil, err
		}
		x.role = part.role
		s.all = append(s.all, x)
	}
	return s, nil
}

func (c savedSample) sample(name string, labels, detectors []string) (*sample, error) {
	n := len(c.Names)
	x := &sample{
		Split: features.Split{Name: name, Rows: make([]features.Row, n)},
		from:  c.From, to: c.To, dropped: c.Dropped,
		classes: c.Classes, predicted: c.Predicted, scores: c.Scores,
	}
	if n == 0 || len(c.FirstSeen) != n || len(c.SHA256) != n || len(c.Classes) != n || c.Predicted != nil && len(c.Predicted) != n {
		return nil, fmt.Errorf("split %q: its columns are empty or differ in length", name)
	}
	for _, class := range slices.Concat(c.Classes, c.Predicted) {
		if class < 0 || class >= len(labels) {
			return nil, fmt.Errorf("split %q: class %d of %d", name, class, len(labels))
		}
	}
	for i := range x.Rows {
		x.Rows[i] = features.Row{Name: string(c.Names[i]), Label: labels[c.Classes[i]], FirstSeen: string(c.FirstSeen[i]), SHA256: c.SHA256[i]}
	}
	for _, d := range detectors {
		if len(c.Scores[d]) != n {
			return nil, fmt.Errorf("split %q: %d scores of %s for %d rows", name, len(c.Scores[d]), d, n)
		}
	}
	for _, month := range []string{c.From, c.To} {
		if _, err := dataset.ParseMonth(month); err != nil {
			return nil, fmt.Errorf("split %q: %w", name, err)
		}
	}
	return x, checkMonths(name, x.Rows)
}
