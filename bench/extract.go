package bench

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/bench/files"
	"driftbench/bench/files/packed"
	"driftbench/bench/training"
	"driftbench/bench/traits"
	"driftbench/internal/atomicfile"
	"driftbench/stats"
	"driftbench/tfmodel"
	"driftbench/tfmodel/cache"
)

// Extract runs the model over every split of the corpus and writes features/
// and manifest.json into opt.Out. It uses Corpus, Dataset, Model, Engine, Batch
// and Cache of opt. A file that cannot be read, or for which the model gives a
// value that is not finite, is dropped with its label, and named in the manifest.
// When ctx ends the error is an [*InterruptedError]; with a cache the next call
// continues where this one ended.
func Extract(ctx context.Context, opt Options) (*Manifest, error) {
	x, err := openExtraction(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer x.close()
	man, err := x.run(ctx)
	if err != nil {
		return nil, x.interrupted(ctx, err)
	}
	return man, man.write(opt.Out)
}

// extraction holds the checked inputs of [Extract].
type extraction struct {
	opt      Options
	corpus   *dataset.Corpus
	places   *files.Places
	status   []dataset.Status // of the files of its splits
	model    *tfmodel.Model
	engine   *tfmodel.Late
	manifest *Manifest
	close    func() // closes places and the engine, and unlocks opt.Out

	written atomic.Int32 // splits that are complete on disk
}

// openExtraction checks all that an extraction needs, so that it fails before
// any work is done.
func openExtraction(ctx context.Context, opt Options) (x *extraction, err error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	if err := opt.Engine.Check(); err != nil {
		return nil, err
	}
	tfmodel.UsePrecisions(opt.Engine.Precision)
	unlock, err := openOut(opt.Out)
	if err != nil {
		return nil, err
	}
	release := unlock
	defer func() {
		if err != nil {
			release()
		}
	}()
	x = &extraction{opt: opt, manifest: newManifest(opt)}
	if x.model, err = tfmodel.Inspect(opt.Model); err != nil {
		return nil, err
	}
	if x.corpus, err = loadCorpus(opt); err != nil {
		return nil, err
	}
	model := x.model // x is nil where an error is returned, and the engine may be opening
	engine := tfmodel.OpenLate(model, opt.Engine, func() (tfmodel.Engine, string, error) { return openFaster(model, opt) })
	release = func() {
		engine.Close()
		unlock()
	}
	x.engine = engine
	if opt.Cache == "" || cache.Absent(opt.Cache) {
		engine.Begin() // while the files are looked at: it is going to be needed
	}
	if x.places, x.status, err = checkCorpus(ctx, opt, x.corpus); err != nil {
		return nil, err
	}
	x.close = func() {
		x.places.Close()
		release()
	}
	x.manifest.setCorpus(x.corpus)
	for _, w := range mismatches(x.model, x.corpus, len(x.corpus.Splits.Fit.Rows)-len(x.status[0].Dropped)) {
		opt.Monitor.log().Warn(w)
		x.manifest.Warnings = append(x.manifest.Warnings, w)
	}
	return x, nil
}

// loadCorpus reads the index of the corpus.
func loadCorpus(opt Options) (*dataset.Corpus, error) {
	c, err := dataset.Load(opt.Corpus, opt.Dataset)
	if c != nil {
		opt.Monitor.say(c)
	}
	return c, err
}

// checkCorpus opens the files of the corpus and checks every one of its splits, so
// that what cannot be measured is known before the model runs. It adds its warnings
// to those of the corpus.
func checkCorpus(ctx context.Context, opt Options, c *dataset.Corpus) (places *files.Places, status []dataset.Status, err error) {
	if places, err = c.OpenFiles(ctx, func(line string) { opt.Monitor.log().Info(line) }); err != nil {
		return nil, nil, err
	}
	status, warnings, err := c.Check(ctx, places)
	if all, _ := c.Places(); len(all) > 1 { // of one alone all files would be missing
		if err := places.Check(); err != nil {
			warnings = append(warnings, strings.TrimPrefix(err.Error(), "files: "))
		}
	}
	c.Warnings = append(c.Warnings, warnings...)
	opt.Monitor.warn(warnings)
	if err != nil {
		places.Close()
		return nil, nil, err
	}
	for i, s := range c.Splits.All() {
		opt.Monitor.sayUnread(s, status[i].Dropped)
	}
	return places, status, nil
}

// sayUnread warns of the rows of a split whose files cannot be read.
func (m *Monitor) sayUnread(s dataset.Split, dropped []dataset.Dropped) {
	if len(dropped) > 0 {
		m.log().Warn(fmt.Sprintf("split %s: %d of %d files cannot be read; the first: %v", s.Name, len(dropped), len(s.Rows), dropped[0]))
	}
}

// mismatches returns warnings about a model that does not fit the corpus. fitRows
// is the number of fit rows that can be read.
func mismatches(m *tfmodel.Model, c *dataset.Corpus, fitRows int) []string {
	var warnings []string
	for _, l := range m.FeatureLayers() {
		if fitRows < l.Width {
			warnings = append(warnings, fmt.Sprintf("split %s has %d readable files, fewer than the %d features of %s: its covariance has directions that no row shows; add rows or raise fit in corpus.yaml",
				c.Splits.Fit.Name, fitRows, l.Width, l.Name))
		}
	}
	if w := otherClasses(m.Classes(), len(c.Labels)); w != "" {
		warnings = append(warnings, w)
	}
	return warnings
}

// available is what a run over the extraction gives numbers of.
func (x *extraction) available() available {
	a := available{detectors: stats.Names(layerNames(x.model.FeatureLayers())), accuracy: x.model.Classes() == len(x.corpus.Labels)}
	for _, s := range x.corpus.Splits.All() {
		a.splits = append(a.splits, s.Name)
	}
	for _, s := range x.corpus.Splits.Out {
		a.out = append(a.out, s.Name)
	}
	return a
}

func layerNames(layers []tfmodel.Layer) []string {
	var names []string
	for _, l := range layers {
		names = append(names, l.Name)
	}
	return names
}

// interrupted wraps err in an [*InterruptedError] if ctx has ended.
func (x *extraction) interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	kept := fmt.Sprintf("%d of %d splits are complete in %s.", x.written.Load(), len(x.status), x.dir())
	if x.opt.Cache != "" {
		kept += " What was computed is cached: the same command goes on from there."
	}
	return &InterruptedError{kept, ctx.Err()}
}

