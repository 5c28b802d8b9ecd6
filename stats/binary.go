package stats

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// The headers of saved fits. Version 1 has neither the k of kNN nor the layer of
// ViM, which were 50 and the last.
const (
	fitHeader1 = "driftbench fit 1\n"
	fitHeader  = "driftbench fit 2\n"
)

// MarshalBinary returns the fitted detectors in a form that UnmarshalBinary
// reads, so that they can score new files without the training features.
// Gaussians are stored as [Moments]. kNN stores the training rows, 4 bytes a
// feature: leave it out of [Fit] where the file has to be small.
func (d *Detectors) MarshalBinary() ([]byte, error) {
	e := encoder{[]byte(fitHeader)}
	e.int(len(d.layers))
	for _, layer := range d.layers {
		e.string(layer)
		g := d.gaussian[layer]
		if g == nil {
			g = &gaussians{}
		}
		for _, m := range []*Moments{g.moments, g.unitMoments} {
			e.bool(m != nil)
			if m != nil {
				e.moments(m)
			}
		}
	}
	e.int(len(d.names))
	for _, name := range d.names {
		e.string(name)
		d.fitted[name].encode(&e)
	}
	return e.b, nil
}

// UnmarshalBinary replaces d by the detectors that MarshalBinary wrote, in this
// version of the format or the one before. If the bytes are anything else, it
// leaves d unchanged and returns an error, in most cases a [*FormatError].
func (d *Detectors) UnmarshalBinary(b []byte) error {
	r := decoder{b: b, version: 2}
	if bytes.HasPrefix(b, []byte(fitHeader1)) {
		r.b, r.version = b[len(fitHeader1):], 1
	} else {
		r.header(fitHeader)
	}
	read := newDetectors()
	for range r.int(len(b)) {
		layer := r.string()
		g := &gaussians{}
		if r.bool() {
			g.moments = r.moments()
		}
		if r.bool() {
			g.unitMoments = r.moments()
		}
		if r.err != nil {
			return r.err
		}
		if read.gaussian[layer] != nil {
			return &FormatError{fmt.Sprintf("layer %q comes twice", layer)}
		}
		if err := g.fit(); err != nil {
			return inLayer(layer, fmt.Errorf("stats: reading a saved fit: %w", err))
		}
		read.layers = append(read.layers, layer)
		read.gaussian[layer] = g
	}
	known := entries(read.layers)
	for range r.int(len(known)) {
		name := r.string()
		for len(known) > 0 && known[0].name != name {
			known = known[1:]
		}
		if len(known) == 0 {
			r.fail("detector %q is unknown or out of order", name)
			break
		}
		fitted := known[0].decode(read, &r, known[0].layer)
		known = known[1:]
		if r.err != nil {
			break
		}
		read.names = append(read.names, name)
		read.fitted[name] = fitted
	}
	if err := r.end(); err != nil {
		return err
	}
	*d = *read
	return nil
}

// A FormatError reports bytes that are not a saved fit, or not of a version
// that this package reads.
type FormatError struct{ Reason string }

func (e *FormatError) Error() string { return "stats: reading a saved fit: " + e.Reason }

// encoder appends values in little-endian byte order.
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

// decoder reads what encoder wrote. After the first error, which stays in err,
// all values are zero. It never allocates more than the remaining bytes can fill,
// whatever length the input claims.
type decoder struct {
	b       []byte
	version int // of the format
	err     error
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

// floats reads n values in [−limit, limit]. Callers pass limits under which no
// score overflows.
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

// header reads the header line: what is saved, and the version of its format.
func (d *decoder) header(want string) {
	if got := string(d.take(min(len(want), len(d.b)), 1)); got != want {
		d.fail("it begins with %q, not %q", got, want)
	}
}

// end returns the first error. Bytes that were not read are one.
func (d *decoder) end() error {
	if len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
	return d.err
}
