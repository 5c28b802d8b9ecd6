package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"
	"gonum.org/v1/plot/cmpimg"
	"gonum.org/v1/plot/vg"

	"driftbench/internal/fuzzing"
)

func TestWriteResultsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	want := inventedRun()
	want.Detectors[0].Threshold = Num(math.Inf(-1)) // null in JSON
	if err := WriteResults(path, want); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadResults(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Detectors[0].Threshold.OK() {
		t.Errorf("an infinite threshold came back as %v", got.Detectors[0].Threshold)
	}
	if err := WriteResults(path, got); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("reading and writing again changed results.json")
	}
	if !reflect.DeepEqual(got.Classifier.Rejection, want.Classifier.Rejection) {
		t.Error("the rejection curves did not survive")
	}
}

func TestReadResultsNamesVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	if err := os.WriteFile(path, []byte(`{"schema_version": 99}`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := ReadResults(path)
	if err == nil || !strings.Contains(err.Error(), "99") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error with the path and the version", err)
	}
}

func TestReadResultsRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "results.json")
	if _, err := ReadResults(path); err == nil || !strings.Contains(err.Error(), "there is no "+path+": run `driftbench run`") {
		t.Errorf("where there is none: %v", err)
	}
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadResults(path); err == nil || !strings.Contains(err.Error(), "is a named pipe") {
		t.Errorf("a named pipe: %v", err)
	}
}

// Write gives every picture as SVG and as PNG of two pixels for each of CSS.
func TestWrite(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	if err := Write(dir, inventedInput()); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections(inventedInput()) {
		for _, f := range s.figures {
			b, err := os.ReadFile(filepath.Join(dir, "report", f.name+".png"))
			if err != nil {
				t.Fatal(err)
			}
			config, err := png.DecodeConfig(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if want := int(wideWidth / vg.Inch * 192); config.Width != want {
				t.Errorf("%s.png is %d pixels wide, want %d", f.name, config.Width, want)
			}
			// 192 dots an inch are 7559 a metre.
			if !bytes.Contains(b[:64], []byte("pHYs\x00\x00\x1d\x87\x00\x00\x1d\x87\x01")) {
				t.Errorf("%s.png does not say its resolution", f.name)
			}
			if _, err := os.Stat(filepath.Join(dir, "report", f.name+".svg")); err != nil {
				t.Error(err)
			}
		}
	}
}

// Drawing twice gives the same bytes, and a picture that can no longer be
// drawn does not stay from the run before.
func TestDrawingIsDeterministicAndTidy(t *testing.T) {
	dir := t.TempDir()
	in := inventedInput()
	draw := func() {
		t.Helper()
		if err := runPage(in).write(dir, "index.html", 30); err != nil {
			t.Fatal(err)
		}
	}
	read := func() map[string][]byte {
		out := map[string][]byte{}
		paths, err := filepath.Glob(filepath.Join(dir, "report", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			out[filepath.Base(p)] = b
		}
		return out
	}
	draw()
	first := read()
	mine := filepath.Join(dir, "report", "mine.txt")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	draw()
	second := read()
	delete(second, "mine.txt")
	for name := range second {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("the same input gave another %s", name)
		}
	}
	for _, name := range []string{"index.html", "auroc-drift-by-split.png", "auroc-drift-by-split.svg", "throughput-by-batch.png", "throughput.csv"} {
		if len(first[name]) == 0 {
			t.Errorf("%s is missing or empty", name)
		}
	}
	in.Throughput, in.Timing = nil, ThroughputAnswer{}
	draw()
	third := read()
	for _, name := range []string{"throughput-by-batch.png", "throughput-by-batch.svg", "throughput.csv"} {
		if _, stale := third[name]; stale {
			t.Errorf("%s stayed from the run before", name)
		}
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error("a file that is not the report's was removed")
	}
}

// goldenDPI keeps the golden pictures small; 60 is enough to see a line move.
const goldenDPI = 60

// Pictures may differ by this in each pixel: fonts are drawn in floating
// point, which is not the same on every processor.
const tolerance = 0.1

func goldens(in Input) map[string]func() []byte {
	pictures := map[string]func() []byte{}
	for _, s := range sections(in) {
		for _, f := range s.figures {
			if f.gap == "" {
				pictures[f.name] = func() []byte { return f.png(wideWidth, goldenDPI) }
				if f.name == "auroc-drift-by-split" || f.name == "timeline-by-month" {
					pictures[f.name+"-narrow"] = func() []byte { return f.png(narrowWidth, goldenDPI) }
				}
			}
		}
	}
	in.Results = inGroups(in.Results)
	for _, s := range sections(in) {
		for _, f := range s.figures {
			if f.name == "auroc-drift-by-split" || f.name == "auroc-by-family-and-split" {
				pictures[f.name+"-groups"] = func() []byte { return f.png(wideWidth, goldenDPI) }
			}
		}
	}
	return pictures
}

func same(t *testing.T, name string, got []byte) bool {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name+".png"))
	if err != nil {
		t.Fatal(err)
	}
	ok, err := cmpimg.EqualApprox("png", got, want, tolerance)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestPicturesGolden(t *testing.T) {
	for name, draw := range goldens(inventedInput()) {
		got := draw()
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", name+".png"), got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if !same(t, name, got) {
			path := filepath.Join(os.TempDir(), name+".png")
			os.WriteFile(path, got, 0o644)
			t.Errorf("%s differs from its golden picture; the new one is %s", name, path)
		}
	}
}

