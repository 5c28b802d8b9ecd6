// Package atomicfile writes files that appear whole or not at all: under a
// temporary name beside the target, synced to disk, then renamed over it.
package atomicfile

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Write replaces the file at path with the output of write, and makes its folder
// where there is none. When write fails, path is unchanged.
func Write(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	sweep(path)
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithPermissions(0o666))
	if err != nil {
		return naming(path, err)
	}
	defer f.Cleanup()
	unix.Flock(int(f.Fd()), unix.LOCK_EX) // says that it is in use; where files cannot be locked, none is swept
	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return naming(path, err)
	}
	if err := w.Flush(); err != nil {
		return naming(path, err)
	}
	return naming(path, f.CloseAtomicallyReplace())
}

// naming puts path in place of its temporary name.
func naming(path string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok && ofTemporary(path, pe.Path) {
		return &fs.PathError{Op: pe.Op, Path: path, Err: pe.Err}
	}
	return err
}

// sweep removes the temporary files of path that a killed process has left.
// One that another process is writing is locked.
func sweep(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		left := filepath.Join(filepath.Dir(path), e.Name())
		if !e.Type().IsRegular() || !ofTemporary(path, left) {
			continue
		}
		if f, err := os.Open(left); err == nil {
			if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
				os.Remove(left)
			}
			f.Close()
		}
	}
}

// ofTemporary reports whether name is as renameio names a temporary file of
// path.
func ofTemporary(path, name string) bool {
	base := regexp.QuoteMeta("." + filepath.Base(path))
	return filepath.Dir(name) == filepath.Dir(path) && regexp.MustCompile("^"+base+`\d{5,}$`).MatchString(filepath.Base(name))
}
