package shard

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

var golden = []Record{
	{
		Row:    Row{"a\"b\\c\n\t\r\x00\u2028é😀.exe", "worm", "2018-03", "g7"},
		SHA256: [32]byte{0: 0xab, 31: 1}, Size: 1 << 40, Features: []byte{0, 0, 128, 63, 255}, Traits: []byte{1},
		Form: "zip", Packed: "gzip", Whole: strings.Repeat("0f", 32), Model: "m", Engine: "table, revision 1",
	},
	{Row: Row{Name: "b"}, Features: []byte{}, Traits: []byte{}, Unread: "is missing", Model: "m", Engine: "e"},
	{Row: Row{Name: "c"}, Features: []byte{}, Traits: []byte{}, Dropped: "is \"missing\"", Model: "m", Engine: "e"},
}

// The lines are those of testdata/lines.jsonl, which Python's json.dumps (3.11) wrote
// with separators=(",", ":"), and come back as they were.
func TestLines(t *testing.T) {
	header := Header{Version, 3, 12, "ab", "cd", "m", "e"}
	end := End{3, 1, "m", "e"}
	lines := AppendHeader(nil, header)
	for i := range golden {
		lines = AppendRecord(lines, &golden[i])
	}
	lines = AppendEnd(lines, end)
	want, err := os.ReadFile("testdata/lines.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(lines, want) {
		t.Errorf("lines\n%s\nwant\n%s", lines, want)
	}
	d := NewDecoder()
	var got []Record
	var l Line
	for in := NewLines(bytes.NewReader(lines), 1<<20); ; {
		line, _, err := in.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = d.Output(line, &l)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch l.Kind {
		case IsHeader:
			if l.Header != header {
				t.Errorf("header %+v", l.Header)
			}
		case IsEnd:
			if l.End != end {
				t.Errorf("end %+v", l.End)
			}
		case IsRecord:
			r := l.Record
			r.Features, r.Traits = bytes.Clone(r.Features), bytes.Clone(r.Traits)
			got = append(got, r)
		}
	}
	if !reflect.DeepEqual(got, golden) {
		t.Errorf("records %+v, want %+v", got, golden)
	}
}

func TestFeed(t *testing.T) {
	for _, tc := range []struct {
		line string
		want any // a Row, the rows of an end, nil, or what an error says
	}{
		{`{"name":"a","label":"b","first_seen":"c","group":"d"}`, Row{"a", "b", "c", "d"}},
		{" {\"group\" : null, \"na\\u006de\":\"\\u00e9\", \"Name\":{\"name\":[1]}, \"size\":\"big\", \"label\":-1.50}\r", Row{Name: "é", Label: "-1.50"}},
		{`{"name":"a","rows":"many"}`, Row{Name: "a"}},
		{`{"rows":7,"dropped":"x"}`, int64(7)},
		{" \t\r", nil},
		{`{"rows":-1}`, "rows is -1: want a whole number"},
		{`{"rows":1e3}`, "rows is 1e3"},
		{`{"label":"x"}`, "has neither name nor rows"},
		{`{"name":""}`, "name is empty"},
		{`{"name":7}`, "name is 7: want a string"},
		{`{"name":null}`, "name is null: want a string"},
		{`{"name":"a","label":["b"]}`, `label is ["b"]: want a string`},
		{`{"name":"a","name":"b"}`, "name is there twice"},
		{`{"name":"a"} {"name":"b"}`, "want one JSON object a line"},
		{`"name"`, "want a JSON object"},
		{`{"name":"a`, "is no whole JSON object"},
		{"{\"name\":\"a\xff\"}", "UTF-8"},
		{`{"name":"\udc00"}`, "surrogate"},
		{`{"name":"a","x":"\ud800"}`, "surrogate"},
		{`{"name":"�"}`, Row{Name: "�"}},
	} {
		var l Line
		err := NewDecoder().Feed([]byte(tc.line), &l)
		switch want := tc.want.(type) {
		case string:
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", tc.line, err, want)
			}
		case Row:
			if err != nil || l.Kind != IsRow || l.Record.Row != want {
				t.Errorf("%s: %+v, %v", tc.line, l, err)
			}
		case int64:
			if err != nil || l.Kind != IsEnd || l.End.Rows != want {
				t.Errorf("%s: %+v, %v", tc.line, l, err)
			}
		case nil:
			if err != nil || l.Kind != Blank {
				t.Errorf("%q: %+v, %v", tc.line, l, err)
			}
		}
	}
}

