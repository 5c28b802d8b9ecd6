package index

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"driftbench/internal/fuzzing"
)

// readFile reads an index with the default columns.
func readFile(path string, opt Options) (rows []Row, s Summary, err error) {
	if opt.Columns == (Columns{}) {
		opt.Columns = DefaultColumns
	}
	s, err = Read(path, opt, func(r Row) error { rows = append(rows, r); return nil })
	return rows, s, err
}

// readString reads text as an index.
func readString(text string, opt Options) (rows []Row, s Summary, err error) {
	if opt.Columns == (Columns{}) {
		opt.Columns = DefaultColumns
	}
	s, err = ReadText(strings.NewReader(text), "x.csv", opt, func(r Row) error { rows = append(rows, r); return nil })
	return rows, s, err
}

func ptr(s string) *string { return &s }

// Rows are those that the tools read that have written the files; see
// scripts/golden/index.py.
func TestReadAsTheTools(t *testing.T) {
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string][][4]string
	if err := json.Unmarshal(b, &golden); err != nil || len(golden) < 30 {
		t.Fatal(len(golden), err)
	}
	forms := map[string]string{
		"bodmas.csv": "BODMAS", "malwarebazaar.csv": "MalwareBazaar", "malwarebazaar.zip": "MalwareBazaar", "ember2018.jsonl": "EMBER", "ember_metadata.csv": "EMBER",
		"ember2017_metadata.csv": "EMBER", "ember2024.zip": "EMBER2024", "vt_data.jsonl.gz": "VirusTotal", "vt_pretty.json": "VirusTotal", "vt_list.json": "VirusTotal",
		"vt_attributes.jsonl": "VirusTotal", "vt_array.json": "VirusTotal", "sorel.db": "SOREL-20M",
	}
	for file, want := range golden {
		rows, s, err := readFile(filepath.Join("testdata", file), Options{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var got [][4]string
		for _, r := range rows {
			got = append(got, [4]string{r.Name, r.Label, r.Month.String(), r.Group})
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
		form := forms[file]
		if form == "" {
			form = "columns name, label, first_seen"
		}
		said := strings.Contains(strings.Join(s.Notes, "\n"), "taken as "+form)
		if s.Form != form || s.Rows != len(want) || len(s.SHA256) != 64 || said == (form == "columns name, label, first_seen") {
			t.Errorf("%s: %+v, want the form %s", file, s, form)
		}
		if again := file == "ember2024.zip"; (s.Duplicates == 8) != again || strings.Contains(strings.Join(s.Warnings, ""), "each file counts once") != again {
			t.Errorf("%s: %d duplicates, %q", file, s.Duplicates, s.Warnings)
		}
		if tie := file == "sorel.db"; strings.Contains(strings.Join(s.Warnings, ""), "1 row has two tags with the largest count") != tie {
			t.Errorf("%s: %q", file, s.Warnings)
		}
	}
	if left, _ := filepath.Glob("testdata/*.db-*"); len(left) > 0 {
		t.Errorf("reading a database left %v", left)
	}
}

func TestLabelsFrom(t *testing.T) {
	b, err := os.ReadFile("testdata/avclass_md5.labels")
	if err != nil {
		t.Fatal(err)
	}
	upper := filepath.Join(t.TempDir(), "upper")
	if err := os.WriteFile(upper, bytes.ToUpper(b), 0o644); err != nil {
		t.Fatal(err)
	}
	want := []string{"zbot", "", "allaple", "sality", "zbot", "", "allaple", "sality"}
	for _, file := range []string{"avclass_md5.labels", "avclass_sha1.labels", "avclass_sha256.labels", "avclass_md5.tags", "avclass_sha1.tags", "avclass_sha256.tags"} {
		rows, s, err := readFile("testdata/malwarebazaar.csv", Options{LabelsFrom: "testdata/" + file})
		var got []string
		for _, r := range rows {
			got = append(got, r.Label)
			if r.Group != "" {
				t.Errorf("%s: group %q of label %q", file, r.Group, r.Label)
			}
		}
		if err != nil || !slices.Equal(got, want) || s.Unlabelled != 2 || len(s.LabelsSHA256) != 64 {
			t.Errorf("%s: %q, %+v, %v", file, got, s, err)
		}
	}
	rows, s, err := readFile("testdata/malwarebazaar.csv", Options{LabelsFrom: upper})
	if err != nil || rows[0].Label != "ZBOT" || rows[1].Label != "" || s.Unlabelled != 2 {
		t.Errorf("upper case: %+v, %v", rows, err)
	}
	// A family that is mapped to a label is the group.
	rows, s, err = readFile("testdata/bodmas.csv", Options{
		LabelsFrom: "testdata/avclass_sha256.labels", Map: map[string]*string{"zbot": ptr("trojan"), "*": ptr("other"), "absent": nil}, Labels: []string{"sality"},
	})
	var got []string
	for _, r := range rows[:4] {
		got = append(got, r.Label+"/"+r.Group)
	}
	if err != nil || !slices.Equal(got, []string{"trojan/zbot", "/", "other/allaple", "sality/"}) || !strings.Contains(strings.Join(s.Warnings, ""), `map names "absent", which no record has`) {
		t.Errorf("mapped: %q, %q, %v", got, s.Warnings, err)
	}
	rows, _, err = readFile("testdata/bodmas.csv", Options{GroupsFrom: "testdata/avclass_sha256.labels"})
	if err != nil || rows[0].Group != "zbot" || rows[1].Group != "" || rows[1].Label != Benign {
		t.Errorf("groups: %+v, %v", rows, err)
	}
	if rows, s, err = readFile("testdata/bodmas.csv", Options{LabelsFrom: "testdata/avclass_md5.labels"}); err != nil || s.Unlabelled != 8 || !strings.Contains(strings.Join(s.Warnings, ""), "8 records are not in") {
		t.Errorf("no digest in common: %+v, %v", rows, err)
	}
}

func TestParseFamilies(t *testing.T) {
	key := func(c string) string { return strings.Repeat(c, 32) }
	for _, c := range []struct{ text, family, err string }{
		{key("a") + "\tzbot\n", "zbot", ""},
		{key("A") + " zbot\r\n", "zbot", ""},
		{"md5,family\n" + key("a") + ",zbot,0.9\n", "zbot", ""},
		{"\"md5\",\"family\"\n\"" + key("a") + "\",\"zbot\"\n", "zbot", ""},
		{"\xff\xfe" + strings.Join(strings.Split(key("a")+"\tzbot\n", ""), "\x00") + "\x00", "zbot", ""},
		{key("a") + "\tSINGLETON:" + key("a") + "\n", "", ""},
		{key("a") + "\t58\tBEH:ransom|17,BEH:exploit|8,VULN:cve_2017_0147|4\n", "ransom", ""},
		{key("a") + "        58      CLASS:grayware:adware|9,BEH:ransom|2\n", "adware", ""},
		{key("a") + "\t58\tBEH:ransom|17\n" + key("b") + "\t3\tFAM:zbot|3,BEH:ransom|2\n", "", ""},
		{key("a") + "\t2\t\n", "", ""},
		{key("a") + "\tzbot\n" + key("a") + "\tsality\n", "", `x:2: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is there twice, with "zbot" and "sality"`},
		{"md5\tfamily\nnot a digest\n", "", `x:2: "not" is no MD5, SHA-1 or SHA-256`},
		{key("a") + "," + key("b") + ",zbot\n", "", "x:1: two digests before the family"},
		{key("a") + "\t34\tzbot\n", "", `x:1: the number 34 before "zbot"`},
		{key("a") + "\t360\t0.9\n", "360", ""},
		{"", "", "x: no line with a digest"},
		{"a\x00b\x00", "", "x: no line with"},
		{strings.Repeat("a", 2<<20), "", "x:1: more than 1048576 bytes in a line"},
	} {
		f, err := parseFamilies(strings.NewReader(c.text), "x")
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) && !strings.Contains(err.Error(), "UTF-16") {
				t.Errorf("%.80q: %v, want %q", c.text, err, c.err)
			}
		case err != nil || f.of[digestOf(key("a"))] != c.family:
			t.Errorf("%.80q: %+v, %v, want %q", c.text, f, err, c.family)
		}
	}
}

