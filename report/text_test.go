package report

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
)

func TestHeadline(t *testing.T) {
	nan := Num(math.NaN())
	last := func(r *Results) *DetectorSplit { return &r.Detectors[2].Splits[2] }
	for _, c := range []struct {
		name   string
		change func(*Results)
		want   []string // each in the headline
		not    string
	}{
		{"drifted and worse", func(*Results) {},
			[]string{"2019 files are told from 2017 with AUROC 0.80 (0.75 to 0.86) by mahalanobis/ensemble", "accuracy fell from 97% on 2017-val to 71%", "By family, the intervals of backdoor, worm, virus, trojan are above 0.5; they overlap", "since 2018-late", "from 71% to 80%", "Recommendation: retrain."}, ""},
		{"no drift", func(r *Results) {
			for i := range r.Detectors[2].Splits {
				s := &r.Detectors[2].Splits[i]
				s.AUROC, s.AUROCLo, s.AUROCHi, s.PHolm = 0.51, 0.45, 0.57, 1
			}
			r.Classifier.Splits[4].Accuracy = Interval{0.96, 0.92, 0.98}
		}, []string{"2019 files cannot be told from 2017: AUROC 0.51 (0.45 to 0.57)", "not above 0.5 at p < 0.05 (Holm over the splits) at the end", "Recommendation: keep the model."}, "family"},
		{"inside the band, and told all the same", func(r *Results) {
			s := last(r)
			s.AUROC, s.AUROCLo, s.AUROCHi, s.NullLo, s.NullHi, s.PHolm = 0.58, 0.53, 0.63, 0.45, 0.55, 0.002
		}, []string{"2019 files are told from 2017 with AUROC 0.58 (0.53 to 0.63) by mahalanobis/ensemble, p 0.002"}, "cannot be told"},
		{"two files, both apart", func(r *Results) {
			s := last(r)
			s.AUROC, s.AUROCLo, s.AUROCHi, s.PHolm = 1, 0.16, 1, 0.0004
		}, []string{"2019 files are told from 2017 with AUROC 1.00 (0.16 to 1.00)", "p <0.001"}, "cannot be told"},
		{"no drift, accuracy fell", func(r *Results) { last(r).PHolm = 0.2 },
			[]string{"cannot be told from 2017", "accuracy fell from 97% on 2017-val to 71%", "Recommendation: label a sample"}, "keep the model."},
		{"drift, accuracy holds", func(r *Results) { r.Classifier.Splits[4].Accuracy = Interval{0.96, 0.92, 0.98} },
			[]string{"accuracy is 96%, against 97% on 2017-val", "Recommendation: keep the model for now, and label a sample"}, "retrain."},
		{"drift, accuracy unknown", func(r *Results) { r.Classifier = nil },
			[]string{"Recommendation: label a sample", "not known here"}, "accuracy fell"},
		{"too few files", func(r *Results) { last(r).AUROCLo, last(r).AUROCHi, last(r).PHolm = 0, 1, nan },
			[]string{"too few of them for a test", "Recommendation: collect more files"}, "retrain."},
		{"scores above", func(r *Results) { last(r).AUROC, last(r).AUROCLo, last(r).AUROCHi = 0.3, 0.25, 0.35 },
			[]string{"2019 files score above those of 2017", "Recommendation: look at the data"}, "told from"},
		{"one family clear of all others", func(r *Results) {
			for i := range last(r).Classes {
				last(r).Classes[i].Interval = Interval{0.6, 0.5, 0.7}
			}
			last(r).Classes[1].Interval = Interval{0.8, 0.71, 0.9}
		}, []string{"Of the families, virus has drifted furthest, with AUROC 0.80 (0.71 to 0.90)"}, "ranked"},
		{"the highest family overlaps a small one", func(r *Results) {
			for i := range last(r).Classes {
				last(r).Classes[i].Interval = Interval{0.6, 0.4, 0.7}
			}
			last(r).Classes[1].Interval = Interval{0.8, 0.71, 0.9}
			last(r).Classes[2].Interval = Interval{0.5, 0, 1}
		}, []string{"the interval of virus alone is above 0.5, and overlaps others, so that the families cannot be ranked"}, "furthest"},
		{"no family by itself", func(r *Results) {
			for i := range last(r).Classes {
				last(r).Classes[i].Lo = 0.49
			}
		}, []string{"told from 2017", "No family's interval is above 0.5 by itself."}, "furthest"},
		{"In was seen", func(r *Results) { r.InUnseen = "seen" },
			[]string{"accuracy is 71%.", "The network was trained on files of 2017-val", "Recommendation: none on these numbers"}, "fell"},
		{"In may have been seen", func(r *Results) { r.InUnseen = "unknown" },
			[]string{"It is not known whether the network was trained on files of 2017-val", "Recommendation, if 2017-val was new to the network: retrain."}, "none on"},
		{"In lacks a class", func(r *Results) { r.Splits[1].Classes[2].Files = 0 },
			[]string{"2017-val has no files of worm, which 2019 has", "Recommendation: none on these numbers"}, "retrain"},
		{"last split without a number", func(r *Results) { last(r).AUROC = nan },
			[]string{"2018-late files are told from 2017"}, "2019 files are"},
		{"tuned on later files", func(r *Results) { r.Detectors[2].UsesOutLabels = true },
			[]string{"by mahalanobis/layer8"}, "by mahalanobis/ensemble"},
		{"nothing computed", func(r *Results) { r.Detectors = nil },
			[]string{"cannot be said", "No detector has an AUROC"}, "Recommendation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := inventedRun()
			c.change(&r)
			got := strings.Join(headline(newView(r)), " ")
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("lacks %q:\n%s", want, got)
				}
			}
			if c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("says %q:\n%s", c.not, got)
			}
		})
	}
}

