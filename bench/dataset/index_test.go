package dataset

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"driftbench/internal/fuzzing"
)

func TestReadIndex(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Trim = "dataset/"
	want := []Row{
		{Name: "dataset/a.exe", Path: "a.exe", Label: "worm", FirstSeen: "2017-01-05 10:00:00", Month: 2017 * 12, Class: 2, Line: 2},
		{Name: "b, c", Path: "b, c", Label: "trojan", FirstSeen: "2019-12", Month: 2019*12 + 11, Class: 0, Line: 3},
	}
	for name, text := range map[string]string{
		"plain":         "name,label,first_seen\ndataset/a.exe,worm,2017-01-05 10:00:00\n\"b, c\",trojan,2019-12\n",
		"CRLF":          "name,label,first_seen\r\ndataset/a.exe,worm,2017-01-05 10:00:00\r\n\"b, c\",trojan,2019-12\r\n",
		"BOM":           "\ufeffname,label,first_seen\ndataset/a.exe,worm,2017-01-05 10:00:00\n\"b, c\",trojan,2019-12",
		"other order":   "first_seen,name,label\n2017-01-05 10:00:00,dataset/a.exe,worm\n2019-12,\"b, c\",trojan\n",
		"other columns": "id,first_seen,name,\"md5\n\",label\n1,2017-01-05 10:00:00,dataset/a.exe,d4,worm\n2,2019-12,\"b, c\",\"x\",trojan\n",
	} {
		rows, warnings, err := readIndex(strings.NewReader(text), "dataset.csv", cfg)
		if name == "other columns" { // its header is two lines
			for i := range rows {
				rows[i].Line--
			}
		}
		if err != nil || len(warnings) != 0 || !reflect.DeepEqual(rows, want) {
			t.Errorf("%s: %+v, %q, %v, want %+v", name, rows, warnings, err, want)
		}
	}
}

func TestReadIndexErrors(t *testing.T) {
	const header = "name,label,first_seen\nok,worm,2017-01\n"
	for _, c := range []struct{ text, want string }{
		{"", "dataset.csv: empty"},
		{"\ufeff", "dataset.csv: empty"},
		{"name,label,first_seen\n", "dataset.csv: no rows"},
		{"name,label\na,b\n", `dataset.csv:1: no column "first_seen" in the header "name,label"`},
		{"label,first_seen\n", `dataset.csv:1: no column "name"`},
		{"\n\nNAME,label,first_seen\n", `dataset.csv:3: no column "name"`},
		{"name,label,name,first_seen\n", `dataset.csv:1: column "name" is there twice`},
		{header + "a,\x1b[2J,2017-01\n", `dataset.csv:3: label "\x1b[2J" holds characters that do not print: correct it`},
		{"group,name,label,group,first_seen\n", `dataset.csv:1: column "group" is there twice`},
		{"name,label,first_seen,group\na,worm,2017-01,\"x\r\r\ny\"\n", `dataset.csv:2: group "x\r\ny" holds a CRLF`},
		{header + "a,worm,01/2017\n", `dataset.csv:3: first_seen: "01/2017" is no month: want YYYY-MM: correct the date`},
		{header + "a,worm,2017-13-01\n", `dataset.csv:3: first_seen: "2017-13"`},
		{header + "a,worm,2017-011\n", `dataset.csv:3: first_seen: "2017-011"`},
		{header + "a,worm,\"2017-01\n\"\n", `dataset.csv:3: first_seen: "2017-01\n"`},
		{header + "a,worm,\n", `dataset.csv:3: first_seen: ""`},
		{header + ",worm,2017-01\n", `dataset.csv:3: name "" is empty`},
		{header + "a,worm\n", "dataset.csv:3: another number of fields"},
		{header + "\"a,worm,2017-01\n", "dataset.csv:3: "},
		{header + "../a,worm,2017-01\n", `dataset.csv:3: name "../a" leads out of the root`},
		{header + "b/../../a,worm,2017-01\n", "leads out of the root"},
		{header + "/etc/passwd,worm,2017-01\n", "leads out of the root"},
		{header + "\"a\r\r\nb\",worm,2017-01\n", "holds a CRLF"},
		{strings.Repeat("\x00", 2<<20), "dataset: dataset.csv:1: more than 1048576 bytes without the end of a record"},
		{header + "a,worm,2017-01\n" + strings.Repeat("\x00", 2<<20), "dataset: dataset.csv:4: more than 1048576 bytes"},
	} {
		_, _, err := readIndex(strings.NewReader(c.text), "dataset.csv", DefaultConfig())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200q: error %v, want %q in it", c.text, err, c.want)
		} else if strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "remove") {
			t.Errorf("%q: error %q is not one line, or advises to remove rows", c.text, err)
		}
	}
}

