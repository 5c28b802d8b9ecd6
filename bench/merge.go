package bench

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/dataset"
	"driftbench/bench/dataset/date"
	"driftbench/bench/features"
	"driftbench/bench/files"
	"driftbench/bench/shard"
	"driftbench/bench/traits"
	"driftbench/internal/atomicfile"
	"driftbench/internal/text"
	"driftbench/tfmodel"
)

// Merge writes, from what workers have written of the rows of a corpus, the
// features/ and manifest.json that [Extract] writes, into opt.Out. It uses Corpus,
// Dataset and Model of opt. A path that is a folder stands for its files part-*.
//
// Every name of the splits has to be there once, or several times with the same
// features; other names are passed over. Labels, dates and groups are those of the
// index, and a warning counts the rows that were extracted with others. Names that are
// missing, rows that contradict one another, and rows of other models or of several
// engines are errors. Memory grows by 200 bytes a row, beside the index: the features
// themselves go to disk as they come.
func Merge(ctx context.Context, opt Options, paths []string) (*Manifest, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	paths, err := shard.Files(paths)
	if err != nil {
		return nil, err
	}
	unlock, err := openOut(opt.Out)
	if err != nil {
		return nil, err
	}
	defer unlock()
	man := newManifest(opt)
	model, err := tfmodel.Inspect(opt.Model)
	if err != nil {
		return nil, err
	}
	corpus, err := loadCorpus(opt)
	if err != nil {
		return nil, err
	}
	man.setCorpus(corpus)
	m := newMerger(opt, corpus, model, man, paths)
	defer m.close()
	err = m.run(ctx)
	if err == nil {
		err = man.write(opt.Out)
	}
	if err != nil && ctx.Err() != nil {
		err = &InterruptedError{"Nothing was merged: give the same command again.", ctx.Err()}
	}
	if err != nil {
		return nil, err
	}
	return man, nil
}

// merger puts the rows of shards in their places. A place is the number of a row in
// all splits, one after the other.
type merger struct {
	opt    Options
	corpus *dataset.Corpus
	model  *tfmodel.Model
	man    *Manifest
	splits []dataset.Split
	starts []int // the place of the first row of each split, and the number of all
	table  nameTable
	width  int // bytes of the features of a row
	// Names of several rows of the index, of which one at least is in a split.
	repeated map[string]bool

	dir     string              // of the features
	records *atomicfile.File    // as they came, see record
	room    atomic.Int64        // records that there is room for
	kept    map[string][]uint32 // see placesOf
	fit     *traits.Index       // of the fit rows, once they are completed
	closers []func()

	mu     sync.Mutex // of what follows
	states []state    // of each place
	engine string
	first  string // where engine is from
	drops  map[int]string
	unread map[int]string // why there is no digest of the whole file
	forms  []string       // numbered in records
	files  []shardFile
	// Rows of the shards that the index has with another label, group or date.
	differing      int
	firstDiffering string
	differingLine  int         // in the index
	otherIndex     string      // where a shard of another index is
	readings       [2]madeWith // of the first shard, and of one that differs
}

// madeWith is the [shard.Header.Reading] of a shard, and where it says so.
type madeWith struct{ reading, at string }

// state is what was read for a place: 16 bytes of a digest, all zero where there was
// nothing, where it was, and the number of its record.
type state struct {
	digest     [16]byte
	file, line uint32
	record     uint32
}

// shardFile counts the lines of a file.
type shardFile struct {
	path                          string
	rows, dropped, passed, repeat int64
	ended                         int64 // rows that its last lines say
	ends                          int
	cut                           bool // it ends within a line
}

// record is what is kept of a row on disk: the digest of what the model sees, the size
// of the file, the digest of the whole file, the traits, two numbers in forms and the
// features.
type record []byte

// Where the parts of a record are.
const (
	sizeAt     = sha256.Size
	wholeAt    = sizeAt + 8
	traitsAt   = wholeAt + sha256.Size
	formsAt    = traitsAt + 4*traits.Width
	featuresAt = formsAt + 2
)

func (r record) size() int64 { return int64(binary.LittleEndian.Uint64(r[sizeAt:])) }

// traits decodes the traits, with values as scratch.
func (r record) traits(values []float32) ([]float32, traits.Traits) {
	values = floats(values[:0], r[traitsAt:formsAt])
	return values, traits.Decode(values)
}

