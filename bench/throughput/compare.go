package throughput

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"
)

// Compare reads benchmark files and writes to w a table for each unit: a row
// per benchmark and a column per value of the key col, or a line per value
// where there are more than two. It shows medians, their 95% intervals and how
// many times the first value each is, with the p-value; a change with p above
// 0.05 is "~". A unit that only repeats another, as ns/op repeats samples/s, is
// named and has no table. Values are compared whatever the environment of their
// files; where it differs, and where there are too few repetitions to say
// anything, wErr gets a warning.
//
// col is a key of benchstat: ".file", a part of the name such as "/device", or
// a key of the environment such as "cpu"; with an order, as in
// "/device@(gpu cpu)", the first is the base. "" is .file for several files, and
// for one the first of /device, /engine, /precision and /batch that has several
// values. A path may be label=path, unless there is a file of that whole name.
func Compare(w, wErr io.Writer, paths []string, col string) error {
	c := newComparison()
	err := c.readFiles(inputs(paths), col)
	if err != nil {
		return fmt.Errorf("throughput: comparing %s: %w", strings.Join(paths, " and "), err)
	}
	if err := c.print(w); err != nil {
		return err
	}
	return c.warnings.write(wErr)
}

// readFiles compares the results of files by the key col, or by that of
// defaultColumn.
func (c *comparison) readFiles(files []input, col string) error {
	if col == "" {
		var err error
		if col, err = defaultColumn(files); err != nil {
			return err
		}
	}
	return c.read(col, func(result func(*benchfmt.Result), malformed func(*benchfmt.SyntaxError)) error {
		return eachOf(files, result, malformed)
	})
}

// defaultColumn returns the key that is compared unless another is asked for:
// .file for several files. In one file it is the first of /device, /engine,
// /precision and /batch that has several values, or the first that has any.
func defaultColumn(files []input) (string, error) {
	if len(files) != 1 {
		return ".file", nil
	}
	keys := []string{"/device", "/engine", "/precision", "/batch"}
	values := make([]map[string]bool, len(keys))
	for i := range values {
		values[i] = map[string]bool{}
	}
	err := eachOf(files, func(r *benchfmt.Result) {
		_, parts := r.Name.Parts()
		for _, part := range parts {
			name, value, _ := strings.Cut(string(part), "=")
			if i := slices.Index(keys, name); i >= 0 {
				values[i][value] = true
			}
		}
	}, func(*benchfmt.SyntaxError) {})
	if err != nil {
		return "", err
	}
	for _, least := range []int{2, 1} {
		if i := slices.IndexFunc(values, func(v map[string]bool) bool { return len(v) >= least }); i >= 0 {
			return keys[i], nil
		}
	}
	return ".file", nil
}

// comparison collects the values of all cells, then prints them.
type comparison struct {
	cells map[cellKey]*cell
	cols  []benchproc.Key                     // in order of appearance
	env   map[string]map[benchproc.Key]string // environment key, column, value

	warnings
}

type cellKey struct{ unit, row, col benchproc.Key }

type cell struct {
	values  []float64
	hidden  map[benchproc.Key]bool // what tells the pooled values apart
	sample  *benchmath.Sample
	summary benchmath.Summary
}

func newComparison() *comparison {
	return &comparison{cells: map[cellKey]*cell{}, env: map[string]map[benchproc.Key]string{}}
}

// place names a cell in a warning, whatever its unit.
func (k cellKey) place(n int) string {
	return fmt.Sprintf("%s, %s, n=%d", k.row.StringValues(), k.col.StringValues(), n)
}

// read sorts every value of the results that each gives into its cell, and
// summarises the cells.
func (c *comparison) read(col string, each func(result func(*benchfmt.Result), malformed func(*benchfmt.SyntaxError)) error) error {
	filter, err := benchproc.NewFilter("*")
	if err != nil {
		return err
	}
	var parser benchproc.ProjectionParser
	byCol, err := parser.Parse(col, filter)
	if err != nil {
		what, _, _ := strings.Cut(err.Error(), "\n") // a picture of the place follows
		return fmt.Errorf("column key %.80q: %s", col, what)
	}
	byUnit, _, err := parser.ParseWithUnit("", filter)
	if err != nil {
		return err
	}
	byRow, err := parser.Parse(".fullname", filter)
	if err != nil {
		return err
	}
	rest := parser.Residue()

	named := false // whether any benchmark has the column key
	err = each(func(r *benchfmt.Result) {
		if ok, _ := filter.Apply(r); !ok {
			return
		}
		colKey, rowKey, hidden := byCol.Project(r), byRow.Project(r), rest.Project(r)
		named = named || strings.TrimSpace(colKey.StringValues()) != ""
		for i, unit := range byUnit.ProjectValues(r) {
			if explains(unit.StringValues()) {
				continue
			}
			k := cellKey{unit, rowKey, colKey}
			if c.cells[k] == nil {
				c.cells[k] = &cell{hidden: map[benchproc.Key]bool{}}
			}
			c.cells[k].values = append(c.cells[k].values, r.Values[i].Value)
			c.cells[k].hidden[hidden] = true
		}
		for _, kv := range r.Config {
			if kv.File && kv.Key != "notes" && kv.Key != "not-read" {
				if c.env[kv.Key] == nil {
					c.env[kv.Key] = map[benchproc.Key]string{}
				}
				c.env[kv.Key][colKey] = string(kv.Value)
			}
		}
	}, func(e *benchfmt.SyntaxError) { c.warn("malformed line", e.Error()) })
	if err != nil {
		return err
	}
	if len(c.cells) == 0 || !named {
		return fmt.Errorf("no benchmark has the key %.80q: the keys are .file, the parts of the names such as /engine, and those of the files' first lines", col)
	}
	c.summarise()
	return nil
}

// explains reports whether a unit says why a case is as fast as it is, or is measured
// once: [Answer] shows it, and a comparison does not.
func explains(unit string) bool {
	switch unit {
	case unitBusy, unitFeed, unitCPUUse, unitGPUUse, unitGPUMemory, unitDifference, "first-result-sec":
		return true
	}
	return false
}

func (c *comparison) summarise() {
	c.cols = c.keys(func(k cellKey) benchproc.Key { return k.col })
	for _, k := range slices.SortedFunc(maps.Keys(c.cells), cellKey.compare) {
		cell := c.cells[k]
		cell.sample = benchmath.NewSample(cell.values, &benchmath.DefaultThresholds)
		cell.summary = benchmath.AssumeNothing.Summary(cell.sample, confidence)
		for _, warning := range cell.summary.Warnings {
			c.warn(warning.Error(), k.place(len(cell.values)))
		}
		for _, field := range benchproc.NonSingularFields(slices.Collect(maps.Keys(cell.hidden))) {
			c.warn("repetitions that differ in "+field.Name+" are taken together", k.place(len(cell.values)))
		}
	}
}

func (k cellKey) compare(o cellKey) int {
	return cmp.Or(compareKeys(k.unit, o.unit), compareKeys(k.row, o.row), compareKeys(k.col, o.col))
}

// compareKeys orders two keys of one projection as benchproc does.
func compareKeys(a, b benchproc.Key) int {
	switch {
	case a == b:
		return 0
	case a.Less(b):
		return -1
	}
	return 1
}

// keys returns the distinct keys that part takes from the cells, in order.
func (c *comparison) keys(part func(cellKey) benchproc.Key) []benchproc.Key {
	seen := map[benchproc.Key]bool{}
	for k := range c.cells {
		seen[part(k)] = true
	}
	return slices.SortedFunc(maps.Keys(seen), compareKeys)
}
