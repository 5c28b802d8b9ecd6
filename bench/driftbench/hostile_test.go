package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"driftbench/bench/features"
	"driftbench/internal/fixture"
)

// attacks are names for whatever takes a name: a terminal, a spreadsheet, a
// page, a picture, Markdown and XML would each obey one of them.
var attacks = []string{
	"\x1b[2J\x1b]0;title\x07", "\u009b31m", "\u202egpj.exe", "\x1b]8;;http://e.invalid\x07link\x1b]8;;\x07", "del\x7f", "line\u2028end\u2029",
	"new\ninjected: line", "tab\t", "\rinjected", "\xff\xfe", "nul\x00",
	"=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "a,\"b\"", "'",
	"<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</text><a href=\"http://e.invalid\">x</a>", "<!--", "]]>", "&lt;b&gt;", "{{.}}",
	"|`x`|", "[x](http://e.invalid)", "http://e.invalid", "www.e.invalid", "%s%n",
	"CON", "../../x", "/etc/passwd", strings.Repeat("x", 5000),
}

// hostileFeatures is a features folder in which every name is an attack: those
// of files and labels may be anything, those of splits and layers must print.
func hostileFeatures(t *testing.T) (dir, out string) {
	t.Helper()
	from, dir := fixture.Features(t), filepath.Join(t.TempDir(), "features")
	out = `@2019 <script>|"x" www.e.invalid`
	for old, name := range map[string]string{"2017-fit": `=2017 <b>|-fit`, "2017-val": `=2017 <b>|-val`, "2019": out} {
		s, err := features.Read(from, old)
		if err != nil {
			t.Fatal(err)
		}
		s.Name = name
		s.Layers[0].Name = `<img onerror=x>`
		for i := range s.Rows {
			s.Rows[i].Name = attacks[i%len(attacks)]
			s.Rows[i].Label = map[string]string{"a": attacks[0] + attacks[6], "b": attacks[11] + attacks[19]}[s.Rows[i].Label]
		}
		for i, name := range attacks { // every one, with features of a row
			r := s.Rows[i%12]
			r.Name = name
			s.Rows = append(s.Rows, r)
			for l := range s.Layers {
				w := s.Layers[l].Width
				s.Layers[l].Data = append(s.Layers[l].Data, s.Layers[l].Data[i%12*w:(i%12+1)*w]...)
			}
		}
		if err := features.Write(dir, s); err != nil {
			t.Fatal(err)
		}
	}
	return dir, out
}

// Whatever files, labels, splits and layers are called, nothing of it is obeyed
// by what shows it.
func TestHostileNames(t *testing.T) {
	slow(t)
	dir, split := hostileFeatures(t)
	a, b := t.TempDir(), t.TempDir()
	rule := "auroc(" + split + ", msp) > 0.001"
	run := func(want int, args ...string) {
		t.Helper()
		status, stdout, stderr := driftbench(args...)
		if status != want {
			t.Fatalf("%q: status %d, stderr %q", args, status, stderr)
		}
		checkPrinted(t, stdout, stderr)
	}
	run(exitRule, "score", "--features", dir, "--out", a, "--resamples", "2", "--fail-if", rule,
		"--summary", filepath.Join(a, "s.md"), "--save-fit", filepath.Join(a, "some.fit"))
	run(exitRule, "score", "--features", dir, "--out", b, "--resamples", "2", "--fail-if", rule,
		"--summary", filepath.Join(b, "s.xml"), "--fit", filepath.Join(a, "some.fit"))
	run(exitUsage, "score", "--features", dir, "--out", b, "--detectors", "none")
	run(exitDone, "report", "--out", a)
	run(exitDone, "report", "--out", b, "--compare", a, b)
	checkWritten(t, a)
	checkWritten(t, b)

	// results.json may come from elsewhere, so its names may be anything.
	name, err := json.Marshal(split)
	if err != nil {
		t.Fatal(err)
	}
	evil := strings.Join(slices.Concat(attacks[:3], attacks[4:9]), "") // no slash: it names a file
	evilName, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(a, "results.json")
	results := strings.ReplaceAll(readFile(t, path), string(name), string(evilName))
	results = strings.ReplaceAll(results, `"msp"`, string(evilName))
	writeFile(t, path, results)
	scores := filepath.Join(a, "scores", split+".csv")
	for _, table := range []string{scores, filepath.Join(a, "scores", "=2017 <b>|-val.csv")} {
		header, rest, _ := strings.Cut(readFile(t, table), "\n")
		writeFile(t, table, strings.Replace(header, ",msp,", ",\""+evil+"\",", 1)+"\n"+rest)
	}
	evilSplit := filepath.Join(a, "scores", evil+".csv")
	if err := os.Rename(scores, evilSplit); err != nil {
		t.Fatal(err)
	}
	run(exitDone, "report", "--out", a)
	run(exitDone, "report", "--out", b, "--compare", a, a)
	checkWritten(t, a)
	checkWritten(t, b)
}

