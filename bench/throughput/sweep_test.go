package throughput

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// device is a device that sleeps as a GPU computes: a cost of each batch and a cost of
// each file, in one slot, after a cost of each file on the feeder's side.
type device struct {
	batch, file, fill time.Duration
	memory            int             // files of the largest batch
	slot              chan struct{}   // of the bubble that the test runs in
	usage             [3]atomic.Int64 // fill, wait, compute
	forgot            atomic.Int64
	most              atomic.Int64 // feeders at a time
	now               atomic.Int64
	twice             atomic.Bool // whether a batch held a file twice
}

var errDeviceMemory = errors.New("device out of memory")

func (d *device) target(engine, kind string, feeders int) *Target {
	d.slot = make(chan struct{}, 1)
	return &Target{
		Key: []KV{{"engine", engine}, {"device", kind}}, Feeders: feeders,
		New: func(batch int) func([][]byte) error {
			return func(files [][]byte) error {
				d.most.Store(max(d.most.Load(), d.now.Add(1)))
				defer d.now.Add(-1)
				return d.run(files)
			}
		},
		Forget:      func() { d.forgot.Add(1) },
		Usage:       func() Usage { return Usage{d.at(0), d.at(1), d.at(2), 1} },
		OutOfMemory: func(err error) bool { return errors.Is(err, errDeviceMemory) },
	}
}

func (d *device) at(i int) time.Duration { return time.Duration(d.usage[i].Load()) }

func (d *device) run(files [][]byte) error {
	n := time.Duration(len(files))
	seen := map[*byte]bool{}
	for _, f := range files {
		if seen[&f[0]] {
			d.twice.Store(true)
		}
		seen[&f[0]] = true
	}
	if d.memory > 0 && len(files) > d.memory {
		return errDeviceMemory
	}
	start := time.Now()
	time.Sleep(n * d.fill)
	filled := time.Now()
	d.slot <- struct{}{}
	defer func() { <-d.slot }()
	running := time.Now()
	time.Sleep(d.batch + n*d.file)
	d.usage[0].Add(int64(filled.Sub(start)))
	d.usage[1].Add(int64(running.Sub(filled)))
	d.usage[2].Add(int64(time.Since(running)))
	return nil
}

func someFiles(n int) [][]byte {
	files := make([][]byte, n)
	for i := range files {
		files[i] = make([]byte, 1000+i)
	}
	return files
}

// A sweep follows batch + n·file: it doubles until twice no more than 5% are gained.
func TestSweepSaturates(t *testing.T) {
	for name, tc := range map[string]struct {
		*device
		files   int
		batches []int
		best    int
		end     string
	}{
		// 1/(c/b + f): with c = 64f gains of 5% end between b = 1024 and 2048.
		"gain":   {&device{batch: 6400 * time.Microsecond, file: 100 * time.Microsecond}, 8192, []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}, 4096, EndGain},
		"most":   {&device{batch: 64 * time.Millisecond, file: 100 * time.Microsecond}, 8192, []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}, 4096, EndMost},
		"early":  {&device{batch: 100 * time.Microsecond, file: 100 * time.Microsecond}, 8192, []int{1, 2, 4, 8, 16, 32, 64}, 64, EndGain},
		"flat":   {&device{file: time.Millisecond}, 64, []int{1, 2, 4}, 1, EndGain},
		"memory": {&device{batch: 6400 * time.Microsecond, file: 100 * time.Microsecond, memory: 100}, 8192, []int{1, 2, 4, 8, 16, 32, 64}, 64, EndMemory},
		"files":  {&device{batch: 6400 * time.Microsecond, file: 100 * time.Microsecond}, 64, []int{1, 2, 4, 8, 16, 32, 64}, 64, EndFiles},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the clock stands still but for Sleep
				d := tc.device
				s, err := d.target("sleeper", "gpu", 4).Sweep(t.Context(), someFiles(tc.files), 100*time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(s.Batches, tc.batches) || s.End != tc.end || len(s.Unsteady) > 0 {
					t.Errorf("batches %v, best %d, %q, unsteady %v; want %v, %d, %q", s.Batches, s.Best, s.End, s.Unsteady, tc.batches, tc.best, tc.end)
				}
				if s.Best != tc.best && name != "flat" {
					t.Errorf("best %d, want %d", s.Best, tc.best)
				}
				for i, b := range s.Batches {
					if want := 1 / (d.batch.Seconds()/float64(b) + d.file.Seconds()); math.Abs(s.Speeds[i]/want-1) > 0.02 {
						t.Errorf("batch %d: %.0f files/s, want %.0f", b, s.Speeds[i], want)
					}
				}
				if d.twice.Load() {
					t.Error("a batch held a file twice")
				}
			})
		})
	}
}

func TestSweepFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{file: time.Millisecond, memory: -1}
		target := d.target("sleeper", "gpu", 2)
		broken := errors.New("device lost")
		target.New = func(int) func([][]byte) error { return func([][]byte) error { return broken } }
		if _, err := target.Sweep(t.Context(), someFiles(8), 0); !errors.Is(err, broken) || !strings.Contains(err.Error(), "batches of 1") {
			t.Errorf("error %v, want the device's with the batch", err)
		}
		// Memory for no batch at all is an error, not an end.
		target.New = func(int) func([][]byte) error { return func([][]byte) error { return errDeviceMemory } }
		if _, err := target.Sweep(t.Context(), someFiles(8), 0); !errors.Is(err, errDeviceMemory) {
			t.Errorf("error %v, want that of the memory", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.target("sleeper", "gpu", 2).Sweep(ctx, someFiles(8), 0); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
		d.memory = 0
		target = d.target("sleeper", "gpu", 2)
		target.Most = 4 // by an estimate
		s, err := target.Sweep(t.Context(), someFiles(64), 0)
		if err != nil || s.End != EndGain && s.End != EndMemory || slices.Max(s.Batches) > 4 {
			t.Errorf("%+v, %v, want batches to 4", s, err)
		}
	})
}

// Passes that do not agree are repeated, and said.
func TestWarmUpWaitsUntilThreePassesAgree(t *testing.T) {
	for want, took := range map[string][]int{ // milliseconds of each pass
		"1000 true":  {40, 20, 10, 10, 10, 10, 10},
		"500 true":   {20, 20, 20},
		"588 true":   {10, 20, 17, 17, 17},
		"1000 false": {10, 30, 10, 30, 10, 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := 0
			c := Offline(key("a"), func(context.Context) (Volume, error) {
				time.Sleep(time.Duration(took[i]) * time.Millisecond)
				i++
				return Volume{Files: 10}, nil
			})
			speed, steady, err := warmUp(t.Context(), c, 0)
			if got := fmt.Sprintf("%.0f %v", speed, steady); got != want || err != nil {
				t.Errorf("%v: %s, %v, want %s", took, got, err, want)
			}
		})
	}
}

// All feeders work at a time on whole passes without a gap between them, each file
// as often as any other, and every pass is the engine's first.
func TestFeedersKeepTheDeviceBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{batch: time.Millisecond, file: time.Millisecond, fill: 2 * time.Millisecond}
		for feeders, want := range map[int]float64{1: 8.0 / (8*2 + 1 + 8) * 1000, 2: 16.0 / 25 * 1000, 4: 8.0 / 9 * 1000} {
			d.most.Store(0)
			d.forgot.Store(0)
			target := d.target("sleeper", "gpu", feeders)
			c := target.Case(someFiles(64), 8).AtLeast(2*time.Second, 200)
			m, err := c.repeat(t.Context(), Options{Rounds: 1})
			if err != nil {
				t.Fatal(err)
			}
			got := float64(m.Files) / m.Elapsed.Seconds()
			if math.Abs(got/want-1) > 0.05 || m.Files%64 != 0 || m.Elapsed < 2*time.Second || d.most.Load() != int64(feeders) || int(d.forgot.Load()) != m.Files/64 {
				t.Errorf("%d feeders: %.0f files/s of %d files in %v, %d at a time, forgot %d times; want %.0f files/s", feeders, got, m.Files, m.Elapsed, d.most.Load(), d.forgot.Load(), want)
			}
			if busy := got * 9 / 8 / 1000; math.Abs(m.Busy-busy) > 0.02 {
				t.Errorf("%d feeders: busy for %.2f of the time, want %.2f", feeders, m.Busy, busy)
			}
			if m.Bytes != int64(m.Files/64)*(64*1000+63*64/2) {
				t.Errorf("%d bytes of %d files", m.Bytes, m.Files)
			}
		}
	})
}

