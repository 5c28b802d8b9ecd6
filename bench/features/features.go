// Package features reads and writes the folder in which a run keeps what the
// model said of each file. A split has one table of its files and one matrix
// per layer:
//
//	<split>.csv          name,label,first_seen,group,sha256,size,kind,linked,near_fit: one line a row
//	<split>.<layer>.npy  float32, C order, [rows, width]
//	<split>.json         the model, the engine and the index that they come from, and their digests
//
// Names, labels, dates and groups that a spreadsheet would compute as a formula have
// an apostrophe before them in the table, as [text.SpreadsheetSafe] puts it there;
// Read takes it away, so that a Row is that of the index to the byte.
//
// The matrices open with numpy.load. Each file appears whole or not at all;
// the table goes first and comes last, so that a split with a table is complete.
package features

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"driftbench/internal/csvfile"
	"driftbench/internal/jsonfile"
	"driftbench/internal/origin"
	"driftbench/internal/regular"
	"driftbench/internal/text"
)

// Row is one file of a split. Features written by earlier versions have no
// group, kind, link time and near-copies.
type Row struct {
	Name, Label, FirstSeen string // as in the index
	Group                  string // as in the index; "" is none
	SHA256                 string // of the bytes the model sees, hexadecimal
	Size                   int64  // of the whole file, bytes
	Kind                   string // of the content, such as "PE"; "" is not known
	Linked                 uint32 // TimeDateStamp of a PE file, seconds since 1970; 0 is none
	NearFit                string // "yes" if most distinct windows are those of a fit file, "no" if not; "" is not known
}

// Layer is one output of the model for every row of a split, in memory or on disk.
type Layer struct {
	Name  string
	Width int
	Data  []float32 // len(rows)×Width, row-major, unless Read is set
	// Read, if not nil, takes the place of Data: it writes rows lo to hi−1 to dst.
	// Several goroutines may call it.
	Read func(dst []float32, lo, hi int) error
}

// ReadRows writes rows lo to hi−1 to dst, which has as many values.
func (l Layer) ReadRows(dst []float32, lo, hi int) error {
	if l.Read != nil {
		return l.Read(dst, lo, hi)
	}
	copy(dst, l.Data[lo*l.Width:hi*l.Width])
	return nil
}

// Pick returns the layer with the given rows alone, whose numbers must rise.
func (l Layer) Pick(rows []int) Layer {
	picked := Layer{Name: l.Name, Width: l.Width}
	if l.Read == nil {
		picked.Data = make([]float32, 0, len(rows)*l.Width)
		for _, row := range rows {
			picked.Data = append(picked.Data, l.Data[row*l.Width:(row+1)*l.Width]...)
		}
		return picked
	}
	picked.Read = func(dst []float32, lo, hi int) error {
		for lo < hi {
			n := 1 // rows that follow each other
			for lo+n < hi && rows[lo+n] == rows[lo]+n {
				n++
			}
			if err := l.Read(dst[:n*l.Width], rows[lo], rows[lo]+n); err != nil {
				return err
			}
			dst = dst[n*l.Width:]
			lo += n
		}
		return nil
	}
	return picked
}

// Split is one split's files and what the model said of them.
type Split struct {
	Name   string
	Rows   []Row
	Layers []Layer
	// Source says what made the split; it is empty where that is not known, as of
	// features that earlier versions or other programs wrote.
	Source Source
}

// Source is what made a split.
type Source struct {
	origin.Origin
	IndexSHA256 string `json:"index_sha256,omitempty"` // of the index that names its files
	// Changed names the files of the split that are not as they were written; Read
	// sets it.
	Changed []string `json:"-"`
}

// sourceFile is the content of <split>.json.
type sourceFile struct {
	Source
	Files map[string]string `json:"files"` // SHA-256 in hexadecimal, by file name
}

// header has the columns that are written. Those of required must be there to
// be read, and columns that are not known are ignored.
var (
	header   = []string{"name", "label", "first_seen", "group", "sha256", "size", "kind", "linked", "near_fit"}
	required = []string{"name", "label", "first_seen", "sha256", "size"}
)

