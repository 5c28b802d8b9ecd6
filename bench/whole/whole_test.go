package whole

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
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
