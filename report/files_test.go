package report

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"gonum.org/v1/plot/vg"
)

func TestWriteResultsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	want := inventedRun()
	want.Detectors[0].Threshold = Num(math.Inf(-1)) // null in JSON
	if err := WriteResults(path, want); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadResults(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Detectors[0].Threshold.OK() {
		t.Errorf("an infinite threshold came back as %v", got.Detectors[0].Threshold)
	}
	if err := WriteResults(path, got); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("reading and writing again changed results.json")
	}
	if !reflect.DeepEqual(got.Classifier.Rejection, want.Classifier.Rejection) {
		t.Error("the rejection curves did not survive")
	}
}

func TestReadResultsNamesVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	if err := os.WriteFile(path, []byte(`{"schema_version": 99}`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := ReadResults(path)
	if err == nil || !strings.Contains(err.Error(), "99") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error with the path and the version", err)
	}
}

func TestReadResultsRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "results.json")
	if _, err := ReadResults(path); err == nil || !strings.Contains(err.Error(), "there is no "+path+": run `driftbench run`") {
		t.Errorf("where there is none: %v", err)
	}
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadResults(path); err == nil || !strings.Contains(err.Error(), "is a named pipe") {
		t.Errorf("a named pipe: %v", err)
	}
}

// Write gives every picture as SVG and as PNG of 300 dots per inch.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, inventedInput()); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections(inventedInput()) {
		for _, f := range s.figures {
			b, err := os.ReadFile(filepath.Join(dir, "report", f.name+".png"))
			if err != nil {
				t.Fatal(err)
			}
			config, err := png.DecodeConfig(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if want := int(wideWidth / vg.Inch * 300); config.Width != want {
				t.Errorf("%s.png is %d pixels wide, want %d", f.name, config.Width, want)
			}
			// 300 dots an inch are 11811 a metre.
			if !bytes.Contains(b[:64], []byte("pHYs\x00\x00\x2e\x23\x00\x00\x2e\x23\x01")) {
				t.Errorf("%s.png does not say its resolution", f.name)
			}
			if _, err := os.Stat(filepath.Join(dir, "report", f.name+".svg")); err != nil {
				t.Error(err)
			}
		}
	}
}

// Drawing twice gives the same bytes, and a picture that can no longer be
// drawn does not stay from the run before.
func TestDrawingIsDeterministicAndTidy(t *testing.T) {
	dir := t.TempDir()
	in := inventedInput()
	draw := func() {
		t.Helper()
		if err := runPage(in).write(dir, "index.html", 30); err != nil {
			t.Fatal(err)
		}
	}
	read := func() map[string][]byte {
		out := map[string][]byte{}
		paths, err := filepath.Glob(filepath.Join(dir, "report", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.Base(p)] = b
		}
		return out
	}
	draw()
	first := read()
	mine := filepath.Join(dir, "report", "mine.txt")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	draw()
	second := read()
	delete(second, "mine.txt")
	for name := range second {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("the same input gave another %s", name)
		}
	}
	for _, name := range []string{"index.html", "auroc-drift-by-split.png", "auroc-drift-by-split.svg", "throughput-by-batch.png", "throughput.csv"} {
		if len(first[name]) == 0 {
			t.Errorf("%s is missing or empty", name)
		}
	}
	in.Throughput = nil
	draw()
	third := read()
	for _, name := range []string{"throughput-by-batch.png", "throughput-by-batch.svg", "throughput.csv"} {
		if _, stale := third[name]; stale {
			t.Errorf("%s stayed from the run before", name)
		}
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error("a file that is not the report's was removed")
	}
}
