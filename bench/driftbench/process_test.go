package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"driftbench/internal/process"
)

// slow skips a test that takes seconds where the tests are to be quick.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow")
	}
}

// subprocess is a command line of driftbench in a process of its own, which is
// DRIFTBENCH_BINARY, or else this binary: see TestMain. The command in before runs
// it, such as sh.
func subprocess(before []string, args ...string) *exec.Cmd {
	self := os.Getenv("DRIFTBENCH_BINARY") // as the race detector slows the start of a process
	if self == "" {
		var err error
		if self, err = os.Executable(); err != nil {
			panic(err)
		}
	}
	line := slices.Concat(before, []string{self}, args)
	cmd := exec.Command(line[0], line[1:]...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TF_CPP_MIN_LOG_LEVEL=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "DRIFTBENCH_TEST_MAIN=1")
	return cmd
}

// ended is how a process ended; a signal is 128 and its number, as in a shell.
type ended struct {
	status         int
	stdout, stderr string
}

// last is the last line of stderr.
func (e ended) last() string {
	lines := strings.Split(strings.TrimSuffix(e.stderr, "\n"), "\n")
	return lines[len(lines)-1]
}

func run(t *testing.T, cmd *exec.Cmd) ended {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return wait(t, cmd, &stdout, &stderr)
}

// wait waits for the end of a process that writes to stdout and stderr.
func wait(t *testing.T, cmd *exec.Cmd, stdout, stderr *bytes.Buffer) ended {
	t.Helper()
	if err := cmd.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	e := ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signaled() {
		e.status = 128 + int(s.Signal())
	}
	return e
}

// succeeds runs a process that has to end with status 0.
func succeeds(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if e := run(t, cmd); e.status != exitDone {
		t.Fatalf("status %d, stderr:\n%s", e.status, e.stderr)
	}
}

// complains fails unless a process has failed with one line that says all of
// want.
func complains(t *testing.T, when string, e ended, want ...string) {
	t.Helper()
	if e.status != exitFailed {
		t.Errorf("%s: status %d, want %d", when, e.status, exitFailed)
	}
	for _, w := range want {
		if !strings.Contains(e.last(), w) {
			t.Errorf("%s: stderr does not end in a line with %q:\n%s", when, w, e.stderr)
		}
	}
	if n := len(regexp.MustCompile(`(?m)^driftbench: `).FindAllString(e.stderr, -1)); n != 1 || strings.Contains(e.stderr, "goroutine ") {
		t.Errorf("%s: want one line that begins driftbench:\n%s", when, e.stderr)
	}
}

// TensorFlow says nothing of its own unless it is asked to.
func TestTensorFlowIsQuiet(t *testing.T) {
	slow(t)
	for _, tc := range []struct {
		level string
		loud  bool
	}{{"", false}, {"TF_CPP_MIN_LOG_LEVEL=3", false}, {"TF_CPP_MIN_LOG_LEVEL=0", true}} {
		cmd := subprocess(nil, "extract", "--corpus", small(), "--model", model, "--engine", "tensorflow", "--cache", "none", "--out", t.TempDir())
		if tc.level != "" {
			cmd.Env = append(cmd.Env, tc.level)
		}
		e := run(t, cmd)
		loud := false
		for _, line := range strings.Split(strings.TrimSpace(e.stderr), "\n") {
			loud = loud || !strings.HasPrefix(line, "msg=") && !strings.HasPrefix(line, "level=WARN")
		}
		if e.status != exitDone || loud != tc.loud {
			t.Errorf("%q: status %d, loud %v, stderr:\n%s", tc.level, e.status, loud, e.stderr)
		}
	}
}

