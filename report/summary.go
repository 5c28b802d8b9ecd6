package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Check is one rule a run was held to, and what came of it.
type Check struct {
	Rule   string // as it was written
	Failed bool
	Reason string // the number it was decided on
}

// Markdown writes a summary for the page of a CI job: the headline, the
// checks, and the table of AUROCs.
func Markdown(w io.Writer, r Results, checks []Check) error {
	v := newView(r)
	var b strings.Builder
	lines := headline(v)
	fmt.Fprintf(&b, "### %s\n", markdown(lines[0]))
	for _, line := range lines[1:] {
		fmt.Fprintf(&b, "\n%s\n", markdown(line))
	}
	if len(checks) > 0 {
		b.WriteString("\n| Rule | Outcome | Why |\n| --- | --- | --- |\n")
		for _, c := range checks {
			outcome := "passed"
			if c.Failed {
				outcome = "**failed**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", markdown(c.Rule), outcome, markdown(c.Reason))
		}
	}
	if t := aurocTable(v); t.gap == "" {
		b.WriteString("\n|")
		for _, c := range t.columns {
			fmt.Fprintf(&b, " %s |", markdown(c.title))
		}
		b.WriteString("\n|")
		for _, c := range t.columns {
			if c.numeric {
				b.WriteString(" ---: |")
			} else {
				b.WriteString(" --- |")
			}
		}
		for _, row := range t.rows {
			b.WriteString("\n|")
			for _, c := range row {
				fmt.Fprintf(&b, " %s |", markdown(c.text))
			}
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown makes text stand as it is in a line or a table cell. GitHub makes
// links of bare addresses too; of those with an @ only another character keeps
// it, for which a word joiner serves, that is not seen.
func markdown(s string) string {
	var b strings.Builder
	s = clean(s)
	for i, r := range s {
		if strings.ContainsRune("\\`*_{}[]<>#|~!&", r) || strings.HasPrefix(s[i:], "://") ||
			r == '.' && i >= 3 && strings.EqualFold(s[i-3:i], "www") {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		if r == '@' {
			b.WriteString("&#8288;")
		}
	}
	return b.String()
}

// JUnit writes the checks as a JUnit test suite, one test case a rule.
func JUnit(w io.Writer, checks []Check) error {
	type failure struct {
		Message string `xml:"message,attr"`
	}
	type testcase struct {
		Name      string   `xml:"name,attr"`
		Classname string   `xml:"classname,attr"`
		Failure   *failure `xml:"failure,omitempty"`
		Out       string   `xml:"system-out,omitempty"`
	}
	suite := struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Cases    []testcase `xml:"testcase"`
	}{Name: "driftbench", Tests: len(checks)}
	for _, c := range checks {
		tc := testcase{Name: clean(c.Rule), Classname: "driftbench"}
		if c.Failed {
			suite.Failures++
			tc.Failure = &failure{clean(c.Reason)}
		} else {
			tc.Out = clean(c.Reason)
		}
		suite.Cases = append(suite.Cases, tc)
	}
	out, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encoding JUnit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}
