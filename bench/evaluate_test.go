package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
	"driftbench/stats"
	"driftbench/tfmodel"
	"driftbench/tfmodel/windows"
)

// Files are the same when their bytes are: within a split they are duplicates,
// and in In or Out they may also be those of a fit file.
func TestDescribeSplitCountsSameBytes(t *testing.T) {
	labels := []string{"virus", "worm"}
	split := func(role report.Role, hashes ...string) *Split {
		s := &Split{Role: role, Classes: make([]int, len(hashes))}
		for _, h := range hashes {
			s.Rows = append(s.Rows, features.Row{SHA256: h})
		}
		return s
	}
	fit := split(report.RoleFit, "a", "b", "b")
	s := &Splits{Labels: labels, Fit: fit, In: split(report.RoleIn, "c", "d"), Out: []*Split{split(report.RoleOut, "b", "c", "a", "b", "c")}}
	s.setGroups()
	for _, c := range []struct {
		s                     *Split
		duplicates, seenInFit int
	}{
		{fit, 1, 0},
		{s.In, 0, 0},
		{s.Out[0], 2, 3},
	} {
		d := s.describeSplit(c.s)
		if d.Duplicates != c.duplicates || d.SeenInFit != c.seenInFit {
			t.Errorf("%s: %d duplicates, %d seen in fit; want %d, %d", c.s.Role, d.Duplicates, d.SeenInFit, c.duplicates, c.seenInFit)
		}
	}
}

