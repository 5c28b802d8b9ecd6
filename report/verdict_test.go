package report

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	nan := Num(math.NaN())
	last := func(r *Results) *DetectorSplit { return &r.Detectors[2].Splits[2] }
	holds := func(r *Results) { r.Classifier.Splits[4].Accuracy = Interval{0.96, 0.92, 0.98} }
	told := func(auroc, lo, hi Num) func(*Results) {
		return func(r *Results) { s := last(r); s.AUROC, s.AUROCLo, s.AUROCHi, s.PHolm = auroc, lo, hi, 0.01 }
	}
	not := func(auroc, lo, hi Num) func(*Results) {
		return func(r *Results) { s := last(r); s.AUROC, s.AUROCLo, s.AUROCHi, s.PHolm = auroc, lo, hi, 0.3 }
	}
	noInterval := func(r *Results) { s := last(r); s.AUROCLo, s.AUROCHi, s.PHolm = nan, nan, nan }
	balanced := func(lo Num) func(*Results) { return func(r *Results) { last(r).Balanced.Lo = lo } }
	check := func(name string, s Status) func(*Results) {
		return func(r *Results) {
			r.Checks = append(r.Checks, Check{Name: name, Status: s, Detail: "found", Todo: "act"})
		}
	}
	lack := func(split, class int) func(*Results) {
		return func(r *Results) { r.Splits[split].Classes[class].Files = 0 }
	}
	none := func(r *Results) { r.Classifier = nil }
	type do = []func(*Results)
	for _, c := range []struct {
		name                 string
		changes              do
		drift, since, action string
	}{
		{"drift, accuracy fell", nil, "yes", "2018-late", "retrain"},
		{"drift, accuracy holds", do{holds}, "yes", "2018-late", "label"},
		{"drift, accuracy unknown", do{none}, "yes", "2018-late", "label"},
		{"small, accuracy fell", do{told(0.54, 0.51, 0.57)}, "yes", "2018-late", "label"},
		{"small, accuracy holds", do{told(0.54, 0.51, 0.57), holds}, "yes", "2018-late", "keep"},
		{"small, accuracy unknown", do{told(0.54, 0.51, 0.57), none}, "yes", "2018-late", "keep"},
		{"0.55 is not small", do{told(0.55, 0.51, 0.57)}, "yes", "2018-late", "retrain"},
		{"not told", do{not(0.53, 0.48, 0.58), holds}, "no", "", "keep"},
		{"not told, accuracy fell", do{not(0.53, 0.48, 0.58)}, "no", "", "label"},
		{"not told, wide", do{not(0.6, 0.4, 0.78), holds}, "unknown", "", "collect"},
		{"not told, wide, accuracy fell", do{not(0.6, 0.4, 0.78)}, "unknown", "", "label"},
		{"below", do{told(0.3, 0.2, 0.4)}, "unknown", "", "inspect"},
		{"no interval", do{noInterval, holds}, "unknown", "", "collect"},
		{"no interval, and a p all the same", do{told(0.8, nan, nan), holds}, "unknown", "", "collect"},
		{"a check warns", do{check("rows are distinct", Warn)}, "yes", "2018-late", "retrain"},
		{"a check blocks", do{check("rows are distinct", Warn), check("the files are programs", Block)}, "unknown", "", "none"},
		{"In was seen", do{func(r *Results) { r.InUnseen = "seen" }}, "unknown", "", "none"},
		{"In may have been seen", do{func(r *Results) { r.InUnseen = "unknown" }}, "yes", "2018-late", "retrain"},
		{"classes differ, balanced above", do{check(ClassesAlike, Warn)}, "yes", "2018-late", "retrain"},
		{"classes differ, balanced not above", do{check(ClassesAlike, Warn), balanced(0.49)}, "unknown", "", "inspect"},
		{"classes differ, no balanced", do{check(ClassesAlike, Warn), balanced(nan)}, "unknown", "", "inspect"},
		{"classes alike, no balanced", do{check(ClassesAlike, Pass), balanced(nan)}, "yes", "2018-late", "retrain"},
		{"In lacks a class", do{lack(1, 2), balanced(0.49)}, "unknown", "", "inspect"},
		{"the split lacks a class", do{lack(4, 2), balanced(0.49)}, "unknown", "", "inspect"},
		{"since needs the balanced AUROC too", do{lack(3, 2), func(r *Results) { r.Detectors[2].Splits[1].Balanced.Lo = 0.5 }}, "yes", "2019", "retrain"},
		{"no file has a label", do{lack(4, 0), lack(4, 1), lack(4, 2), lack(4, 3), balanced(nan), none}, "yes", "2018-late", "label"},
		{"no detector", do{func(r *Results) { r.Detectors = nil }}, "unknown", "", "none"},
		{"no later split", do{func(r *Results) {
			r.Splits = r.Splits[:2]
			for i := range r.Detectors {
				r.Detectors[i].Splits = nil
			}
		}}, "unknown", "", "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := inventedRun()
			r.Checks = nil
			for _, change := range c.changes {
				change(&r)
			}
			got := Judge(r)
			if got.Drift != c.drift || got.Since != c.since || got.Action != c.action {
				t.Errorf("drift %q since %q, action %q; want %q, %q, %q: %s", got.Drift, got.Since, got.Action, c.drift, c.since, c.action, got.Because)
			}
			if got.Because == "" {
				t.Error("gives no reason")
			}
			if text := strings.Join(headline(newView(r)), " "); (c.action == "none") == strings.Contains(text, "Recommendation") {
				t.Errorf("with action %q the headline is %s", c.action, text)
			}
		})
	}
}

