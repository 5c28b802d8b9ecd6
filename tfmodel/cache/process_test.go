package cache

import (
	"bufio"
	"fmt"

	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const childBatch = 8

// TestMain is the test binary's own main, or that of a child process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		child(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
		return
	}
	os.Exit(m.Run())
}

// child stores batches from first to last and prints the number of each when
// Put has returned, and whatever was warned of on stderr. With prune, it
// compacts the store after each third; with limit, its files may not grow
// beyond 200 kB.
func child(dir, mode, first, last string) {
	if mode == "limit" {
		check(syscall.Setrlimit(unix.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 200e3, Max: 200e3}))
	}
	w := new(warnings)
	c, err := Open(dir, testScope, w.log())
	check(err)
	from, err := strconv.Atoi(first)
	check(err)
	to, err := strconv.Atoi(last)
	check(err)
	for batch := from; batch < to; batch++ {
		keys := testKeys(batch*childBatch, childBatch)
		c.Put(keys, testRows(testScope, keys))
		for _, line := range w.lines() {
			fmt.Fprintln(os.Stderr, line)
		}
		w.text.Reset()
		fmt.Println(batch)
		if mode == "prune" && batch%3 == 0 {
			check(Prune(dir, Keep{}))
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start starts a child; lines receives what it prints.
func start(t *testing.T, dir, mode string, first, last int) (cmd *exec.Cmd, lines *bufio.Scanner, warned *strings.Builder) {
	t.Helper()
	warned = new(strings.Builder)
	cmd = exec.Command(os.Args[0], "child", dir, mode, strconv.Itoa(first), strconv.Itoa(last))
	cmd.Stderr = warned
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out), warned
}

// wantStored wants the batches from first up to last in the store.
func wantStored(t *testing.T, dir string, first, last int) {
	t.Helper()
	c, w := mustOpen(t, dir, testScope)
	keys := testKeys(first*childBatch, (last-first)*childBatch)
	if n := count(stored(t, c, testScope, keys)); n != len(keys) {
		t.Errorf("%d of %d entries stored", n, len(keys))
	}
	w.want(t)
}

// Whatever moment a process is killed at, the store opens without a warning
// and holds every batch that was acknowledged, and no wrong value.
func TestKill(t *testing.T) {
	for _, mode := range []string{"put", "prune"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			done := 0
			for kills := range 20 {
				cmd, lines, warned := start(t, dir, mode, done, 1<<30)
				kill := func() {
					time.AfterFunc(time.Duration(rand.Int64N(int64(60*time.Millisecond))), func() { cmd.Process.Kill() })
				}
				// In turn while the store is being opened, and in a batch.
				opening := kills%2 == 0
				if opening {
					kill()
				}
				for first := done; lines.Scan(); {
					if !opening && done == first {
						kill()
					}
					batch, err := strconv.Atoi(lines.Text())
					if err != nil || batch != done {
						t.Fatalf("kill %d: child printed %q, want %d", kills, lines.Text(), done)
					}
					done++
				}
				cmd.Wait()
				if warned.Len() > 0 {
					t.Errorf("kill %d: child warned: %s", kills, warned)
				}
				wantStored(t, dir, 0, done)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 2 { // the store, and one half made
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Two processes that store without a pause, and this one looking on, share a
// store: each gets on while the other does, and nothing is lost.
func TestTwoProcesses(t *testing.T) {
	for _, mode := range []string{"put", "prune"} {
		t.Run(mode, func(t *testing.T) {
			const batches = 25 // that each must store before either ends
			dir := t.TempDir()
			c, w := mustOpen(t, dir, testScope)
			firsts := [2]int{0, 1 << 20}
			var done [2]atomic.Int64
			var enough, ended sync.WaitGroup
			enough.Add(len(firsts))
			for i, first := range firsts {
				cmd, lines, warned := start(t, dir, mode, first, 1<<30)
				go func() { enough.Wait(); cmd.Process.Kill() }()
				ended.Go(func() {
					reached := sync.OnceFunc(enough.Done)
					defer reached()
					for lines.Scan() {
						if done[i].Add(1) == batches {
							reached()
						}
					}
					cmd.Wait()
					if warned.Len() > 0 || done[i].Load() < batches {
						t.Errorf("process %d stored %d batches and warned: %s", i, done[i].Load(), warned)
					}
				})
			}
			over := make(chan struct{})
			go func() { ended.Wait(); close(over) }()
			for running := true; running; {
				select {
				case <-over:
					running = false
				default:
				}
				for i, first := range firsts {
					n := int(done[i].Load())
					keys := testKeys(first*childBatch, n*childBatch)
					if got := count(stored(t, c, testScope, keys)); got != len(keys) {
						t.Fatalf("%d of %d entries stored", got, len(keys))
					}
				}
			}
			for i, first := range firsts {
				wantStored(t, dir, first, first+int(done[i].Load()))
			}
			w.want(t)
		})
	}
}

// A full disk ends the storing with one warning, and leaves what was stored.
func TestFullDisk(t *testing.T) {
	for _, kind := range []string{"file size limit", "small file system"} {
		t.Run(kind, func(t *testing.T) {
			dir, mode := t.TempDir(), "limit"
			if kind == "small file system" {
				if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=300k"); err != nil {
					t.Skipf("mounting a tmpfs: %v", err)
				}
				t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
				mode = "put"
			}
			cmd, lines, warned := start(t, dir, mode, 0, 100)
			done := 0
			for lines.Scan() {
				done++
			}
			if err := cmd.Wait(); err != nil || done != 100 {
				t.Errorf("%d of 100 batches done, %v", done, err)
			}
			if s := warned.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "stores nothing more") {
				t.Errorf("warned: %q, want one warning", s)
			}
			// Opening may find the disk full as well.
			c, err := Open(dir, testScope, (new(warnings)).log())
			if err != nil {
				t.Fatal(err)
			}
			has := stored(t, c, testScope, testKeys(0, 100*childBatch))
			n := count(has)
			if n == 0 || n == len(has) || n%childBatch != 0 {
				t.Errorf("%d entries stored, want some whole batches", n)
			}
			for i := range n {
				if !has[i] {
					t.Fatalf("entry %d lost, though later ones are stored", i)
				}
			}
			if err := Prune(dir, Keep{}); err != nil && !strings.Contains(err.Error(), "no space") {
				t.Errorf("pruning on a full disk: %v", err)
			}
			if again := count(stored(t, c, testScope, testKeys(0, n))); again != n {
				t.Errorf("%d of %d entries left after pruning", again, n)
			}
		})
	}
}
