package throughput

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/perf/benchfmt"
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
		rows, err := summaries(benchfmt.NewReader(bytes.NewReader(b), "fuzz"))
		if err == nil && len(rows) == 0 {
			t.Error("neither rows nor an error")
		}
		for _, r := range rows {
			if r.N < 1 || r.Lo > r.Center || r.Hi < r.Center {
				t.Errorf("row %+v", r)
			}
		}
		c := newComparison()
		if c.read(benchfmt.NewReader(bytes.NewReader(b), "fuzz"), col) == nil {
			if err := errors.Join(c.print(io.Discard), c.warnings.write(io.Discard)); err != nil {
				t.Error(err)
			}
		}
	})
}
