package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/internal/fixture"
	"driftbench/internal/fuzzing"
	"driftbench/internal/origin"
	"driftbench/report"
)

// What a split is for is never told from how its name ends.
func TestReadSplitsTakesRolesFromTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"x-fit", "x-val", "2018-val", "2019-fit"} {
		if err := features.Write(filepath.Join(dir, "features"), fixture.Split(name, 2017+max(0, i-1), i)); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "corpus.yaml")
	writeFile(t, config, `labels: [a, b]
train: {name: x, from: 2017-01, to: 2017-12}
tests:
  - {name: 2018-val, from: 2018-01, to: 2018-12, sample: 1}
  - {name: 2019-fit, from: 2019-01, to: 2019-12, sample: 1}
`)
	opt := Options{Features: filepath.Join(dir, "features"), Resamples: 2}
	opt.Dataset.ConfigFile = config
	s, err := ReadSplits(opt)
	if err != nil {
		t.Fatal(err)
	}
	names := func(s *Splits) (names []string) {
		for _, x := range s.All() {
			names = append(names, string(x.Role)+" "+x.Name)
		}
		return names
	}
	want := []string{"fit x-fit", "in x-val", "out 2018-val", "out 2019-fit"}
	if got := names(s); !slices.Equal(got, want) || s.Train != "x" {
		t.Errorf("train %q, splits %q, want %q", s.Train, got, want)
	}
	// Without a configuration the one pair tells.
	alone, err := ReadSplits(Options{Features: opt.Features})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(alone); !slices.Equal(got, want) {
		t.Errorf("by the pair: %q, want %q", got, want)
	}

	// A fit file replaces its own two splits alone.
	path := filepath.Join(dir, "some.fit")
	if err := os.WriteFile(path, savedBytes(t, opt), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"", "x-fit", "x-val"} {
		if part != "" {
			if err := os.Remove(filepath.Join(opt.Features, part+".csv")); err != nil {
				t.Fatal(err)
			}
		}
		later, err := ReadSplits(Options{Features: opt.Features, FitFile: path})
		if err != nil {
			t.Fatal(err)
		}
		if got := names(later); !slices.Equal(got, want) {
			t.Errorf("with a fit file, without %q: %q, want %q", part, got, want)
		}
	}
}

