package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"driftbench/bench/features"
	"driftbench/bench/files"
	"driftbench/bench/traits"
	"driftbench/report"
	"driftbench/stats"
	"driftbench/tfmodel"
)

// A verdict means what it says only if the numbers can: the model has to know
// the files it was trained on, the files have to be what they are taken for, and
// In has to be held out. Each of these is a check, and one that blocks withholds
// the verdict.

// The bounds of the checks.
const (
	// noticed is the share of a split's files above which a fault is worth a
	// warning, tolerated the share above which it withholds the verdict.
	noticed, tolerated = 0.05, 0.20
	// standIns is the share of stand-ins for programs that withholds the verdict.
	standIns = 0.10
	// gain is how much more accurate another order of the labels has to be for
	// the given one to be wrong.
	gain = 0.10
	// mixChange is the total variation distance between the mixes of two splits
	// that is worth a warning, if it is significant at rareByChance.
	mixChange, rareByChance = 0.10, 0.001
	// wantedGroups is the number of groups that the training span should have.
	wantedGroups = 20
	// smallEffect is the AUROC below which a difference from 0.5 is small.
	smallEffect = 0.55
)

// checks runs every check on the results r of the splits.
func (s *Splits) checks(r *report.Results) []report.Check {
	var all []report.Check
	for _, check := range []struct {
		name string
		run  func(*Splits, *report.Results) finding
	}{
		{"the model knows these files", modelKnowsFiles},
		{"the files are programs", filesArePrograms},
		{"rows are distinct", rowsAreDistinct},
		{"nothing is missing on one side", nothingIsMissing},
		{"In is new to network and detectors", inIsNew},
		{"enough groups", enoughGroups},
		{report.ClassesAlike, classesAreAlike},
		{"labels are known", labelsAreKnown},
		{"the effect is large enough to matter", effectMatters},
	} {
		f := check.run(s, r)
		status := cmp.Or(f.status, report.Pass)
		all = append(all, report.Check{Name: check.name, Status: status, Detail: sentence(f.details), Todo: sentence(f.todos), Numbers: f.numbers})
	}
	return all
}

// finding collects what a check has found.
type finding struct {
	status         report.Status
	details, todos []string // clauses
	numbers        map[string]report.Num
}

// add records something found, and what to do about it.
func (f *finding) add(status report.Status, todo, format string, args ...any) {
	f.status = graver(f.status, status)
	f.details = append(f.details, fmt.Sprintf(format, args...))
	if todo != "" && !slices.Contains(f.todos, todo) {
		f.todos = append(f.todos, todo)
	}
}

func (f *finding) set(name string, value float64) {
	if f.numbers == nil {
		f.numbers = map[string]report.Num{}
	}
	f.numbers[name] = report.Num(value)
}

