package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// checkGolden compares got with a file of testdata.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s; got:\n%s", path, got)
	}
}

func TestTableGolden(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, inventedRun()); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "table.txt", b.Bytes())
}

func TestTableFits(t *testing.T) {
	r := inventedRun()
	for i := range r.Detectors {
		r.Detectors[i].Name = strings.Repeat("検出器/very-long-layer-name-", 4) + r.Detectors[i].Name + "\x1b[31m\n"
	}
	for i := range r.Splits {
		r.Splits[i].Name += strings.Repeat("-long", 9)
	}
	for i := range r.Detectors {
		for j := range r.Detectors[i].Splits {
			r.Detectors[i].Splits[j].Split = r.Splits[j+2].Name
		}
	}
	var b bytes.Buffer
	if err := Table(&b, r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("a name reached the terminal with its escape sequence")
	}
	for line := range strings.Lines(b.String()) {
		if w := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); w > terminalWidth {
			t.Errorf("%d columns: %s", w, line)
		}
	}
}
