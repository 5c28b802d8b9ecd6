package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"driftbench/bench/corpus"
	"driftbench/report"
)

// drifted is a corpus with drift.
var drifted = sync.OnceValue(func() string {
	dir := filepath.Join(shared, "drifted")
	if err := corpus.Synth(context.Background(), dir, corpus.Options{Files: 400, Seed: 7, Drift: 1}); err != nil {
		panic(err)
	}
	return dir
})

// madeWrong is a copy of drifted in which something is not as it should be.
func madeWrong(t *testing.T, change func(t *testing.T, dir string)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "corpus")
	copyTree(t, dir, drifted(), func(string) bool { return true })
	change(t, dir)
	return dir
}

// rewrite puts the content that change returns in the place of every nth file of
// the index whose first_seen begins with a prefix.
func rewrite(t *testing.T, dir, prefix string, nth int, change func([]byte) []byte) {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(readFile(t, filepath.Join(dir, "dataset.csv")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	name, seen := slices.Index(records[0], "name"), slices.Index(records[0], "first_seen")
	n := 0
	for _, r := range records[1:] {
		if !strings.HasPrefix(r[seen], prefix) {
			continue
		}
		if n++; n%nth == 0 {
			path := filepath.Join(dir, r[name])
			writeFile(t, path, string(change([]byte(readFile(t, path)))))
		}
	}
}

// edit changes a file of a corpus.
func edit(t *testing.T, path string, change func(string) string) {
	t.Helper()
	before := readFile(t, path)
	after := change(before)
	if before == after {
		t.Fatalf("%s is not changed", path)
	}
	writeFile(t, path, after)
}

// A corpus that is not what it is taken for ends without a recommendation.
func TestVerdictIsWithheld(t *testing.T) {
	slow(t)
	cache := t.TempDir() // most files are the same in all cases
	labels := func(order string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "corpus.yaml"), func(s string) string {
				return strings.Replace(s, "[trojan, virus, worm, backdoor]", "["+order+"]", 1)
			})
		}
	}
	for _, tc := range []struct {
		name, check string // the check that blocks; "" for none
		change      func(t *testing.T, dir string)
	}{
		{"as it should be", "", func(*testing.T, string) {}},
		{"pointers", "the files are programs", func(t *testing.T, dir string) {
			rewrite(t, dir, "", 4, func(b []byte) []byte {
				return fmt.Appendf(nil, "version https://git-lfs.github.com/spec/v1\noid sha256:%064x\nsize %d\n", len(b), len(b))
			})
		}},
		{"pages of a failed download in 2018", "the files are programs", func(t *testing.T, dir string) {
			rewrite(t, dir, "2018-0", 5, func(b []byte) []byte { return fmt.Appendf(nil, "<!DOCTYPE html><title>%d</title>", len(b)) })
		}},
		{"another packer in 2019 alone", "the files are programs", func(t *testing.T, dir string) {
			rewrite(t, dir, "2019", 3, func(b []byte) []byte { return append([]byte("\xfd7zXZ\x00"), b...) })
		}},
		{"sorted labels", "the model knows these files", labels("backdoor, trojan, virus, worm")},
		{"two labels swapped", "the model knows these files", labels("trojan, worm, virus, backdoor")},
		{"bytes shifted", "the model knows these files", func(t *testing.T, dir string) {
			rewrite(t, dir, "", 1, func(b []byte) []byte {
				for i := range b {
					b[i]++
				}
				return b
			})
		}},
		{"every row twice", "rows are distinct", func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "dataset.csv"), func(s string) string {
				_, rows, _ := strings.Cut(s, "\n")
				return s + rows
			})
		}},
		{"2019 mostly missing", "nothing is missing on one side", func(t *testing.T, dir string) {
			rewrite(t, dir, "2019", 2, func([]byte) []byte { return nil })
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, out := madeWrong(t, tc.change), t.TempDir()
			mustRun(t, "run", "--corpus", dir, "--model", model, "--out", out, "--cache", cache, "--resamples", "1", "--detectors", "mahalanobis/layer7,mahalanobis/layer8,mahalanobis/ensemble")
			r, err := report.ReadResults(filepath.Join(out, "results.json"))
			if err != nil {
				t.Fatal(err)
			}
			var blocks []string
			for _, c := range r.Checks {
				if c.Status == report.Block {
					blocks = append(blocks, c.Name)
				}
			}
			if tc.check == "" {
				if len(blocks) > 0 || r.Verdict.Action == "none" {
					t.Errorf("%+v, blocked by %q", r.Verdict, blocks)
				}
				return
			}
			if !slices.Contains(blocks, tc.check) || r.Verdict.Action != "none" || r.Verdict.Drift != "unknown" {
				t.Errorf("%+v, blocked by %q, want %q", r.Verdict, blocks, tc.check)
			}
			page, err := os.ReadFile(filepath.Join(out, "report", "index.html"))
			if err != nil || bytes.Contains(page, []byte("Recommendation: keep")) || bytes.Contains(page, []byte("Recommendation: retrain")) {
				t.Errorf("the page recommends something: %v", err)
			}
		})
	}
}
