package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"driftbench/bench/features"
	"driftbench/internal/csvfile"
	"driftbench/internal/origin"
	"driftbench/internal/regular"
	"driftbench/internal/text"
	"driftbench/report"
	"driftbench/stats"
)

// RunDiff holds the tests of two runs.
type RunDiff struct {
	// Models is a sentence that says whether both are of one model, A and B; the
	// answer is no where OneModel is false.
	Models   string
	OneModel bool
	Splits   []SplitDiff
}

// SplitDiff holds the tests of one Out split that two runs have.
type SplitDiff struct {
	Split     string
	In, Out   Pairing
	Detectors []DetectorDiff // none if In or Out has no pairs
}

// Pairing counts the files of a split in two runs. A file of one is paired with a
// file of the other by the SHA-256 of the bytes that the model sees, never by its
// name.
type Pairing struct {
	Split    string
	Pairs    int
	A, B     int // files that each run has scored
	Unknown  int // of both, whose digest is not known
	SameName int // unpaired files of A whose name an unpaired file of B has
}

// String says how many files are paired, and how many are not.
func (p Pairing) String() string {
	line := fmt.Sprintf("%s: %d files paired by content, %d of A and %d of B not", p.Split, p.Pairs, p.A-p.Pairs, p.B-p.Pairs)
	if p.SameName > 0 {
		line += fmt.Sprintf(" (%d have the same name and other bytes)", p.SameName)
	}
	if p.Unknown > 0 {
		line += fmt.Sprintf(" (%d have no digest)", p.Unknown)
	}
	return line
}

// DetectorDiff is one detector of two runs on the files that are paired.
type DetectorDiff struct {
	Detector string
	A, B     float64 // AUROC
	Test     report.Comparison
}

