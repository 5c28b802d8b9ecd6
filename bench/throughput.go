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
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/bench/files"
	"driftbench/bench/throughput"
	"driftbench/internal/meter"
	"driftbench/report"
	"driftbench/stats"
	"driftbench/tfmodel"
)

// benchFile holds the repetitions of a throughput measurement, beside the
// results of a run.
const benchFile = "bench.txt"

// ThroughputOptions says what [Throughput] times.
type ThroughputOptions struct {
	// Options gives the model, the engine's options other than its name, device and
	// precision, the output folder, and the corpus whose files are timed. Without a
	// corpus the files are random and of full length.
	Options
	Engines    []string            // names of engines; none is tensorflow and table
	Devices    []string            // none is cpu and gpu
	Precisions []tfmodel.Precision // of GPUs; none is float32
	// Batches holds the files a batch. None doubles the batch as [throughput.Target]
	// does, and times what that found.
	Batches []int
	Count   int // repetitions of every case; 0 is 10
	// Files is the number of files a pass, and Least the least time of a repetition.
	// 0 is 64 files and 200 ms, and where a GPU is timed 4,096 files and 1 s, with the
	// files reused where there are fewer: a GPU is fast enough, and starves on less.
	Files int
	Least time.Duration
	// Budget is the time after which no further round begins; 0 is no bound.
	Budget time.Duration
	// Prices is what an hour costs, by device.
	Prices map[tfmodel.Device]float64

	// open and missingGPU are tfmodel's but in tests.
	open       func(*tfmodel.Model, tfmodel.Options) (tfmodel.Engine, string, error)
	missingGPU func() (string, error)
}

// setDefaults fills in the zero values but for Files and Least, and refuses what
// cannot be timed.
func (o *ThroughputOptions) setDefaults() error {
	if len(o.Engines) == 0 {
		o.Engines = []string{"tensorflow", "table"}
	}
	if len(o.Devices) == 0 {
		o.Devices = []string{string(tfmodel.CPU), string(tfmodel.GPU)}
	}
	if len(o.Precisions) == 0 {
		o.Precisions = []tfmodel.Precision{tfmodel.Float32}
	}
	o.Count = cmp.Or(o.Count, 10)
	if o.Files < 0 || o.Count < 1 || slices.ContainsFunc(o.Batches, func(n int) bool { return n < 1 }) {
		return optionErrorf("batch", ", --count and --files want numbers of 1 or more")
	}
	if o.Least < 0 {
		return optionErrorf("least", " %v: want a time of 0 or more", o.Least)
	}
	if o.Budget < 0 {
		return optionErrorf("budget", " %v: want a time of 0 or more", o.Budget)
	}
	for d, price := range o.Prices {
		if d != tfmodel.CPU && d != tfmodel.GPU || !(price >= 0) || math.IsInf(price, 0) {
			return optionErrorf("price", " %s=%v: want cpu=PRICE or gpu=PRICE, of an hour", d, price)
		}
	}
	if o.open == nil {
		o.open = tfmodel.Open
		o.missingGPU = func() (string, error) { return tfmodel.MissingGPU(o.Engine) }
	}
	return nil
}

// setSize sets the files a pass and the least time of a repetition by the devices
// that are timed, and returns the least number of files of a repetition.
func (o *ThroughputOptions) setSize(gpu bool) (files int) {
	if gpu {
		if o.Files == 0 {
			files = gpuFiles
		}
		o.Least = cmp.Or(o.Least, time.Second)
	}
	o.Least = cmp.Or(o.Least, 200*time.Millisecond)
	return files
}

const (
	cpuFiles = 64
	gpuFiles = 4096
)

// Measurement is what [Throughput] has measured.
type Measurement struct {
	File   string             // holds the repetitions in the Go benchmark format
	Answer *throughput.Answer // of that file
}

