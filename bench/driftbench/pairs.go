package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"driftbench/internal/csvfile"
	"driftbench/internal/regular"
	"driftbench/report"
	"driftbench/stats"
)

// compareRuns draws two runs side by side into out, with paired tests on the
// files that both have scored, and prints the tests.
func (a *app) compareRuns(out, dirA, dirB string) error {
	if err := a.prepareOut(out); err != nil {
		return err
	}
	var runs [2]report.Input
	for i, dir := range []string{dirA, dirB} {
		r, err := report.ReadResults(filepath.Join(dir, "results.json"))
		if err != nil {
			return err
		}
		if runs[i], err = reportInput(dir, r); err != nil {
			return err
		}
	}
	if runs[0].Name == runs[1].Name {
		runs[0].Name, runs[1].Name = dirA, dirB
	}
	tests, err := pairRuns(dirA, dirB, runs[0].Results, runs[1].Results)
	if err != nil {
		return err
	}
	a.startSpinner("drawing")
	var pairs []report.Comparison
	for _, t := range tests {
		pairs = append(pairs, t.tests...)
	}
	holm(pairs)
	if err := report.WriteComparison(out, runs[0], runs[1], pairs); err != nil {
		return err
	}
	a.closeProgress()

	fmt.Fprintf(a.out, "A is %s, B is %s.\n", line(dirA), line(dirB))
	if len(pairs) == 0 {
		fmt.Fprintln(a.out, "They share no files, so there are no paired tests: what both hold is looked up by name in\nsplits of the same name, among the detectors that both have.")
	}
	for _, t := range tests {
		fmt.Fprintf(a.out, "\n%s: %d files that both hold, against %d of %s\n", line(t.split), t.out, t.in, line(t.inSplit))
		fmt.Fprintf(a.out, "%-31s  %-5s  %-5s  %-24s  %s\n", "detector", "A", "B", "A - B", "p (Holm)")
		for i, d := range t.tests {
			name := line(t.detectors[i])
			difference := fmt.Sprintf("%+.3f [%+.3f, %+.3f]", float64(d.Delta), float64(d.Lo), float64(d.Hi))
			fmt.Fprintf(a.out, "%-31s  %.3f  %.3f  %-24s  %.2g\n", name, t.a[i], t.b[i], difference, float64(pairs[0].PHolm))
			pairs = pairs[1:]
		}
	}
	fmt.Fprintf(a.out, "\nThe comparison is %s.\n", filepath.Join(out, "report", "comparison.html"))
	return nil
}

// paired holds the tests of one split, one a detector.
type paired struct {
	split, inSplit string
	in, out        int // shared files
	detectors      []string
	a, b           []float64 // AUROC on the shared files
	tests          []report.Comparison
}

// pairRuns tests every detector of both runs on every Out split of both, on
// the files that both hold: those of the same name.
func pairRuns(dirA, dirB string, a, b report.Results) ([]paired, error) {
	detectors := slices.DeleteFunc(scoredBy(a), func(name string) bool { return !slices.Contains(scoredBy(b), name) })
	inSplit := splitsOf(a, report.RoleIn)
	if len(detectors) == 0 || len(inSplit) == 0 || !slices.Equal(inSplit, splitsOf(b, report.RoleIn)) {
		return nil, nil
	}
	inA, inB, err := sharedScores(dirA, dirB, inSplit[0], detectors)
	if err != nil {
		return nil, err
	}
	var all []paired
	for _, split := range splitsOf(a, report.RoleOut) {
		if !slices.Contains(splitsOf(b, report.RoleOut), split) {
			continue
		}
		outA, outB, err := sharedScores(dirA, dirB, split, detectors)
		if err != nil {
			return nil, err
		}
		p := paired{split: split, inSplit: inSplit[0], in: len(inA[0]), out: len(outA[0]), detectors: detectors}
		if p.in == 0 || p.out == 0 {
			continue
		}
		for i, name := range detectors {
			p.a = append(p.a, stats.DeLong(inA[i], outA[i]).Value)
			p.b = append(p.b, stats.DeLong(inB[i], outB[i]).Value)
			key := name + "@" + split
			p.tests = append(p.tests, comparison(key, key, stats.PairedDetectors(inA[i], outA[i], inB[i], outB[i])))
		}
		all = append(all, p)
	}
	return all, nil
}

// scoredBy names the detectors of a run that gave scores.
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

// sharedScores reads the scores of the files of a split that both runs hold:
// [detector][file], the same file at the same place. Where a name comes several
// times, the first is paired with the first, and so on.
func sharedScores(dirA, dirB, split string, detectors []string) (a, b [][]float64, err error) {
	a, b = make([][]float64, len(detectors)), make([][]float64, len(detectors))
	namesA, scoresA, err := readScores(dirA, split, detectors)
	if err != nil {
		return nil, nil, err
	}
	namesB, scoresB, err := readScores(dirB, split, detectors)
	if err != nil {
		return nil, nil, err
	}
	rows := map[string][]int{}
	for i, name := range namesB {
		rows[name] = append(rows[name], i)
	}
	for i, name := range namesA {
		if len(rows[name]) == 0 {
			continue
		}
		j := rows[name][0]
		rows[name] = rows[name][1:]
		for d := range detectors {
			a[d] = append(a[d], scoresA[d][i])
			b[d] = append(b[d], scoresB[d][j])
		}
	}
	return a, b, nil
}

// readScores reads a table of writeScores: the names of its files, and
// [detector][file].
func readScores(dir, split string, detectors []string) (names []string, scores [][]float64, err error) {
	if filepath.Base(split) != split {
		return nil, nil, fmt.Errorf("reading the scores: the results.json of %s names a split %.80q, which names no file", dir, split)
	}
	path := filepath.Join(dir, "scores", split+".csv")
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the scores: %w", err)
	}
	defer f.Close()
	return parseScores(f, path, detectors)
}

func parseScores(r io.Reader, path string, detectors []string) (names []string, scores [][]float64, err error) {
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
	for {
		record, err := t.Read()
		if err == io.EOF {
			return names, scores, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the scores: %w", err)
		}
		names = append(names, record[0])
		for d, column := range columns {
			v, err := strconv.ParseFloat(record[column], 64)
			if err != nil || v-v != 0 { // NaN or infinite
				return nil, nil, fmt.Errorf("reading the scores: %w", t.Errorf("%.80q is %.80q, no finite number", detectors[d], record[column]))
			}
			scores[d] = append(scores[d], v)
		}
	}
}
