package dataset

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"driftbench/bench/dataset/date"
	"driftbench/bench/dataset/index"
	"driftbench/internal/plan"
	"driftbench/internal/regular"
	"driftbench/internal/text"
	"driftbench/internal/utf"
)

// Config says where a corpus lies and how it is split. It is the content of
// corpus.yaml; what the file leaves out is as in [DefaultConfig].
type Config struct {
	Index   string   `yaml:"index"` // path of the index, from the corpus folder
	Columns Columns  `yaml:"columns"`
	Root    string   `yaml:"-"`     // folder of the files, from the corpus folder
	Names   Names    `yaml:"names"` // how names match those of files
	Trim    string   `yaml:"trim"`  // prefix cut from every name of the index
	Labels  []string `yaml:"labels"`
	Train   Train    `yaml:"train"`
	Tests   []Test   `yaml:"tests"` // in time order
	Seed    uint32   `yaml:"seed"`
	// How the index is read, see [index.Options]. Paths are from the corpus folder.
	Query      string             `yaml:"query,omitempty" json:",omitempty"`
	Dates      date.Order         `yaml:"dates,omitempty" json:",omitempty"`
	SkipBad    float64            `yaml:"skip_bad,omitempty" json:",omitempty"`
	LabelsFrom string             `yaml:"labels_from,omitempty" json:",omitempty"`
	GroupsFrom string             `yaml:"groups_from,omitempty" json:",omitempty"`
	Map        map[string]*string `yaml:"map,omitempty" json:",omitempty"`
	// SplitFile is the path, from the corpus folder, of a roles.csv as
	// [Corpus.WriteSplits] writes it. If not empty, its rows have the roles that
	// it gives them, and nothing is drawn.
	SplitFile string `yaml:"split"`

	Dir          string   `yaml:"-"`                   // the corpus folder
	Files        []string `yaml:"-" json:",omitempty"` // places of the files, from the corpus folder; none is Root alone
	AllowOutside bool     `yaml:"-"`                   // see Options
	Raw          bool     `yaml:"-"`
	Password     string   `yaml:"-" json:"-"`
}

// configFile is corpus.yaml, in which root is one place or a list of them.
type configFile struct {
	Config `yaml:",inline"`
	Root   rootList `yaml:"root"`
}

// rootList is a string or a list of strings.
type rootList []string

func (r *rootList) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]string)(r))
	}
	var one string
	err := n.Decode(&one)
	*r = rootList{one}
	return err
}

// Names says how the names of the index match those of files.
type Names string

const (
	// ExactNames match byte for byte.
	ExactNames Names = ""
	// LooseNames match where they differ by backslashes for slashes, and by the
	// Unicode forms NFC and NFD.
	LooseNames Names = "loose"
)

// Train is the span that the model and the detectors are made from.
type Train struct {
	Name    string  `yaml:"name"`
	From    Month   `yaml:"from"`
	To      Month   `yaml:"to"`      // inclusive
	Fit     float64 `yaml:"fit"`     // share of the rows that fit the detectors
	Holdout Holdout `yaml:"holdout"` // which of the rows are In; if empty, by group where the index has groups, else random
}

// Holdout says which rows of the training span are held out as In.
type Holdout string

const (
	// HoldoutRandom holds out the last rows of the shuffle.
	HoldoutRandom Holdout = "random"
	// HoldoutLatest holds out the newest rows. Within the month where fit rows
	// end and In rows begin, the earlier rows of the shuffle are fit rows.
	HoldoutLatest Holdout = "latest"
	// HoldoutGroup holds out whole groups, so that no group has fit rows and In
	// rows.
	HoldoutGroup Holdout = "group"
	// HoldoutFrozen holds out what the split file says.
	HoldoutFrozen Holdout = "frozen"
)

// Test is a span of later files.
type Test struct {
	Name   string  `yaml:"name"`
	From   Month   `yaml:"from"`
	To     Month   `yaml:"to"`     // inclusive
	Sample float64 `yaml:"sample"` // share of its rows that is drawn
}

