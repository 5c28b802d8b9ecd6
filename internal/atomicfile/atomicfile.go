// Package atomicfile writes files that appear whole or not at all: under a
// temporary name beside the target, synced to disk, then renamed over it.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"driftbench/internal/regular"
)

// Write replaces the file at path with the output of write, and makes its folder
// where there is none. When write fails, path is unchanged. A symbolic link at path
// is replaced, and what it leads to stays as it is; see [Folder] for links above it.
func Write(path string, write func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Commit()
}

// File is a file that is not there yet.
type File struct {
	path string
	*renameio.PendingFile
}

// Create makes a file that replaces the one at path when it is committed, and the
// folder where there is none. It must be committed or discarded. See [CheckFile] for
// what is not replaced.
func Create(path string) (*File, error) {
	if err := CheckFile(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	sweep(path)
	f, err := pending(path)
	if err != nil {
		return nil, naming(path, err)
	}
	return &File{path, f}, nil
}

func (f *File) Write(b []byte) (int, error) {
	n, err := f.PendingFile.Write(b)
	return n, naming(f.path, err)
}

// Commit puts the file in its place, and closes it.
func (f *File) Commit() error { return naming(f.path, f.CloseAtomicallyReplace()) }

// Discard removes and closes the file, if it was not committed.
func (f *File) Discard() { f.Cleanup() }

// CheckFile returns an error if path is a device, a pipe, a socket or a link to an
// open file, such as /dev/null and /dev/stdout: a file is not to take its place.
func CheckFile(path string) error {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket|fs.ModeIrregular) != 0 {
		return fmt.Errorf("%w: want a file", &regular.NotRegularError{Path: path, Mode: info.Mode()})
	}
	if to, err := os.Readlink(path); err == nil && strings.HasPrefix(to, "/proc/") {
		return fmt.Errorf("%s is a link to %s: want a file", path, to)
	}
	return nil
}

// pending makes a temporary file of path, and locks it to say that it is in use.
func pending(path string) (*renameio.PendingFile, error) {
	for {
		f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o666))
		if err != nil {
			return nil, err
		}
		unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if _, err := os.Lstat(f.Name()); err == nil {
			return f, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			f.Cleanup()
			return nil, err
		}
		f.Cleanup() // it was swept before it was locked
	}
}

// shared are file systems on which a lock may not be seen by other machines.
var shared = []int64{unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC, unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, 0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */, 0x19830326 /* BeeGFS */}

// LinkError is the error for a symbolic link in place of a folder that is to be
// written into.
type LinkError struct{ Path string }

func (e *LinkError) Error() string {
	return fmt.Sprintf("%s is a symbolic link, which is not followed to write: remove it, or choose another folder", e.Path)
}

// Folder makes the folder of that name in dir, and dir where there is none, and
// returns its path. A symbolic link in its place is a *LinkError: dir may come from
// elsewhere, and nothing is to be written where its links lead. dir itself may be
// a link.
func Folder(dir, name string) (path string, err error) {
	if err := CheckFolder(dir, name); err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	return path, os.MkdirAll(path, 0o777)
}

// CheckFolder returns the error that [Folder] would return for a link, and makes
// nothing.
func CheckFolder(dir, name string) error {
	path := filepath.Join(dir, name)
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return &LinkError{path}
	}
	return nil
}

// naming puts path in place of its temporary name.
func naming(path string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok && ofTemporary(path, pe.Path) {
		return &fs.PathError{Op: pe.Op, Path: path, Err: pe.Err}
	}
	return err
}

// sweep removes the temporary files of path that a killed process has left.
// One that another process is writing is locked. Where that may be on another machine
// nothing is removed.
func sweep(path string) {
	var in unix.Statfs_t
	if unix.Statfs(filepath.Dir(path), &in) != nil || slices.Contains(shared, int64(in.Type)) {
		return
	}
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