func TestOutputErrors(t *testing.T) {
	for line, want := range map[string]string{
		`{"name":"a","model":"m","engine":"e"}`:              "a row without sha256",
		`{"name":"a","dropped":"x","engine":"e"}`:            "a dropped row without model",
		`{"name":"a","dropped":3,"model":"m","engine":"e"}`:  "dropped is a number",
		`{"name":"a","dropped":"","model":"m","engine":"e"}`: "dropped is empty",
		`{"name":"a","sha256":"ab"}`:                         `sha256 "ab" is no SHA-256`,
		`{"name":"a","features":"YWJ"}`:                      "features is no base64",
		`{"name":"a","features":"YW\nJj"}`:                   "features is no base64",
		`{"rows":1,"model":"m","engine":""}`:                 "engine is empty",
		`{"rows":1}`:                                         "the last line of a shard without model",
		`{"driftbench_shard":2,"shard":0,"of":1,"index_sha256":"","model":"m","engine":"e"}`: "version 2",
		`{"driftbench_shard":1,"shard":0,"index_sha256":"","model":"m","engine":"e"}`:        "without of",
		`{}`: "neither name nor rows",
	} {
		var l Line
		err := NewDecoder().Output([]byte(line), &l)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", line, err, want)
		}
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", 1<<19)
	for _, tc := range []struct{ in, want string }{
		{"a\n" + long + "\nb", "a 524288 b."},
		{long + long + "\n", "line 1 is too long: at most 600000 bytes are read"},
		{"\n\nc\n", "  c"},
	} {
		var got []string
		in := NewLines(strings.NewReader(tc.in), 600000)
		var err error
		for {
			var line []byte
			var whole bool
			if line, whole, err = in.Next(); err != nil {
				break
			}
			s := string(line)
			if len(s) > 1000 {
				s = "524288"[:6*len(s)/len(long)]
			}
			if !whole {
				s += "."
			}
			got = append(got, s)
		}
		if err != io.EOF {
			got = append(got, err.Error())
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%.20q: %s, want %s", tc.in, s, tc.want)
		}
	}
}

// A file of zeros is refused before a line of the most bytes is held.
func TestBlocksOfZeros(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zeros")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 2*mostRecord); err != nil {
		t.Fatal(err)
	}
	err := Blocks(path, 0, func() []byte { return make([]byte, 0, blockSize) }, func(Block) error { return nil })
	if want := "line 1 does not begin with {"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// What is decoded is what package encoding/json decodes, and comes back when it is
// written.
func FuzzOutput(f *testing.F) {
	for i := range golden {
		f.Add(AppendRecord(nil, &golden[i]))
	}
	f.Add(AppendEnd(nil, End{3, 1, "m", "e"}))
	f.Add(AppendHeader(nil, Header{Version, 3, 12, "ab", "cd", "m", "e"}))
	f.Add([]byte(`{"name":"\/","NAME":1,"dropped":"x","model":"","engine":""}`))
	d := NewDecoder()
	f.Fuzz(func(t *testing.T, line []byte) {
		var l Line
		if d.Feed(line, &l) == nil && l.Kind == IsRow {
			same(t, line, l.Record.Row)
		}
		if d.Output(line, &l) != nil || l.Kind != IsRecord {
			return
		}
		same(t, line, l.Record.Row)
		first := l.Record
		first.Features, first.Traits = bytes.Clone(first.Features), bytes.Clone(first.Traits)
		again := AppendRecord(nil, &first)
		if err := d.Output(again, &l); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if second := AppendRecord(nil, &l.Record); !bytes.Equal(again, second) {
			t.Fatalf("%s\nbecame\n%s", again, second)
		}
	})
}

func same(t *testing.T, line []byte, got Row) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal(line, &want); err != nil {
		t.Fatalf("%q: encoding/json: %v", line, err)
	}
	if want["name"] != got.Name || !utf8.ValidString(got.Name) {
		t.Fatalf("%q: name %q, encoding/json has %q", line, got.Name, want["name"])
	}
	for key, v := range map[string]string{"label": got.Label, "first_seen": got.FirstSeen, "group": got.Group} {
		if s, ok := want[key].(string); ok && s != v || want[key] == nil && v != "" {
			t.Fatalf("%q: %s %q, encoding/json has %q", line, key, v, want[key])
		}
	}
}
