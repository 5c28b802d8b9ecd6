package throughput

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"driftbench/internal/meter"
)

// Options says how often and how long cases are timed.
type Options struct {
	Rounds int           // repetitions of every case; an interval needs 6, use 10 or more
	Least  time.Duration // a repetition makes passes until this time is over
	Budget time.Duration // no round begins after this time; 0 is no bound
	Seed   uint64        // of the order of the cases within a round
	Meter  *meter.Meter  // reads what a repetition spends; nil reads nothing
	// Progress, when set, is told how many of all repetitions are done.
	Progress func(done, all int)
}

// Measurement is one repetition of one case.
type Measurement struct {
	Name string // Extract/key=value/…
	Volume
	Elapsed time.Duration

	P50, P90, P99 time.Duration // latency of a file; zero in the offline scenario

	// PeakRSS is the largest resident memory of the process while the case
	// ran, in bytes, with all that was loaded before; 0 where the system does
	// not tell.
	PeakRSS int64

	// Busy is the share of the time, of all calls that the engine takes at once, in
	// which it computed, and Feed how many files a second its feeders could fill
	// batches with; 0 is not known.
	Busy, Feed float64
	Spent      meter.Reading // NaN where it was not read
}

// Measure times the cases. Every case makes one pass untimed, then come
// opt.Rounds rounds of one repetition each: the first in the order of the
// cases, the rest shuffled. The result is in the order of measurement.
//
// Measure stops at the first case that fails, which the error names, and when ctx
// ends, between passes at the latest. It returns what was measured by then with
// the error.
func Measure(ctx context.Context, cases []Case, opt Options) ([]Measurement, error) {
	for _, c := range cases {
		if _, err := c.repeat(ctx, Options{}); err != nil {
			return nil, fmt.Errorf("throughput: warming up %s: %w", c.name, err)
		}
	}
	var done []Measurement
	order, start := rand.New(rand.NewPCG(opt.Seed, 0)), time.Now()
	cases = slices.Clone(cases)
	for range opt.Rounds {
		if len(done) > 0 && opt.Budget > 0 && time.Since(start) >= opt.Budget {
			break
		}
		for _, c := range cases {
			m, err := c.repeat(ctx, opt)
			if err != nil {
				return done, fmt.Errorf("throughput: timing %s: %w", c.name, err)
			}
			done = append(done, m)
			if opt.Progress != nil {
				opt.Progress(len(done), opt.Rounds*len(cases))
			}
		}
		order.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	}
	return done, nil
}

// repeat makes at least one pass, and more until the least time and the least
// number of files are reached. A zero opt makes one pass.
func (c *Case) repeat(ctx context.Context, opt Options) (Measurement, error) {
	m := Measurement{Name: c.name}
	least, files := opt.Least, c.files
	if opt.Rounds == 0 {
		files = 0
	} else if c.least > 0 {
		least = c.least
	}
	var before Usage
	if c.target != nil {
		before = c.target.Usage()
	}
	runtime.GC() // the garbage of one case is not the next one's time
	peak, spent := startPeakRSS(), opt.Meter.Start()
	start := time.Now()
	more := func(done Volume) bool { return time.Since(start) < least || done.Files < files }
	v, latencies, err := c.run(ctx, more, nil)
	m.Elapsed, m.Volume = time.Since(start), v
	m.Spent, m.PeakRSS = spent(), peak()
	if err != nil {
		return m, err
	}
	if m.Files == 0 {
		return m, fmt.Errorf("no file went through")
	}
	if c.target != nil {
		after := c.target.Usage()
		m.Busy = float64(after.Compute-before.Compute) / float64(m.Elapsed) / float64(max(1, after.Slots))
		if fill := after.Fill - before.Fill; fill > 0 {
			m.Feed = float64(m.Files) / fill.Seconds() * float64(min(c.target.Feeders, runtime.NumCPU()))
		}
	}
	m.P50, m.P90, m.P99 = percentiles(latencies)
	return m, nil
}

// percentiles returns nearest-rank percentiles, zeros without latencies.
func percentiles(latencies []time.Duration) (p50, p90, p99 time.Duration) {
	if len(latencies) == 0 {
		return 0, 0, 0
	}
	x := make([]float64, len(latencies))
	for i, l := range latencies {
		x[i] = float64(l)
	}
	slices.Sort(x)
	at := func(p float64) time.Duration { return time.Duration(stat.Quantile(p, stat.Empirical, x, nil)) }
	return at(0.5), at(0.9), at(0.99)
}
