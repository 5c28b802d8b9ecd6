package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"driftbench/internal/csvfile"
)

// maxJSON is the most bytes of a JSON record. EMBER's hold the features of a file,
// VirusTotal's the verdict of each scanner.
const maxJSON = 64 << 20

// documents reads JSON objects: one a line, one after the other however they are
// broken into lines, or in arrays. The columns are the members of an object that
// are neither objects nor arrays. Reports of VirusTotal's API v3 are objects whose
// members lie in data.attributes, in attributes, or in the elements of a list data;
// two further columns, [vtCategory] and [vtName], are the first of the lists in
// popular_threat_classification.
type documents struct {
	dec  *jsontext.Decoder
	in   *lineReader
	path string
	line int

	open    []byte         // what the next object lies in: 'a' an array, 'o' an object behind its list data
	first   map[string]int // the columns of the first object
	names   []string
	pending bool           // the first object was read and not returned
	want    map[string]int // columns by their place in fields; nil takes all
	fields  [][]byte
	name    []byte // of the member that was read last
	report  bool   // an object of the shape of a VirusTotal report was read
}

const (
	vtCategory = "popular_threat_category"
	vtName     = "popular_threat_name"
)

func openDocuments(in io.Reader, path string) (*documents, error) {
	d := &documents{in: &lineReader{in: in}, path: path, line: 1, first: map[string]int{}, pending: true}
	d.dec = jsontext.NewDecoder(d.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return d, d.object()
}

func (d *documents) columns() []string { return d.names }
func (d *documents) place() int        { return d.line }

func (d *documents) choose(columns []int) {
	d.want = map[string]int{}
	fields := make([][]byte, len(columns))
	for i, column := range columns {
		d.want[d.names[column]] = i
		fields[i] = d.fields[column]
	}
	d.fields, d.first = fields, nil
}

// also adds columns that the first object lacks and others may have.
func (d *documents) also(names ...string) {
	for _, name := range names {
		if !slices.Contains(d.names, name) {
			d.names, d.fields = append(d.names, name), append(d.fields, nil)
		}
	}
}

func (d *documents) next() ([][]byte, error) {
	if d.pending {
		d.pending = false
		return d.fields, nil
	}
	for i := range d.fields {
		d.fields[i] = d.fields[i][:0]
	}
	return d.fields, d.object()
}

// object reads the next object, or returns io.EOF.
func (d *documents) object() error {
	d.in.left = maxJSON
	for {
		switch kind := d.dec.PeekKind(); kind {
		case '[':
			if _, err := d.dec.ReadToken(); err != nil {
				return d.error(err)
			}
			if d.open = append(d.open, 'a'); len(d.open) > 8 {
				return d.errorf("a record is an object, not a list of lists")
			}
		case ']':
			if err := d.close(); err != nil {
				return d.error(err)
			}
		case '{':
			if _, err := d.dec.ReadToken(); err != nil {
				return d.error(err)
			}
			d.line = d.in.line(d.dec.InputOffset())
			list, err := d.members(0)
			if err != nil {
				return d.error(err)
			}
			if !list {
				return nil
			}
			d.open = append(d.open, 'o', 'a')
		default:
			offset := d.dec.InputOffset()
			_, err := d.dec.ReadToken()
			if err == io.EOF && d.in.left >= 0 && len(d.open) == 0 {
				return io.EOF
			}
			if err != nil {
				d.line = d.in.line(offset + 1)
				return d.error(err)
			}
			d.line = d.in.line(d.dec.InputOffset())
			return d.errorf("a record is an object in braces, such as {\"sha256\": …}")
		}
	}
}

// close leaves an array, and the object that it is the list data of.
func (d *documents) close() error {
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	d.open = d.open[:len(d.open)-1]
	if n := len(d.open); n == 0 || d.open[n-1] != 'o' {
		return nil
	}
	d.open = d.open[:len(d.open)-1]
	for d.dec.PeekKind() == '"' {
		if _, err := d.dec.ReadToken(); err != nil {
			return err
		}
		if err := d.dec.SkipValue(); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

// members reads the members of an object whose brace was read. depth is 1 and 2 in
// the objects data and attributes of a report. It returns true when it has entered
// the list data.
func (d *documents) members(depth int) (list bool, err error) {
	for d.dec.PeekKind() == '"' {
		quoted, err := d.dec.ReadValue()
		if err != nil {
			return false, err
		}
		name := append(d.name[:0], quoted[1:len(quoted)-1]...) // quoted is valid until the next read
		if bytes.IndexByte(name, '\\') >= 0 {
			name, _ = jsontext.AppendUnquote(nil, quoted) // the decoder has checked it
		}
		d.name = name
		kind := d.dec.PeekKind()
		switch {
		case kind == '{' && (depth == 0 && string(name) == "data" || depth < 2 && string(name) == "attributes"):
			d.report = true
			if _, err := d.dec.ReadToken(); err != nil {
				return false, err
			}
			if _, err := d.members(depth + 1); err != nil {
				return false, err
			}
		case kind == '[' && depth == 0 && string(name) == "data" && !slices.Contains(d.open, 'o'):
			d.report = true
			_, err := d.dec.ReadToken()
			return true, err
		case kind == '{' && string(name) == "popular_threat_classification":
			d.report = true
			err = d.threat()
		case kind == '{' || kind == '[':
			d.report = d.report || string(name) == "last_analysis_stats" || string(name) == "last_analysis_results"
			err = d.dec.SkipValue()
		default:
			err = d.scalar(name)
		}
		if err != nil {
			return false, err
		}
	}
	_, err = d.dec.ReadToken() // the closing brace, or what is wrong in its place
	return false, err
}

// threat reads popular_threat_classification.
func (d *documents) threat() error {
	value, err := d.dec.ReadValue()
	if err != nil {
		return err
	}
	type vote struct {
		Value string `json:"value"`
	}
	var votes struct {
		Category []vote `json:"popular_threat_category"`
		Name     []vote `json:"popular_threat_name"`
	}
	if json.Unmarshal(value, &votes) != nil {
		return nil // of another shape: the label is not known
	}
	if len(votes.Category) > 0 {
		d.set([]byte(vtCategory), []byte(votes.Category[0].Value))
	}
	if len(votes.Name) > 0 {
		d.set([]byte(vtName), []byte(votes.Name[0].Value))
	}
	return nil
}

// scalar reads a string, a number, true, false or null.
func (d *documents) scalar(name []byte) error {
	_, wanted := d.want[string(name)]
	if !wanted && d.want != nil {
		return d.dec.SkipValue()
	}
	value, err := d.dec.ReadValue()
	if err != nil {
		return err
	}
	switch value.Kind() {
	case 'n':
		value = nil
	case '"':
		value, _ = jsontext.AppendUnquote(nil, value) // the decoder has checked it
	}
	d.set(name, value)
	return nil
}

// set stores the value of a column. Of columns of one name in an object and in the
// objects around it that with a value counts.
func (d *documents) set(name, value []byte) {
	at, ok := d.want[string(name)]
	if d.want == nil {
		if at, ok = d.first[string(name)]; !ok {
			const most = 10_000 // columns
			if at, ok = len(d.names), len(d.names) < most; ok {
				d.first[string(name)] = at
				d.names, d.fields = append(d.names, string(name)), append(d.fields, nil)
			}
		}
	}
	if ok && len(value) > 0 {
		d.fields[at] = append(d.fields[at][:0], value...)
	}
}

// error is an error of the decoder.
func (d *documents) error(err error) error {
	if d.in.left < 0 {
		return d.errorf("more than %d bytes without the end of a record: it is no list of records", maxJSON)
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if errors.Is(err, io.ErrUnexpectedEOF) && (d.in.err == nil || d.in.err == io.EOF) || err == io.EOF {
		return d.errorf("the file ends within a record")
	}
	if !ok {
		return readError(d.path, err)
	}
	d.line = d.in.line(min(syntax.ByteOffset+1, d.in.read))
	return d.errorf("it is no JSON: %w", syntax.Err)
}

func (d *documents) errorf(format string, args ...any) error {
	return &csvfile.SyntaxError{File: d.path, Line: d.line, Err: fmt.Errorf(format, args...)}
}

// lineReader tells the lines of offsets in what is read through it, and returns no
// more than left bytes.
type lineReader struct {
	in     io.Reader
	left   int
	read   int64   // bytes
	breaks []int64 // offsets of line ends, those before passed left out
	passed int     // line ends
	err    error   // of in
}

func (l *lineReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		l.left = math.MinInt
		return 0, io.ErrUnexpectedEOF
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	for from := 0; ; {
		i := bytes.IndexByte(p[from:n], '\n')
		if i < 0 {
			break
		}
		from += i + 1
		l.breaks = append(l.breaks, l.read+int64(from-1))
	}
	const most = 1 << 16 // a record of more lines is said to be on its last
	if extra := len(l.breaks) - most; extra > 0 {
		l.passed += extra
		l.breaks = append(l.breaks[:0], l.breaks[extra:]...)
	}
	l.read += int64(n)
	l.left -= n
	if err != nil {
		l.err = err
	}
	return n, err
}

// line returns the line of an offset, counted from 1. Offsets ascend.
func (l *lineReader) line(offset int64) int {
	i := 0
	for i < len(l.breaks) && l.breaks[i] < offset {
		i++
	}
	l.passed += i
	l.breaks = append(l.breaks[:0], l.breaks[i:]...)
	return l.passed + 1
}
