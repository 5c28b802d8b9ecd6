// Package corpus makes a corpus of files shaped as Windows programs, whose
// drift is known because it is put in.
//
// Every file is drawn from one of four families. A family is a distribution
// over a bank of library functions, code idioms, strings, imports and data
// tables that all families share; a file draws its own variant of its family's
// distribution first, then its content from the variant. So the families
// overlap, no constant tells them apart, and files held out of training are
// new but of the same distribution.
//
// Files come in builds, of which most have one file or a few and some have many.
// The files of a build are linked within two hours, seen within two days, draw
// from one variant, and take a third of all they draw from what the build shares, so
// that they resemble each other more than files of the same family do.
//
// Drift moves files away from 2017 month by month. With the knob at x, in a
// file of the k-th month after December 2017 the share
//
//	s = min(1, 0.6·x·√(k/24))
//
// of all draws is drifted: a third of them come from a second bank that no
// file of 2017 has seen, two thirds are borrowed from another family. The code
// grows with s, and more of the files are packed. At x = 0 all months are one
// distribution. Files of 2017 are the same whatever x is.
//
// The files parse as PE (Microsoft's PE/COFF specification) but do nothing:
// the entry point returns at once, the rest is noise in the form of code. A
// virus scanner may take them for what they are labelled all the same.
package corpus

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// Options is what to make. The zero value is the default corpus without drift.
type Options struct {
	Files int     // number of files; 0 means 1200, the least is 50
	Seed  uint64  // draws the files; the families are the same for all seeds
	Drift float64 // 0 is none, 1 is plain to see; not negative
	// GroupSize is how many files a build has on average; 0 means 4. With 1 files
	// are on their own, and the index has no groups. In a small corpus builds are
	// smaller, so that every family has several.
	GroupSize float64
}

// withDefaults returns opt with values in place of zeros.
func (opt Options) withDefaults() Options {
	opt.Files, opt.GroupSize = cmp.Or(opt.Files, 1200), cmp.Or(opt.GroupSize, 4)
	return opt
}

// Check refuses options that no corpus can be made of.
func (opt Options) Check() error {
	if opt.Files != 0 && opt.Files < 50 {
		return fmt.Errorf("corpus: %d files are too few for the splits: ask for 50 or more", opt.Files)
	}
	if !(opt.Drift >= 0) || math.IsInf(opt.Drift, 1) {
		return fmt.Errorf("corpus: drift %v: ask for 0 (none) or more", opt.Drift)
	}
	if opt.GroupSize != 0 && !(opt.GroupSize >= 1) || math.IsInf(opt.GroupSize, 1) {
		return fmt.Errorf("corpus: %v files a build: ask for 1 (no builds) or more", opt.GroupSize)
	}
	return nil
}

// Synth writes the corpus to the folder dir: the files, dataset.csv and
// corpus.yaml. The same options give the same bytes. The folder appears whole
// or not at all; a folder that is there is replaced only when all that is in
// it is a corpus of this function. When ctx ends first, the error is its own.
func Synth(ctx context.Context, dir string, opt Options) error {
	if err := opt.Check(); err != nil {
		return err
	}
	opt = opt.withDefaults()
	dir, err := target(dir)
	if err != nil {
		return fmt.Errorf("corpus: %w", err)
	}
	sweep(filepath.Dir(dir))
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".synth-")
	if err != nil {
		return fmt.Errorf("corpus: %w", err)
	}
	defer os.RemoveAll(tmp)
	if f, err := locked(tmp); err == nil { // where folders cannot be locked, none is swept
		defer f.Close()
	}
	if err := fill(ctx, tmp, opt); err != nil {
		return fmt.Errorf("corpus: writing files: %w", err)
	}
	if err := replace(dir, tmp); err != nil {
		return fmt.Errorf("corpus: moving the corpus into place: %w", err)
	}
	return nil
}

// sweep removes the unfinished corpora that killed processes have left in a
// folder. One that is being made is locked.
func sweep(parent string) {
	entries, _ := os.ReadDir(parent)
	left := regexp.MustCompile(`^\.synth-\d+(-old)?$`)
	for _, e := range entries {
		if !e.IsDir() || !left.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		if f, err := locked(path); err == nil {
			os.RemoveAll(path)
			f.Close()
		}
	}
}

// locked opens a folder and locks it until it is closed, or fails at once.
func locked(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// fill writes the corpus into an empty folder.
func fill(ctx context.Context, dir string, opt Options) error {
	plan := newPlan(opt)
	for _, f := range plan {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(f.name)), 0o777); err != nil {
			return err
		}
	}
	w := newWorld()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range plan {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			return os.WriteFile(filepath.Join(dir, f.name), w.file(f), 0o666)
		})
	}
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "dataset.csv"), index(plan), 0o666); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "corpus.yaml"), config(opt), 0o666); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) // MkdirTemp makes it private
}

// index is the content of dataset.csv. Names and labels need no quotes.
func index(plan []planned) []byte {
	var b strings.Builder
	group := func(build *build) string { return "," + build.name }
	if plan[0].build == nil {
		group = func(*build) string { return "" }
		b.WriteString("name,label,first_seen\n")
	} else {
		b.WriteString("name,label,first_seen,group\n")
	}
	for _, f := range plan {
		fmt.Fprintf(&b, "%s,%s,%s%s\n", f.name, labels[f.family], f.seen.Format("2006-01-02"), group(f.build))
	}
	return []byte(b.String())
}

// mark begins the corpus.yaml of a corpus made here.
const mark = "# Synthetic files made by driftbench corpus synth:"

// config is the content of corpus.yaml: the default configuration.
func config(opt Options) []byte {
	return fmt.Appendf(nil, `%s --files %d --seed %d --drift %v --group-size %v
index: dataset.csv
root: .
trim: ""
labels: [%s]
train: {name: "2017", from: 2017-01, to: 2017-12, fit: 0.7123}
tests:
  - {name: 2018-Q1,   from: 2018-01, to: 2018-03, sample: 0.3}
  - {name: 2018-late, from: 2018-04, to: 2018-12, sample: 0.3}
  - {name: 2019,      from: 2019-01, to: 2019-12, sample: 0.3}
seed: 1
`, mark, opt.Files, opt.Seed, opt.Drift, opt.GroupSize, strings.Join(labels[:], ", "))
}

// target resolves dir and refuses one that holds anything but a corpus made
// here, for it is going to be replaced.
func target(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return dir, nil
	}
	if err != nil {
		return "", err
	}
	if !marked(filepath.Join(dir, "corpus.yaml")) {
		return "", fmt.Errorf("%s is not empty and no synthetic corpus: choose another folder", dir)
	}
	for _, e := range entries {
		if name := e.Name(); name != "corpus.yaml" && name != "dataset.csv" && !slices.Contains(labels[:], name) {
			return "", fmt.Errorf("%s holds %q besides a synthetic corpus: move it away or choose another folder", dir, name)
		}
	}
	return dir, nil
}

func marked(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	line, _ := bufio.NewReader(f).ReadString('\n')
	return strings.HasPrefix(line, mark)
}

// replace moves tmp to dir, and what was there out of the way and away.
func replace(dir, tmp string) error {
	old := tmp + "-old"
	err := os.Rename(dir, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}
