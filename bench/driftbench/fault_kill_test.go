package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A run that is killed at any moment, again and again, leaves only whole files
// under their names, and the run that is let alone ends as if nothing had been.
func TestRunIsKilled(t *testing.T) {
	kills, chain := 12, 3 // a chain of kills, then a run that is let alone
	if soak {
		kills, chain = 100, 2
	}
	dir := t.TempDir()
	out, cache, tmp := filepath.Join(dir, "work", "out"), filepath.Join(dir, "work", "cache"), filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	args := []string{"run", "--corpus", small(), "--model", model, "--out", out, "--cache", cache, "--resamples", "50",
		"--save-fit", filepath.Join(out, "run.fit"), "--summary", filepath.Join(out, "run.md")}
	count := filepath.Join(dir, "count")
	fault, err := findInjector(t)
	var counted []string // without an injector all kills come at random times
	if err != nil {
		t.Log(err)
	} else {
		counted = []string{fault, "kill", "0", filepath.Dir(out), count}
	}
	start := time.Now()
	succeeds(t, process(counted, args...))
	took := time.Since(start)
	var changes int
	if counted != nil {
		if changes, err = strconv.Atoi(strings.TrimSpace(readFile(t, count))); err != nil || changes < 100 {
			t.Fatalf("%d changes of files, %v", changes, err)
		}
	}
	want := contents(t, out)

	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	for i := range kills {
		if i%(2*chain) == 0 { // else the results of the run before lie there
			if err := os.RemoveAll(filepath.Dir(out)); err != nil {
				t.Fatal(err)
			}
		}
		var when string
		if i%2 == 0 && counted != nil {
			n := 1 + r.IntN(changes)
			when = fmt.Sprintf("seed %d, kill %d, at change %d of %d", seed, i, n, changes)
			if e := run(t, process([]string{fault, "kill", strconv.Itoa(n), filepath.Dir(out), count}, args...)); e.status == 128+9 {
				killed++
			}
		} else {
			after := time.Duration(r.Int64N(int64(took)))
			when = fmt.Sprintf("seed %d, kill %d, after %v", seed, i, after)
			cmd := process(nil, args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			cmd.Process.Kill()
			if e := wait(t, cmd, new(bytes.Buffer), new(bytes.Buffer)); e.status == 128+9 {
				killed++
			}
		}
		same(t, when, contents(t, out), want, false)
		if i%chain == chain-1 {
			succeeds(t, process(nil, args...))
			same(t, when+", and a run", contents(t, out), want, true)
			if left := tree(t, cache); len(left) != 1 {
				t.Errorf("%s: the cache holds %v", when, left)
			}
		}
	}
	if left := tree(t, tmp); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if killed < kills/4 { // more runs end first on a machine that has become faster
		t.Errorf("only %d of %d runs were killed before they ended", killed, kills)
	}
	t.Logf("%d of %d runs were killed before they ended", killed, kills)
}

// Making a corpus, killed, leaves no corpus, and what it leaves instead is
// gone after the next.
func TestSynthIsKilled(t *testing.T) {
	fault := injector(t)
	dir, count := t.TempDir(), filepath.Join(t.TempDir(), "count")
	out := filepath.Join(dir, "corpus")
	args := []string{"corpus", "synth", "--files", "50", "--out", out}
	for _, n := range []string{"2", "40", "90"} {
		if e := run(t, process([]string{fault, "kill", n, dir, count}, args...)); e.status != 128+9 {
			t.Errorf("at change %s: status %d, want it killed", n, e.status)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("at change %s: there is a corpus", n)
		}
	}
	mine := filepath.Join(dir, ".synth-mine")
	if err := os.Mkdir(mine, 0o777); err != nil {
		t.Fatal(err)
	}
	succeeds(t, process(nil, args...))
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 2 {
		t.Errorf("left %v, %v: want the corpus and %s", left, err, mine)
	}
}