// The tolerance must not hide a change of a number.
func TestPicturesGoldenAreSensitive(t *testing.T) {
	in := inventedInput()
	in.Throughput[0].Center += 10
	in.Results.Classifier.Months[3].MacroF1 -= 0.03
	in.Results.Classifier.Splits[2].Confusion[1][0] += 70
	for i := range in.Results.Classifier.Rejection {
		in.Results.Classifier.Rejection[i].Coverage -= 0.02
	}
	for i := range in.Results.Classifier.Operation.Months {
		in.Results.Classifier.Operation.Months[i].AURC += 0.01
	}
	for i := range in.Results.Classifier.Calibration {
		in.Results.Classifier.Calibration[i].Bins[7].Accuracy -= 0.04
	}
	d := &in.Results.Detectors[2]
	for i := range d.Splits {
		s := &d.Splits[i]
		s.AUROC += 0.01
		s.Rejected += 0.01
		s.Classes[1].Value += 0.01
		s.Histogram[20] += 0.01
		for k := range s.ROC {
			s.ROC[k][1] *= 0.97
		}
	}
	for name, draw := range goldens(in) {
		if name != "timeline-by-month-narrow" && same(t, name, draw()) {
			t.Errorf("%s did not change with its numbers", name)
		}
	}
}

// Every run gives a page that a parser accepts, that fetches nothing, that is
// small, whose pictures exist, and whose gaps are explained.
func TestDegenerateRunsDraw(t *testing.T) {
	for name, in := range degenerates() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			const dpi = 30 // the drawing is the same, the pixels are fewer
			if err := runPage(in).write(dir, "index.html", dpi); err != nil {
				t.Fatal(err)
			}
			checkPage(t, filepath.Join(dir, "report"), "index.html")
			if err := comparisonPage(in, inventedInput(), in.Results.Comparisons).write(dir, "comparison.html", dpi); err != nil {
				t.Fatal(err)
			}
			checkPage(t, filepath.Join(dir, "report"), "comparison.html")
			for _, s := range sections(in) {
				for _, f := range s.figures {
					if (f.gap == "") == (len(f.panels) == 0) {
						t.Errorf("picture %s: gap %q with %d panels", f.name, f.gap, len(f.panels))
					}
					if f.gap == "" && (f.alt == "" || f.caption == "") {
						t.Errorf("picture %s lacks its alternative text or its caption", f.name)
					}
				}
				for _, tb := range s.tables {
					if (tb.gap() == "") == (len(tb.rows) == 0) {
						t.Errorf("table %s: gap %q with %d rows", tb.name, tb.gap(), len(tb.rows))
					}
				}
			}
			var b bytes.Buffer
			if err := Text(&b, in.Results, Look{All: true}); err != nil {
				t.Fatal(err)
			}
			if err := Markdown(&b, in.Results, nil); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
				t.Errorf("a number that is none was printed:\n%s", b.String())
			}
		})
	}
}

