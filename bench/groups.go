package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
	"driftbench/stats"
)

// Files come in groups: releases, campaigns, builds. Those of one group are
// alike, so intervals count groups instead of files, see [stats.Sample].

// setGroups numbers the groups of all rows. Files with the same group name and
// files with equal bytes are of one group, and so is what is linked by a chain
// of these; any other file is a group of its own, and has the number −1.
func (s *Splits) setGroups() {
	n := 0
	for _, x := range s.All() {
		n += len(x.Rows)
	}
	sets := newDisjointSets(n)
	byName, byBytes := map[string]int{}, map[string]int{}
	row := 0
	for _, x := range s.All() {
		for _, r := range x.Rows {
			if r.Group != "" {
				s.grouped = true
				sets.joinFirst(byName, r.Group, row)
			}
			sets.joinFirst(byBytes, r.SHA256, row)
			row++
		}
	}
	sizes := make([]int32, n)
	for row := range n {
		sizes[sets.find(row)]++
	}
	row = 0
	for _, x := range s.All() {
		x.Groups = make([]int, len(x.Rows))
		for i := range x.Rows {
			if x.Groups[i] = sets.find(row); sizes[x.Groups[i]] == 1 {
				x.Groups[i] = -1
			}
			row++
		}
	}
}

// disjointSets is a partition of the numbers 0 to n−1 (Tarjan 1975).
type disjointSets []int

func newDisjointSets(n int) disjointSets {
	d := make(disjointSets, n)
	for i := range d {
		d[i] = i
	}
	return d
}

// find returns the number that stands for the set of i.
func (d disjointSets) find(i int) int {
	for d[i] != i {
		d[i] = d[d[i]]
		i = d[i]
	}
	return i
}

// joinFirst joins i with the first number that was joined by the same key.
func (d disjointSets) joinFirst(first map[string]int, key string, i int) {
	j, ok := first[key]
	if !ok {
		first[key] = i
		return
	}
	d[d.find(i)] = d.find(j)
}

// excludeFitBytes removes from In the rows whose bytes are those of a fit row:
// they are no held-out files.
func (s *Splits) excludeFitBytes() {
	inFit := map[string]bool{}
	for _, r := range s.Fit.Rows {
		inFit[r.SHA256] = true
	}
	before := len(s.In.Rows)
	s.In.keep(func(row int) bool { return !inFit[s.In.Rows[row].SHA256] })
	s.In.Excluded += before - len(s.In.Rows)
}

// keep removes the rows of x for which ok is false. Features and per-row slices
// that are nil stay nil.
func (x *Split) keep(ok func(row int) bool) {
	var rows []int
	for row := range x.Rows {
		if ok(row) {
			rows = append(rows, row)
		}
	}
	if len(rows) < len(x.Rows) {
		x.take(rows)
	}
}

// take removes all rows of x but those with the given numbers, which rise.
func (x *Split) take(rows []int) {
	for i, l := range x.Layers {
		x.Layers[i] = l.Pick(rows)
	}
	x.Rows = pick(x.Rows, rows)
	x.Months = pick(x.Months, rows)
	if x.Groups != nil {
		x.Groups = pick(x.Groups, rows)
	}
	if x.Classes != nil {
		x.Classes = pick(x.Classes, rows)
	}
	if x.Predicted != nil {
		x.Predicted = pick(x.Predicted, rows)
	}
	if x.Confidence != nil {
		x.Confidence = pick(x.Confidence, rows)
	}
	for name, scores := range x.Scores {
		x.Scores[name] = pick(scores, rows)
	}
}

// sample returns the scores of x by a detector with their groups.
func (x *Split) sample(detector string) stats.Sample {
	return stats.Sample{Scores: x.Scores[detector], Groups: x.Groups}
}

// maxGap ends a run of link times: files of one build are linked within hours.
const maxGap = 6 * time.Hour

// designEffectToWarn is the design effect above which a way to group the files
// that the index does not name is worth a warning.
const designEffectToWarn = 1.5

// regroup returns what the AUROC of each Out split by a detector would be if the
// files formed groups that the index does not name: runs of PE link times within
// a label, and label with month. It returns nil where the index names groups.
func (s *Splits) regroup(detector string) []report.Regrouping {
	if s.grouped || detector == "" {
		return nil
	}
	var all []report.Regrouping
	for _, way := range []struct {
		by  string
		key func(x *Split, row int) string
	}{
		{"PE link times", s.linkRuns()},
		{"label and month", func(x *Split, row int) string { return x.Rows[row].Label + "\x00" + x.Months[row].String() }},
	} {
		numbers := map[string]int{}
		grouped := func(x *Split) stats.Sample {
			g := stats.Sample{Scores: x.Scores[detector], Groups: make([]int, len(x.Rows))}
			for row := range x.Rows {
				key := way.key(x, row)
				if key == "" {
					g.Groups[row] = -1
					continue
				}
				if _, ok := numbers[key]; !ok {
					numbers[key] = len(numbers)
				}
				g.Groups[row] = numbers[key]
			}
			return g
		}
		in := grouped(s.In)
		for _, x := range s.Out {
			out := grouped(x)
			a := stats.AUROCOf(in, out)
			all = append(all, report.Regrouping{
				By: way.by, Split: x.Name, Groups: countGroups(append(slices.Clone(in.Groups), out.Groups...)),
				DesignEffect: report.Num(a.DesignEffect), AUROC: interval(a.Interval),
			})
		}
	}
	return all
}

