package bench

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whether a folder can be written into is asked without a wait, and without a
// change to what lies there.
func TestPrepareFolder(t *testing.T) {
	none := func(string) error { return nil }
	for name, tc := range map[string]struct {
		put  func(path string) error
		want string // "" is no error, and nothing left
	}{
		"nothing":        {none, ""},
		"left by a kill": {func(path string) error { return os.WriteFile(path, nil, 0o666) }, ""},
		"with content":   {func(path string) error { return os.WriteFile(path, []byte("mine"), 0o666) }, "is in the way: move it"},
		"pipe":           {func(path string) error { return syscall.Mkfifo(path, 0o666) }, "is in the way: move it"},
		"folder":         {func(path string) error { return os.Mkdir(path, 0o777) }, "is in the way: move it"},
		"dangling link":  {func(path string) error { return os.Symlink(path+"-target", path) }, "is in the way: move it"},
		"link":           {func(path string) error { return os.Symlink("/dev/null", path) }, "is in the way: move it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, ".writable")
			if err := tc.put(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			err := prepareFolder("--out", dir)
			if tc.want == "" {
				if left, _ := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("error %v, left %v", err, left)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), path+" "+tc.want) {
				t.Errorf("error %v, want %s %s", err, path, tc.want)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("it was changed: %v", err)
			}
			if _, err := os.Lstat(path + "-target"); err == nil {
				t.Error("the link's target was made")
			}
		})
	}
}

// Commands that prepare one folder at once do not get in each other's way.
func TestPrepareFolderAtOnce(t *testing.T) {
	dir := t.TempDir()
	failed := make(chan error, 8)
	for range cap(failed) {
		go func() {
			var err error
			for i := 0; i < 200 && err == nil; i++ {
				err = prepareFolder("--out", dir)
			}
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, ".writable")); err == nil || !os.IsNotExist(err) {
		t.Errorf("left: %v, want %v", err, fs.ErrNotExist)
	}
}