func TestDuplicates(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 32)
	header := "name,label,first_seen,group\n"
	rows, s, err := readString(header+a+",worm,2017-01-05,g\n"+b+",worm,2017-01,\n"+strings.ToUpper(a)+",worm,2017-01-06,g\n", Options{})
	if err != nil || len(rows) != 2 || s.Duplicates != 1 || s.Rows != 2 || !strings.Contains(s.Warnings[0], "1 record names a file that an equal record has named: each file counts once") {
		t.Errorf("%+v, %+v, %v", rows, s, err)
	}
	for row, want := range map[string]string{
		",virus,2017-01,g": `x.csv:3: "` + a + `" has the label "virus", and "worm" on line 2: a file has one label`,
		",worm,2017-02,g":  "was first seen in 2017-02, and in 2017-01 on line 2: a file has one date",
		",worm,2017-01,h":  `has the group "h", and "g" on line 2`,
	} {
		text := header + a + ",worm,2017-01,g\n" + a + row + "\n"
		if _, _, err := readString(text, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", row, err, want)
		}
		if rows, s, err := readString(text, Options{SkipBad: 0.5}); err != nil || len(rows) != 1 || s.Skipped != 1 {
			t.Errorf("%s: %+v, %+v, %v", row, rows, s, err)
		}
	}
	// Names that are no digests are for the caller to compare.
	if rows, _, err := readString(header+"a,worm,2017-01,\na,virus,2017-01,\n", Options{}); err != nil || len(rows) != 2 {
		t.Errorf("%+v, %v", rows, err)
	}
}

