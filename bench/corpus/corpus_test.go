package corpus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"driftbench/bench/dataset"
)

// digest is over the names and bytes of all files below dir, in order; of some
// of them when keep is not nil.
func digest(t *testing.T, dir string, keep func(name string) bool) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || keep != nil && !keep(name) {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n", name, len(b))
		h.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func synth(t *testing.T, opt Options) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "parent", "corpus")
	if err := Synth(t.Context(), dir, opt); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSynthIsDeterministic(t *testing.T) {
	a := digest(t, synth(t, Options{Files: 60, Seed: 1, Drift: 1}), nil)
	b := digest(t, synth(t, Options{Files: 60, Seed: 1, Drift: 1}), nil)
	if a != b {
		t.Error("the same options gave other bytes")
	}
	if c := digest(t, synth(t, Options{Files: 60, Seed: 2, Drift: 1}), nil); c == a {
		t.Error("another seed gave the same bytes")
	}
	// The committed model was trained on these bytes: whoever changes them
	// trains it again.
	if want := "a89cd99538e2b4cedfab242cdc72a1788a50939bc60ab6467d52ab7fe298193b"; a != want {
		t.Errorf("digest %s, want %s", a, want)
	}
	// Files on their own are those of a corpus without builds.
	if single, want := digest(t, synth(t, Options{Files: 60, Seed: 1, Drift: 1, GroupSize: 1}), isFile), "ac0ae230d692c140cb8fe70451fd8217d7bad3cfc15d2d61be50517a31afc4e9"; single != want {
		t.Errorf("digest without builds %s, want %s", single, want)
	}
}

func isFile(name string) bool { return strings.HasSuffix(name, ".exe") }

func TestDriftLeavesTheTrainingSpanAlone(t *testing.T) {
	in2017 := func(name string) bool { return strings.Contains(name, "/2017-") }
	later := func(name string) bool { return isFile(name) && !in2017(name) }
	none, some := synth(t, Options{Files: 60}), synth(t, Options{Files: 60, Drift: 0.5})
	if digest(t, none, in2017) != digest(t, some, in2017) {
		t.Error("drift changes files of 2017")
	}
	if digest(t, none, later) == digest(t, some, later) {
		t.Error("drift changes no later file")
	}
}

// Without drift the month of a file shows nowhere but in its time stamp, so
// all months are one distribution.
func TestNoDriftIsNone(t *testing.T) {
	w := newWorld()
	for family := range labels {
		content := func(year int, month time.Month) []byte {
			return w.file(planned{
				family: family,
				build:  &build{seed: [2]uint64{1, 2}},
				linked: time.Date(year, month, 3, 0, 0, 0, 0, time.UTC),
				rng:    rand.New(rand.NewPCG(1, uint64(family))),
			})
		}
		a, b := content(2017, time.March), content(2019, time.November)
		differ := 0
		for i := range a {
			if a[i] != b[i] {
				differ++
			}
		}
		if len(a) != len(b) || differ == 0 || differ > 4 {
			t.Errorf("family %d: %d bytes of %d differ", family, differ, len(a))
		}
	}
	for _, f := range newPlan(Options{Files: 1200}) {
		if f.strength != 0 {
			t.Fatalf("%s has strength %v", f.name, f.strength)
		}
	}
}

// The share of files that hold a string of the later bank grows over the
// spans, with drift, and is 0 where there is none.
func TestDriftGrows(t *testing.T) {
	w := newWorld()
	share := func(drift float64) (share [len(spans)]float64) {
		var files [len(spans)]float64
		for i, f := range newPlan(Options{Files: 1200, Drift: drift}) {
			if i%4 != 0 {
				continue
			}
			span := 0
			for j, s := range spans {
				if !f.seen.Before(time.Date(s.year, time.Month(s.month), 1, 0, 0, 0, 0, time.UTC)) {
					span = j
				}
			}
			content := w.file(f)
			count := 0
			for _, s := range laterStrings {
				count += bytes.Count(content, append([]byte(s), 0))
			}
			files[span]++
			share[span] += float64(count)
		}
		for i := range share {
			share[i] /= files[i]
		}
		return share
	}
	if got := share(0); got != [len(spans)]float64{} {
		t.Errorf("later strings in a file without drift: %v", got)
	}
	half, one := share(0.5), share(1)
	for i := range spans {
		if i == 0 {
			if half[0] != 0 || one[0] != 0 {
				t.Errorf("later strings in a file of 2017: %v, %v", half[0], one[0])
			}
			continue
		}
		if !(half[i] > half[i-1] && one[i] > one[i-1] && one[i] > half[i]) {
			t.Errorf("later strings in a file, by span: drift 0.5 %v, drift 1 %v", half, one)
		}
	}
}

