// Package csvfile is a reader of CSV files that are not trusted. It bounds a
// record to [MaxRecord] bytes: encoding/csv alone collects a line that never
// ends, or a quote that is never closed, until memory is full.
package csvfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"driftbench/internal/utf"
)

// MaxRecord is the most bytes of a record, line end included.
const MaxRecord = 1 << 20

// SyntaxError is an error in a record of a file.
type SyntaxError struct {
	File string
	Line int // the first of the record, counted from 1
	Err  error
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

func (e *SyntaxError) Unwrap() error { return e.Err }

// Reader reads a CSV file, a record at a time.
type Reader struct {
	csv  *csv.Reader
	in   *bounded
	path string
	line int // of the record
}

// NewReader returns a reader of r, which path names in errors. It skips a byte
// order mark, reads UTF-16 as [utf.NewReader] does, and takes CRLF line ends.
func NewReader(r io.Reader, path string) *Reader {
	b := &bounded{in: utf.NewReader(r)}
	t := &Reader{csv: csv.NewReader(b), in: b, path: path}
	t.csv.ReuseRecord = true
	return t
}

// Read returns the next record, which is valid until the next call, or io.EOF.
// A record that is malformed, too long, or of another number of fields than the
// first is a *SyntaxError; an error of the underlying reader names the path.
func (t *Reader) Read() ([]string, error) {
	t.line, t.in.left = t.in.lines+1, MaxRecord
	record, err := t.csv.Read()
	bad, malformed := errors.AsType[*csv.ParseError](err)
	switch {
	case t.in.tooLong:
		return nil, t.Errorf("more than %d bytes without the end of a record: it is no table", MaxRecord)
	case malformed:
		t.line = bad.StartLine
		if bad.Err == csv.ErrFieldCount {
			return nil, t.Errorf("another number of fields than the header: quote names that hold a comma")
		}
		return nil, &SyntaxError{t.path, t.line, bad.Err}
	case err == io.EOF:
		return nil, err
	case err != nil:
		if bad, ok := errors.AsType[*fs.PathError](err); ok {
			err = bad.Err // the message has the path already
		}
		return nil, fmt.Errorf("reading %s: %w", t.path, err)
	}
	t.line, _ = t.csv.FieldPos(0)
	return record, nil
}

// Line returns the first line of the record that was read last, counted from 1.
func (t *Reader) Line() int { return t.line }

// Errorf returns a *SyntaxError for the record that was read last.
func (t *Reader) Errorf(format string, args ...any) error {
	return &SyntaxError{t.path, t.line, fmt.Errorf(format, args...)}
}

// bounded returns at most one line from a Read, so that csv.Reader has read
// nothing ahead when a record begins, and in all no more than left bytes.
type bounded struct {
	in      *bufio.Reader
	lines   int // ends of lines returned
	left    int
	tooLong bool
}

func (b *bounded) Read(p []byte) (int, error) {
	if _, err := b.in.Peek(1); err != nil {
		return 0, err
	}
	if b.left == 0 {
		b.tooLong = true
		return 0, io.ErrUnexpectedEOF
	}
	line, _ := b.in.Peek(min(b.in.Buffered(), len(p), b.left))
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
		b.lines++
	}
	n := copy(p, line)
	b.in.Discard(n)
	b.left -= n
	return n, nil
}
