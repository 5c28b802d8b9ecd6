// Package windows cuts files into the windows that a MalConv convolves, and finds
// the distinct ones.
//
// MalConv convolves windows of W symbols that do not overlap and keeps the
// largest activation of every filter over a file,
//
//	layer7 = max over windows w of a(w)
//
// so a file is the set of its windows: neither their order nor how often one
// occurs changes layer7. All padding of a short file is one window, and programs
// share many: less than half of the windows of a batch of programs are distinct.
package windows

import (
	"encoding/binary"
	"math"
)

// MaxWindow is the largest Cutter.Window: bounds have 16 bits in a key.
const MaxWindow = math.MaxUint16

// boundsBytes is the size of a key's three bounds.
const boundsBytes = 6

// Cutter cuts files into windows of positions. A position is a symbol (a byte, or
// Pad where a file has none) or void, outside of the MaxLen symbols that the model
// sees.
type Cutter struct {
	MaxLen  int // bytes of a file that the model sees
	Window  int // positions of a window, W, at most MaxWindow
	Windows int // windows of a file
	Lead    int // void positions before the first byte
	Pad     int // symbol beside the file's bytes; below 256 it is a byte like others
	// Front puts the pad symbols before a file's bytes, so that its last byte is at
	// position MaxLen-1. Otherwise they come after the bytes.
	Front bool
}

// Stride returns the size of a key in bytes, a multiple of 8.
func (c *Cutter) Stride() int { return (c.Window + boundsBytes + 7) &^ 7 }

// Cut sets key, Stride bytes, to the key of window i of a file of at most MaxLen
// bytes. Windows have the same key only if they are the same. A key is the W
// bytes of the window, zero where it has none, then its three bounds, see [Cutter.Bounds].
func (c *Cutter) Cut(key, file []byte, i int) {
	start := i*c.Window - c.Lead // position of the window
	from, end := max(-start, 0), min(c.MaxLen-start, c.Window)
	first := c.first(file)
	// The bytes of the window are those in [low, high).
	low := min(max(first-start, from), end)
	high := min(max(first+len(file)-start, low), end)
	clear(key[:low])
	if low < high {
		copy(key[low:high], file[start+low-first:])
	}
	clear(key[high:])
	bytes := from + high - low
	if c.Pad < 256 {
		for j := from; j < low; j++ {
			key[j] = byte(c.Pad)
		}
		for j := high; j < end; j++ {
			key[j] = byte(c.Pad)
		}
		bytes = end
	}
	for j, bound := range [...]int{from, bytes, end} {
		binary.NativeEndian.PutUint16(key[c.Window+2*j:], uint16(bound))
	}
}

// first returns the position of a file's first byte.
func (c *Cutter) first(file []byte) int {
	if c.Front {
		return c.MaxLen - len(file)
	}
	return 0
}

// Bounds returns the bounds of a key's window: its positions are void below from,
// bytes from there to below bytes, Pad to below end, and void again. With Front,
// the bytes-from bytes are the last before end and Pad comes first.
func (c *Cutter) Bounds(key []byte) (from, bytes, end int) {
	bound := func(j int) int { return int(binary.NativeEndian.Uint16(key[c.Window+2*j:])) }
	return bound(0), bound(1), bound(2)
}

// Next returns the number of the next window after i that may differ from it. It
// skips windows of padding alone, which are all the same, but for the first of
// them and the last of the file, which may end in void.
func (c *Cutter) Next(file []byte, i int) int {
	start := i*c.Window - c.Lead
	switch {
	case start < 0 || start+c.Window > c.MaxLen:
	case c.Front && start+c.Window <= c.first(file):
		return max(i+1, min((c.first(file)+c.Lead)/c.Window, c.Windows-1))
	case !c.Front && start >= len(file):
		return max(i+1, c.Windows-1)
	}
	return i + 1
}