func newMerger(opt Options, c *dataset.Corpus, model *tfmodel.Model, man *Manifest, paths []string) *merger {
	m := &merger{
		opt: opt, corpus: c, model: model, man: man, splits: c.Splits.All(), starts: []int{0},
		repeated: map[string]bool{}, drops: map[int]string{}, unread: map[int]string{}, forms: []string{""}, kept: map[string][]uint32{},
	}
	for _, l := range model.Layers {
		m.width += 4 * l.Width
	}
	for _, s := range m.splits {
		m.starts = append(m.starts, m.starts[len(m.starts)-1]+len(s.Rows))
	}
	m.states = make([]state, m.starts[len(m.splits)])
	m.table = newNameTable(len(m.states), func(place int) string { return m.row(place).Name })
	for _, path := range paths {
		m.files = append(m.files, shardFile{path: path})
	}
	seen := make([]bool, len(m.states))
	for i := range c.Rows {
		for place := range m.table.places(c.Rows[i].Name) {
			if seen[place] {
				m.repeated[m.row(place).Name] = true
			}
			seen[place] = true
			break // the first place stands for the name
		}
	}
	c.Rows = nil // they take memory
	return m
}

// split returns the number of the split that has a place.
func (m *merger) split(place int) int {
	i, found := slices.BinarySearch(m.starts, place)
	if !found {
		return i - 1
	}
	for m.starts[i+1] == place { // an empty split
		i++
	}
	return i
}

func (m *merger) row(place int) *dataset.Row {
	i := m.split(place)
	return &m.splits[i].Rows[place-m.starts[i]]
}

func (m *merger) close() {
	for _, do := range slices.Backward(m.closers) {
		do()
	}
}

func (m *merger) run(ctx context.Context) error {
	if err := m.open(); err != nil {
		return err
	}
	m.opt.Monitor.stage("merging", len(m.states), "rows")
	if err := m.read(ctx); err != nil {
		return err
	}
	if err := m.complete(); err != nil {
		return err
	}
	engine := tfmodel.Description{Name: tfmodel.EngineOf(m.engine), Identity: m.engine}
	if !tfmodel.RunsOn(engine.Name, tfmodel.GPU) {
		engine.Device = tfmodel.CPU
	}
	m.man.setModel(m.model, engine, 0)
	var err error
	if m.man.TensorFlow, err = tfmodel.VersionUnloaded(); err != nil {
		return err
	}
	return m.finish(ctx)
}

// open makes the file that the rows go into.
func (m *merger) open() (err error) {
	if m.dir, err = atomicfile.Folder(m.opt.Out, featuresFolder); err != nil {
		return err
	}
	if m.records, err = atomicfile.Create(filepath.Join(m.dir, "records")); err != nil {
		return err
	}
	m.closers = append(m.closers, m.records.Discard)
	return os.Remove(m.records.Name()) // nothing of it is left, however this ends
}

// readAt reads into dst from a byte of the record of a place on.
func (m *merger) readAt(dst []byte, place, from int) error {
	_, err := m.records.ReadAt(dst, int64(m.states[place].record)*int64(m.recordSize())+int64(from))
	return err
}

// recordSize is the number of bytes of a record.
func (m *merger) recordSize() int { return featuresAt + m.width }

