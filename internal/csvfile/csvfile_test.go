package csvfile

import (
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"driftbench/internal/fuzzing"
)

// readAll reads a table to its end or first error.
func readAll(r io.Reader) (records [][]string, lines []int, err error) {
	t := NewReader(r, "t.csv")
	for {
		record, err := t.Read()
		if err == io.EOF {
			return records, lines, nil
		}
		if err != nil {
			return records, lines, err
		}
		records, lines = append(records, slices.Clone(record)), append(lines, t.Line())
	}
}

func TestReadsLikeCSV(t *testing.T) {
	wide := strings.Repeat("x", MaxRecord/4) // of many buffers
	for name, tc := range map[string]struct {
		in    string
		lines []int // of the records
	}{
		"empty":            {"", nil},
		"rows":             {"a,b\nc,d\n", []int{1, 2}},
		"no line end":      {"a,b\nc,d", []int{1, 2}},
		"CRLF":             {"a,b\r\nc,d\r\n", []int{1, 2}},
		"blank lines":      {"\n\na,b\n\n\nc,d\n\n", []int{3, 6}},
		"quoted line ends": {"a,\"b\n\nb\"\n\"c\n\",d\ne,f\n", []int{1, 4, 6}},
		"wide":             {wide + ",b\nc," + wide + "\n" + wide + "," + wide + "\n", []int{1, 2, 3}},
		"as long as can be": {strings.Repeat("y", MaxRecord-1) + "\n" + strings.Repeat("z", MaxRecord-1) + "\n" +
			strings.Repeat("z", MaxRecord), []int{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := csv.NewReader(strings.NewReader(tc.in)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, in := range []string{tc.in, "\xef\xbb\xbf" + tc.in} {
				for _, r := range []io.Reader{strings.NewReader(in), iotest.HalfReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
					got, lines, err := readAll(r)
					if err != nil || !slices.EqualFunc(got, want, slices.Equal) || !slices.Equal(lines, tc.lines) {
						t.Errorf("%d records on lines %v, %v; want %d on %v", len(got), lines, err, len(want), tc.lines)
					}
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for in, want := range map[string]struct {
		line    int
		message string
		is      error
	}{
		"a,b\n\nc\n":         {3, "t.csv:3: another number of fields than the header: quote names that hold a comma", nil},
		"a,b\n\"c\n\n":       {2, `t.csv:2: extraneous or missing " in quoted-field`, csv.ErrQuote},
		"a,b\n\"c\nd\",e\"f": {2, `t.csv:2: bare " in non-quoted-field`, csv.ErrBareQuote},
	} {
		_, _, err := readAll(strings.NewReader(in))
		bad, ok := errors.AsType[*SyntaxError](err)
		if !ok || bad.File != "t.csv" || bad.Line != want.line || err.Error() != want.message || want.is != nil && !errors.Is(err, want.is) {
			t.Errorf("%q: error %#v, want %+v", in, err, want)
		}
	}
	broken := &fs.PathError{Op: "read", Path: "t.csv", Err: errors.New("broken")}
	_, _, err := readAll(io.MultiReader(strings.NewReader("a,b\nc"), iotest.ErrReader(broken)))
	if want := "reading t.csv: broken"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// again is a text that never ends.
type again string

func (a again) Read(p []byte) (n int, err error) {
	for n+len(a) <= len(p) {
		n += copy(p[n:], a)
	}
	return n, nil
}

// counting counts what is read.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// A record without an end is refused, where it begins and before it has taken
// much memory or time.
func TestEndless(t *testing.T) {
	sparse, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer sparse.Close()
	if err := sparse.Truncate(40 << 30); err != nil {
		t.Skip(err)
	}
	const want = "t.csv:3: more than 1048576 bytes"
	for name, tc := range map[string]struct {
		rest io.Reader
		most uint64 // bytes allocated in all
	}{
		"sparse file": {sparse, 16 << 20},
		"line":        {again("x"), 16 << 20},
		"fields":      {again(","), 256 << 20}, // a million
		"quote":       {io.MultiReader(strings.NewReader("\""), again("x\n")), 16 << 20},
		"blank lines": {again("\n"), 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			c := &counting{Reader: io.MultiReader(strings.NewReader("a,b\nc,d\n"), tc.rest)}
			var records [][]string
			var err error
			took := fuzzing.Allocated(func() { records, _, err = readAll(c) })
			if len(records) != 2 || err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%d records, error %v, want 2 and %s", len(records), err, want)
			}
			if c.n > MaxRecord+1<<16 {
				t.Errorf("%d bytes were read", c.n)
			}
			if took > tc.most {
				t.Errorf("%d bytes were allocated, at most %d are wanted", took, tc.most)
			}
		})
	}
}
