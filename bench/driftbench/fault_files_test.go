package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A disk that is full, from any write on, is told in one line that names the
// file. No half of a file gets its name, no temporary one stays, and the same
// command with room makes what it would have made.
func TestDiskIsFull(t *testing.T) {
	fault := injector(t)
	for name, tc := range map[string]struct {
		args []string
		full string // where the disk is, below DIR
		once bool   // the results differ each time
	}{
		"run":        {args: []string{"run", "--corpus", small(), "--model", model, "--out", "DIR/out", "--cache", "none", "--resamples", "10"}, full: "out"},
		"extract":    {args: []string{"extract", "--corpus", small(), "--model", model, "--out", "DIR/out", "--cache", "none"}, full: "out"},
		"splits":     {args: []string{"splits", "--corpus", small(), "--out", "DIR/out"}, full: "out"},
		"score":      {args: []string{"score", "--features", "DIR/run/features", "--out", "DIR/out", "--resamples", "10"}, full: "out"},
		"report":     {args: []string{"report", "--out", "DIR/run"}, full: "run"},
		"save-fit":   {args: []string{"score", "--features", "DIR/run/features", "--out", "DIR/out", "--resamples", "10", "--save-fit", "DIR/fit/fit"}, full: "fit"},
		"summary":    {args: []string{"score", "--features", "DIR/run/features", "--out", "DIR/out", "--resamples", "10", "--detectors", "msp", "--summary", "DIR/summary/s.md"}, full: "summary"},
		"throughput": {args: []string{"throughput", "--model", model, "--out", "DIR/out", "--device", "cpu", "--engine", "table", "--batch", "1", "--count", "1", "--files", "1", "--least", "1ms"}, full: "out", once: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyTree(t, filepath.Join(dir, "run"), extracted(), func(path string) bool { return !strings.HasPrefix(path, "report/") })
			var args []string
			for _, arg := range tc.args {
				args = append(args, strings.ReplaceAll(arg, "DIR", dir))
			}
			disk, count := filepath.Join(dir, tc.full), filepath.Join(dir, "count")
			succeeds(t, process([]string{fault, "full", "0", disk, count}, args...))
			want := contents(t, disk)
			writes, err := strconv.Atoi(strings.TrimSpace(readFile(t, count)))
			if err != nil || writes < 3 {
				t.Fatalf("%d writes, %v", writes, err)
			}
			var points []int
			for n := 1; n <= writes; n++ {
				if soak || n == writes/2 || n == writes-1 { // the last is a sync, before it a write
					points = append(points, n)
				}
			}
			for _, n := range points {
				made := disk
				if tc.full == "run" { // which holds what is read, too
					made = filepath.Join(disk, "report")
				}
				if err := os.RemoveAll(made); err != nil {
					t.Fatal(err)
				}
				when := fmt.Sprintf("from write %d of %d on", n, writes)
				e := run(t, process([]string{fault, "full", strconv.Itoa(n), disk, count}, args...))
				complains(t, when, e, disk, ": no space left on device: make room, and give the same command again")
				if !tc.once {
					got := contents(t, disk)
					same(t, when, got, want, false)
					for path := range got {
						if _, ok := want[path]; !ok {
							t.Errorf("%s: left %s", when, path)
						}
					}
				}
			}
			succeeds(t, process(nil, args...))
			if got := contents(t, disk); tc.once {
				if len(got) != len(want) {
					t.Errorf("%d files, want %d", len(got), len(want))
				}
			} else {
				same(t, "with room again", got, want, true)
			}
		})
	}

	t.Run("cache", func(t *testing.T) {
		dir := t.TempDir()
		args := []string{"run", "--corpus", small(), "--model", model, "--out", filepath.Join(dir, "out"), "--cache", filepath.Join(dir, "cache"), "--resamples", "50"}
		e := run(t, process([]string{fault, "full", "8", filepath.Join(dir, "cache"), filepath.Join(dir, "count")}, args...))
		if e.status != exitDone || !strings.Contains(e.stderr, "feature cache stores nothing more in this run") || !strings.Contains(e.stderr, "no space left on device") {
			t.Errorf("status %d, stderr:\n%s", e.status, e.stderr)
		}
		if readFile(t, filepath.Join(dir, "out", "results.json")) != readFile(t, filepath.Join(extracted(), "results.json")) {
			t.Error("without room for the cache the results are others")
		}
		succeeds(t, process(nil, args...))
	})
}

