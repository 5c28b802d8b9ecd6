package throughput

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"
)

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
		c.warn(key+" differs", strings.Join(each, ", "))
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

// table lays out the cells of one unit: a column for each column key when
// there are two, and else a line for each, which keeps the table narrow.
func (c *comparison) table(unit benchproc.Key, rows []benchproc.Key, labels []string) grid {
	cols := slices.DeleteFunc(slices.Clone(c.cols), func(col benchproc.Key) bool {
		return !slices.ContainsFunc(rows, func(row benchproc.Key) bool { return c.cells[cellKey{unit, row, col}] != nil })
	})
	base, name := cols[0], unit.StringValues()
	wide := len(cols) <= 2
	head := []string{name}
	if wide {
		for _, col := range cols {
			head = append(head, col.StringValues(), "")
		}
		if len(cols) == 2 {
			head = append(head, "vs base", "")
		}
	} else {
		head = append(head, "", "", "vs "+base.StringValues(), "")
	}
	g := grid{head}
	for i, row := range rows {
		var centers []float64
		for _, col := range cols {
			if cell := c.cells[cellKey{unit, row, col}]; cell != nil {
				centers = append(centers, cell.summary.Center)
			}
		}
		if len(centers) == 0 {
			continue // a benchmark without this unit
		}
		scale := benchunit.CommonScale(centers, benchunit.ClassOf(name))
		line := []string{labels[i]}
		for _, col := range cols {
			cell := c.cells[cellKey{unit, row, col}]
			var median, change [2]string
			if cell != nil {
				median = [2]string{scale.Format(cell.summary.Center), "± " + cell.summary.PctRangeString()}
				if len(cols) == 1 {
					median[1] += fmt.Sprintf("  n=%d", len(cell.values))
				}
			}
			if from := c.cells[cellKey{unit, row, base}]; from != nil && cell != nil && col != base {
				change = c.change(from, cell, cellKey{unit, row, col})
			}
			switch {
			case wide && col == base:
				line = append(line, median[:]...)
			case wide:
				line = append(append(line, median[:]...), change[:]...)
			case cell != nil:
				g = append(g, []string{padRight(labels[i], longest(labels)) + "  " + col.StringValues(), median[0], median[1], change[0], change[1]})
			}
		}
		if wide {
			g = append(g, line)
		}
	}
	return g
}

// change describes the difference of two cells of a row, and how sure it is.
func (c *comparison) change(from, to *cell, k cellKey) [2]string {
	test := benchmath.AssumeNothing.Compare(from.sample, to.sample)
	for _, warning := range test.Warnings {
		c.warn(warning.Error(), k.place(len(to.values)))
	}
	return [2]string{test.FormatDelta(from.summary.Center, to.summary.Center), "(" + test.String() + ")"}
}
