package report

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"driftbench/internal/atomicfile"
)

// Input is one run to report.
type Input struct {
	Name       string // of the run in titles, such as its output folder
	Results    Results
	Throughput []ThroughputRow // of bench.txt, by batch; empty if nothing was timed
	Timing     ThroughputAnswer
	Manifest   []KeyValue // provenance, in the order of its table
}

// KeyValue is one row of the provenance table.
type KeyValue struct{ Key, Value string }

// Write writes the report of one run: dir/report/index.html, and beside it
// every picture as PNG and SVG and every table as CSV.
func Write(dir string, in Input) error {
	return runPage(in).write(dir, "index.html", printDPI)
}

// runPage returns the page of one run.
func runPage(in Input) page {
	v := newView(in.Results)
	checks := checkTable(v)
	checks.seal()
	p := page{Title: "Drift report", Badge: v.badge(), Answer: v.answers(), Lead: headline(v), Checks: checks, Alerts: v.alertCounts(), Blocked: len(v.blocked()) > 0, Sections: sections(in)}
	if name := clean(in.Name); name != "" {
		p.Title += ": " + name
	}
	return p
}

// badge returns the answer in a word or three.
func (v view) badge() string {
	switch v.verdict.Drift {
	case driftYes:
		return "Drift"
	case driftNo:
		return "No drift"
	}
	return "Cannot be said"
}

// alertCounts counts the checks by status.
func (v view) alertCounts() string {
	n := map[string]int{}
	for _, c := range v.Checks {
		n[c.Status.word()]++
	}
	if len(v.Checks) == 0 {
		return "No checks were made"
	}
	s := fmt.Sprintf("%s of the data and the model: %d pass", count(len(v.Checks), "check"), n[Pass.word()])
	if k := n[Warn.word()]; k > 0 {
		s += fmt.Sprintf(", %d %s", k, map[bool]string{true: "warns", false: "warn"}[k == 1])
	}
	if k := n[Block.word()]; k > 0 {
		s += fmt.Sprintf(", %d %s the verdict", k, map[bool]string{true: "blocks", false: "block"}[k == 1])
	}
	return s
}

// section is one part of a page. Its notes, and the figures and tables with more
// set, are shown when the reader opens them.
type section struct {
	id, title string
	read      string   // one sentence on how to read it
	notes     []string // rules, caveats and methods
	figures   []figure
	tables    []table
	rest      string // names what is shown when opened
	closed    bool   // the whole section is shown when opened
}

// sections returns the parts of the page of one run from top to bottom. A new
// picture is one function that returns a section, and one line here.
func sections(in Input) []section {
	v := newView(in.Results)
	var all []section
	for _, of := range []func(view) section{
		driftSection,
		timelineSection,
		familySection,
		atypicalSection,
		classifierSection,
		detectorSection,
		distributionSection,
		rocSection,
		coverageSection,
		calibrationSection,
		confidenceSection,
		func(view) section { return throughputSection(in.Throughput, in.Timing) },
		dataSection,
		func(view) section { return provenanceSection(in.Manifest) },
	} {
		s := of(v)
		s.seal()
		all = append(all, s)
	}
	return all
}

// seal cuts the notes and tables of a section to what the page shows.
func (s *section) seal() {
	if more := len(s.notes) - mostLines; more > 0 {
		s.notes = append(s.notes[:mostLines:mostLines], fmt.Sprintf("%d more; results.json has all.", more))
	}
	for i, note := range s.notes {
		s.notes[i] = shorten(note, mostText)
	}
	for i := range s.tables {
		s.tables[i].seal()
	}
}

// page is one HTML file.
type page struct {
	Title    string
	Badge    string // without one, Lead is the answer
	Answer   Answer
	Lead     []string // the reasons, in paragraphs
	Checks   table    // without a name there is none
	Alerts   string   // how many checks pass and do not
	Blocked  bool     // a check withholds the verdict
	Sections []section
	pictures map[string][2]template.URL // wide and narrow, by the figure's name
}

// printDPI is the resolution of saved PNGs, in dots per inch: two pixels for each
// of CSS.
const printDPI = 192

// write writes the page, its pictures and its tables into dir/report; dpi is
// the resolution of the PNGs.
func (p page) write(dir, index string, dpi int) error {
	set, err := p.files(index, dpi)
	if err != nil {
		return err
	}
	folder, err := atomicfile.Folder(dir, "report")
	if err != nil {
		return fmt.Errorf("report: making the report folder: %w", err)
	}
	return set.write(folder)
}

