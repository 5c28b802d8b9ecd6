package malconv

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// store keeps windows and their activations in two generations of equal, fixed
// size. All windows of the current pass are in the young one. When that is full it
// becomes the old one, and what the old one held is dropped, except for the
// windows that were found again and copied in the meantime.
type store struct {
	seed       maphash.Seed // random, so that no file can be made to collide
	young, old generation
}

// generation is a hash table with open addressing over windows in slots.
type generation struct {
	stride, octets, capacity int

	n           int       // slots in use
	keys        []byte    // [capacity][stride]
	activations []float32 // [octets][capacity][lanes], see struct table_store
	states      []uint8   // [octets][capacity]
	index       []uint64  // upper half of the hash, and slot+1; 0 is free
}

// slotBytes returns an upper bound of the memory of a slot and its index.
func slotBytes(stride, octets int) int { return stride + octets*(4*lanes+1) + 4*8 }

func newGeneration(a *arena, stride, octets, capacity int) generation {
	return generation{
		stride:      stride,
		octets:      octets,
		capacity:    capacity,
		keys:        alloc[byte](a, capacity*stride),
		activations: alloc[float32](a, octets*capacity*lanes),
		states:      alloc[uint8](a, octets*capacity),
		// At most half full, and less than 4 entries a slot.
		index: alloc[uint64](a, 2<<bits.Len(uint(capacity-1))),
	}
}

func (g *generation) key(slot int) []byte { return g.keys[slot*g.stride : (slot+1)*g.stride] }

// activation returns the activations of a slot in an octet.
func (g *generation) activation(octet, slot int) []float32 {
	return g.activations[(octet*g.capacity+slot)*lanes:][:lanes]
}

// take sets what is known of the activations of a slot to that of another generation.
func (g *generation) take(slot int, from *generation, kept int) {
	for o := range g.octets {
		copy(g.activation(o, slot), from.activation(o, kept))
		g.states[o*g.capacity+slot] = from.states[o*from.capacity+kept]
	}
}

// free returns the number of free slots.
func (g *generation) free() int { return g.capacity - g.n }

func (g *generation) clear() {
	clear(g.index)
	g.n = 0
}

// find returns the slot of a window or, with false, where in the index to put it.
func (g *generation) find(hash uint64, key []byte) (int, bool) {
	mask := uint64(len(g.index) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := g.index[i]
		if e == 0 {
			return int(i), false
		}
		if slot := int(uint32(e)) - 1; e>>32 == hash>>32 && bytes.Equal(g.key(slot), key) {
			return slot, true
		}
	}
}

// candidate returns the memory of the key that intern is to find or to add.
func (s *store) candidate() []byte { return s.young.key(s.young.n) }

// intern returns the slot of the candidate window in the young generation, and
// whether its activation is still to be computed. A window that is not there yet
// takes a free slot.
func (s *store) intern() (slot int, fresh bool) {
	key := s.candidate()
	hash := maphash.Bytes(s.seed, key)
	at, found := s.young.find(hash, key)
	if found {
		return at, false
	}
	slot = s.young.n
	s.young.n++
	s.young.index[at] = hash>>32<<32 | uint64(slot+1)
	if s.old.n > 0 {
		if kept, found := s.old.find(hash, key); found {
			s.young.take(slot, &s.old, kept)
			return slot, false
		}
	}
	return slot, true
}

// rotate makes the young generation the old one, and an empty one the young.
func (s *store) rotate() {
	s.young, s.old = s.old, s.young
	s.young.clear()
}

// forget drops every window.
func (s *store) forget() {
	s.young.clear()
	s.old.clear()
}