// A file of the corpus that the disk does not give back is dropped like one
// that is missing. What a command cannot do without ends it in one line.
func TestReadErrors(t *testing.T) {
	fault := injector(t)
	dir := edited(t, func(index string) string { return index })
	copyTree(t, filepath.Join(dir, "run"), extracted(), func(path string) bool { return !strings.HasPrefix(path, "report/") })
	writeFile(t, filepath.Join(dir, "run", "bench.txt"), readFile(t, "throughput/testdata/old.txt"))
	copyTree(t, filepath.Join(dir, "model"), model, func(string) bool { return true })
	at := func(path string) string { return filepath.Join(dir, path) }
	inject := func(path string, args ...string) ended {
		return run(t, process([]string{fault, "eio", "1", path, filepath.Join(t.TempDir(), "count")}, args...))
	}
	runs := []string{"run", "--corpus", dir, "--model", at("model"), "--out", at("out"), "--cache", "none", "--resamples", "10"}
	score := []string{"score", "--features", at("run/features"), "--out", at("out"), "--resamples", "10"}

	bad := readSplit(t, "2017-fit")[0]
	e := inject(at("files/"+bad), runs...)
	if e.status != exitDone || !strings.Contains(e.stderr, "split=2017-fit files=43 dropped=1 cached=0 first=\"name \\\""+bad+"\\\" (line ") {
		t.Errorf("a file of the corpus: status %d, stderr:\n%s", e.status, e.stderr)
	}
	var m manifest
	if err := json.Unmarshal([]byte(readFile(t, at("out/manifest.json"))), &m); err != nil || len(m.Dropped) != 1 ||
		m.Dropped[0].Name != bad || m.Dropped[0].Reason != "cannot be read: input/output error" {
		t.Errorf("dropped %+v, %v", m.Dropped, err)
	}
	for _, tc := range []struct {
		path string
		args []string
	}{
		{"dataset.csv", runs},
		{"corpus.yaml", runs},
		{"model/saved_model.pb", runs},
		{"model/variables/variables.index", runs},
		{"model/variables/variables.data", runs},
		{"model/assets.extra/malconv.json", runs},
		{"model/assets.extra/trained_on.sha256", runs},
		{"run/features/2018-Q1.csv", score},
		{"run/features/2018-Q1.layer7.npy", score},
		{"run/manifest.json", score},
		{"run/run.fit", append([]string{"--fit", at("run/run.fit")}, score...)},
		{"run/results.json", []string{"report", "--out", at("run")}},
		{"run/manifest.json", []string{"report", "--out", at("run")}},
		{"run/bench.txt", []string{"report", "--out", at("run")}},
		{"run/bench.txt", []string{"compare", at("run/bench.txt")}},
	} {
		args := tc.args
		if args[0] == "--fit" {
			args = append(append([]string{}, args[2:]...), args[:2]...)
		}
		complains(t, tc.path, inject(at(tc.path), args...), at(tc.path), "nput/output error") // TensorFlow's begins with a capital
	}
}

// What the user may not write is told before any work, except that a cache
// which cannot be written to is only a warning.
func TestNotPermitted(t *testing.T) {
	dir := t.TempDir()
	var before []string
	if os.Geteuid() == 0 { // the injector takes root's privileges away
		before = []string{injector(t), "eio", "0", "/", filepath.Join(dir, "count")}
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	corpus := edited(t, func(index string) string { return index })
	weak := func(args ...string) ended {
		return run(t, process(before, args...))
	}
	runs := func(out string, more ...string) []string {
		return append([]string{"run", "--corpus", corpus, "--model", model, "--out", out, "--resamples", "10"}, more...)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"out":      {runs(locked), "--out: nothing can be written into " + locked + ": open " + locked + "/.writable: permission denied"},
		"below":    {runs(locked + "/out"), "--out: mkdir " + locked + "/out: permission denied"},
		"a file":   {runs(filepath.Join(corpus, "dataset.csv")), "--out: mkdir " + corpus + "/dataset.csv: not a directory"},
		"summary":  {runs(dir+"/out", "--summary", locked+"/s.md"), "--summary: nothing can be written into " + locked + ": "},
		"save-fit": {runs(dir+"/out", "--save-fit", locked+"/fit"), "--save-fit: nothing can be written into " + locked + ": "},
		"cache":    {runs(dir+"/out", "--cache", locked+"/cache"), "cache: mkdir " + locked + "/cache: permission denied; choose another folder"},
	} {
		complains(t, name, weak(tc.args...), tc.want)
	}

	// A parent that is missing is made; a file that may not be read is dropped.
	secret := filepath.Join(corpus, "files", readSplit(t, "2017-fit")[0])
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "new", "parent", "out")
	e := weak(runs(out, "--cache", locked)...)
	for _, want := range []string{"feature cache stores nothing more in this run", "permission denied", "split 2017-fit: 1 of 44 files cannot be read"} {
		if e.status != exitDone || !strings.Contains(e.stderr, want) {
			t.Errorf("status %d, stderr does not say %q:\n%s", e.status, want, e.stderr)
		}
	}
	readFile(t, filepath.Join(out, "report", "index.html"))

	for _, path := range []string{"dataset.csv", "corpus.yaml"} {
		if err := os.Chmod(filepath.Join(corpus, path), 0); err != nil {
			t.Fatal(err)
		}
		complains(t, path, weak(runs(dir+"/out", "--cache", "none")...), "open "+filepath.Join(corpus, path)+": permission denied")
		os.Chmod(filepath.Join(corpus, path), 0o666)
	}
}
