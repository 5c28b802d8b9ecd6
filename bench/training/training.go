// Package training searches a model's list of training files for the rows of a run.
package training

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/bench/files"
	"driftbench/tfmodel"
)

// Rows counts the rows of a split that the network was trained on. In is
// searched for by bytes and by file, fit by file only as far as the answer for In
// needs it, Out by bytes alone.
type Rows struct {
	// MatchedByBytes counts rows whose bytes that the model sees are listed,
	// MatchedByFile the others whose whole file is.
	MatchedByBytes int `json:"matched_by_bytes"`
	MatchedByFile  int `json:"matched_by_file"`
	// GroupMates counts the In rows that are not listed, but share their group
	// with a row that is.
	GroupMates int `json:"group_mates"`
}

// List searches the model's list of training files for the rows of the splits. The
// list has the digests of the bytes that the model sees of a file, or those of whole
// files, and does not say which.
type List struct {
	listed tfmodel.Digests // nil where the model has no list
	maxLen int             // bytes of a file that the model sees

	fit, in split
	found   map[[sha256.Size]byte]bool // digests of the list that are those of rows
	groups  map[string]bool            // of rows that are listed

	// What Search has found: Rows by split, InUnseen as in report.Results.
	Rows     map[string]Rows
	InUnseen string
	Warnings []string
}

// split is the rows of a split, and which of them are listed.
type split struct {
	name   string
	index  []*dataset.Row // of the rows
	files  []files.File   // where they were found, if that is known
	long   []bool         // whether the model does not see the whole file
	listed []bool
	Rows
}

// matched reports whether a row is listed.
func (s *split) matched() bool { return s.MatchedByBytes+s.MatchedByFile > 0 }

// NewList returns a search of a list, nil where the model has none, for a model that
// sees so many bytes of a file.
func NewList(listed tfmodel.Digests, maxLen int) *List {
	return &List{listed: listed, maxLen: maxLen, found: map[[sha256.Size]byte]bool{}, groups: map[string]bool{}, InUnseen: "unknown"}
}

// Add searches for the bytes of rows of a split, all or some that follow those
// before. index has the row of the index of each, and found its file or nothing.
// Splits come in the order of [dataset.Splits.All].
func (l *List) Add(name string, rows []features.Row, index []*dataset.Row, found []files.File) {
	if l.listed == nil {
		return
	}
	s := &split{Rows: l.Rows[name]} // of Out, whose files are not searched for
	_, more := l.Rows[name]
	switch {
	case len(l.Rows) == 0 || name == l.fit.name:
		s = &l.fit
	case len(l.Rows) == 1 && !more || name == l.in.name:
		s = &l.in
	}
	if l.Rows == nil {
		l.Rows = map[string]Rows{}
	}
	s.name = name
	first := len(s.index)
	s.index, s.files = append(s.index, index...), append(s.files, found...)
	for i, r := range rows {
		s.long, s.listed = append(s.long, r.Size > int64(l.maxLen)), append(s.listed, false)
		var sum [sha256.Size]byte
		if _, err := hex.Decode(sum[:], []byte(r.SHA256[:min(len(r.SHA256), 2*len(sum))])); err == nil && l.listed.Has(sum) {
			l.found[sum] = true
			l.match(s, first+i, &s.MatchedByBytes)
		}
	}
	l.Rows[name] = s.Rows
}

func (l *List) match(s *split, row int, count *int) {
	s.listed[row] = true
	*count++
	if g := s.index[row].Group; g != "" {
		l.groups[g] = true
	}
}

// Digests returns the SHA-256 of the whole files of some rows of a split, by their
// numbers in what was added, and those that are not known, by their numbers in rows.
// found has their files, if they are known.
type Digests func(ctx context.Context, split string, rows []int, found []files.File, progress func(files int)) ([][sha256.Size]byte, []files.Dropped, error)

// Search searches for whole files, where the bytes of rows do not account for all
// of the list, and sums up. It reads the In files that are longer than the model
// sees, the fit files of their groups, and other fit files until one is listed.
func (l *List) Search(ctx context.Context, whole Digests, stage func(files int), progress func(files int)) error {
	if l.listed == nil {
		return nil
	}
	inGroups := map[string]bool{}
	for _, r := range l.in.index {
		inGroups[r.Group] = r.Group != ""
	}
	ofIn := func(r *dataset.Row) bool { return inGroups[r.Group] }
	var unread []dataset.Dropped
	if len(l.found) < len(l.listed) {
		in := l.unlisted(&l.in, func(*dataset.Row) bool { return true })
		mates := l.unlisted(&l.fit, ofIn)
		stage(len(in) + len(mates))
		var err error
		if unread, err = l.searchFiles(ctx, whole, progress, &l.in, in); err != nil {
			return err
		}
		if _, err = l.searchFiles(ctx, whole, progress, &l.fit, mates); err != nil {
			return err
		}
		const some = 64
		for rest := range slices.Chunk(l.unlisted(&l.fit, func(r *dataset.Row) bool { return !ofIn(r) }), some) {
			if l.in.matched() || l.fit.matched() {
				break
			}
			if _, err = l.searchFiles(ctx, whole, progress, &l.fit, rest); err != nil {
				return err
			}
		}
	}
	for i, r := range l.in.index {
		if !l.in.listed[i] && l.groups[r.Group] {
			l.in.GroupMates++
		}
	}
	l.Rows[l.fit.name], l.Rows[l.in.name] = l.fit.Rows, l.in.Rows

	const unknown = "whether In is new to the network is not known"
	switch {
	case l.in.matched():
		l.InUnseen = "seen"
	case !l.fit.matched():
		l.Warnings = append(l.Warnings, fmt.Sprintf("the model's list of training files names no file of %s and %s, neither by the bytes that the model sees nor by the whole file: %s", l.fit.name, l.in.name, unknown))
	case len(unread) > 0:
		l.Warnings = append(l.Warnings, fmt.Sprintf("split %s: %d of %d files cannot be read to their end; the first: %v: %s", l.in.name, len(unread), len(l.in.index), unread[0], unknown))
	default:
		l.InUnseen = "unseen"
	}
	return nil
}

// unlisted returns the rows of s that are not listed, and of which the model does
// not see all bytes.
func (l *List) unlisted(s *split, of func(*dataset.Row) bool) []int {
	var rows []int
	for i, r := range s.index {
		if !s.listed[i] && s.long[i] && of(r) {
			rows = append(rows, i)
		}
	}
	return rows
}

// searchFiles searches for the whole files of some rows of s, and returns those
// that cannot be read.
func (l *List) searchFiles(ctx context.Context, whole Digests, progress func(files int), s *split, rows []int) (unread []dataset.Dropped, err error) {
	var found []files.File
	if len(s.files) > 0 {
		for _, row := range rows {
			found = append(found, s.files[row])
		}
	}
	sums, dropped, err := whole(ctx, s.name, rows, found, progress)
	if err != nil {
		return nil, err
	}
	for _, d := range dropped {
		unread = append(unread, dataset.Dropped{Number: rows[d.Number], Row: *s.index[rows[d.Number]], Reason: d.Reason})
	}
	for i, row := range rows {
		if read := sums[i] != [sha256.Size]byte{}; read && l.listed.Has(sums[i]) {
			l.match(s, row, &s.MatchedByFile)
		}
	}
	return unread, nil
}