// sentence joins clauses.
func sentence(clauses []string) string {
	if len(clauses) == 0 {
		return ""
	}
	s := strings.Join(clauses, "; ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// graded returns Warn or Block for a share above noticed or tolerated, else Pass.
func graded(share float64) report.Status {
	switch {
	case share > tolerated:
		return report.Block
	case share > noticed:
		return report.Warn
	}
	return report.Pass
}

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

// modelKnowsFiles compares the accuracy on the fit rows, which the network should
// know best, with that of guessing the commonest class, and with that of every
// other order of the labels.
func modelKnowsFiles(s *Splits, _ *report.Results) (f finding) {
	x := s.Fit
	rows := x.labelled()
	if x.Predicted == nil || len(rows) == 0 {
		f.add(report.Warn, "give a corpus.yaml with the labels in the order of the model's outputs",
			"the accuracy on fit rows is not known, since the model's classes are not known to be the labels")
		return f
	}
	m := stats.NewConfusion(len(s.Labels), pick(x.Classes, rows), pick(x.Predicted, rows))
	total, right, commonestClass := len(rows), 0, 0
	for c, row := range m {
		right += row[c]
		n := 0
		for _, k := range row {
			n += k
		}
		commonestClass = max(commonestClass, n)
	}
	accuracy, guess := float64(right)/float64(total), float64(commonestClass)/float64(total)
	order := bestOrder(m)
	best := 0
	for c, output := range order {
		best += m[c][output]
	}
	other := float64(best) / float64(total)
	f.set("accuracy", accuracy)
	f.set("commonest_class", guess)
	f.set("best_order", other)
	if len(s.Labels) > 1 && accuracy <= guess {
		f.add(report.Block, "check that this is the model of these files, and that corpus.yaml has its labels, length and byte values",
			"accuracy on fit rows is %s, no more than always guessing the commonest class gives (%s)", percent(accuracy), percent(guess))
	}
	if other-accuracy > gain && stats.Wilson(best, total).Lo > stats.Wilson(right, total).Hi {
		labels := make([]string, len(order))
		for c, output := range order {
			labels[output] = s.Labels[c]
		}
		f.add(report.Block, fmt.Sprintf("set labels in corpus.yaml to [%s] if that is the order of the model's outputs", strings.Join(labels, ", ")),
			"with the labels in the order %s the accuracy on fit rows would be %s instead of %s", strings.Join(labels, ", "), percent(other), percent(accuracy))
	}
	if s.made != nil {
		for _, shift := range s.made.Shifted {
			right := int(math.Round(shift.Accuracy * float64(shift.Files)))
			if shift.Accuracy-accuracy > gain && stats.Wilson(right, shift.Files).Lo > max(accuracy, guess) {
				values := "plus-one"
				if shift.By < 0 {
					values = "plain"
				}
				f.add(report.Block, fmt.Sprintf("convert the model again with --bytes %s, or give it the byte values that it was trained on", values),
					"with every byte changed by %+d the accuracy on %d fit rows would be %s", shift.By, shift.Files, percent(shift.Accuracy))
			}
			f.set(fmt.Sprintf("accuracy_bytes%+d", shift.By), shift.Accuracy)
		}
		if moved := s.made.Moved; moved != nil {
			right := int(math.Round(moved.Accuracy * float64(moved.Files)))
			if moved.Accuracy-moved.Given > gain && stats.Wilson(right, moved.Files).Lo > max(moved.Given, guess) {
				f.add(report.Block, fmt.Sprintf("convert the model again with --padding %s", moved.To),
					"with the padding at the %s of the %d fit rows that have some their accuracy would be %s instead of %s", moved.To, moved.Files, percent(moved.Accuracy), percent(moved.Given))
			}
			f.set("accuracy_padding_"+moved.To, moved.Accuracy)
		}
	}
	if f.status == "" {
		f.add(report.Pass, "", "accuracy on fit rows is %s, against %s for the commonest class", percent(accuracy), percent(guess))
	}
	return f
}

// bestOrder returns for every class the output that makes the model most accurate
// if each output stands for one class: the assignment problem, solved by the
// Hungarian algorithm in O(classes³) (Kuhn 1955; Jonker & Volgenant 1987).
func bestOrder(m stats.Confusion) []int {
	n := len(m)
	u, v := make([]int, n+1), make([]int, n+1)
	match, way := make([]int, n+1), make([]int, n+1) // match[j] is the class of output j, from 1
	for i := 1; i <= n; i++ {
		match[0] = i
		column := 0
		least := make([]int, n+1)
		used := make([]bool, n+1)
		for j := range least {
			least[j] = math.MaxInt
		}
		for {
			used[column] = true
			class, delta, next := match[column], math.MaxInt, 0
			for j := 1; j <= n; j++ {
				if used[j] {
					continue
				}
				if cost := -m[class-1][j-1] - u[class] - v[j]; cost < least[j] {
					least[j], way[j] = cost, column
				}
				if least[j] < delta {
					delta, next = least[j], j
				}
			}
			for j := 0; j <= n; j++ {
				if used[j] {
					u[match[j]] += delta
					v[j] -= delta
				} else {
					least[j] -= delta
				}
			}
			column = next
			if match[column] == 0 {
				break
			}
		}
		for column != 0 {
			match[column] = match[way[column]]
			column = way[column]
		}
	}
	order := make([]int, n)
	for j := 1; j <= n; j++ {
		order[match[j]-1] = j - 1
	}
	return order
}

// filesArePrograms looks at the kinds of files of every split.
func filesArePrograms(s *Splits, r *report.Results) (f finding) {
	in := mixOfKinds(s.In)
	var unknown []string
	for _, x := range s.All() {
		if mixOfKinds(x) == nil {
			unknown = append(unknown, x.Name)
		}
	}
	if len(unknown) > 0 {
		f.add(report.Warn, "extract the features again to know", "the kinds of the files of %s are not known", some(unknown))
	}
	for i, x := range s.All() {
		d := r.Splits[i]
		kinds := mixOfKinds(x)
		if kinds == nil {
			continue
		}
		stands, worst := 0, ""
		for _, k := range d.Kinds {
			if traits.Kind(k.Kind).StandIn() {
				stands += k.Files
				worst = cmp.Or(worst, k.Kind)
			}
		}
		share := float64(stands) / float64(max(1, len(x.Rows)))
		f.set("stand_ins "+x.Name, share)
		if stands > 0 {
			status := report.Warn
			if share > standIns {
				status = report.Block
			}
			f.add(status, "fetch or unpack the programs in their place", "%s of the files of %s are no programs (%s)", percent(share), x.Name, worst)
		}
		strange := float64(kinds[string(traits.Other)]) / float64(len(x.Rows))
		f.set("other "+x.Name, strange)
		if strange > 0.5 {
			f.add(report.Warn, "look at the files: they may be packed, enciphered or changed", "%s of the files of %s are of no known kind", percent(strange), x.Name)
		}
		if x.Role == report.RoleOut && len(in) > 0 {
			if kind, a, b := mostChanged(in, kinds); mixDiffers(in, kinds) {
				f.add(report.Warn, "compare files of one kind, or find out why the kinds differ",
					"the mix of kinds of %s is not that of %s: %s are %s against %s", x.Name, s.In.Name, kind, percent(b), percent(a))
			}
		}
	}
	if f.status == "" {
		f.add(report.Pass, "", "no split holds stand-ins, and all have the same mix of kinds")
	}
	return f
}

// mixOfKinds counts the kinds of the files of a split; a nil map means that they
// are not known.
func mixOfKinds(x *Split) map[string]int {
	var mix map[string]int
	for _, r := range x.Rows {
		if r.Kind == "" {
			return nil
		}
		if mix == nil {
			mix = map[string]int{}
		}
		mix[r.Kind]++
	}
	return mix
}

// mixDiffers reports whether two mixes differ by more than mixChange, and by more
// than chance explains (χ² test of homogeneity).
func mixDiffers(a, b map[string]int) bool {
	var distance, chi float64
	totalA, totalB := total(a), total(b)
	if totalA == 0 || totalB == 0 {
		return false
	}
	all := map[string]int{}
	for _, m := range []map[string]int{a, b} {
		for k, n := range m {
			all[k] += n
		}
	}
	for k, n := range all {
		distance += math.Abs(float64(a[k])/totalA-float64(b[k])/totalB) / 2
		for _, side := range []struct{ got, total float64 }{{float64(a[k]), totalA}, {float64(b[k]), totalB}} {
			expected := float64(n) * side.total / (totalA + totalB)
			chi += (side.got - expected) * (side.got - expected) / expected
		}
	}
	if len(all) < 2 || distance <= mixChange {
		return false
	}
	return distuv.ChiSquared{K: float64(len(all) - 1)}.Survival(chi) < rareByChance
}

func total(m map[string]int) float64 {
	n := 0
	for _, k := range m {
		n += k
	}
	return float64(n)
}

// mostChanged returns the key whose share differs most between two mixes, with
// its shares.
func mostChanged(a, b map[string]int) (key string, shareA, shareB float64) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		x, y := float64(a[k])/total(a), float64(b[k])/total(b)
		if math.Abs(x-y) > math.Abs(shareA-shareB) {
			key, shareA, shareB = k, x, y
		}
	}
	return key, shareA, shareB
}

