package dataset

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"driftbench/bench/dataset/index"
	"driftbench/internal/text"
)

// Row is one file of the index.
type Row struct {
	Name      string // as in the index
	Path      string // of the file from the root: Name after trim
	Label     string // "" where none is known
	FirstSeen string // begins YYYY-MM, of UTC; as in the index where that does
	Month     Month  // of FirstSeen
	Group     string // release, campaign or build; "" where none is known
	Class     int    // index of Label in Config.Labels; -1 of a row without a label or of a new family
	Line      int    // of the index, or the number of its record in a database
}

// Columns are the names of the columns of the index.
type Columns = index.Columns

// rowReader gathers the rows of an index.
type rowReader struct {
	cfg        *Config
	class      map[string]int // of the labels of cfg
	rows       []Row
	lines      map[string]int // of the rows that no digest names, by path
	twice      int
	twiceWhere string
	outside    int                   // rows in no span
	keep       func(number int) bool // which rows are kept, if not all
	n          int                   // rows so far
	names      arena
	dates      map[string]string // one copy of each, as most rows share theirs
}

// arena holds many short strings in few pieces of memory, so that a garbage collector
// has little to do with millions of them.
type arena struct{ piece strings.Builder }

// hold returns a copy of s.
func (a *arena) hold(s string) string {
	if a.piece.Cap()-a.piece.Len() < len(s) {
		a.piece = strings.Builder{}
		a.piece.Grow(max(len(s), 1<<16))
	}
	start := a.piece.Len()
	a.piece.WriteString(s)
	return a.piece.String()[start:]
}

// date returns a copy of a date.
func (r *rowReader) date(s string) string {
	const most = 1 << 16 // days of 180 years
	d, ok := r.dates[s]
	if !ok {
		if d = r.names.hold(s); len(r.dates) < most {
			r.dates[d] = d
		}
	}
	return d
}

// readIndexFile reads the index of cfg, see [index.Read].
func readIndexFile(cfg *Config) ([]Row, index.Summary, error) {
	r := newRowReader(cfg)
	s, err := index.Read(cfg.IndexPath(), cfg.indexOptions(), r.add)
	return r.finish(cfg.IndexPath(), s, err)
}

// readIndex reads an index that is text from in, which path names in messages.
func readIndex(in io.Reader, path string, cfg Config) (rows []Row, warnings []string, err error) {
	r := newRowReader(&cfg)
	s, err := index.ReadText(in, path, cfg.indexOptions(), r.add)
	rows, s, err = r.finish(path, s, err)
	return rows, s.Warnings, err
}

func (c *Config) indexOptions() index.Options {
	o := index.Options{Columns: c.Columns, Query: c.Query, Dates: c.Dates, SkipBad: c.SkipBad, Map: c.Map, Labels: c.Labels}
	if c.LabelsFrom != "" {
		o.LabelsFrom = c.resolve(c.LabelsFrom)
	}
	if c.GroupsFrom != "" {
		o.GroupsFrom = c.resolve(c.GroupsFrom)
	}
	return o
}

func newRowReader(cfg *Config) *rowReader {
	return &rowReader{cfg: cfg, class: cfg.classes(), lines: map[string]int{}, dates: map[string]string{}}
}

func (r *rowReader) add(from index.Row) error {
	path := strings.TrimPrefix(from.Name, r.cfg.Trim)
	switch {
	case path == "":
		return fmt.Errorf("name %s is empty after trim: name a file, or set trim in corpus.yaml", text.Quote(from.Name))
	// A CSV reader takes a CRLF for a line end, so it could not be written again.
	case strings.Contains(from.Name, "\r\n"):
		return fmt.Errorf("name %s holds a CRLF, which CSV cannot carry: rename the file", text.Quote(from.Name))
	case strings.Contains(from.Group, "\r\n"):
		return fmt.Errorf("group %s holds a CRLF, which CSV cannot carry: rename the group", text.Quote(from.Group))
	case !r.cfg.AllowOutside && !filepath.IsLocal(path):
		return fmt.Errorf("name %s leads out of the root: set root or trim in corpus.yaml, or allow it with --allow-outside", text.Quote(from.Name))
	}
	if r.keep != nil {
		if r.n++; !r.keep(r.n - 1) {
			return nil
		}
	}
	row := Row{
		Name: r.names.hold(from.Name), Label: from.Label, FirstSeen: r.date(from.FirstSeen), Month: from.Month,
		Group: from.Group, Class: -1, Line: from.Line,
	}
	row.Path = row.Name[len(row.Name)-len(path):]
	if r.keep == nil {
		r.count(&row)
	}
	r.rows = append(r.rows, row)
	return nil
}

// count sets the class of a row, and counts what finish warns of.
func (r *rowReader) count(row *Row) {
	if !index.IsDigest(row.Name) { // the index package has compared those
		if line, ok := r.lines[row.Path]; !ok {
			r.lines[row.Path] = row.Line
		} else {
			if r.twice == 0 {
				r.twiceWhere = fmt.Sprintf("%s, lines %d and %d", text.Quote(row.Path), line, row.Line)
			}
			r.twice++
		}
	}
	if class, ok := r.class[row.Label]; ok {
		row.Class = class
	}
	if !r.cfg.covers(row.Month) {
		r.outside++
	}
}

// finish adds the warnings about the rows.
func (r *rowReader) finish(path string, s index.Summary, err error) ([]Row, index.Summary, error) {
	if err != nil {
		return nil, s, fmt.Errorf("dataset: %w", err)
	}
	if r.twice > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %s %s a file that an earlier row names (first: %s)", path, count(r.twice, "row"), agree(r.twice, "names", "name"), r.twiceWhere))
	}
	if r.outside > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %d of %s %s in no span of the configuration and %[4]s left out", path, r.outside, count(len(r.rows), "row"), agree(r.outside, "is", "are")))
	}
	return slices.Clip(r.rows), s, nil
}

// covers reports whether m lies in the training span or a test span.
func (c *Config) covers(m Month) bool {
	if c.inTraining(m) {
		return true
	}
	_, found := slices.BinarySearchFunc(c.Tests, m, func(t Test, m Month) int {
		switch {
		case t.To < m:
			return -1
		case t.From > m:
			return 1
		}
		return 0
	})
	return found
}

func (c *Config) inTraining(m Month) bool { return c.Train.From <= m && m <= c.Train.To }
