package dataset

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"driftbench/internal/text"
)

// Look is what a first look at the files of a split has found.
type Look struct {
	Dropped  []Dropped // rows that a Reader would drop, in order
	Versions []Version // of the file of each row; of dropped ones the zero Version
}

// Check opens every file of every split without reading it. When what is left
// of a split cannot be measured, see [Corpus.Measurable], the error says so,
// before hours of work are spent on the others.
func (c *Corpus) Check(ctx context.Context) ([]Look, error) {
	root, err := c.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.close()
	looks := make([]Look, len(c.Splits))
	for i, s := range c.Splits {
		if looks[i], err = look(ctx, root, s.Rows); err != nil {
			return nil, err
		}
		if err := c.Measurable(s, looks[i].Dropped); err != nil {
			return looks, err
		}
	}
	return looks, nil
}

func look(ctx context.Context, root *root, rows []Row) (Look, error) {
	why := make([]refusal, len(rows))
	l := Look{Versions: make([]Version, len(rows))}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8) // waits for disks and servers, not for processors
	for i, row := range rows {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			now := time.Now()
			f, info, err := root.open(row.Name)
			if err == nil {
				l.Versions[i] = root.version(info, now)
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
		return Look{}, err
	}
	if err := ctx.Err(); err != nil {
		return Look{}, err
	}
	for i, r := range why {
		if r != "" {
			l.Dropped = append(l.Dropped, Dropped{i, rows[i], string(r)})
		}
	}
	return l, nil
}

// Measurable is an error when dropping those rows of a split leaves nothing to
// measure: no file at all, or a class without fit rows.
func (c *Corpus) Measurable(s Split, dropped []Dropped) error {
	if len(dropped) == 0 {
		return nil
	}
	if len(dropped) == len(s.Rows) {
		return fmt.Errorf("dataset: split %q: all %d files are dropped; the first: %v: is root (%s) or trim (%s) in corpus.yaml right?",
			s.Name, len(dropped), dropped[0], text.Quote(c.RootPath()), text.Quote(c.Trim))
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
		return fmt.Errorf("dataset: split %q: all files with label %s are dropped; the first dropped: %v", s.Name, text.Quote(label), dropped[0])
	}
	return nil
}
