package files

import (
	"testing"
	"time"

	"driftbench/internal/regular"
)

// Versions of Find and of a Reader agree, and tell nothing of what is not to be
// read.
func TestVersions(t *testing.T) {
	dir := t.TempDir()
	names, reasons := hostile(t, dir)
	for i, f := range find(t, Options{}, []string{dir}, names...).files {
		if f.Version.Known() {
			t.Errorf("%q (%s), written just now, has the version %v", names[i], reasons[i], f.Version)
		}
	}
	if regular.FileSystemOf(dir) == (regular.FileSystem{}) {
		t.Skipf("the file system of %s is not known to keep the times of changes: files there have no versions", dir)
	}
	time.Sleep(3100 * time.Millisecond) // times of files that are newer are not relied on
	found := find(t, Options{}, []string{dir}, names...)
	for i, f := range found.files {
		if f.Version.Known() != (reasons[i] == "") {
			t.Errorf("%q (%s) has the version %v", names[i], reasons[i], f.Version)
		}
	}
	r := found.NewReader(t.Context(), found.files, ReadOptions{MaxLen: 100, Batch: len(names)})
	defer r.Close()
	b, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range b.Rows {
		if b.Version[i] != found.files[row].Version || b.Version[i].Size() != b.Size[i] {
			t.Errorf("%q is read as version %v, looked at as %v", names[row], b.Version[i], found.files[row].Version)
		}
	}
}