// DefaultConfig is the configuration of a folder without corpus.yaml.
func DefaultConfig() Config {
	month := func(year, month int) Month { return Month(year*12 + month - 1) }
	return Config{
		Index:   "dataset.csv",
		Columns: index.DefaultColumns,
		Root:    ".",
		Labels:  []string{"trojan", "virus", "worm", "backdoor"},
		Train:   Train{Name: "2017", From: month(2017, 1), To: month(2017, 12), Fit: 0.7123},
		Tests: []Test{
			{Name: "2018-Q1", From: month(2018, 1), To: month(2018, 3), Sample: 0.3},
			{Name: "2018-late", From: month(2018, 4), To: month(2018, 12), Sample: 0.3},
			{Name: "2019", From: month(2019, 1), To: month(2019, 12), Sample: 0.3},
		},
		Seed: 1,
	}
}

// LoadConfig reads corpus.yaml in dir, or returns the defaults where there is
// none.
func LoadConfig(dir string) (Config, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Config{}, fmt.Errorf("dataset: corpus folder %s does not exist", text.Quote(dir))
	case err != nil:
		return Config{}, fmt.Errorf("dataset: corpus folder: %w", err)
	case !info.IsDir():
		return Config{}, fmt.Errorf("dataset: corpus folder %s %s, not a folder", text.Quote(dir), regular.Kind(info.Mode()))
	}
	c, err := LoadConfigFile(dir, filepath.Join(dir, "corpus.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		c, err = DefaultConfig(), nil
		c.Dir = dir
	}
	return c, err
}

// LoadConfigFile reads the configuration of the corpus in dir from another
// file than its corpus.yaml.
func LoadConfigFile(dir, path string) (Config, error) {
	const most = 1 << 20 // bytes; a larger corpus.yaml is something else
	b, err := regular.Read(path, most)
	if err != nil {
		return Config{}, fmt.Errorf("dataset: reading the configuration: %w", err)
	}
	if b, err = utf.Bytes(b); err != nil {
		return Config{}, fmt.Errorf("dataset: %s: %w", path, err)
	}
	c, err := parseConfig(b, path)
	c.Dir = dir
	return c, err
}

// IndexPath is the path of the index.
func (c Config) IndexPath() string { return c.resolve(c.Index) }

func (c Config) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Dir, path)
}

// parseConfig decodes and validates the content of the file at path.
func parseConfig(b []byte, path string) (Config, error) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil && err != io.EOF { // EOF: an empty file
		return Config{}, yamlError(path, err)
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		return Config{}, fmt.Errorf("dataset: %s: more than one YAML document", path)
	}
	if n := fancy(&doc); n != nil {
		return Config{}, fmt.Errorf("dataset: %s:%d: aliases, merges and keys that are no plain words are not for a corpus.yaml: write the values out", path, n.Line)
	}
	file := configFile{Config: DefaultConfig()}
	dec = yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && err != io.EOF {
		return Config{}, yamlError(path, err)
	}
	c := file.Config
	switch len(file.Root) {
	case 0:
	case 1:
		c.Root = file.Root[0]
	default:
		c.Files = file.Root
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("dataset: %s: %w", path, err)
	}
	slices.SortFunc(c.Tests, func(a, b Test) int { return cmp.Compare(a.From, b.From) })
	return c, nil
}

// fancy returns the first node that is of the parts of YAML that no
// configuration needs, or nil. The decoder panics on some of their uses.
func fancy(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n
	}
	for i, child := range n.Content {
		if key := n.Kind == yaml.MappingNode && i%2 == 0; key && (child.Kind != yaml.ScalarNode || child.Value == "<<") {
			return child
		}
		if f := fancy(child); f != nil {
			return f
		}
	}
	return nil
}

