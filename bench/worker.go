package bench

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/dataset"
	"driftbench/bench/files"
	"driftbench/bench/files/packed"
	"driftbench/bench/shard"
	"driftbench/bench/traits"
	"driftbench/internal/atomicfile"
	"driftbench/internal/libtensorflow"
	"driftbench/internal/text"
	"driftbench/tfmodel"
)

// PermanentError is an error that every other attempt on any machine would meet too:
// the input or the model is wrong.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// permanent marks an error as a [*PermanentError], unless it is of the machine.
func permanent(err error) error {
	if err == nil || files.Outage(err) || errors.Is(err, context.Canceled) || errors.As(err, new(*libtensorflow.LoadError)) {
		return err
	}
	return &PermanentError{err}
}

// Worker computes the features of the rows that in feeds, and writes a line for each
// to out, in any order; see package shard for both. It uses Model, Engine, Batch, and
// of Dataset the fields that say where files are. It keeps nothing: no cache, no lock,
// and of the rows no more than some ten thousand at a time.
//
// Files that are not there or cannot be read are dropped rows. Worker fails where
// that may be the fault of the machine: a disk or server that fails, a place that is
// gone or empty, a shard of which no file is there; and if the input ends before it
// has said its end. An error that no other attempt avoids is a [*PermanentError] or is
// of an option. When ctx ends, Worker returns an [*InterruptedError] soon after, even
// while in or out blocks: a call of their methods may then be left under way.
func Worker(ctx context.Context, opt Options, in io.Reader, out io.Writer) error {
	return interruptible(ctx, "What was written is not a whole shard.", func() error {
		cfg, err := dataset.LoadFiles(opt.Dataset)
		if err != nil {
			return permanent(err)
		}
		w, err := newWorker(ctx, opt, &cfg)
		if err != nil {
			return err
		}
		defer w.close()
		if err := w.open(ctx, &cfg); err != nil {
			return err
		}
		w.out = out
		quit, stop := context.WithCancel(ctx)
		defer stop()
		f := &feeder{fed: make(chan fed, 4)}
		go f.read(quit, in)
		return w.run(ctx, f.next)
	})
}

// WorkShard is Worker for the rows of an index whose number, from 0 in the order of
// the index, is the shard modulo of. It writes them into the file at path, which
// appears whole or not at all, under a [shard.Header]. Where a whole file of the same
// shard, index, model and engine is there already, it does nothing and done is true.
func WorkShard(ctx context.Context, opt Options, number, of int, path string) (done bool, err error) {
	if of < 1 || number < 0 || number >= of {
		return false, optionErrorf("shard", " %d/%d: want i/n with i from 0 to n-1", number, of)
	}
	var complete bool
	err = interruptible(ctx, path+" was not written.", func() error {
		if err := prepareFile("out", path); err != nil {
			return err
		}
		c, err := dataset.LoadRows("", opt.Dataset, func(row int) bool { return row%of == number })
		if err != nil {
			return blame(ctx, opt, permanent(err))
		}
		if err := checkNoInput(path, c, opt.Dataset.ConfigFile); err != nil {
			return err
		}
		opt.Monitor.say(c)
		rows := make([]shard.Row, len(c.Rows))
		for i, r := range c.Rows {
			rows[i] = shard.Row{Name: r.Name, Label: r.Label, FirstSeen: r.FirstSeen, Group: r.Group}
			if err := rows[i].Check(); err != nil {
				return &PermanentError{fmt.Errorf("%s:%d: %w", c.IndexPath(), r.Line, err)}
			}
		}
		w, err := newWorker(ctx, opt, &c.Config)
		if err != nil {
			return err
		}
		defer w.close()
		d, err := w.engine.Expect()
		if err != nil {
			return permanent(err)
		}
		header := shard.Header{
			Version: shard.Version, Shard: number, Of: of,
			IndexSHA256: c.Index.SHA256, Reading: reading(c), Model: w.model.Hash, Engine: d.Identity,
		}
		if complete = shard.Complete(path, header, len(rows)); complete {
			return nil
		}
		if err := w.open(ctx, &c.Config); err != nil {
			return err
		}
		return atomicfile.Write(path, func(out io.Writer) error {
			w.out = out
			if err := w.write(shard.AppendHeader(nil, header)); err != nil {
				return err
			}
			left, ended := rows, false
			err := w.run(ctx, func(context.Context) (portion, error) {
				if ended {
					return portion{}, io.EOF
				}
				now := left[:min(len(left), mostRows)]
				left = left[len(now):]
				ended = len(left) == 0
				return portion{now, ended}, nil
			})
			if err == nil && w.id != header.Engine {
				err = fmt.Errorf("the engine is %s, where %s was expected: name it with --engine", w.id, header.Engine)
			}
			return err
		})
	})
	return err == nil && complete, err
}

