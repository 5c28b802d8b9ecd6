package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"driftbench/internal/atomicfile"
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
	err := atomicfile.Write(path, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		return fmt.Errorf("report: writing %s: %w", path, err)
	}
	return nil
}

// files collects what goes into one folder: names to content. A nil content
// means that an older file of that name is out of date and has to go.
type files map[string][]byte

// write makes dir hold the collected files. Files it does not know stay. The
// page goes first and comes last, so that none lies beside pictures that are
// not its own.
func (set files) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("report: making the report folder: %w", err)
	}
	var pages, others []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if filepath.Ext(name) == ".html" {
			pages = append(pages, name)
		} else {
			others = append(others, name)
		}
	}
	for _, name := range slices.Concat(pages, others) {
		if set[name] != nil && filepath.Ext(name) != ".html" {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("report: removing an outdated file: %w", err)
		}
	}
	for _, name := range slices.Concat(others, pages) {
		if set[name] == nil {
			continue
		}
		if err := writeFile(filepath.Join(dir, name), set[name]); err != nil {
			return err
		}
	}
	return nil
}
