package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"driftbench/internal/atomicfile"
)

// Input is what a report is drawn from.
type Input struct {
	Name       string // what to call the run, such as its output folder
	Results    Results
	Throughput []ThroughputRow // of bench.txt; empty when nothing was timed
	Manifest   []KeyValue      // provenance, in the order to show
}

// KeyValue is one line of provenance.
type KeyValue struct{ Key, Value string }

// Write draws the report of one run: dir/report/index.html, and beside it
// every picture as PNG and SVG and every table as CSV.
func Write(dir string, in Input) error {
	return runPage(in).write(dir, "index.html", printDPI)
}

// runPage is the page of one run.
func runPage(in Input) page {
	p := page{Title: "Drift report", Lead: headline(newView(in.Results)), Sections: sections(in)}
	if name := clean(in.Name); name != "" {
		p.Title += ": " + name
	}
	return p
}

// sections are the parts of the page of one run, in the order in which they
// are read.
func sections(in Input) []section {
	v := newView(in.Results)
	return []section{
		driftSection(v),
		timelineSection(v),
		familySection(v),
		distributionSection(v),
		rocSection(v),
		coverageSection(v),
		detectorSection(v),
		calibrationSection(v),
		throughputSection(in.Throughput),
		dataSection(v),
		provenanceSection(in.Manifest),
	}
}

// page is what the template shows.
type page struct {
	Title    string
	Lead     []string // the headline's sentences
	Sections []section
	pictures map[string][2]template.URL // wide and narrow, by figure
}

// printDPI is the resolution of saved PNGs, in dots per inch.
const printDPI = 300

// write draws the page and its pictures into dir/report; dpi is the
// resolution of the PNGs.
func (p page) write(dir, index string, dpi int) error {
	set, err := p.files(index, dpi)
	if err != nil {
		return err
	}
	return set.write(filepath.Join(dir, "report"))
}

// files renders everything the page is made of.
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
		for _, t := range s.tables {
			set[t.name+".csv"] = nil
			if t.gap == "" {
				set[t.name+".csv"] = t.encode()
			}
		}
	}
	drawn := make([]files, len(figures))
	inline := make([][2]template.URL, len(figures))
	each(figures, func(i int, f figure) {
		drawn[i] = files{f.name + ".png": f.png(wideWidth, dpi), f.name + ".svg": f.svg(wideWidth)}
		inline[i] = [2]template.URL{f.inline(wideWidth), f.inline(narrowWidth)}
	})
	p.pictures = map[string][2]template.URL{}
	for i, f := range figures {
		maps.Copy(set, drawn[i])
		p.pictures[f.name] = inline[i]
	}
	html, err := p.render()
	set[index] = html
	return set, err
}

// each runs f on every figure, on all cores.
func each(figures []figure, f func(int, figure)) {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, fig := range figures {
		g.Go(func() error { f(i, fig); return nil })
	}
	g.Wait()
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
		Title    string
		Lead     []string
		Sections []sectionView
	}
	sectionView struct {
		ID, Title, Read string
		Notes           []string
		Figures         []figureView
		Tables          []tableView
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
	out := pageView{Title: p.Title, Lead: p.Lead}
	for _, s := range p.Sections {
		sv := sectionView{ID: s.id, Title: s.title, Read: s.read, Notes: s.notes}
		// A reason that the whole section shares is given once.
		given := map[string]bool{}
		for _, f := range s.figures {
			if f.gap != "" && given[f.gap] {
				continue
			}
			given[f.gap] = true
			urls := p.pictures[f.name]
			sv.Figures = append(sv.Figures, figureView{Alt: f.alt, Caption: f.caption, Gap: f.gap, Wide: urls[0], Narrow: template.Srcset(urls[1])})
		}
		for _, t := range s.tables {
			if t.gap != "" && given[t.gap] {
				continue
			}
			given[t.gap] = true
			sv.Tables = append(sv.Tables, t.view())
		}
		out.Sections = append(out.Sections, sv)
	}
	return out
}

func (t table) view() tableView {
	tv := tableView{ID: "table-" + t.name, Caption: t.caption, Gap: t.gap, File: t.name + ".csv"}
	if t.gap != "" {
		return tv
	}
	tv.CSV = dataURL("text/csv;charset=utf-8", t.encode())
	for _, c := range t.columns {
		tv.Columns = append(tv.Columns, columnView{Title: c.title, Numeric: c.numeric})
	}
	for _, row := range t.rows {
		cells := make([]cellView, len(row))
		for i, c := range row {
			const long = 40 // letters, from which on a cell may break into lines
			cells[i] = cellView{Text: c.text, Sort: c.text}
			switch {
			case t.columns[i].numeric:
				cells[i].Sort, cells[i].Class = plain(c.sort), "number"
			case len(c.text) > long:
				cells[i].Class = "long"
			}
		}
		tv.Rows = append(tv.Rows, cells)
	}
	return tv
}

