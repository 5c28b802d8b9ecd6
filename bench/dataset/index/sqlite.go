package index

import (
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"driftbench/internal/text"
)

// database reads the rows of a table of an SQLite database, or those of a query.
type database struct {
	db     *sql.DB
	rows   *sql.Rows
	path   string
	from   string // the table, quoted, or the query in parentheses
	names  []string
	values []any
	fields [][]byte
	row    int
}

// openDatabase opens a database to read it alone: no journal is made beside it, and
// it is taken as unchanging. It reads query, or else the one table that want accepts
// by its columns.
func openDatabase(path, query string, want func(columns []string) bool) (_ *database, err error) {
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + suffix); err == nil && info.Size() > 0 {
			return nil, fmt.Errorf("%s: %s holds changes that are not in it yet: close the program that writes it, or copy it with the command .backup of sqlite3", path, filepath.Base(path)+suffix)
		}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	d := &database{path: path}
	dsn := url.URL{Scheme: "file", Path: absolute, RawQuery: "mode=ro&immutable=1&_pragma=query_only(1)&_pragma=trusted_schema(0)"}
	if d.db, err = sql.Open("sqlite", dsn.String()); err != nil {
		return nil, d.error(err)
	}
	d.db.SetMaxOpenConns(1)
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if query != "" {
		query = strings.TrimRight(strings.TrimSpace(query), ";")
		if word := strings.ToUpper(query); !strings.HasPrefix(word, "SELECT") && !strings.HasPrefix(word, "WITH") {
			return nil, fmt.Errorf("%s: query %s: want a SELECT", path, text.Quote(query))
		}
		d.from = "(" + query + "\n)" // the query can end in a comment
		d.names, err = d.columnsOf(d.from)
		return d, err
	}
	tables, err := d.strings("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name")
	if err != nil {
		return nil, err
	}
	var said, fitting []string
	for _, table := range tables {
		quoted := `"` + strings.ReplaceAll(table, `"`, `""`) + `"`
		columns, err := d.columnsOf(quoted)
		if err != nil {
			return nil, err
		}
		said = append(said, text.Quote(table+"("+strings.Join(columns, ",")+")"))
		if want(columns) {
			fitting = append(fitting, text.Quote(table))
			d.from, d.names = quoted, columns
		}
	}
	switch {
	case len(fitting) == 1:
		return d, nil
	case len(fitting) > 1:
		return nil, fmt.Errorf("%s: the tables %s have the columns: say which with query: SELECT …", path, strings.Join(fitting, ", "))
	case len(tables) == 1: // the error about its columns says more
		return d, nil
	}
	return nil, fmt.Errorf("%s: no table has the columns; there are %s: set columns in corpus.yaml, or query: SELECT …", path, strings.Join(firstFew(said), ", "))
}

// columnsOf returns the names of the columns of what stands behind FROM.
func (d *database) columnsOf(from string) ([]string, error) {
	rows, err := d.db.Query("SELECT * FROM " + from + " LIMIT 0")
	if err != nil {
		return nil, d.error(err)
	}
	defer rows.Close()
	return rows.Columns()
}

// strings returns the first column of a query.
func (d *database) strings(query string) (all []string, err error) {
	rows, err := d.db.Query(query)
	if err != nil {
		return nil, d.error(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, d.error(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, d.error(err)
	}
	return all, nil
}

func (d *database) columns() []string { return d.names }
func (d *database) place() int        { return d.row }

func (d *database) choose(columns []int) {
	var quoted []string
	for _, c := range columns {
		quoted = append(quoted, `"`+strings.ReplaceAll(d.names[c], `"`, `""`)+`"`)
	}
	d.names = quoted
	d.values, d.fields = make([]any, len(columns)), make([][]byte, len(columns))
}

func (d *database) next() ([][]byte, error) {
	var err error
	if d.rows == nil {
		if d.rows, err = d.db.Query("SELECT " + strings.Join(d.names, ", ") + " FROM " + d.from); err != nil {
			return nil, d.error(err)
		}
	}
	d.row++
	if !d.rows.Next() {
		if err := d.rows.Err(); err != nil {
			return nil, d.error(err)
		}
		return nil, io.EOF
	}
	pointers := make([]any, len(d.values))
	for i := range d.values {
		pointers[i] = &d.values[i]
	}
	if err := d.rows.Scan(pointers...); err != nil {
		return nil, d.error(err)
	}
	for i, v := range d.values {
		d.fields[i] = appendValue(d.fields[i][:0], v)
	}
	return d.fields, nil
}

// appendValue writes a value of a database as text.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case string:
		return append(b, v...)
	case []byte:
		return append(b, v...)
	case bool:
		return strconv.AppendBool(b, v)
	case time.Time:
		return v.AppendFormat(b, time.RFC3339)
	}
	return b // NULL
}

func (d *database) close() {
	if d.rows != nil {
		d.rows.Close()
	}
	d.db.Close()
}

func (d *database) error(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: SQLite: %s", d.path, text.Line(strings.TrimPrefix(err.Error(), "SQL logic error: "), '?'))
}

func firstFew(all []string) []string {
	const most = 20
	if len(all) <= most {
		return all
	}
	return append(slices.Clone(all[:most]), fmt.Sprintf("and %d more", len(all)-most))
}
