package dataset

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Whatever gives a file other bytes gives it another version, its size and
// mtime set back or not; reading it does not.
func TestVersionChanges(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Dir = t.TempDir()
	path := filepath.Join(cfg.Dir, "f")
	long := time.Date(2017, 6, 1, 0, 0, 0, 0, time.UTC)
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	// See the file as it will be when its times can be relied on.
	r := versioned(t, cfg.Dir)
	stat := func() os.FileInfo {
		t.Helper()
		time.Sleep(20 * time.Millisecond) // more than a tick of the kernel's clock
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	see := func() Version {
		t.Helper()
		info := stat()
		if v := r.version(info, time.Now()); v != (Version{}) {
			t.Errorf("a file written just now has the version %v", v)
		}
		v := r.version(info, time.Now().Add(still))
		if v == (Version{}) || v.Size() != info.Size() {
			t.Errorf("version %v of a file of %d bytes", v, info.Size())
		}
		return v
	}
	write("one")
	first := see()
	if _, err := os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if v := see(); v != first {
		t.Errorf("reading changes %v to %v", first, v)
	}
	for what, change := range map[string]func(){
		"written in place": func() { write("two") },
		"replaced": func() {
			old := path
			path = filepath.Join(cfg.Dir, "new")
			write("two")
			if err := os.Rename(path, old); err != nil {
				t.Fatal(err)
			}
			path = old
		},
		"grown": func() { write("longer") },
	} {
		write("one")
		before, whole := see(), stat()
		change()
		if after := see(); after == before {
			t.Errorf("%s: still %v", what, after)
		}
		// The same while it is read, which may take long.
		if v := r.steady(whole, stat(), time.Now().Add(still)); v != (Version{}) {
			t.Errorf("%s while it is read: %v", what, v)
		}
	}
	whole := stat()
	if v := r.steady(whole, stat(), time.Now().Add(still)); v != see() {
		t.Errorf("left alone while it is read: %v", v)
	}
	for _, other := range []*root{{}, {device: r.device + 1}} {
		if v := other.version(whole, time.Now().Add(still)); v != (Version{}) {
			t.Errorf("version %v of a file of another file system", v)
		}
	}
}

// versioned is the root dir, whose files have versions if any have.
func versioned(t *testing.T, dir string) *root {
	t.Helper()
	r := &root{dir: dir, device: versionedDevice(dir)}
	if r.device == 0 {
		t.Skipf("the file system of %s is not known to keep the times of changes: files there have no versions", dir)
	}
	return r
}

// Versions and a Reader agree, and tell nothing of what is not to be read.
func TestVersions(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Dir = t.TempDir()
	names, reasons := hostile(t, cfg.Dir)
	rows := named(names...)
	c := Corpus{Config: cfg, Splits: Splits{In: Split{Span{Name: "a"}, rows}}}
	check := func() []Version {
		t.Helper()
		files, err := c.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return files[1].Versions
	}
	for i, v := range check() {
		if v != (Version{}) {
			t.Errorf("%q (%s), written just now, has the version %v", names[i], reasons[i], v)
		}
	}
	versioned(t, cfg.Dir)
	time.Sleep(still + 100*time.Millisecond)
	versions := check()
	for i, v := range versions {
		if (v != Version{}) != (reasons[i] == "") {
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