// Throughput times whole passes over files and single files with every engine
// on every device that can serve the model, in interleaved rounds: from memory at
// each batch size, and at the best one read from disk too. It compares the outputs
// of the targets, and writes the repetitions to bench.txt in opt.Out.
func Throughput(ctx context.Context, opt ThroughputOptions) (*Measurement, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	targets, err := opt.targets()
	if err != nil {
		return nil, err
	}
	tfmodel.UsePrecisions(opt.Precisions...)
	unlock, err := openOut(opt.Out)
	if err != nil {
		return nil, err
	}
	defer unlock()
	model, err := tfmodel.Inspect(opt.Model)
	if err != nil {
		return nil, err
	}
	b := &bencher{opt: opt, model: model, meter: meter.Open()}
	defer b.close()
	if targets, err = b.present(targets); err != nil {
		return nil, err
	}
	gpu := slices.ContainsFunc(targets, func(o tfmodel.Options) bool { return o.Device == tfmodel.GPU })
	least := b.opt.setSize(gpu)
	if b.work, err = newWorkload(ctx, b.opt, model.MaxLen, cmp.Or(least, cpuFiles)); err != nil {
		return nil, err
	}
	if n := len(b.work.files); n < least {
		b.note("A pass is %d files, which are timed again until a repetition has %d", n, least)
	}
	for _, o := range targets {
		if err := b.openTarget(o); err != nil {
			return nil, err
		}
	}
	opt.Monitor.stage("warming up", -1, "")
	var cases []throughput.Case
	for _, t := range b.targets {
		c, err := b.cases(ctx, t, least)
		if err != nil {
			return nil, err
		}
		cases = append(cases, c...)
	}
	opt.Monitor.stage("timing", opt.Count*len(cases), "repetitions")
	reps, err := throughput.Measure(ctx, cases, throughput.Options{
		Rounds: opt.Count, Least: b.opt.Least, Budget: opt.Budget, Seed: 1, Meter: b.meter,
		Progress: func(int, int) { opt.Monitor.advance(1) },
	})
	if err != nil {
		return nil, err
	}
	opt.Monitor.stage("comparing the outputs", -1, "")
	if err := b.agree(ctx); err != nil {
		return nil, err
	}
	m := &Measurement{File: filepath.Join(opt.Out, benchFile)}
	version, err := tfmodel.Version()
	if err != nil {
		return nil, err
	}
	if err := throughput.WriteFile(m.File, b.environment(version, gpu), reps, b.facts...); err != nil {
		return nil, err
	}
	m.Answer, err = throughput.Read(m.File)
	return m, err
}

// targets returns the options of every engine on every device and in every
// precision that it can compute on and in, checked.
func (o *ThroughputOptions) targets() ([]tfmodel.Options, error) {
	if slices.Contains(o.Precisions, tfmodel.TF32) && !slices.Contains(o.Devices, string(tfmodel.GPU)) {
		return nil, optionErrorf("precision", " tf32: a CPU computes in float32: leave it out, or add --device gpu")
	}
	var all []tfmodel.Options
	for _, device := range o.Devices {
		for _, name := range o.Engines {
			precisions := o.Precisions
			if tfmodel.Device(device) != tfmodel.GPU {
				precisions = []tfmodel.Precision{tfmodel.Float32}
			}
			for _, p := range precisions {
				t := o.Engine
				t.Engine, t.Precision = name, p
				if err := t.Check(); err != nil {
					return nil, err
				}
				if t.Device = tfmodel.Device(device); t.Device == tfmodel.GPU && !tfmodel.RunsOn(name, t.Device) {
					continue // a native engine
				}
				if err := t.Check(); err != nil {
					return nil, err
				}
				all = append(all, t)
			}
		}
	}
	if len(all) == 0 {
		return nil, optionErrorf("engine", " %s: none computes on the %s", strings.Join(o.Engines, ","), strings.Join(o.Devices, ","))
	}
	return all, nil
}

// bencher holds what is open while engines are timed.
type bencher struct {
	opt     ThroughputOptions
	model   *tfmodel.Model
	work    *workload
	meter   *meter.Meter
	targets []*target
	facts   []throughput.Fact
	notes   []string
	noGPU   string // why there is none; "" where none was asked for
}

