// Package packed unpacks single files in memory: those with zlib, as SOREL-20M
// stores its samples (RFC 1950), with gzip (RFC 1952), and CaRT, the format of
// CybercentreCanada's Assemblyline and of its Python package cart.
//
// Packed files are not trusted. Memory is that of the caller's buffer and of a
// decompressor, 64 KiB, whatever a file declares.
package packed

import (
	"bytes"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"driftbench/internal/text"
)

// Kind is how a file is packed.
type Kind int

// The kinds that Detect tells and Read unpacks.
const (
	None Kind = iota
	Zlib
	Gzip
	CaRT
)

func (k Kind) String() string {
	switch k {
	case Zlib:
		return "zlib"
	case Gzip:
		return "gzip"
	case CaRT:
		return "CaRT"
	}
	return "not packed"
}

// Error is the error of Read for a file that is damaged, truncated or locked by
// a key of its own. Errors of reading the file are returned as they are.
type Error struct {
	Kind   Kind
	Detail string
	cause  error // nil if Detail says all
}

func (e *Error) Error() string { return e.Kind.String() + ": " + e.Detail }
func (e *Error) Unwrap() error { return e.cause }

// Detect tells how a file is packed by its first bytes; 4,096 are plenty. For
// zlib these bytes must inflate, too, since a file of another kind can begin with
// its two bytes.
func Detect(head []byte) Kind {
	var r io.Reader
	var err error
	var k Kind
	switch {
	case len(head) >= cartHeader && cartKey(head) != nil:
		return CaRT
	case len(head) > 2 && head[0] == 0x78 && bytes.IndexByte([]byte{0x01, 0x5e, 0x9c, 0xda}, head[1]) >= 0:
		k = Zlib
		r, err = zlib.NewReader(bytes.NewReader(head))
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}):
		k = Gzip
		r, err = gzip.NewReader(bytes.NewReader(head))
	default:
		return None
	}
	if err != nil {
		return None
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
	// What is damaged further on is packed all the same. The two bytes of zlib are
	// weaker evidence than the three of gzip and its flags.
	const some = 64
	switch {
	case err == nil, k == Gzip, n >= some:
	case errors.Is(err, zlib.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF) && n > 0:
	default:
		return None
	}
	return k
}

// Read unpacks the first len(buf) bytes of the file that r reads; n is less if
// there are no more, and more tells whether there are. A file that is damaged
// or ends before is an error; what follows len(buf) bytes is not checked. Read
// takes from r little more than it needs. It panics if k is None.
func Read(k Kind, r io.Reader, buf []byte) (n int, more bool, err error) {
	z := NewReader(k, r)
	for n < len(buf) && err == nil {
		var k int
		k, err = z.Read(buf[n:])
		n += k
	}
	if n < len(buf) {
		if err == io.EOF {
			return n, false, nil
		}
		return 0, false, err
	}
	if err == nil {
		_, err = io.ReadFull(z, make([]byte, 1))
	}
	switch {
	case err == io.EOF:
		return n, false, nil
	case errors.Is(err, zlib.ErrChecksum), errors.Is(err, gzip.ErrChecksum):
		return 0, false, err // all of the content is there, and it is not what was packed
	}
	return n, true, nil
}

// NewReader returns a reader of the whole content of the file that r reads. Its
// errors are [*Error], those of r, and io.EOF after all of the content, when it has
// the checksum that the file declares. NewReader panics if k is None.
func NewReader(k Kind, r io.Reader) io.Reader {
	if k == None {
		panic("packed: a file that is not packed")
	}
	return &reader{kind: k, src: &source{r: r}}
}

// reader unpacks as it is read, and places errors.
type reader struct {
	kind Kind
	src  *source
	z    io.Reader // nil until the first Read
	n    int64
}

func (r *reader) Read(p []byte) (n int, err error) {
	if r.z == nil {
		if r.z, err = open(r.kind, r.src); err != nil {
			r.z = nil // gzip's is a nil pointer
		}
	}
	if err == nil {
		n, err = r.z.Read(p)
		r.n += int64(n)
	}
	switch {
	case err == nil, err == io.EOF && r.z != nil:
		return n, err
	case r.src.err != nil:
		return n, r.src.err
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return n, err
	}
	e := &Error{Kind: r.kind, cause: err}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		e.Detail = fmt.Sprintf("the file ends too early, after %d bytes of its content", r.n)
	} else {
		reason := err.Error() // behind the names of packages
		reason = reason[strings.LastIndex(reason, ": ")+1:]
		e.Detail = "damaged: " + text.Line(strings.TrimSpace(reason), '?')
	}
	return n, e
}

func open(k Kind, src io.Reader) (io.Reader, error) {
	switch k {
	case Zlib:
		return zlib.NewReader(src)
	case Gzip:
		return gzip.NewReader(src)
	default:
		return newCaRT(src)
	}
}

// source remembers an error of reading the file.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// cartHeader is the length of CaRT's mandatory header, little-endian: the magic
// number "CART", a version of 2 bytes, 8 reserved bytes, the 16 bytes of an RC4
// key, and in 8 bytes the length of an optional header.
const cartHeader = 4 + 2 + 8 + 16 + 8

// cartDefault is the key that packers write: the first eight digits of pi, twice.
var cartDefault = []byte("\x03\x01\x04\x01\x05\x09\x02\x06\x03\x01\x04\x01\x05\x09\x02\x06")

// cartKey returns the key in a mandatory header, or nil if it is none.
func cartKey(header []byte) []byte {
	if !bytes.HasPrefix(header, []byte("CART\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")) {
		return nil
	}
	return header[14:30]
}

// newCaRT returns a reader of the content of a CaRT: RC4 over zlib. A packer with a
// key of its own leaves zeros in place of it; such a file is tried with the
// default key.
func newCaRT(r io.Reader) (io.Reader, error) {
	header := make([]byte, cartHeader)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	key := cartKey(header)
	if key == nil {
		return nil, &Error{Kind: CaRT, Detail: "its header is damaged or of another version than 1"}
	}
	hidden := bytes.Equal(key, make([]byte, 16))
	if hidden {
		key = cartDefault
	}
	optional := binary.LittleEndian.Uint64(header[30:])
	if optional > 1<<62 {
		return nil, &Error{Kind: CaRT, Detail: fmt.Sprintf("it declares an optional header of %d bytes", optional)}
	}
	if _, err := io.CopyN(io.Discard, r, int64(optional)); err != nil {
		return nil, err
	}
	cipher, err := rc4.NewCipher(key)
	if err != nil {
		return nil, err
	}
	z, err := zlib.NewReader(&rc4Reader{r, cipher})
	if hidden && errors.Is(err, zlib.ErrHeader) {
		return nil, &Error{Kind: CaRT, Detail: "it is packed with a key that is not in the file"}
	}
	return z, err
}

type rc4Reader struct {
	r      io.Reader
	cipher *rc4.Cipher
}

func (c *rc4Reader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.cipher.XORKeyStream(p[:n], p[:n])
	return n, err
}
