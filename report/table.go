package report

import (
	"bytes"
	"encoding/csv"
	"strconv"

	"driftbench/internal/text"
)

// table is one table of the page and one CSV file.
type table struct {
	name    string // of its CSV file, without extension
	caption string
	gap     string // why there is no table
	columns []column
	rows    [][]cell // one cell per column
}

// column heads one column of the page, and one or more of the CSV file: a
// value with its interval is one cell to read and three to compute with.
type column struct {
	title   string
	csv     []string
	numeric bool
}

// cell is what one cell shows, what it holds in the CSV file, and for numeric
// columns the number it sorts by.
type cell struct {
	text string
	csv  []string
	sort Num
}

func textColumn(title, csv string) column { return column{title: title, csv: []string{csv}} }

func numColumn(title, csv string) column {
	return column{title: title, csv: []string{csv}, numeric: true}
}

// intervalColumn heads a value with its 95% interval.
func intervalColumn(title, csv string) column {
	return column{title: title, csv: []string{csv, csv + "_lo", csv + "_hi"}, numeric: true}
}

func textCell(s string) cell {
	s = clean(s)
	return cell{text: s, csv: []string{text.SpreadsheetSafe(s)}}
}

func countCell(n int) cell {
	s := strconv.Itoa(n)
	return cell{text: s, csv: []string{s}, sort: Num(n)}
}

func numCell(x Num, f func(Num) string) cell {
	return cell{text: f(x), csv: []string{plain(x)}, sort: x}
}

func intervalCell(x, lo, hi Num, f func(Num) string) cell {
	return cell{text: interval(x, lo, hi, f), csv: []string{plain(x), plain(lo), plain(hi)}, sort: x}
}

// plain is x for a machine: all digits, empty when it could not be computed.
func plain(x Num) string {
	if !x.OK() {
		return ""
	}
	return strconv.FormatFloat(float64(x), 'g', -1, 64)
}

// encode writes the table as CSV.
func (t table) encode() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	var record []string
	for _, c := range t.columns {
		for _, name := range c.csv {
			record = append(record, text.SpreadsheetSafe(name))
		}
	}
	w.Write(record)
	for _, row := range t.rows {
		record = record[:0]
		for _, c := range row {
			record = append(record, c.csv...)
		}
		w.Write(record)
	}
	w.Flush() // to memory, which never fails
	return b.Bytes()
}
