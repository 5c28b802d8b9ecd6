package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is the program under test in a process that a test starts.
func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_TEST") {
	case "":
		os.Exit(m.Run())
	case "start":
		fmt.Println("started")
	case "descriptors": // the status has a bit for each that is open but can be used
		one, status := make([]byte, 1), 0
		for fd, use := range []func(int, []byte) (int, error){syscall.Read, syscall.Write, syscall.Write} {
			if _, err := use(fd, one); !errors.Is(err, syscall.EBADF) {
				status |= 1 << fd
			}
		}
		if f, err := os.Open("/dev/null"); err != nil || f.Fd() < 3 {
			status |= 8
		}
		os.Exit(status)
	case "interruptible":
		ctx := Interruptible(func(twice bool) {
			if twice {
				os.Exit(7)
			}
			os.Exit(8)
		})
		fmt.Println("waiting")
		<-ctx.Done()
		fmt.Println("cancelled")
		time.Sleep(time.Minute)
	}
	os.Exit(0)
}

// child is this program in a process of its own, started by a line of shell
// in which "$0" is the program.
func child(t *testing.T, mode, shell string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", shell, self)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TF_CPP_MIN_LOG_LEVEL=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, "PROCESS_TEST="+mode), env...)
	return cmd
}

// Libraries read the log level that the user set, or 3.
func TestLogLevel(t *testing.T) {
	const source = `#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void load(void) {
	FILE *f = fopen(getenv("LEVEL_FILE"), "w");
	char *level = getenv("TF_CPP_MIN_LOG_LEVEL"), *none = getenv("TF_CPP_MIN_LOG");
	fprintf(f, "%s %s", level ? level : "none", none ? none : "none");
	fclose(f);
}`
	dir := t.TempDir()
	library, file := filepath.Join(dir, "library.so"), filepath.Join(dir, "level")
	cc := exec.Command("cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-")
	cc.Stdin = strings.NewReader(source)
	if b, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	for _, tc := range []struct{ set, read string }{
		{"", "3 none"},
		{"TF_CPP_MIN_LOG_LEVEL=3", "3 none"},
		{"TF_CPP_MIN_LOG_LEVEL=0", "0 none"},
	} {
		out, err := child(t, "start", `LD_PRELOAD=`+library+` exec "$0"`, "LEVEL_FILE="+file, tc.set).Output()
		read, _ := os.ReadFile(file)
		if err != nil || string(out) != "started\n" || string(read) != tc.read {
			t.Errorf("%q: %v, stdout %q, the library reads %q", tc.set, err, out, read)
		}
	}
}

func TestAddressSpace(t *testing.T) {
	const message = "driftbench: TensorFlow needs 4 GiB of address space and the limit (ulimit -v) is lower: raise it to 4194304 or more.\n"
	for kB, refused := range map[int]bool{1_000_000: true, 4 << 20: false, 4<<20 - 4: true} {
		b, err := child(t, "start", fmt.Sprintf(`ulimit -v %d; exec "$0"`, kB)).CombinedOutput()
		if ended, ok := errors.AsType[*exec.ExitError](err); refused && (!ok || ended.ExitCode() != 1 || string(b) != message) {
			t.Errorf("%d kB: %v, %q", kB, err, b)
		}
		if !refused && strings.Contains(string(b), message) { // the race detector alone needs more than 4 GiB
			t.Errorf("%d kB is refused", kB)
		}
	}
}

// No file gets the number of a closed descriptor, which stays unusable.
func TestDescriptors(t *testing.T) {
	if err := child(t, "descriptors", `exec "$0" <&- >&- 2>&-`).Run(); err != nil {
		t.Error(err)
	}
}

func TestInterruptible(t *testing.T) {
	heard := make(chan os.Signal, 1) // or children ignore what this process was made to ignore, as by nohup
	signal.Notify(heard, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(heard)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		cmd := child(t, "interruptible", `exec "$0"`)
		stdout := started(t, cmd)
		for _, want := range []string{"waiting\n", "cancelled\n"} {
			if line, err := stdout.ReadString('\n'); line != want {
				t.Fatalf("%v: stdout has %q, %v, want %q", sig, line, err, want)
			}
			cmd.Process.Signal(sig)
		}
		cmd.Wait()
		if cmd.ProcessState.ExitCode() != 7 {
			t.Errorf("%v: %v", sig, cmd.ProcessState)
		}
	}

	// One signal is enough where nothing hears of the context.
	cmd := child(t, "interruptible", `exec "$0"`)
	stdout := started(t, cmd)
	if line, err := stdout.ReadString('\n'); line != "waiting\n" {
		t.Fatalf("%q, %v", line, err)
	}
	sent := time.Now()
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if took := time.Since(sent); cmd.ProcessState.ExitCode() != 8 || took < Grace || took > Grace+time.Second {
		t.Errorf("one signal: %v after %v", cmd.ProcessState, took)
	}

	cmd = child(t, "interruptible", `trap "" HUP; exec "$0"`)
	stdout = started(t, cmd)
	if line, err := stdout.ReadString('\n'); line != "waiting\n" {
		t.Fatalf("%q, %v", line, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	m := regexp.MustCompile(`SigIgn:\s+(\w+)`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("%v: %s", err, status)
	}
	ignored, _ := strconv.ParseUint(string(m[1]), 16, 64)
	if ignored&(1<<(syscall.SIGHUP-1)) == 0 || ignored&(1<<(syscall.SIGTERM-1)) != 0 {
		t.Errorf("mask %x is ignored, want SIGHUP in it and SIGTERM not", ignored)
	}
}

// started starts a process, which ends with the test, and returns its stdout.
func started(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	var r io.Reader
	r, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return bufio.NewReader(r)
}
