package throughput

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"driftbench/internal/regular"
)

var update = flag.Bool("update", false, "write the golden files")

func TestCompareGolden(t *testing.T) {
	for name, tt := range map[string]struct {
		paths []string
		col   string
	}{
		"device":    {[]string{"old.txt"}, "/device"},
		"engine":    {[]string{"old.txt"}, "/engine"},
		"gpu-first": {[]string{"old.txt"}, "/device@(gpu cpu)"},
		"many":      {[]string{"old.txt"}, "/batch,/device"},
		"files":     {[]string{"old=testdata/old.txt", "new=testdata/new.txt"}, ".file"},
		"one":       {[]string{"new.txt"}, ".file"},
		"few":       {[]string{"few.txt"}, "/device"}, // three repetitions: no interval
		"default":   {[]string{"old.txt"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for i, p := range tt.paths {
				if !strings.Contains(p, "=") {
					tt.paths[i] = "testdata/" + p
				}
			}
			var out, warnings bytes.Buffer
			if err := Compare(&out, &warnings, tt.paths, tt.col); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(line) - 1; n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			got := out.String() + "-- warnings --\n" + warnings.String()
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// What explains the speeds, or is measured once, is not compared.
func TestCompareLeavesOutWhatExplains(t *testing.T) {
	var out, warnings bytes.Buffer
	if err := Compare(&out, &warnings, []string{"testdata/two-devices.txt"}, "/device"); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"busy", "feed", "-use", "gpu-bytes", "first-result", "max-difference", "not-read"} {
		if strings.Contains(out.String()+warnings.String(), unit) {
			t.Errorf("%q is in\n%s%s", unit, out.String(), warnings.String())
		}
	}
	if !strings.Contains(out.String(), "29.6 times (p<0.001 n=8)") {
		t.Errorf("no factor in\n%s", out.String())
	}
}

func TestCompareErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ path, col, want string }{
		{"testdata/old.txt", "/devcie", `no benchmark has the key "/devcie"`},
		{"testdata/old.txt", "/device@(tpu)", "no benchmark has the key"},
		{"testdata/old.txt", "a b@(", "column key"},
		{filepath.Join(dir, "none.txt"), ".file", "none.txt"},
		{file("prose.txt", "no numbers here\n"), ".file", "no benchmark results"},
		{file("empty.txt", ""), ".file", "no benchmark results"},
	} {
		var out bytes.Buffer
		err := Compare(&out, &out, []string{tt.path}, tt.col)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s by %s: got %v, want %q", tt.path, tt.col, err, tt.want)
		}
		if out.Len() > 0 {
			t.Errorf("%s by %s: printed %q beside the error", tt.path, tt.col, out.String())
		}
	}
}

func TestDefaultColumn(t *testing.T) {
	for want, lines := range map[string][]string{
		"/device":    {"X/engine=a/device=cpu/batch=1", "X/engine=b/device=gpu/batch=1"},
		"/engine":    {"X/engine=a/device=cpu/batch=1", "X/engine=b/device=cpu/batch=8"},
		"/precision": {"X/engine=a/precision=float32", "X/engine=a/precision=tf32"},
		"/batch":     {"X/engine=a/batch=1", "X/engine=a/batch=8"},
		".file":      {"X", "Y/size=3"},
	} {
		path := filepath.Join(t.TempDir(), "bench.txt")
		var b strings.Builder
		for _, line := range lines {
			b.WriteString("Benchmark" + line + " 1 5 ns/op\n")
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := defaultColumn(inputs([]string{path})); err != nil || got != want {
			t.Errorf("%v: column %q, %v, want %q", lines, got, err, want)
		}
		if got, err := defaultColumn(inputs([]string{path, path})); err != nil || got != ".file" {
			t.Errorf("two files: column %q, %v, want .file", got, err)
		}
	}
}

// An argument with "=" is a label and a path, unless it is a path.
func TestInputs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a=b.txt", "b.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("BenchmarkX 1 5 ns/op\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for arg, want := range map[string]input{
		"a=b.txt":     {"a=b.txt", "a=b.txt"},
		"c=b.txt":     {"c", "b.txt"},
		"c=a=b.txt":   {"c", "a=b.txt"},
		"b.txt":       {"b.txt", "b.txt"},
		"=b.txt":      {"=b.txt", "=b.txt"},
		"c=other.txt": {"c", "other.txt"},
	} {
		if got := inputs([]string{arg})[0]; got != want {
			t.Errorf("%s: %+v, want %+v", arg, got, want)
		}
	}
	if got := inputs([]string{"b.txt", "x=b.txt", "b.txt"}); got[0].label != "b.txt#0" || got[1].label != "x" || got[2].label != "b.txt#1" {
		t.Errorf("one file twice: %+v", got)
	}
	if err := Compare(new(bytes.Buffer), new(bytes.Buffer), []string{"a=b.txt", "b.txt"}, ""); err != nil {
		t.Error(err)
	}
}

