package jsonfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"driftbench/internal/fuzzing"
)

type content struct {
	List []struct {
		Kind  string
		Files int
		_     [100]int
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	many := strings.Repeat(`{"kind":"PE","files":3},`, 20_000)
	for name, c := range map[string]struct {
		content string
		size    int64 // where it is longer than the content
		want    string
	}{
		"small objects":   {content: `{"list":[` + strings.TrimSuffix(many, ",") + `]}`},
		"braces in texts": {content: `{"list":[{"kind":"` + strings.Repeat(`{\"`, 100_000) + `"}]}`},
		"blanks before":   {content: "\n \t{}"},
		"empty":           {want: path + ": it does not begin with {"},
		"zeros":           {size: 1 << 40, want: path + ": it does not begin with {"},
		"a list":          {content: "[]", want: path + ": it does not begin with {"},
		"empty objects":   {content: `{"list":[` + strings.Repeat("{},", 100_000) + `{}]}`, want: path + ": it holds 100002 objects in 300013 bytes"},
		"nulls":           {content: `{"list":[` + strings.Repeat("null,", 100_000) + `null]}`, want: path + ": byte 9: a list of objects holds something else"},
		"numbers":         {content: `{"L\u0069ſt" : [ {}, ` + strings.Repeat("0,", 100_000) + `0]}`, want: path + ": byte 22: a list of objects holds something else"},
		"other lists":     {content: `{"others":[null,1,"[",[]],"list":null}`},
		"deep":            {content: `{"list":` + strings.Repeat("[", 1_000_000), want: path + ": "},
		"cut short":       {content: `{"list":[`, want: path + ": unexpected end"},
	} {
		if err := os.WriteFile(path, []byte(c.content), 0o666); err != nil {
			t.Fatal(err)
		}
		if c.size > 0 {
			if err := os.Truncate(path, c.size); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		took := fuzzing.Allocated(func() { err = Read(path, 1<<50, new(content)) })
		if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: error %.200q, want %q", name, got, c.want)
		}
		if most := 1<<20 + 8*uint64(len(c.content)); c.want != "" && took > most {
			t.Errorf("%s: %d bytes are allocated for %d", name, took, len(c.content))
		}
	}
}
