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
	"golang.org/x/perf/benchunit"
)

// Compare reads benchmark files and writes to w a table for each unit: a row
// per benchmark and a column per value of the key col, with medians, their 95%
// intervals and, from the second column on, the change against the first with
// its p-value. A change with p above 0.05 is "~". Columns are compared whatever
// the environment of their files; where it differs, and where there are too few
// repetitions to say anything, wErr gets a warning.
//
// col is a key of benchstat: ".file", a part of the name such as "/device", or
// a key of the environment such as "cpu"; with an order, as in
// "/device@(gpu cpu)", the first is the base. A path may be label=path.
func Compare(w, wErr io.Writer, paths []string, col string) error {
	c := newComparison(wErr)
	if err := c.read(&benchfmt.Files{Paths: paths, AllowLabels: true}, col); err != nil {
		return fmt.Errorf("throughput: comparing %s: %w", strings.Join(paths, " and "), err)
	}
	return c.print(w)
}

// comparison collects the values of all cells, then prints them.
type comparison struct {
	cells map[cellKey]*cell
	cols  []benchproc.Key                     // in order of appearance
	env   map[string]map[benchproc.Key]string // environment key, column, value

	wErr   io.Writer
	warned map[string]bool
}

type cellKey struct{ unit, row, col benchproc.Key }

type cell struct {
	values  []float64
	hidden  map[benchproc.Key]bool // what tells the pooled values apart
	sample  *benchmath.Sample
	summary benchmath.Summary
}

func newComparison(wErr io.Writer) *comparison {
	return &comparison{
		cells: map[cellKey]*cell{}, env: map[string]map[benchproc.Key]string{},
		wErr: wErr, warned: map[string]bool{},
	}
}

func (c *comparison) warnf(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if !c.warned[s] {
		c.warned[s] = true
		fmt.Fprintln(c.wErr, "warning:", s)
	}
}