func TestPlanFillsTheSplits(t *testing.T) {
	for _, c := range []struct {
		opt  Options
		want []int // rows of each split
	}{
		{Options{Files: 1200, GroupSize: 1}, []int{356, 144, 66, 72, 72}},
		{Options{Files: 50, GroupSize: 1}, []int{14, 6, 3, 3, 3}},
		{Options{Files: 1200, Seed: 1}, []int{360, 140, 66, 72, 72}},
		{Options{Files: 150, Seed: 1}, []int{39, 23, 8, 9, 9}},
		{Options{Files: 50, Seed: 1}, []int{13, 7, 3, 3, 3}},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "dataset.csv"), index(newPlan(c.opt)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "corpus.yaml"), config(c.opt.withDefaults()), 0o644); err != nil {
			t.Fatal(err)
		}
		corpus, err := dataset.Load(dir, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, s := range corpus.Splits.All() {
			got = append(got, len(s.Rows))
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: splits of %v, want %v", c.opt, got, c.want)
		}
		want := dataset.DefaultConfig()
		want.Dir, want.Train.Holdout = dir, dataset.HoldoutGroup
		if c.opt.GroupSize == 1 {
			want.Train.Holdout = dataset.HoldoutRandom
		}
		if !reflect.DeepEqual(corpus.Config, want) {
			t.Errorf("configuration %+v, want the default", corpus.Config)
		}
		if few := c.opt.Files < 200 && c.opt.GroupSize != 1; few != (len(corpus.Warnings) == 1) || !few && len(corpus.Warnings) > 0 {
			t.Errorf("%+v: warnings %q", c.opt, corpus.Warnings)
		}
	}
}

// A build is of one family, linked within two hours and seen within two days;
// sizes are heavy-tailed around the mean that was asked for.
func TestBuilds(t *testing.T) {
	for _, c := range []struct {
		files      int
		mean       float64
		low, high  float64 // bounds of the mean size
		most       int
		largeShare float64 // of builds with twice the mean or more, at least
	}{
		{12000, 4, 3.6, 4.4, 300, 0.05},
		{1200, 4, 3, 5, 30, 0.08},
		{1200, 1.5, 1.3, 1.7, 30, 0.03},
		{1200, 12, 9, 14, 41, 0.1},
		{150, 4, 2.5, 4, 5, 0},
	} {
		builds := map[string][]planned{}
		for _, f := range newPlan(Options{Files: c.files, GroupSize: c.mean, Seed: 3}) {
			builds[f.build.name] = append(builds[f.build.name], f)
		}
		families := map[string]map[int]int{}
		large := 0.0
		for name, files := range builds {
			if len(files) > c.most {
				t.Errorf("build %s has %d files, more than %d", name, len(files), c.most)
			}
			if float64(len(files)) >= 2*c.mean {
				large++
			}
			first := files[0]
			for _, f := range files {
				if d := f.linked.Sub(first.linked).Abs(); f.family != first.family || d > 2*time.Hour || f.seen.Sub(f.linked).Abs() > 46*time.Hour || f.strength != first.strength {
					t.Errorf("build %s has files of families %d and %d, linked %v apart", name, first.family, f.family, d)
				}
				if f.seen.Format("2006-01") != first.seen.Format("2006-01") {
					t.Errorf("build %s was seen in %v and %v", name, first.seen, f.seen)
				}
			}
			key := fmt.Sprint(first.seen.Year())
			if families[key] == nil {
				families[key] = map[int]int{}
			}
			families[key][first.family]++
		}
		if mean := float64(c.files) / float64(len(builds)); mean < c.low || mean > c.high {
			t.Errorf("%d files, mean %v: builds of %v files on average, want %v to %v", c.files, c.mean, mean, c.low, c.high)
		}
		if share := large / float64(len(builds)); share < c.largeShare {
			t.Errorf("%d files, mean %v: %v of the builds are large", c.files, c.mean, share)
		}
		for family := range labels {
			if families["2017"][family] < 3 {
				t.Errorf("%d files, mean %v: %d builds of %s in 2017, want 3", c.files, c.mean, families["2017"][family], labels[family])
			}
		}
	}
}

