package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteResults writes results.json. The same Results gives the same bytes,
// and the file appears whole or not at all.
func WriteResults(path string, r Results) error {
	r.SchemaVersion = SchemaVersion
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encoding results: %w", err)
	}
	return writeFile(path, append(b, '\n'))
}

// writeFile writes data under a temporary name beside path and renames it, so
// that a reader never sees half a file.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("report: writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("report: writing %s: %w", path, err)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// files collects what goes into one folder: names to content. A nil content
// means that an older file of that name is out of date and has to go.
type files map[string][]byte

// write makes dir hold the collected files. Files it does not know stay.
func (set files) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: making the report folder: %w", err)
	}
	for name, data := range set {
		path := filepath.Join(dir, name)
		if data != nil {
			if err := writeFile(path, data); err != nil {
				return err
			}
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("report: removing an outdated file: %w", err)
		}
	}
	return nil
}
