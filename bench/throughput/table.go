package throughput

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
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
	shown, repeated := c.units()
	if len(repeated) > 0 {
		head = append(head, "not shown (they repeat "+shown[0].StringValues()+" or never differ): "+strings.Join(repeated, ", "))
	}
	grids := func() (all []grid, widest int) {
		for _, unit := range shown {
			g := c.table(unit, rows, labels)
			all, widest = append(all, g), max(widest, g.width())
		}
		return all, widest
	}
	all, widest := grids()
	if values, keys, ok := valuesAlone(labels); ok && widest > 80 {
		labels = values
		head = append(head, "rows: "+keys)
		all, _ = grids()
	}
	if _, err := fmt.Fprintln(w, strings.Join(head, "\n")); err != nil {
		return err
	}
	for _, g := range all {
		if err := g.write(w); err != nil {
			return err
		}
	}
	return nil
}

// valuesAlone takes the keys from labels of the form "k=v k=v", if all have the same.
func valuesAlone(labels []string) (values []string, keys string, ok bool) {
	for i, label := range labels {
		var k, v []string
		for part := range strings.FieldsSeq(label) {
			key, value, found := strings.Cut(part, "=")
			if !found {
				return nil, "", false
			}
			k, v = append(k, key), append(v, value)
		}
		if i == 0 {
			keys = strings.Join(k, ", ")
		}
		if len(k) == 0 || strings.Join(k, ", ") != keys {
			return nil, "", false
		}
		values = append(values, strings.Join(v, " "))
	}
	return values, keys, true
}

// units returns the units that have a table, samples/s first, and names the
// others: those whose medians are proportional to those of the first, or to their
// inverse, and the peak of memory where it is the process's and not a case's.
func (c *comparison) units() (shown []benchproc.Key, repeated []string) {
	all := c.keys(func(k cellKey) benchproc.Key { return k.unit })
	slices.SortStableFunc(all, func(a, b benchproc.Key) int {
		first := func(k benchproc.Key) int {
			if k.StringValues() == unitSamples {
				return 0
			}
			return 1
		}
		return first(a) - first(b)
	})
	for _, unit := range all {
		first := unit
		if len(shown) > 0 {
			first = shown[0]
		}
		var values, ratios, products []float64
		for k, cell := range c.cells {
			if k.unit != unit {
				continue
			}
			// A cell without the first unit gives NaN, which is like nothing.
			v, base := cell.summary.Center, math.NaN()
			if f := c.cells[cellKey{first, k.row, k.col}]; f != nil {
				base = f.summary.Center
			}
			values, ratios, products = append(values, v), append(ratios, v/base), append(products, v*base)
		}
		if len(shown) > 0 && (alike(ratios, 0.05) || alike(products, 0.05) || unit.StringValues() == unitRSS && alike(values, 0.1)) {
			repeated = append(repeated, unit.StringValues())
			continue
		}
		shown = append(shown, unit)
	}
	return shown, repeated
}

// alike reports whether positive values lie within a share of each other.
func alike(x []float64, share float64) bool {
	least, most := slices.Min(x), slices.Max(x)
	return least > 0 && most <= (1+share)*least
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

// change says how many times the base a cell is, and how sure it is that they
// differ.
func (c *comparison) change(from, to *cell, k cellKey) [2]string {
	test := benchmath.AssumeNothing.Compare(from.sample, to.sample)
	for _, warning := range test.Warnings {
		c.warn(warning.Error(), k.place(len(to.values)))
	}
	p := fmt.Sprintf("p=%.3f", test.P)
	if test.P < 0.001 {
		p = "p<0.001"
	}
	n := fmt.Sprintf("n=%d", test.N1)
	if test.N1 != test.N2 {
		n += fmt.Sprintf("+%d", test.N2)
	}
	factor := "~"
	if test.P <= test.Alpha {
		factor = times(to.summary.Center / from.summary.Center)
	}
	return [2]string{factor, "(" + p + " " + n + ")"}
}

// times formats a factor with three digits, as in "3.43 times".
func times(factor float64) string {
	if math.IsNaN(factor) || math.IsInf(factor, 0) {
		return "?"
	}
	return number(factor) + " times"
}

// number formats x with three digits, and thousands apart.
func number(x float64) string {
	switch a := math.Abs(x); {
	case a == 0:
		return "0"
	case a < 1e-4:
		return strconv.FormatFloat(x, 'g', 2, 64)
	case a < 9.995:
		return strconv.FormatFloat(x, 'f', max(2, 1-int(math.Floor(math.Log10(a)))), 64)
	case a < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
