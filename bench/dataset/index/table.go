package index

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"driftbench/internal/csvfile"
)

// table reads delimited text by the rules of pandas.read_csv: a quote counts only
// at the beginning of a field, and is doubled within one; what follows the
// closing quote is text; blank lines are skipped; CR, LF and CRLF end a record. As
// with its skipinitialspace, blanks before a field are skipped.
//
// Comments are lines that begin with "#". They are told from names by the
// beginning of the file: where that is a comment, the others are too. A header can
// be the last of these comments.
type table struct {
	in       *bufio.Reader
	path     string
	comma    byte
	comments bool // skip lines that begin with '#'
	padded   bool // the header has blanks beside names: those around fields do not count

	header []string
	take   []int // the columns that next returns
	fields [][]byte
	raw    []byte // the fields of the record, one after the other
	ends   []int  // of the fields in raw
	left   int    // bytes that the record may still have
	lines  int    // ends of lines read
	line   int    // of the record
}

// openTable reads the header. want tells a header inside a comment.
func openTable(in *bufio.Reader, path string, want func(header []string) bool) (*table, error) {
	t := &table{in: in, path: path, left: csvfile.MaxRecord}
	var commented []byte // the last comment that can be the header
	const most = 200     // comments that are tried
	tried := 0
	for {
		if b, _ := in.Peek(1); len(b) == 0 || b[0] != '#' {
			break
		}
		t.comments, t.left = true, csvfile.MaxRecord
		line, err := t.readLine()
		if err != nil && err != io.EOF {
			return nil, err
		}
		line = bytes.TrimLeft(line, "# ")
		if tried++; tried > most {
			continue
		}
		if header, err := headerOf(line, path); err == nil && want(header) {
			commented, t.line = line, t.lines
		}
	}
	head, err := in.Peek(in.Size())
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return nil, t.readError(err)
	}
	t.comma = delimiter(head, path)
	if commented != nil {
		t.comma = delimiter(commented, path)
		t.header, err = headerOf(commented, path)
		return t, err
	}
	t.left = csvfile.MaxRecord
	if err := t.record(); err != nil {
		return nil, err
	}
	t.header = t.names()
	return t, nil
}

// headerOf returns the names in a header that is one line.
func headerOf(line []byte, path string) ([]string, error) {
	t := &table{in: bufio.NewReaderSize(bytes.NewReader(line), 16), path: path, comma: delimiter(line, path), left: csvfile.MaxRecord}
	if err := t.record(); err != nil {
		return nil, err
	}
	return t.names(), nil
}

// names returns the fields of the record, which is the header, without the blanks
// around them.
func (t *table) names() []string {
	var names []string
	for i := range t.ends {
		field := string(t.field(i))
		name := strings.Trim(field, " ")
		t.padded = t.padded || name != field
		names = append(names, name)
	}
	return names
}

// field returns a field of the record.
func (t *table) field(i int) []byte {
	from := 0
	if i > 0 {
		from = t.ends[i-1]
	}
	return t.raw[from:t.ends[i]]
}

// delimiter returns what stands between the fields of the first line of text: of
// comma, tab, semicolon and bar the most frequent outside of quotes, and comma
// before the others. A file named .tsv has tabs.
func delimiter(text []byte, path string) byte {
	counts := map[byte]int{}
	quoted := false
	for _, c := range bytes.TrimLeft(text, "\r\n") {
		if c == '"' {
			quoted = !quoted
		}
		if !quoted && (c == '\n' || c == '\r') {
			break
		}
		if !quoted {
			counts[c]++
		}
	}
	best := byte(',')
	for _, c := range []byte("\t;|") {
		if counts[c] > counts[best] {
			best = c
		}
	}
	if ext := strings.ToLower(filepath.Ext(strings.TrimSuffix(path, ".gz"))); (ext == ".tsv" || ext == ".tab") && counts['\t'] > 0 {
		return '\t'
	}
	return best
}

func (t *table) columns() []string { return t.header }

func (t *table) choose(columns []int) {
	t.take, t.fields = columns, make([][]byte, len(columns))
}

func (t *table) place() int { return t.line }

