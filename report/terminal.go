package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rivo/uniseg"
)

// Look says how [Text] prints.
type Look struct {
	Width int  // columns; 0 is 80
	Color bool // bold and one colour, by the escape sequences of [Sequences]
	All   bool // every detector, and not only that of the verdict
}

const (
	bold  = "\x1b[1m"
	told  = "\x1b[1;31m" // of what is told from no drift
	plain = "\x1b[0m"
)

// Sequences returns the escape sequences that [Text] prints with Look.Color.
func Sequences() []string { return []string{bold, told, plain} }

// leastWidth and mostWidth bound the width of a line of words: below the one it cannot
// hold a number with its name, above the other it is hard to read.
const leastWidth, mostWidth = 40, 110

// Columns returns the width, at least that of a number with its name.
func (l Look) Columns() int {
	if l.Width == 0 {
		return 80
	}
	return max(leastWidth, l.Width)
}

// paint returns s between an escape sequence and its end.
func (l Look) paint(sequence, s string) string {
	if !l.Color || sequence == "" || strings.TrimSpace(s) == "" {
		return s
	}
	return sequence + s + plain
}

// Text prints the answer of a run in three lines: whether there is drift, since
// when, and what to do. The numbers of the detector that the verdict is taken from
// follow for each split, and the checks that do not pass.
func Text(w io.Writer, r Results, look Look) error {
	v := newView(r)
	p := printer{Look: look}
	p.answer(v)
	p.line("")
	p.main(v)
	if look.All {
		p.line("")
		p.all(v.pictured())
	}
	p.notes(v)
	if alerts := v.alerts(); len(alerts) > 0 {
		p.line("")
		for _, c := range alerts[:min(mostLines, len(alerts))] {
			p.fold("", fmt.Sprintf("%s: %s: %s", capital(strings.ToLower(c.Status.word())), clean(c.Name), c.text()))
		}
		if more := len(alerts) - mostLines; more > 0 {
			p.fold("", fmt.Sprintf("%d more checks do not pass: results.json has all.", more))
		}
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// printer collects lines of at most a width.
type printer struct {
	Look
	b strings.Builder
}

func (p *printer) line(s string) { p.b.WriteString(strings.TrimRight(s, " ") + "\n") }

// fold prints s in lines, after a bold label and with the lines after the first
// indented to the end of the label.
func (p *printer) fold(label, s string) {
	width := min(p.Columns(), mostWidth)
	indent := strings.Repeat(" ", max(2, len(label)))
	line, started := label, false
	flush := func() {
		if label != "" && strings.HasPrefix(line, label) {
			line = p.paint(bold, label) + line[len(label):]
			label = ""
		}
		p.line(line)
	}
	for _, word := range strings.Fields(shorten(s, mostText)) {
		word = crop(word, width-len(indent))
		if started && uniseg.StringWidth(line+" "+word) > width {
			flush()
			line, started = indent, false
		}
		if started {
			line += " "
		}
		line, started = line+word, true
	}
	flush()
}

// Fold returns a paragraph in lines of at most the width, each with its line feed.
func (l Look) Fold(s string) string {
	p := printer{Look: l}
	p.fold("", clean(s))
	return p.b.String()
}

// answer prints the verdict in three lines.
func (p *printer) answer(v view) {
	a := v.answers()
	p.fold("Drift: ", a.Drift)
	if v.verdict.Drift == driftYes {
		first := strings.Replace(p.b.String(), v.status(), p.paint(told, v.status()), 1)
		p.b.Reset()
		p.b.WriteString(first)
	}
	p.fold("Since: ", a.Since)
	p.fold("Do:    ", a.Do)
}

// stripe is one column of a table: its title, its cells, and which of them are
// painted.
type stripe struct {
	title string
	cells []string
	told  []bool
	left  bool // aligned to the left
	rank  int  // the columns of the highest rank are left out first; 0 never is
}

// width returns the columns of the terminal that s takes.
func (s stripe) width() int {
	w := uniseg.StringWidth(s.title)
	for _, c := range s.cells {
		w = max(w, uniseg.StringWidth(c))
	}
	return w
}

// grid prints columns side by side. It leaves out those of the highest rank until
// the others fit, and then crops the first.
func (p *printer) grid(columns []stripe) {
	total := func() int {
		w := -2
		for _, c := range columns {
			w += c.width() + 2
		}
		return w
	}
	for total() > p.Columns() {
		worst := slices.MaxFunc(columns, func(a, b stripe) int { return a.rank - b.rank })
		if worst.rank == 0 {
			break
		}
		columns = slices.DeleteFunc(columns, func(c stripe) bool { return c.rank == worst.rank })
	}
	for i := range columns {
		over := total() - p.Columns()
		if over <= 0 {
			break
		}
		const legible = 8 // columns that are left of a name
		most := max(legible, columns[i].width()-over)
		columns[i].title = crop(columns[i].title, most)
		for j, c := range columns[i].cells {
			columns[i].cells[j] = crop(c, most)
		}
	}
	row := func(text func(stripe) string, style func(stripe) string) {
		line := ""
		for i, c := range columns {
			cell := text(c)
			pad := strings.Repeat(" ", c.width()-uniseg.StringWidth(cell))
			cell = p.paint(style(c), cell)
			if i > 0 {
				line += "  "
			}
			if c.left {
				line += cell + pad
			} else {
				line += pad + cell
			}
		}
		p.line(line)
	}
	row(func(c stripe) string { return c.title }, func(stripe) string { return "" })
	for i := range columns[0].cells {
		row(func(c stripe) string { return c.cells[i] }, func(c stripe) string {
			if c.told != nil && c.told[i] {
				return told
			}
			return ""
		})
	}
}

// main prints the numbers of the detector of the verdict by split.
func (p *printer) main(v view) {
	d := v.preferred()
	if d == nil {
		p.fold("", cmp.Or(v.noAUROC(), "Every detector with an AUROC was tuned on later files."))
		return
	}
	p.fold("", fmt.Sprintf("AUROC of %s against later files by %s. 0.5 is no drift; * marks what is told from it (p < %v, Holm).", short(v.inName(), 24), short(d.Name, 40), level))
	p.line("")
	grouped := v.grouped()
	split, files := stripe{title: "split", left: true}, stripe{title: "files"}
	groups, effective := stripe{title: "groups", rank: 2}, stripe{title: "effective", rank: 3}
	auroc, holm := stripe{title: "AUROC (95% interval)", left: true}, stripe{title: "p (Holm)", rank: 4}
	band, accuracy := stripe{title: "no-drift band", left: true, rank: 5}, stripe{title: "accuracy", left: true, rank: 1}
	add := func(c *stripe, cell string) { c.cells = append(c.cells, cell) }
	numbers := v.mainNumbers()
	if n := len(numbers) - mostSplits; n > 1 { // the first is In
		numbers = append(numbers[:1:1], numbers[n:]...)
	}
	for _, s := range numbers {
		add(&split, clean(s.Split))
		add(&files, fmt.Sprint(s.Files))
		add(&groups, fmt.Sprint(s.Groups))
		add(&effective, fixed(s.Effective, 0))
		cell, out := interval(s.AUROC, auroc3), false
		if x := d.split(s.Split); x != nil {
			if at := x.position(); at == above || at == below {
				cell, out = cell+"*", true
			}
			if x.FewGroups {
				groups.cells[len(groups.cells)-1] += " (few)"
			}
		}
		if s.Role == RoleIn {
			cell = "held out"
		}
		add(&auroc, cell)
		auroc.told = append(auroc.told, out)
		add(&holm, pValue(s.PHolm))
		shown := missing
		if s.NullLo.OK() && s.NullHi.OK() {
			shown = auroc3(s.NullLo) + " to " + auroc3(s.NullHi)
		}
		add(&band, shown)
		add(&accuracy, strings.ReplaceAll(interval(s.Accuracy, percent), "% to", " to"))
	}
	columns := []stripe{split, files}
	if grouped {
		columns = append(columns, groups, effective)
	}
	columns = append(columns, auroc, holm, band)
	if v.Classifier != nil {
		columns = append(columns, accuracy)
	}
	p.grid(columns)
}

// all prints the AUROC of every detector on every split, with as many splits side
// by side as fit.
func (p *printer) all(v view) {
	p.line("All detectors:")
	name := stripe{title: "detector", left: true}
	var rows []Detector
	for _, d := range v.Detectors {
		if d.Skipped == "" {
			rows = append(rows, d)
			name.cells = append(name.cells, crop(clean(d.Name), 28))
		}
	}
	perBlock := max(1, (p.Columns()-28)/24)
	for names := v.outNames(); len(names) > 0; names = names[min(perBlock, len(names)):] {
		columns := []stripe{name}
		for _, split := range names[:min(perBlock, len(names))] {
			c := stripe{title: crop(clean(split), 23), left: true}
			for _, d := range rows {
				cell, out := missing, false
				if s := d.split(split); s != nil && s.AUROC.OK() {
					cell = interval(s.auroc(), auroc3)
					if at := s.position(); at == above || at == below {
						cell, out = cell+"*", true
					}
				}
				c.cells, c.told = append(c.cells, cell), append(c.told, out)
			}
			columns = append(columns, c)
		}
		p.line("")
		if len(rows) > 0 {
			p.grid(columns)
		}
	}
}

// notes prints what the tables leave open.
func (p *printer) notes(v view) {
	var notes []string
	few := false
	if p.All && v.cut != "" {
		notes = append(notes, v.cut)
	} else if n := len(v.outNames()); n > mostSplits {
		notes = append(notes, fmt.Sprintf("Shown are the latest %d of %d later splits; results.json has all.", mostSplits, n))
	}
	shown := len(notes) + mostLines
	for _, d := range v.Detectors {
		if len(notes) == shown {
			break
		}
		if p.All && d.Skipped != "" {
			notes = append(notes, fmt.Sprintf("%s: skipped: %s", clean(d.Name), clean(d.Skipped)))
		}
		if p.All && d.Skipped == "" && d.UsesOutLabels {
			notes = append(notes, fmt.Sprintf("%s: tuned on later files, so optimistic", clean(d.Name)))
		}
		few = few || slices.ContainsFunc(d.Splits, func(s DetectorSplit) bool { return s.FewGroups })
	}
	if few {
		notes = append(notes, "few: the interval of 3 or 4 groups on a side covers about 92%, and fewer give none")
	}
	if v.grouped() && v.preferred() != nil {
		notes = append(notes, "effective: as many independent files as would give the same variance")
	}
	if others := len(v.Detectors) - 1; !p.All && others > 0 {
		notes = append(notes, fmt.Sprintf("--all shows %s.", count(others, "other detector")))
	}
	if len(notes) > 0 {
		p.line("")
	}
	for _, note := range notes {
		p.fold("", note)
	}
}

// crop shortens s to at most width columns of a terminal.
func crop(s string, width int) string {
	for most := width; uniseg.StringWidth(s) > width; most-- {
		s = shorten(s, most)
	}
	return s
}
