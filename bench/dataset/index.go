package dataset

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"driftbench/internal/csvfile"
	"driftbench/internal/text"
)

// Row is one file of the index.
type Row struct {
	Name      string // as in the index
	Path      string // of the file from the root: Name after trim
	Label     string // "" where the index gives none
	FirstSeen string // as in the index; begins YYYY-MM
	Month     Month  // of FirstSeen
	Group     string // release, campaign or build; "" where the index gives none
	Class     int    // index of Label in Config.Labels; -1 of a row without a label or of a new family
	Line      int    // of the index
}

// readIndex reads the index at path: CSV with a header that has the columns of
// cfg in any order; further columns are ignored. A byte order mark and CRLF line
// ends are accepted. The first fault is an error that begins with file:line.
// Rows that are suspect but can be measured are reported as warnings, one line
// each. The class of a label that cfg does not list is -1, see [Config.classify].
func readIndex(r io.Reader, path string, cfg Config) (rows []Row, warnings []string, err error) {
	cr, err := newIndexReader(r, path, cfg)
	if err != nil {
		return nil, nil, err
	}
	lines := map[string]int{} // name: line
	twice, twiceWhere, outside := 0, "", 0
	for {
		row, err := cr.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if line, ok := lines[row.Path]; !ok {
			lines[row.Path] = row.Line
		} else {
			if twice == 0 {
				twiceWhere = fmt.Sprintf("%s, lines %d and %d", text.Quote(row.Path), line, row.Line)
			}
			twice++
		}
		if !cfg.covers(row.Month) {
			outside++
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, nil, fmt.Errorf("dataset: %s: no rows below the header", path)
	}
	if twice > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: %s %s a file that an earlier row names (first: %s)", path, count(twice, "row"), agree(twice, "names", "name"), twiceWhere))
	}
	if outside > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: %d of %s %s in no span of the configuration and %[4]s left out", path, outside, count(len(rows), "row"), agree(outside, "is", "are")))
	}
	return rows, warnings, nil
}

// covers reports whether m lies in the training span or a test span.
func (c *Config) covers(m Month) bool {
	return c.inTraining(m) ||
		slices.ContainsFunc(c.Tests, func(t Test) bool { return t.From <= m && m <= t.To })
}

func (c *Config) inTraining(m Month) bool { return c.Train.From <= m && m <= c.Train.To }

// indexReader reads an index row by row.
type indexReader struct {
	table                         *csvfile.Reader
	cfg                           Config
	class                         map[string]int    // of the labels of cfg
	kept                          map[string]string // labels and groups, so that rows share them
	name, label, firstSeen, group int               // the fields; group is -1 where the index has none
}

func newIndexReader(r io.Reader, path string, cfg Config) (*indexReader, error) {
	ir := &indexReader{table: csvfile.NewReader(r, path), cfg: cfg, class: cfg.classes(), kept: map[string]string{}}
	c := cfg.Columns
	header, err := ir.table.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("dataset: %s: empty: want a header with the columns %s,%s,%s", path, c.Name, c.Label, c.FirstSeen)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	for _, column := range []struct {
		field    *int
		name     string
		optional bool
	}{
		{&ir.name, c.Name, false},
		{&ir.label, c.Label, false},
		{&ir.firstSeen, c.FirstSeen, false},
		{&ir.group, cmp.Or(c.Group, "group"), c.Group == ""},
	} {
		*column.field = slices.Index(header, column.name)
		if *column.field < 0 && !column.optional {
			return nil, ir.errorf("no column %q in the header %s: rename or add it, or set columns in corpus.yaml", column.name, text.Quote(strings.Join(header, ",")))
		}
		if *column.field >= 0 && slices.Contains(header[*column.field+1:], column.name) {
			return nil, ir.errorf("column %q is there twice: rename one", column.name)
		}
	}
	if c.Group == "" && (ir.group == ir.name || ir.group == ir.label || ir.group == ir.firstSeen) {
		ir.group = -1 // another column is called so
	}
	return ir, nil
}

// next returns the next row, or io.EOF.
func (ir *indexReader) next() (Row, error) {
	rec, err := ir.table.Read()
	if err == io.EOF {
		return Row{}, err
	}
	if err != nil {
		return Row{}, fmt.Errorf("dataset: %w", err)
	}
	// The fields of a record share one string: a clone keeps none of the others.
	name, label, seen := strings.Clone(rec[ir.name]), "", rec[ir.firstSeen]
	if strings.TrimSpace(rec[ir.label]) != "" {
		label = ir.keep(rec[ir.label])
	}
	class, ok := ir.class[label]
	if !ok {
		class = -1
	}
	if !text.Printable(label) {
		return Row{}, ir.errorf("label %s holds characters that do not print: correct it", text.Quote(label))
	}
	month, err := ParseFirstSeen(seen)
	if err != nil {
		return Row{}, ir.errorf("%s: %w: correct the date", ir.cfg.Columns.FirstSeen, err)
	}
	group := ""
	if ir.group >= 0 {
		group = ir.keep(groupOf(rec[ir.group]))
	}
	path := strings.TrimPrefix(name, ir.cfg.Trim)
	switch {
	case path == "":
		return Row{}, ir.errorf("name %s is empty after trim: name a file, or set trim in corpus.yaml", text.Quote(name))
	// A CSV reader takes a CRLF for a line end, so it could not be written again.
	case strings.Contains(name, "\r\n"):
		return Row{}, ir.errorf("name %s holds a CRLF, which CSV cannot carry: rename the file", text.Quote(name))
	case strings.Contains(group, "\r\n"):
		return Row{}, ir.errorf("group %s holds a CRLF, which CSV cannot carry: rename the group", text.Quote(group))
	case !ir.cfg.AllowOutside && !filepath.IsLocal(path):
		return Row{}, ir.errorf("name %s leads out of the root: set root or trim in corpus.yaml, or allow it with --allow-outside", text.Quote(name))
	}
	return Row{
		Name:      name,
		Path:      path,
		Label:     label,
		FirstSeen: strings.Clone(seen),
		Month:     month,
		Group:     group,
		Class:     class,
		Line:      ir.table.Line(),
	}, nil
}

// keep returns a copy of s that all rows with s share.
func (ir *indexReader) keep(s string) string {
	k, ok := ir.kept[s]
	if !ok {
		k = strings.Clone(s)
		ir.kept[k] = k
	}
	return k
}

// groupOf returns the group that a field of the index names, or "". Values that
// say that none is known would otherwise join files that have nothing in common.
func groupOf(field string) string {
	field = strings.TrimSpace(field)
	switch low := strings.ToLower(field); low {
	case "", "-", "?", "n/a", "na", "nan", "nil", "null", "none", "unknown", "undefined",
		"f34d5f2d4577ed6d9ceec516c1f5a744", // the imphash of every .NET program
		"dae02f32a21e03ce65412f6e56942daa", // and of every .NET library
		"d41d8cd98f00b204e9800998ecf8427e": // the MD5 of nothing
		return ""
	default:
		if low == "singleton" || strings.HasPrefix(low, "singleton:") { // AVClass: no family
			return ""
		}
	}
	return field
}

// errorf is an error in the record that was read last.
func (ir *indexReader) errorf(format string, args ...any) error {
	return fmt.Errorf("dataset: %w", ir.table.Errorf(format, args...))
}