// interrupt starts a process and sends it a signal when stderr has a line that
// contains stage, or after a while where stage is "". The process has to end within
// two seconds, with one word and status 130, unless it was at its end. It returns
// how long the process took to end, or a negative time if it was not interrupted.
func interrupt(t *testing.T, when string, cmd *exec.Cmd, sig syscall.Signal, stage string, after time.Duration) time.Duration {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return -1
	}
	wait := time.Duration(math.MaxInt64)
	if stage == "" {
		wait = after
	}
	reached, said := make(chan struct{}), make(chan []string, 1)
	go func() {
		var all []string
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if all = append(all, lines.Text()); stage != "" && strings.Contains(lines.Text(), stage) {
				close(reached)
				stage = ""
			}
		}
		said <- all
	}()
	select {
	case <-reached:
	case <-time.After(wait):
	case <-said: // it has ended
		cmd.Wait()
		return -1
	}
	sent := time.Now()
	cmd.Process.Signal(sig)
	hung := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	all := <-said
	cmd.Wait()
	hung.Stop()
	took, status, last := time.Since(sent), cmd.ProcessState.ExitCode(), ""
	words := 0
	for _, last = range all {
		if strings.HasPrefix(last, "driftbench: ") {
			words++
		}
	}
	switch {
	case status == exitDone && took < process.Grace/2: // it was past its end
		return -1
	case status < 0 && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == sig && len(all) == 0: // it did not listen yet
		return -1
	case status != exitInterrupted || words != 1 || !strings.HasPrefix(last, "driftbench: interrupted. "):
		t.Errorf("%s: status %d, %v after the signal; stderr:\n%s", when, status, took, strings.Join(all, "\n"))
	case took > 2*time.Second:
		t.Errorf("%s: ended %v after the signal", when, took)
	}
	return took
}

// One signal ends a command that would not end by itself, whatever it waits for.
func TestInterruptedStage(t *testing.T) {
	slow(t)
	heard := make(chan os.Signal, 1) // or children ignore what this process was made to ignore, as by nohup
	signal.Notify(heard, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(heard)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	db, err := sql.Open("sqlite", at("endless.db"))
	if err == nil {
		_, err = db.Exec("CREATE VIEW meta AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS name, 'x' AS label, '2017-01' AS first_seen FROM n WHERE i < 0")
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	rows, feeder, err := os.Pipe() // that is never written to
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	defer feeder.Close()
	features, fit := filepath.Join(extracted(), "features"), filepath.Join(extracted(), "run.fit")
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU()+1)
	for i, tc := range []struct {
		name, stage string
		args        []string
		blocked     string // a pipe that nobody reads
	}{
		{"query of the index", "", []string{"splits", "--index", at("endless.db"), "--files", dir, "--out", at("splits")}, ""},
		{"object store", "", []string{"splits", "--index", filepath.Join(small(), "dataset.csv"), "--files", "s3://bucket/x", "--out", at("objects")}, ""},
		{"extraction", "msg=extracted split=2017-fit", []string{"run", "--corpus", small(), "--model", model, "--cache", "none", "--batch", "1", "--out", at("out")}, ""},
		{"bootstrap", "the covariance of layer8", []string{"score", "--features", features, "--resamples", "10000000", "--out", at("bootstrap")}, ""},
		{"bootstrap with a fit file", "", []string{"score", "--features", features, "--fit", fit, "--resamples", "10000000", "--out", at("scored")}, ""},
		{"throughput", "", []string{"throughput", "--model", model, "--device", "cpu", "--engine", "table", "--count", "1000000", "--out", at("throughput")}, ""},
		{"making of a corpus", "", []string{"corpus", "synth", "--files", "10000000", "--out", at("synth")}, ""},
		{"rows from stdin", "", []string{"worker", "--model", model, "--files", small()}, ""},
		{"printing", "", []string{"run", "--help"}, "stdout"},
		{"printing of an error", "", []string{strings.Repeat("x", 1<<16)}, "stderr"},
	} {
		start := func() *exec.Cmd {
			cmd := subprocess(nil, tc.args...)
			cmd.Stdin = rows
			cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL=http://"+silent.Addr().String(), "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b")
			return cmd
		}
		sig := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}[i%3]
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			when := fmt.Sprintf("%s, %v", tc.name, sig)
			if tc.blocked == "" {
				after := 300 * time.Millisecond // on a busy machine it takes longer to start
				for interrupt(t, when, start(), sig, tc.stage, after) < 0 {
					if after *= 2; after > 10*time.Second {
						t.Errorf("%s: not interrupted", when)
						break
					}
				}
				return
			}
			r, w, err := os.Pipe()
			if err == nil {
				_, err = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 1) // a page
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			defer w.Close()
			cmd := start()
			if cmd.Stdout = w; tc.blocked == "stderr" {
				cmd.Stdout, cmd.Stderr = nil, w
			}
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			w.Close()
			one := make([]byte, 1)
			r.Read(one) // it prints, and the pipe is soon full
			time.Sleep(100 * time.Millisecond)
			sent := time.Now()
			cmd.Process.Signal(sig)
			cmd.Wait()
			if took := time.Since(sent); cmd.ProcessState.ExitCode() != exitInterrupted || took > 2*time.Second {
				t.Errorf("%s: %v, %v after the signal", when, cmd.ProcessState, took)
			}
		})
	}
	wg.Wait()
	if _, err := os.Stat(at("synth")); err == nil {
		t.Error("there is half a corpus")
	}
}

