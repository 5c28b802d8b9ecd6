package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Two commands do not write into one folder at a time; when the first has
// ended, however it did, the next may.
func TestOutIsInUse(t *testing.T) {
	dir := t.TempDir()
	copyTree(t, dir, extracted(), func(string) bool { return true })
	other, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Skip("no locks here: ", err)
	}
	commands := [][]string{
		{"extract", "--corpus", small(), "--model", model, "--out", dir, "--cache", "none"},
		{"score", "--features", filepath.Join(extracted(), "features"), "--out", dir, "--detectors", "msp", "--resamples", "10"},
		{"report", "--out", dir},
		{"splits", "--corpus", small(), "--out", dir},
	}
	for _, args := range commands {
		status, _, stderr := driftbench(args...)
		if want := "driftbench: --out " + dir + " is in use by another driftbench: wait for it to end, or choose another folder\n"; status != exitFailed || !strings.HasSuffix(stderr, want) {
			t.Errorf("%s: status %d, stderr:\n%s", args[0], status, stderr)
		}
	}
	other.Close()
	for _, args := range commands {
		if status, _, stderr := driftbench(args...); status != exitDone {
			t.Errorf("%s, unlocked: status %d, stderr:\n%s", args[0], status, stderr)
		}
	}
}
