package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/image/font/sfnt"
	"gonum.org/v1/plot/font"

	"driftbench/internal/text"
)

// clean returns s as one line that a page, an axis and an XML document can
// hold, with U+FFFD for every other character: names come from files on disk.
func clean(s string) string { return text.Line(s, unicode.ReplacementChar) }

// shorten cuts the middle out of a text of more than most characters: both
// ends tell names apart.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	tail := (most - 1) / 2
	return string(r[:most-1-tail]) + "…" + string(r[len(r)-tail:])
}

// apart returns the names clean and of at most so many characters, so that no two
// that differ are alike: where both ends do not tell them apart more of the one
// end is kept, and at last they are numbered.
func apart(names []string, most int) []string {
	out := make([]string, len(names))
	cut := func(s string, tail int) string {
		r := []rune(s)
		if len(r) <= most {
			return s
		}
		return string(r[:most-1-tail]) + "…" + string(r[len(r)-tail:])
	}
	pending := map[string][]int{} // by what they are shortened to
	for i, name := range names {
		s := short(name, most)
		pending[s] = append(pending[s], i)
	}
	taken := map[string]bool{}
	for s, same := range pending {
		if !slices.ContainsFunc(same, func(i int) bool { return names[i] != names[same[0]] }) {
			taken[s] = true
			for _, i := range same {
				out[i] = s
			}
		}
	}
	var rest []int
	for i, s := range out {
		if s == "" && names[i] != "" {
			rest = append(rest, i)
		}
	}
	for _, i := range rest {
		if out[i] != "" {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(rest), func(j int) bool { return names[j] == names[i] })
		chosen := ""
		for tail := (most - 1) / 2; chosen == "" && tail >= 0; tail-- {
			if s := cut(clean(names[i]), tail); !taken[s] && !slices.ContainsFunc(others, func(j int) bool { return cut(clean(names[j]), tail) == s }) {
				chosen = s
			}
		}
		for n := 1; chosen == ""; n++ {
			suffix := fmt.Sprintf(" #%d", n)
			if s := short(names[i], max(1, most-len(suffix))) + suffix; !taken[s] {
				chosen = s
			}
		}
		taken[chosen] = true
		for _, j := range rest {
			if names[j] == names[i] {
				out[j] = chosen
			}
		}
	}
	return out
}

// drawnApart is [apart] of names in a picture. A name that the font of pictures
// lacks a character of is replaced by its number in the key of [keyOf].
func drawnApart(names []string, most int) []string {
	out := apart(names, most)
	lacking := undrawable(names)
	for i, name := range names {
		if n := slices.Index(lacking, name); n >= 0 {
			out[i] = fmt.Sprintf("#%d", n+1)
		}
	}
	return out
}

// keyOf returns the key of the names that a picture cannot show, for its caption.
func keyOf(names []string) string {
	var all []string
	for i, name := range undrawable(names) {
		all = append(all, fmt.Sprintf("#%d is %s", i+1, short(name, 60)))
	}
	if len(all) == 0 {
		return ""
	}
	return " Names that the font lacks: " + strings.Join(all, ", ") + "."
}

// undrawable returns the names that the font of pictures lacks a character of.
func undrawable(names []string) (lacking []string) {
	face := font.DefaultCache.Lookup(tickStyle().Font, 0).Face
	if face == nil {
		return nil
	}
	var b sfnt.Buffer
	lacks := func(r rune) bool {
		i, err := face.GlyphIndex(&b, r)
		return err != nil || i == 0
	}
	for _, name := range names {
		if strings.ContainsFunc(clean(name), lacks) {
			lacking = append(lacking, name)
		}
	}
	return unique(lacking)
}

// splitLabel returns the name of a later split as a picture has it.
func (v view) splitLabel(name string, most int) string {
	if slices.Contains(v.undrawn, name) {
		return fmt.Sprintf("split %d", slices.Index(v.outNames(), name)+1)
	}
	return short(name, most)
}