func TestPreferred(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"msp", "energy"}, "msp"},
		{[]string{"msp", "mahalanobis/layer7"}, "mahalanobis/layer7"},
		{[]string{"mahalanobis/layer7", "mahalanobis/layer8", "vim"}, "mahalanobis/layer8"},
		{[]string{"mahalanobis/layer8", "mahalanobis/ensemble-out-labels", "mahalanobis/ensemble"}, "mahalanobis/ensemble"},
	} {
		if got := Preferred(c.names); got != c.want {
			t.Errorf("Preferred(%q) = %q, want %q", c.names, got, c.want)
		}
	}
}

// Drift counts from the first verdict after which nothing known contradicts.
func TestLasting(t *testing.T) {
	for _, c := range []struct {
		vs   []verdict
		want int
	}{
		{nil, -1},
		{[]verdict{within, within}, -1},
		{[]verdict{above, above}, 0},
		{[]verdict{above, within, above, above}, 2},
		{[]verdict{within, above, unsure, above, unsure}, 1},
		{[]verdict{above, below}, -1},
		{[]verdict{unsure, unsure}, -1},
	} {
		if got := lasting(c.vs); got != c.want {
			t.Errorf("lasting(%v) = %d, want %d", c.vs, got, c.want)
		}
	}
}

// A month too small to show drift neither shows nor refutes it.
func TestMonthVerdict(t *testing.T) {
	nan := Num(math.NaN())
	for _, c := range []struct {
		month DetectorMonth
		want  verdict
	}{
		{DetectorMonth{Out: 40, AUROC: 0.6, AUROCLo: 0.51, AUROCHi: 0.68, NullHi: 0.55}, above},
		{DetectorMonth{Out: 40, AUROC: 0.4, AUROCLo: 0.32, AUROCHi: 0.49}, below},
		{DetectorMonth{Out: 40, AUROC: 0.55, AUROCLo: 0.47, AUROCHi: 0.63}, within},
		{DetectorMonth{Out: 1, AUROC: 0.9, AUROCLo: 0, AUROCHi: 1}, unsure},
		{DetectorMonth{Out: 4, AUROC: 1, AUROCLo: 0.4, AUROCHi: 1}, unsure},
		{DetectorMonth{Out: 9, AUROC: 1, AUROCLo: 0.66, AUROCHi: 1}, above},
		{DetectorMonth{AUROC: nan, AUROCLo: nan, AUROCHi: nan}, unsure},
	} {
		if got := c.month.drift(); got != c.want {
			t.Errorf("%+v: verdict %d, want %d", c.month, got, c.want)
		}
	}
}

func TestCalendar(t *testing.T) {
	for in, want := range map[string]string{"2018-01": "2018-01", "2019-12": "2019-12", "2018-13": "", "2018-00": "", "18-1": "", "2018-1x": "", "": "", "2018/01": "", "2018-01-05": ""} {
		got := ""
		if m, ok := parseMonth(in); ok {
			got = monthName(m)
		}
		if got != want {
			t.Errorf("%q was read as %q, want %q", in, got, want)
		}
	}
}

// Two runs side by side lead with each run's answer and what stands in its way.
func TestComparisonLead(t *testing.T) {
	a, b := inventedInput(), inventedInput()
	b.Results.InUnseen = "unknown"
	lead := newComparison(a, b, nil).headline()
	if len(lead) != 3 || strings.Contains(lead[1], "not known") || !strings.Contains(lead[2], "told from 2017 with AUROC 0.80") || !strings.Contains(lead[2], "It is not known whether") {
		t.Errorf("the lead is %q", lead)
	}
}

