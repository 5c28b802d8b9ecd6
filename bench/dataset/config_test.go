package dataset

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"driftbench/internal/fuzzing"
)

// defaultYAML is the default configuration written out.
const defaultYAML = `
index: dataset.csv
columns: {name: name, label: label, first_seen: first_seen, group: ""}
root: .
trim: ""
labels: [trojan, virus, worm, backdoor]
train: {name: "2017", from: 2017-01, to: 2017-12, fit: 0.7123, holdout: ""}
tests:
  - {name: 2018-Q1,   from: 2018-01, to: 2018-03, sample: 0.3}
  - {name: 2018-late, from: 2018-04, to: 2018-12, sample: 0.3}
  - {name: 2019,      from: 2019-01, to: 2019-12, sample: 0.3}
seed: 1
split: ""
`

func TestConfigDefaults(t *testing.T) {
	for name, text := range map[string]string{
		"written out": defaultYAML,
		"empty":       "",
		"comment":     "# nothing\n",
		"one key":     "seed: 1\n",
		"test order": `tests:
  - {name: 2019,      from: 2019-01, to: 2019-12, sample: 0.3}
  - {name: 2018-late, from: 2018-04, to: 2018-12, sample: 0.3}
  - {name: 2018-Q1,   from: 2018-01, to: 2018-03, sample: 0.3}
`,
	} {
		got, err := parseConfig([]byte(text), "corpus.yaml")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if want := DefaultConfig(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	got, err := parseConfig([]byte("train: {fit: 0.5}\ncolumns: {group: release}"), "corpus.yaml")
	want := DefaultConfig()
	want.Train.Fit = 0.5
	want.Columns.Group = "release"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a part of train and columns: %+v, %v, want the rest as by default", got, err)
	}
}

func TestConfigErrors(t *testing.T) {
	span := func(name, from, to string) string {
		return "tests: [{name: " + name + ", from: " + from + ", to: " + to + ", sample: 1}]"
	}
	for _, c := range []struct{ text, want string }{
		{"seed: 1\nlables: [a]\n", `corpus.yaml:2: unknown key "lables"`},
		{"train:\n  fitt: 1\n", `corpus.yaml:2: unknown key "fitt"`},
		{"allowoutside: true", `unknown key "allowoutside"`},
		{"seed: -1", "corpus.yaml:1: "},
		{"train: {<<, {name: a}}", "corpus.yaml:1: aliases, merges"},
		{"seed: 1\nlabels: &l [a]\ntests: *l", "corpus.yaml:3: aliases, merges"},
		{"{a: b}: c", "corpus.yaml:1: aliases, merges"},
		{"seed: [", "corpus.yaml:1: "},
		{"\nseed: 1\nseed: 2", "corpus.yaml:3: "},
		{"seed: 1\n---\nseed: 2\n", "more than one YAML document"},
		{"train: {from: 2017-13}", `corpus.yaml:1: "2017-13" is no month`},
		{"train: {from: 2017-1-01}", `corpus.yaml:1: "2017-1-01" is no month`},
		{"train: {fit: 0}", "fit is 0"},
		{"train: {fit: 1}", "fit is 1"},
		{"train: {fit: .nan}", "fit is NaN"},
		{"train: {holdout: newest}", `holdout is "newest", want random, latest or group`},
		{"train: {holdout: frozen}", `holdout is "frozen", want random, latest or group`},
		{"train: {from: 2018-01}", `span "2017" runs from 2018-01 to 2017-12: swap`},
		{"train: {name: a/b}", `"a/b" cannot name a file`},
		{"train: {name: ..}", `".." cannot name a file`},
		{"train: {name: ''}", `"" cannot name a file`},
		{"columns: {nam: x}", `corpus.yaml:1: unknown key "nam"`},
		{"columns: {name: ''}", "columns: name, label and first_seen must not be empty"},
		{"columns: {group: label}", `columns: "label" is there twice`},
		{`columns: {group: "a\e[31m"}`, `"a\x1b[31m" holds characters that do not print`},
		{span("roles", "2018-01", "2018-01"), `"roles" is there twice (case does not count), or is that of roles.csv`},
		{"labels: [a, ' ']", "label 2 is empty"},
		{"labels: []", "name at least one class"},
		{"labels: [a, '']", "label 2 is empty"},
		{"labels: [a, b, a]", `"a" is there twice`},
		{`labels: ["a\e[31m"]`, `"a\x1b[31m" holds characters that do not print`},
		{"tests: []", "at least one span"},
		{"tests: [{name: a, from: 2018-01, to: 2018-02}]", `"a": sample is 0`},
		{span("a", "2017-12", "2018-01"), `spans "2017" and "a" overlap`},
		{span("2017-VAL", "2018-01", "2018-01"), `"2017-VAL" is there twice`},
		{span(strings.Repeat("x", 65), "2018-01", "2018-01"), "cannot name a file"},
		{"root: ''", "must not be empty"},
		{"root: ['', a]", "root: a place is empty"},
		{"dates: ymd", `dates is "ymd", want dmy`},
		{"skip_bad: 1", "skip_bad is 1, want a share"},
		{"skip_bad: .nan", "skip_bad is NaN"},
		{`map: {a: "\e[31m"}`, "holds characters that do not print"},
		{"map: {*: x}", "corpus.yaml: "},
	} {
		_, err := parseConfig([]byte(c.text), "corpus.yaml")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q in it", c.text, err, c.want)
		} else if strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q: error %q is not one line", c.text, err)
		}
	}
}

