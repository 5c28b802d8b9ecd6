package main

import (
	"fmt"
	"os"
)

// prepareOut makes the folder that results go into, and fails before any work
// is done when nothing can be written there.
func prepareOut(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("--out %s cannot be written to: %w", dir, err)
	}
	f.Close()
	return os.Remove(f.Name())
}
