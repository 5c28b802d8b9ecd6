package text

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"worm é 検出 \u3000\u00a0":     "worm é 検出 \u3000\u00a0",
		"\x1b[2J\u009b31m":           "?[2J?31m",
		"a\r\nb\tc\x00":              "a??b?c?",
		"a\u2028b\u2029":             "a?b?",
		"\u202eevil\u200b\ufeff":     "?evil??",
		"\ue000 \uffff \U0010ffff":   "? ? ?",
		"cut \xe6\xa4":               "cut \ufffd\ufffd",
		"already \ufffd, 100% of =1": "already \ufffd, 100% of =1",
	} {
		if got := Line(in, '?'); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Line("a\nb", '\ufffd'); got != "a\ufffdb" {
		t.Errorf("with another placeholder: %q", got)
	}
}

func TestLines(t *testing.T) {
	if got, want := Lines("a\tb\n\x1b[2J\r\n\u202e\xff"), "a\tb\n?[2J?\n?\ufffd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]bool{
		"": true, "a b": true, "検出器": true, "\ufffd": true,
		"a\nb": false, "a\tb": false, "\x1b": false, "\u202e": false, "\u00a0": false, "\xff": false,
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %t", in, got)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":                            `""`,
		"a\n\x1b\u202e\"":             `"a\n\x1b\u202e\""`,
		strings.Repeat("x", 120):      `"` + strings.Repeat("x", 120) + `"`,
		strings.Repeat("x", 121):      `"` + strings.Repeat("x", 120) + `"…`,
		strings.Repeat("é", 60):       `"` + strings.Repeat("é", 60) + `"`,
		"x" + strings.Repeat("é", 60): `"x` + strings.Repeat("é", 59) + `\xc3"…`,
	} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"run", "report", "score", "splits", "throughput", "msp", "spares", "sporks"}
	for s, want := range map[string]string{
		"rnu": "run", "reprot": "report", "scores": "score", "split": "splits", "throughtput": "throughput", "measure": "", "x": "", "": "", "run": "run", "mps": "msp", "spores": "",
	} {
		if got := Nearest(s, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestSpreadsheetSafe(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "worm": "worm", "=1+1": "'=1+1", "+x": "'+x", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "\rx": "'\rx", "\n=x": "'\n=x", "a=b": "a=b",
		"＝1": "'＝1", "'": "'", "'x": "'x", "''": "''", "'=x": "''=x", "''=x": "'''=x", "\xff=": "\xff=", "=\xff": "'=\xff",
	} {
		got := SpreadsheetSafe(in)
		if got != want {
			t.Errorf("SpreadsheetSafe(%q) = %q, want %q", in, got, want)
		}
		if back := SpreadsheetOriginal(got); back != in {
			t.Errorf("SpreadsheetOriginal(%q) = %q, want %q", got, back, in)
		}
	}
	// What was written without a guard is read as it is.
	for _, in := range []string{"", "worm", "=1+1", "-1", "'x", "'"} {
		if got := SpreadsheetOriginal(in); got != in {
			t.Errorf("SpreadsheetOriginal(%q) = %q", in, got)
		}
	}
}

func TestHeader(t *testing.T) {
	for want, names := range map[string][]string{
		`"name,label,first seen"`: {"name", "label", "first seen"},
		`"größe"`:                 {"größe"},
	} {
		if got := Header(names); got != want {
			t.Errorf("Header(%q) = %s, want %s", names, got, want)
		}
	}
	for _, names := range [][]string{{"root:x:0:0:root:/root:/bin/bash"}, {"root:$6$salt$hash:19000:0:99999:7:::"}, {"a", ""}, {"# comment"}, {"127.0.0.1 localhost"}, {"KEY=value"}, {strings.Repeat("a", 64)}, {"a\x00"}} {
		if got := Header(names); got != "" {
			t.Errorf("Header(%q) = %s, want nothing of it", names, got)
		}
	}
}
