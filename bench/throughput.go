package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/dataset"
	"driftbench/bench/files"
	"driftbench/bench/throughput"
	"driftbench/report"
	"driftbench/tfmodel"
)

// benchFile holds the repetitions of a throughput measurement, beside the
// results of a run.
const benchFile = "bench.txt"

// ThroughputOptions says what [Throughput] times.
type ThroughputOptions struct {
	// Options gives the model, the engine's options other than its name and
	// device, the output folder, and the corpus whose files are timed. Without
	// a corpus the files are random and of full length.
	Options
	Engines []string      // names of engines; none is tensorflow and table
	Devices []string      // none is cpu and gpu
	Batches []int         // files a batch; none is 1, 8 and 32
	Count   int           // repetitions of every case; 0 is 10
	Files   int           // files a pass; 0 is 64
	Least   time.Duration // of a repetition; 0 is 200 ms
}

// setDefaults fills in the zero values, and refuses negative numbers.
func (o *ThroughputOptions) setDefaults() error {
	if len(o.Engines) == 0 {
		o.Engines = []string{"tensorflow", "table"}
	}
	if len(o.Devices) == 0 {
		o.Devices = []string{string(tfmodel.CPU), string(tfmodel.GPU)}
	}
	if len(o.Batches) == 0 {
		o.Batches = []int{1, 8, 32}
	}
	o.Count, o.Files, o.Least = cmp.Or(o.Count, 10), cmp.Or(o.Files, 64), cmp.Or(o.Least, 200*time.Millisecond)
	for _, n := range append([]int{o.Count, o.Files}, o.Batches...) {
		if n < 1 {
			return optionErrorf("batch", ", --count and --files want numbers of 1 or more, not %d", n)
		}
	}
	return nil
}

// Measurement is what [Throughput] has measured.
type Measurement struct {
	File   string   // holds the repetitions in the Go benchmark format
	Absent []string // devices that are not there, a sentence each
}

// Throughput times whole passes over files and single files with every engine
// on every device that can serve the model, for every batch size, in
// interleaved rounds. It writes the repetitions to bench.txt in opt.Out.
func Throughput(ctx context.Context, opt ThroughputOptions) (*Measurement, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	unlock, err := openOut(opt.Out)
	if err != nil {
		return nil, err
	}
	defer unlock()
	model, err := tfmodel.Inspect(opt.Model)
	if err != nil {
		return nil, err
	}
	work, err := newWorkload(ctx, opt, model.MaxLen)
	if err != nil {
		return nil, err
	}
	if w := work.places; w != nil {
		defer w.Close()
	}
	m := &Measurement{File: filepath.Join(opt.Out, benchFile)}
	var cases []throughput.Case
	for _, device := range opt.Devices {
		if tfmodel.Device(device) == tfmodel.GPU {
			why, err := tfmodel.MissingGPU()
			if err != nil {
				return nil, err
			}
			if why != "" {
				m.Absent = append(m.Absent, "no GPU rows: "+why)
				continue
			}
		}
		for _, name := range opt.Engines {
			o := opt.Engine
			if o.Engine = name; o.Check() == nil && !tfmodel.RunsOn(name, tfmodel.Device(device)) {
				continue // such as a native engine on a GPU
			}
			o.Device = tfmodel.Device(device)
			if err := o.Check(); err != nil {
				return nil, err
			}
			e, why, err := tfmodel.Open(model, o)
			if err != nil {
				return nil, err
			}
			defer e.Close()
			opt.Monitor.log().Info("engine", "name", e.Name(), "device", e.Device(), "why", why)
			for _, batch := range opt.Batches {
				x := &extractor{engine: e, places: work.places, layers: model.Layers, maxLen: model.MaxLen, batch: batch}
				cases = append(cases, work.cases(x, e)...)
			}
			cases = append(cases, work.singleStream(model, e))
		}
	}
	if len(cases) == 0 {
		return nil, errors.New("nothing to time: " + strings.Join(m.Absent, "; "))
	}
	opt.Monitor.stage("timing", opt.Count*len(cases), "repetitions")
	reps, err := throughput.Measure(ctx, cases, throughput.Options{
		Rounds: opt.Count, Least: opt.Least, Seed: 1,
		Progress: func(int, int) { opt.Monitor.advance(1) },
	})
	if err != nil {
		return nil, err
	}
	version, err := tfmodel.Version()
	if err != nil {
		return nil, err
	}
	return m, throughput.WriteFile(m.File, environment(opt, model, version, work), reps)
}

// environment describes what was timed, and on what.
func environment(opt ThroughputOptions, m *tfmodel.Model, tensorFlow string, w *workload) []throughput.KV {
	env := append(throughput.Host(),
		throughput.KV{Key: "tensorflow", Value: tensorFlow},
		throughput.KV{Key: "model", Value: m.Hash},
		throughput.KV{Key: "corpus", Value: w.name},
		throughput.KV{Key: "files", Value: strconv.Itoa(len(w.files))},
		throughput.KV{Key: "gpu", Value: strings.Join(tfmodel.GPUNames(), ", ")},
	)
	if opt.Engine.Threads > 0 {
		env = append(env, throughput.KV{Key: "threads", Value: strconv.Itoa(opt.Engine.Threads)})
	}
	return env
}