// rowsAreDistinct counts files with equal bytes within a split and between splits.
func rowsAreDistinct(s *Splits, r *report.Results) (f finding) {
	inIn := map[string]bool{}
	for _, row := range s.In.Rows {
		inIn[row.SHA256] = true
	}
	const todo = "give every file once, and let test spans hold files that the training span lacks"
	for i, x := range s.All() {
		d := r.Splits[i]
		n := float64(max(1, len(x.Rows)+x.Excluded))
		if d.Duplicates > 0 {
			share := float64(d.Duplicates) / n
			f.set("duplicates "+x.Name, share)
			f.add(graver(report.Warn, graded(share)), todo, "%d of %d files of %s have the bytes of another", d.Duplicates, len(x.Rows), x.Name)
		}
		if d.SeenInFit > 0 {
			share := float64(d.SeenInFit) / n
			f.set("in_fit "+x.Name, share)
			f.add(graver(report.Warn, graded(share)), todo, "%d files of %s have the bytes of a fit file", d.SeenInFit, x.Name)
		}
		if x.Role != report.RoleOut {
			continue
		}
		again := 0
		for _, row := range x.Rows {
			if inIn[row.SHA256] {
				again++
			}
		}
		if again > 0 {
			share := float64(again) / n
			f.set("in_in "+x.Name, share)
			f.add(graver(report.Warn, graded(share)), todo, "%d files of %s have the bytes of a file of %s", again, x.Name, s.In.Name)
		}
	}
	if f.status == "" {
		f.add(report.Pass, "", "no two files have equal bytes")
	}
	return f
}

