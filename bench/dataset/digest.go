package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"
)

// Digests returns the SHA-256 of the whole file of each row, and the rows whose
// file cannot be read, in order; their digests are zero. It reads the files to
// their ends, several at a time, and calls progress with the number of files done.
func (c *Config) Digests(ctx context.Context, rows []Row, progress func(int)) (sums [][sha256.Size]byte, dropped []Dropped, err error) {
	root, err := c.openRoot()
	if err != nil {
		return nil, nil, err
	}
	defer root.close()
	sums, why := make([][sha256.Size]byte, len(rows)), make([]refusal, len(rows))
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, row := range rows {
		if reading.Err() != nil {
			break
		}
		g.Go(func() (err error) {
			sums[i], err = root.digest(reading, row.Path)
			progress(1)
			if errors.As(err, &why[i]) {
				return nil
			}
			return err
		})
	}
	if err := cmp.Or(g.Wait(), ctx.Err()); err != nil {
		return nil, nil, err
	}
	for i, r := range why {
		if r != "" {
			dropped = append(dropped, Dropped{i, rows[i], string(r)})
		}
	}
	return sums, dropped, nil
}

// digest returns the SHA-256 of the whole file of that name.
func (r *root) digest(ctx context.Context, name string) (sum [sha256.Size]byte, err error) {
	f, before, err := r.open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, untilDone{ctx, io.LimitReader(f, before.Size())})
	if ctx.Err() != nil {
		return sum, ctx.Err()
	}
	if err != nil {
		return sum, refuse(err)
	}
	after, err := f.Stat()
	if err != nil {
		return sum, refuse(err)
	}
	if n != before.Size() || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return sum, changed
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// untilDone is a reader that ends with the error of a context.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
