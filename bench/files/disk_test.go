package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// watchWrites watches folders and those within them, and returns whether
// anything was made or written there since it was asked last.
func watchWrites(t *testing.T, folders ...string) (written func() bool) {
	t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { unix.Close(watch) })
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() {
				return err
			}
			_, err = unix.InotifyAddWatch(watch, path, unix.IN_CREATE|unix.IN_MODIFY|unix.IN_MOVED_TO|unix.IN_CLOSE_WRITE)
			return err
		})
		if err != nil {
			t.Skip(err)
		}
	}
	return func() bool {
		n, err := unix.Read(watch, make([]byte, 1<<16))
		return err == nil && n > 0
	}
}

// No sample is written to a disk while it is read out of what it is packed in:
// not beside it, nor into the working directory, the home or a temporary folder.
func TestWritesNothing(t *testing.T) {
	temp, home := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	written := watchWrites(t, temp, home, ".")
	f, err := os.CreateTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if !written() {
		t.Fatal("the watch sees nothing")
	}
	c := stores(t)
	found := find(t, Options{}, []string{"testdata"}, c.names...)
	_, contents, _, _ := readAll(t, found, ReadOptions{MaxLen: 1 << 20, Batch: 4})
	if len(contents) != len(c.names) {
		t.Errorf("%d files, want %d", len(contents), len(c.names))
	}
	if _, dropped, err := found.Digests(t.Context(), found.files, func(int) {}); err != nil || len(dropped) > 0 {
		t.Error(dropped, err)
	}
	found.Close()
	if written() {
		t.Error("reading samples has written to a disk")
	}
	if names, err := os.ReadDir(temp); err != nil || len(names) != 1 {
		t.Errorf("temporary files %v, %v", names, err)
	}
}