func places(t *testing.T, c Config) []string {
	t.Helper()
	all, err := c.Places()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A configuration of as many labels as its size allows is checked in linear time.
func TestConfigOfManyLabels(t *testing.T) {
	labels := make([]string, 150_000)
	for i := range labels {
		labels[i] = strconv.Itoa(i)
	}
	start := time.Now()
	c, err := parseConfig([]byte("labels: ["+strings.Join(labels, ",")+"]"), "corpus.yaml")
	if err != nil || len(c.Labels) != len(labels) {
		t.Errorf("%d labels, error %v", len(c.Labels), err)
	}
	if took := time.Since(start); took > 10*time.Second { // a quadratic check takes minutes
		t.Errorf("took %v", took)
	}
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	c, err := LoadConfig(dir)
	if err != nil || c.Dir != dir || c.IndexPath() != filepath.Join(dir, "dataset.csv") || !slices.Equal(places(t, c), []string{dir}) {
		t.Errorf("without corpus.yaml: %+v, %v", c, err)
	}
	if _, err := LoadConfig(filepath.Join(dir, "nowhere")); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("missing folder: %v", err)
	}
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(other, []byte("root: /files\nseed: 7"), 0o644); err != nil {
		t.Fatal(err)
	}
	several := filepath.Join(t.TempDir(), "several.yaml")
	if err := os.WriteFile(several, []byte("root: [a, /files]\nnames: loose"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err = LoadConfigFile(dir, several)
	if err != nil || c.Names != LooseNames || !slices.Equal(places(t, c), []string{filepath.Join(dir, "a"), "/files"}) {
		t.Errorf("two places: %+v, %v", c, err)
	}
	c, err = LoadConfigFile(dir, other)
	if err != nil || c.Seed != 7 || !slices.Equal(places(t, c), []string{"/files"}) || c.IndexPath() != filepath.Join(dir, "dataset.csv") {
		t.Errorf("another file: %+v, %v", c, err)
	}
	utf16 := []byte{0xff, 0xfe}
	for _, c := range []byte("seed: 7\nlabels: [a]") {
		utf16 = append(utf16, c, 0)
	}
	if err := os.WriteFile(other, utf16, 0o644); err != nil {
		t.Fatal(err)
	}
	if c, err = LoadConfigFile(dir, other); err != nil || c.Seed != 7 || len(c.Labels) != 1 {
		t.Errorf("UTF-16: %+v, %v", c, err)
	}
	if _, err := LoadConfigFile(dir, filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("a missing file that was asked for is no error")
	}
}

// A named pipe in place of a file of ours is refused, not waited for.
func TestLoadRefusesPipes(t *testing.T) {
	for _, name := range []string{"corpus.yaml", "dataset.csv"} {
		dir := t.TempDir()
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
		result := make(chan error, 1)
		go func() { _, err := Load(dir, Options{}); result <- err }()
		select {
		case err := <-result:
			if err == nil || !strings.Contains(err.Error(), "is a named pipe") {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: hangs", name)
		}
	}
}

func TestMonth(t *testing.T) {
	for _, s := range []string{"0000-01", "1999-12", "2017-01", "9999-12"} {
		if m, err := ParseMonth(s); err != nil || m.String() != s {
			t.Errorf("%s: %v, %v", s, m, err)
		}
	}
	if b, err := json.Marshal([]Month{2017 * 12}); err != nil || string(b) != `["2017-01"]` {
		t.Errorf("in JSON: %s, %v", b, err)
	}
	a, _ := ParseMonth("2017-12")
	b, _ := ParseMonth("2018-02")
	if b-a != 2 {
		t.Errorf("2017-12 to 2018-02 is %d months", b-a)
	}
	for _, s := range []string{"", "2017", "2017-00", "2017-13", "2017/01", "2017-1", "17-01-01", "2017-01-01", "٢٠١٧-1"} {
		if m, err := ParseMonth(s); err == nil {
			t.Errorf("%q is %v", s, m)
		}
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		defaultYAML, "", "seed: 1\nlables: [a]", "a: &a [*a]", "tests: null", "train: ~", "? [", "labels: !!binary aGk=", "columns: {group: x}\nsplit: splits/roles.csv",
		"x: &x [1,1]\ny: &y [*x,*x]\nz: [*y,*y]", "train: {<<: {name: a}}", "seed: 0x10", "\ufeffseed: 3",
		"root: [a, s3://b/c]\nmap: {a: b, '*': ~, c: ''}\nskip_bad: 0.1\ndates: dmy\nquery: SELECT 1\nlabels_from: x\nmap: {}", "map: {}\nroot: []", "map: {a: ~}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Config
		var err error
		// A node of YAML is 150 bytes, and "[" is one.
		took := fuzzing.Allocated(func() { c, err = parseConfig(b, "corpus.yaml") })
		if most := 1<<20 + 4096*uint64(len(b)); took > most {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "corpus.yaml") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		file := configFile{c, c.Files}
		if len(c.Files) == 0 {
			file.Root = rootList{c.Root}
		}
		again, err := yaml.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := parseConfig(again, "again.yaml"); err != nil || !reflect.DeepEqual(c, d) {
			t.Errorf("%+v became %+v, %v", c, d, err)
		}
		last := c.Train.To
		if c.Train.From > c.Train.To || len(c.Labels) == 0 || len(c.Tests) == 0 {
			t.Errorf("accepted %+v", c)
		}
		for i, s := range c.Tests {
			if s.From > s.To || i > 0 && s.From <= last || filepath.Base(s.Name) != s.Name {
				t.Errorf("accepted %+v", c)
			}
			last = s.To
		}
	})
}

// The keys of a configuration in JSON are of one style, and those of earlier
// versions are read.
func TestConfigJSON(t *testing.T) {
	want := DefaultConfig()
	want.Columns.FirstSeen, want.SplitFile, want.AllowOutside = "seen", "roles.csv", true
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); strings.ToLower(strings.ReplaceAll(s, "2018-Q1", "")) != strings.ReplaceAll(s, "2018-Q1", "") || !strings.Contains(s, `"first_seen":"seen"`) || !strings.Contains(s, `"split_file":"roles.csv"`) {
		t.Errorf("written as %s", s)
	}
	type fields Config // as earlier versions wrote it
	old, err := json.Marshal(fields(want))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{b, old} {
		var got Config
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v", b, got, err)
		}
	}
}

