package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "folder", "f")
	say := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := fmt.Fprint(w, text); return err }
	}
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("file holds %q (%v), want %q", got, err, want)
		}
		entries, _ := os.ReadDir(filepath.Dir(path))
		if len(entries) != 1 {
			t.Errorf("the folder holds %v, want the file alone", entries)
		}
	}
	if err := Write(path, say("one")); err != nil {
		t.Fatal(err)
	}
	check("one")

	broken := errors.New("broken")
	err := Write(path, func(w io.Writer) error {
		fmt.Fprint(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want that of write", err)
	}
	check("one")

	if err := Write(path, say("two")); err != nil {
		t.Fatal(err)
	}
	check("two")
}

// What a killed process has left is swept away, and neither what another
// process is writing nor what only looks alike.
func TestWriteSweeps(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(dir, "f.csv")
	busy := filepath.Join(dir, ".f.csv2222222222")
	for _, name := range []string{".f.csv1111111111", busy, ".f.csv", ".f.csv.old", ".fxcsv1111111111", "f.csv1111111111"} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(busy)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	err = Write(path, func(io.Writer) error {
		if entries, _ := os.ReadDir(os.Getenv("TMPDIR")); len(entries) != 0 {
			t.Errorf("%v is not beside the target", entries)
		}
		return Write(path, func(io.Writer) error { return nil }) // another process would not sweep this one's
	})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{".f.csv", ".f.csv.old", ".f.csv2222222222", ".fxcsv1111111111", "f.csv", "f.csv1111111111"}; !slices.Equal(names, want) {
		t.Errorf("left %q, want %q", names, want)
	}
}

// An error names the file that was to be written, not a name that is gone.
func TestWriteNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	defer unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err := Write(path, func(w io.Writer) error { _, err := w.Write(make([]byte, 100)); return err })
	if err == nil || err.Error() != "write "+path+": file too large" {
		t.Errorf("error %v", err)
	}
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 100)); err == nil || err.Error() != "write "+path+": file too large" {
		t.Errorf("error %v", err)
	}
	f.Discard()
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) > 0 {
		t.Errorf("left %v", entries)
	}
}

// A device that root names as the output stays a device.
func TestWriteReplacesNoDevice(t *testing.T) {
	for name, tc := range map[string]struct {
		put  func(path string) error
		want string
	}{
		"pipe":      {func(path string) error { return unix.Mkfifo(path, 0o666) }, "is a named pipe: want a file"},
		"socket":    {func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o666, 0) }, "is a socket: want a file"},
		"open file": {func(path string) error { return os.Symlink("/proc/self/fd/1", path) }, "is a link to /proc/self/fd/1: want a file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if err := tc.put(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			err = Write(path, func(io.Writer) error { return nil })
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %s", err, tc.want)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it was replaced: %v", err)
			}
		})
	}
}
