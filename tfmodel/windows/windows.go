// Package windows takes files for what a MalConv sees in them: sets of windows.
//
// MalConv convolves windows of W symbols that do not overlap and keeps the
// largest activation of every filter over a file,
//
//	layer7 = max over windows w of a(w)
//
// so neither the order of the windows nor how often one occurs counts. Padding
// of a short file is one window, and so is all that programs share: of a batch
// of them less than half of the windows are distinct.
package windows

import (
	"encoding/binary"
	"math"
)

// MaxWindow is the largest window whose bounds fit into a key.
const MaxWindow = math.MaxUint16

// boundsBytes is the room of a key's three bounds.
const boundsBytes = 6

// Cutter cuts files into windows. All of its numbers are positions or counts
// of positions; a position is a symbol or, outside of the MaxLen positions
// that the model sees, void.
type Cutter struct {
	MaxLen  int // bytes of a file that the model sees
	Window  int // positions of a window, at most MaxWindow
	Windows int // windows of a file
	Lead    int // void positions before the first byte
	Pad     int // symbol past the file's end; below 256 it is a byte like others
}

// Stride is the size of a key, a multiple of 8.
func (c *Cutter) Stride() int { return (c.Window + boundsBytes + 7) &^ 7 }

// Cut writes the key of window i of a file, which has MaxLen bytes at most. A
// key tells its window from all others: W bytes, then three bounds, see Bounds.
// Where there is no byte it has zeros.
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

// Bounds returns what the positions of a key's window are: void before from,
// bytes up to bytes, the pad symbol up to end, and void again.
func (c *Cutter) Bounds(key []byte) (from, bytes, end int) {
	bound := func(j int) int { return int(binary.NativeEndian.Uint16(key[c.Window+2*j:])) }
	return bound(0), bound(1), bound(2)
}

// Next returns the window after i that may differ from it. Whole windows of
// padding are all alike: of those the first one does, and the last window,
// which may end in void.
func (c *Cutter) Next(file []byte, i int) int {
	start := i*c.Window - c.Lead
	if start >= 0 && start >= len(file) && start+c.Window <= c.MaxLen {
		return max(i+1, c.Windows-1)
	}
	return i + 1
}