// graver returns the graver of two statuses.
func graver(a, b report.Status) report.Status {
	if a == report.Block || b == report.Block {
		return report.Block
	}
	if a == report.Warn || b == report.Warn {
		return report.Warn
	}
	return report.Pass
}

// nothingIsMissing looks at the rows that were dropped: by split, by class, and
// whether they pile up on a class.
func nothingIsMissing(s *Splits, _ *report.Results) (f finding) {
	const todo = "give the files that are missing, or leave their class out of every split"
	byLabel := map[string]map[string]int{} // by split
	if s.made != nil {
		for _, d := range s.made.Dropped {
			if byLabel[d.Split] == nil {
				byLabel[d.Split] = map[string]int{}
			}
			byLabel[d.Split][d.Label]++
		}
	}
	for _, x := range s.All() {
		if x.Dropped == 0 {
			continue
		}
		share := float64(x.Dropped) / float64(x.Dropped+len(x.Rows)+x.Excluded)
		f.set("dropped "+x.Name, share)
		if status := graded(share); status != report.Pass {
			f.add(status, todo, "%s of the rows of %s are dropped", percent(share), x.Name)
		}
		there := map[string]int{}
		for _, r := range x.Rows {
			there[r.Label]++
		}
		for _, label := range slices.Sorted(maps.Keys(byLabel[x.Name])) {
			gone := byLabel[x.Name][label]
			of := gone + there[label]
			share := float64(gone) / float64(of)
			rest := x.Dropped - gone
			others := len(x.Rows) + x.Dropped - of
			// More than the rest of the split: the probability of that many or more
			// of its rows among those dropped is hypergeometric.
			piled := gone >= 3 && atLeast(gone, x.Dropped, of, len(x.Rows)+x.Dropped) < rareByChance
			if status := graded(share); status != report.Pass && gone > 1 || piled {
				f.add(graver(report.Warn, status), todo, "%d of %d rows of %q in %s are dropped, against %d of %d others", gone, of, label, x.Name, rest, others)
			}
		}
	}
	if f.status == "" {
		f.add(report.Pass, "", "no split and no class has lost more than %s of its rows", percent(noticed))
	}
	return f
}

