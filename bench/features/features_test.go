package features

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sbinet/npyio"

	"driftbench/internal/origin"
)

func sample() Split {
	return Split{
		Name: "2017-val",
		Rows: []Row{
			{"trojan/a.exe", "trojan", "2017-03-04", "v1, \"win\"", strings.Repeat("0a", 32), 12, "PE", 1<<32 - 1, "no"},
			{"new\nline, \"quote\".exe", "worm", "2017-04", "", strings.Repeat("0b", 32), 1 << 40, "", 0, ""},
		},
		Layers: []Layer{
			{Name: "layer7", Width: 3, Data: []float32{1, -2, 3.5, 0, float32(math.Inf(1)), math.MaxFloat32}},
			{Name: "logits", Width: 1, Data: []float32{0.25, -1}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := sample()
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir, want.Name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	names, err := List(dir)
	if err != nil || !slices.Equal(names, []string{"2017-val"}) {
		t.Errorf("List = %v, %v", names, err)
	}
}

// formulas are strings that a spreadsheet computes, and some that it does not.
var formulas = []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''-1", "'x", "'", "a=1", `=HYPERLINK("http://x","y")`}

// No cell of a table is a formula, and what is read is what was written.
func TestTableGuardsFormulas(t *testing.T) {
	dir := t.TempDir()
	want := Split{Name: "2019"}
	for _, s := range formulas {
		want.Rows = append(want.Rows, Row{Name: s, Label: s, FirstSeen: "2019-01", Group: s, SHA256: "0a", Size: 7})
	}
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "2019.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil || len(records) != 1+len(formulas) {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for _, record := range records {
		for _, field := range record {
			if field != "" && strings.ContainsAny(field[:1], "=+-@\t\r\n") || strings.HasPrefix(field, "＝") {
				t.Errorf("the cell %q is a formula", field)
			}
		}
	}
	got, err := Read(dir, "2019")
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

// Layers that stay on disk give the rows of those in memory, picked or not, and are
// errors once the file is another.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	whole := Split{Name: "2017-val", Layers: []Layer{{Name: "layer7", Width: 3}}}
	for i := range 50_000 { // more than one buffer
		whole.Rows = append(whole.Rows, Row{Name: strconv.Itoa(i), FirstSeen: "2017-01"})
		whole.Layers[0].Data = append(whole.Layers[0].Data, float32(i), float32(-i), 0.5)
	}
	if err := Write(dir, whole); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, "2017-val")
	if err != nil {
		t.Fatal(err)
	}
	if s.Layers[0].Data != nil || len(s.Rows) != len(whole.Rows) {
		t.Fatalf("%d rows, and %d values in memory", len(s.Rows), len(s.Layers[0].Data))
	}
	odd := []int{0, 1, 5, 7, 8, 9, 30_000, 49_999}
	for _, l := range []Layer{s.Layers[0], whole.Layers[0]} {
		got := make([]float32, 3*50_000)
		if err := l.ReadRows(got, 0, 50_000); err != nil || !slices.Equal(got, whole.Layers[0].Data) {
			t.Errorf("all rows differ (%v)", err)
		}
		picked := l.Pick(odd)
		got = got[:3*6]
		if err := picked.ReadRows(got, 1, 7); err != nil {
			t.Fatal(err)
		}
		for i, row := range odd[1:7] {
			if !slices.Equal(got[3*i:3*i+3], whole.Layers[0].Data[3*row:3*row+3]) {
				t.Errorf("row %d of those picked is %v", i+1, got[3*i:3*i+3])
			}
		}
	}
	if err := Write(dir, whole); err != nil { // another file of the same bytes
		t.Fatal(err)
	}
	if err := s.Layers[0].ReadRows(make([]float32, 3), 0, 1); err == nil || !strings.Contains(err.Error(), "2017-val.layer7.npy was changed") {
		t.Errorf("error %v, want that the file was changed", err)
	}
}

// Rows that come some at a time make the files that Write makes, and none of them is
// there before the end.
func TestWriter(t *testing.T) {
	want := Split{Name: "x", Source: Source{Origin: origin.Origin{ModelSHA256: "m"}}}
	want.Layers = []Layer{{Name: "layer7", Width: 3}, {Name: "logits", Width: 1}}
	const rows = 30_000 // more values than a buffer holds
	for row := range rows {
		want.Rows = append(want.Rows, Row{Name: fmt.Sprint(row), SHA256: "0a"})
		want.Layers[0].Data = append(want.Layers[0].Data, float32(row), float32(row+1), float32(row+2))
		want.Layers[1].Data = append(want.Layers[1].Data, float32(-row))
	}
	one := t.TempDir()
	if err := Write(one, want); err != nil {
		t.Fatal(err)
	}
	for _, pieces := range [][]int{{0, rows}, {0, 1, 1, 7, rows}, {0, 29_000, 29_999, rows}} {
		other := t.TempDir()
		w, err := NewWriter(other, want, rows)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Discard()
		for i, end := range pieces[1:] {
			first := pieces[i]
			piece := Split{Rows: want.Rows[first:end]}
			for _, l := range want.Layers {
				piece.Layers = append(piece.Layers, Layer{Data: l.Data[first*l.Width : end*l.Width]})
			}
			if err := w.Append(piece); err != nil {
				t.Fatal(err)
			}
		}
		if entries, _ := filepath.Glob(filepath.Join(other, "x.*")); len(entries) > 0 {
			t.Errorf("before the end there are %v", entries)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"x.csv", "x.json", "x.layer7.npy", "x.logits.npy"} {
			a, _ := os.ReadFile(filepath.Join(one, name))
			b, err := os.ReadFile(filepath.Join(other, name))
			if err != nil || !bytes.Equal(a, b) {
				t.Errorf("in pieces %v: %s has %d bytes that are not the %d of Write (%v)", pieces, name, len(b), len(a), err)
			}
		}
	}
	w, err := NewWriter(one, want, rows)
	if err != nil {
		t.Fatal(err)
	}
	w.Discard()
	if entries, _ := os.ReadDir(one); len(entries) != 4 {
		t.Errorf("a writer that was discarded leaves %v", entries)
	}
	if s, err := Read(one, "x"); err != nil || len(s.Rows) != rows {
		t.Errorf("the split of before has %d rows, %v", len(s.Rows), err)
	}
}

// Tables of earlier versions have fewer columns, and those of later ones may
// have more.
func TestReadOtherColumns(t *testing.T) {
	dir := t.TempDir()
	want := Row{Name: "a", Label: "worm", FirstSeen: "2017-01", SHA256: "0a", Size: 7}
	for table, group := range map[string]string{
		"name,label,first_seen,sha256,size\na,worm,2017-01,0a,7\n":               "",
		"size,name,new,label,group,first_seen,sha256\n7,a,x,worm,g,2017-01,0a\n": "g",
	} {
		if err := os.WriteFile(filepath.Join(dir, "2017-val.csv"), []byte(table), 0o666); err != nil {
			t.Fatal(err)
		}
		want.Group = group
		if got, err := Read(dir, "2017-val"); err != nil || len(got.Rows) != 1 || got.Rows[0] != want {
			t.Errorf("%q: %+v, %v, want %+v", table, got.Rows, err, want)
		}
	}
}

// An independent reader of the format must see the same array.
func TestNPYIsReadByOthers(t *testing.T) {
	dir := t.TempDir()
	s := sample()
	if err := Write(dir, s); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "2017-val.layer7.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := npyio.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Descr.Shape; !slices.Equal(got, []int{2, 3}) {
		t.Errorf("shape %v, want [2 3]", got)
	}
	var data []float32
	if err := r.Read(&data); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(data, s.Layers[0].Data) {
		t.Errorf("values %v, want %v", data, s.Layers[0].Data)
	}
}

