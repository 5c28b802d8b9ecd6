package cache

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const sampleEntries = 120

// inMemory makes the test's temporary folders in memory where it can be:
// hundreds of stores are made, and syncing them is most of the time.
func inMemory(t testing.TB) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm")
	}
}

// sample returns the bytes of a store of several blocks, with rows of three
// sizes and with files.
func sample(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	c, _ := mustOpen(t, dir, testScope)
	for from := 0; from < sampleEntries; from += 40 {
		keys := testKeys(from, 40)
		c.append(keys, testRows(testScope, keys), testFiles(from, 40), keys)
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
	s := store{dir: dir}
	if err := os.WriteFile(s.path(), b, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Stat(dir); err != nil && !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Stat: %v", err)
	}
	if err := Prune(dir, Keep{}); err != nil && !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Prune: %v", err)
	}
	if err := os.WriteFile(s.path(), b, 0o666); err != nil { // as Prune changes it
		t.Fatal(err)
	}
	c, w := mustOpen(t, dir, testScope)
	served = count(stored(t, c, testScope, testKeys(0, sampleEntries)))
	keys := testKeys(1000, 40)
	c.Put(keys, testRows(testScope, keys))
	if n := count(stored(t, c, testScope, keys)); n != len(keys) {
		t.Errorf("%d of %d new entries stored; warned: %q", n, len(keys), w.lines())
	}
	if _, err := Stat(dir); err != nil {
		t.Errorf("after use: %v; warned: %q", err, w.lines())
	}
	return served, w
}