// Diff tests every detector of the runs in the folders a and b on every Out split
// of both (paired DeLong test, corrected by Holm over all), on the files that both
// have scored. It draws them side by side into opt.Out unless that is empty. The
// runs may be of two models; what each run is made of must be of one.
func Diff(opt Options, a, b string) (*RunDiff, error) {
	if opt.Out != "" {
		unlock, err := openOut(opt.Out)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	var inputs [2]report.Input
	var runs [2]*scoredRun
	for i, dir := range []string{a, b} {
		r, err := report.ReadResults(filepath.Join(dir, "results.json"))
		if err != nil {
			return nil, err
		}
		if runs[i], err = openRun(dir, r); err != nil {
			return nil, err
		}
		if inputs[i], err = reportInput(opt.Monitor, dir, runs[i].results); err != nil {
			return nil, err
		}
	}
	d := new(RunDiff)
	d.OneModel, d.Models = report.SameModel("A", "B", runs[0].results, runs[1].results)
	if inputs[0].Name == inputs[1].Name {
		inputs[0].Name, inputs[1].Name = a, b
	}
	splits, err := diffRuns(runs[0], runs[1])
	if err != nil {
		return nil, err
	}
	if changed := slices.Concat(runs[0].changed, runs[1].changed); len(changed) > 0 {
		opt.Monitor.warn([]string{fmt.Sprintf("%s changed after the scoring, so the scores may be of another model: score again unless you changed it yourself", strings.Join(changed, ", "))})
	}
	var tests []report.Comparison
	var notes []string
	for i, s := range splits {
		for _, d := range s.Detectors {
			tests = append(tests, d.Test)
		}
		if i == 0 {
			notes = append(notes, s.In.String()+".")
		}
		notes = append(notes, s.Out.String()+".")
	}
	holm(tests)
	corrected := tests
	for _, s := range splits {
		for i := range s.Detectors {
			s.Detectors[i].Test, corrected = corrected[0], corrected[1:]
		}
	}
	d.Splits = splits
	if opt.Out == "" {
		return d, nil
	}
	opt.Monitor.stage("drawing", -1, "")
	return d, report.WriteComparison(opt.Out, inputs[0], inputs[1], tests, notes)
}

// diffRuns tests every detector of both runs on every Out split of both.
func diffRuns(a, b *scoredRun) ([]SplitDiff, error) {
	detectors := shared(scoredBy(a.results), scoredBy(b.results))
	insA, insB := splitsOf(a.results, report.RoleIn), splitsOf(b.results, report.RoleIn)
	if len(detectors) == 0 || len(insA) == 0 || len(insB) == 0 {
		return nil, nil
	}
	in, err := pairScores(a, b, insA[0], insB[0], detectors)
	if err != nil {
		return nil, err
	}
	var all []SplitDiff
	for _, split := range shared(splitsOf(a.results, report.RoleOut), splitsOf(b.results, report.RoleOut)) {
		out, err := pairScores(a, b, split, split, detectors)
		if err != nil {
			return nil, err
		}
		s := SplitDiff{Split: split, In: in.Pairing, Out: out.Pairing}
		if in.Pairs > 0 && out.Pairs > 0 {
			groupsIn, groupsOut := groupPairs(in, out)
			for i, name := range detectors {
				key := name + "@" + split
				inA, outA := stats.Sample{Scores: in.a[i], Groups: groupsIn}, stats.Sample{Scores: out.a[i], Groups: groupsOut}
				s.Detectors = append(s.Detectors, DetectorDiff{
					Detector: name,
					A:        stats.AUROCOf(inA, outA).Value,
					B:        stats.AUROCOf(stats.Sample{Scores: in.b[i]}, stats.Sample{Scores: out.b[i]}).Value,
					Test:     comparison(key, key, stats.PairedDetectors(inA, outA, in.b[i], out.b[i])),
				})
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// groupPairs numbers the groups of the paired files: those of one group, or of
// equal bytes, in either run are of one group.
func groupPairs(in, out paired) (groupsIn, groupsOut []int) {
	rows := slices.Concat(in.rows, out.rows)
	sets := newDisjointSets(len(rows))
	byA, byB, byBytes := map[string]int{}, map[string]int{}, map[string]int{}
	for i, r := range rows {
		if r[0].Group != "" {
			sets.joinFirst(byA, r[0].Group, i)
		}
		if r[1].Group != "" {
			sets.joinFirst(byB, r[1].Group, i)
		}
		sets.joinFirst(byBytes, r[0].SHA256, i)
	}
	groups := make([]int, len(rows))
	for i := range rows {
		groups[i] = sets.find(i)
	}
	return groups[:len(in.rows)], groups[len(in.rows):]
}

// shared returns the strings of a that b holds too.
func shared(a, b []string) []string {
	return slices.DeleteFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

// scoredBy names the detectors of a run that have scores.
func scoredBy(r report.Results) []string {
	var names []string
	for _, d := range r.Detectors {
		if d.Skipped == "" {
			names = append(names, d.Name)
		}
	}
	return names
}

func splitsOf(r report.Results, role report.Role) []string {
	var names []string
	for _, s := range r.Splits {
		if s.Role == role {
			names = append(names, s.Name)
		}
	}
	return names
}

// scoredRun is the folder of a run, with where its files are described.
type scoredRun struct {
	dir      string
	results  report.Results
	features string // folder; "" if there is none
	fit      string // fit file that has the rows of In; "" if there is none
	made     scoresOrigin
	changed  []string // tables of scores that were read and are not those that were written
}

func openRun(dir string, r report.Results) (*scoredRun, error) {
	run := &scoredRun{dir: dir, results: r, features: filepath.Join(dir, "features")}
	man, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	if man != nil && man.Features != "" { // of driftbench score
		run.features, run.fit = man.Features, man.Fit
	}
	if run.made, err = readOrigin(filepath.Join(dir, "scores", originFile)); err != nil {
		return nil, err
	}
	parts := []origin.Part{{Name: filepath.Join(dir, "results.json"), Origin: r.Origin}, {Name: filepath.Join(dir, "scores"), Origin: run.made.Origin}}
	if man != nil {
		parts = append(parts, origin.Part{Name: filepath.Join(dir, manifestFile), Origin: man.made()})
	}
	// That of each run which does not tell is said by report.SameModel.
	run.results.Origin, _, err = origin.Join(parts...)
	return run, err
}

// rows describes the files of a split, from the features or from the fit file. It
// returns none if neither is there. Features and fit must be of the model of the
// run.
func (r *scoredRun) rows(split string) ([]features.Row, error) {
	run := origin.Part{Name: filepath.Join(r.dir, "results.json"), Origin: r.results.Origin}
	source, err := features.ReadSource(r.features, split)
	if err != nil {
		return nil, err
	}
	if _, _, err := origin.Join(run, origin.Part{Name: "split " + split + " in " + r.features, Origin: source.Origin}); err != nil {
		return nil, err
	}
	rows, err := features.ReadRows(r.features, split)
	if !errors.Is(err, fs.ErrNotExist) || r.fit == "" {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return rows, err
	}
	s, err := readFit(r.fit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case s.In.Name != split:
		return nil, nil
	}
	_, _, err = origin.Join(run, origin.Part{Name: "the fit file " + r.fit, Origin: s.Origin})
	return s.In.Rows, err
}

// scores reads the scores of a split, and gives its files the digests and groups
// of their rows in the features.
func (r *scoredRun) scores(split string, detectors []string) (files []features.Row, scores [][]float64, err error) {
	sum := sha256.New()
	if files, scores, err = readScores(r.dir, split, detectors, sum); err != nil {
		return nil, nil, err
	}
	if want := r.made.Files[split+".csv"]; want != "" && want != hex.EncodeToString(sum.Sum(nil)) {
		r.changed = append(r.changed, filepath.Join(r.dir, "scores", split+".csv"))
	}
	rows, err := r.rows(split)
	if err != nil {
		return nil, nil, err
	}
	describe(files, rows)
	return files, scores, nil
}

// describe sets digest and group of each file from the row of the same name,
// label and date. Where several rows have these, they are taken in their order if
// there are as many files, and otherwise only if all have the same bytes.
func describe(files, rows []features.Row) {
	type key struct{ name, label, seen string }
	of := func(r features.Row) key { return key{r.Name, r.Label, r.FirstSeen} }
	described, wanted, next := map[key][]features.Row{}, map[key]int{}, map[key]int{}
	for _, r := range rows {
		described[of(r)] = append(described[of(r)], r)
	}
	for _, f := range files {
		wanted[of(f)]++
	}
	for i, f := range files {
		k := of(f)
		found := described[k]
		n := next[k]
		next[k]++
		switch {
		case len(found) == 0:
		case len(found) == wanted[k]:
			files[i].SHA256, files[i].Group = found[n].SHA256, found[n].Group
		case !slices.ContainsFunc(found, func(r features.Row) bool { return r.SHA256 != found[0].SHA256 }):
			files[i].SHA256, files[i].Group = found[0].SHA256, found[0].Group
		}
	}
}

// paired holds the scores of the files that both runs have: a[detector][i] and
// b[detector][i] are of the same bytes, described by rows[i] of both.
type paired struct {
	Pairing
	a, b [][]float64
	rows [][2]features.Row
}

// pairScores pairs the files of a split of each run by their digests. Where a
// digest comes several times, the first is paired with the first, and so on.
func pairScores(runA, runB *scoredRun, splitA, splitB string, detectors []string) (p paired, err error) {
	p.a, p.b = make([][]float64, len(detectors)), make([][]float64, len(detectors))
	filesA, scoresA, err := runA.scores(splitA, detectors)
	if err != nil {
		return p, err
	}
	filesB, scoresB, err := runB.scores(splitB, detectors)
	if err != nil {
		return p, err
	}
	p.Pairing = Pairing{Split: splitA, A: len(filesA), B: len(filesB)}
	byDigest, names := map[string][]int{}, map[string]int{}
	for i, f := range filesB {
		names[f.Name]++
		if f.SHA256 == "" {
			p.Unknown++
			continue
		}
		byDigest[f.SHA256] = append(byDigest[f.SHA256], i)
	}
	var unpaired []string
	for i, f := range filesA {
		if f.SHA256 == "" {
			p.Unknown++
		}
		found := byDigest[f.SHA256]
		if f.SHA256 == "" || len(found) == 0 {
			unpaired = append(unpaired, f.Name)
			continue
		}
		j := found[0]
		byDigest[f.SHA256] = found[1:]
		names[filesB[j].Name]--
		p.Pairs++
		p.rows = append(p.rows, [2]features.Row{f, filesB[j]})
		for d := range detectors {
			p.a[d] = append(p.a[d], scoresA[d][i])
			p.b[d] = append(p.b[d], scoresB[d][j])
		}
	}
	for _, name := range unpaired {
		if names[name] > 0 {
			names[name]--
			p.SameName++
		}
	}
	return p, nil
}

// readScores reads a table that writeScores wrote: its files by name, label and
// date, and scores[detector][file]. It writes what it reads to sum.
func readScores(dir, split string, detectors []string, sum io.Writer) (files []features.Row, scores [][]float64, err error) {
	if filepath.Base(split) != split {
		return nil, nil, fmt.Errorf("reading the scores: the results.json of %s names a split %.80q, which names no file", dir, split)
	}
	path := filepath.Join(dir, "scores", split+".csv")
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the scores: %w", err)
	}
	defer f.Close()
	return parseScores(io.TeeReader(f, sum), path, detectors)
}

func parseScores(r io.Reader, path string, detectors []string) (files []features.Row, scores [][]float64, err error) {
	t := csvfile.NewReader(r, path)
	header, err := t.Read()
	if err == io.EOF {
		return nil, nil, fmt.Errorf("reading the scores: %s is empty: score again", path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the scores: %w", err)
	}
	header = slices.Clone(header)
	columns := make([]int, len(detectors))
	for d, name := range detectors {
		if columns[d] = slices.Index(header, name); columns[d] < 0 {
			return nil, nil, fmt.Errorf("reading the scores: %s has no column %.80q: score again", path, name)
		}
	}
	scores = make([][]float64, len(detectors))
	label, seen := slices.Index(header, "label"), slices.Index(header, "first_seen")
	for {
		record, err := t.Read()
		if err == io.EOF {
			return files, scores, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the scores: %w", err)
		}
		file := features.Row{Name: text.SpreadsheetOriginal(record[0])}
		if label >= 0 && seen >= 0 {
			file.Label, file.FirstSeen = text.SpreadsheetOriginal(record[label]), text.SpreadsheetOriginal(record[seen])
		}
		files = append(files, file)
		for d, column := range columns {
			v, err := strconv.ParseFloat(record[column], 64)
			if err != nil || v-v != 0 { // NaN or infinite
				return nil, nil, fmt.Errorf("reading the scores: %w", t.Errorf("%.80q is %.80q, no finite number", detectors[d], record[column]))
			}
			scores[d] = append(scores[d], v)
		}
	}
}
