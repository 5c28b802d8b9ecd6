package throughput

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func key(engine string) []KV {
	return []KV{{"engine", engine}, {"device", "cpu"}, {"batch", "32"}, {"read", "no"}}
}

// sleeper is an offline case of 32 files of 1000 bytes in the given time.
func sleeper(engine string, d time.Duration) Case {
	return Offline(key(engine), func(context.Context) (Volume, error) {
		time.Sleep(d)
		return Volume{Files: 32, Bytes: 32_000}, nil
	})
}

func TestOfflinePassesFillTheLeastTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still but for Sleep
		ms, err := Measure(t.Context(), []Case{sleeper("a", 100*time.Millisecond)}, Options{Rounds: 2, Least: 250 * time.Millisecond})
		if err != nil || len(ms) != 2 {
			t.Fatalf("got %d measurements, %v; want 2", len(ms), err)
		}
		for _, m := range ms {
			if m.Files != 96 || m.Bytes != 96_000 || m.Elapsed != 300*time.Millisecond || m.P50 != 0 {
				t.Errorf("got %+v; want 3 passes in 300ms without latencies", m)
			}
			if m.Name != "Extract/engine=a/device=cpu/batch=32/read=no/scenario=offline" {
				t.Errorf("name is %s", m.Name)
			}
			want := map[string]float64{"ns/op": 3.125e6, "samples/s": 320, "MB/s": 0.32}
			for _, v := range m.values() {
				if w, ok := want[v.Unit]; ok && (v.Value < w*(1-1e-12) || v.Value > w*(1+1e-12)) {
					t.Errorf("%s is %v, want %v", v.Unit, v.Value, w)
				}
			}
		}
	})
}

func TestSingleStreamTimesEachFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// File i of 100 takes i+1 ms: nearest-rank percentiles are exact.
		files := make([][]byte, 100)
		for i := range files {
			files[i] = make([]byte, i+1)
		}
		c := SingleStream(key("a"), files, func(_ context.Context, f []byte) error {
			time.Sleep(time.Duration(len(f)) * time.Millisecond)
			return nil
		})
		ms, err := Measure(t.Context(), []Case{c}, Options{Rounds: 1, Least: 6 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		m := ms[0]
		if m.Files != 200 || m.Bytes != 2*5050 || m.Elapsed != 10100*time.Millisecond {
			t.Errorf("got %+v; want two passes of 5.05s", m)
		}
		if m.P50 != 50*time.Millisecond || m.P90 != 90*time.Millisecond || m.P99 != 99*time.Millisecond {
			t.Errorf("p50 %v, p90 %v, p99 %v; want 50, 90 and 99 ms", m.P50, m.P90, m.P99)
		}
		if !strings.HasSuffix(m.Name, "/scenario=single-stream") {
			t.Errorf("name is %s", m.Name)
		}
	})
}

func TestRoundsHoldEveryCaseOnceInShuffledOrder(t *testing.T) {
	run := func(seed uint64) (order []string) {
		var cases []Case
		for _, name := range []string{"a", "b", "c", "d"} {
			cases = append(cases, Offline([]KV{{"engine", name}}, func(context.Context) (Volume, error) {
				order = append(order, name)
				return Volume{Files: 1}, nil
			}))
		}
		var told []int
		ms, err := Measure(t.Context(), cases, Options{Rounds: 20, Seed: seed, Progress: func(done, all int) {
			if all != 80 {
				t.Errorf("progress of %d, want 80", all)
			}
			told = append(told, done)
		}})
		if err != nil || len(ms) != 80 || len(told) != 80 || told[79] != 80 {
			t.Fatalf("%d measurements, %d reports, %v", len(ms), len(told), err)
		}
		for i, m := range ms {
			if want := "Extract/engine=" + order[4+i] + "/scenario=offline"; m.Name != want {
				t.Fatalf("measurement %d is %s, want %s", i, m.Name, want)
			}
		}
		return order
	}
	order := run(1)
	rounds := slices.Collect(slices.Chunk(order, 4)) // the first is the warm-up
	distinct := map[string]bool{}
	for i, r := range rounds {
		distinct[strings.Join(r, "")] = true
		if s := slices.Sorted(slices.Values(r)); strings.Join(s, "") != "abcd" {
			t.Errorf("round %d ran %v", i, r)
		}
	}
	if got := strings.Join(rounds[0], "") + strings.Join(rounds[1], ""); got != "abcdabcd" {
		t.Errorf("warm-up and first round ran %s, want the order of the cases", got)
	}
	if len(distinct) < 10 {
		t.Errorf("only %d orders in 21 rounds", len(distinct))
	}
	if !slices.Equal(order, run(1)) {
		t.Error("the same seed gave another order")
	}
	if slices.Equal(order, run(2)) {
		t.Error("another seed gave the same order")
	}
}