// Results of more splits, detectors, labels, months, checks and warnings than anyone
// looks at are drawn in part, and the page says of how many.
func TestVeryManyOfEverything(t *testing.T) {
	const n = 1500
	r := inventedRun()
	detector := r.Detectors[0]
	detector.Splits = detector.Splits[:1]
	detector.Splits[0].ROC, detector.Splits[0].Histogram = nil, nil
	for i := range n {
		name := fmt.Sprintf("%04d", i)
		r.Splits = append(r.Splits, Split{Name: "split-" + name, Role: RoleOut, Files: 5, Classes: []ClassCount{{"label-" + name, 5}}})
		d := detector
		d.Name = "detector-" + name
		r.Detectors = append(r.Detectors, d)
		s := detector.Splits[0]
		s.Split = "split-" + name
		r.Detectors[0].Splits = append(r.Detectors[0].Splits, s)
		r.Detectors[0].Months = append(r.Detectors[0].Months, DetectorMonth{Month: monthName(12*1000 + i), Out: 5, AUROC: 0.6})
		r.Labels = append(r.Labels, "label-"+name)
		r.Warnings = append(r.Warnings, "warning "+name)
		r.Checks = append(r.Checks, Check{Name: "check " + name, Status: Warn, Detail: "detail"})
	}
	in := Input{Name: "many", Results: r}
	var p page
	start := time.Now()
	allocated := fuzzing.Allocated(func() { p = runPage(in) })
	if took := time.Since(start); allocated > 500<<20 || took > 20*time.Second { // it took gigabytes and minutes
		t.Errorf("the page takes %d MB and %v", allocated>>20, took)
	}
	figures := map[string]figure{}
	for _, s := range p.Sections {
		if len(s.notes) > mostLines+1 {
			t.Errorf("section %s has %d notes", s.id, len(s.notes))
		}
		for _, f := range s.figures {
			figures[f.name] = f
			if len(f.panels) > mostSplits+1 {
				t.Errorf("%s has %d panels", f.name, len(f.panels))
			}
		}
		for _, table := range s.tables {
			if view := table.view(); len(view.Rows) > mostRows || len(view.Columns) > mostWide || len(table.rows) > mostRows {
				t.Errorf("%s shows %d rows and %d columns", table.name, len(view.Rows), len(view.Columns))
			}
		}
	}
	const outs = "the latest 60 of 1503 later splits and 30 of "
	for _, name := range []string{"auroc-drift-by-split", "auroc-by-detector", "score-distributions-by-split", "rejected-by-split"} {
		if f := figures[name]; !strings.Contains(f.caption, outs) {
			t.Errorf("%s: %s: the caption %q lacks %q", name, f.gap, f.caption, outs)
		}
	}
	for name, want := range map[string]int{"auroc-by-split": n, "splits": n, "timeline-by-month": n, "detectors-skipped": 0, "checks": n} {
		for _, table := range p.tables() {
			if lines := bytes.Count(table.encode(), []byte("\n")); table.name == name && lines < want {
				t.Errorf("%s.csv has %d lines, want %d and more", name, lines, want)
			}
		}
	}
	for _, all := range []bool{false, true} {
		var b bytes.Buffer
		if err := Text(&b, r, Look{All: all}); err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(b.Bytes(), []byte("\n")); lines > 2500 || !strings.Contains(b.String(), "latest 60 of 1503") || !strings.Contains(b.String(), "more checks do not pass") {
			t.Errorf("all %v: %d lines:\n%.3000s", all, lines, b.Bytes())
		}
	}
}

// A picture of very many rows is saved at a lower resolution, so that its pixels have
// a bound.
func TestVeryTallPicture(t *testing.T) {
	p := picture{width: wideWidth, height: 2000 * vg.Inch}
	size, err := png.DecodeConfig(bytes.NewReader(p.png(printDPI)))
	if err != nil || size.Width*size.Height > mostPixels+size.Height+size.Width {
		t.Errorf("%d by %d pixels, error %v", size.Width, size.Height, err)
	}
}

