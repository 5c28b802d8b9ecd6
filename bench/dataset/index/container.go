package index

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"driftbench/internal/regular"
	"driftbench/internal/text"
	"driftbench/internal/utf"
)

// Read reads the index at path and calls add with each of its rows. A row for which
// add returns an error counts as one that cannot be read.
func Read(path string, opt Options, add func(Row) error) (Summary, error) {
	f, info, err := regular.Open(path)
	if err != nil {
		return Summary{}, fmt.Errorf("opening the index: %w", err)
	}
	defer f.Close()
	r, err := newReader(opt, add)
	if err != nil {
		return Summary{}, err
	}
	sum := sha256.New()
	if err := r.file(f, info.Size(), path, sum); err != nil {
		return Summary{}, err
	}
	r.summary.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return r.finish(path)
}

// ReadText reads an index that is text, plain or packed by gzip, as [Read] does.
func ReadText(in io.Reader, path string, opt Options, add func(Row) error) (Summary, error) {
	r, err := newReader(opt, add)
	if err != nil {
		return Summary{}, err
	}
	if err := r.stream(in, path, 0); err != nil {
		return Summary{}, err
	}
	return r.finish(path)
}

// The first bytes of files.
const (
	sqliteMagic  = "SQLite format 3\x00"
	parquetMagic = "PAR1"
	zipMagic     = "PK\x03\x04"
	gzipMagic    = "\x1f\x8b"
)

// refused are formats that can hold an index and are not read.
var refused = []struct{ magic, what string }{
	{"\x28\xb5\x2f\xfd", "packed by zstd: unpack it (zstd -d)"},
	{"\xfd7zXZ\x00", "packed by xz: unpack it (xz -d)"},
	{"BZh", "packed by bzip2: unpack it (bzip2 -d)"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"},
	{"\xd0\xcf\x11\xe0", "an Excel workbook: save the sheet as CSV"},
	{"\x89HDF", "an HDF5 file: save the table as CSV or Parquet"},
	{"\x80\x04\x95", "a Python pickle: save the table as CSV or Parquet"},
	{"\x80\x05\x95", "a Python pickle: save the table as CSV or Parquet"},
	{"ARROW1", "an Arrow file: save the table as Parquet"},
}

func (r *reader) file(f *os.File, size int64, path string, sum hash.Hash) error {
	head := make([]byte, len(sqliteMagic))
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return readError(path, err)
	}
	begins := func(magic string) bool { return bytes.HasPrefix(head[:n], []byte(magic)) }
	for _, no := range refused {
		if begins(no.magic) {
			return fmt.Errorf("%s is %s", path, no.what)
		}
	}
	random := begins(sqliteMagic) || begins(parquetMagic) || begins(zipMagic)
	if r.opt.Query != "" && !begins(sqliteMagic) {
		return fmt.Errorf("%s is no SQLite database: it takes no query", path)
	}
	if !random {
		if err := r.stream(io.TeeReader(f, sum), path, size); err != nil {
			return err
		}
		_, err := io.Copy(sum, f) // what a packed file has behind its end
		return err
	}
	if _, err := io.Copy(sum, f); err != nil {
		return readError(path, err)
	}
	switch {
	case begins(sqliteMagic):
		db, err := openDatabase(path, r.opt.Query, func(columns []string) bool { return fits(&r.opt, columns) })
		if err != nil {
			return err
		}
		defer db.close()
		return r.read(db, path, 0, nil)
	case begins(parquetMagic):
		c, err := openColumnar(f, size, path)
		if err != nil {
			return err
		}
		defer c.close()
		return r.read(c, path, 0, nil)
	}
	return r.zip(f, size, path)
}

