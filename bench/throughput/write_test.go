package throughput

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"

	"driftbench/internal/meter"
)

var twoMeasurements = []Measurement{
	{Name: "Extract/engine=a/scenario=offline", Volume: Volume{Files: 64, Bytes: 6_400_000}, Elapsed: 500 * time.Millisecond},
	{Name: "Extract/engine=a/scenario=single-stream", Volume: Volume{Files: 4, Bytes: 400_000}, Elapsed: 80 * time.Millisecond,
		P50: 19 * time.Millisecond, P90: 25 * time.Millisecond, P99: 26 * time.Millisecond, PeakRSS: 1 << 30},
}

func TestFileFormat(t *testing.T) {
	// Of a GPU nothing was read.
	spent := Measurement{Name: "Extract/engine=b/scenario=offline", Volume: Volume{Files: 10}, Elapsed: time.Second, Busy: 0.75, Feed: 400,
		Spent: meter.Reading{CPUJoules: 5, CPUUse: 0.9, GPUJoules: math.NaN(), GPUUse: math.NaN(), GPUMemory: math.NaN()}}
	const want = `Unit samples/s better=higher
Unit MB/s better=higher
Unit ns/op better=lower
Unit p50-latency-ns better=lower
Unit p90-latency-ns better=lower
Unit p99-latency-ns better=lower
Unit peak-RSS-bytes better=lower
Unit cpu-J/op better=lower
Unit gpu-J/op better=lower
Unit first-result-ns better=lower
Unit max-difference better=lower
goos: plan9
gpu: A Big Card

BenchmarkExtract/engine=a/scenario=offline 64 7.8125e+06 ns/op 128 samples/s 12.8 MB/s
BenchmarkExtract/engine=a/scenario=single-stream 4 2e+07 ns/op 50 samples/s 5 MB/s 1.9e+07 p50-latency-ns 2.5e+07 p90-latency-ns 2.6e+07 p99-latency-ns 1.073741824e+09 peak-RSS-bytes
BenchmarkExtract/engine=b/scenario=offline 10 1e+08 ns/op 10 samples/s 0 MB/s 0.75 busy 400 feed-samples/s 0.9 cpu-use 0.5 cpu-J/op
BenchmarkStart/engine=a 1 2e+09 first-result-ns
BenchmarkDifference/engine=a/of=layer7/from=b 64 1.5e-06 max-difference
`
	path := filepath.Join(t.TempDir(), "bench.txt")
	if err := WriteFile(path, []KV{{"goos", "plan9"}, {"gpu", " A Big\nCard "}, {"blas", ""}}, append(twoMeasurements[:2:2], spent),
		First([]KV{{"engine", "a"}}, 2*time.Second), Difference([]KV{{"engine", "a"}}, "layer7", "b", 64, 1.5e-6)); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// The format's own reader finds the environment and which way is better.
	in := benchfmt.NewReader(bytes.NewReader(got), path)
	n := 0
	err = each(in, func(r *benchfmt.Result) {
		n++
		if r.GetConfig("gpu") != "A Big Card" || r.GetConfig("goos") != "plan9" {
			t.Errorf("environment is %v", r.Config)
		}
	}, func(e *benchfmt.SyntaxError) { t.Error(e) })
	if err != nil || n != 5 {
		t.Errorf("%d results, %v", n, err)
	}
	if u := in.Units(); u.GetBetter("samples/s") != 1 || u.GetBetter("sec/op") != -1 || u.GetBetter("peak-RSS-bytes") != -1 {
		t.Error("units do not say which way is better")
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bench.txt")
	if err := os.Mkdir(path, 0o755); err != nil { // a folder cannot be replaced by a file
		t.Fatal(err)
	}
	if err := WriteFile(path, nil, twoMeasurements); err == nil {
		t.Error("wrote over a folder")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
