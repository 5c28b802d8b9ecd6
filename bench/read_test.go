package bench

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"driftbench/bench/features"
	"driftbench/internal/fixture"
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
		"other version": {strings.Replace(good, "fit 1\n", "fit 2\n", 1), "not of version 1"},
		"only a header": {fitMagic, "cut short"},
		"cut short":     {good[:len(good)-1], "cut short or damaged"},
		"one bit":       {good[:200] + string(good[200]^1) + good[201:], "cut short or damaged"},
		"climbing name": {resealed(t, good, func(f *savedFit) { f.Train = "../2017" }), "cannot name a file"},
		"no labels":     {resealed(t, good, func(f *savedFit) { f.Labels = nil }), "labels"},
		"same labels":   {resealed(t, good, func(f *savedFit) { f.Labels[0] = f.Labels[1] }), "not all different"},
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
