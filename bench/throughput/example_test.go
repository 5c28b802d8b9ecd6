package throughput_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"driftbench/bench/throughput"
)

// Two ways to add up bytes, timed side by side.
func Example() {
	files := make([][]byte, 64)
	for i := range files {
		files[i] = make([]byte, 10_000)
	}
	sum := func(file []byte) (n int) {
		for _, b := range file {
			n += int(b)
		}
		return n
	}
	cases := []throughput.Case{
		throughput.Offline([]throughput.KV{{Key: "engine", Value: "loop"}, {Key: "batch", Value: "8"}},
			func(context.Context) (v throughput.Volume, err error) {
				for batch := range slices.Chunk(files, 8) {
					for _, f := range batch {
						sum(f)
						v.Files++
						v.Bytes += int64(len(f))
					}
				}
				return v, nil
			}),
		throughput.SingleStream([]throughput.KV{{Key: "engine", Value: "loop"}}, files,
			func(_ context.Context, file []byte) error { sum(file); return nil }),
	}
	ms, err := throughput.Measure(context.Background(), cases, throughput.Options{Rounds: 10, Least: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "bench.txt")
	if err := throughput.WriteFile(path, throughput.Host(), ms); err != nil {
		fmt.Println(err)
		return
	}
	rows, err := throughput.Summaries(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range rows {
		if r.Unit == "samples/s" {
			fmt.Println(r.Engine, r.Scenario, r.N, r.Lo <= r.Center && r.Center <= r.Hi)
		}
	}
	// Output:
	// loop offline 10 true
	// loop single-stream 10 true
}

func ExampleCompare() {
	if err := throughput.Compare(os.Stdout, os.Stderr, []string{"testdata/old.txt"}, "/engine"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// cpu: First CPU
	// goarch: amd64
	// goos: linux
	// tensorflow: 2.21.0
	// benchmarks: Extract read=no scenario=offline
	// not shown (they repeat samples/s or never differ): sec/op, B/s
	//
	// samples/s            tensorflow       table          vs base
	// device=cpu batch=1        59.62 ± 4%
	// device=cpu batch=32       212.0 ± 4%  444.0 ± 3%  2.09 times (p<0.001 n=10)
	// device=gpu batch=1        304.8 ± 4%
	// device=gpu batch=32      5.946k ± 4%
}
