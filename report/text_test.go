package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"driftbench/internal/origin"
)

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

// Whether two runs are of one model is said before anything that depends on it.
func TestSameModel(t *testing.T) {
	a, b := inventedInput(), inventedInput()
	for _, tc := range []struct {
		modelA, modelB, engineB, want string
		same                          bool
	}{
		{"aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "table", "Both are of the model aaaaaaaaaaaa.", true},
		{"aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "tensorflow", "Both are of the model aaaaaaaaaaaa, by different engines", true},
		{"aaaaaaaaaaaaaa", "bbbbbbbbbbbbbb", "table", "are of different models, aaaaaaaaaaaa and bbbbbbbbbbbb (SHA-256): a difference between them is one of the models, not drift.", false},
		{"", "bbbbbbbbbbbbbb", "table", "Whether both are of one model is not known: A", true},
		{"aaaaaaaaaaaaaa", "", "table", "Whether both are of one model is not known: B", true},
	} {
		a.Results.Origin, b.Results.Origin = origin.Origin{ModelSHA256: tc.modelA, EngineIdentity: "table"}, origin.Origin{ModelSHA256: tc.modelB, EngineIdentity: tc.engineB}
		same, said := SameModel("A", "B", a.Results, b.Results)
		if same != tc.same || !strings.Contains(said, tc.want) {
			t.Errorf("%+v: %v, %q", tc, same, said)
		}
		lead := newComparison(a, b, nil).headline()
		if !strings.Contains(lead[0], tc.want) || !same && !strings.HasPrefix(lead[0], "A (") {
			t.Errorf("%+v: the page leads with %q", tc, lead[0])
		}
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

// Names that differ stay apart however short they have to be.
func TestApart(t *testing.T) {
	for _, c := range []struct {
		names, want []string
		most        int
	}{
		{[]string{"Trojan-Dropper.Win32.Agent.gen", "Trojan-Spy.Win32.Agent.gen"}, []string{"Trojan-Dro…Agent.gen", "Trojan-Spy…Agent.gen"}, 20},
		{[]string{"Trojan-Dropper.Win32.Agent.gen", "Trojan-Spy.Win32.Agent.gen"}, []string{"Trojan-D…gen", "Trojan-S…gen"}, 12},
		{[]string{"abcdefghij", "abcdefghij", "x", ""}, []string{"ab…ij", "ab…ij", "x", ""}, 5},
		{[]string{"aaaaaaaaaXbbbbbbbbb", "aaaaaaaaaYbbbbbbbbb"}, []string{"a…b #1", "a…b #2"}, 6},
	} {
		got := apart(c.names, c.most)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q in %d: %q, want %q", c.names, c.most, got, c.want)
		}
	}
}

// What the font of pictures lacks has a number in the picture and a key in its
// caption, and is never blank.
func TestUndrawableNames(t *testing.T) {
	names := []string{"worm", "特洛伊木马", "Троян", "worm 🐛", "特洛伊木马"}
	if got, want := drawnApart(names, 20), []string{"worm", "#1", "Троян", "#2", "#1"}; !slices.Equal(got, want) {
		t.Errorf("drawn as %q, want %q", got, want)
	}
	if got, want := keyOf(names), " Names that the font lacks: #1 is 特洛伊木马, #2 is worm 🐛."; got != want {
		t.Errorf("the key is %q, want %q", got, want)
	}
	r := inventedRun()
	r.Splits[4].Name = "二〇一九"
	v := newView(r)
	if got := v.splitLabel("二〇一九", 20); got != "split 3" {
		t.Errorf("the split is %q", got)
	}
	r.Labels[1] = "特洛伊木马"
	if f := confusionFigure(newView(r)); !strings.Contains(f.caption, "#1 is 特洛伊木马") || strings.Contains(string(f.svg(wideWidth)), "特") {
		t.Errorf("the caption is %q", f.caption)
	}
}

// A matrix of many classes is drawn with the commonest and one row for the others.
func TestMerged(t *testing.T) {
	m := [][]int{{5, 1, 0}, {2, 3, 4}, {0, 1, 1}}
	if got := fmt.Sprint(merged(m, []int{0, 1}, 3)); got != "[[5 1 0] [2 3 4] [0 1 1]]" {
		t.Errorf("one other: %s", got)
	}
	if got := fmt.Sprint(merged(m, []int{1}, 3)); got != "[[3 6] [2 6]]" {
		t.Errorf("two others: %s", got)
	}
	if got := commonest(3, m, m); fmt.Sprint(got) != "[0 1 2]" {
		t.Errorf("the classes are %v", got)
	}
}

// What rejection does is said with its number of files, and not at all of few.
func TestSavingsNeedFiles(t *testing.T) {
	v := newView(inventedRun())
	d := *v.preferred()
	for i := range v.Classifier.Rejection {
		r := &v.Classifier.Rejection[i]
		r.Kept, r.Coverage, r.Accuracy = 6, Num(6.0/181), Num(4.0/6)
	}
	if got := v.savings(d, *d.last()); !strings.Contains(got, "keeps 6 of 181, too few") || strings.Contains(got, "67%") {
		t.Errorf("of 6 files: %q", got)
	}
	for i := range v.Classifier.Rejection {
		r := &v.Classifier.Rejection[i]
		r.Kept, r.AccuracyInterval = 60, &Interval{0.8, 0.7, 0.9}
	}
	if got := v.savings(d, *d.last()); !strings.Contains(got, "keeps 60 of 181, with accuracy 80% (70% to 90%), against 71% (67% to 75%) of all") {
		t.Errorf("of 60 files: %q", got)
	}
}

// The page lists ten files to look at, and the CSV file all with their digests.
func TestAtypical(t *testing.T) {
	table := atypicalTable(newView(inventedRun()))
	if n := len(table.view().Rows); n != atypicalShown {
		t.Errorf("the page has %d files", n)
	}
	records, err := csv.NewReader(bytes.NewReader(table.encode())).ReadAll()
	if err != nil || len(records) != 13 || !slices.Equal(records[0], []string{"name", "sha256", "label", "first_seen", "score", "layer_score", "in_below", "nearest", "predicted", "group"}) {
		t.Errorf("%v: %q", err, records)
	}
	if atypicalTable(newView(Results{})).gap() == "" {
		t.Error("an older run has no reason why there is no list")
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
	if err := Text(&b, inventedRun(), Look{}); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "table.txt", b.Bytes())
}

// With files in groups the table says how many independent files they are worth.
func TestTableOfGroups(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, inGroups(inventedRun()), Look{Width: 110, All: true}); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "table-groups.txt", b.Bytes())
}

// The table of AUROCs has groups where files share them, and is else that of files.
func TestAUROCTableGroups(t *testing.T) {
	r := inventedRun()
	for i := range r.Detectors { // each file is its own group
		for j := range r.Detectors[i].Splits {
			s := &r.Detectors[i].Splits[j]
			s.GroupsIn, s.GroupsOut, s.EffectiveIn, s.EffectiveOut, s.DesignEffect = s.In, s.Out, Num(s.In), Num(s.Out), 1
		}
	}
	if got, want := aurocTable(newView(r)).encode(), aurocTable(newView(inventedRun())).encode(); !bytes.Equal(got, want) {
		t.Errorf("with every file a group of its own the table is\n%s", got)
	}
	got := aurocTable(newView(inGroups(inventedRun())))
	row := got.rows[0]
	if row[2].text != "162 (20, 68)" || row[3].text != "96 (4, 40)" || row[10].text != "2.4, few groups" {
		t.Errorf("the row of few groups is %v", row)
	}
	if lines := strings.SplitN(string(got.encode()), "\n", 3); !strings.HasPrefix(lines[0], "detector,split,in,groups_in,effective_in,out,groups_out,effective_out,auroc,") || !strings.HasSuffix(lines[1], ",2.4,true") {
		t.Errorf("the CSV starts with %q, %q", lines[0], lines[1])
	}
}

// What blocks or warns is printed before the table, in whole words.
func TestTableLeadsWithChecks(t *testing.T) {
	r := inventedRun()
	r.Checks = append(r.Checks, blocked())
	r.Regroupings = []Regrouping{{By: "PE timestamps", Split: "2019", Groups: 24, DesignEffect: 3.2, AUROC: Interval{0.8, 0.46, 0.95}}}
	var b bytes.Buffer
	if err := Text(&b, r, Look{All: true}); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "table-blocked.txt", b.Bytes())
}

