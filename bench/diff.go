package bench

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

// SplitDiff holds the tests of one Out split that two runs share.
type SplitDiff struct {
	Split, InSplit string
	In, Out        int // files that both runs have scored
	Detectors      []DetectorDiff
}

// DetectorDiff is one detector of two runs on the files that both have scored.
type DetectorDiff struct {
	Detector string
	A, B     float64 // AUROC
	Test     report.Comparison
}

// Diff draws the runs in the folders a and b side by side into opt.Out. Every
// detector of both is tested on every Out split of both (paired DeLong test,
// corrected by Holm over all), on the files of the same name.
func Diff(opt Options, a, b string) ([]SplitDiff, error) {
	unlock, err := openOut(opt.Out)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var runs [2]report.Input
	for i, dir := range []string{a, b} {
		r, err := report.ReadResults(filepath.Join(dir, "results.json"))
		if err != nil {
			return nil, err
		}
		if runs[i], err = reportInput(dir, r); err != nil {
			return nil, err
		}
	}
	if runs[0].Name == runs[1].Name {
		runs[0].Name, runs[1].Name = a, b
	}
	splits, err := diffRuns(a, b, runs[0].Results, runs[1].Results)
	if err != nil {
		return nil, err
	}
	var tests []report.Comparison
	for _, s := range splits {
		for _, d := range s.Detectors {
			tests = append(tests, d.Test)
		}
	}
	holm(tests)
	corrected := tests
	for _, s := range splits {
		for i := range s.Detectors {
			s.Detectors[i].Test, corrected = corrected[0], corrected[1:]
		}
	}
	opt.Monitor.stage("drawing", -1, "")
	return splits, report.WriteComparison(opt.Out, runs[0], runs[1], tests)
}

// diffRuns tests every detector of both runs on every Out split of both.
func diffRuns(dirA, dirB string, a, b report.Results) ([]SplitDiff, error) {
	detectors := shared(scoredBy(a), scoredBy(b))
	in := splitsOf(a, report.RoleIn)
	if len(detectors) == 0 || len(in) == 0 || !slices.Equal(in, splitsOf(b, report.RoleIn)) {
		return nil, nil
	}
	inA, inB, err := sharedScores(dirA, dirB, in[0], detectors)
	if err != nil {
		return nil, err
	}
	var all []SplitDiff
	for _, split := range shared(splitsOf(a, report.RoleOut), splitsOf(b, report.RoleOut)) {
		outA, outB, err := sharedScores(dirA, dirB, split, detectors)
		if err != nil {
			return nil, err
		}
		s := SplitDiff{Split: split, InSplit: in[0], In: len(inA[0]), Out: len(outA[0])}
		if s.In == 0 || s.Out == 0 {
			continue
		}
		for i, name := range detectors {
			key := name + "@" + split
			s.Detectors = append(s.Detectors, DetectorDiff{
				Detector: name,
				A:        stats.AUROCOf(stats.Sample{Scores: inA[i]}, stats.Sample{Scores: outA[i]}).Value,
				B:        stats.AUROCOf(stats.Sample{Scores: inB[i]}, stats.Sample{Scores: outB[i]}).Value,
				Test:     comparison(key, key, stats.PairedDetectors(stats.Sample{Scores: inA[i]}, stats.Sample{Scores: outA[i]}, inB[i], outB[i])),
			})
		}
		all = append(all, s)
	}
	return all, nil
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

// sharedScores reads the scores of the files of a split that both runs have:
// a[detector][i] and b[detector][i] are of the same file. Where a name comes
// several times, the first is paired with the first, and so on.
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

// readScores reads a table that writeScores wrote: the names of its files, and
// scores[detector][file].
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
