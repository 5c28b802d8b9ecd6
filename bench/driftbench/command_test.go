package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"driftbench/bench/corpus"
)

// shared holds what several tests read; TestMain removes it.
var shared string

// TestMain is main itself in a process that a test starts as driftbench.
func TestMain(m *testing.M) {
	if os.Getenv("DRIFTBENCH_TEST_MAIN") != "" {
		main()
	}
	var err error
	if shared, err = os.MkdirTemp("", "driftbench-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(shared)
	os.Exit(status)
}

const model = "../corpus/malconv" // the committed model

// small is a corpus of 150 files with drift and without groups.
var small = sync.OnceValue(func() string {
	dir := filepath.Join(shared, "corpus")
	if err := corpus.Synth(context.Background(), dir, corpus.Options{Files: 150, Seed: 1, Drift: 1, GroupSize: 1}); err != nil {
		panic(err)
	}
	return dir
})

// cached is the folder of the cache that the run of extracted fills.
func cached() string { return filepath.Join(shared, "cache") }

// extracted is the folder of a `driftbench run` over small, with its fit file
// run.fit.
var extracted = sync.OnceValue(func() string {
	dir := filepath.Join(shared, "run")
	status, _, stderr := driftbench("run", "--corpus", small(), "--model", model, "--out", dir,
		"--cache", cached(), "--resamples", "50", "--save-fit", filepath.Join(dir, "run.fit"))
	if status != exitDone {
		panic(stderr)
	}
	return dir
})

// driftbench runs one command line in this process.
func driftbench(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = command(context.Background(), args, &out, &err)
	return status, out.String(), err.String()
}

// On a terminal the log is sentences, which -q leaves out and -v gives a time.
func TestSentences(t *testing.T) {
	for _, tc := range []struct {
		quiet, verbose bool
		want           string
	}{
		{false, false, "The engine is table on cpu: no GPU\nWarning: x is far\nSomething: key a?b\n"},
		{true, false, "Warning: x is far\n"},
	} {
		var b bytes.Buffer
		term := newTerminal(&b, &b)
		term.quiet, term.verbose = tc.quiet, tc.verbose
		term.setLog()
		log := slog.New(&sentences{t: term})
		log.Info("engine", "name", "table", "device", "cpu", "why", "no GPU")
		log.Warn("dataset: x is far")
		log.Info("something", "key", "a\x1bb", "none", "")
		if b.String() != tc.want {
			t.Errorf("%+v: %q", tc, b.String())
		}
	}
	for in, want := range map[string]string{"dataset: report: no file": "no file", "a.csv:3: bad": "a.csv:3: bad", "stats: ": "", "plain": "plain"} {
		if got := message(in); got != want {
			t.Errorf("message(%q) = %q, want %q", in, got, want)
		}
	}
}

// A spinner ends with its stage, and the line of the next is its own.
func TestSpinnerEnds(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer slave.Close()
	term := newTerminal(slave, slave)
	for _, stage := range []string{"fitting", "drawing"} {
		term.openBar(stage, -1, "")
		time.Sleep(250 * time.Millisecond)
	}
	term.closeBar()
	b := make([]byte, 1<<16)
	read, err := master.Read(b)
	first, second, ok := strings.Cut(string(b[:read]), "drawing")
	if err != nil || !ok || !strings.Contains(first, "fitting") || strings.Contains(second, "fitting") {
		t.Errorf("printed %q, %v", b[:read], err)
	}
}

// mustRun is driftbench where nothing may fail; it returns stdout.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := driftbench(args...)
	if status != exitDone {
		t.Fatalf("driftbench %s: status %d, stderr:\n%s", strings.Join(args, " "), status, stderr)
	}
	return stdout
}

// copyTree copies the files of a folder that keep accepts by their path below
// it.
func copyTree(t *testing.T, dst, src string, keep func(path string) bool) {
	t.Helper()
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil || d.IsDir() || !keep(rel) {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dst, rel)), 0o777); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dst, rel), b, 0o666)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}