// No cell of a CSV file starts a formula, whatever the names of the files
// are, and numbers stay numbers.
func TestCSVGuardsFormulas(t *testing.T) {
	for name, in := range degenerates() {
		for _, s := range sections(in) {
			for _, tb := range s.tables {
				if tb.gap() != "" {
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
		{interval(Interval{0.5, 0.4, 0.6}, auroc2), "0.50 (0.40 to 0.60)"}, {interval(Interval{0.5, nan, 0.6}, auroc2), "0.50"}, {interval(Interval{nan, 0.4, 0.6}, auroc2), missing},
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

func someChecks() []RuleOutcome {
	return []RuleOutcome{
		{Rule: "auroc(2019, mahalanobis/ensemble) > 0.75", Reason: "lower end 0.749"},
		{Rule: "auroc(2019, mahalanobis/ensemble) > 0.7", Failed: true, Reason: "lower end 0.749"},
	}
}

func TestMarkdownGolden(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, inventedRun(), someChecks()); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "summary.md", b.Bytes())
}

// A name can neither end a table's cell or line nor bring in HTML.
func TestMarkdownEscapes(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, degenerates()["hostile names"].Results, []RuleOutcome{{Rule: hostile, Reason: "a|b"}}); err != nil {
		t.Fatal(err)
	}
	bars := -1
	for line := range strings.Lines(b.String()) {
		plain := strings.NewReplacer(`\\`, "", `\|`, "", `\<`, "").Replace(line)
		if strings.Contains(plain, "<") {
			t.Errorf("HTML in %.100q", line)
		}
		if !strings.HasPrefix(line, "|") {
			bars = -1
			continue
		}
		if n := strings.Count(plain, "|"); bars >= 0 && n != bars {
			t.Errorf("a row has %d bars after one with %d: %.100q", n, bars, line)
		} else {
			bars = n
		}
	}
}

// No part of a text is a link or a mention, or is left out.
func TestMarkdownLinks(t *testing.T) {
	for text, want := range map[string]string{
		"http://e.invalid/x":   `http\://e.invalid/x`,
		"a: b :c":              `a: b :c`,
		"WwW.e.invalid":        `WwW\.e.invalid`,
		"w.w":                  `w.w`,
		"[a](ftp://e.invalid)": `\[a\](ftp\://e.invalid)`,
		"mailto:a@e.invalid":   `mailto:a@&#8288;e.invalid`,
		"@someone `x` \u202eb": "@&#8288;someone \\`x\\` \ufffdb",
	} {
		if got := markdown(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, append(someChecks(), RuleOutcome{Rule: hostile, Failed: true, Reason: hostile})); err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(b.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 3 || suite.Failures != 2 || len(suite.Cases) != 3 {
		t.Errorf("got %d tests, %d failures, %d cases", suite.Tests, suite.Failures, len(suite.Cases))
	}
	if suite.Cases[0].Failure != nil || suite.Cases[1].Failure == nil || suite.Cases[1].Failure.Message != "lower end 0.749" {
		t.Errorf("the failures are not where they happened: %+v", suite.Cases)
	}
	if suite.Cases[2].Name != clean(hostile) {
		t.Errorf("the name came back as %q", suite.Cases[2].Name)
	}
}

func ExampleJUnit() {
	JUnit(os.Stdout, []RuleOutcome{{Rule: "auroc(2019, msp) > 0.75", Failed: true, Reason: "0.81 is above 0.75"}})
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <testsuite name="driftbench" tests="1" failures="1">
	//   <testcase name="auroc(2019, msp) &gt; 0.75" classname="driftbench">
	//     <failure message="0.81 is above 0.75"></failure>
	//   </testcase>
	// </testsuite>
}

// Where a p99 is shown, so is what it is worth with few files.
func TestThroughputNotesP99(t *testing.T) {
	rows := inventedThroughput()
	if s := throughputSection(rows); len(s.notes) > 0 {
		t.Errorf("without a p99: %q", s.notes)
	}
	rows = append(rows, ThroughputRow{Engine: "table", Device: "cpu", Unit: "p99-latency-sec", Batch: 1, Center: 0.01, N: 10})
	if s := throughputSection(rows); len(s.notes) != 1 || !strings.Contains(s.notes[0], "fewer than 100 files") {
		t.Errorf("with a p99: %q", s.notes)
	}
}
