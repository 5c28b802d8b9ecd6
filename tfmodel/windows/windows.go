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
// Pad past the file's end) or void, outside of the MaxLen symbols that the model
// sees.
type Cutter struct {
	MaxLen  int // bytes of a file that the model sees
	Window  int // positions of a window, W, at most MaxWindow
	Windows int // windows of a file
	Lead    int // void positions before the first byte
	Pad     int // symbol past the file's end; below 256 it is a byte like others
}

// Stride returns the size of a key in bytes, a multiple of 8.
func (c *Cutter) Stride() int { return (c.Window + boundsBytes + 7) &^ 7 }

// Cut sets key, Stride bytes, to the key of window i of a file of at most MaxLen
// bytes. Windows have the same key only if they are the same. A key is the W
// bytes of the window, zero where it has none, then its three bounds, see [Cutter.Bounds].
func (c *Cutter) Cut(key, file []byte, i int) {
	start := i*c.Window - c.Lead
	from := max(-start, 0)
	end := min(c.MaxLen-start, c.Window)
	bytes := min(max(len(file)-start, from), end)

	clear(key[:from])
	if bytes > from {
		copy(key[from:bytes], file[start+from:])
	}
	clear(key[bytes:])
	if c.Pad < 256 {
		for j := bytes; j < end; j++ {
			key[j] = byte(c.Pad)
		}
		bytes = end
	}
	for j, bound := range [...]int{from, bytes, end} {
		binary.NativeEndian.PutUint16(key[c.Window+2*j:], uint16(bound))
	}
}

// Bounds returns the bounds of a key's window: its positions are void below from,
// bytes from there to below bytes, Pad to below end, and void again.
func (c *Cutter) Bounds(key []byte) (from, bytes, end int) {
	bound := func(j int) int { return int(binary.NativeEndian.Uint16(key[c.Window+2*j:])) }
	return bound(0), bound(1), bound(2)
}

// Next returns the number of the next window after i that may differ from it. It
// skips windows of padding alone, which are all the same, but for the first of
// them and the last of the file, which may end in void.
func (c *Cutter) Next(file []byte, i int) int {
	start := i*c.Window - c.Lead
	if start >= 0 && start >= len(file) && start+c.Window <= c.MaxLen {
		return max(i+1, c.Windows-1)
	}
	return i + 1
}