// target is an engine with how it is timed.
type target struct {
	throughput.Target
	engine tfmodel.Engine
	best   int // batch
}

func (b *bencher) close() {
	for _, t := range b.targets {
		t.engine.Close()
	}
	b.meter.Close()
	if b.work != nil && b.work.places != nil {
		b.work.places.Close()
	}
}

func (b *bencher) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.notes, text) {
		b.notes = append(b.notes, text)
	}
}

// present returns the targets whose device is there.
func (b *bencher) present(all []tfmodel.Options) ([]tfmodel.Options, error) {
	onGPU := func(o tfmodel.Options) bool { return o.Device == tfmodel.GPU }
	if !slices.ContainsFunc(all, onGPU) {
		return all, nil
	}
	why, err := b.opt.missingGPU()
	if err != nil || why == "" {
		return all, err
	}
	b.noGPU = why
	if all = slices.DeleteFunc(all, onGPU); len(all) == 0 {
		return nil, fmt.Errorf("nothing to time: no GPU: %s", why)
	}
	return all, nil
}

// openTarget opens an engine and times how long it takes to the outputs of its
// first file.
func (b *bencher) openTarget(o tfmodel.Options) error {
	start := time.Now()
	e, why, err := b.opt.open(b.model, o)
	if err != nil {
		return err
	}
	t := &target{engine: e}
	b.targets = append(b.targets, t)
	if err := b.run(e, 1)(b.work.files[:1]); err != nil {
		return err
	}
	first := time.Since(start)
	t.Target = throughput.Target{
		Key:     targetKey(e, o.Precision),
		Feeders: tfmodel.Feeders(e.Device()),
		Most:    b.mostBatch(e),
		New:     func(batch int) func([][]byte) error { return b.run(e, batch) },
		Forget:  e.Forget,
		Usage:   func() throughput.Usage { return throughput.Usage(e.Usage()) },
		OutOfMemory: func(err error) bool {
			return errors.Is(err, tfmodel.ErrMemory)
		},
	}
	b.facts = append(b.facts, throughput.First(t.Key, first))
	b.opt.Monitor.log().Info("engine", "name", e.Name(), "device", e.Device(), "why", why)
	return nil
}

// run returns a function that runs up to batch files and drops their outputs.
func (b *bencher) run(e tfmodel.Engine, batch int) func([][]byte) error {
	dst := newOutputs(b.model.Layers, batch)
	return func(files [][]byte) error { return e.Run(dst, files) }
}

// mostBatch bounds the batch on a CPU, where too little memory ends the process: the
// embedded bytes of a batch, 32 for each byte of a file, may take a quarter of what
// is available.
func (b *bencher) mostBatch(e tfmodel.Engine) int {
	available := meter.AvailableMemory()
	if e.Device() != tfmodel.CPU || available == 0 {
		return 0
	}
	return max(1, int(available/4/int64(32*b.model.MaxLen)))
}

// cases returns the cases of a target: its batches from memory, the best one read
// from disk, and one file at a time. least is the least number of files of a
// repetition at the best batch.
func (b *bencher) cases(ctx context.Context, t *target, least int) ([]throughput.Case, error) {
	files := b.work.files
	var cases []throughput.Case
	batches := b.opt.Batches
	if len(batches) > 0 {
		for _, batch := range batches {
			if batch > len(files) {
				b.note("Batches of %d hold the %d files that there are: --pass gives more", batch, len(files))
			}
			cases = append(cases, t.Case(files, batch).AtLeast(b.opt.Least, least))
		}
		t.best = batches[len(batches)-1]
	} else {
		s, err := t.Sweep(ctx, files, b.opt.Least/4)
		if err != nil {
			return nil, err
		}
		t.best = s.Best
		name := strings.Replace(nameOf(t.Key), "-", " on ", 1)
		if last := s.Batches[len(s.Batches)-1]; s.End != throughput.EndGain && 2*s.Best > last {
			b.note("%s: batches end at %d, where it is fastest: %s", name, last, s.End)
		}
		if len(s.Unsteady) > 0 {
			b.note("%s: no three passes agreed within 5%% in the warm-up at batch %s: something else uses this machine", name, joinInts(s.Unsteady))
		}
		for _, batch := range s.Batches {
			if batch == s.Best {
				cases = append(cases, t.Case(files, batch).AtLeast(b.opt.Least, least))
				continue
			}
			cases = append(cases, t.Case(throughput.Some(files, batch), batch).AtLeast(b.opt.Least/4, 0))
		}
		batches = []int{s.Best}
	}
	if b.work.corpus != nil {
		for _, batch := range batches {
			cases = append(cases, b.fromDisk(t, batch, least).AtLeast(b.opt.Least, least))
		}
	}
	return append(cases, b.singleStream(t)), nil
}