// With hundreds of families the page and its pictures stay of a size that a
// reader can take in, and the files have all numbers.
func TestManyFamilies(t *testing.T) {
	in := Input{Results: manyFamilies()}
	v := newView(in.Results)
	for _, s := range sections(in) {
		for _, f := range s.figures {
			if f.gap != "" {
				continue
			}
			for _, width := range []vg.Length{wideWidth, narrowWidth} {
				if _, _, h := f.layout(width); h > 36*vg.Inch {
					t.Errorf("%s is %v inches tall at a width of %v", f.name, h/vg.Inch, width/vg.Inch)
				}
			}
		}
		for _, tb := range s.tables {
			if view := tb.view(); len(view.Rows) > mostRows || len(view.Columns) > 40 {
				t.Errorf("%s shows %d rows and %d columns", tb.name, len(view.Rows), len(view.Columns))
			}
		}
	}
	if f := familyFigure(v, v.main()); !strings.Contains(f.caption, "the 30 families with the most files; auroc-by-family.csv has 851 more") {
		t.Errorf("the picture says %q", f.caption)
	}
	shown, more := v.largest()
	if want := (family{"", unlabelled}); shown[0].label != "family-000" || shown[len(shown)-1] != want || len(shown) != 30 || more != 580+300+1-30 {
		t.Errorf("%d families are left out of %v", more, shown)
	}
	table := familyTable(v)
	if got, want := len(table.rows), 3*(3*580+300+1); got != want {
		t.Errorf("the file has %d rows, want %d", got, want)
	}
	want := 0 // rows on the page: 3 detectors, and 3 splits but for what is new in the last
	for _, f := range shown {
		want += 3
		if f.origin == trained {
			want += 6
		}
	}
	if got := len(table.view().Rows); got != want {
		t.Errorf("the page has %d rows, want %d", got, want)
	}
	records, err := csv.NewReader(bytes.NewReader(splitTable(v).encode())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(splitTable(v).view().Columns); len(records[0]) < 580 || n > 30 || len(records[1]) != len(records[0]) {
		t.Errorf("the file of splits has %d columns, the page %d", len(records[0]), n)
	}
	last := splitTable(v).view().Rows[4]
	if got := last[len(last)-1].Text; !strings.HasPrefix(got, "3") {
		t.Errorf("the other classes have %s files", got)
	}
}

// The page says which months AUT lacks, how the threshold's numbers spread, what
// kinds of files there are, and which neighbour a detector takes.
func TestPageTells(t *testing.T) {
	large := inventedLarge()
	for _, c := range []struct {
		in   Input
		want []string
	}{
		{inventedInput(), []string{
			"It passes over 1 month without labelled files (2019-03). With each month weighted by its distance to the next it is accuracy 0.825, macro-F1 0.784.",
			"share rejected 8%, error of the kept 5%, AURC 0.021, ECE 0.018",
			"<td data-sort=\"180\" class=\"number\">180 (99.4%)</td>", // PE of 2019
			"2019: ECE 0.160", // in the picture's panel
		}},
		{large, []string{"k of the neighbour", "<td data-sort=\"12\" class=\"number\">12</td>"}},
		{Input{Results: inGroups(inventedRun())}, []string{"too narrow near no drift, where it covers about 70%", "Design effect", "<td data-sort=\"16\" class=\"number\">16</td><td data-sort=\"5\" class=\"number\">5</td>", "Near-copies in fit"}},
	} {
		p := runPage(c.in)
		html, err := p.render()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			found := bytes.Contains(html, []byte(want))
			for _, s := range p.Sections {
				for _, f := range s.figures {
					found = found || f.gap == "" && strings.Contains(string(f.svg(wideWidth)), want)
				}
			}
			if !found {
				t.Errorf("%s: the page lacks %q", c.in.Name, want)
			}
		}
	}
}

// plainSVG is an error unless b is XML of nothing but shapes and text.
func plainSVG(b []byte) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if !slices.Contains([]string{"svg", "g", "path", "rect", "text", "desc"}, tok.Name.Local) {
				return fmt.Errorf("element %s", tok.Name.Local)
			}
			for _, a := range tok.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" {
					return fmt.Errorf("attribute %s of %s", a.Name.Local, tok.Name.Local)
				}
			}
		case xml.Comment, xml.Directive, xml.ProcInst:
			if text := fmt.Sprintf("%s", tok); !strings.Contains(text, "SVGo") && !strings.HasPrefix(text, "{xml ") {
				return fmt.Errorf("%.80q", text)
			}
		}
	}
}

