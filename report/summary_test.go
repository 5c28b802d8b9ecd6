package report

import (
	"bytes"
	"encoding/xml"
	"os"
	"strings"
	"testing"
)

func someChecks() []Check {
	return []Check{
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
	if err := Markdown(&b, degenerates()["hostile names"].Results, []Check{{Rule: hostile, Reason: "a|b"}}); err != nil {
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
	if err := JUnit(&b, append(someChecks(), Check{Rule: hostile, Failed: true, Reason: hostile})); err != nil {
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
	JUnit(os.Stdout, []Check{{Rule: "auroc(2019, msp) > 0.75", Failed: true, Reason: "0.81 is above 0.75"}})
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <testsuite name="driftbench" tests="1" failures="1">
	//   <testcase name="auroc(2019, msp) &gt; 0.75" classname="driftbench">
	//     <failure message="0.81 is above 0.75"></failure>
	//   </testcase>
	// </testsuite>
}
