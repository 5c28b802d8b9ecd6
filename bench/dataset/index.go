package dataset

import (
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
	Label     string
	FirstSeen string // as in the index; begins YYYY-MM
	Month     Month  // of FirstSeen
	Group     string // release, campaign or build; "" where the index gives none
	Class     int    // index of Label in Config.Labels
	Line      int    // of the index
}

// columns of the index, in the order of Row's fields.
var columns = [...]string{"name", "label", "first_seen"}

// readIndex reads the index at path: CSV with a header that has the columns
// name, label and first_seen in any order; further columns are ignored. A byte
// order mark and CRLF line ends are accepted. The first fault is an error that
// begins with file:line. Rows that are suspect but can be measured are reported
// as warnings, one line each.
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
		name := "rows name"
		if twice == 1 {
			name = "row names"
		}
		warnings = append(warnings, fmt.Sprintf("%s: %d %s a file that an earlier row names (first: %s)", path, twice, name, twiceWhere))
	}
	if outside > 0 {
		are := "are"
		if outside == 1 {
			are = "is"
		}
		warnings = append(warnings, fmt.Sprintf("%s: %d of %d rows %s in no span of the configuration and %[4]s left out", path, outside, len(rows), are))
	}
	return rows, warnings, nil
}

// covers reports whether m lies in the training span or a test span.
func (c *Config) covers(m Month) bool {
	return c.Train.From <= m && m <= c.Train.To ||
		slices.ContainsFunc(c.Tests, func(t Test) bool { return t.From <= m && m <= t.To })
}

// indexReader reads an index row by row.
type indexReader struct {
	table *csvfile.Reader
	path  string
	cfg   Config
	class map[string]int
	field [len(columns)]int // field of each column
}

func newIndexReader(r io.Reader, path string, cfg Config) (*indexReader, error) {
	ir := &indexReader{table: csvfile.NewReader(r, path), path: path, cfg: cfg, class: map[string]int{}}
	for i, l := range cfg.Labels {
		ir.class[l] = i
	}
	header, err := ir.table.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("dataset: %s: empty: want a header with the columns name,label,first_seen", path)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	for i, name := range columns {
		ir.field[i] = slices.Index(header, name)
		if ir.field[i] < 0 {
			return nil, ir.errorf("no column %q in the header %s: rename or add it", name, text.Quote(strings.Join(header, ",")))
		}
		if slices.Contains(header[ir.field[i]+1:], name) {
			return nil, ir.errorf("column %q is there twice: rename one", name)
		}
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
	name, label, seen := strings.Clone(rec[ir.field[0]]), rec[ir.field[1]], rec[ir.field[2]]
	class, ok := ir.class[label]
	if !ok {
		return Row{}, ir.errorf("unknown label %s (labels: %s): add it to labels in corpus.yaml or remove the row", text.Quote(label), quoteAll(ir.cfg.Labels))
	}
	month, err := ParseFirstSeen(seen)
	if err != nil {
		return Row{}, ir.errorf("first_seen: %w: correct the date or remove the row", err)
	}
	path := strings.TrimPrefix(name, ir.cfg.Trim)
	switch {
	case path == "":
		return Row{}, ir.errorf("name %s is empty after trim: name a file or remove the row", text.Quote(name))
	case strings.Contains(path, "\r\n"):
		// A CSV reader takes it for a line end, so it could not be written again.
		return Row{}, ir.errorf("name %s holds a CRLF, which CSV cannot carry: rename the file", text.Quote(name))
	case !ir.cfg.AllowOutside && !filepath.IsLocal(path):
		return Row{}, ir.errorf("name %s leads out of the root: remove the row, set root or trim in corpus.yaml, or allow it with --allow-outside", text.Quote(name))
	}
	return Row{
		Name:      name,
		Path:      path,
		Label:     ir.cfg.Labels[class],
		FirstSeen: strings.Clone(seen),
		Month:     month,
		Class:     class,
		Line:      ir.table.Line(),
	}, nil
}

// errorf is an error in the record that was read last.
func (ir *indexReader) errorf(format string, args ...any) error {
	return fmt.Errorf("dataset: %w", ir.table.Errorf(format, args...))
}
