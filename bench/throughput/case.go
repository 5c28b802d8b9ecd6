package throughput

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// KV is one key with its value, of a case's name or of the environment.
type KV struct{ Key, Value string }

// Volume counts the files and bytes of a pass.
type Volume struct {
	Files int
	Bytes int64 // file bytes, without padding
}

// Case is one setting to be timed; [Offline] and [SingleStream] make them.
type Case struct {
	name string
	// pass goes over the files once, and appends to latencies how long each
	// file took where the scenario is about that.
	pass func(ctx context.Context, latencies []time.Duration) (Volume, []time.Duration, error)
}

// Offline is a case that is timed by whole passes. pass processes every file
// once, in batches and with whatever overlap it likes, and returns how many.
//
// key names the case, such as engine, device, batch and read, in that order;
// the scenario is added. A key or value that is empty or holds a space or a
// slash panics, as it would break the format.
func Offline(key []KV, pass func(ctx context.Context) (Volume, error)) Case {
	return Case{caseName(key, "offline"), func(ctx context.Context, latencies []time.Duration) (Volume, []time.Duration, error) {
		v, err := pass(ctx)
		return v, latencies, err
	}}
}

// SingleStream is a case where the next file starts when the one before is
// done, each timed by itself. A repetition goes over the files at least once,
// so a percentile p is only resolved with 100/(100-p) files or more. key is as
// in [Offline]. Without files it panics.
func SingleStream(key []KV, files [][]byte, run func(ctx context.Context, file []byte) error) Case {
	if len(files) == 0 {
		panic("throughput: single-stream case without files")
	}
	return Case{caseName(key, "single-stream"), func(ctx context.Context, latencies []time.Duration) (v Volume, _ []time.Duration, _ error) {
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				return v, latencies, err
			}
			start := time.Now()
			if err := run(ctx, f); err != nil {
				return v, latencies, err
			}
			latencies = append(latencies, time.Since(start))
			v.Files++
			v.Bytes += int64(len(f))
		}
		return v, latencies, nil
	}}
}

// caseName returns Extract/key=value/…/scenario=s.
func caseName(key []KV, scenario string) string {
	var b strings.Builder
	b.WriteString("Extract")
	for _, kv := range append(slices.Clone(key), KV{"scenario", scenario}) {
		if kv.Key == "" || kv.Value == "" || strings.ContainsAny(kv.Key+kv.Value, "/ \t\n\r") || strings.Contains(kv.Key, "=") {
			panic(fmt.Sprintf("throughput: %q=%q cannot be part of a benchmark name", kv.Key, kv.Value))
		}
		fmt.Fprintf(&b, "/%s=%s", kv.Key, kv.Value)
	}
	return b.String()
}
