// Package regular opens regular files and nothing else. In a folder that is not
// trusted a named pipe in place of a file would block the program that opens
// it, a device might never end, and opening a device can have effects.
package regular

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// NotRegularError is the error for a path that does not lead to a regular file.
type NotRegularError struct {
	Path string
	Mode fs.FileMode
}

func (e *NotRegularError) Error() string { return fmt.Sprintf("%q %s", e.Path, Kind(e.Mode)) }

// Open opens the regular file at path for reading. For anything else it
// returns a *NotRegularError without waiting.
func Open(path string) (*os.File, os.FileInfo, error) { return OpenFile(path, os.O_RDONLY) }

// OpenFile opens an existing file as Open does, with the flag of os.OpenFile.
func OpenFile(path string, flag int) (*os.File, os.FileInfo, error) {
	return open(os.Stat, os.OpenFile, path, flag)
}

// OpenIn opens a file as Open does, within root.
func OpenIn(root *os.Root, name string) (*os.File, os.FileInfo, error) {
	return open(root.Stat, root.OpenFile, name, os.O_RDONLY)
}

// open checks the file before it opens it, since opening a device has effects,
// and again after, since the path may lead elsewhere by then. With O_NONBLOCK
// opening a named pipe does not wait.
func open(
	stat func(string) (os.FileInfo, error), openFile func(string, int, os.FileMode) (*os.File, error), path string, flag int,
) (*os.File, os.FileInfo, error) {
	if info, err := stat(path); err == nil && !info.Mode().IsRegular() { // another error comes from openFile, too
		return nil, nil, &NotRegularError{path, info.Mode()}
	}
	f, err := openFile(path, flag|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &NotRegularError{path, info.Mode()}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Read reads the regular file at path, of at most most bytes.
func Read(path string, most int64) ([]byte, error) {
	return ReadIf(path, most, 0, func([]byte) error { return nil })
}

// ReadIf reads a file as Read does, unless check returns an error for its first n
// bytes, or all of a shorter file.
func ReadIf(path string, most int64, n int, check func(head []byte) error) ([]byte, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > most {
		return nil, fmt.Errorf("%q has %d bytes, at most %d are read", path, info.Size(), most)
	}
	head := make([]byte, n)
	n, err = io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	head = head[:n]
	if err := check(head); err != nil {
		return nil, err
	}
	// The whole size at once: a slice that grows is copied, and held twice.
	b := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	b.Write(head)
	_, err = b.ReadFrom(io.LimitReader(f, most-int64(n)))
	return b.Bytes(), err
}

// Kind describes a file by its mode, such as "is a directory".
func Kind(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "is a directory"
	case mode&os.ModeNamedPipe != 0:
		return "is a named pipe"
	case mode&os.ModeSocket != 0:
		return "is a socket"
	case mode&os.ModeDevice != 0:
		return "is a device"
	case mode.IsRegular():
		return "is a file"
	}
	return "is no regular file"
}