// next returns the chosen fields of the next record, which are valid until the
// next call, or io.EOF. A record with another number of fields than the header is
// a fault.
func (t *table) next() ([][]byte, error) {
	t.left = csvfile.MaxRecord
	if err := t.record(); err != nil {
		return nil, err
	}
	if len(t.ends) != len(t.header) {
		return nil, &fault{errors.New("another number of fields than the header: quote names that hold a comma")}
	}
	for i, column := range t.take {
		t.fields[i] = t.field(column)
	}
	return t.fields, nil
}

// record reads the fields of the next record that is no comment.
func (t *table) record() error {
	const (
		begin  = iota // of a field
		plain         // a field without quotes
		quoted        // within quotes
		closed        // behind the closing quote
	)
	t.raw, t.ends = t.raw[:0], t.ends[:0]
	t.line = t.lines + 1
	state, first := begin, true
	from, kept := 0, 0 // where the field begins in raw, and from where on blanks at its end go
	end := func() {
		if t.padded {
			for len(t.raw) > kept && t.raw[len(t.raw)-1] == ' ' {
				t.raw = t.raw[:len(t.raw)-1]
			}
		}
		t.ends = append(t.ends, len(t.raw))
		state, from, kept = begin, len(t.raw), len(t.raw)
	}
	for {
		c, err := t.in.ReadByte()
		if err != nil {
			switch {
			case err != io.EOF:
				return t.readError(err)
			case state == quoted:
				return t.errorf("a quote is opened and never closed")
			case first:
				return io.EOF
			}
			end()
			return nil
		}
		if t.left--; t.left < 0 {
			return t.errorf("more than %d bytes without the end of a record: it is no table", csvfile.MaxRecord)
		}
		if state == quoted {
			switch c {
			case '"':
				state, kept = closed, len(t.raw)
			case '\n':
				t.lines++
				if n := len(t.raw); n > from && t.raw[n-1] == '\r' { // as encoding/csv reads what is written of it
					t.raw = t.raw[:n-1]
				}
				fallthrough
			default:
				t.raw = append(t.raw, c)
			}
			continue
		}
		switch {
		case c == '\r' || c == '\n':
			if c == '\r' {
				if b, _ := t.in.Peek(1); len(b) > 0 && b[0] == '\n' {
					t.in.Discard(1)
				}
			}
			t.lines++
			if first { // a blank line
				t.line = t.lines + 1
				continue
			}
			end()
			return nil
		case c == t.comma:
			first = false
			end()
		case state == begin && c == ' ':
		case state == begin && c == '"':
			state, first = quoted, false
		case state == closed && c == '"':
			t.raw, state = append(t.raw, c), quoted
		case first && t.comments && c == '#':
			if err := t.in.UnreadByte(); err != nil {
				return t.readError(err)
			}
			if _, err := t.readLine(); err != nil && err != io.EOF {
				return err
			}
			t.line, t.left = t.lines+1, csvfile.MaxRecord
		default:
			t.raw, state, first = append(t.raw, c), plain, false
		}
	}
}

// readLine returns the next line without its end, or io.EOF with what is before the
// end of the file.
func (t *table) readLine() ([]byte, error) {
	var line []byte
	for {
		c, err := t.in.ReadByte()
		if err == io.EOF {
			return line, err
		}
		if err != nil {
			return nil, t.readError(err)
		}
		if t.left--; t.left < 0 {
			return nil, t.errorf("more than %d bytes without the end of a record: it is no table", csvfile.MaxRecord)
		}
		if c == '\r' || c == '\n' {
			if b, _ := t.in.Peek(1); c == '\r' && len(b) > 0 && b[0] == '\n' {
				t.in.Discard(1)
			}
			t.lines++
			return line, nil
		}
		line = append(line, c)
	}
}

func (t *table) errorf(format string, args ...any) error {
	return &csvfile.SyntaxError{File: t.path, Line: t.line, Err: fmt.Errorf(format, args...)}
}

// readError is an error of the underlying reader, with the path.
func (t *table) readError(err error) error { return readError(t.path, err) }

func readError(path string, err error) error {
	if bad, ok := errors.AsType[*fs.PathError](err); ok {
		err = bad.Err // the message has the path already
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: the packed text ends too early: copy it again", path)
	}
	return fmt.Errorf("reading %s: %w", path, err)
}