// The budget ends the rounds, each whole.
func TestBudgetEndsRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cases := []Case{sleeper("a", time.Second), sleeper("b", 2*time.Second)}
		for budget, want := range map[time.Duration]int{0: 20, time.Second: 2, 7 * time.Second: 6, time.Hour: 20} {
			ms, err := Measure(t.Context(), cases, Options{Rounds: 10, Budget: budget})
			if err != nil || len(ms) != want {
				t.Errorf("budget %v: %d repetitions, %v, want %d", budget, len(ms), err, want)
			}
		}
	})
}

func TestFailingCaseIsNamed(t *testing.T) {
	broken := errors.New("device lost")
	runs := 0
	cases := []Case{sleeper("good", 0), Offline(key("bad"), func(context.Context) (Volume, error) {
		if runs++; runs == 3 { // the warm-up and one round go well
			return Volume{}, broken
		}
		return Volume{Files: 1}, nil
	})}
	ms, err := Measure(t.Context(), cases, Options{Rounds: 5})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "engine=bad") {
		t.Errorf("error %v, want one that wraps the case's and names it", err)
	}
	if len(ms) < 2 || len(ms) > 3 {
		t.Errorf("%d measurements are kept, want the first round and what came before the failure", len(ms))
	}
}

func TestEmptyPassIsAnError(t *testing.T) {
	empty := Offline(key("a"), func(context.Context) (Volume, error) { return Volume{}, nil })
	if _, err := Measure(t.Context(), []Case{empty}, Options{Rounds: 1}); err == nil || !strings.Contains(err.Error(), "no file") {
		t.Errorf("got %v", err)
	}
}

func TestEndOfContextStops(t *testing.T) {
	files := make([][]byte, 10)
	for _, scenario := range []string{"offline", "single-stream"} {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		step := func() {
			if n++; n == 15 {
				cancel()
			}
		}
		c := Offline(key("a"), func(context.Context) (Volume, error) { step(); return Volume{Files: 1}, nil })
		if scenario == "single-stream" {
			c = SingleStream(key("a"), files, func(context.Context, []byte) error { step(); return nil })
		}
		_, err := Measure(ctx, []Case{c}, Options{Rounds: 1000, Least: time.Hour})
		if !errors.Is(err, context.Canceled) || n != 15 {
			t.Errorf("%s: ended after %d steps with %v, want 15 and context.Canceled", scenario, n, err)
		}
		cancel()
	}
}

func TestBadKeysPanic(t *testing.T) {
	pass := func(context.Context) (Volume, error) { return Volume{Files: 1}, nil }
	for name, f := range map[string]func(){
		"space":    func() { Offline([]KV{{"engine", "a b"}}, pass) },
		"slash":    func() { Offline([]KV{{"engine", "a/b"}}, pass) },
		"empty":    func() { Offline([]KV{{"engine", ""}}, pass) },
		"equals":   func() { Offline([]KV{{"eng=ine", "a"}}, pass) },
		"no files": func() { SingleStream(nil, nil, nil) },
		"config":   func() { fileConfig([]KV{{"GPU", "x"}}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestPeakRSS(t *testing.T) {
	const size = 64 << 20
	peak := startPeakRSS()
	m, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < size; i += 4096 {
		m[i] = 1
	}
	if err := syscall.Munmap(m); err != nil {
		t.Fatal(err)
	}
	with := peak()
	if with == 0 {
		t.Skip("this system does not tell the peak of resident memory")
	}
	without := startPeakRSS()()
	if with-without < size*9/10 {
		t.Errorf("peak %d with 64 MiB touched and freed, %d after: want the 64 MiB between them", with, without)
	}
}
