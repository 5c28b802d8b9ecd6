package files

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/files/packed"
	"driftbench/internal/regular"
)

// ReadOptions are the options of a Reader.
type ReadOptions struct {
	MaxLen  int // most bytes of a file, the input length of the model
	Batch   int // most files in a batch
	Ahead   int // batches read ahead of the one in use; 0 means 2
	Readers int // files read at a time; 0 means 4, or 64 where some are objects
}

// Dropped is a file that is left out.
type Dropped struct {
	Number int    // of the file in what was read
	Reason string // follows the name in a message, such as "is missing"
}

// Batch holds successive files with their first bytes. Dropped files are left
// out, so any batch can be shorter than ReadOptions.Batch; none is empty.
type Batch struct {
	Rows    []int               // numbers of the files in what the Reader was given, ascending
	Files   [][]byte            // the first MaxLen bytes of each file, not padded
	SHA256  [][sha256.Size]byte // of Files, that is of the bytes the model sees
	Size    []int64             // length of each whole file, unpacked
	Version []regular.Version   // of each file as it was read
	Packed  []packed.Kind       // how each file was packed

	reader  *Reader
	first   int // number of the file of slots[0]
	slots   []slot
	slab    []byte
	pending atomic.Int32
	done    chan struct{} // holds one value when all slots are read
	inUse   bool
}

// slot is the result of reading one file of a batch.
type slot struct {
	data []byte
	sum  [sha256.Size]byte
	content
	err error // a refusal, or a failure of the run
}

// Release gives the buffers of the batch back to the reader; the batch and its
// Files must not be used after. Releasing a batch twice panics.
func (b *Batch) Release() {
	if !b.inUse {
		panic("files: batch released twice")
	}
	b.inUse = false
	b.reader.free <- b
}

// Reader reads files in batches, in order, ahead of their use. Memory is bounded by
// ReadOptions.Ahead+1 batches: those handed out and not released count, so a caller
// that keeps more waits for itself.
type Reader struct {
	places  *Places
	files   []File
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

// NewReader starts to read files that [Places.Find] has found; those that it has
// not are dropped. The places must stay open until the reader is closed. It panics
// if MaxLen or Batch is not positive or another option is negative. The reader
// stops when ctx is done; it must be closed.
func (p *Places) NewReader(ctx context.Context, files []File, opt ReadOptions) *Reader {
	if opt.MaxLen <= 0 || opt.Batch <= 0 || opt.Ahead < 0 || opt.Readers < 0 {
		panic(fmt.Sprintf("files: reader options %+v", opt))
	}
	if opt.Ahead == 0 {
		opt.Ahead = 2
	}
	if opt.Readers == 0 {
		opt.Readers = 4
		if slices.ContainsFunc(files, func(f File) bool { return f.isObject() }) {
			opt.Readers = requests
		}
	}
	r := &Reader{
		places:  p,
		files:   files,
		free:    make(chan *Batch, opt.Ahead+1),
		ordered: make(chan *Batch, opt.Ahead+1),
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	size := min(opt.Batch, len(files))
	for range opt.Ahead + 1 {
		r.free <- &Batch{
			reader: r,
			slots:  make([]slot, size),
			slab:   make([]byte, size*opt.MaxLen),
			done:   make(chan struct{}, 1),
		}
	}
	// Members of an archive that is one stream are read one after the other.
	tasks, inOrder := make(chan task), make(chan task)
	r.wg.Go(func() { r.schedule(tasks, inOrder) })
	work := func(tasks <-chan task) {
		for t := range tasks {
			r.read(t, opt.MaxLen)
		}
	}
	r.wg.Go(func() { work(inOrder) })
	for range opt.Readers {
		r.wg.Go(func() { work(tasks) })
	}
	return r
}

// schedule hands out the files in order. It waits for released batches, so at
// most Ahead+1 are in use at a time.
func (r *Reader) schedule(tasks, inOrder chan<- task) {
	defer close(tasks)
	defer close(inOrder)
	for first := 0; first < len(r.files); {
		var b *Batch
		select {
		case b = <-r.free:
		case <-r.ctx.Done():
			return
		}
		b.first = first
		b.slots = b.slots[:min(cap(b.slots), len(r.files)-first)]
		b.pending.Store(int32(len(b.slots)))
		first += len(b.slots)
		r.ordered <- b // never blocks: its capacity is the number of batches
		for i := range b.slots {
			to := tasks
			if r.files[b.first+i].sequential() {
				to = inOrder
			}
			select {
			case to <- task{b, i}:
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
	c, err := r.places.read(r.ctx, &r.files[b.first+t.slot], buf)
	*s = slot{data: buf[:c.n:c.n], content: c, err: err}
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
	b.Rows, b.Files, b.SHA256, b.Size, b.Version, b.Packed = b.Rows[:0], b.Files[:0], b.SHA256[:0], b.Size[:0], b.Version[:0], b.Packed[:0]
	for i, s := range b.slots {
		row := b.first + i
		if why, ok := errors.AsType[refusal](s.err); ok {
			r.dropped = append(r.dropped, Dropped{row, string(why)})
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
		b.Packed = append(b.Packed, s.packed)
	}
	return nil
}

// Dropped returns the files that Next has left out so far, in order.
func (r *Reader) Dropped() []Dropped { return r.dropped }

// Close stops the reader and waits for the files that are being read.
func (r *Reader) Close() {
	r.cancel()
	r.wg.Wait()
}

// sequential reports whether a file is best read in the order of its archive.
func (f *File) sequential() bool {
	c, ok := f.in.(*container)
	return ok && c.sequential
}

// Compare orders files for reading, see [slices.SortStableFunc]: first those of
// archives that are one stream, in the order of the archive, then the others part
// by part, and in a part those of an archive together.
func Compare(a, b *File, partA, partB int) int {
	if s, t := a.sequential(), b.sequential(); s != t {
		if s {
			return -1
		}
		return 1
	} else if !s && partA != partB {
		return partA - partB
	}
	of := func(f *File) int {
		if c, ok := f.in.(*container); ok {
			return c.number
		}
		return 0
	}
	return cmp.Or(of(a)-of(b), a.number-b.number)
}

// ReadingOrder returns the numbers of files in the order in which they are best read.
func ReadingOrder(files []File) []int {
	order := make([]int, len(files))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return Compare(&files[i], &files[j], 0, 0) })
	return order
}

// Digests returns the SHA-256 of the whole of each file, and those that cannot be
// read, in order; their digests are zero. It reads the files to their ends,
// several at a time, and calls progress with the number of files done.
func (p *Places) Digests(ctx context.Context, files []File, progress func(int)) (sums [][sha256.Size]byte, dropped []Dropped, err error) {
	sums, why := make([][sha256.Size]byte, len(files)), make([]refusal, len(files))
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(4)
	one := func(i int) (err error) {
		sums[i], err = p.digest(reading, &files[i])
		err = p.tolerate(err, &files[i])
		progress(1)
		if errors.As(err, &why[i]) {
			return nil
		}
		return err
	}
	for _, i := range ReadingOrder(files) {
		if reading.Err() != nil {
			break
		}
		if !files[i].sequential() {
			g.Go(func() error { return one(i) })
		} else if err := one(i); err != nil {
			g.Go(func() error { return err })
		}
	}
	if err := cmp.Or(g.Wait(), ctx.Err()); err != nil {
		return nil, nil, err
	}
	for i, r := range why {
		if r != "" {
			dropped = append(dropped, Dropped{i, string(r)})
		}
	}
	return sums, dropped, nil
}