// A fit file needs no pair to be told by names, and no split may have the name of
// one of its own.
func TestReadSplitsWithFitFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "some.fit")
	if err := os.WriteFile(path, savedBytes(t, Options{Features: fixture.Features(t)}), 0o666); err != nil {
		t.Fatal(err)
	}
	write := func(names ...string) string {
		dir := filepath.Join(t.TempDir(), "features")
		for i, name := range names {
			if err := features.Write(dir, fixture.Split(name, 2018+i, i)); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	s, err := ReadSplits(Options{Features: write("x-fit", "x-val", "y-fit", "y-val"), FitFile: path})
	if err != nil || len(s.Out) != 4 || s.Train != "2017" {
		t.Errorf("%+v, %v", s, err)
	}
	dir := write("A-fit", "A-val", "2017-val")
	writeFile(t, filepath.Join(filepath.Dir(dir), "manifest.json"), `{"command":["x"],"splits":[
		{"name":"A-fit","role":"fit","from":"2018-01","to":"2018-12"},
		{"name":"A-val","role":"in","from":"2018-01","to":"2018-12"},
		{"name":"2017-val","role":"out","from":"2020-01","to":"2020-12"}]}`)
	if _, err := ReadSplits(Options{Features: dir, FitFile: path}); err == nil || !strings.Contains(err.Error(), `the split "2017-val" has the name of a split of the fit file`) {
		t.Errorf("a later split of the name of In: %v", err)
	}
}

// An evaluation does not keep the detectors of the one before.
// Features that stay on disk, of which a row is dropped and some are excluded, give
// the results of features in memory.
func TestEvaluateReadsFeatures(t *testing.T) {
	opt := Options{Features: t.TempDir(), Resamples: 2}
	for i, name := range []string{"x-fit", "x-val", "2018", "2019"} {
		x := fixture.Split(name, 2017+max(0, i-1), i)
		if i == 1 {
			x.Rows[3].SHA256 = fixture.Split("x-fit", 2017, 0).Rows[0].SHA256
		}
		if i == 2 {
			x.Layers[0].Data[7*x.Layers[0].Width] = float32(math.Inf(1))
		}
		if err := features.Write(opt.Features, x); err != nil {
			t.Fatal(err)
		}
	}
	onDisk, err := ReadSplits(opt)
	if err != nil {
		t.Fatal(err)
	}
	inMemory, err := ReadSplits(opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range inMemory.All() {
		for i, l := range x.Layers {
			if l.Read == nil {
				t.Errorf("layer %s of %s is in memory", l.Name, x.Name)
			}
			data := make([]float32, len(x.Rows)*l.Width)
			if err := l.ReadRows(data, 0, len(x.Rows)); err != nil {
				t.Fatal(err)
			}
			x.Layers[i] = features.Layer{Name: l.Name, Width: l.Width, Data: data}
		}
	}
	if inMemory.In.Excluded != 1 || inMemory.Out[0].Dropped != 1 {
		t.Fatalf("%d rows excluded, %d dropped", inMemory.In.Excluded, inMemory.Out[0].Dropped)
	}
	want, err := Evaluate(t.Context(), inMemory, opt)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Evaluate(t.Context(), onDisk, opt)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Error("the results differ")
	}
	for i, x := range inMemory.All() {
		for name, scores := range x.Scores {
			if !slices.Equal(scores, onDisk.All()[i].Scores[name]) {
				t.Errorf("scores of %s by %s differ", x.Name, name)
			}
		}
	}
}

// The rows of several splits under each other are those of each in order, whichever
// are asked for.
func TestStackFeatures(t *testing.T) {
	var splits []*Split
	n := 0
	for _, rows := range []int{3, 1, 4} {
		x := &Split{Split: features.Split{Rows: make([]features.Row, rows), Layers: []features.Layer{{Name: "a", Width: 1}}}}
		for range rows {
			x.Layers[0].Data = append(x.Layers[0].Data, float32(n))
			n++
		}
		splits = append(splits, x)
	}
	m := stackFeatures(splits)["a"]
	if m.Rows != n {
		t.Fatalf("%d rows, want %d", m.Rows, n)
	}
	for lo := range n {
		for hi := lo + 1; hi <= n; hi++ {
			got := make([]float32, hi-lo)
			if err := m.Read(got, lo, hi); err != nil {
				t.Fatal(err)
			}
			for i, v := range got {
				if v != float32(lo+i) {
					t.Errorf("rows %d to %d: %v", lo, hi, got)
					break
				}
			}
		}
	}
	splits[1].Layers[0] = features.Layer{Name: "a", Width: 2, Data: make([]float32, 2)}
	if err := stackFeatures(splits)["a"].Read(make([]float32, n), 0, n); err == nil {
		t.Error("no error for layers that differ in width")
	}
}

func TestEvaluateTwice(t *testing.T) {
	s, err := ReadSplits(Options{Features: fixture.Features(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"msp", "energy"} {
		r, err := Evaluate(t.Context(), s, Options{Detectors: []string{name}, Resamples: 1})
		if err != nil || len(r.Detectors) != 1 || r.Detectors[0].Name != name {
			t.Errorf("%s: %+v, %v", name, r.Detectors, err)
		}
	}
	if _, err := Evaluate(t.Context(), s, Options{Resamples: -1}); err == nil {
		t.Error("no error for -1 resamples")
	}
}

// Where names are all there is, they have to be clear.
func TestReadSplitsRefuses(t *testing.T) {
	for want, names := range map[string][]string{
		"more than one pair <train>-fit and <train>-val":   {"a-fit", "a-val", "b-fit", "b-val"},
		"want one <train>-fit, one <train>-val and later":  {"a-fit", "b-val", "2019"},
		"holds the splits 2019: want one <train>-fit, one": {"2019"},
	} {
		dir := t.TempDir()
		for i, name := range names {
			if err := features.Write(dir, fixture.Split(name, 2017, i)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := ReadSplits(Options{Features: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", names, err, want)
		}
	}
}

// savedBytes returns the fit file of an evaluation of opt.
func savedBytes(t testing.TB, opt Options) []byte {
	t.Helper()
	s, err := ReadSplits(opt)
	if err != nil {
		t.Fatal(err)
	}
	opt.Resamples = 2
	if _, err := Evaluate(t.Context(), s, opt); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "some.fit")
	if err := saveFit(path, s); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// resealed is a fit file with another description and a valid checksum.
func resealed(t *testing.T, file string, change func(*savedFit)) string {
	t.Helper()
	meta, rest, _ := strings.Cut(strings.TrimPrefix(file, fitMagic), "\n")
	var f savedFit
	if err := json.Unmarshal([]byte(meta), &f); err != nil {
		t.Fatal(err)
	}
	change(&f)
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	body := fitMagic + string(b) + "\n" + rest[:len(rest)-sha256.Size]
	sum := sha256.Sum256([]byte(body))
	return body + string(sum[:])
}

func TestReadFitRefuses(t *testing.T) {
	dir := fixture.Features(t)
	good := string(savedBytes(t, Options{Features: dir}))
	if _, err := parseFit([]byte(resealed(t, good, func(*savedFit) {}))); err != nil {
		t.Fatalf("an unchanged fit: %v", err)
	}
	for name, tc := range map[string]struct{ file, want string }{
		"empty":         {"", "not written by --save-fit"},
		"other file":    {"PK\x03\x04", "not written by --save-fit"},
		"other version": {strings.Replace(good, "fit 2\n", "fit 3\n", 1), "not of version 2"},
		"only a header": {fitMagic, "cut short"},
		"cut short":     {good[:len(good)-1], "cut short or damaged"},
		"one bit":       {good[:200] + string(good[200]^1) + good[201:], "cut short or damaged"},
		"climbing name": {resealed(t, good, func(f *savedFit) { f.Train = "../2017" }), "cannot name a file"},
		"no labels":     {resealed(t, good, func(f *savedFit) { f.Labels = nil }), "labels"},
		"same labels":   {resealed(t, good, func(f *savedFit) { f.Labels[0] = f.Labels[1] }), `"b" is there twice`},
		"no such class": {resealed(t, good, func(f *savedFit) { f.In.Classes[3] = 2 }), "class 2 of 2"},
		"short column":  {resealed(t, good, func(f *savedFit) { f.Fit.SHA256 = f.Fit.SHA256[1:] }), "differ in length"},
		"lost scores":   {resealed(t, good, func(f *savedFit) { delete(f.In.Scores, "msp") }), "0 scores of msp"},
		"bad month":     {resealed(t, good, func(f *savedFit) { f.In.FirstSeen[0] = []byte("2017") }), "begins with no month"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "some.fit")
			writeFile(t, path, tc.file)
			_, err := ReadSplits(Options{Features: dir, FitFile: path})
			if err == nil || !strings.HasPrefix(err.Error(), "reading the fit "+path+": ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// What was made by two models, or of two indexes, is not joined; other engines,
// files that changed and files that do not tell are warned of.
func TestReadSplitsJoins(t *testing.T) {
	layers := []origin.Layer{{Name: "layer7", Width: 2}, {Name: "layer8", Width: 3}, {Name: "logits", Width: 2}}
	hash := func(digit string) string { return strings.Repeat(digit, 64) }
	from := func(model, engine, index string) features.Source {
		return features.Source{Origin: origin.Origin{ModelSHA256: hash(model), EngineIdentity: engine, Layers: layers}, IndexSHA256: hash(index)}
	}
	a := from("a", "table", "1")
	write := func(t *testing.T, sources ...features.Source) (out string) {
		out = t.TempDir()
		for i, name := range []string{"2017-fit", "2017-val", "2019"} {
			s := fixture.Split(name, 2017+2*(i/2), i)
			s.Source = sources[i]
			if err := features.Write(filepath.Join(out, "features"), s); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	config := dataset.DefaultConfig()
	config.Labels = []string{"a", "b"}
	describe := func(t *testing.T, out string, change func(*Manifest)) {
		m := newManifest(Options{Command: []string{"driftbench", "extract"}})
		m.Config, m.IndexSHA256, m.Origin = &config, hash("1"), a.Origin
		span := func(name string, role report.Role, year int) SplitSummary {
			return SplitSummary{name, role, dataset.Month(12 * year), dataset.Month(12*year + 11), 12, 0}
		}
		m.Splits = []SplitSummary{span("2017-fit", report.RoleFit, 2017), span("2017-val", report.RoleIn, 2017), span("2019", report.RoleOut, 2019)}
		change(m)
		if err := m.write(out); err != nil {
			t.Fatal(err)
		}
	}
	same := func(*Manifest) {}
	edit := func(t *testing.T, path string, at int64) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[at] ^= 1
		writeFile(t, path, string(b))
	}
	fit := func(source features.Source) func(*testing.T) string {
		return func(t *testing.T) string {
			out := write(t, source, source, source)
			path := filepath.Join(out, "some.fit")
			if err := os.WriteFile(path, savedBytes(t, Options{Features: filepath.Join(out, "features")}), 0o666); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	version1 := func(t *testing.T) string { // as it was written before
		path := fit(a)(t)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := resealed(t, string(b), func(f *savedFit) { f.Origin = origin.Origin{} })
		s = strings.Replace(s[:len(s)-sha256.Size], fitMagic, fitMagic1, 1)
		sum := sha256.Sum256([]byte(s))
		writeFile(t, path, s+string(sum[:]))
		return path
	}
	const models = "they are of the models aaaaaaaaaaaa and bbbbbbbbbbbb (SHA-256)"
	for name, tc := range map[string]struct {
		sources [3]features.Source
		prepare func(t *testing.T, out string)
		fit     func(*testing.T) string
		err     string
		warns   string // "" warns of nothing that this test is about
	}{
		"one run":                        {sources: [3]features.Source{a, a, a}},
		"with its manifest":              {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) { describe(t, out, same) }},
		"with its fit":                   {sources: [3]features.Source{a, a, a}, fit: fit(a)},
		"a fit of another model":         {sources: [3]features.Source{2: from("b", "table", "1")}, fit: fit(a), err: models},
		"a fit of another engine":        {sources: [3]features.Source{2: from("a", "tensorflow", "1")}, fit: fit(a), warns: `"table" and "tensorflow"`},
		"a fit of another index":         {sources: [3]features.Source{2: from("a", "table", "2")}, fit: fit(a)},
		"a fit of version 1":             {sources: [3]features.Source{2: a}, fit: version1, warns: "some.fit does not say which model"},
		"a split of another model":       {sources: [3]features.Source{a, a, from("b", "table", "1")}, err: models},
		"a split of another index":       {sources: [3]features.Source{a, a, from("a", "table", "2")}, warns: "the splits 2017-fit and 2019 come from different indexes"},
		"a split that does not tell":     {sources: [3]features.Source{a, a, {}}, warns: "split 2019 in "},
		"features of an earlier version": {warns: "the features folder "},
		"and their manifest": {prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { m.EngineIdentity, m.Layers = "", nil })
		}, warns: "does not say which model, engine and layers made it"},
		"and a fit of another model": {prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { m.EngineIdentity, m.Layers = "", nil })
		}, fit: fit(from("b", "table", "1")), err: "they are of the models bbbbbbbbbbbb and aaaaaaaaaaaa"},
		"a manifest of another model": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { m.ModelSHA256 = hash("b") })
		}, err: "they are of the models bbbbbbbbbbbb and aaaaaaaaaaaa"},
		"a manifest of another index": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { m.IndexSHA256 = hash("2") })
		}, err: "they are of the indexes 222222222222 and 111111111111"},
		"a manifest of fewer rows": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { m.Splits[2].Files = 11 })
		}, warns: "split 2019 has 12 rows, and "},
		"a row that is not finite": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, same)
			s := fixture.Split("2019", 2019, 2)
			s.Source, s.Layers[0].Data[5] = a, float32(math.NaN())
			if err := features.Write(filepath.Join(out, "features"), s); err != nil {
				t.Fatal(err)
			}
		}, warns: "split 2019: 1 of 12 files have features that are not finite numbers"},
		"a manifest of another span": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { m.Splits[2].From++ })
		}, warns: `split 2019: 12 of 12 files were not first seen in its span, 2019-02 to 2019-12; the first: "0" of 2019-01`},
		"a manifest with a label twice": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { c := config; c.Labels = []string{"a", "a", "b"}; m.Config = &c })
		}, err: `labels: "a" is there twice: extract the features again`},
		"a manifest with an empty label": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { c := config; c.Labels = []string{"a", "b", ""}; m.Config = &c })
		}, err: "label 3 is empty"},
		"a manifest with too many labels": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { c := config; c.Labels = []string{"a", "b", "c"}; m.Config = &c })
		}, warns: "the model tells 2 classes, the corpus has 3 labels: accuracy is left out"},
		"a manifest with two fit splits": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { m.Splits[2].Role = report.RoleFit })
		}, err: `"2017-fit" and "2019" both have the role fit`},
		"a manifest with more labels than fit rows": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) {
				c := config
				c.Labels = slices.Clone(c.Labels)
				for i := range 100 {
					c.Labels = append(c.Labels, strings.Repeat("x", i+2))
				}
				m.Config = &c
			})
		}, err: "every label needs a row of 2017-fit"},
		"a manifest with fit and In exchanged": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) {
				m.Config, m.Splits[0].Role, m.Splits[1].Role = &config, report.RoleIn, report.RoleFit
			})
		}, err: `"2017-fit" has the role in, and fit in the configuration`},
		"a manifest without a role": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { m.Splits[2].Role = "" })
		}, err: `"2019" has the role ""`},
		"labels in another order": {sources: [3]features.Source{a, a, a}, fit: fit(a), prepare: func(t *testing.T, out string) {
			describe(t, out, func(m *Manifest) { c := config; c.Labels = []string{"b", "a"}; m.Config = &c })
		}, warns: "the labels of the fit file, a, b, are not those of the features, b, a"},
		"a changed matrix": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			edit(t, filepath.Join(out, "features", "2019.layer8.npy"), 200)
		}, warns: "2019.layer8.npy in "},
		"a changed table": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			edit(t, filepath.Join(out, "features", "2019.csv"), 70)
		}, warns: "2019.csv in "},
		"a matrix of another width": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			b, err := os.ReadFile(filepath.Join(out, "features", "2019.layer7.npy"))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(out, "features", "2019.layer8.npy"), string(b))
		}, err: "2019.layer8.npy is 2 wide, and 2019.json names no such layer"},
		"a damaged source": {sources: [3]features.Source{a, a, a}, prepare: func(t *testing.T, out string) {
			writeFile(t, filepath.Join(out, "features", "2019.json"), "{")
		}, err: "2019.json: unexpected end of JSON input: remove it, or extract the features again"},
	} {
		t.Run(name, func(t *testing.T) {
			out := write(t, tc.sources[:]...)
			if tc.prepare != nil {
				tc.prepare(t, out)
			}
			opt := Options{Features: filepath.Join(out, "features")}
			if tc.fit != nil {
				opt.FitFile = tc.fit(t)
			}
			s, err := ReadSplits(opt)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			warnings := slices.DeleteFunc(slices.Clone(s.Warnings), func(w string) bool { return strings.HasPrefix(w, "nothing says in which order") })
			if found := strings.Contains(strings.Join(warnings, "\n"), tc.warns); len(warnings) > 1 || len(warnings) == 0 && tc.warns != "" || tc.warns == "" && len(warnings) > 0 || !found {
				t.Errorf("warns %q, want one of %q", warnings, tc.warns)
			}
			if name == "one run" && (s.Origin.ModelSHA256 != hash("a") || s.Origin.EngineIdentity != "table" || len(s.Origin.Layers) != 3) {
				t.Errorf("origin %+v", s.Origin)
			}
		})
	}
}

