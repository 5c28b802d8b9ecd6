package malconv

import (
	"hash/maphash"
	"testing"
)

func newStore(t *testing.T, capacity int) *store {
	a := &arena{}
	t.Cleanup(a.free)
	s := &store{seed: maphash.MakeSeed(), young: newGeneration(a, 8, 2, capacity), old: newGeneration(a, 8, 2, capacity)}
	if a.err != nil {
		t.Fatal(a.err)
	}
	s.young.clear()
	s.old.clear()
	return s
}

// TestEqualHashes: windows whose hashes are equal are told apart by their bytes.
func TestEqualHashes(t *testing.T) {
	s := newStore(t, 4)
	const hash = 12345<<32 | 1
	g := &s.young
	for i := range 4 {
		g.key(i)[0] = byte(i)
		at, found := g.find(hash, g.key(i))
		if found {
			t.Fatalf("window %d was found before it was there", i)
		}
		g.index[at] = hash>>32<<32 | uint64(i+1)
	}
	for i := range 4 {
		if slot, found := g.find(hash, g.key(i)); !found || slot != i {
			t.Errorf("window %d is found at %d, %v", i, slot, found)
		}
	}
	if _, found := g.find(hash, make([]byte, 8)[:7]); found {
		t.Error("a window that is not there was found")
	}
}

// TestStoreForgets: a window that is met again outlives those that are not, and
// its activation goes with it.
func TestStoreForgets(t *testing.T) {
	s := newStore(t, 4)
	meet := func(window byte) (int, bool) {
		if s.young.free() == 0 {
			s.rotate()
		}
		key := s.candidate()
		clear(key)
		key[0] = window
		slot, fresh := s.intern()
		if fresh {
			s.young.activation(1, slot)[3] = float32(window)
		}
		if got := s.young.activation(1, slot)[3]; got != float32(window) {
			t.Fatalf("window %d has the activation of %v", window, got)
		}
		return slot, fresh
	}
	const hot = 200
	meet(hot)
	for window := range byte(100) {
		if _, fresh := meet(window); !fresh {
			t.Fatalf("window %d was known before", window)
		}
		if _, fresh := meet(hot); fresh {
			t.Fatalf("the hot window was forgotten after %d others", window)
		}
	}
	if _, fresh := meet(99); fresh {
		t.Error("the window met just now was forgotten")
	}
	if _, fresh := meet(0); !fresh {
		t.Error("the window of long ago is still there: the store does not forget")
	}
}

// TestCacheBound: the memory of the cache is what was asked for, at most.
func TestCacheBound(t *testing.T) {
	w := shapes[0].w.withWeights(1, 6, 3)
	for _, bytes := range []int{1 << 16, 1 << 20, 10_000_000} {
		e := newEngine(t, w, Options{CacheBytes: bytes, passWindows: 16})
		total := 0
		for _, g := range []generation{e.store.young, e.store.old} {
			total += len(g.keys) + 4*len(g.activations) + len(g.states) + 8*len(g.index)
		}
		if total > bytes || total < bytes/2 {
			t.Errorf("a cache of %d bytes takes %d", bytes, total)
		}
	}
}