// atLeast returns the probability of k or more marked among drawn of total, of
// which marked are marked.
func atLeast(k, drawn, marked, total int) float64 {
	choose := func(n, k int) float64 {
		a, _ := math.Lgamma(float64(n) + 1)
		b, _ := math.Lgamma(float64(k) + 1)
		c, _ := math.Lgamma(float64(n-k) + 1)
		return a - b - c
	}
	p := 0.0
	for i := k; i <= min(drawn, marked); i++ {
		if drawn-i <= total-marked {
			p += math.Exp(choose(marked, i) + choose(total-marked, drawn-i) - choose(total, drawn))
		}
	}
	return p
}

// inIsNew says whether In was held out of the network and of the detectors.
func inIsNew(s *Splits, r *report.Results) (f finding) {
	in := r.Splits[1]
	n := float64(max(1, in.Files))
	switch s.InUnseen {
	case "seen":
		f.add(report.Block, "measure with files that the network was not trained on", "the network was trained on files of %s", in.Name)
	case "unseen":
	default:
		f.add(report.Warn, "convert the model with --trained-on to know", "the model does not say which files it was trained on")
	}
	if in.Excluded > 0 {
		f.add(report.Warn, "", "%d rows with the bytes of a fit file do not count as %s", in.Excluded, in.Name)
	}
	if in.GroupMates > 0 {
		share := float64(in.GroupMates) / n
		f.set("group_mates", share)
		f.add(graver(report.Warn, graded(share)), "hold out whole groups: holdout: group in corpus.yaml",
			"%s of %s share a group with a fit file: an AUROC above 0.5 may be memory", percent(share), in.Name)
	}
	if in.NearCopies.OK() {
		share := float64(in.NearCopies) / n
		f.set("near_copies "+in.Name, share)
		var out, files float64
		for _, d := range r.Splits[2:] {
			if d.NearCopies.OK() {
				out += float64(d.NearCopies)
				files += float64(d.Files)
			}
		}
		if later := out / max(1, files); files > 0 && share-later > noticed &&
			mixDiffers(map[string]int{"near": int(in.NearCopies), "": in.Files - int(in.NearCopies)}, map[string]int{"near": int(out), "": int(files - out)}) {
			f.set("near_copies later", later)
			todo := "name groups in the index, so that whole groups are held out"
			if s.grouped {
				todo = "name larger groups in the index, if near-copies belong together"
			}
			f.add(report.Warn, todo, "%s of %s are near-copies of fit files, against %s of the later files: the same modules in other releases, or a leak", percent(share), in.Name, percent(later))
		}
	}
	if s.made != nil {
		if mates := s.made.TrainedRows[in.Name].GroupMates; mates > 0 {
			share := float64(mates) / n
			f.set("trained_group_mates", share)
			f.add(graver(report.Warn, graded(share)), "train on whole groups, and hold out others",
				"%s of %s share a group with a file that the network was trained on", percent(share), in.Name)
		}
	}
	if f.status == "" {
		f.add(report.Pass, "", "no file of %s is known to network or detectors, nor a group mate of one", in.Name)
	}
	return f
}