// fromDisk times the extraction of the files of the corpus, without a cache. With
// fewer files than least they are read again in the same pass.
func (b *bencher) fromDisk(t *target, batch, least int) throughput.Case {
	once := b.work.split
	var split dataset.Split
	var status dataset.Status
	for len(split.Rows) < max(1, least) {
		split.Rows = append(split.Rows, once.Rows...)
		status.Files = append(status.Files, b.work.status.Files...)
	}
	v := b.work.volume
	v.Files, v.Bytes = len(split.Rows), v.Bytes*int64(len(split.Rows)/len(once.Rows))
	x := &extractor{
		engine: &forgetful{Engine: t.engine, every: int64(len(once.Rows))}, device: t.engine.Device(), places: b.work.places,
		layers: b.model.Layers, maxLen: b.model.MaxLen, batch: min(batch, len(once.Rows)),
	}
	key := append(slices.Clone(t.Key), throughput.KV{Key: "batch", Value: strconv.Itoa(batch)}, throughput.KV{Key: "read", Value: "yes"})
	return throughput.Offline(key, func(ctx context.Context) (throughput.Volume, error) {
		t.engine.Forget()
		return v, x.run(ctx, []dataset.Split{split}, []dataset.Status{status}, func(int) {}, func(extracted) {})
	}).Of(&t.Target)
}

// forgetful is an engine that forgets its files after so many, so that files that
// come again cost what they cost the first time.
type forgetful struct {
	tfmodel.Engine
	every int64
	seen  atomic.Int64
}

func (f *forgetful) Run(dst [][]float32, files [][]byte) error {
	n := int64(len(files))
	if after := f.seen.Add(n); after/f.every != (after-n)/f.every {
		f.Forget()
	}
	return f.Engine.Run(dst, files)
}

// singleStream times one file after the other, of at most as many as a CPU has in a
// pass.
func (b *bencher) singleStream(t *target) throughput.Case {
	run, next := b.run(t.engine, 1), 0
	files := b.work.files[:min(cpuFiles, len(b.work.files))]
	key := append(slices.Clone(t.Key), throughput.KV{Key: "batch", Value: "1"}, throughput.KV{Key: "read", Value: "no"})
	return throughput.SingleStream(key, files, func(_ context.Context, file []byte) error {
		if next%len(files) == 0 {
			t.engine.Forget() // every pass over the same files is timed as the first
		}
		next++
		return run([][]byte{file})
	}).AtLeast(b.opt.Least/4, 0)
}

// targetKey names a target by engine and device, and by its precision where that is
// not float32.
func targetKey(e tfmodel.Engine, p tfmodel.Precision) []throughput.KV {
	key := []throughput.KV{{Key: "engine", Value: e.Name()}, {Key: "device", Value: string(e.Device())}}
	if e.Device() == tfmodel.GPU && p == tfmodel.TF32 {
		key = append(key, throughput.KV{Key: "precision", Value: string(p)})
	}
	return key
}

