package dataset

import (
	"testing"
	"time"

	"driftbench/internal/regular"
)

// Versions and a Reader agree, and tell nothing of what is not to be read.
func TestVersions(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Dir = t.TempDir()
	names, reasons := hostile(t, cfg.Dir)
	rows := named(names...)
	c := Corpus{Config: cfg, Splits: Splits{In: Split{Span{Name: "a"}, rows}}}
	check := func() []regular.Version {
		t.Helper()
		files, err := c.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return files[1].Versions
	}
	for i, v := range check() {
		if v.Known() {
			t.Errorf("%q (%s), written just now, has the version %v", names[i], reasons[i], v)
		}
	}
	if regular.FileSystemOf(cfg.Dir) == (regular.FileSystem{}) {
		t.Skipf("the file system of %s is not known to keep the times of changes: files there have no versions", cfg.Dir)
	}
	time.Sleep(3100 * time.Millisecond) // times of files that are newer are not relied on
	versions := check()
	for i, v := range versions {
		if v.Known() != (reasons[i] == "") {
			t.Errorf("%q (%s) has the version %v", names[i], reasons[i], v)
		}
	}
	r, err := NewReader(t.Context(), cfg, rows, ReadOptions{MaxLen: 100, Batch: len(rows)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range b.Rows {
		if b.Version[i] != versions[row] || b.Version[i].Size() != b.Size[i] {
			t.Errorf("%q is read as version %v, looked at as %v", names[row], b.Version[i], versions[row])
		}
	}
}