func TestDates(t *testing.T) {
	make := func(dates ...string) string {
		text := "name,label,first_seen\n"
		for i, d := range dates {
			text += fmt.Sprintf("%d.exe,worm,\"%s\"\n", i, d)
		}
		return text
	}
	for _, c := range []struct {
		dates []string
		opt   Options
		err   []string
	}{
		{[]string{"2017-01", "2018-02-31"}, Options{}, []string{"x.csv:3: first_seen: ", "2018-02 has no day 31", "correct the date"}},
		{[]string{"2017-01", "04/03/2018"}, Options{}, []string{"x.csv:3: ", "it looks like day first or month first; say which with dates: dmy or dates: mdy", "--skip-bad 0.5 leaves them out"}},
		{[]string{"04/03/2018", "13/03/2018", "01/02/2018"}, Options{}, []string{"in all 3 of 3 records cannot be read, lines 2, 3, 4", "they look like day first: set dates: dmy"}},
		{[]string{"04/03/2018", "03/13/2018"}, Options{}, []string{"they look like month first: set dates: mdy"}},
		{[]string{"14/03/2018", "03/13/2018"}, Options{}, []string{"some dates have the day first and some the month"}},
		{[]string{"1520121600000", "1520121600001", "2017-01"}, Options{}, []string{"they look like epoch milliseconds; divide by 1000", "--skip-bad 0.67"}},
		{[]string{"03/13/2018", "04/03/2018"}, Options{Dates: "dmy"}, []string{"month first, but dates is dmy"}},
		{[]string{"x", "y", "2017-01", "2017-02"}, Options{SkipBad: 0.4}, []string{"0.5 of the records is more than --skip-bad 0.4 allows"}},
	} {
		_, _, err := readString(make(c.dates...), c.opt)
		for _, want := range c.err {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", c.dates, err, want)
			}
		}
		if err != nil && !fuzzing.IsLine(err.Error()) {
			t.Errorf("%q is not one line", err)
		}
	}
	rows, s, err := readString(make("x", "2018-01-01T00:30:00+02:00", "0", "2017-02"), Options{SkipBad: 0.25})
	if err != nil || len(rows) != 3 || s.Skipped != 1 || rows[0].FirstSeen != "2017-12-31T22:30:00Z" {
		t.Fatalf("%+v, %+v, %v", rows, s, err)
	}
	for _, want := range []string{
		`x.csv: 1 of 4 records cannot be read and is left out, as --skip-bad allows; the first: x.csv:2: first_seen: "x"`,
		`1 date is in another month of UTC than of its own zone, and UTC counts; the first: line 3, "2018-01-01T00:30:00+02:00" is 2017-12-31T22:30:00Z`,
		`1 date is before 1990 or after today; the first: line 4, "0"`,
	} {
		if !strings.Contains(strings.Join(s.Warnings, "\n"), want) {
			t.Errorf("%q lacks %q", s.Warnings, want)
		}
	}
}