// nameOf joins the values of a key.
func nameOf(key []throughput.KV) string {
	var values []string
	for _, kv := range key {
		values = append(values, kv.Value)
	}
	return strings.Join(values, "-")
}

func joinInts(x []int) string {
	var s []string
	for _, n := range x {
		s = append(s, strconv.Itoa(n))
	}
	return strings.Join(s, ", ")
}

// agree compares the outputs of the targets over the timed files, and with a corpus
// the AUROCs that follow, with those of TensorFlow on the CPU or else of the first.
func (b *bencher) agree(ctx context.Context) error {
	if len(b.targets) < 2 {
		return nil
	}
	reference := 0
	for i, t := range b.targets {
		if t.engine.Name() == "tensorflow" && t.engine.Device() == tfmodel.CPU {
			reference = i
		}
	}
	outputs := make([][][]float32, len(b.targets))
	aurocs := make([]map[string]float64, len(b.targets))
	for i, t := range b.targets {
		var err error
		if outputs[i], err = b.outputs(ctx, t); err != nil {
			return err
		}
		if b.work.corpus == nil {
			continue
		}
		if aurocs[i], err = b.work.aurocs(ctx, b.model, outputs[i]); err != nil {
			if ctx.Err() != nil {
				return err
			}
			b.note("AUROCs of the timed files are not compared: %s", firstLine(err))
			aurocs = make([]map[string]float64, len(b.targets))
			b.work.noAUROC = true
		}
	}
	from := nameOf(b.targets[reference].Key)
	for i, t := range b.targets {
		if i == reference {
			continue
		}
		for j, l := range b.model.Layers {
			b.facts = append(b.facts, throughput.Difference(t.Key, l.Name, from, len(b.work.files), largestDifference(outputs[i][j], outputs[reference][j])))
		}
		if len(aurocs[reference]) == 0 || b.work.noAUROC {
			continue
		}
		var most float64
		for name, a := range aurocs[reference] {
			most = max(most, math.Abs(aurocs[i][name]-a))
		}
		b.facts = append(b.facts, throughput.Difference(t.Key, "AUROC", from, len(b.work.files), most))
	}
	return nil
}

// firstLine is an error without what follows its first line and without semicolons,
// which part the notes of a benchmark file.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.ReplaceAll(line, ";", ",")
}

// largestDifference returns the largest difference of two outputs, as a share of the
// largest value of the reference. It is infinite where one is not finite.
func largestDifference(got, reference []float32) float64 {
	var scale, difference float64
	for i, r := range reference {
		d := math.Abs(float64(got[i]) - float64(r))
		if math.IsNaN(d) && math.Float32bits(got[i]) != math.Float32bits(r) {
			return math.Inf(1)
		}
		scale, difference = max(scale, math.Abs(float64(r))), max(difference, d)
	}
	if scale == 0 {
		return difference
	}
	return difference / scale
}