// section is one part of the page.
type section struct {
	id, title string
	read      string // one sentence on how to read it
	notes     []string
	figures   []figure
	tables    []table
}

// WriteResults writes results.json. The same Results gives the same bytes,
// and the file appears whole or not at all.
func WriteResults(path string, r Results) error {
	r.SchemaVersion = SchemaVersion
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: encoding results: %w", err)
	}
	return writeFile(path, append(b, '\n'))
}

// writeFile replaces path at once, so that a reader never sees half a file.
func writeFile(path string, data []byte) error {
	err := atomicfile.Write(path, func(w io.Writer) error { _, err := w.Write(data); return err })
	if err != nil {
		return fmt.Errorf("report: writing %s: %w", path, err)
	}
	return nil
}

// files collects what goes into one folder: names to content. A nil content
// means that an older file of that name is out of date and has to go.
type files map[string][]byte

// write makes dir hold the collected files. Files it does not know stay. The
// page goes first and comes last, so that none lies beside pictures that are
// not its own.
func (set files) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("report: making the report folder: %w", err)
	}
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

const independence = "Every interval and p-value takes the files for independent; files of one release or one campaign are not, and with many of those the intervals are too narrow and the p-values too small."

// dataSection is what the run was made on.
func dataSection(v view) section {
	s := section{
		id: "data", title: "Data",
		read:   "Compare the class mix of the splits: where it shifts, part of the AUROC can be another mix and not other files of a class; the class-balanced AUROC above leaves that out.",
		notes:  []string{v.unseen(), independence},
		tables: []table{splitTable(v), fitTable(v)},
	}
	for _, w := range v.Warnings {
		s.notes = append(s.notes, "Warning: "+clean(w))
	}
	return s
}

// unseen says whether the network was trained on In, on which the meaning of
// AUROC hangs.
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
	t := table{name: "splits", caption: "Files by split and class; duplicates have the bytes of an earlier file of the split, files seen in fit those of a fit file.",
		columns: []column{textColumn("Split", "split"), textColumn("Role", "role"), textColumn("From", "from"), textColumn("To", "to"),
			numColumn("Files", "files"), numColumn("Dropped", "dropped"), numColumn("Duplicates", "duplicates"), numColumn("Seen in fit", "seen_in_fit")}}
	var labels []string
	for _, s := range v.Splits {
		for _, c := range s.Classes {
			if !slices.Contains(labels, c.Label) {
				labels = append(labels, c.Label)
				t.columns = append(t.columns, numColumn(clean(c.Label), "class "+clean(c.Label)))
			}
		}
	}
	roles := map[Role]string{RoleFit: "fit", RoleIn: "In", RoleOut: "Out"}
	for _, s := range v.Splits {
		row := []cell{textCell(s.Name), textCell(roles[s.Role]), textCell(s.From), textCell(s.To),
			countCell(s.Files), countCell(s.Dropped), countCell(s.Duplicates), countCell(s.SeenInFit)}
		for _, label := range labels {
			n := 0
			for _, c := range s.Classes {
				if c.Label == label {
					n = c.Files
				}
			}
			c := countCell(n)
			if s.Files > 0 {
				c.text = fmt.Sprintf("%d (%s)", n, percent(Num(n)/Num(s.Files)))
			}
			row = append(row, c)
		}
		t.rows = append(t.rows, row)
	}
	if len(t.rows) == 0 {
		t.gap = "The run describes no splits."
	}
	return t
}

func fitTable(v view) table {
	t := table{name: "fits", caption: "Gaussian fit of each layer",
		columns: []column{textColumn("Layer", "layer"), numColumn("Features", "width"), numColumn("Fit rows", "rows"),
			numColumn("Rank of the covariance", "rank"), numColumn("Condition", "condition")}}
	for _, f := range v.Fits {
		t.rows = append(t.rows, []cell{textCell(f.Layer), countCell(f.Width), countCell(f.Rows), countCell(f.Rank), numCell(f.Condition, significant)})
	}
	if len(t.rows) == 0 {
		t.gap = "The run describes no Gaussian fit."
	}
	return t
}

// provenanceSection is how to make the run again.
func provenanceSection(manifest []KeyValue) section {
	t := table{name: "provenance", caption: "From manifest.json",
		columns: []column{textColumn("What", "key"), textColumn("Value", "value")}}
	for _, kv := range manifest {
		t.rows = append(t.rows, []cell{textCell(kv.Key), textCell(kv.Value)})
	}
	if len(t.rows) == 0 {
		t.gap = "The run has no manifest."
	}
	return section{
		id: "provenance", title: "Provenance",
		read:   "Two runs with the same values here give the same numbers above, but for throughput, which each run measures anew.",
		tables: []table{t},
	}
}