func TestMap(t *testing.T) {
	text := "name,label,first_seen\na,Trojan-Downloader,2017-01\nb,worm,2017-01\nc,adware,2017-01\nd,,2017-01\ne,benign,2017-01\n"
	rows, s, err := readString(text, Options{
		Labels: []string{"trojan", "worm"},
		Map:    map[string]*string{"Trojan-Downloader": ptr("trojan"), "*": ptr("other"), "benign": nil},
	})
	var got []string
	for _, r := range rows {
		got = append(got, r.Label)
	}
	if err != nil || !slices.Equal(got, []string{"trojan", "worm", "other", ""}) || s.LeftOut != 1 || s.Unlabelled != 1 {
		t.Errorf("%q, %+v, %v", got, s, err)
	}
	// A malicious file without a family has that label where the configuration knows it.
	const ember = `{"sha256":"a","appeared":"2017-01","label":1,"avclass":""}` + "\n" + `{"sha256":"b","appeared":"2017-01","label":-1,"avclass":""}`
	for _, c := range []struct {
		opt  Options
		want string
	}{{Options{}, ""}, {Options{Labels: []string{Benign, Malicious}}, Malicious}, {Options{Map: map[string]*string{Malicious: ptr("x")}}, "x"}} {
		if rows, _, err := readString(ember, c.opt); err != nil || rows[0].Label != c.want || rows[1].Label != "" {
			t.Errorf("%+v: %+v, %v", c.opt, rows, err)
		}
	}
}