// A signal at any moment ends any command, and leaves whole files alone.
func TestInterruptedAnywhere(t *testing.T) {
	slow(t)
	rounds := 1
	if soak {
		rounds = 30
	}
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(heard)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	copyTree(t, at("run"), extracted(), func(string) bool { return true })
	writeFile(t, at("bench.txt"), readFile(t, "../throughput/testdata/old.txt"))
	mustRun(t, "worker", "--model", model, "--files", small(), "--index", filepath.Join(small(), "dataset.csv"), "--shard", "0/1", "--out", at("shards"))
	copyTree(t, at("cache"), cached(), func(string) bool { return true })
	runs := []string{"run", "--corpus", small(), "--model", model, "--resamples", "200"}
	commands := map[string][]string{
		"run":         append(slices.Clone(runs), "--cache", at("new"), "--out", at("1"), "--save-fit", at("1/fit"), "--summary", at("1/s.md")),
		"run, cached": append(slices.Clone(runs), "--cache", at("cache"), "--out", at("2")),
		"extract":     {"extract", "--corpus", small(), "--model", model, "--engine", "tensorflow", "--cache", "none", "--out", at("3")},
		"splits":      {"splits", "--corpus", small(), "--out", at("4")},
		"score":       {"score", "--features", at("run/features"), "--out", at("5"), "--save-fit", at("5/fit")},
		"score --fit": {"score", "--features", at("run/features"), "--fit", at("run/run.fit"), "--out", at("6")},
		"report":      {"report", "--out", at("run")},
		"diff":        {"diff", extracted(), at("run"), "--out", at("7")},
		"throughput":  {"throughput", "--model", model, "--corpus", small(), "--device", "cpu", "--engine", "table", "--batch", "1,8", "--out", at("8")},
		"compare":     {"compare", at("bench.txt")},
		"worker":      {"worker", "--model", model, "--files", small(), "--index", filepath.Join(small(), "dataset.csv"), "--shard", "0/2", "--out", at("shard")},
		"merge":       {"merge", "--corpus", small(), "--model", model, "--out", at("10"), at("shards")},
		"synth":       {"corpus", "synth", "--files", "2000", "--out", at("9")},
		"cache info":  {"cache", "info", "--cache", at("cache")},
		"cache prune": {"cache", "prune", "--cache", at("cache")},
		"doctor":      {"doctor"},
		"completion":  {"completion", "bash"},
	}
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	slots := make(chan struct{}, runtime.NumCPU()+1)
	var slowest atomic.Int64
	var ended atomic.Int32
	sent := 0
	for round := range rounds {
		if over(t) {
			break
		}
		sent += len(commands)
		var wg sync.WaitGroup
		for name, args := range commands {
			// Short commands are as likely to be met as long ones.
			after := time.Duration(math.Exp(math.Log(0.01)+r.Float64()*math.Log(200)) * float64(time.Second))
			sig := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}[r.IntN(3)]
			slots <- struct{}{}
			wg.Go(func() {
				took := interrupt(t, fmt.Sprintf("seed %d, round %d, %s, %v after %v", seed, round, name, sig, after), subprocess(nil, args...), sig, "", after)
				<-slots
				if took >= 0 {
					ended.Add(1)
				}
				for old := slowest.Load(); int64(took) > old && !slowest.CompareAndSwap(old, int64(took)); old = slowest.Load() {
				}
			})
		}
		wg.Wait()
	}
	t.Logf("%d of %d processes were interrupted, the slowest ended after %v", ended.Load(), sent, time.Duration(slowest.Load()))
	if ended.Load() == 0 {
		t.Error("no process was interrupted")
	}

	// What is complete is whole: the same command makes what it would have made.
	succeeds(t, subprocess(nil, "run", "--corpus", small(), "--model", model, "--resamples", "50", "--cache", at("new"), "--out", at("1")))
	if readFile(t, at("1/results.json")) != readFile(t, filepath.Join(extracted(), "results.json")) {
		t.Error("after interruptions a run gives other results")
	}
}

