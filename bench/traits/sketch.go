package traits

import (
	"cmp"
	"hash/crc32"
	"math/bits"
	"slices"
)

// SketchSize is the most values of a sketch.
const SketchSize = 16

// Sketch is a bottom-k sketch of the distinct windows of a file (Broder, "On the
// resemblance and containment of documents", 1997): the least SketchSize values
// among the hashes of its windows, ascending. A hash is the first 24 bits of the
// CRC-32C, which float32 holds exactly and processors compute. Windows do not overlap;
// those that repeat one byte are left out, since unlike files share them.
type Sketch []uint32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newSketch returns the sketch of a file from its first bytes.
func newSketch(head []byte, window int) Sketch {
	if window == 0 {
		window = 500
	}
	for window < 128 { // short windows would take longer than the model
		window *= 2
	}
	s := make(Sketch, 0, SketchSize)
	for ; len(head) > 0; head = head[min(window, len(head)):] {
		w := head[:min(window, len(head))]
		if repeats(w) {
			continue
		}
		v := uint32(crc32.Checksum(w, castagnoli) >> 8)
		if len(s) == SketchSize && v >= s[SketchSize-1] {
			continue
		}
		at, known := slices.BinarySearch(s, v)
		if known {
			continue
		}
		s = slices.Insert(s[:min(len(s), SketchSize-1)], at, v)
	}
	return s
}

// Index finds near-copies among files. It serves one goroutine.
type Index struct {
	sizes  []int    // of the distinct sketches
	values []entry  // of all of them, ascending
	starts []uint32 // of the values of each bucket in values, and their number
	shift  int      // of a value, for its bucket
	shared []uint8  // by sketch, zero between calls

	touched []entry // scratch
}

func (x *Index) bucket(value uint32) uint32 { return value >> x.shift }

// entry is a value of the sketch of that number.
type entry struct{ value, sketch uint32 }

func byValue(a, b entry) int { return cmp.Compare(a.value, b.value) }

// NewIndex returns the index of files with those sketches.
func NewIndex(sketches []Sketch) *Index {
	sketches = slices.Clone(sketches)
	slices.SortFunc(sketches, slices.Compare[Sketch])
	sketches = slices.CompactFunc(sketches, slices.Equal[Sketch])
	x := &Index{shared: make([]uint8, len(sketches))}
	n := 0
	for _, s := range sketches {
		n += len(s)
	}
	const valueBits = 24
	prefix := min(bits.Len(uint(n)), valueBits) // bits of a value, for about one a bucket
	x.shift = valueBits - prefix
	x.starts = make([]uint32, 1<<prefix+1)
	for _, s := range sketches {
		x.sizes = append(x.sizes, len(s))
		for _, v := range s {
			x.starts[x.bucket(v)+1]++
		}
	}
	for b := range 1 << prefix {
		x.starts[b+1] += x.starts[b]
	}
	x.values = make([]entry, n)
	next := slices.Clone(x.starts)
	for i, s := range sketches {
		for _, v := range s {
			b := x.bucket(v)
			x.values[next[b]] = entry{v, uint32(i)}
			next[b]++
		}
	}
	for b := range 1 << prefix {
		slices.SortStableFunc(x.values[x.starts[b]:x.starts[b+1]], byValue)
	}
	return x
}

// NearCopy reports whether a file of the index is nearly a copy of the file with
// this sketch: at least half of the values of the smaller sketch, which has at
// least 4, are in the other. known is false where this sketch has fewer. A window
// of more than 4096 unlike files is looked for in that many of them, so that one
// which most files have does not make the search quadratic.
func (x *Index) NearCopy(s Sketch) (near, known bool) {
	const least, most = 4, 4096
	if len(s) < least {
		return false, false
	}
	touched := x.touched[:0]
	for _, v := range s {
		in := x.values[x.starts[x.bucket(v)]:x.starts[x.bucket(v)+1]]
		first, _ := slices.BinarySearchFunc(in, entry{value: v}, byValue)
		for _, e := range in[first:min(first+most, len(in))] {
			if e.value != v {
				break
			}
			touched = append(touched, e)
			x.shared[e.sketch]++
			size := min(len(s), x.sizes[e.sketch])
			near = near || size >= least && 2*int(x.shared[e.sketch]) >= size
		}
	}
	for _, e := range touched {
		x.shared[e.sketch] = 0
	}
	x.touched = touched
	return near, true
}

// Clone returns an index of the same files for another goroutine.
func (x *Index) Clone() *Index {
	clone := *x
	clone.shared, clone.touched = make([]uint8, len(x.shared)), nil
	return &clone
}