// read sorts every value into its cell and summarises the cells.
func (c *comparison) read(in records, col string) error {
	filter, err := benchproc.NewFilter("*")
	if err != nil {
		return err
	}
	var parser benchproc.ProjectionParser
	byCol, err := parser.Parse(col, filter)
	if err != nil {
		return fmt.Errorf("column key %s: %w", col, err)
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
	err = each(in, func(r *benchfmt.Result) {
		if ok, _ := filter.Apply(r); !ok {
			return
		}
		colKey, rowKey, hidden := byCol.Project(r), byRow.Project(r), rest.Project(r)
		named = named || strings.TrimSpace(colKey.StringValues()) != ""
		for i, unit := range byUnit.ProjectValues(r) {
			k := cellKey{unit, rowKey, colKey}
			if c.cells[k] == nil {
				c.cells[k] = &cell{hidden: map[benchproc.Key]bool{}}
			}
			c.cells[k].values = append(c.cells[k].values, r.Values[i].Value)
			c.cells[k].hidden[hidden] = true
		}
		for _, kv := range r.Config {
			if kv.File {
				if c.env[kv.Key] == nil {
					c.env[kv.Key] = map[benchproc.Key]string{}
				}
				c.env[kv.Key][colKey] = string(kv.Value)
			}
		}
	}, func(e *benchfmt.SyntaxError) { c.warnf("%v", e) })
	if err != nil {
		return err
	}
	if len(c.cells) == 0 || !named {
		return fmt.Errorf("no benchmark has the key %s: the keys are .file, the parts of the names such as /engine, and those of the files' first lines", col)
	}
	c.summarise()
	return nil
}

func (c *comparison) summarise() {
	c.cols = c.keys(func(k cellKey) benchproc.Key { return k.col })
	for _, k := range slices.SortedFunc(maps.Keys(c.cells), cellKey.compare) {
		cell := c.cells[k]
		cell.sample = benchmath.NewSample(cell.values, &benchmath.DefaultThresholds)
		cell.summary = benchmath.AssumeNothing.Summary(cell.sample, confidence)
		for _, warning := range cell.summary.Warnings {
			c.warnf("%s, %s: n=%d: %v", k.row.StringValues(), k.col.StringValues(), len(cell.values), warning)
		}
		for _, field := range benchproc.NonSingularFields(slices.Collect(maps.Keys(cell.hidden))) {
			c.warnf("%s, %s: repetitions that differ in %s are taken together", k.row.StringValues(), k.col.StringValues(), field.Name)
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

// print writes the environment, then a table per unit.
func (c *comparison) print(w io.Writer) error {
	var head []string
	for _, key := range slices.Sorted(maps.Keys(c.env)) {
		values := c.env[key]
		first, same := values[c.cols[0]], true
		for _, col := range c.cols {
			same = same && values[col] == first
		}
		if same {
			head = append(head, key+": "+first)
			continue
		}
		var each []string
		for _, col := range c.cols {
			each = append(each, fmt.Sprintf("%s has %s", col.StringValues(), cmp.Or(values[col], "none")))
		}
		c.warnf("%s differs: %s", key, strings.Join(each, ", "))
	}
	rows := c.keys(func(k cellKey) benchproc.Key { return k.row })
	labels, common := shortNames(rows)
	if common != "" {
		head = append(head, "benchmarks: "+common)
	}
	if _, err := fmt.Fprintln(w, strings.Join(head, "\n")); err != nil {
		return err
	}
	for _, unit := range c.keys(func(k cellKey) benchproc.Key { return k.unit }) {
		if err := c.table(unit, rows, labels).write(w); err != nil {
			return err
		}
	}
	return nil
}

// shortNames splits benchmark names, which are of the form a/k=v/k=v, into
// what tells them apart and what is common to all.
func shortNames(rows []benchproc.Key) (labels []string, common string) {
	count := map[string]int{}
	for _, row := range rows {
		for part := range strings.SplitSeq(row.StringValues(), "/") {
			count[part]++
		}
	}
	for i, row := range rows {
		var own, shared []string
		for part := range strings.SplitSeq(row.StringValues(), "/") {
			if count[part] == len(rows) {
				shared = append(shared, part)
			} else {
				own = append(own, part)
			}
		}
		labels = append(labels, strings.Join(own, " "))
		if i == 0 {
			common = strings.Join(shared, " ")
		}
	}
	return labels, common
}

// table lays out the cells of one unit.
func (c *comparison) table(unit benchproc.Key, rows []benchproc.Key, labels []string) grid {
	name := unit.StringValues()
	class := benchunit.ClassOf(name)
	head := []string{name}
	for i, col := range c.cols {
		head = append(head, col.StringValues(), "")
		if i > 0 {
			head = append(head, "vs base", "")
		}
	}
	g := grid{head}
	for i, row := range rows {
		var centers []float64
		for _, col := range c.cols {
			if cell := c.cells[cellKey{unit, row, col}]; cell != nil {
				centers = append(centers, cell.summary.Center)
			}
		}
		if len(centers) == 0 {
			continue // a benchmark without this unit
		}
		scale := benchunit.CommonScale(centers, class)
		base := c.cells[cellKey{unit, row, c.cols[0]}]
		line := []string{labels[i]}
		for j, col := range c.cols {
			cell := c.cells[cellKey{unit, row, col}]
			center, spread, change, p := "", "", "", ""
			if cell != nil {
				center, spread = scale.Format(cell.summary.Center), "± "+cell.summary.PctRangeString()
				if len(c.cols) == 1 {
					spread += fmt.Sprintf("  n=%d", len(cell.values))
				}
			}
			if cell != nil && base != nil && j > 0 {
				test := benchmath.AssumeNothing.Compare(base.sample, cell.sample)
				change, p = test.FormatDelta(base.summary.Center, cell.summary.Center), "("+test.String()+")"
				for _, warning := range test.Warnings {
					c.warnf("%s, %s: %v", row.StringValues(), col.StringValues(), warning)
				}
			}
			line = append(line, center, spread)
			if j > 0 {
				line = append(line, change, p)
			}
		}
		g = append(g, line)
	}
	return g
}