// The page, the terminal and the summary of CI show a check that blocks above
// one that warns, and both above those that pass.
func TestChecksAreSorted(t *testing.T) {
	r := inventedRun()
	r.Checks = append(r.Checks, blocked(), Check{Name: "later", Status: "unheard of"})
	want := []string{"BLOCKED", "warning", "warning", "pass", "pass", "pass"}
	var got []string
	for _, row := range checkTable(newView(r)).rows {
		got = append(got, row[0].text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page shows %q, want %q", got, want)
	}
	var b bytes.Buffer
	if err := Markdown(&b, r, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), "### Verdict withheld. ") || !strings.Contains(b.String(), "| **BLOCKED** | the files are programs |") || strings.Contains(b.String(), "Recommendation") {
		t.Errorf("the summary is\n%s", b.String())
	}
}

func TestTableFits(t *testing.T) {
	r := inventedRun()
	for i := range r.Detectors {
		r.Detectors[i].Name = strings.Repeat("検出器/very-long-layer-name-", 4) + r.Detectors[i].Name + "\x1b[31m\n"
	}
	r.Checks = []Check{{Name: strings.Repeat("検出器", 50) + "\x1b[31m", Status: Block, Detail: strings.Repeat("x", 300) + strings.Repeat(" 検出器", 60)}}
	for i := range r.Splits {
		r.Splits[i].Name += strings.Repeat("-long", 9)
	}
	for i := range r.Detectors {
		for j := range r.Detectors[i].Splits {
			r.Detectors[i].Splits[j].Split = r.Splits[j+2].Name
		}
	}
	for _, r := range []Results{r, inventedRun(), inGroups(inventedRun()), manyFamilies()} {
		for _, width := range []int{0, 60, 80, 100, 160} {
			var b bytes.Buffer
			if err := Text(&b, r, Look{Width: width, All: true}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "\x1b") {
				t.Error("a name reached the terminal with its escape sequence")
			}
			for line := range strings.Lines(b.String()) {
				if w := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); w > cmp.Or(width, 80) {
					t.Errorf("width %d: %d columns: %s", width, w, line)
				}
			}
		}
	}
}