// A repetition has the least number of files, of fewer that are used again.
func TestFilesAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{file: time.Microsecond}
		c := d.target("sleeper", "gpu", 4).Case(someFiles(100), 64).AtLeast(0, 4096)
		m, err := c.repeat(t.Context(), Options{Rounds: 1})
		if err != nil || m.Files != 4100 || d.twice.Load() {
			t.Errorf("%d files, %v, want 4,100 and no batch with a file twice", m.Files, err)
		}
		if m, err := c.repeat(t.Context(), Options{}); err != nil || m.Files != 100 {
			t.Errorf("warming up: %d files, %v, want one pass", m.Files, err)
		}
	})
}

// Every beginning of the order has sizes from all over the list.
func TestSpread(t *testing.T) {
	for _, n := range []int{1, 7, 64, 100} {
		sizes := make([]int, n)
		for i := range sizes {
			sizes[i] = (i * 37) % n
		}
		order := Spread(sizes)
		if s := slices.Sorted(slices.Values(order)); len(s) != n || s[0] != 0 || s[n-1] != n-1 || len(slices.Compact(s)) != n {
			t.Fatalf("%d files: order %v", n, order)
		}
		for _, k := range []int{8, 32} {
			if k >= n {
				continue
			}
			var sum int
			for _, i := range order[:k] {
				sum += sizes[i]
			}
			if mean, want := float64(sum)/float64(k), float64(n-1)/2; math.Abs(mean-want) > float64(n)/10 {
				t.Errorf("the first %d of %d files have the mean size %.1f, all %.1f", k, n, mean, want)
			}
		}
	}
}

// From the sweep of a CPU and a GPU that sleep to the sentence: the GPU takes 8 ms a
// batch and 0.1 ms a file, the CPU 1 ms a file in any batch.
func TestDevicesEndToEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.txt")
	synctest.Test(t, func(t *testing.T) {
		files := someFiles(1024)
		cpu := (&device{file: time.Millisecond}).target("table", "cpu", 2)
		gpu := (&device{batch: 8 * time.Millisecond, file: 100 * time.Microsecond}).target("tensorflow", "gpu", 4)
		var cases []Case
		for _, target := range []*Target{cpu, gpu} {
			s, err := target.Sweep(t.Context(), files, 50*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range s.Batches {
				cases = append(cases, target.Case(files, b).AtLeast(500*time.Millisecond, 1024))
			}
		}
		ms, err := Measure(t.Context(), cases, Options{Rounds: 6, Least: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []KV{{"price-cpu", "0.36"}, {"price-gpu", "3.6"}}, ms); err != nil {
			t.Fatal(err)
		}
	})
	a, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Speeds) != 2 || a.Base == nil || a.Base.Engine != "table" {
		t.Fatalf("answer %+v", a)
	}
	g := a.Speeds[0]
	// 1024 files in 8 + 102.4 ms are 9,275 files/s, and 16 in 9.6 ms the first that
	// are more than 1,000 a second.
	if g.Device != "gpu" || g.Batch != 1024 || math.Abs(g.Ratio.Center/9.275-1) > 0.02 || g.AheadFrom != 16 || g.Bound != BoundComputing {
		t.Errorf("GPU %+v", g)
	}
	if want := 3.6 / (g.Files.Center * 3600) * 1e6; math.Abs(g.Cost/want-1) > 1e-9 || math.Abs(a.Base.Cost-0.1) > 1e-3 {
		t.Errorf("a million files cost %v and %v, want %v and 0.1", g.Cost, a.Base.Cost, want)
	}
	var out bytes.Buffer
	if err := a.Print(&out, 80, ownLine); err != nil {
		t.Fatal(err)
	}
	if want := "GPU 9.2"; !strings.HasPrefix(out.String(), want) || !strings.Contains(out.String(), "; ahead from batch 16") {
		t.Errorf("printed\n%s", out.String())
	}
}
