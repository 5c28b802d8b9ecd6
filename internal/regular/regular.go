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

// headSize is how many bytes of a file [Read] checks before it reads the others.
const headSize = 512

// Read reads the regular file at path, of at most most bytes. check, unless it is
// nil, returns an error for the first 512 bytes of what is another kind of file, or
// for all of a shorter one: nothing else of such a file is read. A file that grows
// meanwhile is an error. Errors but that of check name the path.
func Read(path string, most int64, check func(head []byte) error) ([]byte, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := info.Size()
	if size > most {
		return nil, fmt.Errorf("%q has %d bytes, at most %d are read", path, size, most)
	}
	head := make([]byte, min(headSize, size))
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	head = head[:n]
	if check != nil {
		if err := check(head); err != nil {
			return nil, err
		}
	}
	// The whole size at once: a slice that grows is copied, and held twice.
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	b.Write(head)
	if _, err = b.ReadFrom(io.LimitReader(f, size-int64(n)+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > size {
		return nil, fmt.Errorf("%q grows while it is read: wait until it is written", path)
	}
	return b.Bytes(), nil
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
