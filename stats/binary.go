package stats

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A FormatError reports bytes that are no saved fit, or are one of a version
// that this package does not read.
type FormatError struct{ Reason string }

func (e *FormatError) Error() string { return "stats: reading a saved fit: " + e.Reason }

// encoder appends values in little-endian order.
type encoder struct{ b []byte }

func (e *encoder) int(n int) { e.b = binary.LittleEndian.AppendUint64(e.b, uint64(n)) }
func (e *encoder) bool(v bool) {
	n := 0
	if v {
		n = 1
	}
	e.int(n)
}

func (e *encoder) string(s string) {
	e.int(len(s))
	e.b = append(e.b, s...)
}

func (e *encoder) floats(v []float64) {
	for _, x := range v {
		e.b = binary.LittleEndian.AppendUint64(e.b, math.Float64bits(x))
	}
}

func (e *encoder) float32s(v []float32) {
	for _, x := range v {
		e.b = binary.LittleEndian.AppendUint32(e.b, math.Float32bits(x))
	}
}

// decoder reads what encoder wrote. After the first error, which it keeps, all
// values are zero. It allocates for what the input holds, never for what the
// input says it holds.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = &FormatError{fmt.Sprintf(format, args...)}
	}
}

// take returns the next n·size bytes.
func (d *decoder) take(n, size int) []byte {
	if d.err != nil {
		return nil
	}
	if n < 0 || n > len(d.b)/size {
		d.fail("the file is cut short")
		return nil
	}
	b := d.b[:n*size]
	d.b = d.b[n*size:]
	return b
}

// int reads a number from 0 to limit.
func (d *decoder) int(limit int) int {
	b := d.take(1, 8)
	if b == nil {
		return 0
	}
	n := binary.LittleEndian.Uint64(b)
	if n > uint64(limit) {
		d.fail("a number is %d, more than %d", n, limit)
		return 0
	}
	return int(n)
}

func (d *decoder) bool() bool     { return d.int(1) == 1 }
func (d *decoder) string() string { return string(d.take(d.int(math.MaxInt), 1)) }

// floats reads n values from −limit to limit. Limits are such that no score
// can overflow.
func (d *decoder) floats(n int, limit float64) []float64 {
	b := d.take(n, 8)
	v := make([]float64, len(b)/8)
	for i := range v {
		v[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		if !(math.Abs(v[i]) <= limit) {
			d.fail("a value is %v, beyond ±%v", v[i], limit)
			return nil
		}
	}
	return v
}

// float32s reads n finite values.
func (d *decoder) float32s(n int) []float32 {
	b := d.take(n, 4)
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if v[i]-v[i] != 0 {
			d.fail("a value is not finite")
			return nil
		}
	}
	return v
}

// header reads a header line, which ends in a newline: kind and version.
func (d *decoder) header(want string) {
	if got := string(d.take(min(len(want), len(d.b)), 1)); got != want {
		d.fail("it begins with %q, not %q", got, want)
	}
}

// end returns the error, or one for bytes that are left over.
func (d *decoder) end() error {
	if len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
	return d.err
}