// A large file that is no fit file is refused by its first bytes.
func TestLargeFileIsNoFit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zeros")
	writeFile(t, path, "")
	if err := os.Truncate(path, 1<<32); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readFit(path)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "not written by --save-fit") {
		t.Errorf("error %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// seal makes a fit file of what follows its first line.
func seal(body []byte) []byte {
	b := append([]byte(fitMagic), body...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// Whatever the bytes, reading a fit ends in one line, or in splits that later
// files are scored with.
func FuzzParseFit(f *testing.F) {
	dir := fixture.Features(f)
	for _, detectors := range [][]string{nil, {"mahalanobis/ensemble"}, {"knn/layer8"}, {"vim", "msp"}} {
		b := savedBytes(f, Options{Features: dir, Detectors: detectors})
		f.Add(b[len(fitMagic) : len(b)-sha256.Size])
	}
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"train":"t","labels":["a"],"fit":{"names":["YQ=="],"first_seen":["MjAxNy0wMQ=="],"sha256":[""],"classes":[0]}}` + "\n" + "driftbench fit 1\n\x00\x00\x00\x00\x00\x00\x00\x00"))
	later, err := ReadSplits(Options{Features: dir})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := seal(body)
		var s *Splits
		var err error
		// A name of one byte takes 6 in the file and 150 in a row.
		took := fuzzing.Allocated(func() { s, err = parseFit(b) })
		if took > 1<<20+256*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q is not one line", err)
			}
			return
		}
		for _, x := range s.All() {
			if len(x.Rows) == 0 || len(x.Classes) != len(x.Rows) {
				t.Errorf("split %q has %d rows and %d classes", x.Name, len(x.Rows), len(x.Classes))
			}
			for _, name := range s.detectors.Names() {
				if len(x.Scores[name]) != len(x.Rows) {
					t.Errorf("split %q has %d scores of %s", x.Name, len(x.Scores[name]), name)
				}
			}
		}
		out := *later.Out[0]
		s.Out = append(s.Out, &out)
		if err := out.setClasses(map[string]int{"a": 0, "b": len(s.Labels) - 1}, s.Labels); err != nil {
			t.Fatal(err)
		}
		s.setGroups()
		r, err := Evaluate(context.Background(), s, Options{Resamples: 2})
		if err != nil {
			return // layers of another width or name
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

// Whatever manifest.json holds, it is refused in one line that names it, or is
// written again as itself.
func FuzzManifest(f *testing.F) {
	config := dataset.DefaultConfig()
	b, err := json.Marshal(Manifest{
		Command: []string{"driftbench", "run"}, Config: &config, Model: "m", GPUs: []string{"a", "b"}, Warnings: []string{"w"},
		Dropped: []DroppedFile{{"2019", "\xff\n", "worm", 7, "is missing"}}, Extracted: &Manifest{Command: []string{"x"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, seed := range []string{
		"", "{", "null", "[]", `{"started":"now"}`, `{"config":{"Train":{"From":"2017-1\n"}}}`, `{"extracted":{"extracted":{}}}`,
		`{"config":{"Labels":["a","a"],"Tests":null}}`, `{"command":["\u001b[2J\u202e"],"cores":1e9}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m *Manifest
		var err error
		// "{}," is a dropped file, which takes 80 bytes.
		took := fuzzing.Allocated(func() { m, err = parseManifest(b, "manifest.json") })
		if took > 1<<20+256*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "manifest.json") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		m.provenance()
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		read, err := parseManifest(again, "again.json")
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if twice, err := json.Marshal(read); err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%s\nbecame\n%s", again, twice)
		}
	})
}

