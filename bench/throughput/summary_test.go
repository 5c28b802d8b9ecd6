package throughput

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// numbered returns a file whose repetitions are 1, 2, …, n samples/s.
func numbered(t *testing.T, n int, rest string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "BenchmarkExtract/engine=a/device=cpu/batch=8/read=yes/scenario=offline 1 %d samples/s\n", (i*7)%n+1)
	}
	path := filepath.Join(t.TempDir(), "bench.txt")
	if err := os.WriteFile(path, []byte(b.String()+rest), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The interval of a median lies between order statistics: with n values the
// pair (k, n+1-k) covers with probability 1 - 2·P(Binomial(n, ½) < k).
func TestSummariesAreOrderStatistics(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		n              int
		center, lo, hi float64
	}{
		{1, 1, nan, nan},
		{5, 3, nan, nan},  // even (1, 5) covers only 93.75%
		{6, 3.5, 1, 6},    // 96.9%
		{10, 5.5, 2, 9},   // 97.9%
		{20, 10.5, 6, 15}, // 95.9%
	} {
		rows, err := Summaries(numbered(t, tt.n, ""))
		if err != nil || len(rows) != 1 {
			t.Fatalf("n=%d: %v, %v", tt.n, rows, err)
		}
		got := rows[0]
		if got.Engine != "a" || got.Device != "cpu" || got.Scenario != "offline" || got.Batch != 8 || !got.Read || got.Unit != "samples/s" || got.N != tt.n {
			t.Errorf("n=%d: row is %+v", tt.n, got)
		}
		same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
		if got.Center != tt.center || !same(got.Lo, tt.lo) || !same(got.Hi, tt.hi) {
			t.Errorf("n=%d: %v in [%v, %v], want %v in [%v, %v]", tt.n, got.Center, got.Lo, got.Hi, tt.center, tt.lo, tt.hi)
		}
	}
}

func TestSummariesKeepMachinesApart(t *testing.T) {
	other := "cpu: Another\nBenchmarkExtract/engine=a/device=cpu/batch=8/read=yes/scenario=offline 1 99 samples/s\n"
	rows, err := Summaries(numbered(t, 7, other))
	if err != nil || len(rows) != 2 || rows[0].N != 7 || rows[1].N != 1 || rows[1].Center != 99 {
		t.Errorf("got %+v, %v; want two rows of 7 and 1 repetitions", rows, err)
	}
}

// benchstat itself reads the same medians from the same file.
func TestBenchstatAgrees(t *testing.T) {
	const path = "testdata/old.txt"
	stdout, err := exec.Command("go", "run", "golang.org/x/perf/cmd/benchstat", "-format", "csv", path).Output()
	if err != nil {
		t.Fatalf("benchstat: %v", err)
	}
	rows, err := Summaries(path)
	if err != nil {
		t.Fatal(err)
	}
	median := map[string]float64{}
	for _, r := range rows {
		median[fmt.Sprintf("%s Extract/engine=%s/device=%s/batch=%d/read=no/scenario=%s", r.Unit, r.Engine, r.Device, r.Batch, r.Scenario)] = r.Center
	}
	in := csv.NewReader(strings.NewReader(string(stdout)))
	in.FieldsPerRecord = -1
	records, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	unit, compared := "", 0
	for _, r := range records {
		switch {
		case len(r) > 1 && r[0] == "" && strings.Contains(r[1], "/") && !strings.HasSuffix(r[1], ".txt"):
			unit = r[1]
		case strings.HasPrefix(r[0], "Extract/"):
			want, err := strconv.ParseFloat(r[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			if got := median[unit+" "+r[0]]; got != want {
				t.Errorf("%s of %s: %v, benchstat says %v", unit, r[0], got, want)
			}
			compared++
		}
	}
	if compared != len(rows) || compared != 15 {
		t.Errorf("compared %d medians of %d, want 15", compared, len(rows))
	}
}
