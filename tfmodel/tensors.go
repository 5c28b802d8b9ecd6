package tfmodel

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unsafe"

	tf "github.com/wamuir/graft/tensorflow"
)

// tensors are the inputs of a batch by name, and the errors of those that could not be made.
type tensors struct {
	byName map[string]*tf.Tensor
	err    error
}

// add makes a tensor of a number or a slice of them.
func (t *tensors) add(name string, value any) {
	made, err := tf.NewTensor(value)
	t.keep(name, made, err)
}

// addBytes makes a tensor uint8 [n, width] of what r reads.
func (t *tensors) addBytes(name string, n, width int, r io.Reader) {
	made, err := tf.ReadTensor(tf.Uint8, []int64{int64(n), int64(width)}, r)
	t.keep(name, made, err)
}

func (t *tensors) keep(name string, made *tf.Tensor, err error) {
	if t.byName == nil {
		t.byName = make(map[string]*tf.Tensor)
	}
	t.byName[name] = made
	t.err = errors.Join(t.err, err)
}

// paddedReader reads files one after another, each padded by zeros to width.
type paddedReader struct {
	files [][]byte
	width int
	at    int // offset in the padded row of files[0]
}

func (r *paddedReader) Read(p []byte) (int, error) {
	if len(r.files) == 0 {
		return 0, io.EOF
	}
	var n int
	if f := r.files[0]; r.at < len(f) {
		n = copy(p, f[r.at:])
	} else {
		n = min(len(p), r.width-r.at)
		clear(p[:n])
	}
	if r.at += n; r.at == r.width {
		r.files, r.at = r.files[1:], 0
	}
	return n, nil
}

// tensorBytes returns the size of a tensor of 1-byte or 4-byte values.
func tensorBytes(t *tf.Tensor) int64 {
	n := int64(4)
	if t.DataType() == tf.Uint8 {
		n = 1
	}
	for _, d := range t.Shape() {
		n *= d
	}
	return n
}

// copyTensor copies a float32 tensor to dst, which has its length.
func copyTensor(dst []float32, t *tf.Tensor) error {
	if t.DataType() != tf.Float {
		return fmt.Errorf("type %v, want float32", t.DataType())
	}
	// The binding hands out a tensor's bytes only to an io.Writer; writing
	// them over dst saves decoding value by value.
	w := sliceWriter(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 4*len(dst)))
	n, err := t.WriteContentsTo(&w)
	if err == nil && n != int64(4*len(dst)) {
		err = fmt.Errorf("%d bytes, want %d", n, 4*len(dst))
	}
	return err
}

// sliceWriter writes over a slice from its front.
type sliceWriter []byte

func (w *sliceWriter) Write(p []byte) (int, error) {
	n := copy(*w, p)
	*w = (*w)[n:]
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// firstLine returns TensorFlow's error with a text that fits a line: without the
// stack of graph nodes, and without what a terminal would not print, since
// names in it come from the model.
func firstLine(err error) error { return lineError{err} }

type lineError struct{ err error }

func (e lineError) Error() string {
	line, _, _ := strings.Cut(e.err.Error(), "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.TrimSpace(line))
}

func (e lineError) Unwrap() error { return e.err }