// throughputRows reads bench.txt of the folder out for the report. There are no
// rows without that file.
func throughputRows(out string) ([]report.ThroughputRow, error) {
	path := filepath.Join(out, benchFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	summaries, err := throughput.Summaries(path)
	if err != nil {
		return nil, err
	}
	var rows []report.ThroughputRow
	for _, s := range summaries {
		rows = append(rows, report.ThroughputRow{
			Engine: s.Engine, Device: s.Device, Scenario: s.Scenario, Unit: s.Unit,
			Batch: s.Batch, Reading: s.Read, Center: s.Center, Lo: s.Lo, Hi: s.Hi, N: s.N,
		})
	}
	return rows, nil
}

// workload holds the files that are timed, in memory and, when they come from a
// corpus, on disk.
type workload struct {
	name   string
	files  [][]byte
	volume throughput.Volume
	places *files.Places // nil for random files
	split  dataset.Split // the same files where they lie
	status dataset.Status
}

// newWorkload reads files of the corpus, evenly spread over its splits, or makes
// random ones.
func newWorkload(ctx context.Context, opt ThroughputOptions, maxLen int) (*workload, error) {
	w := &workload{name: "random"}
	if !opt.FromCorpus() {
		rng := rand.NewChaCha8([32]byte{1})
		for range opt.Files {
			file := make([]byte, maxLen)
			rng.Read(file)
			w.files = append(w.files, file)
		}
	} else {
		c, err := loadCorpus(opt.Options)
		if err != nil {
			return nil, err
		}
		places, status, err := checkCorpus(ctx, opt.Options, c)
		if err != nil {
			return nil, err
		}
		w.places, w.name = places, filepath.Base(c.Dir)
		if opt.Corpus == "" {
			w.name = filepath.Base(c.IndexPath())
		}
		var all []dataset.Row
		var found []files.File
		for i, s := range c.Splits.All() {
			all, found = append(all, s.Rows...), append(found, status[i].Files...)
		}
		n := min(opt.Files, len(all))
		for i := range n { // spread over all splits
			w.split.Rows = append(w.split.Rows, all[i*len(all)/n])
			w.status.Files = append(w.status.Files, found[i*len(all)/n])
		}
		r := places.NewReader(ctx, w.status.Files, files.ReadOptions{MaxLen: maxLen, Batch: n})
		defer r.Close()
		b, err := r.Next()
		if err == io.EOF {
			return nil, fmt.Errorf("none of %d files of %s can be read", n, c.Dir)
		}
		if err != nil {
			return nil, err
		}
		w.files = b.Files // of the only batch, which is not released
	}
	w.volume.Files = len(w.files)
	for _, file := range w.files {
		w.volume.Bytes += int64(len(file))
	}
	return w, nil
}

// cases times whole passes of x with its engine e, from memory and, with a corpus, from disk.
func (w *workload) cases(x *extractor, e tfmodel.Engine) []throughput.Case {
	outputs := make([][]float32, len(x.layers))
	for i, l := range x.layers {
		outputs[i] = make([]float32, len(w.files)*l.Width)
	}
	cases := []throughput.Case{throughput.Offline(caseKey(e, x.batch, "no"), func(ctx context.Context) (throughput.Volume, error) {
		e.Forget() // every pass over the same files is timed as the first
		var running errgroup.Group
		running.SetLimit(inFlight)
		for first := 0; first < len(w.files) && ctx.Err() == nil; first += x.batch {
			end := min(first+x.batch, len(w.files))
			dst := make([][]float32, len(x.layers))
			for i, l := range x.layers {
				dst[i] = outputs[i][first*l.Width : end*l.Width]
			}
			running.Go(func() error { return e.Run(dst, w.files[first:end]) })
		}
		return w.volume, errors.Join(running.Wait(), ctx.Err())
	})}
	if w.places != nil {
		cases = append(cases, throughput.Offline(caseKey(e, x.batch, "yes"), func(ctx context.Context) (throughput.Volume, error) {
			e.Forget()
			err := x.run(ctx, []dataset.Split{w.split}, []dataset.Status{w.status}, func(int) {}, func(extracted) {})
			return w.volume, err
		}))
	}
	return cases
}

// singleStream times one file after the other.
func (w *workload) singleStream(m *tfmodel.Model, e tfmodel.Engine) throughput.Case {
	dst := make([][]float32, len(m.Layers))
	for i, l := range m.Layers {
		dst[i] = make([]float32, l.Width)
	}
	next := 0
	return throughput.SingleStream(caseKey(e, 1, "no"), w.files, func(_ context.Context, file []byte) error {
		if next%len(w.files) == 0 {
			e.Forget()
		}
		next++
		return e.Run(dst, [][]byte{file})
	})
}

// caseKey names a case by engine, device, batch size and whether files are read
// from disk.
func caseKey(e tfmodel.Engine, batch int, read string) []throughput.KV {
	return []throughput.KV{
		{Key: "engine", Value: e.Name()}, {Key: "device", Value: string(e.Device())},
		{Key: "batch", Value: strconv.Itoa(batch)}, {Key: "read", Value: read},
	}
}