// A wide terminal has the columns that a narrow one leaves out.
func TestTextUsesTheWidth(t *testing.T) {
	for width, want := range map[int]string{
		45:  "split      files  AUROC (95% interval)\n",
		70:  "split      files   groups  AUROC (95% interval)     accuracy\n",
		80:  "split      files   groups  effective  AUROC (95% interval)     accuracy\n",
		90:  "split      files   groups  effective  AUROC (95% interval)     p (Holm)  accuracy\n",
		110: "split      files   groups  effective  AUROC (95% interval)     p (Holm)  no-drift band   accuracy\n",
	} {
		var b bytes.Buffer
		if err := Text(&b, inGroups(inventedRun()), Look{Width: width}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%d columns lack %q:\n%s", width, want, b.String())
		}
	}
}

// Colour marks the AUROCs that are told from 0.5 and no other, and changes nothing
// else.
func TestTextColor(t *testing.T) {
	var b, without bytes.Buffer
	if err := Text(&b, inventedRun(), Look{Color: true}); err != nil {
		t.Fatal(err)
	}
	if err := Text(&without, inventedRun(), Look{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{bold + "Drift: " + plain + told + "yes" + plain, bold + "Do:    " + plain, told + "0.804 (0.749 to 0.859)*" + plain} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %q", want, b.String())
		}
	}
	if n := strings.Count(b.String(), told); n != 3 {
		t.Errorf("%d parts are coloured, want the answer and two AUROCs:\n%s", n, b.String())
	}
	if strings.NewReplacer(bold, "", told, "", plain, "").Replace(b.String()) != without.String() {
		t.Error("colour changes the text")
	}
}

