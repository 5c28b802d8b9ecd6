package dataset

import (
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"

	"driftbench/internal/atomicfile"
)

// WriteSplits writes dir/splits/<split>.csv for every split, with the columns
// name,label,first_seen,path: what a training script reads. path is absolute.
// Each file appears whole or not at all.
//
// The files are data for programs: reading one gives back the very strings of
// the index, whatever bytes they hold, so nothing guards a spreadsheet against
// names that look like formulas. Names need not be UTF-8.
func (c *Corpus) WriteSplits(dir string) error {
	absRoot, err := filepath.Abs(c.RootPath())
	if err != nil {
		return fmt.Errorf("dataset: writing the splits: %w", err)
	}
	root := root{dir: absRoot}
	dir = filepath.Join(dir, "splits")
	for _, s := range c.Splits.All() {
		records := [][]string{{"name", "label", "first_seen", "path"}}
		for _, r := range s.Rows {
			records = append(records, []string{r.Name, r.Label, r.FirstSeen, root.path(r.Path)})
		}
		err := atomicfile.Write(filepath.Join(dir, s.Name+".csv"), func(w io.Writer) error {
			return csv.NewWriter(w).WriteAll(records)
		})
		if err != nil {
			return fmt.Errorf("dataset: writing split %q: %w", s.Name, err)
		}
	}
	return nil
}
