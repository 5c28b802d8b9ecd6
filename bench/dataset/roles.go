package dataset

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"driftbench/internal/atomicfile"
	"driftbench/internal/csvfile"
	"driftbench/internal/jsonfile"
	"driftbench/internal/origin"
	"driftbench/internal/regular"
	"driftbench/internal/text"
)

// rolesFile is the split file that [Corpus.WriteSplits] writes.
const rolesFile = "roles.csv"

// frozenFrom says which index a split file was made from. It is the content of the
// JSON file of the same name.
type frozenFrom struct {
	IndexSHA256 string `json:"index_sha256"`
}

// frozenFile is the path of the frozenFrom of a split file.
func frozenFile(roles string) string { return strings.TrimSuffix(roles, ".csv") + ".json" }

// WriteSplits writes dir/splits/<split>.csv for every split, with the columns
// name,label,first_seen,path: what a training script reads. path is absolute: that
// of the file that [Corpus.Check] has found for the row, or where it would lie in
// the first place where there is none or status is nil; it is empty for a sample
// that is no file of its own, such as a member of an archive. WriteSplits also
// writes dir/splits/roles.csv, with the columns name,split, for the key split of
// corpus.yaml, and beside it roles.json with the digest of the index. Each file
// appears whole or not at all.
//
// The files are data for programs: reading one gives back the very strings of
// the index, whatever bytes they hold, so nothing guards a spreadsheet against
// names that look like formulas. Names need not be UTF-8.
func (c *Corpus) WriteSplits(dir string, status []Status) error {
	places, err := c.Places()
	if err != nil {
		return fmt.Errorf("dataset: writing the splits: %w", err)
	}
	if dir, err = atomicfile.Folder(dir, "splits"); err != nil {
		return fmt.Errorf("dataset: writing the splits: %w", err)
	}
	write := func(file string, records [][]string) error {
		return atomicfile.Write(filepath.Join(dir, file), func(w io.Writer) error {
			return csv.NewWriter(w).WriteAll(records)
		})
	}
	roles := [][]string{{"name", "split"}}
	for i, s := range c.Splits.All() {
		records := [][]string{{"name", "label", "first_seen", "path"}}
		for j, r := range s.Rows {
			path := r.Path
			if isURL(places[0]) {
				path = ""
			} else if !filepath.IsAbs(path) {
				path = filepath.Join(places[0], path)
			}
			if status != nil && status[i].Files[j].Reason == "" {
				path = status[i].Files[j].Path()
			}
			records = append(records, []string{r.Name, r.Label, r.FirstSeen, path})
			roles = append(roles, []string{r.Name, s.Name})
		}
		if err := write(s.Name+".csv", records); err != nil {
			return fmt.Errorf("dataset: writing split %q: %w", s.Name, err)
		}
	}
	made := frozenFile(filepath.Join(dir, rolesFile))
	err = os.Remove(made) // it is of the roles that are there
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = write(rolesFile, roles)
	}
	if err == nil {
		err = atomicfile.Write(made, func(w io.Writer) error { return json.NewEncoder(w).Encode(frozenFrom{c.Index.SHA256}) })
	}
	if err != nil {
		return fmt.Errorf("dataset: writing the roles of the rows: %w", err)
	}
	return nil
}

// checkFrozen warns where the split file was not made from this index. Rows have
// their roles by name, so an index may gain and lose rows, and another corpus may
// have the same names.
func (c *Corpus) checkFrozen() (warning string, err error) {
	if err := c.checkInside("split", frozenFile(c.SplitFile), ""); err != nil {
		return "", fmt.Errorf("dataset: %w", err)
	}
	path := c.resolve(c.SplitFile)
	const most = 1 << 16 // bytes
	var made frozenFrom
	err = jsonfile.Read(frozenFile(path), most, &made)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("dataset: split: %w: remove it, or freeze the split again", err)
	}
	const names = "rows have their roles by their names, so make sure that these are the same files"
	switch made.IndexSHA256 {
	case c.Index.SHA256:
		return "", nil
	case "":
		return fmt.Sprintf("%s does not say which index it was made from (%s): %s", path, filepath.Base(frozenFile(path)), names), nil
	}
	return fmt.Sprintf("%s was made from the index %s and not from %s (SHA-256): %s", path, origin.Short(made.IndexSHA256), origin.Short(c.Index.SHA256), names), nil
}