// files returns the page as the file index, its pictures and its tables.
func (p page) files(index string, dpi int) (files, error) {
	set := files{}
	var figures []figure
	for _, s := range p.Sections {
		for _, f := range s.figures {
			set[f.name+".png"], set[f.name+".svg"] = nil, nil
			if f.gap == "" {
				figures = append(figures, f)
			}
		}
	}
	for _, t := range p.tables() {
		set[t.name+".csv"] = nil
		if t.gap() == "" {
			set[t.name+".csv"] = t.encode()
		}
	}
	drawn := drawFigures(figures, dpi)
	p.pictures = map[string][2]template.URL{}
	for i, f := range figures {
		set[f.name+".png"], set[f.name+".svg"] = drawn[i].png, drawn[i].svg
		p.pictures[f.name] = drawn[i].inline
	}
	html, err := p.render()
	set[index] = html
	return set, err
}

// tables returns the tables from top to bottom.
func (p page) tables() []table {
	var all []table
	if p.Checks.name != "" {
		all = append(all, p.Checks)
	}
	for _, s := range p.Sections {
		all = append(all, s.tables...)
	}
	return all
}

var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

// render fills the template.
func (p page) render() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(pageCSS) },
		"script": func() template.JS { return template.JS(pageJS) },
	}).Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("report: parsing the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p.view()); err != nil {
		return nil, fmt.Errorf("report: filling the page: %w", err)
	}
	return b.Bytes(), nil
}

// The template sees plain exported fields, made here from the sections.
type (
	pageView struct {
		Title, Badge, Class string
		Answer              Answer
		Lead                []string
		Checks              []tableView // one or none
		Alerts              string
		Blocked             bool
		Sections            []sectionView
	}
	sectionView struct {
		ID, Title, Read, Rest string
		Closed                bool
		Notes                 []string
		Figures, MoreFigures  []figureView
		Tables, MoreTables    []tableView
	}
	figureView struct {
		Alt, Caption, Gap string
		Wide              template.URL
		Narrow            template.Srcset
	}
	tableView struct {
		ID, Caption, Gap, File string
		CSV                    template.URL
		Columns                []columnView
		Rows                   [][]cellView
	}
	columnView struct {
		Title   string
		Numeric bool
	}
	cellView struct {
		Text, Sort, Class string
	}
)

func (p page) view() pageView {
	out := pageView{Title: p.Title, Badge: p.Badge, Answer: p.Answer, Lead: p.Lead, Alerts: p.Alerts, Blocked: p.Blocked}
	out.Class = map[string]string{"Drift": "yes", "No drift": "no"}[p.Badge]
	if p.Checks.name != "" {
		out.Checks = []tableView{p.Checks.view()}
	}
	for _, s := range p.Sections {
		sv := sectionView{ID: s.id, Title: s.title, Read: s.read, Notes: s.notes, Rest: s.rest, Closed: s.closed}
		// A reason that figures and tables of a section share is given once.
		given := map[string]bool{}
		for _, f := range s.figures {
			if f.gap != "" && given[f.gap] {
				continue
			}
			given[f.gap] = true
			urls := p.pictures[f.name]
			to := &sv.Figures
			if f.more && !s.closed {
				to = &sv.MoreFigures
			}
			*to = append(*to, figureView{Alt: f.alt, Caption: f.caption, Gap: f.gap, Wide: urls[0], Narrow: template.Srcset(urls[1])})
		}
		for _, t := range s.tables {
			if t.gap() != "" && given[t.gap()] {
				continue
			}
			given[t.gap()] = true
			to := &sv.Tables
			if t.more && !s.closed {
				to = &sv.MoreTables
			}
			*to = append(*to, t.view())
		}
		if sv.Rest == "" && (len(sv.Notes) > 0 || len(sv.MoreFigures) > 0 || len(sv.MoreTables) > 0) {
			sv.Rest = "Numbers and notes"
		}
		out.Sections = append(out.Sections, sv)
	}
	return out
}

func (t table) view() tableView {
	tv := tableView{ID: "table-" + t.name, Caption: t.caption, Gap: t.gap(), File: t.name + ".csv"}
	if tv.Gap != "" {
		return tv
	}
	if len(t.rows)*len(t.columns) <= mostCSV { // each cell has a byte or more
		if b := t.encode(); len(b) <= mostCSV {
			tv.CSV = dataURL("text/csv;charset=utf-8", b)
		}
	}
	columns := t.columns
	if len(columns) > mostWide {
		columns = columns[:mostWide]
		tv.Caption += fmt.Sprintf(" (the first %d of %d columns; the file has all)", mostWide, len(t.columns))
	}
	for _, c := range columns {
		tv.Columns = append(tv.Columns, columnView{Title: c.title, Numeric: c.numeric})
	}
	rows := t.rows
	if t.shown > 0 {
		rows = rows[:t.shown]
	}
	if of := max(len(t.rows), t.of); t.shown == 0 && of > mostRows {
		rows = rows[:mostRows]
		tv.Caption += fmt.Sprintf(" (the first %d of %d rows; the file has all)", mostRows, of)
	}
	for _, row := range rows {
		cells := make([]cellView, len(columns))
		for i, c := range row[:len(columns)] {
			const long = 40 // bytes, above which a cell may break into lines
			shown := shorten(c.text, mostText)
			cells[i] = cellView{Text: shown, Sort: shown}
			switch {
			case c.class != "":
				cells[i].Class = c.class
			case t.columns[i].numeric:
				cells[i].Sort, cells[i].Class = digits(c.sort), "number"
			case len(c.text) > long:
				cells[i].Class = "long"
			}
		}
		tv.Rows = append(tv.Rows, cells)
	}
	return tv
}