// enoughGroups says whether there are groups enough for intervals, and whether
// files look as if they came in groups that the index does not name.
func enoughGroups(s *Splits, r *report.Results) (f finding) {
	for i, x := range s.All()[1:] {
		n := r.Splits[i+1].Groups
		f.set("groups "+x.Name, float64(n))
		switch {
		case n < 3:
			f.add(report.Block, "add files of more groups", "%s has %d groups, too few for an interval", x.Name, n)
		case n < 5:
			f.add(report.Warn, "add files of more groups", "%s has %d groups, and its intervals cover about 92%%", x.Name, n)
		}
	}
	if s.grouped {
		groups := countGroups(append(slices.Clone(s.Fit.Groups), s.In.Groups...))
		f.set("groups "+s.Train, float64(groups))
		if groups < wantedGroups {
			f.add(report.Warn, "add files of more groups", "the training span has %d groups, and holding out whole ones wants %d", groups, wantedGroups)
		}
	}
	worst := map[string]report.Regrouping{} // by way to group
	for _, g := range r.Regroupings {
		if g.DesignEffect > max(designEffectToWarn, worst[g.By].DesignEffect) {
			worst[g.By] = g
		}
	}
	for _, by := range slices.Sorted(maps.Keys(worst)) {
		g := worst[by]
		f.set("design_effect "+g.By+" "+g.Split, float64(g.DesignEffect))
		f.add(report.Warn, "name the groups in a column group of the index",
			"if files come in groups by %s, the variance of %s is %.1f times as large, and the AUROC is %v",
			g.By, g.Split, float64(g.DesignEffect), stats.Interval{Value: float64(g.AUROC.Value), Lo: float64(g.AUROC.Lo), Hi: float64(g.AUROC.Hi)})
	}
	if f.status == "" {
		f.add(report.Pass, "", "every split has 5 groups or more")
	}
	return f
}

// classesAreAlike compares the classes of In with those of every Out split.
func classesAreAlike(s *Splits, r *report.Results) (f finding) {
	const todo = "read the class-balanced AUROC, which leaves the mix of classes out"
	mix := func(x *Split) map[string]int {
		m := map[string]int{}
		for _, c := range x.Classes {
			if c >= 0 {
				m[s.Labels[c]]++
			}
		}
		return m
	}
	in := mix(s.In)
	for i, x := range s.All() {
		d := r.Splits[i]
		if x.Role == report.RoleOut {
			out := mix(x)
			var onlyOut, onlyIn []string
			for _, l := range s.Labels {
				switch {
				case out[l] > 0 && in[l] == 0:
					onlyOut = append(onlyOut, l)
				case out[l] == 0 && in[l] > 0:
					onlyIn = append(onlyIn, l)
				}
			}
			if len(onlyOut) > 0 {
				f.add(report.Warn, todo, "%s has files of %s, which %s lacks", x.Name, some(onlyOut), s.In.Name)
			}
			if len(onlyIn) > 0 {
				f.add(report.Warn, todo, "%s lacks %s", x.Name, some(onlyIn))
			}
			if label, a, b := mostChanged(in, out); len(onlyIn)+len(onlyOut) == 0 && mixDiffers(in, out) {
				f.add(report.Warn, todo, "the mix of classes of %s is not that of %s: %s is %s against %s", x.Name, s.In.Name, label, percent(b), percent(a))
			}
		}
		// TESSERACT's rule: every class should be there over the whole span.
		if x.From < x.To {
			months := map[int]map[int]bool{}
			counts := map[int]int{}
			for row, c := range x.Classes {
				if c >= 0 {
					if months[c] == nil {
						months[c] = map[int]bool{}
					}
					months[c][int(x.Months[row])] = true
					counts[c]++
				}
			}
			var lumps []string
			for c, l := range s.Labels {
				if counts[c] >= 5 && len(months[c]) == 1 {
					lumps = append(lumps, l)
				}
			}
			if len(lumps) > 0 && len(slices.Compact(slices.Sorted(slices.Values(x.Months)))) > 1 {
				f.add(report.Warn, "spread the files of a class over the span", "all files of %s in %s are of one month", some(lumps), d.Name)
			}
		}
	}
	if f.status == "" {
		f.add(report.Pass, "", "every split has the classes of %s in a like mix", s.In.Name)
	}
	return f
}