// sign gives the header and the heads of the blocks the digests of what they
// hold, as far as the sizes of blocks lead.
func sign(b []byte) {
	if len(b) < headerSize {
		return
	}
	copy(b[headerSize-digestSize:headerSize], digest(b[:headerSize-digestSize]))
	for at := headerSize; at+prefixSize <= len(b); {
		size, rows := order.Uint64(b[at:]), order.Uint64(b[at+8:])
		left := uint64(len(b) - at - prefixSize)
		if size > left || rows > left-size {
			return
		}
		head := at + prefixSize
		at = head + int(size)
		copy(b[head-digestSize:head], digest(b[head-prefixSize:head-digestSize], b[head:at]))
		at += int(rows)
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
	for name, b := range map[string][]byte{
		"empty":             {},
		"one byte":          {0},
		"text":              []byte(strings.Repeat("name,label,first_seen\n", 1000)),
		"zeros":             make([]byte, len(whole)),
		"half a header":     whole[:headerSize/2],
		"a header alone":    whole[:headerSize],
		"half":              whole[:len(whole)/2],
		"one byte short":    whole[:len(whole)-1],
		"another version":   edit(func(b []byte) { b[len(magic)-2]++; sign(b) }),
		"a bbolt database":  append([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\xed\xda\x0c\xed\x02\x00\x00\x00"), whole...),
		"header flipped":    edit(func(b []byte) { b[len(magic)+16] ^= 1 }),
		"end past the file": edit(func(b []byte) { b[len(magic)+20]++; sign(b) }),
		"end in the header": edit(func(b []byte) { order.PutUint64(b[len(magic)+16:], 1); sign(b) }),
		"end in a block":    edit(func(b []byte) { order.PutUint64(b[len(magic)+16:], uint64(len(b)-1)); sign(b) }),
		"end in a prefix":   edit(func(b []byte) { order.PutUint64(b[len(magic)+16:], uint64(headerSize+1)); sign(b) }),
		"negative end":      edit(func(b []byte) { b[len(magic)+23] = 0x80; sign(b) }),
		"head flipped":      edit(func(b []byte) { b[headerSize+prefixSize] ^= 1 }),
		"endless head":      edit(func(b []byte) { b[headerSize+7] = 0x7f; sign(b) }),
		"endless rows":      edit(func(b []byte) { b[headerSize+15] = 0xff; sign(b) }),
		"keys without rows": edit(func(b []byte) { b[headerSize+prefixSize+8]++; sign(b) }),
		"negative width": edit(func(b []byte) {
			copy(b[bytes.Index(b, []byte("[128,64,4]")):], "[128,-4,4]")
			sign(b)
		}),
		"endless files":    edit(func(b []byte) { b[headerSize+prefixSize+15] = 0xff; sign(b) }),
		"zeros for blocks": edit(func(b []byte) { clear(b[headerSize:]) }),
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
	value := newCodec(testScope).encode(nil, testRows(testScope, keys), 0, keys[0])
	at := bytes.Index(whole, value)
	if at < 0 {
		t.Fatal("the entry is not in the file")
	}
	for _, offset := range []int{0, digestSize - 1, digestSize, len(value) / 2, len(value) - 1} {
		b := bytes.Clone(whole)
		b[at+offset] ^= 0x10
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
	v := c.encode(nil, testRows(testScope, keys), 0, keys[0])
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

// Random damage of every part, with digests of header and heads made good or not.
func TestRandomDamage(t *testing.T) {
	inMemory(t)
	whole := sample(t)
	r := rand.New(rand.NewPCG(2, 3))
	damaged := 0
	const times = 300
	for range times {
		b := bytes.Clone(whole)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(b))
			if r.IntN(2) == 0 {
				at = r.IntN(headerSize + 1000) // header, prefix and head of the first blocks
			}
			part := b[at:min(at+1+r.IntN(4096), len(b))]
			switch r.IntN(4) {
			case 0:
				b[at] ^= 1 << r.IntN(8)
			case 1:
				b[at] = byte(r.IntN(256))
			case 2:
				clear(part)
			case 3:
				copy(part, b[r.IntN(len(b)):])
			}
		}
		if r.IntN(2) == 0 {
			sign(b)
		}
		if _, w := use(t, t.TempDir(), b); len(w.lines()) > 0 {
			damaged++
		}
	}
	if damaged < times/4 {
		t.Errorf("%d of %d stores were found damaged: the test damages nothing", damaged, times)
	}
}

// A store that is cut short while it is read is set aside.
func TestCutShortInUse(t *testing.T) {
	dir := t.TempDir()
	c, w := mustOpen(t, dir, testScope)
	keys := testKeys(0, 200)
	c.Put(keys, testRows(testScope, keys))
	missing := c.get(newRows(testScope, len(keys)), len(keys), func(row int) (Key, bool) {
		if row == 100 {
			if err := os.Truncate(c.store.path(), 100e3); err != nil {
				t.Error(err)
			}
		}
		return keys[row], true
	})
	if len(missing) != len(keys) {
		t.Errorf("%d of %d rows served of a store that was found damaged", len(keys)-len(missing), len(keys))
	}
	c.Put(keys, testRows(testScope, keys))
	if n := count(stored(t, c, testScope, keys)); n != len(keys) {
		t.Errorf("%d of %d stored in the new store", n, len(keys))
	}
	w.want(t, "it ends within")
}

// A disk that damages one store after another is given up.
func TestDamagedAgain(t *testing.T) {
	c, w := mustOpen(t, t.TempDir(), testScope)
	keys := testKeys(0, 4)
	for range 4 {
		c.Put(keys, testRows(testScope, keys))
		if f, err := os.OpenFile(c.store.path(), os.O_WRONLY, 0); err == nil { // until given up
			f.WriteAt(make([]byte, 16<<10), int64(headerSize))
			f.Close()
		}
		if n := count(stored(t, c, testScope, keys)); n != 0 {
			t.Errorf("%d served", n)
		}
	}
	w.want(t, "begins anew", "stores nothing more")
}

// FuzzStore patches a store: each 7 bytes of input are an offset of 3 and a
// value of 4; the first byte of all says whether to make the digests of header
// and heads good.
func FuzzStore(f *testing.F) {
	inMemory(f)
	whole := sample(f)
	f.Add([]byte{0})
	f.Add([]byte{1, byte(len(magic) + 16), 0, 0, 2, 0, 0, 0})
	f.Add([]byte{1, byte(headerSize), 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, byte(headerSize + prefixSize + 8), 0, 0, 0xff, 0xff, 0xff, 0xff})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, patches []byte) {
		b := bytes.Clone(whole)
		for p := patches; len(p) >= 8; p = p[7:] {
			at := int(p[1]) | int(p[2])<<8 | int(p[3])<<16
			order.PutUint32(b[at%(len(b)-4):], order.Uint32(p[4:]))
		}
		if len(patches) > 0 && patches[0]&1 != 0 {
			sign(b)
		}
		if err := Clear(dir); err != nil {
			t.Fatal(err)
		}
		use(t, dir, b)
	})
}

// A block that claims a head of a gigabyte, in a sparse file that has as many
// bytes, is refused without memory for it.
func TestClaimedHeadIsBounded(t *testing.T) {
	inMemory(t)
	s := store{dir: t.TempDir()}
	const claimed = 1 << 30
	b := order.AppendUint64(header([16]byte{1}, int64(headerSize+prefixSize+claimed)), claimed)
	if err := errors.Join(os.WriteFile(s.path(), b, 0o666), os.Truncate(s.path(), 1<<40)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Stat(s.dir)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("error %v, want one that says it is damaged", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// A scope of rows that no model has is damage: what manages a store makes room for
// some of its rows at once.
func TestRowsPastAllMemory(t *testing.T) {
	for _, widths := range [][]int{{1 << 40}, {1 << 62, 1 << 62}, slices.Repeat([]int{1 << 20}, 20)} {
		dir := t.TempDir()
		scope := Scope{Model: "model", Engine: "engine", Widths: widths}
		block := encodeBlock(1, scope.name(), nil, nil, nil)
		id := [16]byte{1}
		b := append(header(id, int64(headerSize+len(block))), block...)
		if err := os.WriteFile(filepath.Join(dir, "features.db"), b, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Stat(dir); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("widths %v: error %v", widths, err)
		}
		if err := Prune(dir, Keep{}); err == nil {
			t.Errorf("widths %v: the store was pruned", widths)
		}
	}
}
