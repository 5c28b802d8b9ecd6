package shard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"driftbench/internal/regular"
)

// ErrLong is wrapped by the error for a line that is too long.
var ErrLong = errors.New("is too long")

// Lines reads lines of bounded length.
type Lines struct {
	in   *bufio.Reader
	most int
	long []byte // a line that the buffer does not hold
	n    int64
}

// NewLines returns a reader of lines of at most that many bytes.
func NewLines(in io.Reader, most int) *Lines {
	return &Lines{in: bufio.NewReaderSize(in, 1<<18), most: most}
}

// Next returns the next line without its end, valid until the next call. whole is
// false for a last line that has no end. It returns io.EOF after the last.
func (l *Lines) Next() (line []byte, whole bool, err error) {
	line, err = l.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		l.long = append(l.long[:0], line...)
		for err == bufio.ErrBufferFull {
			if len(l.long) > l.most {
				return nil, false, fmt.Errorf("line %d %w: at most %d bytes are read", l.n+1, ErrLong, l.most)
			}
			line, err = l.in.ReadSlice('\n')
			l.long = append(l.long, line...)
		}
		line = l.long
	}
	if err != nil && (err != io.EOF || len(line) == 0) {
		return nil, false, err
	}
	l.n++
	if len(line) > l.most {
		return nil, false, fmt.Errorf("line %d %w: at most %d bytes are read", l.n, ErrLong, l.most)
	}
	if err == io.EOF {
		return line, false, nil
	}
	return line[:len(line)-1], true, nil
}

// Number is the number of the line that Next returned last, from 1.
func (l *Lines) Number() int64 { return l.n }

// Ready reports whether a whole line is there without waiting for more of the input.
func (l *Lines) Ready() bool {
	b, _ := l.in.Peek(l.in.Buffered())
	return bytes.IndexByte(b, '\n') >= 0
}

// Complete reports whether the file at path is whole: that of a shard with this
// header and as many rows.
func Complete(path string, header Header, rows int) bool {
	f, info, err := regular.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	const most = 1 << 16 // bytes of a header or an end
	d := NewDecoder()
	var l Line
	line, _, err := NewLines(f, most).Next()
	if err != nil || d.Output(line, &l) != nil || l.Kind != IsHeader || l.Header != header {
		return false
	}
	tail := make([]byte, min(info.Size(), most))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return false
	}
	tail, whole := bytes.CutSuffix(tail, []byte("\n"))
	last := tail[bytes.LastIndexByte(tail, '\n')+1:]
	return whole && d.Output(last, &l) == nil && l.Kind == IsEnd &&
		l.End.Rows == int64(rows) && l.End.Model == header.Model && l.End.Engine == header.Engine
}