// featuresFolder is the name of the features folder.
const featuresFolder = "features"

// dir is the features folder.
func (x *extraction) dir() string { return filepath.Join(x.opt.Out, featuresFolder) }

// run extracts every split, writes each into the features folder as soon as it
// is complete, and completes the manifest without writing it.
func (x *extraction) run(ctx context.Context) (*Manifest, error) {
	mon := x.opt.Monitor
	defer x.engine.Close() // what follows needs the memory
	e, err := x.extractor()
	if err != nil {
		return nil, err
	}

	start := time.Now()
	// The features are about to be replaced, and the manifest describes those
	// that are there.
	if err := os.Remove(filepath.Join(x.opt.Out, manifestFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := atomicfile.Folder(x.opt.Out, featuresFolder); err != nil { // once, not by each of its files
		return nil, err
	}
	splits := x.corpus.Splits.All()
	var rows int
	for _, s := range splits {
		rows += len(s.Rows)
	}
	mon.stage("reading and extracting", rows, "files")
	man := x.manifest
	sum := newAccount(x.corpus, x.model, man, mon)
	writing, extracting := errgroup.WithContext(ctx)
	err = e.run(extracting, splits, x.status, mon.advance, func(s extracted) {
		said := []any{"split", s.Name, "files", len(s.Rows), "dropped", len(s.dropped), "cached", s.cached}
		if len(s.dropped) > 0 { // a disk may fail after the files were checked
			said = append(said, "first", s.dropped[0].String())
		}
		mon.log().Info("extracted", said...)
		sum.add(s)
		sum.end(splits[len(man.Splits)], s, len(s.Rows)) // they are done in order
		s.Source = features.Source{Origin: man.Origin, IndexSHA256: man.IndexSHA256}
		writing.Go(func() error {
			err := features.Write(x.dir(), s.Split)
			if err == nil {
				x.written.Add(1)
			}
			return err
		})
	})
	if failed := writing.Wait(); failed != nil {
		return nil, failed // it has stopped the extraction
	}
	if err != nil {
		return nil, fmt.Errorf("extracting: %w", err)
	}
	if err := x.stillThere(sum); err != nil {
		return nil, err
	}
	shifted := func(ctx context.Context, rows []int) (*extractor, []files.File, error) {
		return e, pick(x.status[0].Files, rows), nil
	}
	digests := func(ctx context.Context, _ string, _ []int, found []files.File, progress func(int)) ([][sha256.Size]byte, []files.Dropped, error) {
		return x.places.Digests(ctx, found, progress)
	}
	if err := sum.finish(ctx, shifted, digests); err != nil {
		return nil, err
	}
	man.Seconds = time.Since(start).Seconds()
	version := tfmodel.VersionUnloaded
	if x.engine.Begun() {
		version = tfmodel.Version
	}
	if man.TensorFlow, err = version(); err != nil {
		return nil, err
	}
	return man, nil
}

// stillThere returns an error if files that were there have gone with their place.
func (x *extraction) stillThere(sum *account) error {
	gone := 0
	for _, d := range sum.man.Dropped {
		if files.Absent(d.Reason) {
			gone++
		}
	}
	for _, s := range x.status {
		for _, d := range s.Dropped {
			if files.Absent(d.Reason) {
				gone--
			}
		}
	}
	if gone <= 0 {
		return nil
	}
	return x.places.Check()
}

// account completes a manifest with what is known of the splits, which come in the
// order of [dataset.Splits.All], and of their rows.
type account struct {
	corpus *dataset.Corpus
	model  *tfmodel.Model
	man    *Manifest
	mon    Monitor

	misnamed     misnamed
	list         *training.List
	fit          fitAccuracy
	unmeasurable error // the first split that cannot be measured
}

func newAccount(c *dataset.Corpus, m *tfmodel.Model, man *Manifest, mon Monitor) *account {
	return &account{corpus: c, model: m, man: man, mon: mon, misnamed: misnamed{maxLen: m.MaxLen}, list: training.NewList(m.TrainedOn, m.MaxLen)}
}

// add takes rows of a split, all or some that follow those before.
func (a *account) add(s extracted) {
	if len(a.man.Splits) == 0 {
		a.unmeasurable = cmp.Or(a.unmeasurable, a.fit.add(s.Split, a.corpus.Labels))
	}
	a.misnamed.add(s)
	a.list.Add(s.Name, s.Rows, s.rows, s.files)
}

// end ends a split that has so many rows.
func (a *account) end(split dataset.Split, s extracted, rows int) {
	if w := s.notFinite(rows); w != "" {
		a.warn(w)
		if rows == 0 {
			a.unmeasurable = cmp.Or(a.unmeasurable, errors.New(w))
		}
	}
	a.man.addSplit(s, rows, split.Span)
	a.unmeasurable = cmp.Or(a.unmeasurable, a.corpus.Measurable(split, s.dropped)) // files may have gone since the check
}

func (a *account) warn(warnings ...string) {
	a.mon.warn(warnings)
	a.man.Warnings = append(a.man.Warnings, warnings...)
}

// finish completes the manifest when all splits have ended. Shifted returns an
// extractor and the files of fit rows, or nil where there is none.
func (a *account) finish(ctx context.Context, shifted func(context.Context, []int) (*extractor, []files.File, error), digests training.Digests) error {
	if a.unmeasurable != nil {
		return a.unmeasurable
	}
	if w := a.misnamed.warning(); w != "" {
		a.warn(w)
	}
	if err := a.measureShifted(ctx, shifted); err != nil {
		return fmt.Errorf("measuring the accuracy with changed bytes: %w", err)
	}
	stage := func(files int) { a.mon.stage("searching the model's training files", files, "files") }
	if err := a.list.Search(ctx, digests, stage, a.mon.advance); err != nil {
		return fmt.Errorf("searching the model's list of training files: %w", err)
	}
	a.man.InUnseen, a.man.TrainedRows = a.list.InUnseen, a.list.Rows
	a.warn(a.list.Warnings...)
	return nil
}

// extractor returns what computes the features. Its engine is opened where the cache
// has no features of this model, and else when a file is found that has none there.
func (x *extraction) extractor() (e *extractor, err error) {
	e = newExtractor(x.engine, x.places, x.model)
	engine, err := x.engine.Expect()
	if err != nil {
		return nil, err
	}
	if e.cache, err = openCache(x.opt, x.model, engine.Identity); err != nil {
		return nil, err
	}
	if e.cache.Empty() {
		expected := engine.Identity
		if engine, err = x.engine.Wait(); err != nil {
			return nil, err
		}
		if engine.Identity != expected {
			if e.cache, err = openCache(x.opt, x.model, engine.Identity); err != nil {
				return nil, err
			}
		}
	}
	e.batch, e.device = cmp.Or(x.opt.Batch, engine.Batch), engine.Device
	if x.opt.Engine.Precision == tfmodel.TF32 && e.device == tfmodel.CPU {
		x.opt.Monitor.log().Warn("no GPU computes: --precision tf32 is of no effect, and the features are float32")
	}
	x.manifest.setModel(x.model, engine, e.batch)
	x.opt.Monitor.log().Info("engine", "name", engine.Name, "device", engine.Device, "why", engine.Why)
	return e, nil
}

// openCache opens the cached features of a model as one engine computes them,
// each with the traits of its file: engines whose outputs may differ in the last
// bits share none.
func openCache(opt Options, m *tfmodel.Model, engine string) (*cache.Cache, error) {
	if opt.Cache == "" {
		return nil, nil
	}
	s := cache.Scope{Model: m.Hash, Engine: fmt.Sprintf("%s, traits %d", engine, traits.Revision)}
	for _, l := range m.Layers {
		s.Widths = append(s.Widths, l.Width)
	}
	s.Widths = append(s.Widths, traits.Width)
	return cache.Open(opt.Cache, s, opt.Monitor.log())
}

// runner computes the outputs of a model, as a [tfmodel.Engine] that may not be open.
type runner interface {
	Run(dst [][]float32, files [][]byte) error
}

// extractor computes the features of files.
type extractor struct {
	engine runner
	places *files.Places
	cache  *cache.Cache // nil keeps nothing
	layers []tfmodel.Layer
	maxLen int
	window int // bytes of a window of the model; 0 is not known
	batch  int
	device tfmodel.Device // of the engine
}

// newExtractor returns an extractor whose batch, device and cache are not set.
func newExtractor(engine runner, places *files.Places, m *tfmodel.Model) *extractor {
	e := &extractor{engine: engine, places: places, layers: m.Layers, maxLen: m.MaxLen}
	if m.Shape != nil {
		e.window = m.Shape.Window
	}
	return e
}

// inFlight is the number of batches at the engine at a time: one runs while the
// next is copied into its tensor, several on a GPU. As many more are being stored,
// since a disk takes its time.
func (x *extractor) inFlight() int { return tfmodel.Feeders(x.device) }

// run extracts the splits, of which the first is fit, as one stream of files, so
// that the engine does not wait at the border between two. It calls done with each
// split in order, when that split is complete and later ones may be under way, and
// progress with the number of rows done. status is that of the files of each split:
// a file whose version is unchanged since its features were cached is not read.
func (x *extractor) run(ctx context.Context, splits []dataset.Split, status []dataset.Status, progress func(int), done func(extracted)) error {
	s := newStream(x.layers, splits, status, done)
	left := x.takeCached(s, progress)
	if len(left) == 0 {
		return nil
	}
	file := func(at position) *files.File { return &s.parts[at.part].found[at.row] }
	slices.SortStableFunc(left, func(a, b position) int { return files.Compare(file(a), file(b), a.part, b.part) })
	toRead := make([]files.File, len(left))
	for i, at := range left {
		toRead[i] = *file(at)
	}
	return x.compute(ctx, toRead, func(dropped []files.Dropped) {
		s.drop(left, dropped)
		progress(len(dropped))
	}, func(c computed) error {
		s.deliver(pick(left, c.rows), c.keys, c.files, c.outputs, c.fresh)
		progress(len(c.rows))
		return nil
	})
}

// computed is what was computed of some of the files that were read.
type computed struct {
	rows    []int        // numbers of the files
	keys    []cache.Key  // digests of the bytes that the model sees
	files   []cache.File // as they were read
	outputs [][]float32  // of the layers, then the traits
	fresh   []int        // numbers within rows, ascending, of those that were not cached
}

// compute reads files and computes their outputs. It calls done with those of each
// batch, in any order and several at a time, and drop with the files that are left
// out, one call at a time. An error of done ends it.
func (x *extractor) compute(ctx context.Context, toRead []files.File, drop func([]files.Dropped), done func(computed) error) error {
	running, ctx := errgroup.WithContext(ctx)
	running.SetLimit(2 * x.inFlight())
	r := x.places.NewReader(ctx, toRead, files.ReadOptions{MaxLen: x.maxLen, Batch: x.batch, Ahead: x.inFlight()})
	defer r.Close()
	seen := 0 // dropped rows
	for {
		b, err := r.Next()
		if err != nil && err != io.EOF {
			return cmp.Or(running.Wait(), err) // a batch's failure stops the reader too
		}
		dropped := r.Dropped()
		drop(dropped[seen:])
		seen = len(dropped)
		if err == io.EOF {
			return running.Wait()
		}
		c := computed{rows: slices.Clone(b.Rows), keys: slices.Clone(b.SHA256), files: x.files(pick(toRead, b.Rows)), outputs: x.outputs(len(b.Rows))}
		for i := range c.files {
			c.files[i].Version, c.files[i].Size, c.files[i].Form = b.Version[i], b.Size[i], int64(b.Packed[i])
		}
		running.Go(func() (err error) {
			release := sync.OnceFunc(b.Release)
			defer release()
			c.fresh, err = x.cache.Run(c.outputs, c.keys, b.Files, c.files, func(dst [][]float32, contents [][]byte) error {
				defer release() // the next files are read while these are stored
				last := len(x.layers)
				for i, head := range contents {
					traits.Of(head, x.window).Encode(dst[last][i*traits.Width:])
				}
				return x.engine.Run(dst[:last], contents)
			})
			if err != nil {
				return err
			}
			return done(c)
		})
	}
}

// outputs allocates the outputs of n files: one slice a layer, and one of traits.
func (x *extractor) outputs(n int) [][]float32 {
	return append(newOutputs(x.layers, n), make([]float32, n*traits.Width))
}

// finite reports whether no output i of the layers is NaN or infinite.
func finite(layers []tfmodel.Layer, outputs [][]float32, i int) bool {
	for j, l := range layers {
		if slices.ContainsFunc(outputs[j][i*l.Width:(i+1)*l.Width], func(v float32) bool { return v-v != 0 }) {
			return false
		}
	}
	return true
}

// takeCached takes the features of files that are unchanged since they were
// cached, and returns the other rows.
func (x *extractor) takeCached(s *stream, progress func(int)) (left []position) {
	for i, p := range s.parts {
		if x.cache == nil {
			for row := range p.wanted {
				left = append(left, position{i, row})
			}
			continue
		}
		const most = 4096 // rows a transaction, since other processes wait for it
		for first := 0; first < len(p.wanted); first += most {
			end := min(first+most, len(p.wanted))
			files := x.files(p.found[first:end])
			dst := x.outputs(end - first)
			keys, missing := x.cache.Lookup(dst, files)
			s.deliverCached(i, first, dst, keys, files, missing)
			for _, row := range missing {
				left = append(left, position{i, first + row})
			}
			progress(end - first - len(missing))
		}
	}
	return left
}

// files are files as the cache knows them.
func (x *extractor) files(found []files.File) []cache.File {
	known := make([]cache.File, len(found))
	for i := range found {
		if f := &found[i]; f.Reason == "" {
			known[i] = cache.File{Path: f.ID(), Head: x.maxLen, Version: f.Version}
		}
	}
	return known
}

func pick[T any](from []T, numbers []int) []T {
	to := make([]T, len(numbers))
	for i, n := range numbers {
		to[i] = from[n]
	}
	return to
}

// extracted is a split with its features. Rows whose file cannot be read, or for
// which the model gives a value that is not finite, are left out.
type extracted struct {
	features.Split
	rows    []*dataset.Row    // of the index, for each of Rows
	files   []files.File      // of the rows
	dropped []dataset.Dropped // in the order of the split
	cached  int               // rows whose features were in the cache
	// unpacked counts the rows by what their files came out of, such as "zip".
	unpacked map[string]int
}

// noFiniteOutput is why a row is left out that no detector can score.
const noFiniteOutput = "gets no finite output from the model"

// notFinite counts the rows that were left out for noFiniteOutput in a warning, beside
// so many that were not. It returns "" where there are none.
func (e *extracted) notFinite(files int) string {
	var rows []dataset.Dropped
	for _, d := range e.dropped {
		if d.Reason == noFiniteOutput {
			rows = append(rows, d)
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return fmt.Sprintf("split %s: %d of %d files are left out; the first: %v", e.Name, len(rows), files+len(e.dropped), rows[0])
}

// stream gathers the outputs of the rows of all splits, which come in any
// order. The outputs of a row are those of the layers, then its traits. A split is
// done when each of its rows has its outputs or was dropped, and all splits before
// it are done. The features of a split take memory from its first outputs until it
// is done: those of one or two splits at a time, or of all splits where some
// outputs of each were cached.
type stream struct {
	layers []tfmodel.Layer

	mu    sync.Mutex // of what follows
	parts []part
	next  int           // the first split that is not done
	fit   *traits.Index // of the rows of the first split, when that is done
	done  func(extracted)
}

// part is one split of a stream.
type part struct {
	extracted // its Rows and Layers have all rows until the split is done
	wanted    []dataset.Row
	found     []files.File    // of each wanted row
	sketches  []traits.Sketch // of each row
	open      int             // rows with neither outputs nor a reason to be dropped
}

// position is a row of a part.
type position struct{ part, row int }

func newStream(layers []tfmodel.Layer, splits []dataset.Split, status []dataset.Status, done func(extracted)) *stream {
	s := &stream{layers: layers, done: done}
	for i, split := range splits {
		p := part{wanted: split.Rows, found: status[i].Files, open: len(split.Rows)}
		p.Name, p.unpacked = split.Name, map[string]int{}
		s.parts = append(s.parts, p)
	}
	s.finish()
	return s
}

func (s *stream) row(at position) dataset.Row { return s.parts[at.part].wanted[at.row] }

// allocate gives a part its memory.
func (s *stream) allocate(i int) *part {
	p := &s.parts[i]
	if p.Rows == nil {
		p.Rows, p.sketches = make([]features.Row, len(p.wanted)), make([]traits.Sketch, len(p.wanted))
		for _, l := range s.layers {
			p.Layers = append(p.Layers, features.Layer{Name: l.Name, Width: l.Width, Data: make([]float32, len(p.wanted)*l.Width)})
		}
	}
	return p
}

// newOutputs allocates the outputs of n files, one slice a layer.
func newOutputs(layers []tfmodel.Layer, n int) [][]float32 {
	var dst [][]float32
	for _, l := range layers {
		dst = append(dst, make([]float32, n*l.Width))
	}
	return dst
}

// deliverCached stores cached outputs of the rows of a part from first on.
// missing are the numbers after first, ascending, of the rows that have none.
func (s *stream) deliverCached(number, first int, outputs [][]float32, keys []cache.Key, files []cache.File, missing []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, key := range keys {
		if len(missing) > 0 && missing[0] == i {
			missing = missing[1:]
			continue
		}
		s.set(position{number, first + i}, key, files[i].Stored, outputs, i, true)
	}
	s.finish()
}

// deliver stores the outputs of files that were read, for the rows at those
// positions. computed are the numbers within at, ascending, of those that were not cached.
func (s *stream) deliver(at []position, keys []cache.Key, files []cache.File, outputs [][]float32, computed []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range at {
		cached := len(computed) == 0 || computed[0] != i
		if !cached {
			computed = computed[1:]
		}
		s.set(at[i], keys[i], files[i].Stored, outputs, i, cached)
	}
	s.finish()
}

// set stores what is known of the file of a row, and row i of outputs.
func (s *stream) set(at position, sum [32]byte, file cache.Stored, outputs [][]float32, i int, cached bool) {
	p, r := s.allocate(at.part), s.row(at)
	p.open--
	if !finite(s.layers, outputs, i) {
		p.dropped = append(p.dropped, dataset.Dropped{Number: at.row, Row: r, Reason: noFiniteOutput})
		return
	}
	for j, l := range p.Layers {
		copy(l.Data[at.row*l.Width:], outputs[j][i*l.Width:(i+1)*l.Width])
	}
	if cached {
		p.cached++
	}
	if kind := packed.Kind(file.Form); kind != packed.None {
		p.unpacked[kind.String()]++
	}
	if form := p.found[at.row].Form(); form != "" {
		p.unpacked[form]++
	}
	t := traits.Decode(outputs[len(p.Layers)][i*traits.Width:])
	p.sketches[at.row] = t.Sketch
	p.Rows[at.row] = features.Row{
		Name: r.Name, Label: r.Label, FirstSeen: r.FirstSeen, Group: r.Group,
		SHA256: hex.EncodeToString(sum[:]), Size: file.Size, Kind: string(t.Kind), Linked: t.Linked,
	}
}

// drop marks the rows that a reader of the rows at those positions has dropped.
func (s *stream) drop(at []position, dropped []files.Dropped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range dropped {
		row := at[d.Number]
		p := &s.parts[row.part]
		p.open--
		p.dropped = append(p.dropped, dataset.Dropped{Number: row.row, Row: s.row(row), Reason: d.Reason})
	}
	s.finish()
}

// finish hands on the splits that are done.
func (s *stream) finish() {
	for ; s.next < len(s.parts) && s.parts[s.next].open == 0; s.next++ {
		p := s.allocate(s.next)
		p.compact()
		if s.next == 0 {
			s.fit = traits.NewIndex(p.sketches)
		} else {
			p.compare(s.fit)
		}
		s.done(p.extracted)
		p.extracted, p.sketches = extracted{}, nil
	}
}

// compact removes the rows that were dropped.
func (p *part) compact() {
	n := 0
	for row, r := range p.Rows {
		if r.SHA256 == "" {
			continue
		}
		p.Rows[n], p.sketches[n] = r, p.sketches[row]
		p.rows, p.files = append(p.rows, &p.wanted[row]), append(p.files, p.found[row])
		for _, l := range p.Layers {
			copy(l.Data[n*l.Width:(n+1)*l.Width], l.Data[row*l.Width:(row+1)*l.Width])
		}
		n++
	}
	p.Rows, p.sketches = p.Rows[:n], p.sketches[:n]
	for i, l := range p.Layers {
		p.Layers[i].Data = l.Data[:n*l.Width]
	}
	slices.SortFunc(p.dropped, func(a, b dataset.Dropped) int { return a.Number - b.Number })
}

// compare says of the rows which are near-copies of a fit file.
func (p *part) compare(fit *traits.Index) {
	for i, sketch := range p.sketches {
		near, known := fit.NearCopy(sketch)
		switch {
		case near:
			p.Rows[i].NearFit = "yes"
		case known:
			p.Rows[i].NearFit = "no"
		}
	}
}

// misnamed counts the files that are named by a SHA-256, and those of them whose
// bytes have another. Only of files that the model sees whole is that known.
type misnamed struct {
	maxLen           int
	other, all, long int
	first            dataset.Row
}

func (m *misnamed) add(s extracted) {
	for i, r := range s.Rows {
		hash := files.Hash(r.Name)
		switch {
		case len(hash) != 2*sha256.Size:
		case r.Size > int64(m.maxLen):
			m.long++
		default:
			m.all++
			if hash != r.SHA256 {
				if m.other == 0 {
					m.first = *s.rows[i]
				}
				m.other++
			}
		}
	}
}

// warning is the one of all splits, or "".
func (m *misnamed) warning() string {
	if m.other == 0 {
		return ""
	}
	w := fmt.Sprintf("%d of %d files that are named by their SHA-256 have bytes with another (first: line %d): headers that were disarmed, as in SOREL-20M, explain it, and so do damaged files", m.other, m.all, m.first.Line)
	if m.long > 0 {
		w += fmt.Sprintf("; %d longer than %d bytes were not compared", m.long, m.maxLen)
	}
	return w
}