// labelsAreKnown counts the files that have no class, which no number by class
// holds.
func labelsAreKnown(s *Splits, _ *report.Results) (f finding) {
	for _, x := range s.Out {
		if n := len(x.Rows) - len(x.labelled()); n > 0 {
			share := float64(n) / float64(len(x.Rows))
			f.set("without_class "+x.Name, share)
			f.add(report.Warn, "read the AUROC of new families and of files without a label in the table by family",
				"%d files of %s (%s) have no label or one that training lacks", n, x.Name, percent(share))
		}
	}
	if f.status == "" {
		f.add(report.Pass, "", "every later file has a label of the training span")
	}
	return f
}

// some lists names, at most five.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// effectMatters says where an AUROC is told from 0.5 but hardly differs from it.
func effectMatters(_ *Splits, r *report.Results) (f finding) {
	var names []string
	for _, d := range r.Detectors {
		if d.Skipped == "" {
			names = append(names, d.Name)
		}
	}
	i := slices.IndexFunc(r.Detectors, func(d report.Detector) bool { return len(names) > 0 && d.Name == report.Preferred(names) })
	if i < 0 {
		f.add(report.Warn, "", "there is no detector to judge by")
		return f
	}
	for _, a := range r.Detectors[i].Splits {
		if a.PHolm.OK() && a.PHolm < 0.05 && math.Abs(float64(a.AUROC)-0.5) < smallEffect-0.5 {
			f.add(report.Warn, "", "the AUROC of %s is told from 0.5 and is only %.3f", a.Split, float64(a.AUROC))
		}
	}
	if f.status == "" {
		f.add(report.Pass, "", "no AUROC is told from 0.5 and under %v", smallEffect)
	}
	return f
}

// ShiftedBytes is the accuracy of the model on some fit rows if every byte is
// changed by a number. Networks are trained on bytes 0 to 255, or on 1 to 256 with
// 0 for padding; a model that is given the other values answers with confidence
// and knows nothing.
type ShiftedBytes struct {
	By       int     `json:"by"`
	Files    int     `json:"files"`
	Accuracy float64 `json:"accuracy"`
}

// MovedPadding is the accuracy of the model on fit rows shorter than its input if
// their padding is at the other end than it was converted for, and with it as given.
type MovedPadding struct {
	To       string  `json:"to"` // "front" or "back"
	Files    int     `json:"files"`
	Accuracy float64 `json:"accuracy"`
	Given    float64 `json:"given"`
}

// movableFiles is the number of files with padding that it takes to tell where the
// padding belongs.
const movableFiles = 16

// shiftedFiles is the number of fit files that are run with changed bytes.
const shiftedFiles = 64

// wellKnown is the accuracy on fit rows from which on no other values of the
// bytes are tried.
const wellKnown = 0.9

// fitAccuracy counts the fit rows whose class the model finds.
type fitAccuracy struct{ right, labelled int }

// add counts the rows of some of the fit split.
func (a *fitAccuracy) add(fit features.Split, labels []string) error {
	classes := map[string]int{}
	for i, l := range labels {
		classes[l] = i
	}
	predicted, _, err := predict(fit, len(labels))
	if err != nil {
		return err
	}
	for i, c := range predicted {
		if class, ok := classes[fit.Rows[i].Label]; ok {
			a.labelled++
			if c == class {
				a.right++
			}
		}
	}
	return nil
}