func TestColumns(t *testing.T) {
	// The columns of the configuration take the place of those of a known form.
	rows, s, err := readString("sha,timestamp,family,type\na,2017-01,zbot,trojan\n", Options{Columns: Columns{"name", "type", "first_seen", "family"}})
	if err != nil || rows[0].Label != "trojan" || rows[0].Group != "zbot" || s.Columns.Name != "sha" {
		t.Errorf("%+v, %+v, %v", rows, s, err)
	}
	rows, _, err = readString(`{"sample":"a","kind":null,"t":1500000000}`+"\n"+`{"sample":"b","kind":"x","t":1500000000}`, Options{Columns: Columns{"sample", "kind", "t", ""}})
	if err != nil || len(rows) != 2 || rows[0].Label != "" || rows[1].Label != "x" {
		t.Errorf("%+v, %v", rows, err)
	}
	for text, want := range map[string]string{
		"sha,family\na,b\n":                       `x.csv:1: no column "name", "label", "first_seen" in the header "sha,family": rename or add it, or set columns`,
		`{"sha256":"a","label":1}`:                `x.csv:1: no column "name", "first_seen" in the header "sha256,label`,
		"sha,sha,timestamp,family\na,b,2017-01,c": `x.csv:1: column "sha" is there twice`,
		"sha256,label,appeared\na,2,2017-01\n":    `x.csv:2: label "2": want 0, 1 or -1`,
	} {
		if _, _, err := readString(text, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestDatabase(t *testing.T) {
	rows, s, err := readFile("testdata/sorel.db", Options{
		Columns: Columns{"id", "tag", "t", ""},
		Query:   "SELECT sha256 AS id, 'worm' AS tag, rl_fs_t AS t FROM meta WHERE is_malware = 1;",
	})
	if err != nil || len(rows) != 6 || rows[0].Label != "worm" || s.Form != "columns id, tag, t" {
		t.Errorf("%+v, %+v, %v", rows, s, err)
	}
	for query, want := range map[string]string{
		"DELETE FROM meta":                      "want a SELECT",
		"SELECT absent FROM meta":               "no such column: absent",
		"SELECT sha256 FROM meta":               `no column "name", "label", "first_seen" in the header "sha256"`,
		"SELECT sha256 FROM meta -- all":        `no column "name", "label", "first_seen" in the header "sha256"`,
		"WITH x AS (SELECT 1) DELETE FROM meta": "SQLite: ",
	} {
		if _, _, err := readFile("testdata/sorel.db", Options{Query: query}); err == nil || !strings.Contains(err.Error(), want) || !fuzzing.IsLine(err.Error()) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
	if _, _, err := readFile("testdata/bodmas.csv", Options{Query: "SELECT 1"}); err == nil || !strings.Contains(err.Error(), "is no SQLite database") {
		t.Errorf("a query of a table: %v", err)
	}
	// A database with a journal is not complete.
	b, err := os.ReadFile("testdata/sorel.db")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db := filepath.Join(dir, "a b%?#.db")
	if err := os.WriteFile(db, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if rows, _, err := readFile(db, Options{}); err != nil || len(rows) != 8 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("reading left %v", files)
	}
	if err := os.WriteFile(db+"-wal", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readFile(db, Options{}); err == nil || !strings.Contains(err.Error(), "-wal holds changes that are not in it yet") {
		t.Errorf("a journal: %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"sha256":"a"`: "x.csv:1: the file ends within a record",
		`{"name":"a","label":"w","first_seen":"2017-01"}` + "\n{x}":    "x.csv:2: it is no JSON: ",
		`[{"name":"a","label":"w","first_seen":"2017-01"},` + "\n\n3]": "x.csv:3: a record is an object",
		"[[[[[[[[[[":            "not a list of lists",
		"[]":                    "x.csv: no record",
		"{} {":                  "x.csv:1: the record has no text and no number",
		"n\x00a\x00m\x00e\x00":  "it is UTF-16 without a byte order mark",
		"\x1f\x8bxxxxxxxxxxxxx": "x.csv: gzip: ",
		`{"data": [` + strings.Repeat(`{"a":`, 20000): "x.csv:1: ",
		"a,b\n\"x":                   `no column "name"`,
		"name,label,first_seen\n\"x": "x.csv:2: a quote is opened and never closed",
	} {
		_, _, err := readString(text, Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !fuzzing.IsLine(err.Error()) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	for head, want := range map[string]string{"\x28\xb5\x2f\xfd": "packed by zstd", "BZh9": "packed by bzip2", "\x80\x04\x95": "a Python pickle", "PK\x03\x04": "zip: ", "PAR1": "Parquet: ", "SQLite format 3\x00": "SQLite: "} {
		path := filepath.Join(t.TempDir(), "index")
		if err := os.WriteFile(path, []byte(head+strings.Repeat("x", 200)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readFile(path, Options{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || !fuzzing.IsLine(err.Error()) {
			t.Errorf("%q: %v, want %q", head, err, want)
		}
	}
	if _, err := Read("testdata/bodmas.csv", Options{Columns: DefaultColumns}, func(Row) error { return errors.New("refused") }); err == nil || err.Error() != "testdata/bodmas.csv:2: refused" {
		t.Errorf("%v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, file := range []string{"bodmas.csv", "malwarebazaar.csv", "ember2018.jsonl", "vt_list.json", "vt_pretty.json", "vt_data.jsonl.gz", "dialect_quotes.csv", "dialect_padded.csv", "dialect_utf-16-be.csv"} {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 2000)])
	}
	for _, s := range []string{"#,,,\n#,,,\n", `{"data":{"data":[]}}`, `{"data":[{"id":"a"}],"data":[{}]}`, "\"\r\"\n\"\n\"\n", "[[{},{}],{}]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Summary
		var err error
		rows := 0
		opt := Options{Columns: DefaultColumns, SkipBad: 0.9}
		took := fuzzing.Allocated(func() {
			s, err = ReadText(bytes.NewReader(b), "x.csv", opt, func(r Row) error {
				if rows++; r.FirstSeen == "" || r.Line < 1 {
					t.Errorf("%+v", r)
				}
				return nil
			})
		})
		if most := 2<<20 + 1024*uint64(len(b)); took > most && !bytes.HasPrefix(b, []byte(gzipMagic)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		said := append(s.Warnings, s.Notes...)
		if err != nil {
			said = append(said, err.Error())
		} else if rows != s.Rows {
			t.Errorf("%d rows, %+v", rows, s)
		}
		for _, line := range said {
			if !fuzzing.IsLine(line) || !strings.Contains(line, "x.csv") {
				t.Errorf("%q is not one line with the file", line)
			}
		}
	})
}

func FuzzFile(f *testing.F) {
	for _, file := range []string{"sorel.db", "seen_us.parquet", "seen_int96.parquet", "ember2024.zip", "malwarebazaar.zip"} {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "index")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readFile(path, Options{SkipBad: 0.9}); err != nil && !fuzzing.IsLine(err.Error()) {
			t.Errorf("%q is not one line", err)
		}
	})
}

// A file that unpacks to far more than an index does is refused, in bounded memory.
func TestBombs(t *testing.T) {
	dir := t.TempDir()
	for name, fill := range map[string]string{"rows": strings.Repeat("x", 5000) + ",worm,2017-01\n", "line": "x", "blank": "\n", "comments": "#" + strings.Repeat("x", 5000) + "\n"} {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write([]byte("#\nname,label,first_seen\n"))
		block := bytes.Repeat([]byte(fill), (1<<20)/len(fill))
		for range 30 {
			z.Write(block)
		}
		z.Close()
		path := filepath.Join(dir, name+".csv.gz")
		if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Read(path, Options{Columns: DefaultColumns}, func(Row) error { return nil })
		if err == nil || !strings.Contains(err.Error(), path[:len(path)-3]) || !strings.Contains(err.Error(), "it is no ") {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// A gzip file that ends early, and Parquet in LZ4, which its package reads wrongly.
func TestPackedIndexes(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, "name,label,first_seen\n")
	for i := range 1000 {
		fmt.Fprintf(z, "%d,worm,2018-01\n", i*i)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "index.csv.gz")
	if err := os.WriteFile(path, packed.Bytes()[:packed.Len()/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readFile(path, Options{}); err == nil || err.Error() != path+": the packed text ends too early: copy it again" {
		t.Errorf("half a gzip file: %v", err)
	}
	type record struct {
		Name      string `parquet:"name"`
		Label     string `parquet:"label"`
		FirstSeen string `parquet:"first_seen"`
	}
	path = filepath.Join(t.TempDir(), "index.parquet")
	if err := parquet.WriteFile(path, []record{{"a", "worm", "2018-01"}}, parquet.Compression(&parquet.Lz4Raw)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readFile(path, Options{}); err == nil || !strings.Contains(err.Error(), "packed by LZ4, which is not read") {
		t.Errorf("LZ4: %v", err)
	}
}

// The first record need not have all members.
func TestFamilyBehindTheFirstRecord(t *testing.T) {
	rows, _, err := readString(`{"sha256":"a","first_submission_date":1520121600,"label":0}
{"sha256":"b","first_submission_date":1520121600,"label":1,"family":"zbot"}`, Options{})
	if err != nil || len(rows) != 2 || rows[0].Label != Benign || rows[1].Label != "zbot" {
		t.Errorf("%+v, %v", rows, err)
	}
	rows, _, err = readString("sha256,is_malware,rl_fs_t\na,True,1520121600\nb,False,1520121600\n", Options{})
	if err != nil || len(rows) != 2 || rows[0].Label != Malicious || rows[1].Label != Benign {
		t.Errorf("True and False: %+v, %v", rows, err)
	}
}
