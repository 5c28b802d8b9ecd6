package main

import (
	"testing"

	"driftbench/bench/features"
	"driftbench/report"
)

// Files are the same when their bytes are: within a split they are duplicates,
// and in In or Out they may also be those of a fit file.
func TestDescribeSplitCountsSameBytes(t *testing.T) {
	labels := []string{"virus", "worm"}
	split := func(role report.Role, hashes ...string) *sample {
		s := &sample{role: role, classes: make([]int, len(hashes))}
		for _, h := range hashes {
			s.Rows = append(s.Rows, features.Row{SHA256: h})
		}
		return s
	}
	fit := split(report.RoleFit, "a", "b", "b")
	for _, c := range []struct {
		s                     *sample
		duplicates, seenInFit int
	}{
		{fit, 1, 0},
		{split(report.RoleIn, "c", "d"), 0, 0},
		{split(report.RoleOut, "b", "c", "a", "b", "c"), 2, 3},
	} {
		d := describeSplit(c.s, fit, labels)
		if d.Duplicates != c.duplicates || d.SeenInFit != c.seenInFit {
			t.Errorf("%s: %d duplicates, %d seen in fit; want %d, %d", c.s.role, d.Duplicates, d.SeenInFit, c.duplicates, c.seenInFit)
		}
	}
}
