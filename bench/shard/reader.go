package shard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"driftbench/internal/regular"
	"driftbench/internal/text"
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

// Block is some lines of a file.
type Block struct {
	Path  string
	File  int    // number of the file in what was read
	First int64  // number of the first line, from 1
	Lines []byte // each with its end, but for the last of a file
	// Cut says that the file ends within the last line, or within what packs it.
	Cut bool
}

// mostRecord bounds a line of a shard in bytes.
const mostRecord = 64 << 20

// Blocks calls do with the lines of a file, in order, in blocks of some hundred
// kilobytes. The file may be packed by gzip or Zstandard, as its first bytes tell. It
// takes the memory of a block from buffer, which is empty.
func Blocks(path string, file int, buffer func() []byte, do func(Block) error) error {
	f, _, err := regular.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = f
	head := make([]byte, 4)
	if n, _ := f.ReadAt(head, 0); bytes.HasPrefix(head[:n], []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<18))
		if err == io.ErrUnexpectedEOF { // within its header
			return do(Block{Path: path, File: file, First: 1, Cut: true})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		in = z
	} else if bytes.HasPrefix(head[:n], []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		defer z.Close()
		in = z
	}
	var rest []byte // begins the next block
	for number := int64(1); ; {
		b := append(buffer(), rest...)
		for {
			if len(b) == cap(b) {
				b = append(b, 0)[:len(b)]
			}
			var n int
			n, err = in.Read(b[len(b):cap(b)])
			b = b[:len(b)+n]
			if err != nil || len(b) >= blockSize && bytes.IndexByte(b[max(0, len(b)-n):], '\n') >= 0 {
				break
			}
			if len(b) >= blockSize && !strings.ContainsRune("{ \t\r\n", rune(b[0])) {
				return fmt.Errorf("%s: line %d does not begin with {: it is no output of a worker", path, number)
			}
			if len(b) > mostRecord {
				return fmt.Errorf("%s: line %d %w: at most %d bytes are read", path, number, ErrLong, mostRecord)
			}
		}
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		block := Block{Path: path, File: file, First: number, Lines: b}
		if err != nil {
			block.Cut = err != io.EOF || len(b) > 0 && b[len(b)-1] != '\n'
			return do(block)
		}
		end := bytes.LastIndexByte(b, '\n') + 1
		rest = append(rest[:0], b[end:]...)
		block.Lines = b[:end]
		number += int64(bytes.Count(block.Lines, []byte{'\n'}))
		if err := do(block); err != nil {
			return err
		}
	}
}

const blockSize = 1 << 19

// Files returns the files that paths name: a folder stands for its part files, as
// Spark writes them.
func Files(paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		before := len(all)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "part-") && !e.IsDir() {
				all = append(all, filepath.Join(path, e.Name()))
			}
		}
		if len(all) == before {
			return nil, fmt.Errorf("the folder %s has no file part-*, as Spark writes them: name the files themselves", text.Quote(path))
		}
	}
	return all, nil
}