// short returns a name clean and of at most so many characters.
func short(name string, most int) string { return shorten(clean(name), most) }

// missing stands for a number that could not be computed.
const missing = "–"

// none returns NaN, a number that could not be computed.
func none() Num { return Num(math.NaN()) }

// fixed formats x with a fixed number of decimals, or as missing.
func fixed(x Num, decimals int) string {
	if !x.OK() {
		return missing
	}
	s := strconv.FormatFloat(float64(x), 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return s
}

// percent formats a share between 0 and 1.
func percent(x Num) string {
	if !x.OK() {
		return missing
	}
	switch p := 100 * x; {
	case p > 0 && p < 0.05:
		return "<0.1%"
	case p > 99.95 && p < 100:
		return ">99.9%"
	case p > 0 && p < 1 || p > 99 && p < 100:
		return fixed(p, 1) + "%"
	}
	return fixed(100*x, 0) + "%"
}

// significant formats x with four significant digits.
func significant(x Num) string {
	if !x.OK() {
		return missing
	}
	s := fmt.Sprintf("%.4g", float64(x))
	if v, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(v) >= 1e4 && math.Abs(v) < 1e12 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return s
}

// interval formats a value and its 95% interval, each through f.
func interval(x Interval, f func(Num) string) string {
	if !x.Value.OK() || !x.Lo.OK() || !x.Hi.OK() {
		return f(x.Value)
	}
	return fmt.Sprintf("%s (%s to %s)", f(x.Value), f(x.Lo), f(x.Hi))
}

// auroc2 and auroc3 format an AUROC in sentences and in tables.
func auroc2(x Num) string { return fixed(x, 2) }
func auroc3(x Num) string { return fixed(x, 3) }

// pValue formats a p-value: below a thousandth only its bound is of use.
func pValue(p Num) string {
	if p.OK() && p < 0.001 {
		return "<0.001"
	}
	return fixed(p, 3)
}

// count formats a number with its noun: "1 file", "2 files".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list joins names for a sentence, and counts those past the first few.
func list(all []string) string {
	const most = 6
	var shown []string
	for _, name := range all[:min(most, len(all))] {
		shown = append(shown, short(name, 40))
	}
	text := strings.Join(shown, ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// names is list of the names of s.
func names[T any](s []T, name func(T) string) string {
	var all []string
	for _, x := range s {
		all = append(all, name(x))
	}
	return list(all)
}

// table is one table of the page and one CSV file.
type table struct {
	name    string // of its CSV file, without extension
	caption string
	empty   string // what the page says in place of a table without rows
	columns []column
	rows    [][]cell // one cell per column
	shown   int      // how many rows the page has; all, up to mostRows, if it is 0
	more    bool     // shown when the reader opens the rest of its section

	// Of a table that seal has cut to mostRows.
	file []byte // what encode returns
	of   int    // how many rows there were
}

// gap returns why there is no table, or "".
func (t table) gap() string {
	if len(t.rows) > 0 {
		return ""
	}
	return t.empty
}

// column heads one column of the page and one or more of the CSV file: a value
// with its interval is one cell on the page and three in the file.
type column struct {
	title   string
	csv     []string
	numeric bool
}

// cell is what one cell shows, what it holds in the CSV file, and for numeric
// columns the number it sorts by.
type cell struct {
	text  string
	csv   []string
	sort  Num
	class string // of the page's CSS; may be empty
}

func textColumn(title, csv string) column { return column{title: title, csv: []string{csv}} }

func numColumn(title, csv string) column {
	return column{title: title, csv: []string{csv}, numeric: true}
}

// intervalColumn heads a value with its 95% interval.
func intervalColumn(title, csv string) column {
	return column{title: title, csv: []string{csv, csv + "_lo", csv + "_hi"}, numeric: true}
}

// bandColumn heads the null band of an AUROC.
func bandColumn(title string) column {
	return column{title: title, csv: []string{"null_lo", "null_hi"}, numeric: true}
}

func textCell(s string) cell {
	s = clean(s)
	return cell{text: s, csv: []string{text.SpreadsheetSafe(s)}}
}

func countCell(n int) cell {
	s := strconv.Itoa(n)
	return cell{text: s, csv: []string{s}, sort: Num(n)}
}

func numCell(x Num, f func(Num) string) cell {
	return cell{text: f(x), csv: []string{digits(x)}, sort: x}
}

func intervalCell(x Interval, f func(Num) string) cell {
	return cell{text: interval(x, f), csv: []string{digits(x.Value), digits(x.Lo), digits(x.Hi)}, sort: x.Value}
}

func bandCell(lo, hi Num) cell {
	shown := missing
	if lo.OK() && hi.OK() {
		shown = auroc3(lo) + " to " + auroc3(hi)
	}
	return cell{text: shown, csv: []string{digits(lo), digits(hi)}, sort: hi}
}

// shareCell shows a part of the files of a split with its share.
func shareCell(part, files int) cell {
	c := countCell(part)
	if files > 0 {
		c.text = fmt.Sprintf("%d (%s)", part, percent(Num(part)/Num(files)))
	}
	return c
}

// digits formats x for programs: all digits, or empty if it is not finite.
func digits(x Num) string {
	if !x.OK() {
		return ""
	}
	return strconv.FormatFloat(float64(x), 'g', -1, 64)
}

// addCounts adds a column for every label that a row counts: counts[i] are those
// of row i, out of files[i]. The page has a column for each of the commonest and
// one for the others together, the CSV file has one for each. Names of columns
// in the file start with prefix.
func (t *table) addCounts(counts [][]ClassCount, files []int, prefix string) {
	var labels []string
	total, of := map[string]int{}, make([]map[string]int, len(counts))
	for i, row := range counts {
		of[i] = map[string]int{}
		for _, c := range row {
			if _, seen := total[c.Label]; !seen {
				labels = append(labels, c.Label)
			}
			total[c.Label] += c.Files
			of[i][c.Label] += c.Files
		}
	}
	ordered := slices.SortedStableFunc(slices.Values(labels), func(a, b string) int { return cmp.Compare(total[b], total[a]) })
	common, kept := map[string]bool{}, map[string]bool{}
	for i, label := range ordered[:mostColumns(len(labels), len(counts))] {
		common[label], kept[label] = i < mostCounts, true
	}
	rest := column{title: fmt.Sprintf("%d more", max(0, len(labels)-mostCounts)), numeric: true}
	if len(kept) < len(labels) {
		t.caption += fmt.Sprintf(" The file has the %d commonest of %d; results.json has all.", len(kept), len(labels))
		labels = slices.DeleteFunc(labels, func(label string) bool { return !kept[label] })
	}
	others := make([]cell, len(counts))
	for _, label := range labels {
		name := prefix + clean(label)
		if common[label] {
			t.columns = append(t.columns, numColumn(clean(label), name))
		} else {
			rest.csv = append(rest.csv, name)
		}
		for i := range counts {
			n := of[i][label]
			if common[label] {
				t.rows[i] = append(t.rows[i], shareCell(n, files[i]))
			} else {
				others[i].sort += Num(n)
				others[i].csv = append(others[i].csv, strconv.Itoa(n))
			}
		}
	}
	if len(rest.csv) == 0 {
		return
	}
	t.columns = append(t.columns, rest)
	for i := range counts {
		others[i].text = shareCell(int(others[i].sort), files[i]).text
		t.rows[i] = append(t.rows[i], others[i])
	}
}

// mostColumns returns how many of n names have a column each in a table of so many
// rows.
func mostColumns(n, rows int) int { return min(n, max(mostCounts, mostCells/max(1, rows))) }

// seal encodes a table of more rows than the page shows, and drops the others: a cell
// takes ten times its text in memory.
func (t *table) seal() {
	if len(t.rows) > mostRows {
		t.file, t.of = t.encode(), len(t.rows)
		t.rows = slices.Clone(t.rows[:mostRows])
		t.shown = min(t.shown, mostRows)
	}
}

// encode returns the table as CSV.
func (t table) encode() []byte {
	if t.file != nil {
		return t.file
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	var record []string
	for _, c := range t.columns {
		for _, name := range c.csv {
			record = append(record, text.SpreadsheetSafe(name))
		}
	}
	w.Write(record)
	for _, row := range t.rows {
		record = record[:0]
		for _, c := range row {
			record = append(record, c.csv...)
		}
		w.Write(record)
	}
	w.Flush() // to memory, which never fails
	return b.Bytes()
}

// RuleOutcome is the outcome of one rule that a run is tested against.
type RuleOutcome struct {
	Rule   string `json:"rule"` // as the user wrote it
	Failed bool   `json:"failed"`
	Reason string `json:"reason"` // the number that decided it
}

// Markdown writes a summary for the page of a CI job: the verdict, the checks,
// the rest of the headline, the rules, and the table of AUROCs.
func Markdown(w io.Writer, r Results, outcomes []RuleOutcome) error {
	v := newView(r)
	var b strings.Builder
	lines := headline(v)
	fmt.Fprintf(&b, "### %s\n", markdown(lines[0]))
	if len(v.Checks) > 0 {
		b.WriteString("\n| Status | Check | Found | What to do |\n| --- | --- | --- | --- |\n")
		for _, c := range v.sorted()[:min(mostRows, len(v.Checks))] {
			status := c.Status.word()
			if c.Status != Pass {
				status = "**" + status + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", status, markdown(c.Name), markdown(c.Detail), markdown(c.Todo))
		}
	}
	for _, line := range lines[1:] {
		fmt.Fprintf(&b, "\n%s\n", markdown(line))
	}
	if len(outcomes) > 0 {
		b.WriteString("\n| Rule | Outcome | Why |\n| --- | --- | --- |\n")
		for _, c := range outcomes {
			outcome := "passed"
			if c.Failed {
				outcome = "**failed**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", markdown(c.Rule), outcome, markdown(c.Reason))
		}
	}
	if t := aurocTable(v); len(t.rows) > 0 {
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
		for _, row := range t.rows[:min(mostRows, len(t.rows))] {
			b.WriteString("\n|")
			for _, c := range row {
				fmt.Fprintf(&b, " %s |", markdown(c.text))
			}
		}
		b.WriteString("\n")
		if more := len(t.rows) - mostRows; more > 0 {
			fmt.Fprintf(&b, "\nThe first %d of %d rows; results.json has all.\n", mostRows, len(t.rows))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown escapes text for a line or a table cell. GitHub also links bare
// addresses and mentions. No backslash prevents those with an @, so an
// invisible word joiner follows it.
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

// JUnit writes the checks and the rules as a JUnit test suite with one test case
// each, and the verdict as the suite's output. A check that blocks is a failure.
func JUnit(w io.Writer, r Results, outcomes []RuleOutcome) error {
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
		Out      string     `xml:"system-out,omitempty"`
	}{Name: "driftbench", Out: newView(r).lead()}
	add := func(class, name string, failed bool, why string) {
		tc := testcase{Name: clean(name), Classname: class}
		if failed {
			suite.Failures++
			tc.Failure = &failure{clean(why)}
		} else {
			tc.Out = clean(why)
		}
		suite.Tests++
		suite.Cases = append(suite.Cases, tc)
	}
	for _, c := range r.Checks {
		why := c.text()
		if c.Status == Warn {
			why = "warning: " + why
		}
		add("driftbench.checks", c.Name, c.Status == Block, why)
	}
	for _, c := range outcomes {
		add("driftbench", c.Rule, c.Failed, c.Reason)
	}
	out, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encoding JUnit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}
