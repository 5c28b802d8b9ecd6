// Package utf reads text files as UTF-8. Programs on Windows write UTF-16 with a
// byte order mark (The Unicode Standard, section 23.8), which other programs then
// take for binary data.
package utf

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

var (
	errUTF16  = errors.New("it is UTF-16: save it as UTF-8")
	errNoMark = errors.New("it is UTF-16 without a byte order mark: save it as UTF-8")
	errUTF32  = errors.New("it is UTF-32: save it as UTF-8")
)

// NewReader returns a reader of the text in r as UTF-8, without its byte order
// mark. UTF-16 is told by its byte order mark. UTF-16 without one and UTF-32 are
// errors of the first Read. All other bytes are returned as they are.
func NewReader(r io.Reader) *bufio.Reader {
	const size = 32 << 10 // bytes
	in := bufio.NewReaderSize(r, size)
	head, _ := in.Peek(4)
	switch err := Check(head); err {
	case nil:
		if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
			in.Discard(3)
		}
		return in
	case errUTF16:
		return bufio.NewReaderSize(transform.NewReader(in, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()), size)
	default:
		return bufio.NewReader(failing{err})
	}
}

// Check returns an error that names the encoding of a text by its first 4 bytes, if
// that is UTF-16 or UTF-32. It is for readers that take no other than UTF-8.
func Check(head []byte) error {
	begins := func(with string) bool { return bytes.HasPrefix(head, []byte(with)) }
	switch {
	case begins("\xff\xfe\x00\x00"), begins("\x00\x00\xfe\xff"):
		return errUTF32
	case begins("\xff\xfe"), begins("\xfe\xff"):
		return errUTF16
	case len(head) >= 4 && (head[0] == 0) == (head[2] == 0) && (head[1] == 0) == (head[3] == 0) && (head[0] == 0) != (head[1] == 0):
		return errNoMark
	}
	return nil
}

// Bytes returns the text in b as UTF-8, as [NewReader] does.
func Bytes(b []byte) ([]byte, error) { return io.ReadAll(NewReader(bytes.NewReader(b))) }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