// role is a row of a split file.
type role struct {
	name  string // as in the index
	split int    // of the splits that the file may name
	line  int
}

// readRoles reads the split file at path: CSV with the columns name and split.
// splits are the names that it may give.
func readRoles(r io.Reader, path string, splits []string) ([]role, error) {
	table := csvfile.NewReader(r, path)
	errorf := func(format string, args ...any) error {
		return fmt.Errorf("dataset: split: %w", table.Errorf(format, args...))
	}
	header, err := table.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("dataset: split: %s: empty: want a header with the columns name,split", path)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: split: %w", err)
	}
	name, split := slices.Index(header, "name"), slices.Index(header, "split")
	if name < 0 || split < 0 {
		return nil, errorf("want the columns name and split, not the header %s", cmp.Or(text.Header(header), "(not shown)"))
	}
	first := map[string]role{}
	var roles []role
	for {
		rec, err := table.Read()
		if err == io.EOF {
			return roles, nil
		}
		if err != nil {
			return nil, fmt.Errorf("dataset: split: %w", err)
		}
		x := role{strings.Clone(rec[name]), slices.Index(splits, rec[split]), table.Line()}
		if x.split < 0 {
			return nil, errorf("no split is called %s: want one of %s", text.Quote(rec[split]), quoteAll(splits))
		}
		if f, ok := first[x.name]; !ok {
			first[x.name] = x
		} else if f.split != x.split {
			return nil, errorf("name %s is in split %q, and in %q on line %d: a file has one role", text.Quote(x.name), splits[x.split], splits[f.split], f.line)
		}
		roles = append(roles, x)
	}
}

// frozen gives the rows of the index the roles of the split file: for each of the
// spans its rows, in the order of the file. Rows that it does not name are left
// out.
func (c *Config) frozen(rows []Row, spans []Span) (parts [][]Row, warnings []string, err error) {
	path := c.resolve(c.SplitFile)
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: opening the file that the key split names: %w", err)
	}
	defer f.Close()
	splits := make([]string, len(spans))
	for i, s := range spans {
		splits[i] = s.Name
	}
	roles, err := readRoles(f, path, splits)
	if err != nil {
		return nil, nil, err
	}
	left := map[string][]Row{} // rows that have no role yet
	for _, r := range rows {
		left[r.Name] = append(left[r.Name], r)
	}
	parts = make([][]Row, len(spans))
	gone, first := 0, role{}
	for _, x := range roles {
		same, span := left[x.name], spans[x.split]
		if len(same) == 0 {
			if gone == 0 {
				first = x
			}
			gone++
			continue
		}
		r := same[0]
		for _, other := range same[1:] {
			if other.Label != r.Label || other.FirstSeen != r.FirstSeen || other.Group != r.Group {
				return nil, nil, fmt.Errorf("dataset: %s:%d: name %s is there with another label, date or group on line %d: %s cannot tell the rows apart; give one of them another name", c.IndexPath(), other.Line, text.Quote(x.name), r.Line, path)
			}
		}
		if r.Month < span.From || r.Month > span.To {
			return nil, nil, fmt.Errorf("dataset: split: %s:%d: name %s is in split %q, %v to %v, but was first seen in %v: correct the date or the split", path, x.line, text.Quote(x.name), span.Name, span.From, span.To, r.Month)
		}
		parts[x.split] = append(parts[x.split], r)
		left[x.name] = same[1:]
	}
	for i, s := range spans {
		if len(parts[i]) == 0 {
			return nil, nil, fmt.Errorf("dataset: split: %s: no row of split %q is in the index %s", path, s.Name, c.IndexPath())
		}
	}
	if gone > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: %d of %s %s no row of the index (first: %s, line %d)", path, gone, count(len(roles), "row"), agree(gone, "names", "name"), text.Quote(first.name), first.line))
	}
	training, later := 0, 0
	for _, same := range left {
		for _, r := range same {
			if c.inTraining(r.Month) {
				training++
			} else if c.covers(r.Month) {
				later++
			}
		}
	}
	if training+later > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: %s of the training span and %d of later spans are not in %s and are left out", c.IndexPath(), count(training, "row"), later, path))
	}
	return parts, warnings, nil
}
