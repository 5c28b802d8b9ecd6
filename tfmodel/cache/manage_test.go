package cache

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// fill stores n entries in a scope and makes its last use hours ago.
func fill(t *testing.T, dir string, s Scope, n int, hours time.Duration) time.Time {
	t.Helper()
	c, w := mustOpen(t, dir, s)
	keys := testKeys(0, n)
	c.Put(keys, testRows(s, keys))
	w.want(t)
	used := time.Now().Add(-hours * time.Hour).Truncate(time.Second)
	err := c.store.locked(func() error {
		return c.store.append(func() []byte { return encodeBlock(used.Unix(), c.codec.scope, nil, nil, nil) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

func stat(t *testing.T, dir string) Info {
	t.Helper()
	info, err := Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(info.Path); err == nil && st.Size() != info.Bytes || err != nil && info.Bytes != 0 {
		t.Errorf("Bytes %d, file %v, %v", info.Bytes, st, err)
	}
	return info
}

func TestStat(t *testing.T) {
	dir := t.TempDir()
	if info := stat(t, dir); len(info.Scopes) != 0 {
		t.Errorf("empty folder: %+v", info)
	}
	other := Scope{Model: "another", Engine: "table", Widths: []int{3}}
	usedOther := fill(t, dir, other, 5, 2)
	used := fill(t, dir, testScope, 70, 1)
	info := stat(t, dir)
	for i, want := range []ScopeInfo{{testScope, 70, used}, {other, 5, usedOther}} {
		if i >= len(info.Scopes) {
			t.Fatalf("%d scopes", len(info.Scopes))
		}
		got := info.Scopes[i]
		if got.Model != want.Model || got.Engine != want.Engine || !slices.Equal(got.Widths, want.Widths) || got.Entries != want.Entries || !got.LastUsed.Equal(want.LastUsed) {
			t.Errorf("scope %d: %+v, want %+v", i, got, want)
		}
	}
	mustOpen(t, dir, other)
	if s := stat(t, dir).Scopes[0]; s.Model != other.Model || time.Since(s.LastUsed) > time.Minute {
		t.Errorf("opened last: %+v", s)
	}
	if _, err := Stat(dir + "/none"); err != nil {
		t.Errorf("no folder: %v", err)
	}
}

func TestPrune(t *testing.T) {
	old := Scope{Model: "old", Engine: "table", Widths: testScope.Widths}
	for _, c := range []struct {
		name           string
		keep           Keep
		newest, oldest [2]int // least and most entries left
	}{
		{"all", Keep{}, [2]int{1000, 1000}, [2]int{1000, 1000}},
		{"since", Keep{Since: time.Now().Add(-2 * time.Hour)}, [2]int{1000, 1000}, [2]int{0, 0}},
		{"none since", Keep{Since: time.Now()}, [2]int{0, 0}, [2]int{0, 0}},
		{"part of the oldest", Keep{Bytes: 1600e3}, [2]int{1000, 1000}, [2]int{200, 999}},
		{"part of the newest", Keep{Bytes: 600e3}, [2]int{200, 999}, [2]int{0, 0}},
		{"next to nothing", Keep{Bytes: 1}, [2]int{0, 0}, [2]int{0, 0}},
		{"more than there is", Keep{Bytes: 1 << 40}, [2]int{1000, 1000}, [2]int{1000, 1000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, old, 1000, 3)
			used := fill(t, dir, testScope, 1000, 1)
			before := stat(t, dir)
			if err := Prune(dir, c.keep); err != nil {
				t.Fatal(err)
			}
			after := stat(t, dir)
			if after.Bytes >= before.Bytes || c.keep.Bytes > 64<<10 && after.Bytes > c.keep.Bytes {
				t.Errorf("%d bytes, after %d", after.Bytes, before.Bytes)
			}
			if len(after.Scopes) > 0 && after.Scopes[0].Entries > 0 && !after.Scopes[0].LastUsed.Equal(used) {
				t.Errorf("last used %v, was %v", after.Scopes[0].LastUsed, used)
			}
			for i, s := range []Scope{testScope, old} {
				want := [][2]int{c.newest, c.oldest}[i]
				cache, w := mustOpen(t, dir, s)
				if n := count(stored(t, cache, s, testKeys(0, 1000))); n < want[0] || n > want[1] {
					t.Errorf("scope %s: %d entries, want %v", s.Model, n, want)
				}
				w.want(t)
			}
		})
	}
	if err := Prune(t.TempDir(), Keep{}); err != nil {
		t.Errorf("no store: %v", err)
	}
}

// A cache that is open goes on after Prune and Clear.
func TestManagedInUse(t *testing.T) {
	dir := t.TempDir()
	c, w := mustOpen(t, dir, testScope)
	keys := testKeys(0, 10)
	for name, manage := range map[string]func() error{
		"prune to nothing": func() error { return Prune(dir, Keep{Bytes: 1}) },
		"clear":            func() error { return Clear(dir) },
	} {
		c.Put(keys, testRows(testScope, keys))
		if err := manage(); err != nil {
			t.Fatal(err)
		}
		if n := count(stored(t, c, testScope, keys)); n != 0 {
			t.Errorf("%s: %d entries left", name, n)
		}
		c.Put(keys, testRows(testScope, keys))
		if n := count(stored(t, c, testScope, keys)); n != len(keys) {
			t.Errorf("%s: %d entries stored after", name, n)
		}
	}
	w.want(t)
}

func TestClear(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/mine.txt", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	use(t, dir, []byte("damaged"))
	if info := stat(t, dir); len(info.SetAside) != 1 {
		t.Fatalf("%+v", info)
	}
	if err := Clear(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "mine.txt" {
		t.Errorf("left %v", left)
	}
	if err := Clear(dir); err != nil {
		t.Errorf("again: %v", err)
	}
}

// The commands report a damaged store, leave it where it is, and do not keep
// the next run from it.
func TestManageDamaged(t *testing.T) {
	for name, b := range map[string][]byte{
		"no store":      []byte("damaged"),
		"no such scope": bytes.ReplaceAll(sample(t), []byte(`"Engine":"tensorflow"`), []byte(`"EnGine":"tensorflow"`)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := (&store{dir: dir}).path()
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
			_, statErr := Stat(dir)
			for _, err := range []error{statErr, Prune(dir, Keep{})} {
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") {
					t.Errorf("error %v", err)
				}
			}
			if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, b) {
				t.Errorf("the store was changed, %v", err)
			}
			if served, _ := use(t, dir, b); served != 0 {
				t.Errorf("%d entries served", served)
			}
		})
	}
}