// checkPage reads the page as a browser would.
func checkPage(t *testing.T, dir, name string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 3_000_000 {
		t.Errorf("%s has %d bytes", name, len(raw))
	}
	// The template writes XHTML but for void elements, scripts and the
	// doctype: what is opened is closed, in order.
	var open []string
	void := []string{"meta", "link", "source", "img"}
	ids := map[string]bool{}
	z := html.NewTokenizer(bytes.NewReader(raw))
	for z.Next() != html.ErrorToken {
		switch tok := z.Token(); tok.Type {
		case html.StartTagToken:
			if !slices.Contains(void, tok.Data) {
				open = append(open, tok.Data)
			}
			for _, a := range tok.Attr {
				switch a.Key {
				case "src", "href", "srcset":
					if !strings.HasPrefix(a.Val, "data:") && !strings.HasPrefix(a.Val, "#") {
						t.Errorf("%s: %s %s=%.80q leaves the file", name, tok.Data, a.Key, a.Val)
					}
				case "id":
					if ids[a.Val] {
						t.Errorf("%s: id %q is there twice", name, a.Val)
					}
					ids[a.Val] = true
				case "onerror", "onload", "onclick":
					t.Errorf("%s: a handler got into the page: %s", name, tok)
				}
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != tok.Data {
				t.Fatalf("%s: </%s> closes %v", name, tok.Data, open)
			}
			open = open[:len(open)-1]
		case html.TextToken:
			if len(open) > 0 && (open[len(open)-1] == "td" || open[len(open)-1] == "p") && strings.Contains(tok.Data, "NaN") {
				t.Errorf("%s: a number that is none was shown: %.100q", name, tok.Data)
			}
		}
	}
	if len(open) != 0 {
		t.Errorf("%s: left open: %v", name, open)
	}
	if n := bytes.Count(raw, []byte("<script")); n != 1 {
		t.Errorf("%s has %d scripts, want its own alone", name, n)
	}
	svgs, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range svgs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := plainSVG(b); err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
		if bytes.Contains(b, []byte("NaN")) || bytes.Contains(b, []byte("Inf")) {
			t.Errorf("%s holds a coordinate that is no number", filepath.Base(path))
		}
		if _, err := os.Stat(strings.TrimSuffix(path, "svg") + "png"); err != nil {
			t.Error(err)
		}
	}
}

// corrupt replaces about a share p of what a decoded JSON value holds with
// values of the same kind that no run gives.
func corrupt(r *rand.Rand, v any, p float64) any {
	hit := r.Float64() < p
	switch v := v.(type) {
	case float64:
		switch {
		case hit && v == math.Trunc(v):
			return []any{nil, 0.0, -1.0, 2.0, float64(1 << 40)}[r.IntN(5)]
		case hit:
			return []any{nil, 0.0, -1.0, 2.0, 1e300, -1e300, 1e-300, r.NormFloat64()}[r.IntN(8)]
		}
	case string:
		if hit {
			return []any{"", "\x00<b>", "same", "2018-01", "9999-99"}[r.IntN(5)]
		}
	case []any:
		if hit {
			v = v[:r.IntN(len(v)+1)]
		}
		for i := range v {
			v[i] = corrupt(r, v[i], p)
		}
		return v
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			v[k] = corrupt(r, v[k], p)
		}
	}
	return v
}

// Whatever results.json holds, as long as it decodes, it draws. All corruptions
// decode, but for the few that put a fraction in the place of a whole number.
func TestCorruptedResultsDraw(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	good, err := json.Marshal(inventedRun())
	if err != nil {
		t.Fatal(err)
	}
	decoded := 0
	for seed := range uint64(corruptions) {
		r := rand.New(rand.NewPCG(seed, 0))
		var v any
		if err := json.Unmarshal(good, &v); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(corrupt(r, v, []float64{0.002, 0.01, 0.05}[seed%3]))
		if err != nil {
			t.Fatal(err)
		}
		var results Results
		if json.Unmarshal(b, &results) != nil {
			continue // a fraction for a whole number: ReadResults refuses it
		}
		decoded++
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			in := Input{Results: results}
			for _, s := range slices.Concat(runPage(in).Sections, comparisonPage(in, inventedInput(), results.Comparisons).Sections) {
				for _, f := range s.figures {
					if f.gap == "" {
						f.svg(narrowWidth)
						f.png(wideWidth, 10)
					}
				}
			}
		})
	}
	if decoded < corruptions-2 {
		t.Errorf("only %d of %d corruptions decode", decoded, corruptions)
	}
}

const corruptions = 18