// checkNoInput returns an error if path, where a shard is to be written, is a file
// that is read: config or one that the configuration names.
func checkNoInput(path string, c *dataset.Corpus, config string) error {
	was, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	inputs, err := c.Inputs()
	if err != nil {
		return err
	}
	for _, p := range append(inputs, config) {
		if info, err := os.Stat(p); err == nil && os.SameFile(was, info) {
			return optionErrorf("out", " %s is an input: want another file", text.Quote(path))
		}
	}
	return nil
}

// reading stands for what decides, beside the index, which rows and bytes are read.
func reading(c *dataset.Corpus) string {
	b, err := json.Marshal([]any{
		c.Columns, c.Query, c.Dates, c.SkipBad, c.Map, c.Labels, c.Index.LabelsSHA256, c.Index.GroupsSHA256,
		c.Trim, c.Names, c.AllowOutside, c.Raw, c.Password,
	})
	if err != nil {
		panic(err) // there is nothing that has no JSON
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// interruptible calls do, and returns when ctx ends even if do does not.
func interruptible(ctx context.Context, kept string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		const grace = 300 * time.Millisecond // less than a process has, see process.Grace
		select {
		case err = <-done:
		case <-time.After(grace):
			err = ctx.Err()
		}
	}
	if err != nil && ctx.Err() != nil {
		return &InterruptedError{kept, ctx.Err()}
	}
	return err
}

// worker computes the features of rows as they come.
type worker struct {
	opt    Options
	trim   string
	model  *tfmodel.Model
	places *files.Places
	engine *tfmodel.Late
	id     string // identity of the engine
	*extractor

	mu  sync.Mutex // of what follows
	out io.Writer

	shard progress
}

// progress is how far a shard has come.
type progress struct {
	rows, dropped int64
	found         bool   // the file of some row
	first         string // what was said of the first that was dropped
	held          []byte // lines of dropped rows, until some file is found
	holding       int
}

// newWorker checks the options and reads the model.
func newWorker(ctx context.Context, opt Options, cfg *dataset.Config) (*worker, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	if err := opt.Engine.Check(); err != nil {
		return nil, err
	}
	tfmodel.UsePrecisions(opt.Engine.Precision)
	w := &worker{opt: opt, trim: cfg.Trim}
	var err error
	if w.model, err = tfmodel.Inspect(opt.Model); err != nil {
		return nil, blame(ctx, opt, permanent(err))
	}
	o := opt.Engine
	if (o.Engine == "" || o.Engine == "auto") && tfmodel.Exact(w.model) {
		o.Exact = true // the same engine on machines with a GPU and without
	}
	w.engine = tfmodel.OpenLate(w.model, o, func() (tfmodel.Engine, string, error) { return tfmodel.Open(w.model, o) })
	if o.Exact { // what can serve the model is known unopened
		if _, err := w.engine.Expect(); err != nil {
			return nil, permanent(err)
		}
	}
	return w, nil
}

// blame returns, in place of an error about an index or a model, that of the places
// if they are not there either: the machine may lack all of them.
func blame(ctx context.Context, opt Options, err error) error {
	if !errors.As(err, new(*PermanentError)) || len(opt.Dataset.Files) == 0 {
		return err
	}
	cfg, loading := dataset.LoadFiles(dataset.Options{Files: opt.Dataset.Files})
	if loading != nil {
		return err
	}
	places, lacking := openPlaces(ctx, opt, &cfg)
	if lacking != nil {
		return lacking
	}
	places.Close()
	return err
}

// openPlaces opens the places of the files, and checks that they are there.
func openPlaces(ctx context.Context, opt Options, cfg *dataset.Config) (*files.Places, error) {
	all, err := cfg.Places()
	if err != nil {
		return nil, err
	}
	for _, place := range all {
		if scheme, _, isURL := strings.Cut(place, "://"); isURL && scheme != "s3" {
			return nil, optionErrorf("files", " %s: want a folder, an archive or s3://BUCKET/PREFIX", text.Quote(place))
		}
	}
	places, err := cfg.OpenFiles(ctx, func(line string) { opt.Monitor.log().Info(line) })
	if err != nil {
		return nil, err
	}
	if err := places.Check(); err != nil {
		places.Close()
		return nil, err
	}
	return places, nil
}

// open opens the places of the files.
func (w *worker) open(ctx context.Context, cfg *dataset.Config) (err error) {
	w.places, err = openPlaces(ctx, w.opt, cfg)
	return err
}

func (w *worker) close() {
	w.engine.Close()
	if w.places != nil {
		w.places.Close()
	}
}

// start opens the engine.
func (w *worker) start() error {
	e, err := w.engine.Wait()
	if err != nil {
		return permanent(err)
	}
	w.opt.Monitor.log().Info("engine", "name", e.Name, "device", e.Device, "why", e.Why)
	w.id = e.Identity
	w.extractor = newExtractor(w.engine, w.places, w.model)
	w.batch, w.device = cmp.Or(w.opt.Batch, e.Batch), e.Device
	return nil
}

// portion is some rows. The last of a shard has ends.
type portion struct {
	rows []shard.Row
	ends bool
}

// mostRows bounds the rows that are searched for at a time: a search may list every
// folder. mostBytes bounds their memory.
const (
	mostRows  = 1 << 15
	mostBytes = 16 << 20
)

// run computes the features of the rows of the portions that next returns until
// io.EOF. The files of one portion are searched for while the one before is computed.
func (w *worker) run(ctx context.Context, next func(context.Context) (portion, error)) error {
	type searched struct {
		portion
		files []files.File
	}
	g, ctx := errgroup.WithContext(ctx)
	found := make(chan searched)
	g.Go(func() error {
		defer close(found)
		for {
			p, err := next(ctx)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			w.engine.Begin() // while the files are searched for
			at, err := w.find(ctx, p.rows)
			if err != nil {
				return err
			}
			select {
			case found <- searched{p, at}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	g.Go(func() error {
		for p := range found {
			if w.extractor == nil {
				if err := w.start(); err != nil {
					return err
				}
			}
			if err := w.work(ctx, p.rows, p.files); err != nil {
				return err
			}
			if p.ends {
				if err := w.end(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return g.Wait()
}

// find finds the files of rows.
func (w *worker) find(ctx context.Context, rows []shard.Row) ([]files.File, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = strings.TrimPrefix(r.Name, w.trim)
	}
	found, warnings, err := w.places.Find(ctx, names)
	w.opt.Monitor.warn(warnings)
	return found, err
}

// work computes and writes the features of rows whose files were found. Lines of
// dropped rows come last, when the places have been checked again.
func (w *worker) work(ctx context.Context, rows []shard.Row, found []files.File) error {
	w.shard.rows += int64(len(rows))
	order := files.ReadingOrder(found)
	var dropped []files.Dropped
	err := w.compute(ctx, pick(found, order), func(d []files.Dropped) { dropped = append(dropped, d...) }, func(c computed) error {
		for i, at := range c.rows {
			c.rows[i] = order[at]
		}
		return w.deliver(ctx, rows, found, c)
	})
	if err != nil {
		return err
	}
	absent := false
	for _, d := range dropped {
		r := shard.Record{Row: rows[order[d.Number]], Dropped: d.Reason, Model: w.model.Hash, Engine: w.id}
		if w.shard.dropped++; w.shard.first == "" {
			w.shard.first = fmt.Sprintf("name %s %s", text.Quote(r.Name), d.Reason)
		}
		if files.Absent(d.Reason) {
			absent = true
		} else {
			w.shard.found = true
		}
		w.shard.held = shard.AppendRecord(w.shard.held, &r)
		w.shard.holding++
	}
	if absent {
		if err := w.places.Check(); err != nil {
			return err
		}
	}
	const most = 1 << 20
	if !w.shard.found && w.shard.holding > most {
		return w.nothingThere()
	}
	return w.release()
}

// release writes the lines that are held, if some file of the shard was found.
func (w *worker) release() error {
	if !w.shard.found {
		return nil
	}
	held := w.shard.held
	w.shard.held, w.shard.holding = held[:0], 0
	return w.write(held)
}

func (w *worker) nothingThere() error {
	return fmt.Errorf("no file of the %d rows of this shard is there; the first: %s: are the files mounted on this machine, and is --trim right? A file that is gone for good is a dropped row in a shard that has others", w.shard.rows, w.shard.first)
}

// end ends a shard.
func (w *worker) end() error {
	if s := &w.shard; s.rows > 0 && !s.found {
		return w.nothingThere()
	}
	e := shard.End{Rows: w.shard.rows, Dropped: w.shard.dropped, Model: w.model.Hash, Engine: w.id}
	said := []any{"rows", e.Rows, "dropped", e.Dropped}
	if w.shard.first != "" {
		said = append(said, "first", w.shard.first)
	}
	w.opt.Monitor.log().Info("shard", said...)
	w.shard = progress{held: w.shard.held[:0]}
	return w.write(shard.AppendEnd(nil, e))
}

// deliver writes the lines of rows whose features were computed.
func (w *worker) deliver(ctx context.Context, rows []shard.Row, found []files.File, c computed) error {
	records := make([]shard.Record, len(c.rows))
	var long []int // in c.rows, those that are searched for by the whole file
	dropped := int64(0)
	first := ""
	for i, at := range c.rows {
		r := &records[i]
		*r = shard.Record{Row: rows[at], Model: w.model.Hash, Engine: w.id}
		if !finite(w.layers, c.outputs, i) {
			r.Dropped = noFiniteOutput
			dropped++
			first = cmp.Or(first, fmt.Sprintf("name %s %s", text.Quote(r.Name), r.Dropped))
			continue
		}
		r.SHA256, r.Size, r.Form = c.keys[i], c.files[i].Size, found[at].Form()
		if kind := packed.Kind(c.files[i].Form); kind != packed.None {
			r.Packed = kind.String()
		}
		for j, l := range w.layers {
			r.Features = appendFloats(r.Features, c.outputs[j][i*l.Width:(i+1)*l.Width])
		}
		r.Traits = appendFloats(nil, c.outputs[len(w.layers)][i*traits.Width:(i+1)*traits.Width])
		if w.model.TrainedOn != nil && r.Size > int64(w.maxLen) && !w.model.TrainedOn.Has(r.SHA256) {
			long = append(long, i)
		}
	}
	if len(long) > 0 {
		toRead := make([]files.File, len(long))
		for j, i := range long {
			toRead[j] = found[c.rows[i]]
		}
		sums, unread, err := w.places.Digests(ctx, toRead, func(int) {})
		if err != nil {
			return err
		}
		for j, i := range long {
			records[i].Whole = fmt.Sprintf("%x", sums[j])
		}
		for _, d := range unread {
			r := &records[long[d.Number]]
			r.Whole, r.Unread = "", d.Reason
		}
	}
	var lines []byte
	for i := range records {
		lines = shard.AppendRecord(lines, &records[i])
	}
	w.mu.Lock()
	w.shard.found = true
	w.shard.dropped += dropped
	w.shard.first = cmp.Or(w.shard.first, first)
	w.mu.Unlock()
	return w.write(lines)
}

func (w *worker) write(lines []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(lines) == 0 {
		return nil
	}
	if _, err := w.out.Write(lines); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

func appendFloats(dst []byte, from []float32) []byte {
	for _, v := range from {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// feeder reads the rows that feed a worker.
type feeder struct {
	fed chan fed
}

// fed is some rows, followed by the end of a shard or by an error, io.EOF after the
// last.
type fed struct {
	portion
	bytes int
	err   error
}

// mostLine bounds a line of the input in bytes.
const mostLine = 1 << 20

// read reads rows until ctx ends. Rows that are there are handed on before more are
// waited for.
func (f *feeder) read(ctx context.Context, in io.Reader) {
	lines := shard.NewLines(in, mostLine)
	d := shard.NewDecoder()
	var now fed
	send := func() bool {
		select {
		case f.fed <- now:
			now = fed{}
			return true
		case <-ctx.Done():
			return false
		}
	}
	var rows, ends int64 // rows since the last end
	for {
		var l shard.Line
		line, whole, err := lines.Next()
		if err == nil {
			if err = d.Feed(line, &l); err != nil && !whole {
				err = io.ErrUnexpectedEOF
			} else if err != nil {
				err = &PermanentError{fmt.Errorf("line %d of the input %w", lines.Number(), err)}
			}
		}
		switch {
		case err == io.EOF && rows == 0 && ends > 0:
			now.err = io.EOF
		case err == io.EOF:
			now.err = fmt.Errorf("the feed was cut short: it ends after line %d without a line {\"rows\": %d} that ends it", lines.Number(), rows)
		case err == io.ErrUnexpectedEOF:
			now.err = fmt.Errorf("the feed was cut short: it ends within line %d", lines.Number())
		case errors.Is(err, shard.ErrLong):
			now.err = &PermanentError{fmt.Errorf("the input: %w", err)}
		case errors.As(err, new(*PermanentError)):
			now.err = err
		case err != nil:
			now.err = fmt.Errorf("reading the input: %w", err)
		case l.Kind == shard.IsRow:
			rows++
			now.rows = append(now.rows, l.Record.Row)
			now.bytes += len(line)
		case l.Kind == shard.IsEnd && l.End.Rows != rows:
			now.err = fmt.Errorf("the feed was cut short: line %d says %d rows, %d have come", lines.Number(), l.End.Rows, rows)
		case l.Kind == shard.IsEnd:
			now.ends = true
			rows = 0
			ends++
		}
		const some = 512
		last := now.err != nil
		if last || now.ends || len(now.rows) >= some || now.bytes > mostLine || len(now.rows) > 0 && !lines.Ready() {
			if !send() || last {
				return
			}
		}
	}
}

// next returns the next portion: what has come when nothing more does for a while, or
// as much as one may have.
func (f *feeder) next(ctx context.Context) (p portion, err error) {
	const idle = time.Second
	bytes := 0
	for {
		var waited <-chan time.Time
		if len(p.rows) > 0 {
			waited = time.After(idle)
		}
		select {
		case more := <-f.fed:
			if more.err != nil {
				return portion{}, more.err
			}
			p.rows, p.ends = append(p.rows, more.rows...), more.ends
			if bytes += more.bytes; p.ends || len(p.rows) >= mostRows || bytes > mostBytes {
				return p, nil
			}
		case <-waited:
			return p, nil
		case <-ctx.Done():
			return portion{}, ctx.Err()
		}
	}
}