// Output that cannot be written is a failure. No file of a library or of the
// run gets the number of a closed descriptor.
func TestDescriptors(t *testing.T) {
	slow(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	score := []string{"score", "--features", filepath.Join(extracted(), "features"), "--detectors", "msp", "--resamples", "10", "--out"}
	for name, tc := range map[string]struct {
		shell  string
		stdout *os.File
		status int
		last   string
	}{
		"reader gone":    {`exec "$@"`, w, exitDone, ""},
		"full":           {`exec "$@"`, full, exitFailed, "driftbench: printing the results: write /dev/stdout: no space left on device: make room, and give the same command again"},
		"stdout closed":  {`exec "$@" >&-`, nil, exitFailed, "driftbench: printing the results: write /dev/stdout: bad file descriptor"},
		"stderr closed":  {`exec "$@" 2>&-`, nil, exitDone, ""},
		"stdin closed":   {`exec "$@" <&-`, nil, exitDone, ""},
		"all are closed": {`exec "$@" <&- >&- 2>&-`, nil, exitFailed, ""},
	} {
		out := t.TempDir()
		cmd := subprocess([]string{"sh", "-c", tc.shell, "sh"}, slices.Concat(score, []string{out})...)
		if tc.stdout != nil {
			cmd.Stdout = tc.stdout
		}
		e := run(t, cmd)
		if e.status != tc.status || strings.Contains(e.stderr, "broken pipe") || tc.last != "" && e.last() != tc.last {
			t.Errorf("%s: status %d, stderr:\n%s", name, e.status, e.stderr)
		}
		if !strings.HasSuffix(readFile(t, filepath.Join(out, "report", "index.html")), "</html>\n") {
			t.Errorf("%s: the page is not whole", name)
		}
	}
	w.Close()
}

// Where the libraries would abort for want of address space, nothing begins.
func TestAddressSpace(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	for _, kB := range []string{"1000000", "4000000"} {
		e := run(t, subprocess([]string{"sh", "-c", `ulimit -v ` + kB + `; exec "$@"`, "sh"},
			"run", "--corpus", small(), "--model", model, "--cache", "none", "--resamples", "10", "--out", out))
		complains(t, kB+" kB", e, "driftbench: TensorFlow needs 4 GiB of address space and the limit (ulimit -v) is lower: raise it to 4194304 or more.")
	}
	if left := tree(t, filepath.Dir(out)); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
