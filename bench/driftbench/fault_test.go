package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// soak asks for the long form of the tests that can take any time.
var soak = os.Getenv("DRIFTBENCH_SOAK") != ""

// compiled is a C file of testdata, compiled.
func compiled(t *testing.T, source string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), source)
	args := append([]string{"-O1", "-o", path, filepath.Join("testdata", source+".c")}, flags...)
	if b, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("cc %v: %v\n%s", args, err, b)
	}
	return path
}

// findInjector is testdata/fault.c, or why it cannot work here.
func findInjector(t *testing.T) (string, error) {
	t.Helper()
	path, dir := compiled(t, "fault"), t.TempDir()
	count := filepath.Join(t.TempDir(), "count")
	// One call has its path in memory, the other in a descriptor.
	b, err := exec.Command(path, "full", "0", dir, count, "sh", "-c", `echo >"$0"`, filepath.Join(dir, "x")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("faults cannot be injected here, for want of seccomp user notification (Linux 5.19) or of the right to read "+
			"another process's memory (kernel.yama.ptrace_scope): %v: %s", err, bytes.TrimSpace(b))
	}
	if n := readFile(t, count); n != "2\n" {
		t.Fatalf("the injector counts %q calls of two", n)
	}
	return path, nil
}

// injector skips a test that can do nothing without findInjector's.
func injector(t *testing.T) string {
	t.Helper()
	path, err := findInjector(t)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// An injector that cannot work says so and ends, such as one in another, as a
// process has one listener.
func TestInjectorFails(t *testing.T) {
	path, count := injector(t), filepath.Join(t.TempDir(), "count")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := exec.CommandContext(ctx, path, "eio", "0", "/", count, path, "eio", "0", "/", count, "true").CombinedOutput()
	if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() != 125 || string(b) != "fault: installing the filter: Device or resource busy\n" {
		t.Errorf("%v: %s", err, b)
	}
}

// process is a command line of driftbench in a process of its own, which is
// this binary: see TestMain. before runs it, such as sh.
func process(before []string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	line := slices.Concat(before, []string{self}, args)
	cmd := exec.Command(line[0], line[1:]...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GOTRACEBACK=") && !strings.HasPrefix(v, "TF_CPP_MIN_LOG_LEVEL=") {
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

var (
	clock   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	seconds = regexp.MustCompile(`files in [\d.]+ s`)
	inPage  = regexp.MustCompile(`data:text/csv[^,"]*;base64,([^"]+)`)
)

// contents are the files below a folder without the times in them.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range tree(t, dir) {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		rel, _ := filepath.Rel(dir, path)
		text := readFile(t, path)
		switch filepath.Ext(path) {
		case ".html":
			text = inPage.ReplaceAllStringFunc(text, func(url string) string {
				b, err := base64.StdEncoding.DecodeString(html.UnescapeString(inPage.FindStringSubmatch(url)[1]))
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				return string(b)
			})
		case ".json":
			if filepath.Base(path) == "manifest.json" {
				var m manifest
				if err := json.Unmarshal([]byte(text), &m); err != nil {
					t.Errorf("%s: %v", path, err)
				}
				for m := &m; m != nil; m = m.Extracted {
					m.Seconds = 0
				}
				b, _ := json.Marshal(m)
				text = string(b)
			}
		}
		all[rel] = seconds.ReplaceAllString(clock.ReplaceAllString(text, "TIME"), "files in SECONDS")
	}
	return all
}

// same fails for files that are neither as in want nor temporary; where the
// folder has to be complete, also for files that are missing, and temporary ones.
func same(t *testing.T, when string, got, want map[string]string, complete bool) {
	t.Helper()
	for name, text := range got {
		temporary := regexp.MustCompile(`(^|/)\.(writable$|.+\d{5,}$)`).MatchString(name)
		if w, ok := want[name]; ok && text != w {
			t.Errorf("%s: %s differs from that of an undisturbed run", when, name)
		} else if !ok && (complete || !temporary) {
			t.Errorf("%s: left %s", when, name)
		}
	}
	for name := range want {
		if _, ok := got[name]; complete && !ok {
			t.Errorf("%s: there is no %s", when, name)
		}
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

// lines waits for a line of stderr, keeping what came before.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	want string
	seen chan struct{} // closed when want is there
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := strings.Contains(l.text.String(), l.want)
	l.text.Write(b)
	if !before && strings.Contains(l.text.String(), l.want) {
		close(l.seen)
	}
	return len(b), nil
}