// Write writes s, whose layers are in memory, into dir. See [Writer].
func Write(dir string, s Split) error {
	w, err := NewWriter(dir, s, len(s.Rows))
	if err != nil {
		return err
	}
	defer w.Discard()
	if err := w.Append(s); err != nil {
		return err
	}
	return w.Commit()
}

// removeTable removes the table of a split, and what says where the split is from,
// before its first layer is another's.
func removeTable(dir, split string) error {
	for _, name := range []string{tableFile(split), sourceName(split)} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("features: %w", err)
		}
	}
	return nil
}

// The names of the files of a split.
func tableFile(split string) string        { return split + ".csv" }
func layerFile(split, layer string) string { return split + "." + layer + ".npy" }
func sourceName(split string) string       { return split + ".json" }

// List names the splits that dir holds, in the order of their names. A name
// that does not print is an error: it becomes file names, and lines of text.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("features: %s does not exist: run `driftbench extract` first", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("features: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".csv"); ok {
			if !prints(name) {
				return nil, fmt.Errorf("features: %s: %.80q cannot name a split: rename it", dir, e.Name())
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("features: %s holds no <split>.csv: run `driftbench extract` first", dir)
	}
	return names, nil
}

// Read reads one split of dir into memory, with every layer that is there, in the
// order of their names. A layer whose rows are not those of the table is an error
// that names the file, and so is a layer that <split>.json does not name with that
// width.
func Read(dir, split string) (Split, error) {
	s, err := Open(dir, split)
	if err != nil {
		return s, err
	}
	for i, l := range s.Layers {
		l.Data = make([]float32, len(s.Rows)*l.Width)
		if err := l.Read(l.Data, 0, len(s.Rows)); err != nil {
			return s, err
		}
		l.Read = nil
		s.Layers[i] = l
	}
	return s, nil
}

// Open is Read with the values of the layers left on disk. Each read of them opens
// the file, and is an error if that is another than it was.
func Open(dir, split string) (Split, error) {
	s := Split{Name: split}
	made, err := readSource(dir, split)
	if err != nil {
		return s, err
	}
	s.Source = made.Source
	if s.Rows, err = ReadRows(dir, split); err != nil {
		return s, err
	}

	entries, err := os.ReadDir(dir)
	if err != nil {
		return s, fmt.Errorf("features: %w", err)
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), split+".")
		name, isNPY := strings.CutSuffix(rest, ".npy")
		if !ok || !isNPY || strings.Contains(name, ".") {
			continue
		}
		if !prints(name) {
			return s, fmt.Errorf("features: %s: %.80q cannot name a layer: rename it", dir, e.Name())
		}
		l, err := openLayer(dir, split, name, len(s.Rows))
		if err != nil {
			return s, err
		}
		if made := s.Source.Layers; len(made) > 0 && !slices.Contains(made, origin.Layer{Name: l.Name, Width: l.Width}) {
			return s, fmt.Errorf("features: %s is %d wide, and %s.json names no such layer: extract the features again", filepath.Join(dir, e.Name()), l.Width, split)
		}
		s.Layers = append(s.Layers, l)
	}
	// This comes last, as a damaged file may be far larger than it says.
	s.Source.Changed, err = made.changed(dir, s)
	return s, err
}

// ReadSource reads what made a split of dir. Without <split>.json it is empty.
func ReadSource(dir, split string) (Source, error) {
	made, err := readSource(dir, split)
	return made.Source, err
}

func readSource(dir, split string) (made sourceFile, err error) {
	const most = 1 << 20 // bytes; a layer takes 200
	path := filepath.Join(dir, sourceName(split))
	err = jsonfile.Read(path, most, &made)
	if errors.Is(err, fs.ErrNotExist) {
		return sourceFile{}, nil
	}
	if err != nil {
		return sourceFile{}, fmt.Errorf("features: %w: remove it, or extract the features again", err)
	}
	for name := range made.Files {
		if filepath.Base(name) != name || !strings.HasPrefix(name, split+".") {
			return made, fmt.Errorf("features: %s names the file %.80q, which is none of its split: remove it, or extract the features again", path, name)
		}
	}
	return made, nil
}

