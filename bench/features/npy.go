package features

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// The .npy format, version 1.0 (NumPy Enhancement Proposal 1), for the one
// kind of array that a run keeps: little-endian float32, C order, two
// dimensions. Features may come from elsewhere, so the reader takes no size
// from the header that the file's length does not bear out.

const npyMagic = "\x93NUMPY\x01\x00"

// npyHead returns what comes before the values of an array [rows, width].
func npyHead(rows, width int) []byte {
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, width)
	// The array starts at a multiple of 64 bytes, after a newline.
	const prefix = len(npyMagic) + 2
	total := (prefix + len(head) + 1 + 63) / 64 * 64
	b := append(make([]byte, 0, total), npyMagic...)
	b = binary.LittleEndian.AppendUint16(b, uint16(total-prefix))
	b = append(b, head...)
	for len(b) < total-1 {
		b = append(b, ' ')
	}
	return append(b, '\n')
}

// writeValues writes values as they follow a header.
func writeValues(w io.Writer, values []float32) error {
	buf := buffers.Get().(*[1 << 16]byte)
	defer buffers.Put(buf)
	for some := range slices.Chunk(values, len(buf)/4) {
		b := buf[:0]
		for _, v := range some {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

var npyHeader = regexp.MustCompile(`^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d{1,15}), (\d{1,9})\), \} *\n$`)

// readHeader reads the header of a file of size bytes. The values start after start
// bytes.
func readHeader(r io.Reader, size int64) (rows, width int, start int64, err error) {
	var prefix [len(npyMagic) + 2]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil && !short(err) {
		return 0, 0, 0, err
	} else if err != nil || string(prefix[:len(npyMagic)]) != npyMagic {
		return 0, 0, 0, errors.New("not a .npy file of version 1.0")
	}
	head := make([]byte, binary.LittleEndian.Uint16(prefix[len(npyMagic):]))
	if _, err := io.ReadFull(r, head); err != nil && !short(err) {
		return 0, 0, 0, err
	} else if err != nil {
		return 0, 0, 0, errors.New("the header is cut short")
	}
	m := npyHeader.FindSubmatch(head)
	if m == nil {
		return 0, 0, 0, fmt.Errorf("want a two-dimensional float32 array in C order, the header says %.100q", head)
	}
	rows, _ = strconv.Atoi(string(m[1]))
	width, _ = strconv.Atoi(string(m[2]))
	start = int64(len(prefix)) + int64(len(head))
	body := size - start
	if width == 0 || body%4 != 0 || body/4/int64(width) != int64(rows) || body/4%int64(width) != 0 {
		return 0, 0, 0, fmt.Errorf("the header says %d×%d float32, the file holds %d bytes of them: it is damaged", rows, width, body)
	}
	return rows, width, start, nil
}

// buffers holds memory for the bytes of values.
var buffers = sync.Pool{New: func() any { return new([1 << 16]byte) }}

// readValues fills dst from r.
func readValues(dst []float32, r io.Reader) error {
	buf := buffers.Get().(*[1 << 16]byte)
	defer buffers.Put(buf)
	for len(dst) > 0 {
		n := min(len(buf)/4, len(dst))
		if _, err := io.ReadFull(r, buf[:4*n]); err != nil {
			return fmt.Errorf("reading values: %w", err)
		}
		for i := range dst[:n] {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*i:]))
		}
		dst = dst[n:]
	}
	return nil
}

// short reports whether err is of a file that ends too early, not of a disk.
func short(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }
