package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// watched starts a process and waits until its stderr says want, or, where
// that is empty, until it hears interruptions, which is before any library of
// its own has loaded. finish waits for its end.
func watched(t *testing.T, cmd *exec.Cmd, want string) (finish func() ended) {
	t.Helper()
	var stdout bytes.Buffer
	stderr := &lines{want: want, seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	finish = func() ended { return wait(t, cmd, &stdout, &stderr.text) }
	if want != "" {
		select {
		case <-stderr.seen:
		case <-time.After(5 * time.Minute):
			t.Fatalf("stderr does not say %q", want)
		}
		return finish
	}
	for caught := regexp.MustCompile(`State:\s+[^Z](?s:.*)SigCgt:\s+(\w+)`); ; {
		m := caught.FindStringSubmatch(readFile(t, "/proc/"+strconv.Itoa(cmd.Process.Pid)+"/status"))
		if m == nil {
			t.Fatal("the process has ended, or /proc says nothing of its signals")
		}
		if mask, _ := strconv.ParseUint(m[1], 16, 64); mask&(1<<(syscall.SIGINT-1)) != 0 {
			return finish
		}
	}
}

// An interruption ends a run with a word and with status 130, whenever it
// comes after the dynamic linker. A second one does not wait for anything.
func TestSignals(t *testing.T) {
	args := []string{"run", "--corpus", small(), "--model", model, "--cache", "none", "--resamples", "100000", "--out"}
	const running = "the covariance of layer8" // the last that is logged, so that the process's last word is the signal's
	heard := make(chan os.Signal, 1)           // or what this process was made to ignore, as by nohup, its children ignore
	signal.Notify(heard, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(heard)
	for _, tc := range []struct {
		signal syscall.Signal
		at     string
		status int
		last   string
	}{
		{syscall.SIGINT, "", exitInterrupted, "driftbench: interrupted. "},
		{syscall.SIGTERM, "", exitInterrupted, "driftbench: interrupted. "},
		{syscall.SIGHUP, "", exitInterrupted, "driftbench: interrupted. "},
		{syscall.SIGINT, running, exitInterrupted, "driftbench: interrupted. "},
		{syscall.SIGTERM, running, exitInterrupted, "driftbench: interrupted. "},
		{syscall.SIGHUP, running, exitInterrupted, "driftbench: interrupted. "},
		{syscall.SIGQUIT, running, exitFailed, "driftbench: SIGQUIT from outside ended the process. "},
		{syscall.SIGABRT, running, exitFailed, "driftbench: SIGABRT from outside ended the process. "},
		{syscall.SIGSEGV, running, exitFailed, "driftbench: SIGSEGV from outside ended the process. "},
		{syscall.SIGBUS, running, exitFailed, "driftbench: SIGBUS from outside ended the process. "},
		{syscall.SIGSYS, running, exitFailed, "driftbench: SIGSYS from outside ended the process. "},
		{syscall.SIGTRAP, running, exitFailed, "driftbench: SIGTRAP from outside ended the process. "},
		{syscall.SIGSTKFLT, running, exitFailed, "driftbench: SIGSTKFLT from outside ended the process. "},
	} {
		cmd := process(nil, append(args, t.TempDir())...)
		finish := watched(t, cmd, tc.at)
		cmd.Process.Signal(tc.signal)
		if e := finish(); e.status != tc.status || !strings.HasPrefix(e.last(), tc.last) || strings.Contains(e.stderr, "goroutine ") {
			t.Errorf("%v at %q: status %d, stderr:\n%s", tc.signal, tc.at, e.status, e.stderr)
		}
	}

	t.Run("twice", func(t *testing.T) {
		cmd := process(nil, append(args, t.TempDir())...)
		cmd.Env = append(cmd.Env, "SHIM=call:hang", "LD_PRELOAD="+shim(t))
		finish := watched(t, cmd, "fewer than the 64 features") // the model is opened next, which hangs
		ended := make(chan struct{})
		go func() { // two that come together count as one
			for {
				select {
				case <-ended:
					return
				case <-time.After(200 * time.Millisecond):
					cmd.Process.Signal(syscall.SIGINT)
				}
			}
		}()
		e := finish()
		close(ended)
		if e.status != exitInterrupted || e.last() != "driftbench: interrupted twice, and ended at once. What is complete is kept." {
			t.Errorf("status %d, stderr:\n%s", e.status, e.stderr)
		}
	})

	t.Run("ignored", func(t *testing.T) {
		cmd := process([]string{"sh", "-c", `trap "" HUP INT; exec "$@"`, "sh"}, "run", "--corpus", small(), "--model", model,
			"--cache", "none", "--resamples", "10", "--out", t.TempDir())
		finish := watched(t, cmd, running)
		cmd.Process.Signal(syscall.SIGHUP)
		cmd.Process.Signal(syscall.SIGINT)
		if e := finish(); e.status != exitDone {
			t.Errorf("status %d, stderr:\n%s", e.status, e.stderr)
		}
	})
}

func shim(t *testing.T) string { return compiled(t, "shim", "-shared", "-fPIC", "-pthread") }

// A fault in native code, whichever and wherever, ends in one line and not in
// pages or silence, and with a status that no wrong command line has.
func TestNativeFault(t *testing.T) {
	lib := shim(t)
	for _, where := range []string{"load", "call", "thread"} {
		for how, sig := range map[string]string{"abort": "SIGABRT", "segv": "SIGSEGV", "ill": "SIGILL", "fpe": "SIGFPE"} {
			if !soak && (how == "ill" || how == "fpe" && where != "call") {
				continue
			}
			cmd := process(nil, "run", "--corpus", small(), "--model", model, "--cache", "none", "--out", t.TempDir())
			cmd.Env = append(cmd.Env, "SHIM="+where+":"+how, "LD_PRELOAD="+lib)
			complains(t, where+" "+how, run(t, cmd), "driftbench: "+sig+" ended the process, by a fault in TensorFlow, another library or driftbench; ",
				"GOTRACEBACK=all shows where it was.")
		}
	}
	cmd := process(nil, "run", "--corpus", small(), "--model", model, "--cache", "none", "--out", t.TempDir())
	cmd.Env = append(cmd.Env, "SHIM=call:quit", "LD_PRELOAD="+lib)
	complains(t, "Go's end", run(t, cmd), "driftbench: the Go runtime ended the process; what it said of it is above. ")

	cmd = process(nil, "run", "--corpus", small(), "--model", model, "--cache", "none", "--out", t.TempDir())
	cmd.Env = append(cmd.Env, "SHIM=call:segv", "LD_PRELOAD="+lib, "GOTRACEBACK=all")
	if e := run(t, cmd); !strings.Contains(e.stderr, "goroutine ") || strings.Contains(e.stderr, "\ndriftbench: ") {
		t.Errorf("GOTRACEBACK=all: stderr:\n%s", e.stderr)
	}
}

// Where the libraries would abort for want of address space, nothing begins.
func TestAddressSpace(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	limited := func(kB int) ended {
		return run(t, process([]string{"sh", "-c", `ulimit -v ` + strconv.Itoa(kB) + `; exec "$@"`, "sh"},
			"run", "--corpus", small(), "--model", model, "--cache", "none", "--resamples", "10", "--out", out))
	}
	for _, kB := range []int{1_000_000, 2_000_000, 4_000_000} {
		complains(t, strconv.Itoa(kB)+" kB", limited(kB),
			"driftbench: TensorFlow needs 4 GiB of address space and the limit (ulimit -v) is lower: raise it to 4194304 or more.")
	}
	// The dynamic linker has its own line, and status.
	if e := limited(100_000); e.status == exitDone || strings.Count(e.stderr, "\n") != 1 {
		t.Errorf("100 MB: status %d, stderr:\n%s", e.status, e.stderr)
	}
	if left := tree(t, filepath.Dir(out)); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if !soak {
		return
	}
	// Above the bound a small run has enough, or says that it had not.
	for kB := 4_200_000; kB < 6_000_000; kB += 200_000 {
		e := limited(kB)
		if e.status != exitDone && !(e.status == exitFailed && strings.HasPrefix(e.last(), "driftbench: ")) {
			t.Errorf("%d kB: status %d, stderr:\n%s", kB, e.status, e.stderr)
		}
		t.Logf("%d kB: status %d", kB, e.status)
	}
}

// Output that nobody can take is a failure, told where it can be. No file of
// a library or of the run takes the number of a closed descriptor.
func TestDescriptors(t *testing.T) {
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
		"reader gone":    {`exec "$@"`, w, exitFailed, "driftbench: printing the results: write /dev/stdout: broken pipe"},
		"full":           {`exec "$@"`, full, exitFailed, "driftbench: printing the results: write /dev/stdout: no space left on device: make room, and give the same command again"},
		"stdout closed":  {`exec "$@" >&-`, nil, exitFailed, "driftbench: printing the results: write /dev/stdout: bad file descriptor"},
		"stderr closed":  {`exec "$@" 2>&-`, nil, exitDone, ""},
		"stdin closed":   {`exec "$@" <&-`, nil, exitDone, ""},
		"all are closed": {`exec "$@" <&- >&- 2>&-`, nil, exitFailed, ""},
	} {
		out := t.TempDir()
		cmd := process([]string{"sh", "-c", tc.shell, "sh"}, slices.Concat(score, []string{out})...)
		if tc.stdout != nil {
			cmd.Stdout = tc.stdout
		}
		e := run(t, cmd)
		if e.status != tc.status || tc.last != "" && e.last() != tc.last {
			t.Errorf("%s: status %d, stderr:\n%s", name, e.status, e.stderr)
		}
		if !strings.HasSuffix(readFile(t, filepath.Join(out, "report", "index.html")), "</html>\n") {
			t.Errorf("%s: the page is not whole", name)
		}
	}
	w.Close()
}
