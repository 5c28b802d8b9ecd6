package table

import "encoding/binary"

// boundsBytes is the room of a key's three bounds.
const boundsBytes = 6

// cutter cuts files into windows. A window's key tells it from all others: its
// W bytes, then three 16-bit bounds. Before bounds[0] it is void, then bytes
// up to bounds[1], padding up to bounds[2] and void again; where there is no
// byte the key has zeros. A pad symbol that is a byte value is a byte.
type cutter struct {
	window, windows, lead, maxLen, pad int
}

// stride is the size of a key, a multiple of 8.
func (c *cutter) stride() int { return (c.window + boundsBytes + 7) &^ 7 }

// cut writes the key of window i of a file.
func (c *cutter) cut(key, file []byte, i int) {
	start := i*c.window - c.lead
	from := max(-start, 0)
	end := min(c.maxLen-start, c.window)
	bytes := min(max(len(file)-start, from), end)

	clear(key[:from])
	if bytes > from {
		copy(key[from:bytes], file[start+from:])
	}
	clear(key[bytes:])
	if c.pad < 256 {
		for j := bytes; j < end; j++ {
			key[j] = byte(c.pad)
		}
		bytes = end
	}
	for j, bound := range [...]int{from, bytes, end} {
		binary.NativeEndian.PutUint16(key[c.window+2*j:], uint16(bound))
	}
}

// next returns the window after i that may differ from it. Whole windows of
// padding are all alike: of those the first one does, and the last window,
// which may end in void.
func (c *cutter) next(file []byte, i int) int {
	start := i*c.window - c.lead
	if start >= 0 && start >= len(file) && start+c.window <= c.maxLen {
		return max(i+1, c.windows-1)
	}
	return i + 1
}
