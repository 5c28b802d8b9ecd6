package features

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"driftbench/internal/atomicfile"
	"driftbench/internal/text"
)

// Writer writes a split some rows at a time, and holds none of them.
type Writer struct {
	dir    string
	split  Split // without rows and values
	rows   int   // that are to come
	layers []*output
	table  *output
	csv    *csv.Writer // into table
}

// output is a file that is not there yet.
type output struct {
	file *atomicfile.File
	path string
	sum  hash.Hash // of what was written
	io.Writer
	buffered *bufio.Writer
}

func create(path string) (*output, error) {
	f, err := atomicfile.Create(path)
	if err != nil {
		return nil, fmt.Errorf("features: %w", err)
	}
	o := &output{file: f, path: path, sum: sha256.New(), buffered: bufio.NewWriterSize(f, 1<<16)}
	o.Writer = io.MultiWriter(o.buffered, o.sum)
	return o, nil
}

func (o *output) failed(err error) error { return fmt.Errorf("features: writing %s: %w", o.path, err) }

func (o *output) commit() error {
	if err := o.buffered.Flush(); err != nil {
		return o.failed(err)
	}
	if err := o.file.Commit(); err != nil {
		return o.failed(err)
	}
	return nil
}

// NewWriter returns a writer of a split with so many rows into dir. Of s it takes the
// name, the source, and the names and widths of the layers. Until Commit the folder
// has the split that it had.
func NewWriter(dir string, s Split, rows int) (*Writer, error) {
	w := &Writer{dir: dir, split: Split{Name: s.Name, Source: s.Source}, rows: rows}
	for _, l := range s.Layers {
		w.split.Layers = append(w.split.Layers, Layer{Name: l.Name, Width: l.Width})
	}
	if err := w.open(); err != nil {
		w.Discard()
		return nil, err
	}
	return w, nil
}

// open makes the files, with what comes before the rows.
func (w *Writer) open() (err error) {
	for _, l := range w.split.Layers {
		o, err := create(filepath.Join(w.dir, layerFile(w.split.Name, l.Name)))
		if err != nil {
			return err
		}
		w.layers = append(w.layers, o)
		if _, err := o.Write(npyHead(w.rows, l.Width)); err != nil {
			return o.failed(err)
		}
	}
	if w.table, err = create(filepath.Join(w.dir, tableFile(w.split.Name))); err != nil {
		return err
	}
	w.csv = csv.NewWriter(w.table)
	return w.csv.Write(header)
}

// Append appends the rows of s, whose layers are in memory and are those of the
// writer. It panics where a layer has another number of values than rows×width.
func (w *Writer) Append(s Split) error {
	for i, l := range w.split.Layers {
		if n := len(s.Layers[i].Data); n != len(s.Rows)*l.Width {
			panic(fmt.Sprintf("features: layer %s has %d values, want %d rows × %d", l.Name, n, len(s.Rows), l.Width))
		}
	}
	w.rows -= len(s.Rows)
	var writing errgroup.Group // waits for the disk more than for anything else
	for i, o := range w.layers {
		writing.Go(func() error {
			if err := writeValues(o, s.Layers[i].Data); err != nil {
				return o.failed(err)
			}
			return nil
		})
	}
	writing.Go(func() error {
		for _, r := range s.Rows {
			linked := ""
			if r.Linked != 0 {
				linked = strconv.FormatUint(uint64(r.Linked), 10)
			}
			w.csv.Write([]string{text.SpreadsheetSafe(r.Name), text.SpreadsheetSafe(r.Label), text.SpreadsheetSafe(r.FirstSeen), text.SpreadsheetSafe(r.Group), r.SHA256, strconv.FormatInt(r.Size, 10), r.Kind, linked, r.NearFit})
		}
		if err := w.csv.Error(); err != nil {
			return w.table.failed(err)
		}
		return nil
	})
	return writing.Wait()
}

// Commit puts the split in its place, without <split>.json where its source names no
// model. It panics where rows are missing, or more than announced were appended.
func (w *Writer) Commit() error {
	if w.rows != 0 {
		panic(fmt.Sprintf("features: split %s lacks %d rows", w.split.Name, w.rows))
	}
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return w.table.failed(err)
	}
	if err := removeTable(w.dir, w.split.Name); err != nil {
		return err
	}
	var writing errgroup.Group
	for _, o := range w.layers {
		writing.Go(o.commit)
	}
	if err := writing.Wait(); err != nil {
		return err
	}
	if err := w.table.commit(); err != nil || w.split.Source.ModelSHA256 == "" {
		return err
	}
	made := sourceFile{w.split.Source, map[string]string{}}
	for _, o := range append(w.layers, w.table) {
		made.Files[filepath.Base(o.path)] = hex.EncodeToString(o.sum.Sum(nil))
	}
	path := filepath.Join(w.dir, sourceName(w.split.Name))
	err := atomicfile.Write(path, func(to io.Writer) error {
		e := json.NewEncoder(to)
		e.SetIndent("", "  ")
		return e.Encode(made)
	})
	if err != nil {
		return fmt.Errorf("features: writing %s: %w", path, err)
	}
	return nil
}

// Discard discards what was not committed.
func (w *Writer) Discard() {
	for _, o := range append(w.layers, w.table) {
		if o != nil {
			o.file.Discard()
		}
	}
}