func TestConfigOfOtherKinds(t *testing.T) {
	for config, want := range map[string]string{
		"map: [a]":             "c.yaml:1: a list: want keys with values",
		"labels: trojan":       `c.yaml:1: "trojan": want a list`,
		"seed: x":              `c.yaml:1: "x": want a number`,
		"columns: {name: [a]}": "c.yaml:1: a list: want a text",
	} {
		if _, err := parseConfig([]byte(config), "c.yaml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}

// A corpus that comes from elsewhere reads nothing outside of its folder, by no
// key and no link, unless the user allows it or names the path.
func TestPathsStayInTheCorpus(t *testing.T) {
	top := t.TempDir()
	dir, victim := filepath.Join(top, "corpus"), filepath.Join(top, "victim")
	write := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	index := "name,label,first_seen\n"
	for _, l := range []string{"trojan", "virus", "worm", "backdoor"} {
		for i := range 4 {
			index += fmt.Sprintf("%s%d,%s,2017-0%d\n", l, i, l, i+1)
		}
		for _, month := range []string{"2018-01", "2018-05", "2019-01"} {
			for i := range 2 {
				index += fmt.Sprintf("%s%s%d,%s,%s\n", l, month, i, l, month)
			}
		}
	}
	const secret = "root:x:0:0"
	write(filepath.Join(victim, "secret"), secret+"\n")
	write(filepath.Join(victim, "dataset.csv"), index)
	write(filepath.Join(dir, "sub", "index.csv"), index)
	for link, to := range map[string]string{"link": victim, "linked": filepath.Join(victim, "dataset.csv"), "within": "sub"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir, filepath.Join(top, "alias")); err != nil {
		t.Fatal(err)
	}
	load := func(dir, yaml string, opt Options) error {
		os.Remove(filepath.Join(dir, "corpus.yaml"))
		write(filepath.Join(dir, "corpus.yaml"), yaml)
		_, err := Load(dir, opt)
		return err
	}
	for _, tc := range []struct{ yaml, want string }{
		{"index: sub/index.csv", ""},
		{"index: within/../sub/index.csv", ""},
		{"index: within/index.csv\nroot: within", ""},
		{"index: " + filepath.Join(dir, "sub", "index.csv"), ""},
		{"index: sub/index.csv\nroot: none", ""},
		{"index: ../victim/dataset.csv", `corpus.yaml: index "../victim/dataset.csv" leads out of the corpus folder: allow it with --allow-outside, or give it by --index`},
		{"index: ../victim/secret", `leads out of the corpus folder`},
		{"index: " + filepath.Join(victim, "secret"), `leads out of the corpus folder`},
		{"index: linked", `index "linked" leads out of the corpus folder`},
		{"index: link/secret", `index "link/secret" leads out`},
		{"index: sub/index.csv\nroot: ../victim", `root "../victim" leads out of the corpus folder: allow it with --allow-outside, or give it by --files`},
		{"index: sub/index.csv\nroot: link", `root "link" leads out`},
		{"index: sub/index.csv\nroot: /", `root "/" leads out`},
		{"index: sub/index.csv\nroot: [sub, ../victim]", `root "../victim" leads out`},
		{"index: sub/index.csv\nroot: s3://bucket/samples", `root "s3://bucket/samples" leads out`},
		{"index: sub/index.csv\nlabels_from: ../victim/secret", `labels_from "../victim/secret" leads out`},
		{"index: sub/index.csv\ngroups_from: link/secret", `groups_from "link/secret" leads out`},
		{"index: sub/index.csv\nsplit: ../victim/secret", `split "../victim/secret" leads out`},
	} {
		for _, folder := range []string{dir, filepath.Join(top, "alias")} {
			err := load(folder, tc.yaml, Options{})
			if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), secret)) {
				t.Errorf("%q: %v, want %q", tc.yaml, err, tc.want)
			}
		}
		if err := load(dir, tc.yaml, Options{AllowOutside: true}); err != nil && (strings.Contains(err.Error(), "leads out of the corpus") || strings.Contains(err.Error(), secret)) {
			t.Errorf("%q, allowed: %v", tc.yaml, err)
		}
	}
	trusted := Options{Index: filepath.Join(victim, "dataset.csv"), Files: []string{victim, "s3://bucket/samples"}}
	if err := load(dir, "index: /etc/shadow\nroot: /", trusted); err != nil {
		t.Errorf("paths of the command line: %v", err)
	}
	os.Remove(filepath.Join(dir, "corpus.yaml"))
	if err := os.Symlink(filepath.Join(victim, "secret"), filepath.Join(dir, "corpus.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, Options{}); err == nil || !strings.Contains(err.Error(), `the configuration "corpus.yaml" leads out`) || strings.Contains(err.Error(), "root") {
		t.Errorf("a configuration that is a link: %v", err)
	}
	os.Remove(filepath.Join(dir, "corpus.yaml"))
	if err := os.Symlink(filepath.Join(victim, "secret"), filepath.Join(dir, "dataset.csv")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, Options{}); err == nil || !strings.Contains(err.Error(), `index "dataset.csv" leads out`) {
		t.Errorf("an index that is a link: %v", err)
	}
	// What a table does not have is named, and a line of something else is not shown.
	if _, err := Load("", Options{Index: filepath.Join(victim, "secret")}); err == nil || !strings.Contains(err.Error(), `no column "name", "label", "first_seen" in the header (not shown)`) {
		t.Errorf("an index that is no table: %v", err)
	}
}