// zip reads the members that are text, in the order of the archive, as if they were
// one file.
func (r *reader) zip(f io.ReaderAt, size int64, file string) error {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return fmt.Errorf("%s: %w: copy it again", file, err)
	}
	var members []*zip.File
	for _, m := range z.File {
		switch ext := strings.ToLower(path.Ext(m.Name)); {
		case m.Name == "xl/workbook.xml":
			return fmt.Errorf("%s is an Excel workbook: save the sheet as CSV", file)
		case m.FileInfo().IsDir(), strings.HasPrefix(m.Name, "__MACOSX/"):
		case slices.Contains([]string{".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt"}, ext):
			members = append(members, m)
		}
	}
	if len(members) == 0 {
		return fmt.Errorf("%s: no member of the zip is named .jsonl, .json, .ndjson, .csv, .tsv or .txt", file)
	}
	offset := 0
	for _, m := range members {
		name := file + "/" + text.Line(m.Name, '?')
		if m.Flags&1 != 0 {
			return fmt.Errorf("%s is encrypted: unpack the index", name)
		}
		in, err := m.Open()
		if err != nil {
			return fmt.Errorf("%s: zip: %w", name, err)
		}
		lines, err := r.text(&bounded{in: in, left: bound(size), path: name}, name, offset)
		in.Close()
		if err != nil {
			return err
		}
		offset += lines
	}
	if n := len(members); n > 1 {
		r.summary.Notes = append(r.summary.Notes, fmt.Sprintf("%s: %d members are read as one index; lines are counted on", file, n))
	}
	return nil
}

// stream reads text, which can be packed by gzip. size is that of the file, or 0
// where it is not known.
func (r *reader) stream(in io.Reader, path string, size int64) error {
	buffered := bufio.NewReader(in)
	if head, _ := buffered.Peek(len(gzipMagic)); string(head) != gzipMagic {
		_, err := r.text(buffered, path, 0)
		return err
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return fmt.Errorf("%s: gzip: %w", path, err)
	}
	_, err = r.text(&bounded{in: unpacked, left: bound(size), path: path}, path, 0)
	return err
}

// text reads a table or JSON. It returns the number of lines.
func (r *reader) text(in io.Reader, path string, offset int) (lines int, err error) {
	decoded := utf.NewReader(in)
	head, err := decoded.Peek(decoded.Size())
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return 0, readError(path, err)
	}
	if head = bytes.TrimLeft(head, " \t\r\n"); len(head) > 0 && (head[0] == '{' || head[0] == '[') {
		d, err := openDocuments(decoded, path)
		if err == io.EOF {
			return 0, fmt.Errorf("%s: no record", path)
		}
		if err != nil {
			return 0, err
		}
		err = r.documents(d, path, offset)
		return d.line, err
	}
	t, err := openTable(decoded, path, func(header []string) bool { return fits(&r.opt, header) })
	if err == io.EOF {
		c := r.opt.Columns
		return 0, fmt.Errorf("%s: empty: want a header with the columns %s,%s,%s", path, c.Name, c.Label, c.FirstSeen)
	}
	if err != nil {
		return 0, err
	}
	err = r.read(t, path, offset, nil)
	return t.lines, err
}

// documents reads JSON objects.
func (r *reader) documents(d *documents, path string, offset int) error {
	has := func(name string) bool { return slices.Contains(d.names, name) }
	c := r.opt.Columns
	if len(d.names) == 0 && !d.report {
		return d.errorf("the record has no text and no number: remove it")
	}
	if !d.report && has("first_submission_date") && has("label") { // EMBER2024
		d.also("family")
	}
	var only *form
	if configured := has(c.Name) && has(c.FirstSeen); !configured && (d.report || has("first_submission_date") && !has("family")) {
		only = &virusTotal
		w := only.columns.override(c)
		d.also(w.Name, w.Label, w.FirstSeen, w.Group, "id", "sha1", "md5")
	}
	// Members that the first object lacks.
	if only == nil && has(c.Name) && has(c.FirstSeen) {
		d.also(c.Label)
	}
	if c.Group != "" {
		d.also(c.Group)
	}
	if r.opt.joins() {
		d.also(hashColumns...)
	}
	if has("appeared") {
		d.also("avclass")
	}
	return r.read(d, path, offset, only)
}

// bound is the most bytes that a packed file of size bytes is unpacked to. An index
// is text, which packs to a tenth or so; a bomb packs to a thousandth.
func bound(size int64) int64 { return 16<<20 + 200*size }

// bounded reads no more than left bytes.
type bounded struct {
	in   io.Reader
	left int64
	path string
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("it unpacks to more than 200 times its size: it is no index")
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
