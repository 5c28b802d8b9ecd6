package throughput

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// The files are made up: no GPU was measured for them.
// ownLine leaves a sentence in one line.
func ownLine(s string) string { return s + "\n" }

func TestAnswerGolden(t *testing.T) {
	for _, name := range []string{"two-devices", "one-device", "few-rounds"} {
		a, err := Read("testdata/" + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := a.Print(&out, 80, ownLine); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(line) - 1; n > 80 && strings.Contains(line, "  ") {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if out.String() != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, out.String(), want)
		}
	}
}

// A ratio is of one round: noise that hits all cases of a round alike is not in its
// interval.
func TestRatiosArePairedByRound(t *testing.T) {
	a, b := []float64{10, 20, 40, 10, 20, 40}, []float64{5, 10, 20, 5, 10, 20}
	if r := paired(a, b); r != (Estimate{2, 2, 2}) {
		t.Errorf("ratio %v, want 2 (2 to 2)", r)
	}
	if r := paired(a, b[:5]); r.Center != 1.5 && r.Center != 2 || !math.IsNaN(r.Lo) {
		t.Errorf("without pairs: %v, want no interval", r)
	}
	// The order of the values of a is kept.
	if a[2] != 40 || b[0] != 5 {
		t.Error("the values were changed")
	}
}

func TestBound(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct {
		device    string
		busy, gpu float64
		want      string
	}{
		{"cpu", 0.95, nan, BoundComputing},
		{"cpu", 0.5, nan, BoundFeeding},
		{"gpu", 0.95, 0.4, BoundFeeding}, // calls wait for copies
		{"gpu", 0.6, 0.9, BoundComputing},
		{"gpu", 0.9, nan, BoundComputing},
		{"cpu", 0.9, 0.1, BoundComputing}, // another process's GPU
		{"cpu", nan, nan, ""},
	} {
		if got := bound(tc.device, tc.busy, tc.gpu); got != tc.want {
			t.Errorf("%+v: bound by %q", tc, got)
		}
	}
}

// A GPU is ahead from the smallest batch of which all larger ones are ahead too, with
// their whole intervals.
func TestAheadFrom(t *testing.T) {
	row := func(engine, device, batch string, values ...string) string {
		var b strings.Builder
		for _, v := range values {
			b.WriteString("BenchmarkExtract/engine=" + engine + "/device=" + device + "/batch=" + batch + "/read=no/scenario=offline 1 " + v + " samples/s\n")
		}
		return b.String()
	}
	cpu := row("table", "cpu", "8", "100", "100", "100", "100", "100", "100")
	six := func(v string) []string { return []string{v, v, v, v, v, v} }
	for name, tc := range map[string]struct {
		gpu  string
		want int
	}{
		"from 4":   {row("tf", "gpu", "1", six("50")...) + row("tf", "gpu", "4", six("101")...) + row("tf", "gpu", "16", six("900")...), 4},
		"dip":      {row("tf", "gpu", "1", six("150")...) + row("tf", "gpu", "4", six("90")...) + row("tf", "gpu", "16", six("900")...), 16},
		"not sure": {row("tf", "gpu", "4", "99", "101", "101", "101", "101", "101") + row("tf", "gpu", "16", six("900")...), 16},
		"never":    {row("tf", "gpu", "4", six("99")...), 0},
	} {
		path := filepath.Join(t.TempDir(), "bench.txt")
		if err := os.WriteFile(path, []byte(cpu+tc.gpu), 0o644); err != nil {
			t.Fatal(err)
		}
		a, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range a.Speeds {
			if s.Device == "gpu" && s.AheadFrom != tc.want {
				t.Errorf("%s: ahead from %d, want %d", name, s.AheadFrom, tc.want)
			}
		}
	}
}

// Another program's benchmark file has no answer, and does no harm.
func TestAnswerOfOtherFiles(t *testing.T) {
	for _, text := range []string{"BenchmarkX 1 5 ns/op\n", "BenchmarkExtract/engine=a/device=tpu/batch=3 1 5 ns/op\n", "BenchmarkDifference/engine=a/device=cpu/of=x/from=y 1 NaN max-difference\n"} {
		path := filepath.Join(t.TempDir(), "bench.txt")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		a, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := a.Print(&out, 80, ownLine); err != nil || len(a.Tables()) > 0 || a.Base != nil {
			t.Errorf("%q: %+v, %v, printed %q", text, a, err, out.String())
		}
	}
}

// benchstat reads what is in the file beside the repetitions too.
func TestBenchstatReadsTwoDevices(t *testing.T) {
	b, err := exec.Command("go", "run", "golang.org/x/perf/cmd/benchstat", "-col", "/device", "testdata/two-devices.txt").CombinedOutput()
	if err != nil || !strings.Contains(string(b), "gpu-J/op") || !strings.Contains(string(b), "max-difference") {
		t.Errorf("%v\n%s", err, b)
	}
}