var (
	yamlLine    = regexp.MustCompile(`^(?:yaml: )?line (\d+): (?s)(.*)$`)
	yamlKind    = regexp.MustCompile("^(?s)cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.*)$")
	yamlUnknown = regexp.MustCompile(`^(?s)field (.*) not found in type \w+\.\w+$`)
)

// yamlError brings an error of the YAML package into the form file:line: what.
func yamlError(path string, err error) error {
	msg := err.Error()
	if te, ok := errors.AsType[*yaml.TypeError](err); ok && len(te.Errors) > 0 {
		msg = te.Errors[0]
	}
	line := ""
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, msg = ":"+m[1], m[2]
	}
	if m := yamlUnknown.FindStringSubmatch(msg); m != nil {
		msg = "unknown key " + text.Quote(m[1])
	}
	if m := yamlKind.FindStringSubmatch(msg); m != nil {
		msg = wrongKind(m[1], m[2], m[3])
	}
	return fmt.Errorf("dataset: %s%s: %s", path, line, oneLine(strings.TrimPrefix(msg, "yaml: ")))
}

// wrongKind says that a value of a YAML tag stands where a Go type is wanted.
func wrongKind(tag, value, wanted string) string {
	got := text.Quote(value)
	switch tag {
	case "seq":
		got = "a list"
	case "map":
		got = "keys with values"
	}
	want := "keys with values, such as {a: b}"
	switch {
	case strings.HasPrefix(wanted, "[]"):
		want = "a list, such as [a, b]"
	case strings.HasPrefix(wanted, "float"), strings.HasPrefix(wanted, "int"), strings.HasPrefix(wanted, "uint"):
		want = "a number"
	case wanted == "string", strings.HasPrefix(wanted, "date."), strings.HasSuffix(wanted, "Names"), strings.HasSuffix(wanted, "Holdout"):
		want = "a text"
	}
	return got + ": want " + want
}

// splitName is what can begin a file name on every system.
var splitName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

func (c *Config) validate() error {
	if c.Index == "" || c.Root == "" {
		return errors.New("index and root must not be empty (root: . is the corpus folder)")
	}
	if slices.Contains(c.Files, "") {
		return errors.New("root: a place is empty")
	}
	if c.Names != ExactNames && c.Names != LooseNames {
		return fmt.Errorf("names is %s, want loose, or no such key: names then match byte for byte", text.Quote(string(c.Names)))
	}
	for _, s := range append(append([]string{c.Index, c.Root, c.Columns.Name, c.Columns.Label, c.Columns.FirstSeen, c.Columns.Group, c.SplitFile}, c.Labels...), c.Files...) {
		if !text.Printable(s) { // they appear in messages and reports
			return fmt.Errorf("%s holds characters that do not print", text.Quote(s))
		}
	}
	if err := validateColumns(c.Columns); err != nil {
		return err
	}
	if err := c.validateIndex(); err != nil {
		return err
	}
	if err := plan.Labels(c.Labels); err != nil {
		return err
	}
	t := c.Train
	if !(t.Fit > 0 && t.Fit < 1) { // so written to catch NaN
		return fmt.Errorf("train: fit is %v, want a share between 0 and 1: the rest is held out as In", t.Fit)
	}
	if !slices.Contains([]Holdout{"", HoldoutRandom, HoldoutLatest, HoldoutGroup}, t.Holdout) {
		return fmt.Errorf("train: holdout is %s, want random, latest or group", text.Quote(string(t.Holdout)))
	}
	if len(c.Tests) == 0 {
		return errors.New("tests: name at least one span to measure drift in")
	}
	for _, s := range c.Tests {
		if !(s.Sample > 0 && s.Sample <= 1) {
			return fmt.Errorf("tests: %s: sample is %v, want the share of its rows to draw, above 0 and up to 1", text.Quote(s.Name), s.Sample)
		}
	}
	return c.validateSpans()
}

func validateColumns(c Columns) error {
	if c.Name == "" || c.Label == "" || c.FirstSeen == "" {
		return errors.New("columns: name, label and first_seen must not be empty")
	}
	names := []string{c.Name, c.Label, c.FirstSeen, c.Group}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("columns: %s is there twice: each needs a column of its own", text.Quote(name))
		}
	}
	return nil
}

