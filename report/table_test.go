package report

import (
	"bytes"
	"encoding/csv"
	"math"
	"strings"
	"testing"
)

// No cell of a CSV file starts a formula, whatever the names of the files
// are, and numbers stay numbers.
func TestCSVGuardsFormulas(t *testing.T) {
	for name, in := range degenerates() {
		for _, s := range sections(in) {
			for _, tb := range s.tables {
				if tb.gap != "" {
					continue
				}
				records, err := csv.NewReader(bytes.NewReader(tb.encode())).ReadAll()
				if err != nil {
					t.Fatalf("%s: %s: %v", name, tb.name, err)
				}
				for _, record := range records {
					for _, field := range record {
						if field != "" && strings.ContainsRune("=+-@\t\r\n", rune(field[0])) && !isNumber(field) {
							t.Errorf("%s: %s.csv has the cell %.60q", name, tb.name, field)
						}
					}
				}
			}
		}
	}
}

func isNumber(s string) bool {
	return strings.Trim(s, "-+.0123456789e") == "" && strings.ContainsAny(s, "0123456789")
}

func TestFormat(t *testing.T) {
	nan := Num(math.NaN())
	for _, c := range []struct{ got, want string }{
		{percent(0.97), "97%"}, {percent(1), "100%"}, {percent(0), "0%"}, {percent(0.9996), ">99.9%"}, {percent(0.991), "99.1%"}, {percent(0.004), "0.4%"}, {percent(nan), missing},
		{fixed(-0.0001, 2), "0.00"}, {fixed(-0.5, 1), "-0.5"},
		{pValue(0.0004), "<0.001"}, {pValue(0.25), "0.250"}, {pValue(nan), missing},
		{interval(0.5, 0.4, 0.6, auroc2), "0.50 (0.40 to 0.60)"}, {interval(0.5, nan, 0.6, auroc2), "0.50"}, {interval(nan, 0.4, 0.6, auroc2), missing},
		{significant(23456), "23460"}, {significant(0.000123456), "0.0001235"},
		{shorten("abcdefghij", 5), "ab" + "…" + "ij"}, {shorten("abc", 3), "abc"},
		{clean("a\x00b\u202ec\xff"), "a\uFFFDb\uFFFDc\uFFFD"},
		{count(1, "file"), "1 file"}, {count(0, "file"), "0 files"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
