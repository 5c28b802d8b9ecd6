package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"driftbench/bench/dataset"
	"driftbench/internal/atomicfile"
	"driftbench/internal/regular"
	"driftbench/report"
	"driftbench/tfmodel"
)

// manifest says how the numbers of a run came about: manifest.json.
type manifest struct {
	Command    []string  `json:"command"`
	Started    time.Time `json:"started"`
	Finished   time.Time `json:"finished"`
	Driftbench string    `json:"driftbench"`
	Go         string    `json:"go"`
	TensorFlow string    `json:"tensorflow,omitempty"`
	BLAS       string    `json:"blas"`
	// BLASThreads is OPENBLAS_NUM_THREADS; "" leaves it to the library.
	BLASThreads string `json:"blas_threads,omitempty"`
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`

	Corpus      string          `json:"corpus,omitempty"`
	IndexSHA256 string          `json:"index_sha256,omitempty"`
	Config      *dataset.Config `json:"config,omitempty"`
	Model       string          `json:"model,omitempty"`
	ModelSHA256 string          `json:"model_sha256,omitempty"`
	Engine      string          `json:"engine,omitempty"`
	Device      string          `json:"device,omitempty"`
	GPUs        []string        `json:"gpus,omitempty"`
	Batch       int             `json:"batch,omitempty"`

	Files    int           `json:"files,omitempty"`
	Seconds  float64       `json:"extraction_seconds,omitempty"`
	Dropped  []droppedFile `json:"dropped,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
	InUnseen string        `json:"in_unseen,omitempty"` // as in results.json

	// Of driftbench score: what was scored, with which fit file, and the
	// manifest of the command that extracted the features.
	Features  string    `json:"features,omitempty"`
	Fit       string    `json:"fit,omitempty"`
	Extracted *manifest `json:"extracted,omitempty"`
}

// droppedFile is a row that was left out because its file could not be read.
type droppedFile struct {
	Split  string `json:"split"`
	Name   string `json:"name"`
	Label  string `json:"label"`
	Line   int    `json:"line"` // of the index
	Reason string `json:"reason"`
}

// newManifest holds what is known when a command starts.
func (a *app) newManifest() *manifest {
	return &manifest{
		Command:     a.args,
		Started:     time.Now().UTC().Truncate(time.Second),
		Driftbench:  version(),
		Go:          runtime.Version(),
		BLAS:        a.blas,
		BLASThreads: os.Getenv("OPENBLAS_NUM_THREADS"),
		CPU:         cpuName(),
		Cores:       runtime.NumCPU(),
	}
}

func (m *manifest) setCorpus(c *dataset.Corpus) {
	m.Corpus, m.IndexSHA256, m.Config = c.Dir, c.IndexSHA256, &c.Config
	m.Warnings = append(m.Warnings, c.Warnings...)
}

func (m *manifest) setModel(model *tfmodel.Model, e tfmodel.Engine, batch int) {
	m.TensorFlow = tfmodel.Version()
	m.Model, m.ModelSHA256 = model.Dir, model.Hash
	m.Engine, m.Device, m.Batch = e.Name(), string(e.Device()), batch
	if e.Device() == tfmodel.GPU {
		m.GPUs = tfmodel.GPUNames()
	}
}

func (m *manifest) setExtraction(x *extraction) {
	m.Seconds = x.seconds
	for i, s := range x.splits {
		m.Files += len(s.Rows)
		for _, d := range x.dropped[i] {
			m.Dropped = append(m.Dropped, droppedFile{s.Name, d.Row.Name, d.Row.Label, d.Row.Line, d.Reason})
		}
	}
}

// write writes manifest.json into out.
func (m *manifest) write(out string) error {
	m.Finished = time.Now().UTC().Truncate(time.Second)
	err := atomicfile.Write(filepath.Join(out, "manifest.json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(m)
	})
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

// readManifest reads manifest.json of out; nil when there is none.
func readManifest(out string) (*manifest, error) {
	path := filepath.Join(out, "manifest.json")
	const most = 1 << 30 // bytes; a dropped file takes 200
	b, err := regular.Read(path, most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return parseManifest(b, path)
}

func parseManifest(b []byte, path string) (*manifest, error) {
	m := new(manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return m, nil
}

// extractedBy is the manifest of the command that wrote a features folder,
// from beside the folder; an empty one when it is not there.
func extractedBy(features string) (*manifest, error) {
	features, err := filepath.Abs(features)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(filepath.Dir(features))
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return new(manifest), nil
	case m.Extracted != nil: // features were scored where they lie
		return m.Extracted, nil
	}
	return m, nil
}

// droppedFrom is how many rows of a split were left out.
func (m *manifest) droppedFrom(split string) int {
	n := 0
	for _, d := range m.Dropped {
		if d.Split == split {
			n++
		}
	}
	return n
}

// provenance turns manifest.json of out into lines for the report; none when
// there is no manifest.
func provenance(out string) ([]report.KeyValue, error) {
	m, err := readManifest(out)
	if m == nil || err != nil {
		return nil, err
	}
	return m.provenance(), nil
}

func (m *manifest) provenance() []report.KeyValue {
	var lines []report.KeyValue
	add := func(key, value string) {
		if value != "" {
			lines = append(lines, report.KeyValue{Key: key, Value: value})
		}
	}
	add("command", strings.Join(m.Command, " "))
	add("started", m.Started.Format(time.RFC3339))
	add("driftbench", m.Driftbench)
	add("Go", m.Go)
	add("BLAS", m.BLAS)
	add("CPU", fmt.Sprintf("%s, %d cores", m.CPU, m.Cores))
	add("features", m.Features)
	add("fit", m.Fit)
	if m.Extracted != nil {
		m = m.Extracted
		add("extracted by", strings.Join(m.Command, " "))
	}
	add("TensorFlow", m.TensorFlow)
	add("GPU", strings.Join(m.GPUs, ", "))
	add("corpus", m.Corpus)
	add("index SHA-256", m.IndexSHA256)
	add("model", m.Model)
	add("model SHA-256", m.ModelSHA256)
	if m.Engine != "" {
		add("engine", fmt.Sprintf("%s on %s, batch %d", m.Engine, m.Device, m.Batch))
		add("extraction", fmt.Sprintf("%d files in %s s", m.Files, strconv.FormatFloat(m.Seconds, 'f', 1, 64)))
	}
	if len(m.Dropped) > 0 {
		add("dropped", fmt.Sprintf("%d files, named in manifest.json", len(m.Dropped)))
	}
	return lines
}
