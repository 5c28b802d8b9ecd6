package dataset

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Check opens every file of every split without reading it, and returns for
// each split the rows that a Reader would drop, in order. When what is left of
// a split cannot be measured (no file at all, or a class without fit rows) the
// error says so, before hours of work are spent on the others.
func (c *Corpus) Check(ctx context.Context) ([][]Dropped, error) {
	root, err := c.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.close()
	dropped := make([][]Dropped, len(c.Splits))
	for i, s := range c.Splits {
		if dropped[i], err = check(ctx, root, s.Rows); err != nil {
			return nil, err
		}
		if err := c.measurable(s, dropped[i]); err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

func check(ctx context.Context, root *root, rows []Row) ([]Dropped, error) {
	why := make([]refusal, len(rows))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8) // waits for disks and servers, not for processors
	for i, row := range rows {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			f, _, err := root.open(row.Name)
			if err == nil {
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
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var dropped []Dropped
	for i, r := range why {
		if r != "" {
			dropped = append(dropped, Dropped{i, rows[i], string(r)})
		}
	}
	return dropped, nil
}

// measurable is an error when dropping those rows leaves nothing to measure.
func (c *Corpus) measurable(s Split, dropped []Dropped) error {
	if len(dropped) == 0 {
		return nil
	}
	if len(dropped) == len(s.Rows) {
		return fmt.Errorf("dataset: split %q: all %d files are dropped; the first: %v: is root (%s) or trim (%s) in corpus.yaml right?",
			s.Name, len(dropped), dropped[0], quote(c.RootPath()), quote(c.Trim))
	}
	if s.Role != RoleFit {
		return nil
	}
	gone := map[int]bool{} // by line, which is the row's own
	for _, d := range dropped {
		gone[d.Row.Line] = true
	}
	var left []Row
	for _, row := range s.Rows {
		if !gone[row.Line] {
			left = append(left, row)
		}
	}
	if label := c.missingClass(left); label != "" {
		return fmt.Errorf("dataset: split %q: all files with label %s are dropped; the first dropped: %v", s.Name, quote(label), dropped[0])
	}
	return nil
}