// A file without results is an error that names it, beside a file with results too.
func TestFileWithoutResultsIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte("PASS\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][]string{{"testdata/old.txt", path}, {path, "testdata/old.txt"}, {path}} {
		var out bytes.Buffer
		if err := Compare(&out, &out, paths, ""); err == nil || !strings.Contains(err.Error(), path+" holds no benchmark results") || out.Len() > 0 {
			t.Errorf("%v: error %v, printed %q", paths, err, out.String())
		}
	}
}

func TestPipeIsRefusedWithoutWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	err := eachOf(inputs([]string{path}), nil, nil)
	if _, ok := errors.AsType[*regular.NotRegularError](err); !ok {
		t.Errorf("error %v, want that the file is a named pipe", err)
	}
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 3.4259: "3.43", 9.999: "10.0", 28.04: "28.0", 99.96: "100", 1375.4: "1,375", 1234567: "1,234,567", -1234: "-1,234",
		0.052345: "0.052", 0.94321: "0.94", 0.0023456: "0.0023", 3.2e-7: "3.2e-07",
	} {
		if got := number(x); got != want {
			t.Errorf("number(%v) is %s, want %s", x, got, want)
		}
	}
}

func TestMalformedLinesAreToldWithTheirPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.txt")
	if err := os.WriteFile(path, []byte("BenchmarkX/engine=a 1 5 ns/op\nBenchmarkX/engine=a one 5 ns/op\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, warnings bytes.Buffer
	if err := Compare(&out, &warnings, []string{path}, "/engine"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(warnings.String(), "bench.txt:2:") {
		t.Errorf("warnings are %q, want the place of the malformed line", warnings.String())
	}
	if _, err := Summaries(path); err == nil || !strings.Contains(err.Error(), "bench.txt:2:") {
		t.Errorf("summaries of a malformed file: %v, want an error with the place", err)
	}
}

func TestLineWithoutEndIsToldInPlainWords(t *testing.T) {
	const result = "BenchmarkX/engine=a 1 5 ns/op\n"
	fits := strings.Repeat("#", 1<<16-1)
	for text, want := range map[string]string{
		result + fits + "\n":        "",
		result + fits + "#\n":       "bench.txt:2: the line is longer than 65535 bytes",
		strings.Repeat("\x00", 1e6): "bench.txt:1: the line is longer than 65535 bytes",
	} {
		path := filepath.Join(t.TempDir(), "bench.txt")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, summing := Summaries(path)
		comparing := Compare(new(bytes.Buffer), new(bytes.Buffer), []string{path}, "/engine")
		for _, err := range []error{summing, comparing} {
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%d bytes: error %v, want %q", len(text), err, want)
			}
		}
	}
}

// A benchmark file in UTF-16 compares as the same in UTF-8.
func TestCompareUTF16(t *testing.T) {
	text := strings.Repeat("BenchmarkA/engine=x 1 5 ns/op\nBenchmarkA/engine=y 1 7 ns/op\n", 6)
	var wide []byte
	for _, c := range []byte("\xff" + text) { // the byte order mark is FF FE
		wide = append(wide, c, 0)
	}
	wide[1] = 0xfe
	var tables [2]bytes.Buffer
	for i, b := range [][]byte{[]byte(text), wide} {
		path := filepath.Join(t.TempDir(), "b.txt")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Compare(&tables[i], io.Discard, []string{"label=" + path}, "/engine"); err != nil {
			t.Fatal(err)
		}
	}
	if tables[0].Len() == 0 || tables[0].String() != tables[1].String() {
		t.Errorf("UTF-8:\n%s\nUTF-16:\n%s", &tables[0], &tables[1])
	}
}