// files maps the names of the files of one folder to their contents. A nil
// content stands for a file of an earlier run to remove.
type files map[string][]byte

// write writes and removes the files in dir and leaves all others. It removes
// the page first and writes it last, so that a page never lies beside pictures
// of another run.
func (set files) write(dir string) error {
	var pages, others []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if filepath.Ext(name) == ".html" {
			pages = append(pages, name)
		} else {
			others = append(others, name)
		}
	}
	for _, name := range slices.Concat(pages, others) {
		if set[name] != nil && filepath.Ext(name) != ".html" {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("report: removing an outdated file: %w", err)
		}
	}
	for _, name := range slices.Concat(others, pages) {
		if set[name] == nil {
			continue
		}
		if err := writeFile(filepath.Join(dir, name), set[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkTable lists the checks, those that block first.
func checkTable(v view) table {
	t := table{name: "checks", caption: "Checks of the data and the model; one that blocks withholds the verdict", empty: "The run made no checks: whether the numbers can mean what they say is not known.",
		columns: []column{textColumn("Status", "status"), textColumn("Check", "check"), textColumn("Found", "found"), textColumn("What to do", "todo")}}
	for _, c := range v.sorted() {
		status := textCell(c.Status.word())
		if c.Status != Pass {
			status.class = "alert"
		}
		t.rows = append(t.rows, []cell{status, textCell(c.Name), textCell(c.Detail), textCell(c.Todo)})
	}
	return t
}

// independence says which files the intervals take for independent.
func (v view) independence() []string {
	if v.grouped() {
		return []string{"Files of one group are alike, so intervals, p-values and no-drift bands count groups. Effective files are as many independent files as would give the same variance, more than there are where the files of a group differ more than those of different groups; the design effect is the variance divided by that of independent files. With few groups, 3 or 4 on a side, the interval covers about 92%; with fewer there is none."}
	}
	notes := []string{"Every interval and p-value takes the files for independent; files of one release or one campaign are not, and with many of those the intervals are too narrow and the p-values too small."}
	for _, s := range v.regrouped() {
		notes = append(notes, "Warning: "+s)
	}
	return notes
}

// dataSection describes the files of the run.
func dataSection(v view) section {
	s := section{
		id: "data", title: "Data",
		read:   "Compare the class mix of the splits: where it shifts, part of the AUROC can be another mix and not other files of a class; the class-balanced AUROC above leaves that out.",
		notes:  append([]string{v.unseen()}, v.independence()...),
		tables: []table{splitTable(v), kindTable(v), regroupingTable(v), fitTable(v)},
		closed: true,
	}
	for _, w := range v.Warnings {
		s.notes = append(s.notes, "Warning: "+clean(w))
	}
	return s
}

// unseen says whether the network was trained on In, without which the AUROC
// cannot be interpreted.
func (v view) unseen() string {
	in := v.inName()
	switch v.InUnseen {
	case "unseen":
		return in + " was new to the network: it was not trained on any of its files."
	case "seen":
		return "The network was trained on files of " + in + ": the AUROC then measures memory as well as drift, and is higher than with files that are new to the network; the accuracy on " + in + " is no measure of how well it knew the training span."
	}
	return "It is not known whether the network was trained on files of " + in + "; if it was, the AUROC measures memory as well as drift, and is higher than with files that are new to the network."
}

func splitTable(v view) table {
	t := table{name: "splits", caption: "Files by split and class; duplicates have the bytes of an earlier file of the split, files seen in fit those of a fit file.", empty: "The run describes no splits.",
		columns: []column{textColumn("Split", "split"), textColumn("Role", "role"), textColumn("From", "from"), textColumn("To", "to"),
			numColumn("Files", "files"), numColumn("Dropped", "dropped"), numColumn("Duplicates", "duplicates"), numColumn("Seen in fit", "seen_in_fit")}}
	// Columns of numbers that few runs have, each shown where a number is not 0.
	type optional struct {
		title, csv string
		show       bool // even if every number is 0
		number     func(Split) Num
	}
	grouped := v.grouped()
	all := []optional{
		{"Left out: bytes in fit", "excluded", false, func(s Split) Num { return Num(s.Excluded) }},
		{"Group mates in fit", "group_mates", grouped, func(s Split) Num { return Num(s.GroupMates) }},
		{"Near-copies in fit", "near_copies", grouped, func(s Split) Num { return s.NearCopies }},
		{"Without a label", "unlabelled", false, func(s Split) Num { return Num(s.Unlabelled) }},
		{"Of new families", "new_families", false, func(s Split) Num { return Num(s.newFiles()) }},
	}
	if grouped {
		all = append([]optional{
			{"Groups", "groups", true, func(s Split) Num { return Num(s.Groups) }},
			{"Files of the largest", "largest_group", true, func(s Split) Num { return Num(s.LargestGroup) }},
		}, all...)
	}
	var more []optional
	for _, c := range all {
		if c.show || slices.ContainsFunc(v.Splits, func(s Split) bool { return c.number(s) > 0 }) {
			more = append(more, c)
			t.columns = append(t.columns, numColumn(c.title, c.csv))
		}
	}
	roles := map[Role]string{RoleFit: "fit", RoleIn: "In", RoleOut: "Out"}
	var classes [][]ClassCount
	var files []int
	for _, s := range v.Splits {
		row := []cell{textCell(s.Name), textCell(roles[s.Role]), textCell(s.From), textCell(s.To),
			countCell(s.Files), countCell(s.Dropped), countCell(s.Duplicates), countCell(s.SeenInFit)}
		for _, c := range more {
			row = append(row, numCell(c.number(s), significant))
		}
		t.rows = append(t.rows, row)
		classes, files = append(classes, s.Classes), append(files, s.Files)
	}
	t.addCounts(classes, files, "class ")
	return t
}

// kindTable counts the files of each split by kind.
func kindTable(v view) table {
	t := table{name: "kinds", caption: "Kinds of files by split", empty: "The kinds of the files are not known.",
		columns: []column{textColumn("Split", "split"), numColumn("Files", "files")}}
	var kinds [][]ClassCount
	var files []int
	for _, s := range v.Splits {
		if len(s.Kinds) == 0 {
			continue
		}
		var counts []ClassCount
		for _, k := range s.Kinds {
			counts = append(counts, ClassCount{k.Kind, k.Files})
		}
		kinds, files = append(kinds, counts), append(files, s.Files)
		t.rows = append(t.rows, []cell{textCell(s.Name), countCell(s.Files)})
	}
	t.addCounts(kinds, files, "kind ")
	return t
}

// regroupingTable lists what the intervals would be with other groups.
func regroupingTable(v view) table {
	t := table{name: "regroupings", caption: "The AUROC if files formed groups that the index does not name", empty: "No groups but those of the index were tried.",
		columns: []column{textColumn("Groups by", "by"), textColumn("Split", "split"), numColumn("Groups", "groups"), numColumn("Design effect", "design_effect"), intervalColumn("AUROC (95% interval)", "auroc")}}
	for _, g := range v.Regroupings {
		t.rows = append(t.rows, []cell{textCell(g.By), textCell(g.Split), countCell(g.Groups), numCell(g.DesignEffect, significant), intervalCell(g.AUROC, auroc3)})
	}
	return t
}

func fitTable(v view) table {
	t := table{name: "fits", caption: "Gaussian fit of each layer", empty: "The run describes no Gaussian fit.",
		columns: []column{textColumn("Layer", "layer"), numColumn("Features", "width"), numColumn("Fit rows", "rows"),
			numColumn("Rank of the covariance", "rank"), numColumn("Condition", "condition")}}
	for _, f := range v.Fits {
		t.rows = append(t.rows, []cell{textCell(f.Layer), countCell(f.Width), countCell(f.Rows), countCell(f.Rank), numCell(f.Condition, significant)})
	}
	return t
}

// provenanceSection shows the manifest, from which the run can be repeated.
func provenanceSection(manifest []KeyValue) section {
	t := table{name: "provenance", caption: "From manifest.json", empty: "The run has no manifest.",
		columns: []column{textColumn("What", "key"), textColumn("Value", "value")}}
	for _, kv := range manifest {
		t.rows = append(t.rows, []cell{textCell(kv.Key), textCell(kv.Value)})
	}
	return section{
		id: "provenance", title: "Provenance",
		read:   "Two runs with the same values here give the same numbers above, but for throughput, which each run measures anew.",
		tables: []table{t},
		closed: true,
	}
}