func TestReadIndexColumns(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Columns = Columns{Name: "sha256", Label: "family", FirstSeen: "date", Group: "imphash"}
	const text = "imphash,date,name,family,sha256,group\n ab ,2017-01,x,worm,a,0\n"
	read := func(cfg Config, text string) (Row, error) {
		rows, _, err := readIndex(strings.NewReader(text), "dataset.csv", cfg)
		if err != nil {
			return Row{}, err
		}
		return rows[0], nil
	}
	want := Row{Name: "a", Path: "a", Label: "worm", FirstSeen: "2017-01", Month: 2017 * 12, Group: "ab", Class: 2, Line: 2}
	if r, err := read(cfg, text); err != nil || r != want {
		t.Errorf("%+v, %v, want %+v", r, err, want)
	}
	cfg.Columns.Group = "none"
	if _, err := read(cfg, text); err == nil || !strings.Contains(err.Error(), `dataset.csv:1: no column "none" in the header`) {
		t.Errorf("a named column of groups is missing: %v", err)
	}
	cfg.Columns.Group = ""
	if r, err := read(cfg, text); err != nil || r.Group != "0" {
		t.Errorf("%+v, %v, want the column group", r, err)
	}
	cfg.Columns.Label = "group"
	if r, err := read(cfg, text); err != nil || r.Group != "" || r.Label != "0" {
		t.Errorf("%+v, %v, want no group from the column of labels", r, err)
	}
	if _, err := read(DefaultConfig(), text); err == nil || !strings.Contains(err.Error(), `no column "label"`) {
		t.Errorf("%v, want no column label", err)
	}
}

func TestReadIndexAllowOutside(t *testing.T) {
	cfg := DefaultConfig()
	cfg.AllowOutside = true
	rows, _, err := readIndex(strings.NewReader("name,label,first_seen\n../a,worm,2017-01\n/b,worm,2017-01\n"), "dataset.csv", cfg)
	if err != nil || len(rows) != 2 || rows[0].Name != "../a" || rows[1].Name != "/b" {
		t.Errorf("%+v, %v", rows, err)
	}
}

func TestReadIndexWarnings(t *testing.T) {
	for _, tc := range []struct {
		rows string
		want []string
	}{
		{"a,worm,2017-01\nb,worm,2016-12\na,worm,2017-02\na,virus,2020-01\n", []string{
			`dataset.csv: 2 rows name a file that an earlier row names (first: "a", lines 2 and 4)`,
			`dataset.csv: 2 of 4 rows are in no span of the configuration and are left out`,
		}},
		{"a,worm,2017-01\na,worm,2016-12\n", []string{
			`dataset.csv: 1 row names a file that an earlier row names (first: "a", lines 2 and 3)`,
			`dataset.csv: 1 of 2 rows is in no span of the configuration and is left out`,
		}},
	} {
		_, warnings, err := readIndex(strings.NewReader("name,label,first_seen\n"+tc.rows), "dataset.csv", DefaultConfig())
		if err != nil || !reflect.DeepEqual(warnings, tc.want) {
			t.Errorf("%q, %v, want %q", warnings, err, tc.want)
		}
	}
}

// A row keeps its own strings alone alive, not the columns beside them.
func TestReadIndexMemory(t *testing.T) {
	const rows = 2000
	other := strings.Repeat("x", 10_000)
	var text bytes.Buffer
	text.WriteString("name,label,first_seen,other\n")
	for range rows {
		text.WriteString("a,worm,2017-01," + other + "\n")
	}
	if held := heldBytes(func() any {
		kept, _, err := readIndex(bytes.NewReader(text.Bytes()), "dataset.csv", DefaultConfig())
		if err != nil || len(kept) != rows {
			t.Fatal(len(kept), err)
		}
		return kept
	}); held > uint64(text.Len())/4 {
		t.Errorf("%d rows hold %d bytes of an index of %d", rows, held, text.Len())
	}
}

