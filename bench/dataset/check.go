package dataset

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"driftbench/bench/files"
	"driftbench/internal/text"
)

// Dropped is a row whose file is left out, together with its label.
type Dropped struct {
	Number int // the row's index in what was read or checked
	Row    Row
	Reason string // follows the name in a message, such as "is missing"
}

// String returns the message for a terminal: name "x.exe" (line 7) is missing.
func (d Dropped) String() string {
	return fmt.Sprintf("name %s (line %d) %s", text.Quote(d.Row.Name), d.Row.Line, d.Reason)
}

// Places returns the places of the files: absolute paths and URLs.
func (c *Config) Places() ([]string, error) {
	places := c.Files
	if len(places) == 0 {
		places = []string{c.Root}
	}
	var all []string
	for _, p := range places {
		if !isURL(p) {
			var err error
			if p, err = filepath.Abs(c.resolve(p)); err != nil { // the cache wants paths that mean the same everywhere
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// Inputs returns the paths and URLs of all that the configuration has read: the
// index, the files of labels, groups and roles that it names, and the places of the
// files.
func (c *Config) Inputs() ([]string, error) {
	all, err := c.Places()
	all = append(all, c.IndexPath())
	for _, path := range []string{c.LabelsFrom, c.GroupsFrom, c.SplitFile} {
		if path != "" {
			all = append(all, c.resolve(path))
		}
	}
	return all, err
}

// isURL reports whether a place is an object store.
func isURL(place string) bool { return strings.Contains(place, "://") }

// OpenFiles opens the places of the files. log receives lines about what takes
// time. The caller closes the places.
func (c *Config) OpenFiles(ctx context.Context, log func(string)) (*files.Places, error) {
	places, err := c.Places()
	if err != nil {
		return nil, err
	}
	p, err := files.Open(ctx, places, files.Options{AllowOutside: c.AllowOutside, Loose: c.Names == LooseNames, Raw: c.Raw, Password: c.Password, Strict: c.Strict, Log: log})
	if err != nil {
		remedy := "set root in corpus.yaml"
		if len(c.Files) > 0 {
			remedy = "give another place by --files, or by root in corpus.yaml"
		}
		return nil, fmt.Errorf("dataset: opening the root of the files: %w: %s", err, remedy)
	}
	return p, nil
}

// Status is the state of the files of a split before any of them is read.
type Status struct {
	Files   []files.File // of each row
	Dropped []Dropped    // rows without a file that can be read, in order
}

// Find finds the file of every row of every split without reading any, and
// returns the status of each split in the order of [Splits.All], and warnings, one
// line each.
func (c *Corpus) Find(ctx context.Context, places *files.Places) (all []Status, warnings []string, err error) {
	var names []string
	for _, s := range c.Splits.All() {
		for _, r := range s.Rows {
			names = append(names, r.Path)
		}
	}
	found, warnings, err := places.Find(ctx, names)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range c.Splits.All() {
		status := Status{Files: found[:len(s.Rows):len(s.Rows)]}
		found = found[len(s.Rows):]
		for i, f := range status.Files {
			if f.Reason != "" {
				status.Dropped = append(status.Dropped, Dropped{i, s.Rows[i], f.Reason})
			}
		}
		all = append(all, status)
	}
	return all, warnings, nil
}

// Check is Find, and fails when what is left of a split cannot be measured, see
// [Corpus.Measurable]; the warnings may say why.
func (c *Corpus) Check(ctx context.Context, places *files.Places) (all []Status, warnings []string, err error) {
	all, warnings, err = c.Find(ctx, places)
	if err != nil {
		return nil, nil, err
	}
	for i, s := range c.Splits.All() {
		if err := c.Measurable(s, all[i].Dropped); err != nil {
			return nil, warnings, err
		}
	}
	return all, warnings, nil
}

// Measurable returns an error when s without the dropped rows cannot be
// measured: no file is left, or a class is left without fit rows.
func (c *Corpus) Measurable(s Split, dropped []Dropped) error {
	if len(dropped) == 0 {
		return nil
	}
	if len(dropped) == len(s.Rows) {
		places, err := c.Places()
		if err != nil {
			return err
		}
		return fmt.Errorf("dataset: split %q: all %d files are dropped; the first: %v: is root (%s) or trim (%s) in corpus.yaml right?",
			s.Name, len(dropped), dropped[0], quoteAll(places), text.Quote(c.Trim))
	}
	if s.Name != c.Splits.Fit.Name {
		return nil
	}
	gone := map[int]bool{} // by number: records can share a line
	for _, d := range dropped {
		gone[d.Number] = true
	}
	var left []Row
	for i, row := range s.Rows {
		if !gone[i] {
			left = append(left, row)
		}
	}
	if labels := c.missingClasses(left); len(labels) > 0 {
		return fmt.Errorf("dataset: split %q: all files with label %s are dropped; the first dropped: %v", s.Name, strings.Join(firstFew(labels), ", "), dropped[0])
	}
	return nil
}
