package throughput

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Usage is what calls of an engine have taken since it was opened, summed over the
// calls: the time in which they filled batches, waited for others and computed,
// and how many compute at a time.
type Usage struct {
	Fill, Wait, Compute time.Duration
	Slots               int
}

// Target is an engine on a device, to be timed over batch sizes.
type Target struct {
	Key     []KV // engine, device and, where it is not float32, precision
	Feeders int  // calls at a time that keep the engine computing
	Most    int  // files of the largest batch that memory is known to hold; 0 is not known
	// New returns a function that runs up to batch files. Each feeder has its own.
	New func(batch int) func(files [][]byte) error
	// Forget drops what the engine keeps of earlier files.
	Forget func()
	Usage  func() Usage
	// OutOfMemory reports whether an error says that the device has too little
	// memory for a batch. A nil OutOfMemory never does.
	OutOfMemory func(error) bool
}

// Case times the files in batches from memory. All feeders take the next batch of
// one list, which starts again as long as the repetition lasts, so that the engine
// does not run dry between two passes. Files of a batch are all different: with
// fewer files than a batch there are batches of that many. Without files it panics.
func (t *Target) Case(files [][]byte, batch int) Case {
	if len(files) == 0 {
		panic("throughput: case without files")
	}
	batches := slices.Collect(slices.Chunk(files, batch))
	feeders := make([]func([][]byte) error, t.Feeders)
	for i := range feeders {
		feeders[i] = t.New(batch)
	}
	key := append(slices.Clone(t.Key), KV{"batch", strconv.Itoa(batch)}, KV{"read", "no"})
	return Case{name: caseName(key, "offline"), target: t, run: func(ctx context.Context, more func(Volume) bool, latencies []time.Duration) (Volume, []time.Duration, error) {
		s := supply{batches: batches, more: more, forget: t.Forget}
		running, ctx := errgroup.WithContext(ctx)
		for _, run := range feeders {
			running.Go(func() error {
				for ctx.Err() == nil {
					batch := s.take()
					if batch == nil {
						return nil
					}
					if err := run(batch); err != nil {
						return err
					}
				}
				return ctx.Err()
			})
		}
		err := running.Wait()
		return s.given, latencies, err
	}}
}

// supply hands out the batches of one pass after the other.
type supply struct {
	batches [][][]byte
	more    func(Volume) bool
	forget  func()

	mu    sync.Mutex
	next  int
	ended bool
	given Volume
}

// take returns the next batch, nil after the last pass.
func (s *supply) take() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == 0 && !s.ended {
		s.ended = s.given.Files > 0 && !s.more(s.given)
		if !s.ended {
			s.forget() // every pass over the same files is timed as the first
		}
	}
	if s.ended {
		return nil
	}
	batch := s.batches[s.next]
	s.next = (s.next + 1) % len(s.batches)
	s.given.Files += len(batch)
	for _, f := range batch {
		s.given.Bytes += int64(len(f))
	}
	return batch
}

// Why a sweep over batch sizes has ended.
const (
	EndGain   = "larger batches gain less than 5%"
	EndMemory = "larger batches do not fit into memory"
	EndFiles  = "a larger batch would hold a file twice"
	EndMost   = "larger batches were not tried"
)

// Sweep is what a target does at each batch size, before it is timed in rounds.
type Sweep struct {
	Batches []int     // 1, 2, 4, …
	Speeds  []float64 // files/s at each
	Best    int       // the batch of the highest speed
	End     string    // EndGain, …
	// Unsteady lists batches whose warm-up ended before three passes agreed.
	Unsteady []int
}

const (
	gain      = 1.05 // of the speed, below which a doubled batch is no faster
	agreement = 1.05 // between the fastest and the slowest of three passes that agree
	warmUps   = 6    // passes at most until three agree
	mostBatch = 4096
)

// Sweep doubles the batch from 1 on until two doublings in a row have each gained
// less than 5%, memory ends, or the batch would be larger than the number of files
// or 4,096. At each size it warms up until three passes agree within 5%, at most
// for 6 passes of at least the given time; the speed is the median of the last
// three.
func (t *Target) Sweep(ctx context.Context, files [][]byte, least time.Duration) (*Sweep, error) {
	s := &Sweep{}
	var best float64
	for batch, flat := 1, 0; ; batch *= 2 {
		switch {
		case flat == 2:
			s.End = EndGain
		case batch > mostBatch:
			s.End = EndMost
		case batch > len(files):
			s.End = EndFiles
		case t.Most > 0 && batch > t.Most:
			s.End = EndMemory
		}
		if s.End != "" {
			break
		}
		speed, steady, err := warmUp(ctx, t.Case(Some(files, batch), batch), least)
		if err != nil && len(s.Batches) > 0 && t.OutOfMemory != nil && t.OutOfMemory(err) {
			s.End = EndMemory
			break
		}
		if err != nil {
			return nil, fmt.Errorf("throughput: warming up with batches of %d: %w", batch, err)
		}
		s.Batches, s.Speeds = append(s.Batches, batch), append(s.Speeds, speed)
		if !steady {
			s.Unsteady = append(s.Unsteady, batch)
		}
		flat++
		if speed >= gain*best {
			flat = 0
		}
		if speed > best {
			best, s.Best = speed, batch
		}
	}
	return s, nil
}

// Some returns the files that a batch size is timed with beside the best one: eight
// batches, at least 32 files.
func Some(files [][]byte, batch int) [][]byte { return files[:min(max(8*batch, 32), len(files))] }

// warmUp repeats a case until three passes in a row agree, and returns the median
// speed of the last three in files/s, and whether they agree.
func warmUp(ctx context.Context, c Case, least time.Duration) (speed float64, steady bool, err error) {
	var speeds []float64
	for range warmUps {
		m, err := c.repeat(ctx, Options{Least: least})
		if err != nil {
			return 0, false, err
		}
		speeds = append(speeds, float64(m.Files)/m.Elapsed.Seconds())
		if n := len(speeds); n >= 3 {
			last := slices.Sorted(slices.Values(speeds[n-3:]))
			speed, steady = last[1], last[2] <= agreement*last[0]
			if steady {
				break
			}
		}
	}
	return speed, steady, nil
}

// Spread returns an order of files of those sizes of which every beginning holds
// sizes from all over the list: by size, and within that in the order of the van der
// Corput sequence, whose parts are spread evenly.
func Spread(sizes []int) []int {
	bySize, corput := make([]int, len(sizes)), make([]int, len(sizes))
	for i := range sizes {
		bySize[i], corput[i] = i, i
	}
	slices.SortStableFunc(bySize, func(a, b int) int { return sizes[a] - sizes[b] })
	slices.SortStableFunc(corput, func(a, b int) int {
		return cmp.Compare(bits.Reverse32(uint32(a)), bits.Reverse32(uint32(b)))
	})
	order := make([]int, len(sizes))
	for at, rank := range corput {
		order[at] = bySize[rank]
	}
	return order
}