func FuzzIndex(f *testing.F) {
	for _, seed := range []string{
		"name,label,first_seen\na,worm,2017-01\n",
		"\ufeffname,label,first_seen\r\n\"a\nb\",worm,2017-01-02\r\n",
		"first_seen,x,label,name\n2017-01,\"\"\"\",virus,\xff\xfe\n",
		"name,label,first_seen\n\"=cmd|' /C calc'!A0\",worm,2017-01\n",
		"name,label,first_seen\n../../etc/passwd,worm,2017-01\n",
		"name,label,first_seen\n\"a\r\r\nb\",worm,2017-01\n",
		"name,label,first_seen\n\"a",
		"name,label,first_seen\n\\.,worm,2017-01\n",
		"name,group,label,first_seen\na,g 1,,2017-01\nb,n/a,ransom,2018-01\nc,\"\r\n\", ,2018-02\n",
	} {
		f.Add([]byte(seed))
	}
	cfg := DefaultConfig()
	f.Fuzz(func(t *testing.T, b []byte) {
		var rows []Row
		var warnings []string
		var err error
		took := fuzzing.Allocated(func() { rows, warnings, err = readIndex(bytes.NewReader(b), "dataset.csv", cfg) })
		if most := 1<<20 + 64*uint64(len(b)); took > most {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			warnings = append(warnings, err.Error())
		}
		for _, s := range warnings {
			if !fuzzing.IsLine(s) || !strings.Contains(s, "dataset.csv") {
				t.Errorf("message %q is not one line with the file", s)
			}
		}
		if err != nil {
			return
		}
		// What was read is what a split CSV gives back.
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.Write([]string{"name", "label", "first_seen", "group"})
		for _, r := range rows {
			w.Write([]string{r.Name, r.Label, r.FirstSeen, r.Group})
		}
		w.Flush()
		again, _, err := readIndex(&text, "again.csv", cfg)
		if err != nil {
			t.Fatalf("%+q is not read again: %v", fmt.Sprint(rows), err)
		}
		for i := range rows {
			rows[i].Line, again[i].Line = 0, 0
		}
		if !reflect.DeepEqual(rows, again) {
			t.Errorf("%+q became %+q", fmt.Sprint(rows), fmt.Sprint(again))
		}
	})
}

func FuzzRoles(f *testing.F) {
	for _, seed := range []string{
		"name,split\na,2017-fit\nb,2019\n", "\ufeffsplit,x,name\r\n2019,\"\",\"a\nb\"\r\n", "name,split\na,2017-fit\na,2019\n",
		"name,split\na,2020\n", "name,split\n\"a", "", "name\n", "name,split\n\\.,2019\n\xff,2019\n",
	} {
		f.Add([]byte(seed))
	}
	splits := []string{"2017-fit", "2017-val", "2019"}
	f.Fuzz(func(t *testing.T, b []byte) {
		var roles []role
		var err error
		took := fuzzing.Allocated(func() { roles, err = readRoles(bytes.NewReader(b), "roles.csv", splits) })
		if most := 1<<20 + 64*uint64(len(b)); took > most {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "roles.csv") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.Write([]string{"name", "split"})
		split := map[string]int{}
		for _, x := range roles {
			if s, ok := split[x.name]; ok && s != x.split {
				t.Errorf("%q has two roles", x.name)
			}
			split[x.name] = x.split
			w.Write([]string{x.name, splits[x.split]})
		}
		w.Flush()
		again, err := readRoles(&text, "again.csv", splits)
		if err != nil {
			t.Fatalf("%+q is not read again: %v", text.Bytes(), err)
		}
		for i := range roles {
			if roles[i].line, again[i].line = 0, 0; roles[i] != again[i] && !strings.Contains(roles[i].name, "\r\n") {
				t.Errorf("%+v became %+v", roles[i], again[i])
			}
		}
	})
}