// The answer gives the verdict with its size, since when, and what to do and why.
func TestAnswers(t *testing.T) {
	change := func(f func(*Results)) Results {
		r := inventedRun()
		r.Verdict = nil
		f(&r)
		return r
	}
	same := func(r *Results) {
		for i := range r.Detectors {
			for j := range r.Detectors[i].Splits {
				s := &r.Detectors[i].Splits[j]
				s.AUROC, s.AUROCLo, s.AUROCHi, s.P, s.PHolm = 0.51, 0.46, 0.56, 0.7, 1
			}
		}
	}
	for name, c := range map[string]struct {
		r    Results
		want Answer
	}{
		"drift": {change(func(*Results) {}), Answer{
			"yes, AUROC 0.80 (0.75 to 0.86) on 2019; 0.5 is no drift", "2018-late (2018-04 to 2018-12), AUROC 0.67 (0.62 to 0.73) there",
			"fell from 97% on 2017-val (n 162) to 71% (67% to 75%) on 2019 (n 181)", "retrain; 2019 is told from 2017 and accuracy fell from 97% to 71%"}},
		"none": {change(func(r *Results) { same(r); r.Classifier = nil }), Answer{
			"no, AUROC 0.51 (0.46 to 0.56) on 2019; 0.5 is no drift", "no split up to 2019 shows drift",
			"not known: the model's classes are not the corpus's labels", "keep the model; 2019 is not told from 2017"}},
		"too few": {change(func(r *Results) {
			same(r)
			r.Classifier = nil
			r.InUnseen = "unknown"
			for i := range r.Detectors {
				for j := range r.Detectors[i].Splits {
					r.Detectors[i].Splits[j].AUROCHi = 0.9
				}
			}
		}), Answer{
			"cannot be said, AUROC 0.51 (0.46 to 0.90) on 2019; 0.5 is no drift", "cannot be said",
			"not known: the model's classes are not the corpus's labels", "if 2017-val was new to the network: collect more files; 2019 has too few to decide"}},
		"too few groups": {change(func(r *Results) {
			same(r)
			*r = inGroups(*r)
			for i := range r.Detectors {
				for j := range r.Detectors[i].Splits {
					r.Detectors[i].Splits[j].AUROCHi = 0.9
				}
			}
			r.Classifier = nil
		}), Answer{
			"cannot be said, AUROC 0.51 (0.46 to 0.90) on 2019; 0.5 is no drift", "cannot be said",
			"not known: the model's classes are not the corpus's labels", "collect files of more groups; 2017-val has 20 and 2019 has 22"}},
		"earlier": {change(func(r *Results) {
			same(r)
			r.Classifier = nil
			for _, d := range r.Detectors {
				if len(d.Splits) == 0 {
					continue
				}
				s := &d.Splits[0]
				s.AUROC, s.AUROCLo, s.AUROCHi, s.P, s.PHolm = 0.7, 0.6, 0.8, 0.001, 0.001
			}
		}), Answer{
			"no, AUROC 0.51 (0.46 to 0.56) on 2019; 0.5 is no drift", "not lasting; told from 2017 on 2018-Q1, but not on 2019",
			"not known: the model's classes are not the corpus's labels", "keep the model; 2019 is not told from 2017"}},
		"blocked": {change(func(r *Results) { r.Checks = append(r.Checks, blocked()) }), Answer{
			"cannot be said: blocked by the check “the files are programs”", "cannot be said",
			"fell from 97% on 2017-val (n 162) to 71% (67% to 75%) on 2019 (n 181)",
			"run `git lfs pull` in the corpus, and then driftbench again; " + blocked().Detail}},
		"seen":    {change(func(r *Results) { r.InUnseen = "seen"; r.Classifier = nil }), Answer{"cannot be said: the network was trained on files of 2017-val", "cannot be said", "not known: the model's classes are not the corpus's labels", "score held-out files that the network was not trained on"}},
		"nothing": {Results{}, Answer{"cannot be said: there is no later split to compare with: add one under tests in corpus.yaml", "cannot be said", "not known: the model's classes are not the corpus's labels", "see the reason above; nothing can be concluded yet"}},
	} {
		if got := newView(c.r).answers(); got != c.want {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, c.want)
		}
	}
}

