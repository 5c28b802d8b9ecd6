package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"driftbench/bench"
	"driftbench/internal/malloc"
)

// soak asks for the long form of the tests that can take any time.
var soak = os.Getenv("DRIFTBENCH_SOAK") != ""

// over reports whether a long form has to end, as less than a tenth of the time
// that the tests have is left of it.
func over(t *testing.T) bool {
	end, ok := t.Deadline()
	return soak && ok && time.Until(end) < end.Sub(began)/10
}

var began = time.Now()

// findInjector is testdata/fault.c, compiled, or why it cannot work here.
func findInjector(t *testing.T) (string, error) {
	t.Helper()
	path, dir := filepath.Join(t.TempDir(), "fault"), t.TempDir()
	if b, err := exec.Command("cc", "-O1", "-o", path, "testdata/fault.c").CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, b)
	}
	count := filepath.Join(t.TempDir(), "count")
	// One call has its path in memory, the other in a descriptor.
	b, err := exec.Command(path, "full", "0", dir, count, "sh", "-c", `echo >"$0"`, filepath.Join(dir, "x")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("faults cannot be injected here, for want of seccomp user notification (Linux 5.19) or of the right to read "+
			"another process's memory (kernel.yama.ptrace_scope): %v: %s", err, bytes.TrimSpace(b))
	}
	if n := readFile(t, count); n != "2\n" {
		t.Fatalf("the injector counts %q calls of two", n)
	}
	return path, nil
}

// injector skips a test that can do nothing without findInjector's.
func injector(t *testing.T) string {
	t.Helper()
	path, err := findInjector(t)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// An injector that cannot work says so and ends, such as one in another, as a
// process has one listener.
func TestInjectorFails(t *testing.T) {
	path, count := injector(t), filepath.Join(t.TempDir(), "count")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := exec.CommandContext(ctx, path, "eio", "0", "/", count, path, "eio", "0", "/", count, "true").CombinedOutput()
	if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() != 125 || string(b) != "fault: installing the filter: Device or resource busy\n" {
		t.Errorf("%v: %s", err, b)
	}
}

var (
	clock   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	seconds = regexp.MustCompile(`files in [\d.]+ s`)
	inPage  = regexp.MustCompile(`data:text/csv[^,"]*;base64,([^"]+)`)
)

// contents are the files below a folder without the times in them.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range tree(t, dir) {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		rel, _ := filepath.Rel(dir, path)
		text := readFile(t, path)
		switch filepath.Ext(path) {
		case ".html":
			text = inPage.ReplaceAllStringFunc(text, func(url string) string {
				b, err := base64.StdEncoding.DecodeString(html.UnescapeString(inPage.FindStringSubmatch(url)[1]))
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				return string(b)
			})
		case ".json":
			if filepath.Base(path) == "manifest.json" {
				var m bench.Manifest
				if err := json.Unmarshal([]byte(text), &m); err != nil {
					t.Errorf("%s: %v", path, err)
				}
				for m := &m; m != nil; m = m.Extracted {
					m.Seconds = 0
				}
				b, _ := json.Marshal(m)
				text = string(b)
			}
		}
		all[rel] = seconds.ReplaceAllString(clock.ReplaceAllString(text, "TIME"), "files in SECONDS")
	}
	return all
}

// same fails for files that are neither as in want nor temporary; where the
// folder has to be complete, also for files that are missing, and temporary ones.
func same(t *testing.T, when string, got, want map[string]string, complete bool) {
	t.Helper()
	for name, text := range got {
		temporary := regexp.MustCompile(`(^|/)\.(writable$|.+\d{5,}$)`).MatchString(name)
		if w, ok := want[name]; ok && text != w {
			t.Errorf("%s: %s differs from that of an undisturbed run", when, name)
		} else if !ok && (complete || !temporary) {
			t.Errorf("%s: left %s", when, name)
		}
	}
	for name := range want {
		if _, ok := got[name]; complete && !ok {
			t.Errorf("%s: there is no %s", when, name)
		}
	}
}

