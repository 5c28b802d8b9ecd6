package cache

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

const sampleEntries = 120

// inMemory makes the test's temporary folders in memory where it can be:
// hundreds of stores are made, and syncing them is most of the time.
func inMemory(t testing.TB) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm")
	}
}

// sample returns the bytes of a store with branches, leaves, free pages, an
// entry larger than a page, and a bucket inside a page.
func sample(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	c, _ := mustOpen(t, dir, testScope)
	for from := 0; from < sampleEntries; from += 40 {
		keys := testKeys(from, 40)
		c.Put(keys, testRows(testScope, keys))
	}
	for _, s := range []Scope{{Model: "small", Widths: []int{2}}, {Model: "large", Widths: []int{3000}}} {
		c, _ := mustOpen(t, dir, s)
		keys := testKeys(0, 3)
		c.Put(keys, testRows(s, keys))
	}
	b, err := os.ReadFile(c.store.path())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// use opens a store of the given bytes and does with it what a run and the
// commands do. It fails on a panic, a wrong value, or a store that does not
// work afterwards; it returns how many entries were still served.
func use(t testing.TB, dir string, b []byte) (served int, w *warnings) {
	t.Helper()
	s := store{dir, patience}
	if err := os.WriteFile(s.path(), b, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Stat(dir); err != nil && !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Stat: %v", err)
	}
	if err := Prune(dir, Keep{}); err != nil && !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Prune: %v", err)
	}
	if err := os.WriteFile(s.path(), b, 0o666); err != nil { // as Prune mends
		t.Fatal(err)
	}
	c, w := mustOpen(t, dir, testScope)
	served = count(stored(t, c, testScope, testKeys(0, sampleEntries)))
	keys := testKeys(1000, 40)
	c.Put(keys, testRows(testScope, keys))
	if n := count(stored(t, c, testScope, keys)); n != len(keys) {
		t.Errorf("%d of %d new entries stored; warned: %q", n, len(keys), w.lines())
	}
	if err := s.locked(s.check); err != nil {
		t.Errorf("after use: %v; warned: %q", err, w.lines())
	}
	return served, w
}

// resign gives the meta pages the checksum of what they hold.
func resign(b []byte) {
	for at := 0; at < 2*pageSize && at+80 <= len(b); at += pageSize {
		h := fnv.New64a()
		h.Write(b[at+16 : at+72])
		native.PutUint64(b[at+72:], h.Sum64())
	}
}

// A store that is not ours, or not whole, is set aside with a message, and
// its bytes are kept under a name that says so.
func TestSetAside(t *testing.T) {
	inMemory(t)
	whole := sample(t)
	edit := func(f func(b []byte)) []byte {
		b := bytes.Clone(whole)
		f(b)
		return b
	}
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bolt.Open(foreign, 0o666, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("driftbench features 2")); return err })
	db.Close()
	other, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty":              {},
		"one byte":           {0},
		"text":               []byte(strings.Repeat("name,label,first_seen\n", 1000)),
		"zeros":              make([]byte, len(whole)),
		"half a page":        whole[:pageSize/2],
		"one meta page":      whole[:pageSize],
		"only meta pages":    whole[:2*pageSize],
		"half":               whole[:len(whole)/2/pageSize*pageSize],
		"another's":          other,
		"bbolt of version 3": edit(func(b []byte) { b[16+4], b[pageSize+16+4] = 3, 3; resign(b) }),
		"another page size":  edit(func(b []byte) { b[16+9], b[pageSize+16+9] = 32, 32; resign(b) }),
		"both metas flipped": edit(func(b []byte) { b[40] ^= 1; b[pageSize+40] ^= 1 }),
		"pages without end":  edit(func(b []byte) { b[16+46], b[pageSize+16+46] = 1, 1; resign(b) }),
		"root is the free list": edit(func(b []byte) {
			copy(b[16+16:16+24], b[16+32:])
			copy(b[pageSize+32:pageSize+40], b[pageSize+48:])
			resign(b)
		}),
		"zeroed beyond metas": edit(func(b []byte) { clear(b[2*pageSize:]) }),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			served, w := use(t, dir, b)
			if served != 0 {
				t.Errorf("%d entries served", served)
			}
			w.want(t, "set aside")
			info, err := Stat(dir)
			if err != nil || len(info.SetAside) != 1 {
				t.Fatalf("Stat: %+v, %v; want one store set aside", info, err)
			}
			if kept, err := os.ReadFile(info.SetAside[0]); err != nil || !bytes.Equal(kept, b) {
				t.Errorf("%s does not hold the damaged store: %v", info.SetAside[0], err)
			}
			if !strings.Contains(w.lines()[0], info.SetAside[0]) {
				t.Errorf("warning %q does not name %s", w.lines()[0], info.SetAside[0])
			}
		})
	}
}