// outputs runs the timed files through a target, and returns the outputs of each
// layer, [files, width].
func (b *bencher) outputs(ctx context.Context, t *target) ([][]float32, error) {
	files := b.work.files
	all := newOutputs(b.model.Layers, len(files))
	for first := 0; first < len(files); first += t.best {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		end := min(first+t.best, len(files))
		var dst [][]float32
		for i, l := range b.model.Layers {
			dst = append(dst, all[i][first*l.Width:end*l.Width])
		}
		if err := t.engine.Run(dst, files[first:end]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// environment describes what was timed, on what, and what was not.
func (b *bencher) environment(tensorFlow string, gpu bool) []throughput.KV {
	env := append(throughput.Host(),
		throughput.KV{Key: "tensorflow", Value: tensorFlow},
		throughput.KV{Key: "model", Value: b.model.Hash},
		throughput.KV{Key: "corpus", Value: b.work.name},
		throughput.KV{Key: "files", Value: strconv.Itoa(len(b.work.files))},
		throughput.KV{Key: "gpu", Value: strings.Join(tfmodel.GPUNames(), ", ")},
		throughput.KV{Key: "no-gpu", Value: b.noGPU},
		throughput.KV{Key: "notes", Value: strings.Join(b.notes, "; ")},
	)
	missing := []string{b.meter.MissingCPU}
	if gpu {
		missing = append(missing, b.meter.MissingGPU)
	}
	missing = slices.DeleteFunc(missing, func(s string) bool { return s == "" })
	env = append(env, throughput.KV{Key: "not-read", Value: strings.Join(missing, "; ")})
	for _, d := range []tfmodel.Device{tfmodel.CPU, tfmodel.GPU} {
		if price, ok := b.opt.Prices[d]; ok {
			env = append(env, throughput.KV{Key: "price-" + string(d), Value: strconv.FormatFloat(price, 'g', -1, 64)})
		}
	}
	if b.opt.Engine.Threads > 0 {
		env = append(env, throughput.KV{Key: "threads", Value: strconv.Itoa(b.opt.Engine.Threads)})
	}
	return env
}

// timing reads bench.txt of the folder out for the report. Without that file there
// is nothing.
func timing(out string) ([]report.ThroughputRow, report.ThroughputAnswer, error) {
	path := filepath.Join(out, benchFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, report.ThroughputAnswer{}, nil
	}
	a, err := throughput.Read(path)
	if err != nil {
		return nil, report.ThroughputAnswer{}, err
	}
	var rows []report.ThroughputRow
	for _, r := range a.Curve {
		name := r.Engine
		if r.Precision != string(tfmodel.Float32) {
			name += " in " + r.Precision
		}
		rows = append(rows, report.ThroughputRow{Engine: name, Device: r.Device, Unit: r.Unit, Batch: r.Batch, Center: r.Center, Lo: r.Lo, Hi: r.Hi, N: r.N})
	}
	t := report.ThroughputAnswer{Model: a.Config["model"], Lines: a.Lines()}
	if a.Base != nil {
		t.BestCPU = a.Base.Files.Center
	}
	if lead := a.Lead(); lead != nil {
		t.AheadFrom = lead.AheadFrom
	}
	for _, given := range a.Tables() {
		out := report.ThroughputTable{Name: given.Name, Caption: given.Caption, Columns: given.Columns}
		for _, row := range given.Rows {
			var cells []report.ThroughputCell
			for _, c := range row {
				cells = append(cells, report.ThroughputCell(c))
			}
			out.Rows = append(out.Rows, cells)
		}
		t.Tables = append(t.Tables, out)
	}
	return rows, t, nil
}

// openFaster opens the engine of opt. Where neither device nor engine is asked for and
// there is a GPU, it takes the faster of GPU and CPU: by bench.txt in opt.Out, if that
// is of this model and machine, or else by a second of each.
func openFaster(m *tfmodel.Model, opt Options) (tfmodel.Engine, string, error) {
	return faster(m, opt, tfmodel.Open, func() (string, error) { return tfmodel.MissingGPU(opt.Engine) })
}

// faster is openFaster with tfmodel's functions but in tests.
func faster(m *tfmodel.Model, opt Options, open func(*tfmodel.Model, tfmodel.Options) (tfmodel.Engine, string, error), missingGPU func() (string, error)) (tfmodel.Engine, string, error) {
	o := opt.Engine
	if o.Device != "" && o.Device != tfmodel.Auto || o.Engine != "" && o.Engine != "auto" && !tfmodel.RunsOn(o.Engine, tfmodel.GPU) {
		return open(m, o)
	}
	if missing, err := missingGPU(); err != nil || missing != "" {
		return open(m, o)
	}
	if s := recorded(m, opt); s != nil {
		o.Device, o.Engine = tfmodel.Device(s.Device), s.Engine
		e, _, err := open(m, o)
		return e, "the fastest here by " + filepath.Join(opt.Out, benchFile), err
	}
	var best tfmodel.Engine
	take := func(e tfmodel.Engine) {
		if best != nil {
			best.Close()
		}
		best = e
	}
	var why []string
	var most float64
	for _, d := range []tfmodel.Device{tfmodel.GPU, tfmodel.CPU} {
		o.Device = d
		if d == tfmodel.CPU {
			o.Precision = tfmodel.Float32
		}
		e, _, err := open(m, o)
		if err != nil {
			take(nil)
			return nil, "", err
		}
		speed, err := trial(m, e)
		if err != nil {
			e.Close()
			take(nil)
			return nil, "", err
		}
		why = append(why, fmt.Sprintf("%.0f files/s on the %s", speed, d))
		if speed <= most {
			e.Close()
			continue
		}
		take(e)
		most = speed
	}
	return best, "faster in a second of each: " + strings.Join(why, ", "), nil
}

// recorded returns the fastest target of bench.txt in opt.Out that opt allows, and nil
// where there is no such file of this model and machine with both devices.
func recorded(m *tfmodel.Model, opt Options) *throughput.Speed {
	a, err := throughput.Read(filepath.Join(opt.Out, benchFile))
	if err != nil || a.Lead() == nil || a.Base == nil || a.Config["model"] != m.Hash || a.Config["gpu"] != strings.Join(tfmodel.GPUNames(), ", ") {
		return nil
	}
	for _, kv := range throughput.Host() {
		if a.Config[kv.Key] != kv.Value {
			return nil
		}
	}
	var best *throughput.Speed
	for _, s := range a.Speeds {
		switch {
		case s.Device == string(tfmodel.GPU) && s.Precision != string(cmp.Or(opt.Engine.Precision, tfmodel.Float32)):
		case opt.Engine.Engine != "" && opt.Engine.Engine != "auto" && opt.Engine.Engine != s.Engine:
		case best == nil || s.Best().Center > best.Best().Center:
			best = s
		}
	}
	return best
}

// trial returns the files/s of random files of full length in a second, after a batch
// that warms up.
func trial(m *tfmodel.Model, e tfmodel.Engine) (float64, error) {
	batch := tfmodel.SuitedBatch(e, m)
	files := randomFiles(batch, m.MaxLen)
	done := make([]int, tfmodel.Feeders(e.Device()))
	run := func() error {
		e.Forget()
		return e.Run(newOutputs(m.Layers, batch), files)
	}
	if err := run(); err != nil {
		return 0, err
	}
	var running errgroup.Group
	start := time.Now()
	for i := range done {
		running.Go(func() error {
			for time.Since(start) < time.Second {
				if err := run(); err != nil {
					return err
				}
				done[i] += batch
			}
			return nil
		})
	}
	err := running.Wait()
	var sum int
	for _, n := range done {
		sum += n
	}
	return float64(sum) / time.Since(start).Seconds(), err
}

// randomFiles returns n files of that many random bytes, the same in every run.
func randomFiles(n, length int) [][]byte {
	rng, files := rand.NewChaCha8([32]byte{1}), make([][]byte, n)
	for i := range files {
		files[i] = make([]byte, length)
		rng.Read(files[i])
	}
	return files
}

// workload holds the files that are timed, in memory and, when they come from a
// corpus, on disk. Every beginning of the list has sizes from all over it.
type workload struct {
	name    string
	files   [][]byte
	volume  throughput.Volume
	corpus  *dataset.Corpus // nil for random files
	places  *files.Places   // of the corpus
	split   dataset.Split   // the same files where they lie
	status  dataset.Status  // of them
	of      []int           // the number of the split of each
	noAUROC bool            // why not has been noted
}

// newWorkload reads opt.Files files of the corpus, evenly spread over its splits, or
// makes random ones. If that is 0 there are as many as usual or, where the corpus or
// 1 GB has fewer, a power of two, so that batches are full.
func newWorkload(ctx context.Context, opt ThroughputOptions, maxLen, usual int) (*workload, error) {
	w := &workload{name: "random"}
	const memory = 1 << 30
	count := func(there int) int {
		if opt.Files > 0 {
			return min(opt.Files, there)
		}
		n := 1
		for 2*n <= min(usual, there, max(1, memory/maxLen)) {
			n *= 2
		}
		return n
	}
	if !opt.FromCorpus() {
		w.files = randomFiles(count(math.MaxInt), maxLen)
	} else if err := w.read(ctx, opt, maxLen, count); err != nil {
		return nil, err
	}
	w.volume.Files = len(w.files)
	for _, file := range w.files {
		w.volume.Bytes += int64(len(file))
	}
	return w, nil
}

// read reads as many files of the corpus as count says.
func (w *workload) read(ctx context.Context, opt ThroughputOptions, maxLen int, count func(there int) int) error {
	c, err := loadCorpus(opt.Options)
	if err != nil {
		return err
	}
	places, status, err := checkCorpus(ctx, opt.Options, c)
	if err != nil {
		return err
	}
	w.corpus, w.places, w.name = c, places, filepath.Base(c.Dir)
	if opt.Corpus == "" {
		w.name = filepath.Base(c.IndexPath())
	}
	var all []dataset.Row
	var there []files.File
	var splits []int
	for i, s := range c.Splits.All() {
		all, there = append(all, s.Rows...), append(there, status[i].Files...)
		for range s.Rows {
			splits = append(splits, i)
		}
	}
	n := count(len(all))
	var rows []dataset.Row
	var found []files.File
	var of []int
	for i := range n {
		at := i * len(all) / n
		rows, found, of = append(rows, all[at]), append(found, there[at]), append(of, splits[at])
	}
	r := places.NewReader(ctx, found, files.ReadOptions{MaxLen: maxLen, Batch: max(1, len(rows))})
	defer r.Close()
	b, err := r.Next()
	if err == io.EOF {
		return fmt.Errorf("none of %d files of %s can be read", n, c.Dir)
	}
	if err != nil {
		return err
	}
	var sizes []int
	for _, f := range b.Files {
		sizes = append(sizes, len(f))
	}
	for _, i := range throughput.Spread(sizes) {
		w.files = append(w.files, b.Files[i]) // of the only batch, which is not released
		w.split.Rows = append(w.split.Rows, rows[b.Rows[i]])
		w.status.Files = append(w.status.Files, found[b.Rows[i]])
		w.of = append(w.of, of[b.Rows[i]])
	}
	return nil
}

// aurocs fits the detectors to the outputs of the timed files that are fit rows, and
// returns the AUROC of every detector and later split.
func (w *workload) aurocs(ctx context.Context, m *tfmodel.Model, outputs [][]float32) (map[string]float64, error) {
	man := &Manifest{}
	man.setCorpus(w.corpus)
	var timed []features.Split
	for i, split := range w.corpus.Splits.All() {
		s := features.Split{Name: split.Name}
		for j, l := range m.Layers {
			layer := features.Layer{Name: l.Name, Width: l.Width}
			for k, of := range w.of {
				if of == i {
					layer.Data = append(layer.Data, outputs[j][k*l.Width:(k+1)*l.Width]...)
				}
			}
			s.Layers = append(s.Layers, layer)
		}
		for k, r := range w.split.Rows {
			if w.of[k] == i {
				sum := sha256.Sum256(w.files[k])
				s.Rows = append(s.Rows, features.Row{Name: r.Name, Label: r.Label, FirstSeen: r.FirstSeen, Group: r.Group, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(w.files[k]))})
			}
		}
		if len(s.Rows) == 0 {
			return nil, fmt.Errorf("no file of split %s is timed", split.Name)
		}
		timed = append(timed, s)
		man.addSplit(extracted{Split: s}, len(s.Rows), split.Span)
	}
	s, err := readSplits(Options{Features: "the timed files"}, man, inMemory(timed))
	if err != nil {
		return nil, err
	}
	if err := s.score(ctx, Options{}); err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for _, name := range s.detectors.Names() {
		for _, out := range s.Out {
			all[name+" "+out.Name] = stats.AUROCOf(s.In.sample(name), out.sample(name)).Value
		}
	}
	return all, nil
}
