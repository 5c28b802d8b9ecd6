package index

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"driftbench/internal/text"
)

// Columns are the names of the columns of an index.
type Columns struct {
	Name      string `yaml:"name"`
	Label     string `yaml:"label"`
	FirstSeen string `yaml:"first_seen"`
	Group     string `yaml:"group"` // if empty, the column "group" of an index that has it
}

// DefaultColumns are the names of an index that no configuration describes.
var DefaultColumns = Columns{Name: "name", Label: "label", FirstSeen: "first_seen"}

// Labels that known forms give.
const (
	Benign    = "benign"
	Malicious = "malicious" // a file that is malicious and has no family
)

// form is a form of index that is told by its columns.
type form struct {
	name    string
	columns Columns
	needs   []string // further columns
	// label returns what gives the label of a record, and what to say of it. It may
	// use further columns.
	label func(l *layout, c Columns) (of func(fields [][]byte) (string, error), said string)
}

// forms are the known forms, of which the first counts that fits.
var forms = []form{
	{"BODMAS", Columns{"sha", "family", "timestamp", ""}, nil,
		func(l *layout, c Columns) (func([][]byte) (string, error), string) {
			at := l.use(c.Label)
			return func(f [][]byte) (string, error) {
				if label := l.given(f[at]); label != "" {
					return label, nil
				}
				return Benign, nil
			}, "a blank family is " + Benign
		}},
	{"MalwareBazaar", Columns{"sha256_hash", "signature", "first_seen_utc", ""}, nil, nil},
	{"EMBER2024", Columns{"sha256", "family", "first_submission_date", ""}, []string{"label"},
		func(l *layout, c Columns) (func([][]byte) (string, error), string) { return l.familyOf(c.Label) }},
	{"EMBER", Columns{"sha256", "label", "appeared", ""}, nil,
		func(l *layout, c Columns) (func([][]byte) (string, error), string) { return l.familyOf("avclass") }},
	{"SOREL-20M", Columns{"sha256", "is_malware", "rl_fs_t", ""}, nil,
		func(l *layout, c Columns) (func([][]byte) (string, error), string) { return l.tagOf() }},
}

var virusTotal = form{name: "VirusTotal", columns: Columns{"sha256", vtCategory, "first_submission_date", vtName}}

// joins reports whether records of a second file are found by digests.
func (o *Options) joins() bool { return o.LabelsFrom != "" || o.GroupsFrom != "" }

// hashColumns are columns by which the records of a second file are found.
var hashColumns = []string{"sha256", "sha1", "md5", "sha", "sha256_hash", "sha1_hash", "md5_hash", "id"}

// layout says which columns of a source are read, and what they mean.
type layout struct {
	form    string
	columns Columns
	said    string // of the label
	opt     *Options
	present []string // the columns of the source
	chosen  []int    // of present

	name, seen, group int   // places in the fields of a record; group is -1 where there is none
	otherNames        []int // in place of an empty name
	hashes            []int
	label             func(fields [][]byte) (string, error)
	ties              *int // records with several labels of one count
}

// use returns the place of a column among those that are read, or -1.
func (l *layout) use(column string) int {
	i := slices.Index(l.present, column)
	if i < 0 || column == "" {
		return -1
	}
	if at := slices.Index(l.chosen, i); at >= 0 {
		return at
	}
	l.chosen = append(l.chosen, i)
	return len(l.chosen) - 1
}

// fits reports whether columns have those of o or of a known form.
func fits(o *Options, columns []string) bool {
	l := layout{opt: o, present: columns}
	return l.find(nil) == nil
}

// find finds the form of the columns that are present: the columns of the
// configuration, else a known form, in which the columns that the configuration
// names stand for those of the form.
func (l *layout) find(only *form) error {
	want := l.opt.Columns
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return n != "" && !slices.Contains(l.present, n) })
	}
	var found *form
	columns := want
	if only != nil || !has(want.Name, want.Label, want.FirstSeen) {
		for i := range forms {
			f := &forms[i]
			if only != nil {
				f = only
			}
			c := f.columns.override(want)
			if only == nil && (!has(c.Name, c.Label, c.FirstSeen) || c.Label == f.columns.Label && !has(f.needs...)) {
				continue
			}
			found, columns = f, c
			break
		}
	}
	for _, c := range []string{columns.Name, columns.Label, columns.FirstSeen, columns.Group} {
		if i := slices.Index(l.present, c); c != "" && i >= 0 && slices.Contains(l.present[i+1:], c) {
			return fmt.Errorf("column %q is there twice: rename one", c)
		}
	}
	if found == nil || want.Group != "" {
		var missing []string
		required := []string{columns.Name, columns.Label, columns.FirstSeen, columns.Group}
		for _, c := range required {
			if !has(c) {
				missing = append(missing, fmt.Sprintf("%q", c))
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("no column %s in the header %s: rename or add it, or set columns in corpus.yaml", strings.Join(missing, ", "), cmp.Or(text.Header(l.present), "(not shown)"))
		}
	}
	if columns.Group == "" && has("group") && !slices.Contains([]string{columns.Name, columns.Label, columns.FirstSeen}, "group") {
		columns.Group = "group"
		if i := slices.Index(l.present, "group"); slices.Contains(l.present[i+1:], "group") {
			return fmt.Errorf("column %q is there twice: rename one", "group")
		}
	}
	l.columns = columns
	l.form = "columns " + strings.Join([]string{columns.Name, columns.Label, columns.FirstSeen}, ", ")
	l.name, l.seen, l.group = l.use(columns.Name), l.use(columns.FirstSeen), l.use(columns.Group)
	for _, h := range hashColumns {
		if !l.opt.joins() {
			break
		}
		if at := l.use(h); at >= 0 {
			l.hashes = append(l.hashes, at)
		}
	}
	if only != nil && columns.Name == only.columns.Name {
		l.otherNames = []int{l.use("id"), l.use("sha1"), l.use("md5")}
	}
	if found != nil {
		l.form = found.name
		if found.label != nil && columns.Label == found.columns.Label {
			l.label, l.said = found.label(l, columns)
			return nil
		}
	}
	at := l.use(columns.Label)
	l.label = func(f [][]byte) (string, error) { return l.given(f[at]), nil }
	return nil
}

