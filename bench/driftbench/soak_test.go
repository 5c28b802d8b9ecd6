package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"driftbench/internal/malloc"
)

// held is what this process holds once it has settled.
type held struct {
	goroutines, files, threads int
	heap, c, resident          float64 // MB: of Go, of C's allocator, and of both with what they keep free
}

// settle collects garbage until it gives nothing more back: C memory waits for
// finalizers, which run after a collection, and threads end in their own time.
func settle(t *testing.T) held {
	t.Helper()
	for range 4 {
		runtime.GC()
		time.Sleep(50 * time.Millisecond)
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return held{
		goroutines: runtime.NumGoroutine(),
		files:      entries(t, "/proc/self/fd"),
		threads:    entries(t, "/proc/self/task"),
		heap:       float64(m.HeapAlloc) / (1 << 20),
		c:          float64(malloc.InUse()) / (1 << 20),
		resident:   anonymousMB(t),
	}
}

func (h held) String() string {
	return fmt.Sprintf("%d goroutines, %d open files, %d threads, %.1f MB on the Go heap, %.1f MB by C's allocator (%.0f MB resident)",
		h.goroutines, h.files, h.threads, h.heap, h.c, h.resident)
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	e, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

func anonymousMB(t *testing.T) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^Anonymous: +(\d+) kB`).FindStringSubmatch(readFile(t, "/proc/self/smaps_rollup"))
	if m == nil {
		t.Fatal("smaps_rollup has no line Anonymous")
	}
	kB, _ := strconv.Atoi(m[1])
	return float64(kB) / 1024
}

// Extracting over and over, from files and then from the cache, opens and
// closes reader, engine and cache each time, and leaves nothing of them behind:
// what is held after a tenth of the batches is held after all.
func TestSoak(t *testing.T) {
	slow(t)
	batches := 200
	if soak {
		batches = 10_000
	}
	// What may be held more. Go starts a thread when all others wait in C, and
	// TensorFlow those of its pools when they are first busy. Resident memory is
	// stated and not judged, see package malloc.
	const threads, heap, c = 16, 4, 4
	for _, engine := range []string{"tensorflow", "table"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			cache := filepath.Join(dir, "cache")
			extract := func() (computed, cached int) {
				var stderr bytes.Buffer
				args := []string{"extract", "--corpus", small(), "--model", model, "--engine", engine,
					"--batch", "1", "--cache", cache, "--out", filepath.Join(dir, "out")}
				if status := command(t.Context(), args, &stderr, &stderr); status != exitDone {
					t.Fatalf("status %d:\n%s", status, &stderr)
				}
				for _, m := range regexp.MustCompile(`msg=extracted .* files=(\d+) .* cached=(\d+)`).FindAllStringSubmatch(stderr.String(), -1) {
					files, _ := strconv.Atoi(m[1])
					kept, _ := strconv.Atoi(m[2])
					computed += files - kept
					cached += kept
				}
				return computed, cached
			}
			start := time.Now()
			var early, late held
			done, opened, tenths := 0, 0, 0
			for done < batches {
				if err := os.RemoveAll(cache); err != nil {
					t.Fatal(err)
				}
				computed, _ := extract()
				if again, cached := extract(); computed == 0 || again != 0 || cached != computed {
					t.Fatalf("%d files computed, then %d, and %d from the cache", computed, again, cached)
				}
				done += computed
				opened += 2
				if done*10 < batches*(tenths+1) {
					continue
				}
				late = settle(t)
				if tenths == 0 {
					early = late
				}
				tenths = done * 10 / batches
				t.Logf("%d batches, %d openings, %.0f s: %v", done, opened, time.Since(start).Seconds(), late)
			}
			if late.goroutines > early.goroutines || late.files > early.files || late.threads > early.threads+threads ||
				late.heap > early.heap+heap || late.c > early.c+c {
				t.Errorf("after a tenth of the batches: %v\nafter all: %v\nmore may be: %d threads, %d MB on the Go heap, %d MB by C's allocator", early, late, threads, heap, c)
			}
		})
	}
}