// Whatever a table of scores holds, it is refused in one line that names it, or
// gives a finite score of every detector for every name.
func FuzzScores(f *testing.F) {
	const head = "name,label,first_seen,predicted,msp,energy\n"
	for _, seed := range []string{
		"", head, head + "a,worm,2017-01,,1,2\n", head + "a,worm,2017-01,,NaN,2\n", head + "a,worm,2017-01,,1,1e999\n",
		head + "\"a\nb\",worm,2017-01,,-0x1p-2,1_0\n", head + "a,b\n", "msp\n1\n", "energy,msp\n1,2\n", head + "\"a",
	} {
		f.Add([]byte(seed))
	}
	detectors := []string{"msp", "energy"}
	f.Fuzz(func(t *testing.T, b []byte) {
		var names []features.Row
		var scores [][]float64
		var err error
		took := fuzzing.Allocated(func() { names, scores, err = parseScores(bytes.NewReader(b), "2019.csv", detectors) })
		if took > 1<<20+256*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "2019.csv") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		for d := range detectors {
			if len(scores[d]) != len(names) || slices.ContainsFunc(scores[d], func(v float64) bool { return v-v != 0 }) {
				t.Errorf("%d names have the scores %v", len(names), scores[d])
			}
		}
	})
}

// Whatever a rule says, it is refused with the forms of a rule, or means the
// same when its parts are put together again, and can be decided.
func FuzzRule(f *testing.F) {
	for _, seed := range []string{
		"auroc(2019, mahalanobis/ensemble) > 0.75", "accuracy(2019)<.9", "auroc(2019,msp) > NaN", "auroc(,) > 0", "accuracy(2019) < 0x1p-2",
		"auroc(a,b,c) > 1e-9", "accuracy(\n) < 1", "auroc(\xff,\x1b[2J) > 0", "accuracy(2019) < -0",
	} {
		f.Add(seed)
	}
	names := available{splits: []string{"2017-fit", "2017-val", "2019"}, out: []string{"2019"}, detectors: []string{"msp"}, accuracy: true}
	res := report.Results{
		Detectors:  []report.Detector{{Name: "msp", Splits: []report.DetectorSplit{{Split: "2019", AUROC: 0.7, AUROCLo: 0.6, AUROCHi: 0.8}}}},
		Classifier: &report.Classifier{Splits: []report.Accuracy{{Name: "2019", Accuracy: report.Interval{Value: 0.7, Lo: 0.6, Hi: 0.8}}}},
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), ruleForms) {
				t.Errorf("error %q is not one line with the forms", err)
			}
			return
		}
		if !(r.bound >= 0 && r.bound <= 1) || r.split == "" || (r.metric == "auroc") != (r.detector != "") {
			t.Fatalf("accepted %+v", r)
		}
		inner, sign := r.split, "<"
		if r.detector != "" {
			inner += "," + r.detector
		}
		if r.above {
			sign = ">"
		}
		again, err := ParseRule(r.metric + "(" + inner + ")" + sign + strconv.FormatFloat(r.bound, 'g', -1, 64))
		again.text = r.text
		if err != nil || again != r {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
		if err := r.check(names); err != nil {
			if !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q is not one line", err)
			}
			return
		}
		want := r.split != "2019" || r.above && 0.6 > r.bound || !r.above && 0.8 < r.bound // of the others there is no number
		if c := r.decide(res); c.Failed != want {
			t.Errorf("%+v: %+v", r, c)
		}
	})
}