// A run that is killed at any moment, again and again, leaves only whole files
// under their names, and the run that is let alone ends as if nothing had been.
func TestRunIsKilled(t *testing.T) {
	slow(t)
	kills, chain := 8, 4 // a chain of kills, then a run that is let alone
	if soak {
		kills, chain = 100, 2
	}
	dir := t.TempDir()
	out, cache, tmp := filepath.Join(dir, "work", "out"), filepath.Join(dir, "work", "cache"), filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	args := []string{"run", "--corpus", small(), "--model", model, "--out", out, "--cache", cache, "--resamples", "50",
		"--save-fit", filepath.Join(out, "run.fit"), "--summary", filepath.Join(out, "run.md")}
	count := filepath.Join(dir, "count")
	fault, err := findInjector(t)
	var counted []string // without an injector all kills come at random times
	if err != nil {
		t.Log(err)
	} else {
		counted = []string{fault, "kill", "0", filepath.Dir(out), count}
	}
	start := time.Now()
	succeeds(t, subprocess(counted, args...))
	took := time.Since(start)
	var changes int
	if counted != nil {
		if changes, err = strconv.Atoi(strings.TrimSpace(readFile(t, count))); err != nil || changes < 100 {
			t.Fatalf("%d changes of files, %v", changes, err)
		}
	}
	want := contents(t, out)

	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	killed, done := 0, 0
	for i := range kills {
		if i%chain == 0 && over(t) {
			break
		}
		done++
		if i%(2*chain) == 0 { // else the results of the run before lie there
			if err := os.RemoveAll(filepath.Dir(out)); err != nil {
				t.Fatal(err)
			}
		}
		var when string
		if i%2 == 0 && counted != nil {
			n := 1 + r.IntN(changes)
			when = fmt.Sprintf("seed %d, kill %d, at change %d of %d", seed, i, n, changes)
			if e := run(t, subprocess([]string{fault, "kill", strconv.Itoa(n), filepath.Dir(out), count}, args...)); e.status == 128+9 {
				killed++
			}
		} else {
			after := time.Duration(r.Int64N(int64(took)))
			when = fmt.Sprintf("seed %d, kill %d, after %v", seed, i, after)
			cmd := subprocess(nil, args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			cmd.Process.Kill()
			if e := wait(t, cmd, new(bytes.Buffer), new(bytes.Buffer)); e.status == 128+9 {
				killed++
			}
		}
		same(t, when, contents(t, out), want, false)
		if i%chain == chain-1 {
			succeeds(t, subprocess(nil, args...))
			same(t, when+", and a run", contents(t, out), want, true)
			if left := tree(t, cache); len(left) != 1 {
				t.Errorf("%s: the cache holds %v", when, left)
			}
		}
	}
	if left := tree(t, tmp); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if killed < done/4 { // more runs end first on a machine that has become faster
		t.Errorf("only %d of %d runs were killed before they ended", killed, done)
	}
	t.Logf("%d of %d runs were killed before they ended", killed, done)
}

// Workers and merges that are killed at any moment leave whole files alone, and the
// next makes what it would have made and removes what is left.
func TestWorkerAndMergeAreKilled(t *testing.T) {
	slow(t)
	fault := injector(t)
	dir := t.TempDir()
	index := filepath.Join(small(), "dataset.csv")
	all := filepath.Join(dir, "all.jsonl")
	mustRun(t, "worker", "--model", model, "--files", small(), "--index", index, "--shard", "0/1", "--out", all)
	shard, merged := filepath.Join(dir, "shard"), filepath.Join(dir, "merged")
	lines := func() map[string]string {
		files := contents(t, shard)
		for name, text := range files {
			lines := strings.Split(text, "\n")
			slices.Sort(lines) // they come in any order
			files[name] = strings.Join(lines, "\n")
		}
		return files
	}
	for _, tc := range []struct {
		out      string
		contents func() map[string]string
		kills    int
		args     []string
	}{
		{shard, lines, 3, []string{"worker", "--model", model, "--files", small(), "--index", index, "--shard", "1/30", "--out", filepath.Join(shard, "1.jsonl")}},
		{merged, func() map[string]string { return contents(t, merged) }, 4, []string{"merge", "--corpus", small(), "--model", model, "--out", merged, all}},
	} {
		command := tc.args[0]
		if soak {
			tc.kills = 100
		}
		count := filepath.Join(dir, "count")
		start := time.Now()
		succeeds(t, subprocess([]string{fault, "kill", "0", tc.out, count}, tc.args...))
		took, want := time.Since(start), tc.contents()
		changes, err := strconv.Atoi(strings.TrimSpace(readFile(t, count)))
		if err != nil || changes < 5 {
			t.Fatalf("%s: %d changes of files, %v", command, changes, err)
		}
		seed := uint64(time.Now().UnixNano())
		r := rand.New(rand.NewPCG(seed, 0))
		killed, done := 0, 0
		for i := 0; i < tc.kills && !over(t); i++ {
			done++
			for name := range want { // what is temporary stays
				if err := os.Remove(filepath.Join(tc.out, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			}
			var when string
			var e ended
			if i%2 == 0 {
				n := 1 + r.IntN(changes)
				when = fmt.Sprintf("%s, seed %d, kill %d, at change %d of %d", command, seed, i, n, changes)
				e = run(t, subprocess([]string{fault, "kill", strconv.Itoa(n), tc.out, count}, tc.args...))
			} else {
				after := time.Duration(r.Int64N(int64(took)))
				when = fmt.Sprintf("%s, seed %d, kill %d, after %v", command, seed, i, after)
				cmd := subprocess(nil, tc.args...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(after)
				cmd.Process.Kill()
				e = wait(t, cmd, new(bytes.Buffer), new(bytes.Buffer))
			}
			if e.status == 128+9 {
				killed++
			}
			same(t, when, tc.contents(), want, false)
			if i%4 == 3 || i == tc.kills-1 {
				succeeds(t, subprocess(nil, tc.args...))
				same(t, when+", and the next", tc.contents(), want, true)
			}
		}
		t.Logf("%s: %d of %d were killed before they ended", command, killed, done)
		if killed == 0 {
			t.Errorf("%s: none was killed", command)
		}
	}
}

// Making a corpus, killed, leaves no corpus, and what it leaves instead is
// gone after the next.
func TestSynthIsKilled(t *testing.T) {
	slow(t)
	fault := injector(t)
	dir, count := t.TempDir(), filepath.Join(t.TempDir(), "count")
	out := filepath.Join(dir, "corpus")
	args := []string{"corpus", "synth", "--files", "50", "--out", out}
	for _, n := range []string{"2", "40", "90"} {
		if e := run(t, subprocess([]string{fault, "kill", n, dir, count}, args...)); e.status != 128+9 {
			t.Errorf("at change %s: status %d, want it killed", n, e.status)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("at change %s: there is a corpus", n)
		}
	}
	mine := filepath.Join(dir, ".synth-mine")
	if err := os.Mkdir(mine, 0o777); err != nil {
		t.Fatal(err)
	}
	succeeds(t, subprocess(nil, args...))
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 2 {
		t.Errorf("left %v, %v: want the corpus and %s", left, err, mine)
	}
}

// A disk that is full, from any write on, is told in one line that names the
// file. No half of a file gets its name, no temporary one stays, and the same
// command with room makes what it would have made.
func TestDiskIsFull(t *testing.T) {
	slow(t)
	fault := injector(t)
	extracted() // fills its cache, so that no case computes features
	for name, tc := range map[string]struct {
		args []string
		full string // where the disk is, below DIR
		once bool   // the results differ each time
	}{
		"run":        {args: []string{"run", "--corpus", small(), "--model", model, "--out", "DIR/out", "--cache", cached(), "--resamples", "10"}, full: "out"},
		"extract":    {args: []string{"extract", "--corpus", small(), "--model", model, "--out", "DIR/out", "--cache", cached()}, full: "out"},
		"splits":     {args: []string{"splits", "--corpus", small(), "--out", "DIR/out"}, full: "out"},
		"report":     {args: []string{"report", "--out", "DIR/run"}, full: "run"},
		"score":      {args: []string{"score", "--features", "DIR/run/features", "--out", "DIR/out", "--resamples", "10", "--detectors", "msp", "--save-fit", "DIR/other/fit", "--summary", "DIR/other/s.md"}, full: "other"},
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
			succeeds(t, subprocess([]string{fault, "full", "0", disk, count}, args...))
			want := contents(t, disk)
			writes, err := strconv.Atoi(strings.TrimSpace(readFile(t, count)))
			if err != nil || writes < 3 {
				t.Fatalf("%d writes, %v", writes, err)
			}
			var points []int
			for n := 1; n <= writes; n++ {
				if soak || n == writes/2 && !tc.once || n == writes-1 && name != "report" { // the last is a sync, before it a write
					points = append(points, n)
				}
			}
			r := rand.New(rand.NewPCG(1, uint64(writes)))
			r.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] }) // those that there is time for
			tried := 0
			for _, n := range points {
				if over(t) {
					break
				}
				tried++
				made := disk
				if tc.full == "run" { // which holds what is read, too
					made = filepath.Join(disk, "report")
				}
				if err := os.RemoveAll(made); err != nil {
					t.Fatal(err)
				}
				when := fmt.Sprintf("from write %d of %d on", n, writes)
				e := run(t, subprocess([]string{fault, "full", strconv.Itoa(n), disk, count}, args...))
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
			t.Logf("full from %d of %d writes on", tried, writes)
			if !tc.once {
				succeeds(t, subprocess(nil, args...))
				same(t, "with room again", contents(t, disk), want, true)
			}
		})
	}

	t.Run("cache", func(t *testing.T) {
		dir := t.TempDir()
		args := []string{"extract", "--corpus", small(), "--model", model, "--out", filepath.Join(dir, "out"), "--cache", filepath.Join(dir, "cache")}
		e := run(t, subprocess([]string{fault, "full", "8", filepath.Join(dir, "cache"), filepath.Join(dir, "count")}, args...))
		if e.status != exitDone || !strings.Contains(e.stderr, "feature cache stores nothing more in this run") || !strings.Contains(e.stderr, "no space left on device") {
			t.Errorf("status %d, stderr:\n%s", e.status, e.stderr)
		}
		same(t, "without room for the cache", contents(t, filepath.Join(dir, "out", "features")), contents(t, filepath.Join(extracted(), "features")), true)
		succeeds(t, subprocess(nil, args...))
	})
}

