package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"driftbench/bench/corpus"
	"driftbench/report"
)

// Within an engine, numbers depend on neither the batch size, nor the number of
// threads of the engine or of Go, nor on what comes from the cache.
func TestRunIsDeterministic(t *testing.T) {
	slow(t)
	for _, engine := range []string{"tensorflow", "table"} {
		cache := filepath.Join(t.TempDir(), "cache")
		var want string
		for i, tc := range []struct {
			batch, threads, cache string
			procs                 int
		}{
			{"32", "2", cache, 2},
			{"1", "1", "none", 1},
			{"7", "2", "none", 4},
			{"64", "1", "none", 2},
			{"64", "2", cache, 1}, // all of it from the cache
		} {
			out := t.TempDir()
			before := runtime.GOMAXPROCS(tc.procs)
			status, _, stderr := driftbench("run", "--corpus", small(), "--model", model, "--out", out, "--engine", engine,
				"--batch", tc.batch, "--threads", tc.threads, "--cache", tc.cache, "--resamples", "50")
			runtime.GOMAXPROCS(before)
			if status != exitDone {
				t.Fatalf("%s, %+v: status %d, stderr:\n%s", engine, tc, status, stderr)
			}
			got := readFile(t, filepath.Join(out, "results.json"))
			if i == 0 {
				want = got
			} else if got != want {
				t.Errorf("%s, %+v gives another results.json", engine, tc)
			}
			if i > 0 && tc.cache == cache && strings.Contains(stderr, "cached=0") {
				t.Errorf("%s: not from the cache:\n%s", engine, stderr)
			}
		}
		if engine == "table" && want != readFile(t, filepath.Join(extracted(), "results.json")) {
			t.Error("another engine, batch or thread count than is chosen gives another results.json")
		}
	}
}

// The drift that is put into a corpus is the drift that is found, by the model
// that was trained for the default corpus: none at 0, and growing at 1.
func TestDriftIsFound(t *testing.T) {
	slow(t)
	for _, drift := range []float64{0, 1} {
		dir := t.TempDir()
		if err := corpus.Synth(t.Context(), filepath.Join(dir, "corpus"), corpus.Options{Seed: 1, Drift: drift}); err != nil {
			t.Fatal(err)
		}
		mustRun(t, "run", "--corpus", filepath.Join(dir, "corpus"), "--model", model, "--out", dir, "--cache", "none", "--resamples", "10")
		r, err := report.ReadResults(filepath.Join(dir, "results.json"))
		if err != nil {
			t.Fatal(err)
		}
		if r.InUnseen != "unseen" {
			t.Errorf("drift %v: In is %s by the network, want unseen", drift, r.InUnseen)
		}
		looked := 0
		for _, d := range r.Detectors {
			if !strings.HasPrefix(d.Name, "mahalanobis/") || d.UsesOutLabels {
				continue
			}
			looked++
			before := report.Num(0.5)
			for _, s := range d.Splits {
				switch {
				case drift == 0 && !(s.AUROCLo <= 0.5 && 0.5 <= s.AUROCHi):
					t.Errorf("no drift, but %s has AUROC %.3f [%.3f, %.3f] on %s", d.Name, s.AUROC, s.AUROCLo, s.AUROCHi, s.Split)
				case drift == 1 && !(s.AUROCLo > 0.5 && s.AUROC > before):
					t.Errorf("drift grows, but %s has AUROC %.3f [%.3f, %.3f] on %s after %.3f", d.Name, s.AUROC, s.AUROCLo, s.AUROCHi, s.Split, before)
				}
				before = s.AUROC
			}
		}
		if looked != 3 {
			t.Errorf("%d detectors, want 3", looked)
		}
	}
}

// stopper is a stderr that ends a context when a line says stop.
type stopper struct {
	sync.Mutex
	bytes.Buffer
	stop   string
	cancel context.CancelFunc
	at     time.Time
}

func (s *stopper) Write(b []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	if s.at.IsZero() && bytes.Contains(b, []byte(s.stop)) {
		s.at = time.Now()
		s.cancel()
	}
	return s.Buffer.Write(b)
}

