package throughput

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"driftbench/internal/fuzzing"
)

// Whatever a benchmark file holds, it is summarised and compared, or refused,
// without a panic; and what one of the two reads, the other reads.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"testdata/old.txt", "testdata/few.txt"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "/device")
	}
	f.Add([]byte("BenchmarkX/batch=x 1 NaN a/s\nBenchmarkX 1 Inf a/s -0 b\nUnit a/s assume=exact\n"), ".file")
	f.Fuzz(func(t *testing.T, b []byte, col string) {
		var rows []Row
		var err error
		c := newComparison()
		var compared error
		took := fuzzing.Allocated(func() {
			var f *file
			if f, err = read(benchfmt.NewReader(bytes.NewReader(b), "fuzz")); err == nil {
				rows = f.rows
			}
			compared = c.read(col, func(result func(*benchfmt.Result), malformed func(*benchfmt.SyntaxError)) error {
				return each(benchfmt.NewReader(bytes.NewReader(b), "fuzz"), result, malformed)
			})
		})
		// A value of 4 bytes is a unit of its own with a row, a key and a cell.
		if took > 2<<20+1024*uint64(len(b)+len(col)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		for _, err := range []error{err, compared} {
			if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error %q is not one line", err)
			}
		}
		if err == nil && len(rows) == 0 {
			t.Error("neither rows nor an error")
		}
		for _, r := range rows {
			if r.N < 1 || r.Lo > r.Center || r.Hi < r.Center {
				t.Errorf("row %+v", r)
			}
		}
		if compared == nil {
			if err := errors.Join(c.print(io.Discard), c.warnings.write(io.Discard)); err != nil {
				t.Error(err)
			}
		}
	})
}