// measureShifted measures the accuracy with changed bytes and with the padding at
// the other end if that on the extracted fit split is below wellKnown, and records
// both in the manifest. Open returns an extractor and the files of fit rows, or nil
// where there is none.
func (a *account) measureShifted(ctx context.Context, open func(context.Context, []int) (*extractor, []files.File, error)) error {
	if float64(a.fit.right) >= wellKnown*float64(a.fit.labelled) {
		return nil
	}
	var rows []int
	all := a.corpus.Splits.Fit.Rows
	for i := range min(shiftedFiles, len(all)) {
		if at := i * len(all) / min(shiftedFiles, len(all)); all[at].Class >= 0 {
			rows = append(rows, at)
		}
	}
	e, toRead, err := open(ctx, rows)
	if e == nil || err != nil {
		return err
	}
	r := e.places.NewReader(ctx, toRead, files.ReadOptions{MaxLen: e.maxLen, Batch: len(rows)})
	defer r.Close()
	b, err := r.Next()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	defer b.Release()
	classOf := make([]int, len(b.Files))
	for i, r := range b.Rows {
		classOf[i] = all[rows[r]].Class
	}
	for _, by := range []int{1, -1} {
		files := make([][]byte, len(b.Files))
		for i, f := range b.Files {
			files[i] = make([]byte, len(f))
			for j, v := range f {
				files[i][j] = v + byte(by)
			}
		}
		accuracy, err := e.accuracy(files, classOf, len(a.corpus.Labels))
		if err != nil {
			return err
		}
		a.man.Shifted = append(a.man.Shifted, ShiftedBytes{by, len(files), accuracy})
	}
	a.man.Moved, err = e.measureMoved(a.model.Shape, b.Files, classOf, len(a.corpus.Labels))
	return err
}

// measureMoved measures the accuracy on the files that have padding, as they are
// and with the padding at the other end. It returns nil where these are few, or
// where the model does not say how it pads.
func (x *extractor) measureMoved(s *tfmodel.Shape, files [][]byte, classOf []int, classes int) (*MovedPadding, error) {
	if s == nil {
		return nil, nil
	}
	var given, moved [][]byte
	var class []int
	for i, f := range files {
		if len(f) > 0 && len(f) < s.MaxLen {
			given, moved, class = append(given, f), append(moved, movePadding(s, f)), append(class, classOf[i])
		}
	}
	if len(given) < movableFiles {
		return nil, nil
	}
	m := &MovedPadding{To: "front", Files: len(given)}
	if s.Padding == m.To {
		m.To = "back"
	}
	var err error
	if m.Given, err = x.accuracy(given, class, classes); err != nil {
		return nil, err
	}
	m.Accuracy, err = x.accuracy(moved, class, classes)
	return m, err
}

// movePadding returns a file that the model sees much as it would see f with the
// padding at the other end. Where the pad symbol is a byte they are the same. Else
// the bytes fall into windows alike, and zeros stand for the pad symbols in the one
// window that has both.
func movePadding(s *tfmodel.Shape, f []byte) []byte {
	padding := make([]byte, (s.MaxLen-len(f))%s.Window)
	if s.Pad < 256 {
		padding = bytes.Repeat([]byte{byte(s.Pad)}, s.MaxLen-len(f))
	}
	if s.Padding == "front" {
		return slices.Concat(f, padding)
	}
	return slices.Concat(padding, f)
}

// accuracy returns the share of files that the model finds the class of.
func (x *extractor) accuracy(files [][]byte, classOf []int, classes int) (float64, error) {
	s := features.Split{Rows: make([]features.Row, len(files))}
	var dst [][]float32
	for _, l := range x.layers {
		out := make([]float32, len(files)*l.Width)
		dst = append(dst, out)
		if l.Name == stats.Logits {
			s.Layers = append(s.Layers, features.Layer{Name: l.Name, Width: l.Width, Data: out})
		}
	}
	if err := x.engine.Run(dst, files); err != nil {
		return 0, err
	}
	predicted, _, err := predict(s, classes)
	if err != nil {
		return 0, err
	}
	right := 0
	for i, c := range predicted {
		if c == classOf[i] {
			right++
		}
	}
	return float64(right) / float64(len(files)), nil
}