// linkRuns returns the key of the run of link times that a row belongs to, or ""
// for a row without a usable time. A run holds files of one label, and a gap of
// more than maxGap ends it. A time later than the day after first_seen is made up.
func (s *Splits) linkRuns() func(x *Split, row int) string {
	usable := func(r features.Row, m dataset.Month) bool {
		next := int(m) + 1 // the month after that of first_seen
		end := time.Date(next/12, time.Month(next%12+1), 2, 0, 0, 0, 0, time.UTC)
		return r.Linked != 0 && int64(r.Linked) <= end.Unix()
	}
	times := map[string][]uint32{} // by label
	for _, x := range s.All()[1:] {
		for row, r := range x.Rows {
			if usable(r, x.Months[row]) {
				times[r.Label] = append(times[r.Label], r.Linked)
			}
		}
	}
	run := map[string]map[uint32]int{} // number of the run, by label and time
	for label, t := range times {
		slices.Sort(t)
		run[label] = map[uint32]int{}
		n := 0
		for i, at := range t {
			if i > 0 && time.Duration(at-t[i-1])*time.Second > maxGap {
				n++
			}
			run[label][at] = n
		}
	}
	return func(x *Split, row int) string {
		r := x.Rows[row]
		if !usable(r, x.Months[row]) {
			return ""
		}
		return fmt.Sprintf("%s\x00%d", r.Label, run[r.Label][r.Linked])
	}
}

// countGroups returns the number of groups: a negative number is a group of its
// own each time.
func countGroups(groups []int) int {
	seen := map[int]bool{}
	own := 0
	for _, g := range groups {
		if g < 0 {
			own++
		} else {
			seen[g] = true
		}
	}
	return own + len(seen)
}

// largestGroup returns the size of the largest group.
func largestGroup(groups []int) int {
	sizes := map[int]int{}
	largest := 0
	for _, g := range groups {
		if g >= 0 {
			sizes[g]++
		}
		largest = max(largest, sizes[g], 1)
	}
	return largest
}

// describeSplit counts the files of a split, and what they share with fit.
func (s *Splits) describeSplit(x *Split) report.Split {
	d := report.Split{
		Name: x.Name, Role: x.Role, From: x.From.String(), To: x.To.String(),
		Files: len(x.Rows), Dropped: x.Dropped, Excluded: x.Excluded, SeenInFit: x.Excluded,
		Groups: countGroups(x.Groups), LargestGroup: largestGroup(x.Groups),
		NearCopies: report.Num(nan),
	}
	inFit, mates := map[string]bool{}, map[int]bool{}
	if x != s.Fit {
		for row, r := range s.Fit.Rows {
			inFit[r.SHA256], mates[s.Fit.Groups[row]] = true, true
		}
	}
	seen := map[string]bool{}
	counts, families, kinds := make([]int, len(s.Labels)), map[string]int{}, map[string]int{}
	near, known := 0, len(x.Rows) > 0
	for row, r := range x.Rows {
		if seen[r.SHA256] {
			d.Duplicates++
		}
		seen[r.SHA256] = true
		if inFit[r.SHA256] {
			d.SeenInFit++
		}
		if g := x.Groups[row]; g >= 0 && mates[g] {
			d.GroupMates++
		}
		switch c := x.Classes[row]; {
		case c >= 0:
			counts[c]++
		case r.Label == "":
			d.Unlabelled++
		default:
			families[r.Label]++
		}
		if r.Kind != "" {
			kinds[r.Kind]++
		}
		known = known && r.NearFit != ""
		if r.NearFit == "yes" {
			near++
		}
	}
	if known {
		d.NearCopies = report.Num(near)
	}
	for i, l := range s.Labels {
		d.Classes = append(d.Classes, report.ClassCount{Label: l, Files: counts[i]})
	}
	for _, label := range commonest(families) {
		d.NewFamilies = append(d.NewFamilies, report.ClassCount{Label: label, Files: families[label]})
	}
	for _, kind := range commonest(kinds) {
		d.Kinds = append(d.Kinds, report.KindCount{Kind: kind, Files: kinds[kind]})
	}
	return d
}

// commonest returns the keys of counts, the highest count first.
func commonest(counts map[string]int) []string {
	var keys []string
	for key := range counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	return keys
}
