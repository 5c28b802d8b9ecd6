package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

const hostile = "=cmd|' /C calc'!A0\"><script>alert(1)</script>\xff\xfe\n\r\t\x00\u202e& 100% of {{.}} <img src=http://example.invalid/x.png>"

// degenerates are runs that lack, or have too much of, one thing each.
func degenerates() map[string]Input {
	none := none()
	runs := map[string]Input{"nothing": {}}
	add := func(name string, change func(*Input)) {
		in := inventedInput()
		change(&in)
		runs[name] = in
	}
	outs := func(r *Results, keep func(i int, d *DetectorSplit) bool) {
		for i := range r.Detectors {
			d := &r.Detectors[i]
			var kept []DetectorSplit
			for j := range d.Splits {
				if keep(j, &d.Splits[j]) {
					kept = append(kept, d.Splits[j])
				}
			}
			d.Splits = kept
		}
	}
	add("complete", func(*Input) {})
	add("one split", func(in *Input) {
		in.Results.Splits = in.Results.Splits[:3]
		outs(&in.Results, func(i int, _ *DetectorSplit) bool { return i == 0 })
	})
	add("no later split", func(in *Input) {
		in.Results.Splits = in.Results.Splits[:2]
		outs(&in.Results, func(int, *DetectorSplit) bool { return false })
		for i := range in.Results.Detectors {
			in.Results.Detectors[i].Months = nil
		}
	})
	add("one class", func(in *Input) {
		in.Results.Labels = []string{"worm"}
		for i, s := range in.Results.Splits {
			in.Results.Splits[i].Classes = []ClassCount{{"worm", s.Files}}
		}
		outs(&in.Results, func(_ int, s *DetectorSplit) bool { s.Classes = nil; return true })
	})
	add("split with one file", func(in *Input) {
		in.Results.Splits[2].Files = 1
		outs(&in.Results, func(i int, s *DetectorSplit) bool {
			if i == 0 {
				s.Out, s.AUROCLo, s.AUROCHi, s.NullLo, s.NullHi, s.P, s.PHolm = 1, none, none, none, none, none, none
				s.ROC, s.Histogram, s.Classes, s.Metrics = nil, nil, nil, nil
				s.Balanced, s.Rejected = Interval{none, none, none}, none
			}
			return true
		})
	})
	add("empty split", func(in *Input) {
		in.Results.Splits[3].Files = 0
		outs(&in.Results, func(i int, s *DetectorSplit) bool {
			if i == 1 {
				*s = DetectorSplit{Split: s.Split, AUROC: none, AUROCLo: none, AUROCHi: none, NullLo: none, NullHi: none, P: none, PHolm: none, Rejected: none, Balanced: Interval{none, none, none}}
			}
			return true
		})
	})
	add("no throughput", func(in *Input) { in.Throughput = nil })
	add("one slow and one fast device", func(in *Input) {
		in.Throughput = []ThroughputRow{
			{Engine: "tensorflow", Device: "cpu", Unit: samplesPerSecond, Batch: 32, Center: 100, Lo: math.NaN(), Hi: math.NaN(), N: 1},
			{Engine: "tensorflow", Device: "gpu", Unit: samplesPerSecond, Batch: 32, Center: 9000, Lo: -5, Hi: 9500, N: 10, Reading: true},
			{Engine: "broken", Device: "cpu", Unit: samplesPerSecond, Batch: 8, Center: math.NaN()},
		}
	})
	add("no classifier", func(in *Input) { in.Results.Classifier = nil })
	add("classifier without numbers", func(in *Input) { in.Results.Classifier = &Classifier{} })
	add("all skipped", func(in *Input) {
		for i := range in.Results.Detectors {
			in.Results.Detectors[i] = Detector{Name: in.Results.Detectors[i].Name, Skipped: "too few rows"}
		}
	})
	add("no detectors", func(in *Input) { in.Results.Detectors = nil })
	add("tuned only", func(in *Input) {
		in.Results.Detectors = in.Results.Detectors[2:3]
		in.Results.Detectors[0].UsesOutLabels = true
	})
	add("all numbers missing", func(in *Input) {
		outs(&in.Results, func(_ int, s *DetectorSplit) bool {
			s.AUROC, s.AUROCLo, s.AUROCHi, s.NullLo, s.NullHi = none, Num(math.Inf(-1)), Num(math.Inf(1)), none, none
			s.ROC = [][2]Num{{none, none}, {0, Num(math.Inf(1))}}
			s.Histogram[0] = none
			return true
		})
		for i := range in.Results.Detectors {
			d := &in.Results.Detectors[i]
			d.Threshold = none
			for j := range d.Months {
				d.Months[j].AUROC, d.Months[j].AUROCLo = none, none
			}
			if len(d.Edges) > 0 {
				d.Edges[3] = none
			}
		}
	})
	add("histograms of another length", func(in *Input) {
		in.Results.Detectors[0].InHistogram = in.Results.Detectors[0].InHistogram[:5]
		in.Results.Detectors[1].Splits[1].Histogram = nil
		in.Results.Detectors[2].Edges = nil
		clear(in.Results.Detectors[3].InHistogram)
		for i := range in.Results.Detectors[3].Splits {
			clear(in.Results.Detectors[3].Splits[i].Histogram)
		}
	})
	add("one month", func(in *Input) {
		for i := range in.Results.Detectors {
			if ms := in.Results.Detectors[i].Months; len(ms) > 0 {
				in.Results.Detectors[i].Months = ms[:1]
			}
		}
		in.Results.Classifier.Months = in.Results.Classifier.Months[:1]
	})
	add("bad months", func(in *Input) {
		in.Results.Detectors[0].Months[0].Month = "yesterday"
		in.Results.Detectors[0].Months[1].Month = "2018-13"
		in.Results.Detectors[0].Months[2].Month = "9999-12"
	})
	add("months without numbers", func(in *Input) {
		for i := range in.Results.Detectors {
			for j := range in.Results.Detectors[i].Months {
				in.Results.Detectors[i].Months[j].AUROC = none
			}
		}
		for j := range in.Results.Classifier.Months {
			in.Results.Classifier.Months[j].Accuracy = Interval{none, none, none}
			in.Results.Classifier.Months[j].MacroF1 = none
		}
	})
	add("drift below", func(in *Input) {
		outs(&in.Results, func(_ int, s *DetectorSplit) bool { s.AUROC, s.AUROCLo, s.AUROCHi = 0, 0, 0; return true })
	})
	add("perfect", func(in *Input) {
		outs(&in.Results, func(_ int, s *DetectorSplit) bool { s.AUROC, s.AUROCLo, s.AUROCHi = 1, 1, 1; return true })
	})
	add("40 months, 12 detectors, 10 splits", func(in *Input) { *in = inventedLarge() })
	add("hostile names", func(in *Input) {
		long := strings.Repeat("very-long-name-without-a-space", 8)
		in.Name = hostile
		r := &in.Results
		r.Train, r.Labels[1], r.Warnings[0] = hostile, hostile, hostile+long
		for i := range r.Splits {
			r.Splits[i].Name = fmt.Sprint(i, long, hostile)
			r.Splits[i].Classes[0].Label = hostile + long
		}
		for i := range r.Detectors {
			r.Detectors[i].Name = fmt.Sprint(hostile, long, i)
			for j := range r.Detectors[i].Splits {
				r.Detectors[i].Splits[j].Split = r.Splits[j+2].Name
				r.Detectors[i].Splits[j].Classes[0].Label = hostile
				r.Detectors[i].Splits[j].Metrics[0].Name = hostile
			}
		}
		r.Detectors[5].Skipped = hostile
		r.Comparisons[0].A = hostile
		in.Throughput[0].Engine = hostile
		in.Manifest = append(in.Manifest, KeyValue{hostile, hostile}, KeyValue{"path", "@SUM(A1)"}, KeyValue{"-x", "+x"})
	})
	return runs
}