// A split that lacks classes is one warning.
func TestTimeRules(t *testing.T) {
	split := func(name, month string, classes ...int) *Split {
		s := &Split{Split: features.Split{Name: name}, Classes: classes}
		for range classes {
			s.Rows = append(s.Rows, features.Row{FirstSeen: month})
		}
		if err := s.setMonths(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	got := timeRules(&Splits{
		Labels: []string{"virus", "worm", "trojan"},
		Fit:    split("2017-fit", "2017-12", 0, 1, 2),
		In:     split("2017-val", "2017-12", 0, 1),
		Out:    []*Split{split("2018", "2018-01-05", 1), split("early", "2017-12", 0, 1, 2)},
	})
	const mix = ": a change in the mix of classes looks like drift; see the class-balanced AUROC"
	want := []string{
		"time rule: split early has files of 2017-12, not later than the newest fit file (2017-12): drift looks smaller than it is",
		"time rule: split 2017-val has no trojan" + mix,
		"time rule: split 2018 has no virus, trojan" + mix,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// simulated returns splits of files in groups: fit and In are different groups of
// 2017, Out groups of 2018 whose features are moved by drift standard deviations.
// The features of a file are the mean of its class, a part that its group shares,
// of variance rho, and a part of its own, of variance 1 − rho.
func simulated(rng *rand.Rand, groups [3]int, size int, rho, drift float64) *Splits {
	const width, classes = 8, 4
	s := &Splits{Train: "2017", Labels: []string{"a", "b", "c", "d"}, Layers: []string{"layer8"}, InUnseen: "unseen"}
	for i, name := range []string{"2017-fit", "2017-val", "2018"} {
		x := &Split{
			Split: features.Split{Name: name, Layers: []features.Layer{{Name: "layer8", Width: width}}},
			Role:  []report.Role{report.RoleFit, report.RoleIn, report.RoleOut}[i],
		}
		for g := range groups[i] {
			class := g % classes
			month := dataset.Month((2017+i/2)*12 + rng.IntN(12))
			shared := make([]float64, width)
			for j := range shared {
				shared[j] = math.Sqrt(rho) * rng.NormFloat64()
			}
			for f := range size {
				x.Rows = append(x.Rows, features.Row{
					Name: fmt.Sprint(i, g, f), Label: s.Labels[class], FirstSeen: month.String(),
					SHA256: fmt.Sprint(i, "/", g, "/", f), Group: fmt.Sprint(i, "/", g), Kind: "PE", NearFit: "no",
				})
				x.Months, x.Classes, x.Predicted = append(x.Months, month), append(x.Classes, class), append(x.Predicted, class)
				for j := range width {
					v := shared[j] + math.Sqrt(1-rho)*rng.NormFloat64()
					if j == class {
						v += 6
					}
					if i == 2 {
						v += drift
					}
					x.Layers[0].Data = append(x.Layers[0].Data, float32(v))
				}
			}
		}
		x.From, x.To = dataset.Month((2017+i/2)*12), dataset.Month((2017+i/2)*12+11)
		switch x.Role {
		case report.RoleFit:
			s.Fit = x
		case report.RoleIn:
			s.In = x
		default:
			s.Out = append(s.Out, x)
		}
	}
	s.setGroups()
	return s
}

// Of runs over grouped files without drift at most 7% end in a verdict of drift,
// and of runs with drift at least 90%.
func TestVerdictsOfGroupedFiles(t *testing.T) {
	runs := 60
	if os.Getenv("DRIFTBENCH_SOAK") != "" {
		runs = 1000
	}
	for _, tc := range []struct {
		groups [3]int
		size   int
		rho    float64
		drift  float64
	}{
		{[3]int{70, 30, 30}, 10, 0.5, 0},
		{[3]int{70, 30, 30}, 20, 0.2, 0},
		{[3]int{70, 30, 30}, 10, 0.5, 1},
	} {
		rng := rand.New(rand.NewPCG(5, uint64(tc.size)))
		found := 0
		for range runs {
			s := simulated(rng, tc.groups, tc.size, tc.rho, tc.drift)
			r, err := Evaluate(t.Context(), s, Options{Detectors: []string{"mahalanobis/layer8"}, Resamples: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range r.Checks {
				if c.Status == report.Block {
					t.Fatalf("%+v", c)
				}
			}
			if r.Verdict.Drift == "yes" {
				found++
			}
		}
		t.Logf("%+v: %d of %d runs end in drift", tc, found, runs)
		// Of 60 runs without drift, 8 or more are found by a test of level 5% once
		// in 90 times.
		most := int(math.Round(0.07*float64(runs) + 2*math.Sqrt(0.07*0.93*float64(runs))))
		if tc.drift == 0 && found > most || tc.drift == 1 && found < runs*9/10 {
			t.Errorf("%+v: %d of %d runs end in drift", tc, found, runs)
		}
	}
}

// healthy returns splits on which every check passes: three of 80 files each, in
// groups of two, of two classes over four months.
func healthy(t *testing.T) *Splits {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	s := &Splits{Train: "2017", Labels: []string{"a", "b"}, InUnseen: "unseen", made: new(Manifest)}
	for i, name := range []string{"2017-fit", "2017-val", "2018"} {
		x := &Split{Split: features.Split{Name: name}, Scores: map[string][]float64{}}
		for row := range 80 {
			month := dataset.Month((2017+i/2)*12 + row%4)
			class := row / 2 % 2
			x.Rows = append(x.Rows, features.Row{
				Name: fmt.Sprint(i, row), Label: s.Labels[class], FirstSeen: month.String(), SHA256: fmt.Sprint(i, "/", row),
				Group: fmt.Sprint(i, "g", row/2), Kind: "PE", NearFit: "no",
			})
			x.Months = append(x.Months, month)
			x.Classes = append(x.Classes, class)
			x.Predicted = append(x.Predicted, class)
			x.Scores["msp"] = append(x.Scores["msp"], rng.NormFloat64())
		}
		x.From, x.To = slices.Min(x.Months), slices.Max(x.Months)
		switch i {
		case 0:
			x.Role, s.Fit = report.RoleFit, x
		case 1:
			x.Role, s.In = report.RoleIn, x
		default:
			x.Role = report.RoleOut
			s.Out = append(s.Out, x)
		}
	}
	return s
}

// run runs the checks on s.
func run(s *Splits) map[string]report.Check {
	s.setGroups()
	s.excludeFitBytes()
	var r report.Results
	for _, x := range s.All() {
		r.Splits = append(r.Splits, s.describeSplit(x))
	}
	a := stats.AUROCOf(s.In.sample("msp"), s.Out[0].sample("msp"))
	r.Detectors = []report.Detector{{Name: "msp", Splits: []report.DetectorSplit{{
		Split: "2018", AUROC: report.Num(a.Value), P: report.Num(a.P), PHolm: report.Num(a.P),
	}}}}
	r.Regroupings = s.regroup("msp")
	checks := map[string]report.Check{}
	for _, c := range s.checks(&r) {
		checks[c.Name] = c
	}
	return checks
}

func TestChecks(t *testing.T) {
	every := func(n int, f func(r *features.Row)) func(x *Split) {
		return func(x *Split) {
			for row := 0; row < len(x.Rows); row += n {
				f(&x.Rows[row])
			}
		}
	}
	for _, tc := range []struct {
		name, check string
		change      func(s *Splits)
		status      report.Status
		say         string
	}{
		{"healthy", "", func(*Splits) {}, report.Pass, ""},
		{"two labels swapped", "the model knows these files", func(s *Splits) {
			for i := range s.Fit.Predicted {
				s.Fit.Predicted[i] = 1 - s.Fit.Predicted[i]
			}
		}, report.Block, "With the labels in the order b, a the accuracy on fit rows would be 100.0%"},
		{"a model that guesses", "the model knows these files", func(s *Splits) { clear(s.Fit.Predicted) }, report.Block, "no more than always guessing"},
		{"classes not known", "the model knows these files", func(s *Splits) { s.Fit.Predicted = nil }, report.Warn, "is not known"},
		{"bytes shifted", "the model knows these files", func(s *Splits) {
			clear(s.Fit.Predicted)
			s.made.Shifted = []ShiftedBytes{{By: 1, Files: 64, Accuracy: 0.9}}
		}, report.Block, "with every byte changed by +1 the accuracy on 64 fit rows would be 90.0%"},
		{"padding moved", "the model knows these files", func(s *Splits) {
			s.made.Moved = &MovedPadding{To: "front", Files: 40, Accuracy: 0.9, Given: 0.5}
			for i := range s.Fit.Predicted {
				s.Fit.Predicted[i] = i % 2
			}
		}, report.Block, "With the padding at the front of the 40 fit rows that have some their accuracy would be 90.0% instead of 50.0%"},
		{"padding moved to no avail", "the model knows these files", func(s *Splits) { s.made.Moved = &MovedPadding{To: "back", Files: 40, Accuracy: 0.55, Given: 0.5} }, report.Pass, ""},

		{"gzip in Out alone", "the files are programs", func(s *Splits) { every(5, func(r *features.Row) { r.Kind = "gzip" })(s.Out[0]) }, report.Block, "20.0% of the files of 2018 are no programs (gzip)"},
		{"a few pointers", "the files are programs", func(s *Splits) { every(40, func(r *features.Row) { r.Kind = "Git LFS pointer" })(s.In) }, report.Warn, "2.5% of the files of 2017-val"},
		{"disarmed in Out alone", "the files are programs", func(s *Splits) { every(2, func(r *features.Row) { r.Kind = "PE, disarmed" })(s.Out[0]) }, report.Warn, "The mix of kinds of 2018"},
		{"kinds not known", "the files are programs", func(s *Splits) { every(1, func(r *features.Row) { r.Kind = "" })(s.In) }, report.Warn, "are not known"},

		{"every row twice", "rows are distinct", func(s *Splits) {
			for i := 1; i < len(s.Out[0].Rows); i += 2 {
				s.Out[0].Rows[i].SHA256 = s.Out[0].Rows[i-1].SHA256
			}
		}, report.Block, "40 of 80 files of 2018 have the bytes of another"},
		{"one row twice", "rows are distinct", func(s *Splits) { s.In.Rows[1].SHA256 = s.In.Rows[0].SHA256 }, report.Warn, "1 of 80 files of 2017-val"},
		{"fit rows in In", "rows are distinct", func(s *Splits) {
			for i := range 30 {
				s.In.Rows[i].SHA256 = s.Fit.Rows[i].SHA256
			}
		}, report.Block, "30 files of 2017-val have the bytes of a fit file"},
		{"In rows in Out", "rows are distinct", func(s *Splits) { s.Out[0].Rows[7].SHA256 = s.In.Rows[3].SHA256 }, report.Warn, "1 files of 2018 have the bytes of a file of 2017-val"},

		{"a third is missing", "nothing is missing on one side", func(s *Splits) { s.Out[0].Dropped = 40 }, report.Block, "33.3% of the rows of 2018 are dropped"},
		{"some are missing", "nothing is missing on one side", func(s *Splits) { s.Out[0].Dropped = 6 }, report.Warn, "7.0% of the rows of 2018"},
		{"one class is missing", "nothing is missing on one side", func(s *Splits) {
			s.Fit.Dropped = 4
			for range 4 {
				s.made.Dropped = append(s.made.Dropped, DroppedFile{Split: "2017-fit", Label: "b"})
			}
		}, report.Warn, `4 of 44 rows of "b" in 2017-fit are dropped, against 0 of 40 others`},
		{"one is missing", "nothing is missing on one side", func(s *Splits) {
			s.Fit.Dropped = 1
			s.made.Dropped = []DroppedFile{{Split: "2017-fit", Label: "b"}}
		}, report.Pass, ""},

		{"In was trained on", "In is new to network and detectors", func(s *Splits) { s.InUnseen = "seen" }, report.Block, "was trained on files of 2017-val"},
		{"not known", "In is new to network and detectors", func(s *Splits) { s.InUnseen = "unknown" }, report.Warn, "does not say"},
		{"group mates in fit", "In is new to network and detectors", func(s *Splits) {
			for i := range s.In.Rows {
				s.In.Rows[i].Group = s.Fit.Rows[i].Group
			}
		}, report.Block, "100.0% of 2017-val share a group with a fit file"},
		{"near-copies", "In is new to network and detectors", func(s *Splits) { every(2, func(r *features.Row) { r.NearFit = "yes" })(s.In) }, report.Warn, "50.0% of 2017-val are near-copies"},
		{"near-copies everywhere", "In is new to network and detectors", func(s *Splits) {
			every(2, func(r *features.Row) { r.NearFit = "yes" })(s.In)
			every(2, func(r *features.Row) { r.NearFit = "yes" })(s.Out[0])
		}, report.Pass, ""},

		{"two groups", "enough groups", func(s *Splits) {
			for i := range s.Out[0].Rows {
				s.Out[0].Rows[i].Group = fmt.Sprint("big", i%2)
			}
		}, report.Block, "2018 has 2 groups, too few for an interval"},
		{"four groups", "enough groups", func(s *Splits) {
			for i := range s.Out[0].Rows {
				s.Out[0].Rows[i].Group = fmt.Sprint("big", i%4)
			}
		}, report.Warn, "cover about 92%"},
		{"groups that the index does not name", "enough groups", func(s *Splits) {
			for n, x := range s.All() {
				for i := range x.Rows {
					x.Rows[i].Group = ""
					x.Rows[i].Linked = uint32(1e9 + 1e8*float64(n) + 1e6*float64(i/10)) // ten files a build
					x.Scores["msp"][i] = float64(i/10%4) + 0.01*x.Scores["msp"][i]
				}
			}
		}, report.Warn, "If files come in groups by PE link times"},
		{"files on their own", "enough groups", func(s *Splits) {
			for _, x := range s.All() {
				every(1, func(r *features.Row) { r.Group = "" })(x)
			}
		}, report.Pass, ""},

		{"a class that In lacks", "classes are alike", func(s *Splits) {
			for i := range s.In.Rows {
				s.In.Classes[i] = 0
			}
		}, report.Warn, "2018 has files of b, which 2017-val lacks"},
		{"another mix", "classes are alike", func(s *Splits) {
			for i := range s.Out[0].Classes {
				if i%5 > 0 {
					s.Out[0].Classes[i] = 0
				}
			}
		}, report.Warn, "the mix of classes of 2018"},
		{"a new family", "labels are known", func(s *Splits) {
			s.Out[0].Classes[3], s.Out[0].Rows[3].Label = -1, "ransom"
		}, report.Warn, "1 files of 2018 (1.2%) have no label or one that training lacks"},
		{"a class of one month", "classes are alike", func(s *Splits) {
			for i, c := range s.Out[0].Classes {
				if c == 1 {
					s.Out[0].Months[i] = s.Out[0].From
				}
			}
		}, report.Warn, "ll files of b in 2018 are of one month"},

		{"a small effect", "the effect is large enough to matter", func(s *Splits) {
			for _, x := range []*Split{s.In, s.Out[0]} {
				n := len(x.Rows)
				for range 60 { // many files of their own, moved by a tenth
					for i := range n {
						r := x.Rows[i]
						r.SHA256, r.Group = fmt.Sprint(r.SHA256, len(x.Rows)), ""
						x.Rows, x.Months, x.Classes, x.Predicted = append(x.Rows, r), append(x.Months, x.Months[i]), append(x.Classes, x.Classes[i]), append(x.Predicted, x.Predicted[i])
					}
				}
				x.Scores["msp"] = nil
				for i := range x.Rows {
					score := float64(i*7919%len(x.Rows)) / float64(len(x.Rows))
					if x == s.In {
						score += 0.03
					}
					x.Scores["msp"] = append(x.Scores["msp"], score)
				}
			}
		}, report.Warn, "the AUROC of 2018 is told from 0.5 and is only 0.5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := healthy(t)
			tc.change(s)
			checks := run(s)
			if len(checks) != 9 {
				t.Fatalf("%d checks, want 9", len(checks))
			}
			if tc.check == "" {
				for _, c := range checks {
					if c.Status != report.Pass || c.Detail == "" {
						t.Errorf("%+v", c)
					}
				}
				return
			}
			c := checks[tc.check]
			if c.Status != tc.status || !strings.Contains(strings.ToLower(c.Detail), strings.ToLower(tc.say)) || c.Status == report.Block && c.Todo == "" {
				t.Errorf("%+v, want %s with %q", c, tc.status, tc.say)
			}
		})
	}
}

// The best order of the labels is that of exhaustive search.
func TestBestOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 1; n <= 6; n++ {
		for range 50 {
			m := make(stats.Confusion, n)
			for i := range m {
				m[i] = make([]int, n)
				for j := range m[i] {
					m[i][j] = rng.IntN(20)
				}
			}
			value := func(order []int) (sum int) {
				for c, output := range order {
					sum += m[c][output]
				}
				return sum
			}
			best := 0
			var permute func(order []int, left []int)
			permute = func(order, left []int) {
				if len(left) == 0 {
					best = max(best, value(order))
				}
				for i := range left {
					permute(append(slices.Clone(order), left[i]), slices.Delete(slices.Clone(left), i, i+1))
				}
			}
			all := make([]int, n)
			for i := range all {
				all[i] = i
			}
			permute(nil, all)
			got := bestOrder(m)
			if sorted := slices.Sorted(slices.Values(got)); !slices.Equal(sorted, all) || value(got) != best {
				t.Fatalf("%v gives %v with %d, want %d", m, got, value(got), best)
			}
		}
	}
}

// Groups are those of the index, joined where files are equal.
func TestSetGroups(t *testing.T) {
	rows := func(role report.Role, groupAndBytes ...string) *Split {
		x := &Split{Role: role}
		for _, gb := range groupAndBytes {
			g, b, _ := strings.Cut(gb, "/")
			x.Rows = append(x.Rows, features.Row{Group: g, SHA256: b})
		}
		return x
	}
	s := &Splits{
		Fit: rows(report.RoleFit, "g/1", "g/2", "/3"),
		In:  rows(report.RoleIn, "h/2", "/4", "/4"),
		Out: []*Split{rows(report.RoleOut, "h/5", "/3", "/6", "/7")},
	}
	s.setGroups()
	all := slices.Concat(s.Fit.Groups, s.In.Groups, s.Out[0].Groups)
	// g and h are joined by the bytes 2.
	want := []int{0, 0, 1, 0, 2, 2, 0, 1, -1, -1}
	for i := range want {
		for j := range want {
			if (all[i] == all[j]) != (want[i] == want[j]) || (all[i] == -1) != (want[i] == -1) {
				t.Errorf("files %d and %d: groups %v, want the pattern %v", i, j, all, want)
			}
		}
	}
}

// lastByte is an engine whose model tells a file by the last symbol of its input,
// which is padding unless the file is as long.
type lastByte struct{ tfmodel.Engine }

func (lastByte) Run(dst [][]float32, files [][]byte) error {
	for i, f := range files {
		dst[0][i] = -1
		if len(f) == 100 && f[99] >= 128 {
			dst[0][i] = 1
		}
	}
	return nil
}

func TestPaddingIsMoved(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var files [][]byte
	var classes []int
	for i := range 40 {
		f := make([]byte, 1+rng.IntN(98))
		f[len(f)-1] = byte(i * 128)
		files, classes = append(files, f), append(classes, i%2)
	}
	files, classes = append(files, nil, make([]byte, 100)), append(classes, 1, 1) // without padding to move
	e := &extractor{engine: lastByte{}, layers: []tfmodel.Layer{{Name: "logits", Width: 1}}}
	s := &tfmodel.Shape{MaxLen: 100, Window: 10}
	got, err := e.measureMoved(s, files, classes, 2)
	if want := (MovedPadding{To: "front", Files: 40, Accuracy: 1, Given: 0.5}); err != nil || got == nil || *got != want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
	if got, err := e.measureMoved(s, files[:15], classes, 2); got != nil || err != nil {
		t.Errorf("of 15 files: %+v, %v", got, err)
	}
	if got, err := e.measureMoved(nil, files, classes, 2); got != nil || err != nil {
		t.Errorf("of a model without a description: %+v, %v", got, err)
	}
}

// What stands for a file with its padding moved has the windows of a model that
// pads there; zeros stand for a pad symbol that is no byte.
func TestMovedPaddingGivesTheWindowsOfTheOtherModel(t *testing.T) {
	for _, pad := range []int{0, 7, 256} {
		for _, to := range []bool{false, true} {
			for length := 1; length < 105; length++ {
				file := make([]byte, length)
				for i := range file {
					file[i] = byte(1 + i)
				}
				s := &tfmodel.Shape{MaxLen: 105, Window: 10, Windows: 11, Lead: 2, Pad: pad, Padding: "back"}
				if !to {
					s.Padding = "front"
				}
				cutter := windows.Cutter{MaxLen: 105, Window: 10, Windows: 11, Lead: 2, Pad: pad}
				// contents returns the bytes of the windows, zero for pad symbols that are none.
				contents := func(front bool, f []byte) map[string]bool {
					cutter.Front = front
					key, all := make([]byte, cutter.Stride()), map[string]bool{}
					for i := range cutter.Windows {
						cutter.Cut(key, f, i)
						all[string(key[:cutter.Window])] = true
					}
					return all
				}
				missing, got, want := 0, contents(!to, movePadding(s, file)), contents(to, file)
				for k := range want {
					if !got[k] {
						missing++
					}
				}
				if missing > 0 {
					t.Errorf("pad %d, to the front %v, %d bytes: %d of %d windows are missing", pad, to, length, missing, len(want))
				}
			}
		}
	}
}