func TestReadRefuses(t *testing.T) {
	damage := func(file string, change func([]byte) []byte) func(string) {
		return func(dir string) {
			path := filepath.Join(dir, file)
			b, _ := os.ReadFile(path)
			os.WriteFile(path, change(b), 0o666)
		}
	}
	npy, table := "2017-val.layer7.npy", "2017-val.csv"
	for name, tc := range map[string]struct {
		damage func(string)
		want   string
	}{
		"truncated":  {damage(npy, func(b []byte) []byte { return b[:len(b)-3] }), "damaged"},
		"grown":      {damage(npy, func(b []byte) []byte { return append(b, 0, 0, 0, 0) }), "damaged"},
		"not npy":    {damage(npy, func([]byte) []byte { return []byte("PK\x03\x04") }), "not a .npy"},
		"cut header": {damage(npy, func(b []byte) []byte { return b[:20] }), "cut short"},
		"float64":    {damage(npy, func(b []byte) []byte { return bytes.Replace(b, []byte("<f4"), []byte("<f8"), 1) }), "float32"},
		"huge shape": {damage(npy, func(b []byte) []byte {
			return bytes.Replace(b, []byte("(2, 3), }   "), []byte("(99999, 3), }"[:12]), 1)
		}), ""},
		"wrong columns": {damage(table, func(b []byte) []byte { return bytes.Replace(b, []byte("name"), []byte("file"), 1) }), ":1: want the columns"},
		"negative size": {damage(table, func(b []byte) []byte { return bytes.Replace(b, []byte(",12,"), []byte(",-12,"), 1) }), ":2: size"},
		"layer that cannot be printed": {func(dir string) {
			os.WriteFile(filepath.Join(dir, "2017-val.\x1b[2J\n.npy"), nil, 0o666)
		}, `"2017-val.\x1b[2J\n.npy" cannot name a layer`},
		"table of one line": {func(dir string) {
			path := filepath.Join(dir, table)
			os.Remove(path)
			os.WriteFile(path, nil, 0o666)
			os.Truncate(path, 2<<20)
		}, table + ":1: more than 1048576 bytes"},
		"layer that is far too large": {func(dir string) { os.Truncate(filepath.Join(dir, npy), 1<<40) }, "damaged"},
		"row without end":             {damage(table, func(b []byte) []byte { return append(b, make([]byte, 2<<20)...) }), table + ":5: more than 1048576 bytes"},
		"table that is a pipe": {func(dir string) {
			os.Remove(filepath.Join(dir, table))
			syscall.Mkfifo(filepath.Join(dir, table), 0o666)
		}, "is a named pipe"},
		"layer that is a pipe": {func(dir string) {
			os.Remove(filepath.Join(dir, npy))
			syscall.Mkfifo(filepath.Join(dir, npy), 0o666)
		}, "is a named pipe"},
		"layer that never ends": {func(dir string) {
			os.Remove(filepath.Join(dir, npy))
			os.Symlink("/dev/zero", filepath.Join(dir, npy))
		}, "is a device"},
		"bad size":   {damage(table, func(b []byte) []byte { return bytes.Replace(b, []byte(",12,"), []byte(",x,"), 1) }), ":2: size"},
		"bad time":   {damage(table, func(b []byte) []byte { return bytes.Replace(b, []byte(",4294967295,"), []byte(",4294967296,"), 1) }), ":2: linked"},
		"twice":      {damage(table, func(b []byte) []byte { return bytes.Replace(b, []byte("group"), []byte("size"), 1) }), ":1: the column \"size\" is there twice"},
		"other rows": {damage(table, func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte("\"new"))] }), "has 2 rows, the split's table 1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := sample()
			s.Source.ModelSHA256 = strings.Repeat("a", 64)
			if err := Write(dir, s); err != nil {
				t.Fatal(err)
			}
			tc.damage(dir)
			_, err := Read(dir, "2017-val")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestListRefusesNames(t *testing.T) {
	for _, name := range []string{"a\nb.csv", "\x1b]8;;x\a.csv", "\u202ea.csv", "\u009b2J.csv", "\xff.csv", ".csv"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%q cannot name a split: rename it", name)
		if _, err := List(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", name, err, want)
		}
	}
}