// summary.json holds the answer, the numbers by split and every check in a few KB.
func TestSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.json")
	r := inGroups(inventedRun())
	if err := WriteSummary(path, r); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s Summary
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if len(b) > 8000 || len(s.Splits) != 4 || len(s.Checks) != len(r.Checks) || s.Checks[0].Status != Warn || s.Verdict.Drift != "yes" || s.SchemaVersion != 1 {
		t.Errorf("%d bytes: %s", len(b), b)
	}
	in, last := s.Splits[0], s.Splits[3]
	d := newView(r).preferred().last()
	if in.Role != RoleIn || in.AUROC.Value.OK() || in.Groups != 20 || in.Accuracy.Value != 0.97 || last.Split != "2019" || last.AUROC != d.auroc() || last.Effective != d.EffectiveOut || last.Accuracy.Value != 0.71 {
		t.Errorf("%+v\n%+v", in, last)
	}
}

func someRules() []RuleOutcome {
	return []RuleOutcome{
		{Rule: "auroc(2019, mahalanobis/ensemble) > 0.75", Reason: "lower end 0.749"},
		{Rule: "auroc(2019, mahalanobis/ensemble) > 0.7", Failed: true, Reason: "lower end 0.749"},
	}
}

func TestMarkdownGolden(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, inventedRun(), someRules()); err != nil {
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
	r := inventedRun()
	r.Checks = append(r.Checks, blocked())
	if err := JUnit(&b, r, append(someRules(), RuleOutcome{Rule: hostile, Failed: true, Reason: hostile})); err != nil {
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
		Out string `xml:"system-out"`
	}
	if err := xml.Unmarshal(b.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 8 || suite.Failures != 3 || len(suite.Cases) != 8 {
		t.Fatalf("got %d tests, %d failures, %d cases", suite.Tests, suite.Failures, len(suite.Cases))
	}
	for i, want := range []string{"", "", "", "", clean(blocked().text()), "", "lower end 0.749", clean(hostile)} {
		got := ""
		if f := suite.Cases[i].Failure; f != nil {
			got = f.Message
		}
		if got != want {
			t.Errorf("case %d fails with %q, want %q", i, got, want)
		}
	}
	if suite.Cases[7].Name != clean(hostile) {
		t.Errorf("the name came back as %q", suite.Cases[7].Name)
	}
	if !strings.HasPrefix(suite.Out, "Verdict withheld. ") {
		t.Errorf("the verdict is %q", suite.Out)
	}
}

func ExampleJUnit() {
	r := Results{Verdict: &Verdict{Drift: "yes", Since: "2019", Because: "2019 files are told from 2017 with AUROC 0.81."}}
	JUnit(os.Stdout, r, []RuleOutcome{{Rule: "auroc(2019, msp) > 0.75", Failed: true, Reason: "0.81 is above 0.75"}})
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <testsuite name="driftbench" tests="1" failures="1">
	//   <testcase name="auroc(2019, msp) &gt; 0.75" classname="driftbench">
	//     <failure message="0.81 is above 0.75"></failure>
	//   </testcase>
	//   <system-out>Drift since 2019. 2019 files are told from 2017 with AUROC 0.81.</system-out>
	// </testsuite>
}

// Bins of unequal width are drawn equally wide, and the threshold among them.
func TestUnevenBins(t *testing.T) {
	d := Detector{Name: "msp", Edges: []Num{0, 0.9, 0.99, 1}, InHistogram: []Num{0.2, 0.3, 0.5}, Threshold: 0.945}
	if d.evenEdges() || !inventedRun().Detectors[0].evenEdges() || !d.drawable() {
		t.Error("uneven edges are not told from even ones")
	}
	if got := d.position(d.Threshold); math.Abs(got-1.5) > 1e-9 {
		t.Errorf("the threshold is at %v", got)
	}
	f := distributionFigure(newView(Results{Detectors: []Detector{d}}))
	if svg := string(f.svg(wideWidth)); !strings.Contains(svg, ">0.99<") || !strings.Contains(f.caption, "uneven") {
		t.Errorf("%q: %s", f.caption, svg)
	}
}

// Edges that lie close to the last one do not read as it.
func TestEdgeTicks(t *testing.T) {
	var got []string
	for _, tick := range (edgeTicks{0.5, 0.9997, 1 - 6e-10, 1}).Ticks(0, 0) {
		got = append(got, tick.Label)
	}
	if want := []string{"0.5", "0.9997", "1-6e-10", "1"}; !slices.Equal(got, want) {
		t.Errorf("labels %q, want %q", got, want)
	}
}
