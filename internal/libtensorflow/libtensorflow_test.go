package libtensorflow

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	tf "github.com/wamuir/graft/tensorflow"
)

// TestMain is the program under test in a process that a test starts.
func TestMain(m *testing.M) {
	switch os.Getenv("LIBTENSORFLOW_TEST") {
	case "":
		os.Exit(m.Run())
	case "unloaded":
		tf.Version()
	case "load":
		if err := Load(); err != nil {
			os.Stdout.WriteString(err.Error())
		}
	}
	os.Exit(0)
}

// child is this program in a process of its own.
func child(mode string, env ...string) (stdout, stderr string) {
	var out, log strings.Builder
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), "LIBTENSORFLOW_TEST="+mode), env...)
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.Run()
	return out.String(), log.String()
}

// TensorFlow is no part of the program before it is loaded, and works then.
func TestLoad(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || slices.ContainsFunc(libraries, func(l string) bool { return strings.Contains(l, "tensorflow") }) {
		t.Errorf("the program is linked with %v, %v", libraries, err)
	}
	if _, stderr := child("unloaded"); !strings.Contains(stderr, "TensorFlow was called before it was loaded") {
		t.Errorf("a call before Load ends with %q", stderr)
	}
	if err := Load(); err != nil {
		t.Fatal(err)
	}
	if v := tf.Version(); !regexp.MustCompile(`^\d+\.\d+\.\d+`).MatchString(v) {
		t.Errorf("version %q", v)
	}
}

// A library that cannot be used is an error that says why. What its constructors
// write to stderr is seen only with a log level below 3.
func TestLoadFails(t *testing.T) {
	dir := t.TempDir()
	library := filepath.Join(dir, "libtensorflow_cc.so.2")
	cc := exec.Command("cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-")
	cc.Stdin = strings.NewReader(`#include <stdio.h>
__attribute__((constructor)) static void load(void) { fprintf(stderr, "at load"); }
void TF_AddControlInput(void) {}
`)
	if b, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	for level, want := range map[string]string{"3": "", "0": "at load"} {
		stdout, stderr := child("load", "LD_LIBRARY_PATH="+dir, "TF_CPP_MIN_LOG_LEVEL="+level)
		if stderr != want || !regexp.MustCompile(`^loading TensorFlow: its library has no function TFE?_\w+: build again`).MatchString(stdout) {
			t.Errorf("level %s: error %q, stderr %q", level, stdout, stderr)
		}
	}

	for _, name := range []string{"libtensorflow_cc.so.2", "libtensorflow.so.2", "libtensorflow.so"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if stdout, _ := child("load", "LD_LIBRARY_PATH="+dir); !strings.Contains(stdout, library+": file too short") {
		t.Errorf("a damaged library: %q", stdout)
	}
}