// override returns c with the columns that a configuration sets.
func (c Columns) override(by Columns) Columns {
	if by.Name != DefaultColumns.Name {
		c.Name = by.Name
	}
	if by.Label != DefaultColumns.Label {
		c.Label = by.Label
	}
	if by.FirstSeen != DefaultColumns.FirstSeen {
		c.FirstSeen = by.FirstSeen
	}
	if by.Group != "" {
		c.Group = by.Group
	}
	return c
}

// given returns the label in a field, or "" for a value that says that there is
// none: those that pandas reads as missing.
func (l *layout) given(field []byte) string {
	if len(field) == 0 {
		return ""
	}
	label := l.opt.keep(field)
	switch label {
	case "n/a", "N/A", "NA", "nan", "NaN", "null", "NULL", "None", "<NA>", "#N/A":
		if !l.opt.listed(label) {
			return ""
		}
	}
	if strings.TrimSpace(label) == "" {
		return ""
	}
	return label
}

// familyOf returns the label of EMBER's records: the family of a malicious file
// (label 1), benign (0), and none of a file without a label (-1).
func (l *layout) familyOf(column string) (func([][]byte) (string, error), string) {
	family, kind := l.use(column), l.use("label")
	said := fmt.Sprintf("label 0 is %s, 1 is %s, -1 is none", Benign, Malicious)
	if family >= 0 {
		said = fmt.Sprintf("label 0 is %s, 1 is the %s, -1 is none", Benign, column)
	}
	return func(f [][]byte) (string, error) {
		switch string(f[kind]) {
		case "0", "0.0", "false", "False":
			return Benign, nil
		case "-1", "-1.0", "":
			return "", nil
		case "1", "1.0", "true", "True":
			if family < 0 {
				return Malicious, nil
			}
			return l.familyOr(l.given(f[family])), nil
		}
		return "", fmt.Errorf("label %s: want 0, 1 or -1", text.Quote(string(f[kind])))
	}, said
}

// familyOr returns the family of a malicious file. One that has none has no label
// either, but where the configuration speaks of malicious files.
func (l *layout) familyOr(family string) string {
	if family == "" && l.opt.listed(Malicious) {
		return Malicious
	}
	return family
}

// sorelTags are the columns of SOREL-20M that count the names of scanners which
// speak of a behaviour (Harang and Rudd 2020).
var sorelTags = []string{"adware", "flooder", "ransomware", "dropper", "spyware", "packed", "crypto_miner", "file_infector", "installer", "worm", "downloader"}

// tagOf returns the label of SOREL's rows: of a malicious file the tag with the
// largest count, of equals the first.
func (l *layout) tagOf() (func([][]byte) (string, error), string) {
	malware := l.use("is_malware")
	var tags []string
	var places []int
	for _, tag := range sorelTags {
		if at := l.use(tag); at >= 0 {
			tags, places = append(tags, tag), append(places, at)
		}
	}
	said := fmt.Sprintf("is_malware 0 is %s, 1 is the tag with the largest count", Benign)
	if len(tags) == 0 {
		said = fmt.Sprintf("is_malware 0 is %s, 1 is %s", Benign, Malicious)
	}
	l.ties = new(int)
	return func(f [][]byte) (string, error) {
		switch string(f[malware]) {
		case "0", "0.0", "false", "False":
			return Benign, nil
		case "1", "1.0", "true", "True":
		default:
			return "", fmt.Errorf("is_malware %s: want 0 or 1", text.Quote(string(f[malware])))
		}
		if len(tags) == 0 {
			return Malicious, nil
		}
		best, most, equal := "", 0.0, false
		for i, at := range places {
			n, err := strconv.ParseFloat(string(f[at]), 64)
			if err != nil && len(f[at]) > 0 {
				return "", fmt.Errorf("%s %s: want a count", tags[i], text.Quote(string(f[at])))
			}
			if n > most {
				best, most, equal = tags[i], n, false
			} else if n == most && n > 0 {
				equal = true
			}
		}
		if equal {
			*l.ties++
		}
		return l.familyOr(best), nil
	}, said
}
