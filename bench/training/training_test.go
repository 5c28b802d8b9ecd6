package training

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/bench/files"
	"driftbench/tfmodel"
)

// zeros is a digest of nothing.
var zeros = strings.Repeat("0", 64)

// In is known to be new to the network only where the list of training files
// names files of its time, by their seen bytes or as whole files, and none of In.
func TestList(t *testing.T) {
	dir := t.TempDir()
	const maxLen = 10
	digest := func(b string) string {
		sum := sha256.Sum256([]byte(b))
		return hex.EncodeToString(sum[:])
	}
	places, err := files.Open(t.Context(), []string{dir}, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer places.Close()
	add := func(l *List, split string, contents ...string) { // a file is its content, in the group that begins it
		var rows []features.Row
		var index []*dataset.Row
		for _, f := range contents {
			group, _, _ := strings.Cut(f, " ")
			rows = append(rows, features.Row{Name: f, SHA256: digest(f[:min(len(f), maxLen)]), Size: int64(len(f)), Group: group})
			index = append(index, &dataset.Row{Name: f, Path: f, Group: group, Line: 2})
			if !strings.Contains(f, "gone") {
				if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
		found, _, err := places.Find(t.Context(), contents)
		if err != nil {
			t.Fatal(err)
		}
		l.Add(split, rows[:1], index[:1], found[:1])
		l.Add(split, rows[1:], index[1:], found[1:])
	}
	digests := func(ctx context.Context, _ string, _ []int, found []files.File, progress func(int)) ([][sha256.Size]byte, []files.Dropped, error) {
		return places.Digests(ctx, found, progress)
	}
	fit := []string{"one 1", "one 2, a long file", "two 1", "three 1, a long file", "three 2"}
	in := []string{"one 3, a long file", "one 4", "two 2", "four 1, a long file"}
	for name, tc := range map[string]struct {
		list      []string // what is listed by its digest
		gone      bool     // In has a file that is not there
		in        string
		fit, held Rows // of fit and In
		warning   string
		read      int // files
	}{
		"fit by bytes":       {list: []string{"one 1", "one 2, a long file"[:maxLen], "two 1"}, in: "unseen", fit: Rows{MatchedByBytes: 3}, held: Rows{GroupMates: 3}},
		"In by bytes":        {list: []string{"one 4"}, in: "seen", held: Rows{MatchedByBytes: 1, GroupMates: 1}},
		"In as a whole":      {list: []string{"four 1, a long file"}, in: "seen", held: Rows{MatchedByFile: 1}, read: 3},
		"a mate as a whole":  {list: []string{"one 2, a long file", "x"}, in: "unseen", fit: Rows{MatchedByFile: 1}, held: Rows{GroupMates: 2}, read: 3},
		"fit as a whole":     {list: []string{"three 1, a long file"}, in: "unseen", fit: Rows{MatchedByFile: 1}, read: 4},
		"only others":        {list: []string{"x"}, in: "unknown", warning: "names no file of fit and val", read: 4},
		"an empty list":      {list: []string{}, in: "unknown", warning: "names no file of fit and val"},
		"no list":            {in: "unknown"},
		"a file that left":   {list: []string{"one 1", "x"}, gone: true, in: "unknown", fit: Rows{MatchedByBytes: 1}, held: Rows{GroupMates: 2}, warning: `split val: 1 of 5 files cannot be read to their end; the first: name "gone 1, a long file" (line 2) is missing`, read: 4},
		"zeros, and it left": {list: []string{"one 1", zeros}, gone: true, in: "unknown", fit: Rows{MatchedByBytes: 1}, held: Rows{GroupMates: 2}, warning: "split val: 1 of 5 files", read: 4},
	} {
		var listed tfmodel.Digests
		if tc.list != nil {
			listed = tfmodel.Digests{}
		}
		for _, f := range tc.list {
			var sum [sha256.Size]byte
			if f != zeros {
				sum = sha256.Sum256([]byte(f))
			}
			listed = append(listed, sum)
		}
		slices.SortFunc(listed, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
		held := in
		if tc.gone {
			held = append(slices.Clone(in), "gone 1, a long file")
		}
		l := NewList(listed, maxLen)
		add(l, "fit", fit...)
		add(l, "val", held...)
		add(l, "out", "five 1")
		read := 0
		var mu sync.Mutex
		err := l.Search(t.Context(), digests, func(int) {}, func(n int) {
			mu.Lock()
			read += n
			mu.Unlock()
		})
		if err != nil {
			t.Fatal(err)
		}
		if l.InUnseen != tc.in || l.Rows["fit"] != tc.fit || l.Rows["val"] != tc.held || read != tc.read {
			t.Errorf("%s: In is %s, fit %+v, In %+v, %d files read; want %s, %+v, %+v, %d", name, l.InUnseen, l.Rows["fit"], l.Rows["val"], read, tc.in, tc.fit, tc.held, tc.read)
		}
		if said := strings.Join(l.Warnings, "\n"); !strings.Contains(said, tc.warning) || (said == "") != (tc.warning == "") {
			t.Errorf("%s: warnings %q, want %q", name, said, tc.warning)
		}
	}
}