// Files of one build share more windows than files of the same family do.
func TestBuildsAreAlike(t *testing.T) {
	w := newWorld()
	type file struct {
		planned
		windows map[string]bool
	}
	var files []file
	for _, f := range newPlan(Options{Files: 1200, Seed: 3})[:150] {
		content := w.file(f)
		x := file{f, map[string]bool{}}
		for i := 0; i+window <= len(content); i += window {
			x.windows[string(content[i:i+window])] = true
		}
		files = append(files, x)
	}
	var shared, pairs [2]float64 // of other builds, of the same
	for i, a := range files {
		for _, b := range files[:i] {
			if a.family != b.family {
				continue
			}
			same := 0
			if a.build == b.build {
				same = 1
			}
			for window := range a.windows {
				if b.windows[window] {
					shared[same]++
				}
			}
			pairs[same]++
		}
	}
	other, same := shared[0]/pairs[0], shared[1]/pairs[1]
	if !(same > 1.2*other) {
		t.Errorf("two files share %.2f windows, two of one build %.2f", other, same)
	}
}

func TestSynthMakesWhatTheIndexSays(t *testing.T) {
	corpus, err := dataset.Load(synth(t, Options{Files: 60}), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	places, err := corpus.OpenFiles(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer places.Close()
	looks, _, err := corpus.Check(t.Context(), places)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range looks {
		if len(l.Dropped) != 0 {
			t.Errorf("%s: dropped %v", corpus.Splits.All()[i].Name, l.Dropped)
		}
	}
	if len(corpus.Rows) != 60 {
		t.Errorf("%d rows", len(corpus.Rows))
	}
}

func TestSynthReplacesOnlyItsOwn(t *testing.T) {
	opt := Options{Files: 50}
	dir := synth(t, opt)
	if err := Synth(t.Context(), dir, Options{Files: 50, Seed: 7}); err != nil {
		t.Errorf("a corpus of its own: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := Synth(t.Context(), link, opt); err != nil {
		t.Errorf("a link to a corpus of its own: %v", err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info, err)
	}
	if err := Synth(t.Context(), t.TempDir(), opt); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("left beside the corpus: %v, %v", left, err)
	}

	foreign := t.TempDir()
	file := filepath.Join(foreign, "thesis.tex")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]string{foreign: "choose another folder", file: "not a directory"} {
		if err := Synth(t.Context(), where, opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", where, err, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "notes"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := digest(t, dir, nil)
	if err := Synth(t.Context(), dir, Options{Files: 50, Seed: 9}); err == nil || !strings.Contains(err.Error(), `holds "notes"`) {
		t.Errorf("a corpus with a file of the user: %v", err)
	}
	if digest(t, dir, nil) != before || digest(t, foreign, nil) == "" {
		t.Error("a refused folder was changed")
	}
}

// endsAfter is a context that ends when it has been asked that often.
type endsAfter struct {
	context.Context
	asked, most atomic.Int32
}

func (c *endsAfter) Err() error {
	if c.asked.Add(1) > c.most.Load() {
		return context.Canceled
	}
	return nil
}

func TestSynthStops(t *testing.T) {
	parent := t.TempDir()
	ctx := &endsAfter{Context: t.Context()}
	ctx.most.Store(20)
	if err := Synth(ctx, filepath.Join(parent, "corpus"), Options{Files: 1200}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that of the context", err)
	}
	if n := ctx.asked.Load(); n > 100 {
		t.Errorf("went on for %d files", n)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestSynthRefusesOptions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "corpus")
	for _, opt := range []Options{{Files: 49}, {Files: -1}, {Drift: -0.1}, {Drift: math.NaN()}, {Drift: math.Inf(1)}, {GroupSize: 0.5}, {GroupSize: math.NaN()}, {GroupSize: math.Inf(1)}} {
		if err := Synth(t.Context(), dir, opt); err == nil {
			t.Errorf("%+v: no error", opt)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%+v: a folder", opt)
		}
	}
}

func BenchmarkFile(b *testing.B) {
	w := newWorld()
	plan := newPlan(Options{Files: 1200})
	total := 0
	for i := 0; b.Loop(); i++ {
		total += len(w.file(plan[i%len(plan)]))
	}
	b.SetBytes(int64(total / b.N))
}