// An interrupted run ends at once, says what is kept, leaves nothing that a
// later run could mistake for its own, and the next one goes on from the cache.
func TestInterruptedRun(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	out, cache := filepath.Join(dir, "out"), filepath.Join(dir, "cache")
	args := []string{"run", "--corpus", small(), "--model", model, "--out", out, "--cache", cache, "--resamples", "50", "--batch", "4"}
	says := regexp.MustCompile(`\ndriftbench: interrupted\. (\d) of 5 splits are complete in ` + regexp.QuoteMeta(out) +
		`/features\. What was computed is cached: the same command goes on from there\.\n$`)
	for _, tc := range []struct {
		stop        string
		least, most int // splits
	}{
		{"msg=engine", 0, 0},
		{"msg=extracted split=2018-Q1", 3, 5}, // batches that were under way may complete more
		{"the covariance of layer7", 5, 5},
	} {
		os.RemoveAll(out)
		ctx, cancel := context.WithCancel(t.Context())
		var stdout bytes.Buffer
		stderr := &stopper{stop: tc.stop, cancel: cancel}
		status := command(ctx, args, &stdout, stderr)
		took := time.Since(stderr.at)
		said := says.FindStringSubmatch(stderr.String())
		tables, _ := filepath.Glob(filepath.Join(out, "features", "*.csv"))
		if status != exitInterrupted || stdout.Len() > 0 || said == nil || said[1] != strconv.Itoa(len(tables)) || len(tables) < tc.least || len(tables) > tc.most {
			t.Errorf("stopped at %q: status %d, %d tables, stdout %q, stderr:\n%s", tc.stop, status, len(tables), stdout.String(), stderr)
		}
		if took > 2*time.Second {
			t.Errorf("stopped at %q: ended %v later", tc.stop, took)
		}
		for _, path := range tree(t, out) {
			rel, _ := filepath.Rel(out, path)
			if rel == "manifest.json" && len(tables) == 5 {
				continue // the features are complete
			}
			if rel != "features" && !regexp.MustCompile(`^features/[0-9A-Za-z-]+(\.\w+\.npy|\.csv|\.json)$`).MatchString(rel) {
				t.Errorf("stopped at %q: left %s", tc.stop, rel)
			}
		}
	}

	_, _, stderr := driftbench(args...)
	fit := regexp.MustCompile(`split=2017-fit files=(\d+) dropped=0 cached=(\d+)`).FindStringSubmatch(stderr)
	if fit == nil || fit[1] != fit[2] {
		t.Errorf("not all of the first split comes from the cache:\n%s", stderr)
	}
	if readFile(t, filepath.Join(out, "results.json")) != readFile(t, filepath.Join(extracted(), "results.json")) {
		t.Error("the run after three interrupted ones gives other results than an undisturbed one")
	}
}

// Features that an earlier extraction has left in the folder are not scored
// with those of the last.
func TestScorePassesOverWhatIsLeft(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	copyTree(t, dir, extracted(), func(path string) bool { return path == "manifest.json" || strings.HasPrefix(path, "features/2") })
	for _, end := range []string{".csv", ".layer7.npy", ".layer8.npy", ".logits.npy"} {
		writeFile(t, filepath.Join(dir, "features", "2020"+end), readFile(t, filepath.Join(dir, "features", "2019"+end)))
	}
	_, _, stderr := driftbench("score", "--features", filepath.Join(dir, "features"), "--out", dir, "--resamples", "10", "--detectors", "msp")
	if !strings.Contains(stderr, "split 2020 is passed over: the manifest.json of the features does not name it") {
		t.Errorf("stderr:\n%s", stderr)
	}
	r, err := report.ReadResults(filepath.Join(dir, "results.json"))
	if err != nil || len(r.Splits) != 5 {
		t.Errorf("%d splits, %v, want those of the manifest", len(r.Splits), err)
	}
}

func TestThroughputIsReadByCompare(t *testing.T) {
	out := t.TempDir()
	stdout := mustRun(t, "throughput", "--model", model, "--corpus", small(), "--out", out,
		"--count", "2", "--files", "4", "--batch", "2", "--least", "1ms", "--device", "cpu")
	bench := filepath.Join(out, "bench.txt")
	if !strings.Contains(stdout, bench) {
		t.Errorf("stdout does not name %s:\n%s", bench, stdout)
	}
	for _, col := range []string{"/engine", "/batch"} {
		if table := mustRun(t, "compare", bench, "--col", col); !strings.Contains(table, "samples/s") {
			t.Errorf("compare by %s:\n%s", col, table)
		}
	}
	file := readFile(t, bench)
	for _, engine := range []string{"tensorflow", "table"} {
		if n := len(regexp.MustCompile(`(?m)^BenchmarkExtract/engine=`+engine+`/device=cpu/batch=2/read=no\S* `).FindAllString(file, -1)); n != 2 {
			t.Errorf("%s: %d repetitions, want 2:\n%s", engine, n, file)
		}
	}
}

