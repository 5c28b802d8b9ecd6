package features

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"math"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"driftbench/internal/atomicfile"
)

// Writer writes a split whose rows come in any order, without holding their features
// in memory. What it writes is what [Write] does, byte for byte.
type Writer struct {
	dir   string
	split Split // without rows and values
	rows  int
	files []*atomicfile.File // of the layers
	heads []int64            // where their values begin
}

// NewWriter returns a writer of a split of so many rows, and of layers, of which it
// takes names and widths. Until Finish the folder dir has the split that it had.
func NewWriter(dir, name string, layers []Layer, rows int) (*Writer, error) {
	w := &Writer{dir: dir, split: Split{Name: name}, rows: rows}
	for _, l := range layers {
		w.split.Layers = append(w.split.Layers, Layer{Name: l.Name, Width: l.Width})
		f, err := atomicfile.Create(w.path(l))
		if err != nil {
			w.Close()
			return nil, fmt.Errorf("features: %w", err)
		}
		w.files, w.heads = append(w.files, f), append(w.heads, int64(len(npyHead(rows, l.Width))))
	}
	return w, nil
}

func (w *Writer) path(l Layer) string {
	return filepath.Join(w.dir, w.split.Name+"."+l.Name+".npy")
}

// at returns where the values of a row of a layer are.
func (w *Writer) at(layer, row int) int64 {
	return w.heads[layer] + 4*int64(row)*int64(w.split.Layers[layer].Width)
}

// Set sets the values of a row: little-endian float32, layer by layer. It is safe for
// concurrent use.
func (w *Writer) Set(row int, values []byte) error {
	for i, l := range w.split.Layers {
		if _, err := w.files[i].WriteAt(values[:4*l.Width], w.at(i, row)); err != nil {
			return w.failed(l, err)
		}
		values = values[4*l.Width:]
	}
	return nil
}

func (w *Writer) failed(l Layer, err error) error {
	return fmt.Errorf("features: writing %s: %w", w.path(l), err)
}

// Leave leaves out rows, which come in ascending order. Later calls number the rows
// without them.
func (w *Writer) Leave(rows []int) error {
	left := w.rows - len(rows)
	var moving errgroup.Group
	for i, l := range w.split.Layers {
		moving.Go(func() error {
			next, head := 0, int64(len(npyHead(left, l.Width)))
			to := head
			for _, row := range append(rows[:len(rows):len(rows)], w.rows) {
				n, err := move(w.files[i], w.at(i, next), to, 4*int64(row-next)*int64(l.Width))
				if err != nil {
					return w.failed(l, err)
				}
				next, to = row+1, to+n
			}
			w.heads[i] = head
			return nil
		})
	}
	err := moving.Wait()
	w.rows = left
	return err
}

// move moves n bytes of a file forwards.
func move(f *atomicfile.File, from, to, n int64) (int64, error) {
	if from == to {
		return n, nil
	}
	buf := make([]byte, min(n, 1<<20))
	for done := int64(0); done < n; {
		some := buf[:min(n-done, int64(len(buf)))]
		if _, err := f.ReadAt(some, from+done); err != nil {
			return 0, err
		}
		if _, err := f.WriteAt(some, to+done); err != nil {
			return 0, err
		}
		done += int64(len(some))
	}
	return n, nil
}

// Values returns the values of n rows of a layer from row first on.
func (w *Writer) Values(layer, first, n int) ([]float32, error) {
	l := w.split.Layers[layer]
	buf := make([]byte, 4*n*l.Width)
	if _, err := w.files[layer].ReadAt(buf, w.at(layer, first)); err != nil {
		return nil, fmt.Errorf("features: reading %s: %w", w.path(l), err)
	}
	values := make([]float32, n*l.Width)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*i:]))
	}
	return values, nil
}

// Finish puts the split in its place, with the table of its rows.
func (w *Writer) Finish(source Source, rows iter.Seq[Row]) error {
	if err := removeTable(w.dir, w.split.Name); err != nil {
		return err
	}
	w.split.Source = source
	digests := make([]string, len(w.files))
	var writing errgroup.Group
	for i, l := range w.split.Layers {
		writing.Go(func() (err error) {
			if digests[i], err = w.commit(i, l); err != nil {
				return w.failed(l, err)
			}
			return nil
		})
	}
	if err := writing.Wait(); err != nil {
		return err
	}
	return finish(w.dir, w.split, digests, rows)
}

func (w *Writer) commit(i int, l Layer) (digest string, err error) {
	f, size := w.files[i], w.at(i, w.rows)
	if _, err := f.WriteAt(npyHead(w.rows, l.Width), 0); err != nil {
		return "", err
	}
	if err := f.Truncate(size); err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(h, io.NewSectionReader(f, 0, size), make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), f.Commit()
}

// Close discards what was not finished.
func (w *Writer) Close() {
	for _, f := range w.files {
		f.Discard()
	}
}