// validateIndex checks how the index is read.
func (c *Config) validateIndex() error {
	if len(c.Files) == 0 {
		c.Files = nil // as where the key is not there
	}
	if len(c.Map) == 0 {
		c.Map = nil
	}
	printed := append([]string{c.LabelsFrom, c.GroupsFrom}, c.Files...)
	for from, to := range c.Map {
		printed = append(printed, from)
		if to != nil {
			printed = append(printed, *to)
		}
	}
	for _, s := range printed {
		if !text.Printable(s) {
			return fmt.Errorf("%s holds characters that do not print", text.Quote(s))
		}
	}
	switch {
	case slices.Contains(c.Files, ""):
		return errors.New("files: a place is empty")
	case !slices.Contains([]date.Order{date.YearFirst, date.DayFirst, date.MonthFirst}, c.Dates):
		return fmt.Errorf("dates is %s, want dmy (day first) or mdy (month first)", text.Quote(string(c.Dates)))
	case !(c.SkipBad >= 0 && c.SkipBad < 1): // so written to catch NaN
		return fmt.Errorf("skip_bad is %v, want a share from 0 to less than 1", c.SkipBad)
	}
	return nil
}

// validateSpans checks the names and months of the spans together: names
// become files, and no row may be in two spans.
func (c *Config) validateSpans() error {
	spans := []Test{{Name: c.Train.Name, From: c.Train.From, To: c.Train.To}}
	spans = append(spans, c.Tests...)
	taken := map[string]bool{strings.TrimSuffix(rolesFile, ".csv"): true}
	for i, s := range spans {
		if !splitName.MatchString(s.Name) {
			return fmt.Errorf("split name %s cannot name a file: use letters, digits, '.', '_' and '-', at most 64", text.Quote(s.Name))
		}
		if s.To < s.From {
			return fmt.Errorf("span %s runs from %v to %v: swap from and to", text.Quote(s.Name), s.From, s.To)
		}
		for _, o := range spans[:i] {
			if s.From <= o.To && o.From <= s.To {
				return fmt.Errorf("spans %s and %s overlap: a row would be in both", text.Quote(o.Name), text.Quote(s.Name))
			}
		}
		names := []string{s.Name}
		if i == 0 {
			names = []string{FitName(s.Name), InName(s.Name)}
		}
		for _, name := range names {
			key := strings.ToLower(name) // some file systems fold case
			if taken[key] {
				return fmt.Errorf("split name %s is there twice (case does not count), or is that of %s", text.Quote(name), rolesFile)
			}
			taken[key] = true
		}
	}
	return nil
}

// MarshalJSON writes the configuration with its keys in lower case and with
// underscores, such as first_seen.
func (c Config) MarshalJSON() ([]byte, error) {
	type fields Config
	b, err := json.Marshal(fields(c))
	if err != nil {
		return nil, err
	}
	return renamed(b, underscored)
}

// UnmarshalJSON reads what MarshalJSON writes, and keys in the style of earlier
// versions, such as FirstSeen.
func (c *Config) UnmarshalJSON(b []byte) error {
	// Without underscores a key is that of its field but for the case, which
	// encoding/json does not look at.
	b, err := renamed(b, func(key string) string { return strings.ReplaceAll(key, "_", "") })
	if err != nil {
		return err
	}
	type fields Config
	return json.Unmarshal(b, (*fields)(c))
}

// renamed returns a JSON value with every key of its objects renamed.
func renamed(b []byte, rename func(string) string) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			out := make(map[string]any, len(v))
			for key, x := range v {
				out[rename(key)] = walk(x)
			}
			return out
		}
		return v
	}
	return json.Marshal(walk(value))
}

// underscored returns a name such as FirstSeen as first_seen.
func underscored(key string) string {
	var b strings.Builder
	for i, r := range key {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
