package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/dataset"
	"driftbench/bench/throughput"
	"driftbench/tfmodel"
)

// workload is the files that are timed, in memory and, when they come from a
// corpus, on disk.
type workload struct {
	name   string
	files  [][]byte
	volume throughput.Volume
	corpus *dataset.Corpus // nil for random files
	split  dataset.Split   // the same files on disk
}

// load reads files of the corpus, evenly spread over its splits, or makes random
// ones.
func (f *throughputFlags) load(ctx context.Context, a *app, maxLen int) (*workload, error) {
	w := &workload{name: "random"}
	if f.corpus.dir == "" {
		rng := rand.NewChaCha8([32]byte{1})
		for range f.files {
			file := make([]byte, maxLen)
			rng.Read(file)
			w.files = append(w.files, file)
		}
	} else {
		c, _, err := f.corpus.load(ctx, a)
		if err != nil {
			return nil, err
		}
		w.corpus, w.name = c, filepath.Base(c.Dir)
		var all []dataset.Row
		for _, s := range c.Splits {
			all = append(all, s.Rows...)
		}
		n := min(f.files, len(all))
		for i := range n { // spread over all splits
			w.split.Rows = append(w.split.Rows, all[i*len(all)/n])
		}
		r, err := dataset.NewReader(ctx, c.Config, w.split.Rows, dataset.ReadOptions{MaxLen: maxLen, Batch: len(w.split.Rows)})
		if err != nil {
			return nil, err
		}
		defer r.Close()
		b, err := r.Next()
		if err == io.EOF {
			return nil, fmt.Errorf("none of %d files of %s can be read", n, c.Dir)
		}
		if err != nil {
			return nil, err
		}
		w.files = b.Files // the only batch, never released
	}
	w.volume.Files = len(w.files)
	for _, file := range w.files {
		w.volume.Bytes += int64(len(file))
	}
	return w, nil
}

// cases times whole passes of x, from memory and, with a corpus, from disk.
func (w *workload) cases(x *extractor, e tfmodel.Engine) []throughput.Case {
	key := func(read string) []throughput.KV {
		return []throughput.KV{
			{Key: "engine", Value: e.Name()}, {Key: "device", Value: string(e.Device())},
			{Key: "batch", Value: strconv.Itoa(x.batch)}, {Key: "read", Value: read},
		}
	}
	outputs := make([][]float32, len(x.layers))
	for i, l := range x.layers {
		outputs[i] = make([]float32, len(w.files)*l.Width)
	}
	cases := []throughput.Case{throughput.Offline(key("no"), func(ctx context.Context) (throughput.Volume, error) {
		e.Forget()
		var running errgroup.Group
		running.SetLimit(inFlight)
		for first := 0; first < len(w.files) && ctx.Err() == nil; first += x.batch {
			end := min(first+x.batch, len(w.files))
			dst := make([][]float32, len(x.layers))
			for i, l := range x.layers {
				dst[i] = outputs[i][first*l.Width : end*l.Width]
			}
			running.Go(func() error { return x.engine.Run(dst, w.files[first:end]) })
		}
		return w.volume, errors.Join(running.Wait(), ctx.Err())
	})}
	if w.corpus != nil {
		cases = append(cases, throughput.Offline(key("yes"), func(ctx context.Context) (throughput.Volume, error) {
			e.Forget()
			err := x.run(ctx, w.corpus.Config, []dataset.Split{w.split}, nil, func(int) {}, func(completed) {})
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
	key := []throughput.KV{
		{Key: "engine", Value: e.Name()}, {Key: "device", Value: string(e.Device())},
		{Key: "batch", Value: "1"}, {Key: "read", Value: "no"},
	}
	next := 0
	return throughput.SingleStream(key, w.files, func(_ context.Context, file []byte) error {
		if next%len(w.files) == 0 {
			e.Forget()
		}
		next++
		return e.Run(dst, [][]byte{file})
	})
}