// checkPrinted fails when a terminal would do more with a text than show it, or
// when a name made a line.
func checkPrinted(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !utf8.ValidString(s) {
			t.Errorf("no UTF-8: %.200q", s)
		}
		for line := range strings.Lines(s) {
			if strings.HasPrefix(line, "injected") || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), hidden) {
				t.Errorf("a terminal would obey %.200q", line)
			}
		}
	}
}

// hidden reports whether a character is one that does something.
func hidden(r rune) bool { return r != '\t' && !unicode.IsGraphic(r) }

// checkWritten reads every file of a run for what its readers would obey.
func checkWritten(t *testing.T, dir string) {
	t.Helper()
	seen := map[string]int{}
	for _, path := range tree(t, dir) {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // a folder
		}
		ext := filepath.Ext(path)
		seen[ext]++
		switch ext {
		case ".json":
			if !utf8.Valid(b) || !json.Valid(b) {
				t.Errorf("%q is no JSON", path)
			}
		case ".csv":
			records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
			if err != nil {
				t.Errorf("%q: %v", path, err)
			}
			if filepath.Base(filepath.Dir(path)) == "scores" {
				continue // data for programs, in which a name is as in the index
			}
			for _, cell := range slices.Concat(records...) {
				if _, err := strconv.ParseFloat(cell, 64); err != nil && cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("%q: a spreadsheet would obey %.80q", path, cell)
				}
			}
		case ".svg", ".xml":
			checkTags(t, path, b, "svg", "g", "path", "rect", "text", "testsuite", "testcase", "failure", "system-out")
		case ".html":
			checkHTML(t, path, b)
		case ".md":
			bare := regexp.MustCompile("(^|[^\\\\])([<`\\[]|://)|(?i)www\\.|@[^&]")
			if m := bare.Find(b); m != nil || strings.ContainsFunc(string(b), func(r rune) bool { return r != '\n' && hidden(r) }) {
				t.Errorf("%q would be obeyed: %q", path, m)
			}
		}
	}
	if seen[".json"] == 0 || seen[".csv"] < 5 || seen[".svg"] == 0 || seen[".html"] == 0 || seen[".md"]+seen[".xml"] == 0 {
		t.Errorf("%s holds %v", dir, seen)
	}
}

// checkTags fails unless b is XML with those elements alone and no attribute
// that acts.
func checkTags(t *testing.T, path string, b []byte, tags ...string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("%q: %v", path, err)
			return
		}
		if e, ok := tok.(xml.StartElement); ok {
			acts := slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") })
			if acts || !slices.Contains(tags, e.Name.Local) {
				t.Errorf("%q has %v", path, e)
			}
		}
	}
}

// checkHTML fails when the page holds an element, an attribute or a character
// that is not its own.
func checkHTML(t *testing.T, path string, b []byte) {
	t.Helper()
	if strings.ContainsFunc(string(b), func(r rune) bool { return r != '\n' && hidden(r) }) {
		t.Errorf("%q holds a hidden character", path)
	}
	z, scripts := html.NewTokenizer(bytes.NewReader(b)), 0
	for z.Next() != html.ErrorToken {
		tok := z.Token()
		if tok.Type == html.StartTagToken && tok.Data == "script" {
			scripts++
		}
		if tok.Type == html.CommentToken || slices.Contains([]string{"b", "text", "iframe"}, tok.Data) && tok.Type == html.StartTagToken {
			t.Errorf("%q has %v", path, tok)
		}
		for _, a := range tok.Attr {
			if strings.HasPrefix(a.Key, "on") || (a.Key == "src" || a.Key == "href") && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "data:") {
				t.Errorf("%q has %v", path, tok)
			}
		}
	}
	if scripts != 1 {
		t.Errorf("%q has %d scripts, want its own", path, scripts)
	}
}

// A benchmark file may come from elsewhere too.
func TestHostileBenchmarks(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i, unit := range []string{"ns/op", "\x1b[2Jb/op"} {
		var b strings.Builder
		for _, name := range attacks[:6] {
			b.WriteString("key: " + name + strconv.Itoa(i) + "\nBenchmarkX/device=" + name + "/engine=t 1 5 " + unit + "\nBenchmark" + name + " x y\n")
		}
		paths = append(paths, filepath.Join(dir, strconv.Itoa(i)+".txt"))
		writeFile(t, paths[i], b.String())
	}
	for _, args := range [][]string{{paths[0]}, paths, {paths[0], "--col", "/engine"}, {paths[0], "--col", "\x1b[2J\r"}} {
		_, stdout, stderr := driftbench(append([]string{"compare"}, args...)...)
		if stdout == "" && stderr == "" {
			t.Errorf("%q: nothing", args)
		}
		checkPrinted(t, stdout, stderr)
	}
}
