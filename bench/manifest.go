package bench

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"

	"driftbench/bench/dataset"
	"driftbench/bench/dataset/index"
	"driftbench/bench/training"
	"driftbench/internal/atomicfile"
	"driftbench/internal/jsonfile"
	"driftbench/internal/origin"
	"driftbench/internal/plan"
	"driftbench/internal/text"
	"driftbench/report"
	"driftbench/tfmodel"
)

// manifestFile is the name of the file with the [Manifest] of a folder.
const manifestFile = "manifest.json"

// Manifest says how the numbers of a run were made. It is the content of
// manifest.json.
type Manifest struct {
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

	Corpus        string          `json:"corpus,omitempty"`
	IndexSHA256   string          `json:"index_sha256,omitempty"`
	Index         *index.Summary  `json:"index,omitempty"` // of what was read
	Config        *dataset.Config `json:"config,omitempty"`
	Model         string          `json:"model,omitempty"`
	Engine        string          `json:"engine,omitempty"`
	origin.Origin                 // of the features
	Device        string          `json:"device,omitempty"`
	GPUs          []string        `json:"gpus,omitempty"`
	Batch         int             `json:"batch,omitempty"`

	Splits []SplitSummary `json:"splits,omitempty"`
	Files  int            `json:"files,omitempty"`
	// Unpacked counts the files by what they were unpacked from: the format of an
	// archive, of a packed file, or both.
	Unpacked map[string]int `json:"unpacked,omitempty"`
	Seconds  float64        `json:"extraction_seconds,omitempty"`
	// Shifted is the accuracy on fit rows with changed bytes, and Moved with the
	// padding at the other end, measured where that as given is low.
	Shifted  []ShiftedBytes `json:"shifted_bytes,omitempty"`
	Moved    *MovedPadding  `json:"moved_padding,omitempty"`
	Dropped  []DroppedFile  `json:"dropped,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
	InUnseen string         `json:"in_unseen,omitempty"` // as in results.json
	// TrainedRows counts the rows that the model lists as its training files, by
	// split; it has no entries where the model has no such list.
	TrainedRows map[string]training.Rows `json:"trained_rows,omitempty"`

	// Of driftbench score: what was scored, with which fit file, and the
	// manifest of the command that extracted the features.
	Features  string    `json:"features,omitempty"`
	Fit       string    `json:"fit,omitempty"`
	Extracted *Manifest `json:"extracted,omitempty"`
}

// SplitSummary says what a split of the features is for, and counts its files.
type SplitSummary struct {
	Name    string        `json:"name"`
	Role    report.Role   `json:"role"`
	From    dataset.Month `json:"from"`
	To      dataset.Month `json:"to"` // inclusive
	Files   int           `json:"files"`
	Dropped int           `json:"dropped"`
}

// DroppedFile is a row that was left out because its file could not be read or
// the model gives it a value that is not finite.
type DroppedFile struct {
	Split  string `json:"split"`
	Name   string `json:"name"`
	Label  string `json:"label"`
	Line   int    `json:"line"` // of the index
	Reason string `json:"reason"`
}

// newManifest returns a manifest with the versions and the machine filled in.
func newManifest(opt Options) *Manifest {
	return &Manifest{
		Command:     opt.Command,
		Started:     time.Now().UTC().Truncate(time.Second),
		Driftbench:  Version(),
		Go:          runtime.Version(),
		BLAS:        useBLAS(),
		BLASThreads: os.Getenv("OPENBLAS_NUM_THREADS"),
		CPU:         CPUName(),
		Cores:       runtime.NumCPU(),
	}
}

func (m *Manifest) setCorpus(c *dataset.Corpus) {
	m.Corpus, m.IndexSHA256, m.Config = c.Dir, c.Index.SHA256, &c.Config
	m.Index = &c.Index
	m.Warnings = append(m.Warnings, c.Warnings...)
}

func (m *Manifest) setModel(model *tfmodel.Model, e tfmodel.Description, batch int) {
	m.Model, m.Origin = model.Dir, origin.Origin{ModelSHA256: model.Hash, EngineIdentity: e.Identity}
	for _, l := range model.Layers {
		m.Layers = append(m.Layers, origin.Layer(l))
	}
	m.Engine, m.Device, m.Batch = e.Name, string(e.Device), batch
	if e.Device == tfmodel.GPU {
		m.GPUs = tfmodel.GPUNames()
	}
}

// addSplit counts the files, so many, of an extracted split.
func (m *Manifest) addSplit(s extracted, rows int, span dataset.Span) {
	m.Files += rows
	for form, n := range s.unpacked {
		if m.Unpacked == nil {
			m.Unpacked = map[string]int{}
		}
		m.Unpacked[form] += n
	}
	for _, d := range s.dropped {
		m.Dropped = append(m.Dropped, DroppedFile{s.Name, d.Row.Name, d.Row.Label, d.Row.Line, d.Reason})
	}
	role := report.RoleOut
	switch fit, in, _ := m.Config.Spans(); s.Name {
	case fit.Name:
		role = report.RoleFit
	case in.Name:
		role = report.RoleIn
	}
	m.Splits = append(m.Splits, SplitSummary{s.Name, role, span.From, span.To, rows, len(s.dropped)})
}

// write writes manifest.json into the folder out.
func (m *Manifest) write(out string) error {
	m.Finished = time.Now().UTC().Truncate(time.Second)
	err := atomicfile.Write(filepath.Join(out, manifestFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(m)
	})
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

// readManifest reads manifest.json of the folder out. It returns nil when there
// is none.
func readManifest(out string) (*Manifest, error) {
	path := filepath.Join(out, manifestFile)
	const most = 1 << 30 // bytes; a dropped file takes 200
	m := new(Manifest)
	err := jsonfile.Read(path, most, m)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return m, m.check(path)
}

func parseManifest(b []byte, path string) (*Manifest, error) {
	m := new(Manifest)
	if err := jsonfile.Decode(b, path, m); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return m, m.check(path)
}

// check returns an error for labels and splits that no configuration can have, and
// for splits with other roles than the configuration beside them gives.
func (m *Manifest) check(path string) error {
	for _, x := range []*Manifest{m, m.Extracted} {
		if x == nil {
			continue
		}
		if err := x.checkPlan(); err != nil {
			return fmt.Errorf("reading %s: %w: extract the features again", path, err)
		}
	}
	return nil
}

func (m *Manifest) checkPlan() error {
	if m.Config != nil {
		if err := plan.Labels(m.Config.Labels); err != nil {
			return err
		}
	}
	splits := make([]plan.Split, len(m.Splits))
	for i, s := range m.Splits {
		splits[i] = plan.Split{Name: s.Name, Role: string(s.Role), From: monthOrNone(s.From), To: monthOrNone(s.To)}
	}
	if err := plan.Splits(splits); err != nil || m.Config == nil {
		return err
	}
	for _, want := range plannedBy(m.Config) {
		for _, s := range m.Splits {
			if s.Name == want.Name && s.Role != want.role {
				return fmt.Errorf("splits: %s has the role %s, and %s in the configuration", text.Quote(s.Name), s.Role, want.role)
			}
		}
	}
	return nil
}

// monthOrNone is a month as plan.Split has it.
func monthOrNone(m dataset.Month) string {
	if m == 0 {
		return ""
	}
	return m.String()
}

// extractedBy returns the manifest of the extraction that wrote a features
// folder, from beside the folder. It is empty when there is none.
func extractedBy(features string) (*Manifest, error) {
	features, err := filepath.Abs(features)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(filepath.Dir(features))
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return new(Manifest), nil
	case m.Extracted != nil: // features were scored where they lie
		return m.Extracted, nil
	}
	return m, nil
}

// made is what computed the features that the command of m wrote or scored.
func (m *Manifest) made() origin.Origin {
	if m.Extracted != nil {
		return m.Extracted.Origin
	}
	return m.Origin
}

// droppedFrom returns the number of rows of a split that were left out.
func (m *Manifest) droppedFrom(split string) int {
	n := 0
	for _, d := range m.Dropped {
		if d.Split == split {
			n++
		}
	}
	return n
}

// provenance returns the lines of the report about the manifest: none when there is
// none.
func (m *Manifest) provenance() []report.KeyValue {
	var lines []report.KeyValue
	if m == nil {
		return nil
	}
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
	if m.Index != nil {
		add("index", fmt.Sprintf("%s, %d rows; %d skipped, %d left out, %d again, %d without a label", m.Index.Form, m.Index.Rows, m.Index.Skipped, m.Index.LeftOut, m.Index.Duplicates, m.Index.Unlabelled))
	}
	add("index SHA-256", m.IndexSHA256)
	add("model", m.Model)
	add("model SHA-256", m.ModelSHA256)
	add("engine identity", m.EngineIdentity)
	if m.Engine != "" {
		engine, took := m.Engine, ""
		if m.Device != "" {
			engine += " on " + m.Device
		}
		if m.Batch > 0 { // it is not known of features that were merged
			engine += fmt.Sprintf(", batch %d", m.Batch)
			took = " in " + strconv.FormatFloat(m.Seconds, 'f', 1, 64) + " s"
		}
		add("engine", engine)
		add("extraction", fmt.Sprintf("%d files%s", m.Files, took))
	}
	var unpacked []string
	for _, form := range slices.Sorted(maps.Keys(m.Unpacked)) {
		unpacked = append(unpacked, fmt.Sprintf("%s %d", form, m.Unpacked[form]))
	}
	add("unpacked files", strings.Join(unpacked, ", "))
	if len(m.Dropped) > 0 {
		add("dropped", fmt.Sprintf("%d files, named in manifest.json", len(m.Dropped)))
	}
	return lines
}

// Version is the version of the module, and the commit it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v += " " + s.Value
		case "vcs.modified":
			if s.Value == "true" {
				v += " with changes"
			}
		}
	}
	return v
}

// CPUName is the name that the processor gives itself.
func CPUName() string { return cmp.Or(strings.TrimSpace(cpuid.CPU.BrandName), runtime.GOARCH) }
