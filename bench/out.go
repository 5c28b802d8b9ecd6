package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openOut makes the folder that results go into, and locks it: two commands at
// once would mix their files. It fails before any work is done when nothing can
// be written there.
func openOut(dir string) (unlock func(), err error) {
	if err := prepareFolder("--out", dir); err != nil {
		return nil, err
	}
	return lockOut(dir)
}

// lockOut locks a folder that is there.
func lockOut(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	// A file system without locks is no reason to stop.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		f.Close()
		return nil, fmt.Errorf("--out %s is in use by another driftbench: wait for it to end, or choose another folder", dir)
	}
	return func() { f.Close() }, nil
}

// prepareFile checks that the file of an option, which is written at the end,
// can be written. An empty path is none.
func prepareFile(option, path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return optionErrorf(option, " %s is a folder: want a file", path)
	}
	return prepareFolder("--"+option, filepath.Dir(path))
}

// prepareFolder makes a folder and checks that files can be made in it. Errors
// begin with the name of the option.
func prepareFolder(option, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("%s: %w", option, err)
	}
	// One fixed name, so that a killed process leaves at most one file. O_EXCL
	// opens nothing that is there already. An empty file of that name was left
	// by a killed process or belongs to another command at the same check;
	// removing it needs the same right as making it.
	path := filepath.Join(dir, ".writable")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	switch {
	case err == nil:
		f.Close()
	case errors.Is(err, fs.ErrExist):
		if info, err := os.Lstat(path); err == nil && (!info.Mode().IsRegular() || info.Size() > 0) {
			return fmt.Errorf("%s: %s is in the way: move it", option, path)
		}
	default:
		return fmt.Errorf("%s: nothing can be written into %s: %w", option, dir, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: nothing can be written into %s: %w", option, dir, err)
	}
	return nil
}