// A file of the corpus that the disk does not give back is dropped like one
// that is missing. What a command cannot do without ends it in one line.
func TestReadErrors(t *testing.T) {
	slow(t)
	fault := injector(t)
	dir := edited(t, func(index string) string { return index })
	copyTree(t, filepath.Join(dir, "run"), extracted(), func(path string) bool { return !strings.HasPrefix(path, "report/") })
	writeFile(t, filepath.Join(dir, "run", "bench.txt"), readFile(t, "../throughput/testdata/old.txt"))
	copyTree(t, filepath.Join(dir, "model"), model, func(string) bool { return true })
	at := func(path string) string { return filepath.Join(dir, path) }
	inject := func(path string, args ...string) ended {
		return run(t, subprocess([]string{fault, "eio", "1", path, filepath.Join(t.TempDir(), "count")}, args...))
	}
	runs := []string{"run", "--corpus", dir, "--model", at("model"), "--out", at("out"), "--cache", "none", "--resamples", "10"}
	score := []string{"score", "--features", at("run/features"), "--out", at("out"), "--resamples", "10"}

	bad := readSplit(t, "2017-fit")[0]
	e := inject(at("files/"+bad), runs...)
	if e.status != exitDone || !strings.Contains(e.stderr, "split=2017-fit files=43 dropped=1 cached=0 first=\"name \\\""+bad+"\\\" (line ") {
		t.Errorf("a file of the corpus: status %d, stderr:\n%s", e.status, e.stderr)
	}
	var m bench.Manifest
	if err := json.Unmarshal([]byte(readFile(t, at("out/manifest.json"))), &m); err != nil || len(m.Dropped) != 1 ||
		m.Dropped[0].Name != bad || m.Dropped[0].Reason != "cannot be read: input/output error" {
		t.Errorf("dropped %+v, %v", m.Dropped, err)
	}
	worker := []string{"worker", "--model", at("model"), "--files", at("files"), "--index", at("dataset.csv"), "--shard", "0/1", "--out", at("shard")}
	complains(t, "a file of a worker", inject(at("files/"+bad), worker...), bad, "input/output error")
	for _, tc := range []struct {
		path string
		args []string
	}{
		{"dataset.csv", worker},
		{"model/saved_model.pb", worker},
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
	slow(t)
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
		return run(t, subprocess(before, args...))
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
		"cache":    {runs(dir+"/out", "--cache", locked+"/cache"), "mkdir " + locked + "/cache: permission denied; choose another folder"},
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

// held is what this process holds once it has settled.
type held struct {
	goroutines, files, threads int
	heap, c, resident          float64 // MB: of Go, of C's allocator, and of both with what they keep free
}

// settle collects garbage until it gives nothing more back: C memory waits for
// finalizers, which run after a collection, and threads end in their own time.
func settle(t *testing.T) held {
	t.Helper()
	for range 4 {
		runtime.GC()
		time.Sleep(50 * time.Millisecond)
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return held{
		goroutines: runtime.NumGoroutine(),
		files:      entries(t, "/proc/self/fd"),
		threads:    entries(t, "/proc/self/task"),
		heap:       float64(m.HeapAlloc) / (1 << 20),
		c:          float64(malloc.InUse()) / (1 << 20),
		resident:   anonymousMB(t),
	}
}

func (h held) String() string {
	return fmt.Sprintf("%d goroutines, %d open files, %d threads, %.1f MB on the Go heap, %.1f MB by C's allocator (%.0f MB resident)",
		h.goroutines, h.files, h.threads, h.heap, h.c, h.resident)
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	e, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

func anonymousMB(t *testing.T) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^Anonymous: +(\d+) kB`).FindStringSubmatch(readFile(t, "/proc/self/smaps_rollup"))
	if m == nil {
		t.Fatal("smaps_rollup has no line Anonymous")
	}
	kB, _ := strconv.Atoi(m[1])
	return float64(kB) / 1024
}

// Extracting over and over, from files and then from the cache, opens and
// closes reader, engine and cache each time, and leaves nothing of them behind:
// what is held after a tenth of the batches is held after all.
func TestSoak(t *testing.T) {
	slow(t)
	batches := 200
	if soak {
		batches = 10_000
	}
	// What may be held more. Go starts a thread when all others wait in C, and
	// TensorFlow those of its pools when they are first busy. Resident memory is
	// stated and not judged, see package malloc.
	const threads, heap, c = 16, 4, 4
	for _, engine := range []string{"tensorflow", "table"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			cache := filepath.Join(dir, "cache")
			extract := func() (computed, cached int) {
				var stderr bytes.Buffer
				args := []string{"extract", "--corpus", small(), "--model", model, "--engine", engine,
					"--batch", "1", "--cache", cache, "--out", filepath.Join(dir, "out")}
				if status := command(t.Context(), args, &stderr, &stderr); status != exitDone {
					t.Fatalf("status %d:\n%s", status, &stderr)
				}
				for _, m := range regexp.MustCompile(`msg=extracted .* files=(\d+) .* cached=(\d+)`).FindAllStringSubmatch(stderr.String(), -1) {
					files, _ := strconv.Atoi(m[1])
					kept, _ := strconv.Atoi(m[2])
					computed += files - kept
					cached += kept
				}
				return computed, cached
			}
			start := time.Now()
			var early, late held
			done, opened, tenths := 0, 0, 0
			for done < batches && !over(t) {
				if err := os.RemoveAll(cache); err != nil {
					t.Fatal(err)
				}
				computed, _ := extract()
				if again, cached := extract(); computed == 0 || again != 0 || cached != computed {
					t.Fatalf("%d files computed, then %d, and %d from the cache", computed, again, cached)
				}
				done += computed
				opened += 2
				if done*10 < batches*(tenths+1) {
					continue
				}
				late = settle(t)
				if tenths == 0 {
					early = late
				}
				tenths = done * 10 / batches
				t.Logf("%d batches, %d openings, %.0f s: %v", done, opened, time.Since(start).Seconds(), late)
			}
			if late.goroutines > early.goroutines || late.files > early.files || late.threads > early.threads+threads ||
				late.heap > early.heap+heap || late.c > early.c+c {
				t.Errorf("after a tenth of the batches: %v\nafter all: %v\nmore may be: %d threads, %d MB on the Go heap, %d MB by C's allocator", early, late, threads, heap, c)
			}
		})
	}
}
