package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
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
