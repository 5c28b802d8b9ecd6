package dataset

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestDigests(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("a long file ", 100000)
	var rows []Row
	for name, content := range map[string]string{"long": long, "short": "x", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"long", "none", "short", "out", "empty"} {
		rows = append(rows, Row{Name: name, Path: name, Line: i + 2})
	}
	c := Config{Dir: dir, Root: "."}
	var done atomic.Int32
	sums, dropped, err := c.Digests(t.Context(), rows, func(n int) { done.Add(int32(n)) })
	if err != nil {
		t.Fatal(err)
	}
	if sums[0] != sha256.Sum256([]byte(long)) || sums[2] != sha256.Sum256([]byte("x")) || sums[1] != [sha256.Size]byte{} || done.Load() != 5 {
		t.Errorf("digests %x, %d done", sums, done.Load())
	}
	var why []string
	for _, d := range dropped {
		why = append(why, d.String())
	}
	if got, want := strings.Join(why, "; "), `name "none" (line 3) is missing; name "out" (line 5) leads out of the root by a symbolic link; name "empty" (line 6) is empty`; got != want {
		t.Errorf("dropped %s, want %s", got, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if err := os.Truncate(filepath.Join(dir, "long"), 1<<40); err != nil { // which would take an hour
		t.Fatal(err)
	}
	_, _, err = c.Digests(ctx, []Row{rows[2], rows[0]}, func(int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