// Names come from whoever made the files: none may steer a terminal.
func TestNoControlSequenceIsPrinted(t *testing.T) {
	dir := t.TempDir()
	copyTree(t, dir, extracted(), func(path string) bool { return strings.HasPrefix(path, "features/") })
	const evil = "\x1b[2J\u202eworm\u009b"
	for _, split := range []string{"2017-fit", "2017-val", "2018-Q1", "2018-late", "2019"} {
		table := filepath.Join(dir, "features", split+".csv")
		writeFile(t, table, strings.ReplaceAll(readFile(t, table), ",worm,", ","+evil+","))
	}
	score := []string{"score", "--features", filepath.Join(dir, "features"), "--out", dir, "--resamples", "10"}
	for _, args := range [][]string{
		{"--detectors", "msp"},
		{"--detectors", evil},
		{"--corpus-config", filepath.Join(small(), "corpus.yaml")},
		{"--fit", evil},
	} {
		_, stdout, stderr := driftbench(append(score, args...)...)
		if text := stdout + stderr; strings.ContainsAny(text, "\x1b\u202e\u009b") {
			t.Errorf("%q: %q", args, text)
		}
	}
	var b bytes.Buffer
	if n, err := fmt.Fprintf(&output{w: &b}, "a\t%s\n", evil); n != 16 || err != nil || b.String() != "a\t?[2J?worm?\n" {
		t.Errorf("%d bytes, %v: %q", n, err, b.String())
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// When nobody reads the output, the command says so, and its files are there
// all the same.
func TestStdoutClosed(t *testing.T) {
	out := t.TempDir()
	for _, args := range [][]string{
		{"doctor"},
		{"splits", "--corpus", small(), "--out", out},
		{"score", "--features", filepath.Join(extracted(), "features"), "--out", out, "--detectors", "msp", "--resamples", "10"},
		{"run", "--help"},
	} {
		var stderr bytes.Buffer
		if status := command(t.Context(), args, closedPipe{}, &stderr); status != exitFailed || !strings.HasSuffix(stderr.String(), "driftbench: printing the results: broken pipe\n") {
			t.Errorf("%v: status %d, stderr %q", args, status, stderr.String())
		}
	}
	readFile(t, filepath.Join(out, "report", "index.html"))
}

// Every help and the table of a run fit a terminal of 80 columns.
func TestOutputFits(t *testing.T) {
	slow(t)
	var commands [][]string
	text := mustRun(t, "--help")
	for _, m := range regexp.MustCompile(`(?m)^  (\w+) {2,}\S`).FindAllStringSubmatch(text, -1) {
		commands = append(commands, []string{m[1]})
		sub := mustRun(t, m[1], "--help")
		if !strings.Contains(sub, "Available Commands:") || m[1] == "help" {
			continue
		}
		for _, s := range regexp.MustCompile(`(?m)^  (\w+) {2,}\S`).FindAllStringSubmatch(sub, -1) {
			commands = append(commands, []string{m[1], s[1]})
		}
	}
	if len(commands) < 14 {
		t.Errorf("only %d commands: %v", len(commands), commands)
	}
	outputs := map[string]string{
		"driftbench --help": text,
		"a run": mustRun(t, "score", "--features", filepath.Join(extracted(), "features"), "--out", t.TempDir(), "--resamples", "10",
			"--fail-if", "accuracy(2017-fit) < 0.1"),
	}
	for _, c := range commands {
		outputs[fmt.Sprint(c)] = mustRun(t, append(c, "--help")...)
	}
	for name, text := range outputs {
		for line := range strings.Lines(text) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 && !strings.Contains(line, "/index.html") && !strings.HasPrefix(line, "passed: ") {
				t.Errorf("%s: %s columns: %s", name, strconv.Itoa(n), line)
			}
		}
	}
}

// hook calls do once, when what is written to it holds text.
type hook struct {
	strings.Builder
	text string
	do   func()
}

func (h *hook) Write(b []byte) (int, error) {
	if h.do != nil && strings.Contains(string(b), h.text) {
		h.do()
		h.do = nil
	}
	return h.Builder.Write(b)
}

// Files may go between the first look at them and their reading. What then
// cannot be measured is an error, as it would have been at first.
func TestFilesThatGo(t *testing.T) {
	slow(t)
	for gone, want := range map[string]string{
		"2019":     `split "2019": all 9 files are dropped; the first: name `,
		"worm":     `split "2017-fit": all files with label "worm" are dropped; the first dropped: name `,
		"all else": "",
	} {
		dir := t.TempDir()
		corpus := filepath.Join(dir, "corpus")
		copyTree(t, corpus, small(), func(string) bool { return true })
		remove := func() {
			for i, line := range strings.Split(readFile(t, filepath.Join(corpus, "dataset.csv")), "\n") {
				f := strings.Split(line, ",")
				if i > 0 && len(f) == 3 && (f[1] == gone || strings.HasPrefix(f[2], gone)) {
					os.Remove(filepath.Join(corpus, f[0]))
				}
			}
		}
		stderr := &hook{text: "msg=engine", do: remove}
		var stdout bytes.Buffer
		out := filepath.Join(dir, "out")
		status := command(t.Context(), []string{"run", "--corpus", corpus, "--model", model, "--out", out, "--cache", "none", "--resamples", "10"}, &stdout, stderr)
		_, err := os.Stat(filepath.Join(out, "results.json"))
		if want == "" {
			if status != exitDone || err != nil {
				t.Errorf("none gone: status %d, %v, stderr:\n%s", status, err, stderr)
			}
		} else if last := stderr.String()[strings.LastIndex(strings.TrimSpace(stderr.String()), "\n")+1:]; status != exitFailed || err == nil || !strings.HasPrefix(last, "driftbench: "+want) {
			t.Errorf("%s gone: status %d, results %v, stderr:\n%s", gone, status, err, stderr)
		}
	}
}
