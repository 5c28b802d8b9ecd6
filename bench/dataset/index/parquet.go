package index

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"driftbench/internal/text"
)

// columnar reads the top-level columns of an Apache Parquet file, a page of each at
// a time.
type columnar struct {
	file   *parquet.File
	path   string
	names  []string
	leaves []parquet.LeafColumn // of names
	take   []chunkReader
	group  int // row groups begun
	left   int64
	row    int
	fields [][]byte
}

// chunkReader reads a column of a row group.
type chunkReader struct {
	leaf   parquet.LeafColumn
	text   func(b []byte, v parquet.Value) []byte
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buffer [256]parquet.Value
	ready  []parquet.Value // of buffer
}

func openColumnar(r io.ReaderAt, size int64, path string) (c *columnar, err error) {
	defer refuseParquet(path, &err)
	c = &columnar{path: path}
	if c.file, err = parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true)); err != nil {
		return nil, err
	}
	if most := 64 * size; c.file.NumRows() > most { // names take more
		return nil, fmt.Errorf("%d rows are said to be in %d bytes", c.file.NumRows(), size)
	}
	// The decoder of LZ4 returns no values of pages that pack well, and takes memory
	// without bounds for damaged ones.
	for _, g := range c.file.Metadata().RowGroups {
		for _, column := range g.Columns {
			if codec := column.MetaData.Codec; codec == format.Lz4Raw || codec == format.Lz4 {
				return nil, errors.New("it is packed by LZ4, which is not read: write it with another compression, such as zstd")
			}
		}
	}
	for _, column := range c.file.Root().Columns() {
		if !column.Leaf() || column.Repeated() {
			continue
		}
		leaf, ok := c.file.Schema().Lookup(column.Name())
		if ok {
			c.names, c.leaves = append(c.names, column.Name()), append(c.leaves, leaf)
		}
	}
	return c, nil
}

// refuseParquet brings an error or a panic of the Parquet package about a damaged
// file into one line.
func refuseParquet(path string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%v", p)
	}
	if *err != nil && *err != io.EOF {
		*err = fmt.Errorf("%s: Parquet: %s", path, text.Line((*err).Error(), ' '))
	}
}

func (c *columnar) columns() []string { return c.names }
func (c *columnar) place() int        { return c.row }

func (c *columnar) choose(columns []int) {
	for _, column := range columns {
		leaf := c.leaves[column]
		c.take = append(c.take, chunkReader{leaf: leaf, text: textOf(leaf.Node.Type())})
	}
	c.fields = make([][]byte, len(columns))
}

func (c *columnar) next() (_ [][]byte, err error) {
	c.row++
	defer refuseParquet(c.path, &err)
	for c.left == 0 {
		groups := c.file.RowGroups()
		if c.group == len(groups) {
			return nil, io.EOF
		}
		g := groups[c.group]
		c.group++
		if c.left = g.NumRows(); c.left < 0 {
			return nil, fmt.Errorf("a row group is said to have %d rows", c.left)
		}
		for i := range c.take {
			r := &c.take[i]
			if err := c.bounded(c.group-1, r.leaf.ColumnIndex); err != nil {
				return nil, err
			}
			r.close()
			r.pages = g.ColumnChunks()[r.leaf.ColumnIndex].Pages()
		}
	}
	c.left--
	for i := range c.take {
		v, err := c.take[i].next()
		if err == io.EOF {
			err = fmt.Errorf("row %d: the column %s ends before the others", c.row, text.Quote(c.take[i].leaf.Path[0]))
		}
		if err != nil {
			return nil, err
		}
		c.fields[i] = c.fields[i][:0]
		if !v.IsNull() {
			c.fields[i] = c.take[i].text(c.fields[i], v)
		}
	}
	return c.fields, nil
}

// bounded refuses a column whose pages unpack to far more than the file holds.
func (c *columnar) bounded(group, column int) error {
	m := c.file.Metadata().RowGroups[group].Columns[column].MetaData
	if most := bound(c.file.Size()); m.TotalUncompressedSize > most {
		return fmt.Errorf("a column unpacks to %d bytes, at most %d are read", m.TotalUncompressedSize, most)
	}
	return nil
}

// next returns the next value, which is valid until the next call.
func (r *chunkReader) next() (parquet.Value, error) {
	for len(r.ready) == 0 {
		if r.values == nil {
			page, err := r.pages.ReadPage()
			if err != nil {
				return parquet.Value{}, err
			}
			r.page, r.values = page, page.Values()
		}
		n, err := r.values.ReadValues(r.buffer[:])
		r.ready = r.buffer[:n]
		if n > 0 {
			break
		}
		if err != nil && err != io.EOF {
			return parquet.Value{}, err
		}
		parquet.Release(r.page)
		r.page, r.values = nil, nil
	}
	v := r.ready[0]
	r.ready = r.ready[1:]
	return v, nil
}

func (r *chunkReader) close() {
	if r.page != nil {
		parquet.Release(r.page)
	}
	if r.pages != nil {
		r.pages.Close()
	}
	r.pages, r.page, r.values, r.ready = nil, nil, nil, nil
}

func (c *columnar) close() {
	for i := range c.take {
		c.take[i].close()
	}
}

// textOf returns what writes the values of a column as text: points in time as in
// RFC 3339, all else as it is.
func textOf(t parquet.Type) func(b []byte, v parquet.Value) []byte {
	at := func(b []byte, t time.Time) []byte { return t.UTC().AppendFormat(b, time.RFC3339Nano) }
	if l := t.LogicalType(); l != nil {
		switch l := l.Value.(type) {
		case *format.TimestampType:
			switch l.Unit.Value.(type) {
			case *format.MilliSeconds:
				return func(b []byte, v parquet.Value) []byte { return at(b, time.UnixMilli(v.Int64())) }
			case *format.MicroSeconds:
				return func(b []byte, v parquet.Value) []byte { return at(b, time.UnixMicro(v.Int64())) }
			}
			return func(b []byte, v parquet.Value) []byte { return at(b, time.Unix(0, v.Int64())) }
		case *format.DateType:
			return func(b []byte, v parquet.Value) []byte {
				return time.Unix(int64(v.Int32())*86400, 0).UTC().AppendFormat(b, time.DateOnly)
			}
		}
	}
	switch t.Kind() {
	case parquet.Boolean:
		return func(b []byte, v parquet.Value) []byte { return strconv.AppendBool(b, v.Boolean()) }
	case parquet.Int32:
		return func(b []byte, v parquet.Value) []byte { return strconv.AppendInt(b, int64(v.Int32()), 10) }
	case parquet.Int64:
		return func(b []byte, v parquet.Value) []byte { return strconv.AppendInt(b, v.Int64(), 10) }
	case parquet.Float:
		return func(b []byte, v parquet.Value) []byte {
			return strconv.AppendFloat(b, float64(v.Float()), 'g', -1, 32)
		}
	case parquet.Double:
		return func(b []byte, v parquet.Value) []byte { return strconv.AppendFloat(b, v.Double(), 'g', -1, 64) }
	case parquet.Int96: // nanoseconds of a Julian day, as Spark and Impala wrote timestamps
		return func(b []byte, v parquet.Value) []byte {
			const epoch = 2440588 // the Julian day of 1970-01-01
			raw := v.Int96()
			nanoseconds := int64(uint64(raw[1])<<32 | uint64(raw[0]))
			return at(b, time.Unix((int64(raw[2])-epoch)*86400, nanoseconds))
		}
	}
	return func(b []byte, v parquet.Value) []byte { return append(b, v.ByteArray()...) }
}
