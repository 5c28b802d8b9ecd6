package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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

// extracted is the folder of a `driftbench run` over small, with its fit file
// run.fit.
var extracted = sync.OnceValue(func() string {
	dir := filepath.Join(shared, "run")
	status, _, stderr := driftbench("run", "--corpus", small(), "--model", model, "--out", dir,
		"--cache", "none", "--resamples", "50", "--save-fit", filepath.Join(dir, "run.fit"))
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