// An entry that was changed in any byte is not served.
func TestEntryDigest(t *testing.T) {
	inMemory(t)
	whole := sample(t)
	keys := testKeys(7, 1)
	value := newCodec(testScope).encode(testRows(testScope, keys), 0, keys[0])
	at := bytes.Index(whole, value)
	if at < 0 {
		t.Fatal("the entry is not in the file")
	}
	for _, offset := range []int{0, sumSize - 1, sumSize, len(value) / 2, len(value) - 1} {
		b := bytes.Clone(whole)
		for i := bytes.Index(b, value); i >= 0; i = bytes.Index(b, value) { // copies in free pages too
			b[i+offset] ^= 0x10
		}
		dir := t.TempDir()
		if served, w := use(t, dir, b); served != 0 {
			t.Errorf("byte %d changed: %d entries served", offset, served)
		} else {
			w.want(t, "set aside")
		}
	}
}

// A value is not served under another key or in another scope, though its
// digest is whole.
func TestDigestBindsKeyAndScope(t *testing.T) {
	keys := testKeys(0, 2)
	c := newCodec(testScope)
	v := c.encode(testRows(testScope, keys), 0, keys[0])
	dst := newRows(testScope, 1)
	if err := c.decode(dst, 0, keys[0], v); err != nil {
		t.Error(err)
	}
	if c.decode(dst, 0, keys[1], v) == nil {
		t.Error("decoded under another key")
	}
	other := testScope
	other.Engine = "table"
	if newCodec(other).decode(dst, 0, keys[0], v) == nil {
		t.Error("decoded in another scope")
	}
}

// Random damage of every page, with checksums of the metas made good or not.
func TestRandomDamage(t *testing.T) {
	inMemory(t)
	whole := sample(t)
	r := rand.New(rand.NewPCG(2, 3))
	damaged := 0
	const times = 300
	for range times {
		b := bytes.Clone(whole)
		for range 1 + r.IntN(3) {
			page := r.IntN(len(b)/pageSize) * pageSize
			at := page + r.IntN(pageSize)
			if r.IntN(2) == 0 {
				at = page + r.IntN(128) // headers and elements
			}
			switch r.IntN(4) {
			case 0:
				b[at] ^= 1 << r.IntN(8)
			case 1:
				b[at] = byte(r.IntN(len(b) / pageSize)) // a page number
			case 2:
				clear(b[at : page+pageSize])
			case 3:
				copy(b[page:page+pageSize], b[r.IntN(len(b)/pageSize)*pageSize:])
			}
		}
		if r.IntN(2) == 0 {
			resign(b)
		}
		if _, w := use(t, t.TempDir(), b); len(w.lines()) > 0 {
			damaged++
		}
	}
	if damaged < times/4 {
		t.Errorf("%d of %d stores were found damaged: the test damages nothing", damaged, times)
	}
}

// A store cut short while it is mapped is a memory fault; it is no panic.
func TestCutShortInUse(t *testing.T) {
	dir := t.TempDir()
	c, w := mustOpen(t, dir, testScope)
	keys := testKeys(0, 200)
	c.Put(keys, testRows(testScope, keys))
	err := c.store.mending(func() error {
		return c.store.view(func(root *bolt.Bucket) error {
			if err := os.Truncate(c.store.path(), 2*pageSize); err != nil {
				return err
			}
			rows, b := newRows(testScope, len(keys)), root.Bucket(c.codec.scope)
			for i, key := range keys {
				if _, err := c.codec.lookUp(rows, i, key, b); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil || !strings.Contains(err.Error(), "memory") || !strings.Contains(err.Error(), "set aside") {
		t.Errorf("error %v, want a memory fault", err)
	}
	c.Put(keys, testRows(testScope, keys))
	if n := count(stored(t, c, testScope, keys)); n != len(keys) {
		t.Errorf("%d of %d stored in the new store", n, len(keys))
	}
	w.want(t)
}

// A disk that damages one store after another is given up.
func TestDamagedAgain(t *testing.T) {
	c, w := mustOpen(t, t.TempDir(), testScope)
	keys := testKeys(0, 4)
	for range 4 {
		c.Put(keys, testRows(testScope, keys))
		if f, err := os.OpenFile(c.store.path(), os.O_WRONLY, 0); err == nil { // until given up
			f.WriteAt(make([]byte, 16*pageSize), 2*pageSize)
			f.Close()
		}
		if n := count(stored(t, c, testScope, keys)); n != 0 {
			t.Errorf("%d served", n)
		}
	}
	w.want(t, "begins anew", "stores nothing more")
}

// FuzzStore patches a store: each 7 bytes of input are an offset of 3 and a
// value of 4; the first byte of all says whether to make the metas' checksums
// good.
func FuzzStore(f *testing.F) {
	inMemory(f)
	whole := sample(f)
	f.Add([]byte{0})
	f.Add([]byte{1, 16 + 16, 0, 0, 2, 0, 0, 0})
	f.Add([]byte{1, 8, 0x20, 0, 0x01, 0, 0xff, 0xff})
	f.Add([]byte{1, 16, 0x30, 0, 0xff, 0xff, 0xff, 0xff})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, patches []byte) {
		b := bytes.Clone(whole)
		for p := patches; len(p) >= 8; p = p[7:] {
			at := int(p[1]) | int(p[2])<<8 | int(p[3])<<16
			binary.LittleEndian.PutUint32(b[at%(len(b)-4):], binary.LittleEndian.Uint32(p[4:]))
		}
		if len(patches) > 0 && patches[0]&1 != 0 {
			resign(b)
		}
		if err := Clear(dir); err != nil {
			t.Fatal(err)
		}
		use(t, dir, b)
	})
}
