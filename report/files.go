package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
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

// writeFile replaces path at once, so that a reader never sees half a file.
func writeFile(path string, data []byte) error {
	if err := renameio.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("report: writing %s: %w", path, err)
	}
	return nil
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
