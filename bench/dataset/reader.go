package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"driftbench/internal/regular"
)

// ReadOptions are the options of a Reader.
type ReadOptions struct {
	MaxLen  int // most bytes of a file, the input length of the model
	Batch   int // most files in a batch
	Ahead   int // batches read ahead of the one in use; 0 means 2
	Readers int // files read at a time; 0 means 4
}

// Batch holds successive rows with the first bytes of their files. Dropped rows
// are left out, so any batch can be shorter than ReadOptions.Batch; none is
// empty.
type Batch struct {
	Rows    []int               // row numbers in what the Reader was given, ascending
	Files   [][]byte            // the first MaxLen bytes of each file, not padded
	SHA256  [][sha256.Size]byte // of Files, that is of the bytes the model sees
	Size    []int64             // length of each whole file
	Version []regular.Version   // of each file as it was read

	reader  *Reader
	first   int // row number of slots[0]
	slots   []slot
	slab    []byte
	pending atomic.Int32
	done    chan struct{} // holds one value when all slots are read
	inUse   bool
}

// slot is the result of reading one row of a batch.
type slot struct {
	data    []byte
	sum     [sha256.Size]byte
	size    int64
	version regular.Version
	err     error // a refusal, or a failure of the run
}

// Release gives the buffers of the batch back to the reader; the batch and its
// Files must not be used after. Releasing a batch twice panics.
func (b *Batch) Release() {
	if !b.inUse {
		panic("dataset: batch released twice")
	}
	b.inUse = false
	b.reader.free <- b
}

// Reader reads the files of some rows in batches, in order, ahead of their
// use. Memory is bounded by ReadOptions.Ahead+1 batches: those handed out and
// not released count, so a caller that keeps more waits for itself.
type Reader struct {
	rows    []Row
	root    *root
	free    chan *Batch
	ordered chan *Batch // in order; their files may still be being read
	err     error       // sticky
	dropped []Dropped

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// task is one file to be read into one slot.
type task struct {
	batch *Batch
	slot  int
}

// NewReader starts to read the files of rows. It panics if MaxLen or Batch is
// not positive or another option is negative. The reader stops when ctx is done;
// it must be closed.
func NewReader(ctx context.Context, cfg Config, rows []Row, opt ReadOptions) (*Reader, error) {
	if opt.MaxLen <= 0 || opt.Batch <= 0 || opt.Ahead < 0 || opt.Readers < 0 {
		panic(fmt.Sprintf("dataset: reader options %+v", opt))
	}
	if opt.Ahead == 0 {
		opt.Ahead = 2
	}
	if opt.Readers == 0 {
		opt.Readers = 4
	}
	root, err := cfg.openRoot()
	if err != nil {
		return nil, err
	}
	r := &Reader{
		rows:    rows,
		root:    root,
		free:    make(chan *Batch, opt.Ahead+1),
		ordered: make(chan *Batch, opt.Ahead+1),
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	size := min(opt.Batch, len(rows))
	for range opt.Ahead + 1 {
		r.free <- &Batch{
			reader: r,
			slots:  make([]slot, size),
			slab:   make([]byte, size*opt.MaxLen),
			done:   make(chan struct{}, 1),
		}
	}
	tasks := make(chan task)
	r.wg.Go(func() { r.schedule(tasks) })
	for range opt.Readers {
		r.wg.Go(func() {
			for t := range tasks {
				r.read(t, opt.MaxLen)
			}
		})
	}
	return r, nil
}

// schedule hands out the rows in order. It waits for released batches, so at
// most Ahead+1 are in use at a time.
func (r *Reader) schedule(tasks chan<- task) {
	defer close(tasks)
	for first := 0; first < len(r.rows); {
		var b *Batch
		select {
		case b = <-r.free:
		case <-r.ctx.Done():
			return
		}
		b.first = first
		b.slots = b.slots[:min(cap(b.slots), len(r.rows)-first)]
		b.pending.Store(int32(len(b.slots)))
		first += len(b.slots)
		r.ordered <- b // never blocks: its capacity is the number of batches
		for i := range b.slots {
			select {
			case tasks <- task{b, i}:
			case <-r.ctx.Done():
				return
			}
		}
	}
	close(r.ordered)
}

func (r *Reader) read(t task, maxLen int) {
	b, s := t.batch, &t.batch.slots[t.slot]
	buf := b.slab[t.slot*maxLen : (t.slot+1)*maxLen]
	n, size, version, err := r.root.readHead(buf, r.rows[b.first+t.slot].Path)
	*s = slot{data: buf[:n:n], size: size, version: version, err: err}
	if err == nil {
		s.sum = sha256.Sum256(s.data)
	}
	if b.pending.Add(-1) == 0 {
		b.done <- struct{}{}
	}
}

// Next returns the next batch, or io.EOF after the last. Any other error stops
// the reader: that of its context, or one that is not of a single file.
func (r *Reader) Next() (*Batch, error) {
	for r.err == nil {
		b, err := r.wait()
		if err == nil {
			err = r.fill(b)
		}
		if err != nil {
			r.err = err
			r.cancel()
			break
		}
		b.inUse = true
		if len(b.Rows) > 0 {
			return b, nil
		}
		b.Release() // every row of it was dropped
	}
	return nil, r.err
}

// wait waits for the files of the next batch and returns it.
func (r *Reader) wait() (*Batch, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case b, ok := <-r.ordered:
		if !ok {
			return nil, io.EOF
		}
		select {
		case <-b.done:
			return b, nil
		case <-r.ctx.Done():
		}
	case <-r.ctx.Done():
	}
	return nil, r.ctx.Err()
}

// fill sets the exported fields of a batch from its slots.
func (r *Reader) fill(b *Batch) error {
	b.Rows, b.Files, b.SHA256, b.Size, b.Version = b.Rows[:0], b.Files[:0], b.SHA256[:0], b.Size[:0], b.Version[:0]
	for i, s := range b.slots {
		row := b.first + i
		if why, ok := errors.AsType[refusal](s.err); ok {
			r.dropped = append(r.dropped, Dropped{row, r.rows[row], string(why)})
			continue
		}
		if s.err != nil {
			return s.err
		}
		b.Rows = append(b.Rows, row)
		b.Files = append(b.Files, s.data)
		b.SHA256 = append(b.SHA256, s.sum)
		b.Size = append(b.Size, s.size)
		b.Version = append(b.Version, s.version)
	}
	return nil
}

// Dropped returns the rows that Next has left out so far, in order.
func (r *Reader) Dropped() []Dropped { return r.dropped }

// Close stops the reader and waits for the files that are being read.
func (r *Reader) Close() {
	r.cancel()
	r.wg.Wait()
	r.root.close()
}

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
