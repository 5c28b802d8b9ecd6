package bench

import (
	"slices"
	"testing"

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
