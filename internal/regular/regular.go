// Package regular opens regular files and nothing else. Where a folder comes
// from elsewhere, a named pipe in place of a file would hang whoever opens it,
// a device might never end, and opening either can do things.
package regular

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// Open opens the regular file at path for reading. Anything else is an error
// that names it, at once.
func Open(path string) (*os.File, os.FileInfo, error) { return OpenFile(path, os.O_RDONLY) }

// OpenFile is Open with the flag of os.OpenFile, for a file that is there. It
// looks before it opens, and again after, since the path may mean something
// else by then. O_NONBLOCK lets no named pipe make it wait.
func OpenFile(path string, flag int) (*os.File, os.FileInfo, error) {
	if info, err := os.Stat(path); err == nil { // else opening says why
		if err := refuse(path, info); err != nil {
			return nil, nil, err
		}
	}
	f, err := os.OpenFile(path, flag|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = refuse(path, info)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func refuse(path string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%q %s", path, Kind(info.Mode()))
	}
	return nil
}

// Read reads the regular file at path. One of more than most bytes is an error.
func Read(path string, most int64) ([]byte, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > most {
		return nil, fmt.Errorf("%q has %d bytes, at most %d are read", path, info.Size(), most)
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// Kind says what a file is, to be read on after its name.
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
