package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// slow skips a test that takes seconds where the tests are to be quick.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow")
	}
}

// subprocess is a command line of driftbench in a process of its own, which is
// this binary: see TestMain. The command in before runs it, such as sh.
func subprocess(before []string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
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

// An interruption ends a run with a message and status 130.
func TestInterrupted(t *testing.T) {
	slow(t)
	const running = "the covariance of layer8" // the last that is logged
	heard := make(chan os.Signal, 1)           // or children ignore what this process was made to ignore, as by nohup
	signal.Notify(heard, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(heard)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		cmd := subprocess(nil, "run", "--corpus", small(), "--model", model, "--cache", "none", "--resamples", "100000", "--out", t.TempDir())
		stderr, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		last, signaled := "", false
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			last = lines.Text()
			if strings.Contains(last, running) && !signaled {
				signaled = true
				cmd.Process.Signal(sig)
			}
		}
		if e := wait(t, cmd, new(bytes.Buffer), new(bytes.Buffer)); !signaled || e.status != exitInterrupted || !strings.HasPrefix(last, "driftbench: interrupted. ") {
			t.Errorf("%v: signaled %v, status %d, stderr ends in %q", sig, signaled, e.status, last)
		}
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
