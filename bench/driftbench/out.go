package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// prepareOut makes the folder that results go into, and fails before any work
// is done when nothing can be written there.
func (a *app) prepareOut(dir string) error {
	if err := prepareFolder("--out", dir); err != nil {
		return err
	}
	return a.lockOut(dir)
}

// lockOut makes the folder this command's alone until it ends: two at once
// would mix their files.
func (a *app) lockOut(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	a.leave = func() { f.Close() } // unlocks
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return fmt.Errorf("--out %s is in use by another driftbench: wait for it to end, or choose another folder", dir)
	}
	return nil // a file system without locks is no reason to stop
}

// prepareFile does the same for a file that is written at the end. An empty
// path is none.
func prepareFile(flag, path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usagef("%s %s is a folder: want a file", flag, path)
	}
	return prepareFolder(flag, filepath.Dir(path))
}

func prepareFolder(flag, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	// One name, so that a kill between the two leaves no more than one. With
	// O_EXCL nothing that is there is opened; removing what a kill left, or
	// another command is about to remove, takes the same right.
	path := filepath.Join(dir, ".writable")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	switch {
	case err == nil:
		f.Close()
	case errors.Is(err, fs.ErrExist):
		if info, err := os.Lstat(path); err == nil && (!info.Mode().IsRegular() || info.Size() > 0) {
			return fmt.Errorf("%s: %s is in the way: move it", flag, path)
		}
	default:
		return fmt.Errorf("%s: nothing can be written into %s: %w", flag, dir, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: nothing can be written into %s: %w", flag, dir, err)
	}
	return nil
}
