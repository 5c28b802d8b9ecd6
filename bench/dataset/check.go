package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"driftbench/internal/regular"
	"driftbench/internal/text"
)

// Status is the state of the files of a split before any of them is read.
type Status struct {
	Dropped  []Dropped         // rows that a Reader would drop, in order
	Versions []regular.Version // of the file of each row; zero for a dropped row
}

// Check opens every file of every split without reading it, and returns the
// status of each split in the order of [Splits.All]. It fails when what is left
// of a split cannot be measured, see [Corpus.Measurable].
func (c *Corpus) Check(ctx context.Context) ([]Status, error) {
	root, err := c.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.close()
	var all []Status
	for _, s := range c.Splits.All() {
		status, err := check(ctx, root, s.Rows)
		if err != nil {
			return nil, err
		}
		if err := c.Measurable(s, status.Dropped); err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

func check(ctx context.Context, root *root, rows []Row) (Status, error) {
	why := make([]refusal, len(rows))
	s := Status{Versions: make([]regular.Version, len(rows))}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8) // waits for disks and servers, not for processors
	for i, row := range rows {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			now := time.Now()
			f, info, err := root.open(row.Path)
			if err == nil {
				s.Versions[i] = root.fileSystem.Version(info, now)
				return f.Close()
			}
			if r, ok := errors.AsType[refusal](err); ok {
				why[i] = r
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Status{}, err
	}
	if err := ctx.Err(); err != nil {
		return Status{}, err
	}
	for i, r := range why {
		if r != "" {
			s.Dropped = append(s.Dropped, Dropped{i, rows[i], string(r)})
		}
	}
	return s, nil
}

// Measurable returns an error when s without the dropped rows cannot be
// measured: no file is left, or a class is left without fit rows.
func (c *Corpus) Measurable(s Split, dropped []Dropped) error {
	if len(dropped) == 0 {
		return nil
	}
	if len(dropped) == len(s.Rows) {
		return fmt.Errorf("dataset: split %q: all %d files are dropped; the first: %v: is root (%s) or trim (%s) in corpus.yaml right?",
			s.Name, len(dropped), dropped[0], text.Quote(c.RootPath()), text.Quote(c.Trim))
	}
	if s.Name != c.Splits.Fit.Name {
		return nil
	}
	gone := map[int]bool{} // by number: records can share a line
	for _, d := range dropped {
		gone[d.Number] = true
	}
	var left []Row
	for i, row := range s.Rows {
		if !gone[i] {
			left = append(left, row)
		}
	}
	if labels := c.missingClasses(left); len(labels) > 0 {
		return fmt.Errorf("dataset: split %q: all files with label %s are dropped; the first dropped: %v", s.Name, strings.Join(firstFew(labels), ", "), dropped[0])
	}
	return nil
}