// Whatever results.json holds, it is refused in one line, or is written again
// as itself and is drawn.
func FuzzResults(f *testing.F) {
	r := inventedRun()
	for i := range r.Detectors { // less to mutate, and less to draw
		d := &r.Detectors[i]
		d.Months = d.Months[:min(2, len(d.Months))]
		for j := range d.Splits {
			s := &d.Splits[j]
			s.ROC, s.Classes = s.ROC[:min(3, len(s.ROC))], s.Classes[:min(2, len(s.Classes))]
		}
	}
	r.Detectors = r.Detectors[2:]
	b, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, seed := range []string{
		`{"schema_version":1}`, `{"schema_version":2}`, `{"schema_version":1,"train":"\u001b[2J\u202e\u009b"}`, `{"schema_version":1,"labels":[1]}`, `[`, ``,
		`{"schema_version":1,"splits":[{"role":"in"},{"role":"out","files":-1,"classes":[{},{}]}],"detectors":[{"name":"a","splits":[{"auroc":1e999}]}]}`,
		`{"schema_version":1,"detectors":[{"edges":[0,null,-1e308,1e308],"months":[{"month":"0000-00"},{"month":"9999-12"}]}],"classifier":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Results
		var err error
		// "{}," is a detector of a split, which takes 400 bytes.
		took := fuzzing.Allocated(func() { r, err = parseResults(b, "results.json") })
		if took > 1<<20+1024*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) || !strings.Contains(err.Error(), "results.json") {
				t.Errorf("error %q is not one line with the file", err)
			}
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		read, err := parseResults(again, "again.json")
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := json.Marshal(read); err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%s\nbecame\n%s", again, twice)
		}
		drawAll(t, Input{Name: r.Train, Results: r})
	})
}

// drawAll draws everything that is made of a run.
func drawAll(t testing.TB, in Input) {
	for _, p := range []page{runPage(in), comparisonPage(in, in, in.Results.Comparisons)} {
		for _, s := range p.Sections {
			for _, f := range s.figures {
				if f.gap == "" {
					f.svg(narrowWidth)
				}
			}
			for _, table := range s.tables {
				table.encode()
			}
		}
		if _, err := p.render(); err != nil {
			t.Error(err)
		}
	}
	if err := Text(io.Discard, in.Results, Look{All: true}); err != nil {
		t.Error(err)
	}
	if err := Markdown(io.Discard, in.Results, nil); err != nil {
		t.Error(err)
	}
}

// No two series have the same style, and the detectors of preference have the
// same style in every run.
func TestStyles(t *testing.T) {
	seen := map[string]int{}
	colors := map[color.NRGBA]bool{}
	for i := range 14 { // of a network with two feature layers
		colors[seriesStyle(i).color] = true
	}
	if len(colors) != 14 {
		t.Errorf("14 detectors have %d colours", len(colors))
	}
	for i := range 220 {
		key := fmt.Sprint(seriesStyle(i).color, seriesStyle(i).dashes, fmt.Sprintf("%T", seriesStyle(i).glyph))
		if j, twice := seen[key]; twice {
			t.Fatalf("series %d and %d look alike: %s", i, j, key)
		}
		seen[key] = i
	}
	some := detectorStyles([]Detector{{Name: "mahalanobis/layer8"}})
	more := detectorStyles([]Detector{{Name: "energy"}, {Name: "msp"}, {Name: "mahalanobis/layer8"}})
	if fmt.Sprint(some["mahalanobis/layer8"]) != fmt.Sprint(more["mahalanobis/layer8"]) {
		t.Error("another detector changed the look of mahalanobis/layer8")
	}
	for _, name := range []string{"energy", "msp"} {
		for _, preferred := range preference() {
			if more[name].color == more[preferred].color {
				t.Errorf("%s has the colour of %s", name, preferred)
			}
		}
	}
}

// A PNG has the pixels that were drawn, whatever was drawn before on the same memory.
func TestEncodePNG(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range [][2]int{{300, 200}, {1, 1}, {7, 90}, {301, 5}} {
		img := newImage(size[0], size[1])
		for i := range img.Pix {
			img.Pix[i] = uint8(rng.Uint32())
			if i%4 == 3 {
				img.Pix[i] = 0xFF
			}
		}
		got, err := png.Decode(bytes.NewReader(encodePNG(img, 300)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Bounds() != img.Bounds() {
			t.Fatalf("bounds %v, want %v", got.Bounds(), img.Bounds())
		}
		for y := range size[1] {
			for x := range size[0] {
				if r, g, b, a := got.At(x, y).RGBA(); !slices.Equal([]uint8{uint8(r), uint8(g), uint8(b), uint8(a)}, img.Pix[img.PixOffset(x, y):][:4]) {
					t.Fatalf("%v: another pixel at %d, %d", size, x, y)
				}
			}
		}
		images.Put(img)
	}
}