// inventedLarge has more of everything than a page is made for.
func inventedLarge() Input {
	in := inventedInput()
	r := &in.Results
	r.Labels = nil
	for i := range 12 {
		r.Labels = append(r.Labels, fmt.Sprintf("family-%c", 'a'+i))
	}
	r.Splits = r.Splits[:0]
	r.Splits = append(r.Splits, inventedSplit("2017-fit", RoleFit, "2017-01", "2017-12", 4000, r.Labels), inventedSplit("2017-val", RoleIn, "2017-01", "2017-12", 1500, r.Labels))
	for i := range 10 {
		r.Splits = append(r.Splits, inventedSplit(fmt.Sprintf("2018-2021 part %d", i+1), RoleOut, "2018-01", "2021-04", 300+i, r.Labels))
	}
	r.Detectors = nil
	for i, name := range []string{"mahalanobis/layer7", "mahalanobis/layer8", "mahalanobis/ensemble", "rmd/layer7", "rmd/layer8",
		"mahalanobis++/layer7", "mahalanobis++/layer8", "knn/layer8", "vim", "msp", "maxlogit", "energy"} {
		d := inventedDetector(*r, name, 0.5, 0.01+0.002*float64(i))
		for m := range 40 {
			d.Months = append(d.Months[:min(m, len(d.Months))], d.Months[m%24:]...)
		}
		d.Months = slices.Repeat(d.Months[:20], 2)
		for m := range d.Months {
			d.Months[m].Month = fmt.Sprintf("%d-%02d", 2018+m/12, m%12+1)
		}
		r.Detectors = append(r.Detectors, d)
	}
	for i := range r.Detectors {
		for j := range r.Detectors[i].Splits {
			s := &r.Detectors[i].Splits[j]
			for k := range 20000 {
				f := float64(k) / 19999
				if k == 0 {
					s.ROC = s.ROC[:0]
				}
				s.ROC = append(s.ROC, [2]Num{Num(f), Num(math.Pow(f, 0.4))})
			}
		}
	}
	r.Classifier = nil
	return in
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
					if (tb.gap == "") == (len(tb.rows) == 0) {
						t.Errorf("table %s: gap %q with %d rows", tb.name, tb.gap, len(tb.rows))
					}
				}
			}
			var b bytes.Buffer
			if err := Table(&b, in.Results); err != nil {
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
