package features

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"driftbench/internal/fuzzing"
)

// Whatever the bytes, a matrix takes memory in proportion to them, holds what
// its header says, and is written again as itself.
func FuzzReadNPY(f *testing.F) {
	var b bytes.Buffer
	b.Write(npyHead(2, 2))
	writeValues(&b, []float32{1, 2, 3, float32(math.NaN())})
	f.Add(b.Bytes())
	f.Add([]byte(npyMagic + "\x00\x00"))
	f.Add([]byte(npyMagic + "\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 4), }\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rows, width int
		var data []float32
		var err error
		took := fuzzing.Allocated(func() {
			r := bytes.NewReader(b)
			if rows, width, _, err = readHeader(r, int64(len(b))); err == nil {
				data = make([]float32, rows*width)
				err = readValues(data, r)
			}
		})
		if took > 1<<20+64*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q is not one line", err)
			}
			return
		}
		if len(data) != rows*width || 4*len(data) > len(b) {
			t.Fatalf("%d×%d with %d values from %d bytes", rows, width, len(data), len(b))
		}
		var again bytes.Buffer
		if err := writeValues(&again, data); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), b[len(b)-4*len(data):]) {
			t.Error("written again, the values are others")
		}
	})
}

// Whatever a split's table holds, it is refused in one line that names it, or
// written again as itself.
func FuzzReadRows(f *testing.F) {
	const head = "name,label,first_seen,sha256,size\n"
	for _, body := range []string{
		"", "a,worm,2017-01,00,1\n", "\"a\nb\",worm,2017-01-02,,0\r\n", "\xff\xfe,\"=1+1\",\"\",\x1b[2J,9223372036854775807\n",
		"a,worm,2017-01,00,-1\n", "a,worm,2017-01,00,1e3\n", "a,b\n", "\"a", "a\"b,c,d,e,1\n", "a,\"b\nc,d,e,1\n",
		"\"a\r\r\nb\",worm,2017-01,00,1\n",
	} {
		f.Add([]byte(head + body))
	}
	f.Add([]byte("name,label,first_seen\n"))
	f.Add([]byte(nil))
	if _, err := os.Stat("/dev/shm"); err == nil {
		f.Setenv("TMPDIR", "/dev/shm") // what is written is synced, and there are many
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		var rows []Row
		var err error
		took := fuzzing.Allocated(func() { rows, err = readRows(bytes.NewReader(b), "s.csv") })
		if took > 1<<20+64*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "s.csv") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		if slices.ContainsFunc(rows, func(r Row) bool { return r.Size < 0 }) {
			t.Errorf("a file of fewer than no bytes: %+v", rows)
		}
		if err := Write(dir, Split{Name: "again", Rows: rows}); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(filepath.Join(dir, "again.csv"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		again, err := readRows(file, "again.csv")
		if d := cmp.Diff(rows, again); err != nil || d != "" {
			t.Errorf("written and read again: %v\n%s", err, d)
		}
	})
}