// Every check that blocks is named, the first with what to do.
func TestJudgeNamesBlocks(t *testing.T) {
	r := inventedRun()
	r.Checks = []Check{
		{Name: "passes", Status: Pass, Detail: "nothing"}, {Name: "first", Status: Block, Detail: "found 7 of 9", Todo: "remove them"},
		{Name: "second", Status: Block, Detail: "found more"},
	}
	want := `The check "first" blocks the verdict: found 7 of 9. To do: remove them. Other checks block it too: second.`
	if got := Judge(r); got.Because != want {
		t.Errorf("got %q, want %q", got.Because, want)
	}
}

func TestHeadline(t *testing.T) {
	nan := Num(math.NaN())
	last := func(r *Results) *DetectorSplit { return &r.Detectors[2].Splits[2] }
	alike := func(r *Results) { // 2019 is as In
		for i := range r.Detectors[2].Splits {
			s := &r.Detectors[2].Splits[i]
			s.AUROC, s.AUROCLo, s.AUROCHi, s.PHolm = 0.51, 0.45, 0.57, 1
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Results)
		want   []string // each in the headline
		not    string
	}{
		{"drifted and worse", func(*Results) {},
			[]string{"Drift since 2018-late. 2019 files are told from 2017 with AUROC 0.80 (0.75 to 0.86) by mahalanobis/ensemble", "accuracy fell from 97% on 2017-val to 71%", "By family, the intervals of backdoor, worm, virus, trojan are above 0.5; they overlap", "keeps 122 of 181, with accuracy 80%, against 71% (67% to 75%) of all", "Recommendation: retrain."}, "small"},
		{"no drift", func(r *Results) {
			alike(r)
			r.Classifier.Splits[4].Accuracy = Interval{0.96, 0.92, 0.98}
		}, []string{"No drift found. 2019 files cannot be told from 2017: AUROC 0.51 (0.45 to 0.57)", "Recommendation: keep the model."}, "family"},
		{"no drift by the preferred detector alone", alike, []string{"Other detectors do tell 2019 from 2017, at p < 0.05 each", "mahalanobis/layer7, mahalanobis/layer8, rmd/layer8, msp."}, "vim"},
		{"inside the band, and told all the same", func(r *Results) {
			s := last(r)
			s.AUROC, s.AUROCLo, s.AUROCHi, s.NullLo, s.NullHi, s.PHolm = 0.58, 0.53, 0.63, 0.45, 0.55, 0.002
		}, []string{"2019 files are told from 2017 with AUROC 0.58 (0.53 to 0.63) by mahalanobis/ensemble, p 0.002"}, "cannot be told"},
		{"two files, both apart", func(r *Results) {
			s := last(r)
			s.AUROC, s.AUROCLo, s.AUROCHi, s.PHolm = 1, 0.16, 1, 0.0004
		}, []string{"2019 files are told from 2017 with AUROC 1.00 (0.16 to 1.00)", "p <0.001"}, "cannot be told"},
		{"no drift, accuracy fell", alike,
			[]string{"cannot be told from 2017", "accuracy fell from 97% on 2017-val to 71%", "Recommendation: label a sample"}, "keep the model."},
		{"drift, accuracy holds", func(r *Results) { r.Classifier.Splits[4].Accuracy = Interval{0.96, 0.92, 0.98} },
			[]string{"accuracy is 96%, against 97% on 2017-val", "Recommendation: label a sample"}, "Recommendation: retrain."},
		{"drift, accuracy unknown", func(r *Results) { r.Classifier = nil },
			[]string{"Recommendation: label a sample"}, "accuracy fell"},
		{"too few files", func(r *Results) { last(r).AUROCLo, last(r).AUROCHi, last(r).PHolm = nan, nan, nan; r.Classifier = nil },
			[]string{"Drift unknown.", "too few of them for a test", "outside the no-drift band, 0.44 to 0.56", "Recommendation: collect more files"}, "since"},
		{"too wide an interval", func(r *Results) {
			last(r).AUROCLo, last(r).AUROCHi, last(r).PHolm = 0.45, 0.81, 0.1
			r.Classifier = nil
		},
			[]string{"Drift unknown.", "reaches above 0.7", "Recommendation: collect more files"}, "keep the model."},
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
		{"hundreds of families", func(r *Results) {
			last(r).Classes = slices.Repeat(last(r).Classes, 100)
		}, []string{"and 394 more are above 0.5"}, ""},
		{"In was seen", func(r *Results) { r.InUnseen = "seen" },
			[]string{"Verdict withheld. The network was trained on files of 2017-val"}, "Recommendation"},
		{"In may have been seen", func(r *Results) { r.InUnseen = "unknown" },
			[]string{"It is not known whether the network was trained on files of 2017-val", "Recommendation: if 2017-val was new to the network, retrain."}, "withheld"},
		{"In lacks a class", func(r *Results) { r.Splits[1].Classes[2].Files = 0 },
			[]string{"Drift since 2018-late.", "2017-val has no files of worm, which 2019 has"}, "By month"},
		{"new families", func(r *Results) {
			r.Splits[4].NewFamilies, r.Splits[4].Unlabelled = []ClassCount{{"emotet", 9}, {"qakbot", 3}}, 5
		}, []string{"Of the 181 files of 2019, 12 are of families that the training span lacks (emotet, qakbot) and 5 have no label"}, ""},
		{"groups that the index does not name", func(r *Results) {
			r.Regroupings = []Regrouping{
				{By: "PE timestamps", Split: "2019", Groups: 24, DesignEffect: 3.2, AUROC: Interval{0.8, 0.46, 0.95}},
				{By: "label and month", Split: "2019", Groups: 200, DesignEffect: 1.1, AUROC: Interval{0.8, 0.7, 0.9}},
			}
		}, []string{"by PE timestamps are alike (24 groups), the variance is 3.2 times as large, and the AUROC of 2019 is 0.80 (0.46 to 0.95), which does not exclude 0.5"}, "label and month"},
		{"a check blocks", func(r *Results) {
			r.Checks = []Check{{Name: "rows are distinct", Status: Block, Detail: "every row is there twice", Todo: "remove the copies."}}
		},
			[]string{`Verdict withheld. The check "rows are distinct" blocks the verdict: every row is there twice. To do: remove the copies.`}, "Recommendation"},
		{"last split without a number", func(r *Results) { last(r).AUROC = nan },
			[]string{"2018-late files are told from 2017"}, "2019 files are"},
		{"tuned on later files", func(r *Results) { r.Detectors[2].UsesOutLabels = true },
			[]string{"by mahalanobis/layer8"}, "by mahalanobis/ensemble"},
		{"nothing computed", func(r *Results) { r.Detectors = nil },
			[]string{"Verdict withheld.", "No detector has an AUROC"}, "Recommendation"},
		{"a verdict that was written", func(r *Results) {
			r.Verdict = &Verdict{Drift: "yes", Since: "2018-Q1", Action: "label", Because: "Because of this."}
		},
			[]string{"Drift since 2018-Q1. Because of this.", "Recommendation: label"}, "retrain."},
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

// Drift counts from the first position after which nothing known contradicts.
func TestLasting(t *testing.T) {
	for _, c := range []struct {
		at   []position
		want int
	}{
		{nil, -1},
		{[]position{within, within}, -1},
		{[]position{above, above}, 0},
		{[]position{above, within, above, above}, 2},
		{[]position{within, above, unsure, above, unsure}, 1},
		{[]position{above, below}, -1},
		{[]position{unsure, unsure}, -1},
	} {
		if got := lasting(c.at); got != c.want {
			t.Errorf("lasting(%v) = %d, want %d", c.at, got, c.want)
		}
	}
}

// A month too small to show drift neither shows nor refutes it.
func TestMonthPosition(t *testing.T) {
	nan := Num(math.NaN())
	for _, c := range []struct {
		month DetectorMonth
		want  position
	}{
		{DetectorMonth{Out: 40, AUROC: 0.6, AUROCLo: 0.51, AUROCHi: 0.68, NullHi: 0.55}, above},
		{DetectorMonth{Out: 40, AUROC: 0.4, AUROCLo: 0.32, AUROCHi: 0.49}, below},
		{DetectorMonth{Out: 40, AUROC: 0.55, AUROCLo: 0.47, AUROCHi: 0.63}, within},
		{DetectorMonth{Out: 40, Groups: 10, AUROC: 0.55, AUROCLo: 0.47, AUROCHi: 0.63}, within},
		{DetectorMonth{Out: 40, Groups: 9, AUROC: 0.55, AUROCLo: 0.47, AUROCHi: 0.63}, unsure},
		{DetectorMonth{Out: 1, AUROC: 0.9, AUROCLo: 0, AUROCHi: 1}, unsure},
		{DetectorMonth{Out: 4, AUROC: 1, AUROCLo: 0.4, AUROCHi: 1}, unsure},
		{DetectorMonth{Out: 9, AUROC: 1, AUROCLo: 0.66, AUROCHi: 1}, above},
		{DetectorMonth{AUROC: nan, AUROCLo: nan, AUROCHi: nan}, unsure},
	} {
		if got := c.month.position(); got != c.want {
			t.Errorf("%+v: position %d, want %d", c.month, got, c.want)
		}
	}
}

// docs/results.md names every key of results.json with what its Go field says of it.
func TestReferenceOfResults(t *testing.T) {
	got := resultsReference(t)
	const path = "../docs/results.md"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s does not say what results.go says: go test ./report -run ReferenceOfResults -update", path)
	}
}

// resultsReference writes a table for every struct of results.json, from the
// declarations and comments of results.go.
func resultsReference(t *testing.T) string {
	var declared []ast.Decl
	for _, path := range []string{"results.go", "../internal/origin/origin.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		declared = append(declared, file.Decls...)
	}
	var b strings.Builder
	b.WriteString("# results.json\n\n" +
		"Every number of a report. A number that could not be computed is null. Fields are only ever added within a\n" +
		"`schema_version`. The main numbers are in `summary.json`, a few KB.\n")
	comment := func(groups ...*ast.CommentGroup) string {
		for _, g := range groups {
			if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
				return strings.NewReplacer("|", `\|`, "[", "", "]", "", " nil ", " null ", "; nil ", "; null ").Replace(text)
			}
		}
		return ""
	}
	for _, d := range declared {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		s := g.Specs[0].(*ast.TypeSpec)
		fields, ok := s.Type.(*ast.StructType)
		if !ok || !s.Name.IsExported() || s.Name.Name == "Part" || s.Name.Name == "MismatchError" { // which are not in the file
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | type | |\n|---|---|---|\n", s.Name.Name, comment(g.Doc))
		for _, f := range fields.Fields.List {
			if f.Tag == nil { // embedded
				name := strings.TrimPrefix(types.ExprString(f.Type), "origin.")
				fmt.Fprintf(&b, "| | | the keys of [%[1]s](#%[2]s) |\n", name, strings.ToLower(name))
				continue
			}
			key, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
			says := comment(f.Doc, f.Comment)
			if rest, ok := strings.CutPrefix(says, f.Names[0].Name+" "); ok {
				says = "`" + key + "` " + rest
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", key, jsonType(f.Type), says)
		}
	}
	return b.String()
}

// jsonType describes a Go type as JSON has it.
func jsonType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return jsonType(e.X) + " or null"
	case *ast.ArrayType:
		if e.Len != nil {
			return "pair of " + jsonType(e.Elt)
		}
		return "list of " + jsonType(e.Elt)
	case *ast.MapType:
		return "object of " + jsonType(e.Value)
	}
	switch name := types.ExprString(e); name {
	case "string", "Status", "Role":
		return "string"
	case "int", "Num":
		return "number"
	case "bool":
		return "true or false"
	default:
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	}
}