// changed names the files of s in dir that do not have the digests which were
// written with them.
func (made sourceFile) changed(dir string, s Split) (names []string, err error) {
	files := []string{tableFile(s.Name)}
	for _, l := range s.Layers {
		files = append(files, layerFile(s.Name, l.Name))
	}
	for _, name := range files {
		want, ok := made.Files[name]
		if !ok {
			continue
		}
		sum, err := digest(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("features: %w", err)
		}
		if sum != want {
			names = append(names, name)
		}
	}
	return names, nil
}

// digest returns the SHA-256 of a file in hexadecimal.
func digest(path string) (string, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ReadRows reads the table of one split of dir, without its layers.
func ReadRows(dir, split string) ([]Row, error) {
	path := filepath.Join(dir, tableFile(split))
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("features: %w", err)
	}
	defer f.Close()
	return readRows(f, path)
}

// prints reports whether a name is UTF-8 that shows as it is.
func prints(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) })
}

func readRows(r io.Reader, path string) ([]Row, error) {
	t := csvfile.NewReader(r, path)
	first, err := t.Read()
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("features: %w", err)
	}
	at := map[string]int{} // column by name
	for i, name := range first {
		if _, twice := at[name]; twice {
			return nil, fmt.Errorf("features: %s:1: the column %.80q is there twice: extract the features again", path, name)
		}
		at[strings.Clone(name)] = i
	}
	for _, name := range required {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("features: %s:1: want the columns %s: extract the features again", path, strings.Join(required, ","))
		}
	}
	var rows []Row
	for {
		rec, err := t.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("features: %w", err)
		}
		if slices.ContainsFunc(rec, func(field string) bool { return strings.Contains(field, "\r\n") }) {
			return nil, fmt.Errorf("features: %w", t.Errorf("a field holds a CRLF, which CSV cannot carry: rename the file"))
		}
		field := func(name string) string {
			if i, ok := at[name]; ok {
				return text.SpreadsheetOriginal(rec[i])
			}
			return ""
		}
		r := Row{
			Name: field("name"), Label: field("label"), FirstSeen: field("first_seen"), Group: field("group"),
			SHA256: field("sha256"), Kind: field("kind"), NearFit: field("near_fit"),
		}
		if r.Size, err = strconv.ParseInt(field("size"), 10, 64); err != nil || r.Size < 0 {
			return nil, fmt.Errorf("features: %w", t.Errorf("size %.80q is no number of bytes", field("size")))
		}
		if linked := field("linked"); linked != "" {
			v, err := strconv.ParseUint(linked, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("features: %w", t.Errorf("linked %.80q is no time in seconds since 1970", linked))
			}
			r.Linked = uint32(v)
		}
		rows = append(rows, r)
	}
}

// openLayer reads the header of one layer of a split that has that many rows.
func openLayer(dir, split, name string, rows int) (Layer, error) {
	path := filepath.Join(dir, layerFile(split, name))
	f, opened, err := regular.Open(path)
	if err != nil {
		return Layer{}, fmt.Errorf("features: %w", err)
	}
	defer f.Close()
	n, width, start, err := readHeader(f, opened.Size())
	if err != nil {
		return Layer{}, fmt.Errorf("features: %s: %w", path, err)
	}
	if n != rows {
		return Layer{}, fmt.Errorf("features: %s has %d rows, the split's table %d: extract the features again", path, n, rows)
	}
	return Layer{Name: name, Width: width, Read: func(dst []float32, lo, hi int) error {
		f, now, err := regular.Open(path)
		if err != nil {
			return fmt.Errorf("features: %w", err)
		}
		defer f.Close()
		if !os.SameFile(now, opened) || now.Size() != opened.Size() || !now.ModTime().Equal(opened.ModTime()) {
			return fmt.Errorf("features: %s was changed while it was read: start again", path)
		}
		size := int64(4 * width)
		if err := readValues(dst, io.NewSectionReader(f, start+int64(lo)*size, int64(hi-lo)*size)); err != nil {
			return fmt.Errorf("features: %s: %w", path, err)
		}
		return nil
	}}, nil
}
