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

// Case is one setting to be timed; [Offline], [SingleStream] and [Target.Case]
// make them.
type Case struct {
	name string
	// run goes over the files, and over them again as long as more, which is told
	// what has been done, says so. It appends to latencies how long each file took
	// where the scenario is about that.
	run func(ctx context.Context, more func(Volume) bool, latencies []time.Duration) (Volume, []time.Duration, error)

	least  time.Duration // of a repetition, in place of Options.Least; 0 is that
	files  int           // least number of files of a repetition
	target *Target       // nil where it is not known what computes
}

// Offline is a case that is timed by whole passes. pass processes every file
// once, in batches and with whatever overlap it likes, and returns how many.
//
// key names the case, such as engine, device, batch and read, in that order;
// the scenario is added. A key or value that is empty or holds a space or a
// slash panics, as it would break the format.
func Offline(key []KV, pass func(ctx context.Context) (Volume, error)) Case {
	return passes(caseName(key, "offline"), func(ctx context.Context, latencies []time.Duration) (Volume, []time.Duration, error) {
		v, err := pass(ctx)
		return v, latencies, err
	})
}

// passes is a case of passes that wait for each other.
func passes(name string, pass func(ctx context.Context, latencies []time.Duration) (Volume, []time.Duration, error)) Case {
	return Case{name: name, run: func(ctx context.Context, more func(Volume) bool, latencies []time.Duration) (done Volume, _ []time.Duration, err error) {
		for {
			if err := ctx.Err(); err != nil {
				return done, latencies, err
			}
			var v Volume
			if v, latencies, err = pass(ctx, latencies); err != nil {
				return done, latencies, err
			}
			done.Files += v.Files
			done.Bytes += v.Bytes
			if v.Files == 0 || !more(done) {
				return done, latencies, nil
			}
		}
	}}
}

// Of says that target computes in a case.
func (c Case) Of(target *Target) Case {
	c.target = target
	return c
}

// AtLeast sets the least time and the least number of files of a repetition.
func (c Case) AtLeast(d time.Duration, files int) Case {
	c.least, c.files = d, files
	return c
}

// SingleStream is a case where the next file starts when the one before is
// done, each timed by itself. A repetition goes over the files at least once,
// so a percentile p is only resolved with 100/(100-p) files or more. key is as
// in [Offline]. Without files it panics.
func SingleStream(key []KV, files [][]byte, run func(ctx context.Context, file []byte) error) Case {
	if len(files) == 0 {
		panic("throughput: single-stream case without files")
	}
	return passes(caseName(key, "single-stream"), func(ctx context.Context, latencies []time.Duration) (v Volume, _ []time.Duration, _ error) {
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
	})
}

// caseName returns Extract/key=value/…/scenario=s.
func caseName(key []KV, scenario string) string {
	return benchName("Extract", append(slices.Clone(key), KV{"scenario", scenario}))
}

// benchName returns name/key=value/….
func benchName(name string, key []KV) string {
	var b strings.Builder
	b.WriteString(name)
	for _, kv := range key {
		if kv.Key == "" || kv.Value == "" || strings.ContainsAny(kv.Key+kv.Value, "/ \t\n\r") || strings.Contains(kv.Key, "=") {
			panic(fmt.Sprintf("throughput: %q=%q cannot be part of a benchmark name", kv.Key, kv.Value))
		}
		fmt.Fprintf(&b, "/%s=%s", kv.Key, kv.Value)
	}
	return b.String()
}
