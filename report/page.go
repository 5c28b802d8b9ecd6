package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
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
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
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