// read reads all files.
func (m *merger) read(ctx context.Context) error {
	workers := runtime.GOMAXPROCS(0)
	blocks := make(chan shard.Block, workers)
	free := make(chan []byte, 3*workers)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(blocks)
		for i, f := range m.files {
			err := shard.Blocks(f.path, i, func() []byte {
				select {
				case b := <-free:
					return b[:0]
				default:
					return make([]byte, 0, 1<<20)
				}
			}, func(b shard.Block) error {
				select {
				case blocks <- b:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			r := placer{merger: m, decoder: shard.NewDecoder(), firstHeld: m.reserve()}
			for b := range blocks {
				if err := r.block(b); err != nil {
					return err
				}
				select {
				case free <- b.Lines:
				default:
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			return r.flush()
		})
	}
	return g.Wait()
}

// placer places the rows of blocks. It serves one goroutine.
type placer struct {
	*merger
	decoder *shard.Decoder
	line    shard.Line
	values  []float32 // scratch
	content []byte    // scratch: all that two rows of a name have to agree on
	sure    string    // the engine, once it is known

	held      []byte // records that are not written yet
	firstHeld int    // number of the first
}

// block places the rows of a block.
func (p *placer) block(b shard.Block) error {
	count := shardFile{cut: b.Cut && len(b.Lines) == 0}
	lines := b.Lines
	for number := b.First; len(lines) > 0; number++ {
		line, rest, whole := bytes.Cut(lines, []byte{'\n'})
		lines = rest
		err := p.decoder.Output(line, &p.line)
		if err != nil && !whole && b.Cut {
			count.cut = true // what a dead attempt has written ends here
			break
		}
		if err == nil {
			err = p.take(&count, b.File, number)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", b.Path, number, err)
		}
	}
	p.opt.Monitor.advance(int(count.rows - count.passed - count.repeat))
	p.mu.Lock()
	defer p.mu.Unlock()
	f := &p.files[b.File]
	f.rows += count.rows
	f.dropped += count.dropped
	f.passed += count.passed
	f.repeat += count.repeat
	f.ended += count.ended
	f.ends += count.ends
	f.cut = f.cut || count.cut
	return nil
}

// take takes a line.
func (p *placer) take(count *shardFile, file int, line int64) error {
	switch l := &p.line; l.Kind {
	case shard.IsHeader:
		p.compareHeader(l.Header, fmt.Sprintf("%s:%d", p.files[file].path, line))
		return p.madeBy("", l.Header.Model, l.Header.Engine, file, line)
	case shard.IsEnd:
		count.ended += l.End.Rows
		count.ends++
		return p.madeBy("", l.End.Model, l.End.Engine, file, line)
	case shard.IsRecord:
		r := &l.Record
		count.rows++
		if r.Dropped != "" {
			count.dropped++
		}
		if err := p.madeBy(r.Name, r.Model, r.Engine, file, line); err != nil {
			return err
		}
		return p.place(count, r, file, line)
	}
	return nil
}

// compareHeader notes where shards were read with different options or are of another
// index than that of the corpus.
func (m *merger) compareHeader(h shard.Header, at string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	reading := h.Reading
	if h.IndexSHA256 != m.man.IndexSHA256 && m.otherIndex == "" {
		m.otherIndex = at
	}
	if m.readings[0].at == "" {
		m.readings[0] = madeWith{reading, at}
	}
	if m.readings[0].reading != reading {
		m.readings[1] = madeWith{reading, at}
	}
}

// madeBy returns an error unless the row of that name, or the shard, was computed by
// the model, and by the one engine of all.
func (p *placer) madeBy(name, model, engine string, file int, line int64) error {
	if model == p.model.Hash && engine == p.sure {
		return nil
	}
	what := "the shard"
	if name != "" {
		what = "name " + text.Quote(name)
	}
	if model != p.model.Hash {
		return fmt.Errorf("%s was computed with the model %.12s, and --model %s is %.12s: name the model that the workers had", what, model, text.Quote(p.model.Dir), p.model.Hash)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.engine == "" {
		p.engine, p.first = engine, fmt.Sprintf("%s:%d", p.files[file].path, line)
	}
	if engine != p.engine {
		return fmt.Errorf("%s was computed by the engine %s, and %s by %s: their last bits differ; extract one of them again", what, text.Quote(engine), p.first, text.Quote(p.engine))
	}
	p.sure = engine
	return nil
}

// place puts a record where the index has its name. The features are those of the
// file, whatever the feeder said of it.
func (p *placer) place(count *shardFile, r *shard.Record, file int, line int64) error {
	var s state
	repeated := true
	for place := range p.table.places(r.Name) {
		if s == (state{}) {
			if err := p.check(r); err != nil {
				return err
			}
			sum := sha256.Sum256(p.content)
			s = state{[16]byte(sum[:]), uint32(file), uint32(line), uint32(p.firstHeld + len(p.held)/p.recordSize())}
			s.digest[0] |= 1
		}
		p.compare(r, p.row(place))
		again, err := p.put(place, r, s)
		if err != nil {
			return err
		}
		repeated = repeated && again
	}
	switch {
	case s == (state{}):
		count.passed++
	case repeated:
		count.repeat++
	case r.Dropped == "":
		return p.hold(p.content[1 : 1+p.recordSize()])
	}
	return nil
}

// hold writes a record, or keeps it until there are more to write.
func (p *placer) hold(r record) error {
	if p.held = append(p.held, r...); len(p.held) < p.batchSize()*p.recordSize() {
		return nil
	}
	err := p.flush()
	p.firstHeld = p.reserve()
	return err
}

// reserve returns the number of the first of [merger.batchSize] records that it makes
// room for.
func (m *merger) reserve() int { return int(m.room.Add(int64(m.batchSize()))) - m.batchSize() }

// batchSize is the number of records that are written or completed at a time: some
// megabytes at most.
func (m *merger) batchSize() int { return max(1, min(1<<11, 1<<22/m.recordSize())) }

// flush writes the records that are held.
func (p *placer) flush() error {
	_, err := p.records.WriteAt(p.held, int64(p.firstHeld)*int64(p.recordSize()))
	p.held = p.held[:0]
	return err
}

// compare notes where a record was extracted as another row than the index has. What
// the feeder left out, or corpus.yaml changes, is no difference.
func (p *placer) compare(r *shard.Record, row *dataset.Row) {
	what := ""
	c := &p.corpus.Config
	switch {
	case p.repeated[row.Name]: // it may be as another row has it
		return
	case r.Label != "" && c.LabelsFrom == "" && !c.MayBecome(r.Label, row.Label):
		what = fmt.Sprintf("the label %s, and %s in the index", text.Quote(r.Label), text.Quote(row.Label))
	case r.Group != "" && c.LabelsFrom+c.GroupsFrom == "" && r.Group != row.Group:
		what = fmt.Sprintf("the group %s, and %s in the index", text.Quote(r.Group), text.Quote(row.Group))
	case r.FirstSeen != "" && r.FirstSeen != row.FirstSeen:
		if d, err := date.Parse(r.FirstSeen, p.corpus.Dates); err == nil && d.Text == row.FirstSeen {
			return
		}
		what = fmt.Sprintf("the date %s, and %s in the index", text.Quote(r.FirstSeen), text.Quote(row.FirstSeen))
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.differing == 0 || row.Line < p.differingLine {
		p.differingLine = row.Line
		p.firstDiffering = fmt.Sprintf("name %s has %s (line %d)", text.Quote(r.Name), what, row.Line)
	}
	p.differing++
}

// check checks a record, and sets content: a byte that is 0 where the row is dropped,
// and the reason; or else the record that is kept, and why the whole file was not read.
func (p *placer) check(r *shard.Record) error {
	if r.Dropped != "" {
		p.content = append(append(p.content[:0], 0), r.Dropped...)
		return nil
	}
	if len(r.Features) != p.width {
		return fmt.Errorf("name %s has %d bytes of features, the model gives %d: extract it again", text.Quote(r.Name), len(r.Features), p.width)
	}
	p.values = floats(p.values[:0], r.Features)
	if slices.ContainsFunc(p.values, func(v float32) bool { return v-v != 0 }) {
		return fmt.Errorf("name %s has features that are not finite: extract it again", text.Quote(r.Name))
	}
	if p.values = floats(p.values[:0], r.Traits); len(r.Traits) != 4*traits.Width || !traits.Valid(p.values) {
		return fmt.Errorf("name %s has traits that this driftbench does not know: use the one that extracted it", text.Quote(r.Name))
	}
	var forms [2]byte
	for i, name := range []string{r.Form, r.Packed} {
		var err error
		if forms[i], err = p.form(name); err != nil {
			return err
		}
	}
	var whole [sha256.Size]byte
	hex.Decode(whole[:], []byte(r.Whole)) // the decoder has checked it
	c := append(append(p.content[:0], 1), r.SHA256[:]...)
	c = binary.LittleEndian.AppendUint64(c, uint64(r.Size))
	c = append(append(append(c, whole[:]...), r.Traits...), forms[:]...)
	p.content = append(append(c, r.Features...), r.Unread...)
	return nil
}

// form returns the number of a form.
func (m *merger) form(name string) (byte, error) {
	if name == "" {
		return 0, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.forms, name)
	if i < 0 {
		if i = len(m.forms); i > math.MaxUint8 {
			return 0, fmt.Errorf("form %s is one of more than %d: this is no output of driftbench worker", text.Quote(name), math.MaxUint8)
		}
		m.forms = append(m.forms, strings.Clone(name))
	}
	return byte(i), nil
}

// put puts a checked record in a place. again is true if an equal one is there.
func (p *placer) put(place int, r *shard.Record, s state) (again bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.states[place]
	switch {
	case was.digest == s.digest:
		return true, nil
	case was != (state{}):
		return false, fmt.Errorf("name %s is not what %s:%d says of it: extract it again where the files are as they should be", text.Quote(r.Name), p.files[was.file].path, was.line)
	}
	p.states[place] = s
	if r.Dropped != "" {
		p.drops[place] = r.Dropped
	} else if r.Unread != "" {
		p.unread[place] = r.Unread
	}
	return false, nil
}

// floats appends little-endian values.
func floats(dst []float32, src []byte) []float32 {
	for ; len(src) >= 4; src = src[4:] {
		dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(src)))
	}
	return dst
}

// complete returns an error if a row is missing, and warns of files that were cut
// short although none is.
func (m *merger) complete() error {
	var rows, passed, ended int64
	var cut []string
	for i := range m.files {
		f := &m.files[i]
		rows, passed, ended = rows+f.rows, passed+f.passed, ended+f.ended
		if f.cut || f.ends == 0 || f.ended != f.rows {
			cut = append(cut, f.path)
		}
		m.opt.Monitor.log().Info("merged", "file", f.path, "rows", f.rows, "dropped", f.dropped, "again", f.repeat, "passed over", f.passed)
	}
	whole := rows == ended && !slices.ContainsFunc(m.files, func(f shardFile) bool { return f.cut }) // lines may have moved to other files
	short := ""
	if !whole && len(cut) > 0 {
		short = fmt.Sprintf("%d of %d files are cut short or are not all that their workers wrote, such as %s", len(cut), len(m.files), cut[0])
	}
	missing, first := 0, 0
	for place := range m.states {
		if m.states[place] == (state{}) {
			if missing == 0 {
				first = place
			}
			missing++
		}
	}
	if missing > 0 {
		r := m.row(first)
		if short == "" {
			short = "give the files of all shards"
			if m.otherIndex != "" {
				short += fmt.Sprintf("; %s is of another index: if the index has changed, give the workers this one", m.otherIndex)
			}
		}
		return fmt.Errorf("%d of the %d rows of the splits are in no shard; the first: name %s (line %d) of split %s: %s", missing, len(m.states), text.Quote(r.Name), r.Line, m.splits[m.split(first)].Name, short)
	}
	var warnings []string
	if short != "" {
		warnings = append(warnings, short+": every row is there all the same")
	}
	if m.readings[1].at != "" {
		warnings = append(warnings, fmt.Sprintf("the workers of %s and %s had different options or another corpus.yaml: check that --trim, --raw and names were the same, as they decide which bytes a name stands for", m.readings[0].at, m.readings[1].at))
	}
	if m.differing > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d rows were extracted as the index does not have them; the first: %s: what the index says is taken", m.differing, rows-passed, m.firstDiffering))
	}
	m.opt.Monitor.warn(warnings)
	m.man.Warnings = append(m.man.Warnings, warnings...)
	return nil
}

// finish puts the splits in their places and completes the manifest.
func (m *merger) finish(ctx context.Context) error {
	fitRows := 0
	for i, split := range m.splits {
		unread := slices.DeleteFunc(m.dropped(i), func(d dataset.Dropped) bool { return d.Reason == noFiniteOutput })
		if err := m.corpus.Measurable(split, unread); err != nil { // an earlier features/ is still there
			return err
		}
		m.opt.Monitor.sayUnread(split, unread)
		if i == 0 {
			fitRows = len(split.Rows) - len(unread)
		}
	}
	sum := newAccount(m.corpus, m.model, m.man, m.opt.Monitor)
	sum.warn(mismatches(m.model, m.corpus, fitRows)...)
	if err := os.Remove(filepath.Join(m.opt.Out, manifestFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i, split := range m.splits {
		if err := m.finishSplit(ctx, i, split, sum); err != nil {
			return err
		}
	}
	return sum.finish(ctx, m.shifted(sum), m.digests)
}

// dropped returns the dropped rows of a split in order.
func (m *merger) dropped(number int) (all []dataset.Dropped) {
	start, rows := m.starts[number], m.splits[number].Rows
	for place, reason := range m.drops {
		if i := place - start; 0 <= i && i < len(rows) {
			all = append(all, dataset.Dropped{Number: i, Row: rows[i], Reason: reason})
		}
	}
	slices.SortFunc(all, func(a, b dataset.Dropped) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// finishSplit puts a split in its place.
func (m *merger) finishSplit(ctx context.Context, number int, split dataset.Split, sum *account) error {
	all := extracted{dropped: m.dropped(number), unpacked: map[string]int{}} // without rows
	all.Name, all.Source = split.Name, features.Source{Origin: m.man.Origin, IndexSHA256: m.man.IndexSHA256}
	all.Layers = m.layers()
	rows := len(split.Rows) - len(all.dropped)
	w, err := features.NewWriter(m.dir, all.Split, rows)
	if err != nil {
		return err
	}
	defer w.Discard()
	var sketches []traits.Sketch // of the fit rows
	for c := range m.completed(number) {
		if err := cmp.Or(c.err, ctx.Err()); err != nil {
			return err
		}
		sum.add(c.extracted)
		for form, n := range c.unpacked {
			all.unpacked[form] += n
		}
		if err := w.Append(c.Split); err != nil {
			return err
		}
		if number == 0 {
			sketches = append(sketches, c.sketches...)
		}
	}
	if number == 0 {
		m.fit = traits.NewIndex(sketches)
	}
	if err := w.Commit(); err != nil {
		return err
	}
	m.opt.Monitor.log().Info("extracted", "split", split.Name, "files", rows, "dropped", len(all.dropped))
	sum.end(split, all, rows)
	return nil
}

// layers returns the layers of the model, without values.
func (m *merger) layers() (all []features.Layer) {
	for _, l := range m.model.Layers {
		all = append(all, features.Layer{Name: l.Name, Width: l.Width})
	}
	return all
}

// completer completes rows, some at a time, in the same memory.
type completer struct {
	*merger
	near   *traits.Index // of the fit rows; nil for themselves
	record record        // scratch
	values []float32     // scratch
	part                 // the rows
	err    error
}

// completed yields the rows of a split in order, several chunks being completed at a
// time. They are valid until the next.
func (m *merger) completed(number int) iter.Seq[*completer] {
	return func(yield func(*completer) bool) {
		var free []*completer
		for range 2 * runtime.GOMAXPROCS(0) {
			c := &completer{merger: m, record: make(record, m.recordSize())}
			if c.Name = m.splits[number].Name; number > 0 {
				c.near = m.fit.Clone()
			}
			free = append(free, c)
		}
		var running []chan *completer // in order
		for first, end := m.starts[number], m.starts[number+1]; first < end || len(running) > 0; {
			for ; first < end && len(free) > 0; first += m.batchSize() {
				c, done := free[0], make(chan *completer, 1)
				free, running = free[1:], append(running, done)
				go func(first int) {
					c.complete(first, min(first+m.batchSize(), end))
					done <- c
				}(first)
			}
			c := <-running[0]
			if !yield(c) {
				return
			}
			free, running = append(free, c), running[1:]
		}
	}
}

// complete completes the rows of the places from first to before end.
func (c *completer) complete(first, end int) {
	c.Rows, c.rows, c.sketches, c.unpacked = c.Rows[:0], c.rows[:0], c.sketches[:0], map[string]int{}
	if c.Layers == nil {
		c.Layers = c.layers()
	}
	for i := range c.Layers {
		c.Layers[i].Data = c.Layers[i].Data[:0]
	}
	r := c.record
	for place := first; place < end; place++ {
		if _, dropped := c.drops[place]; dropped {
			continue
		}
		if c.err = c.readAt(r, place, 0); c.err != nil {
			return
		}
		var t traits.Traits
		c.values, t = r.traits(c.values)
		row := c.row(place)
		c.Rows = append(c.Rows, features.Row{
			Name: row.Name, Label: row.Label, FirstSeen: row.FirstSeen, Group: row.Group,
			SHA256: hex.EncodeToString(r[:sha256.Size]), Size: r.size(), Kind: string(t.Kind), Linked: t.Linked,
		})
		c.rows, c.sketches = append(c.rows, row), append(c.sketches, t.Sketch)
		for _, form := range r[formsAt:featuresAt] {
			if form != 0 {
				c.unpacked[c.forms[form]]++
			}
		}
		values := r[featuresAt:]
		for i, l := range c.Layers {
			c.Layers[i].Data = floats(l.Data, values[:4*l.Width])
			values = values[4*l.Width:]
		}
	}
	if c.near != nil {
		c.compare(c.near)
	}
}

// digests returns the digests of whole files that workers have given.
func (m *merger) digests(ctx context.Context, split string, rows []int, _ []files.File, progress func(int)) ([][sha256.Size]byte, []files.Dropped, error) {
	kept := m.placesOf(split)
	sums := make([][sha256.Size]byte, len(rows))
	var unread []files.Dropped
	for i, row := range rows {
		place := int(kept[row])
		if err := m.readAt(sums[i][:], place, wholeAt); err != nil {
			return nil, nil, err
		}
		if why, ok := m.unread[place]; ok {
			unread = append(unread, files.Dropped{Number: i, Reason: why})
		} else if sums[i] == ([sha256.Size]byte{}) {
			unread = append(unread, files.Dropped{Number: i, Reason: "has no digest of the whole file in its shard"})
		}
	}
	progress(len(rows))
	return sums, unread, ctx.Err()
}

// placesOf returns the places of the rows of a split that are not dropped.
func (m *merger) placesOf(split string) []uint32 {
	if m.kept[split] == nil {
		number := slices.IndexFunc(m.splits, func(s dataset.Split) bool { return s.Name == split })
		for place := m.starts[number]; place < m.starts[number+1]; place++ {
			if _, dropped := m.drops[place]; !dropped {
				m.kept[split] = append(m.kept[split], uint32(place))
			}
		}
	}
	return m.kept[split]
}

// shifted returns how an extractor and the files of fit rows are opened. Where they
// are not here it warns, and what they would measure is left out.
func (m *merger) shifted(sum *account) func(context.Context, []int) (*extractor, []files.File, error) {
	return func(ctx context.Context, rows []int) (*extractor, []files.File, error) {
		e, found, err := m.openShifted(ctx, rows)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			sum.warn(fmt.Sprintf("the accuracy on fit rows is low, and whether it is higher with changed bytes or other padding is not measured, for want of their files or of the engine: %s", text.Line(err.Error(), ' ')))
			return nil, nil, nil
		}
		return e, found, nil
	}
}

func (m *merger) openShifted(ctx context.Context, rows []int) (*extractor, []files.File, error) {
	places, err := openPlaces(ctx, m.opt, &m.corpus.Config)
	if err != nil {
		return nil, nil, err
	}
	m.closers = append(m.closers, places.Close)
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = m.splits[0].Rows[row].Path
	}
	found, _, err := places.Find(ctx, names)
	for i, row := range rows {
		if _, dropped := m.drops[row]; err == nil && !dropped && found[i].Reason != "" {
			err = fmt.Errorf("%s %s", text.Quote(names[i]), found[i].Reason)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	engine, _, err := tfmodel.Open(m.model, tfmodel.Options{Engine: tfmodel.EngineOf(m.engine)})
	if err != nil {
		return nil, nil, err
	}
	m.closers = append(m.closers, func() { engine.Close() })
	if engine.Identity() != m.engine {
		return nil, nil, fmt.Errorf("the engine here is %s, that of the shards %s", engine.Identity(), m.engine)
	}
	return newExtractor(engine, places, m.model), found, nil
}

// nameTable finds the places of a name: a hash table of numbers, with the names in
// the index.
type nameTable struct {
	name  func(place int) string
	seed  maphash.Seed
	slots []uint32 // place+1 of the first row of a name; 0 is none
	more  map[uint32][]uint32
}

func newNameTable(n int, name func(place int) string) nameTable {
	size := 1
	for size < 2*n {
		size *= 2
	}
	t := nameTable{name, maphash.MakeSeed(), make([]uint32, size), map[uint32][]uint32{}}
	for place := range n {
		if at, found := t.find(name(place)); found {
			first := t.slots[at] - 1
			t.more[first] = append(t.more[first], uint32(place))
		} else {
			t.slots[at] = uint32(place) + 1
		}
	}
	return t
}

// find returns the slot of a name, or that where it belongs.
func (t *nameTable) find(name string) (at int, found bool) {
	mask := len(t.slots) - 1
	for at = int(maphash.String(t.seed, name)) & mask; t.slots[at] != 0; at = (at + 1) & mask {
		if t.name(int(t.slots[at]-1)) == name {
			return at, true
		}
	}
	return at, false
}

// places yields the places of a name.
func (t *nameTable) places(name string) iter.Seq[int] {
	return func(yield func(int) bool) {
		at, found := t.find(name)
		if !found || !yield(int(t.slots[at]-1)) {
			return
		}
		for _, place := range t.more[t.slots[at]-1] {
			if !yield(int(place)) {
				return
			}
		}
	}
}
