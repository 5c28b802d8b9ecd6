package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// prepareOut makes the folder that results go into, and fails before any work
// is done when nothing can be written there.
func prepareOut(dir string) error { return prepareFolder("--out", dir) }

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
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("%s: nothing can be written into %s: %w", flag, dir, err)
	}
	f.Close()
	return os.Remove(f.Name())
}
