package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/tfmodel"
	"driftbench/tfmodel/cache"
)

// extractor turns the files of a corpus into features.
type extractor struct {
	engine tfmodel.Engine
	cache  *cache.Cache // nil keeps nothing
	layers []tfmodel.Layer
	maxLen int
	batch  int
}

// inFlight is how many batches are at the engine at a time: one runs while
// the next is copied into its tensor. As many more are being stored, since a
// disk takes its time.
const inFlight = 2

// run extracts the splits, as one stream of files, so that the engine waits at
// no border between two. done is called with each split, in order, when it is
// complete and the next may be under way; progress with the number of rows done.
// Files that are still as looks has them are not read if the cache has their
// outputs; nil looks have none of them.
func (x *extractor) run(ctx context.Context, cfg dataset.Config, splits []dataset.Split, looks []dataset.Look, progress func(int), done func(completed)) error {
	s := newStream(x.layers, splits, done)
	cfg, err := cfg.Absolute() // the cache wants paths that mean the same everywhere
	if err != nil {
		return err
	}
	left := x.recall(cfg, s, looks, progress)
	if len(left) == 0 {
		return nil
	}
	rows := make([]dataset.Row, len(left))
	for i, at := range left {
		rows[i] = s.row(at)
	}
	running, ctx := errgroup.WithContext(ctx)
	running.SetLimit(2 * inFlight)
	r, err := dataset.NewReader(ctx, cfg, rows, dataset.ReadOptions{MaxLen: x.maxLen, Batch: x.batch, Ahead: inFlight})
	if err != nil {
		return err
	}
	defer r.Close()
	seen := 0 // dropped rows
	for {
		b, err := r.Next()
		if err != nil && err != io.EOF {
			return cmp.Or(running.Wait(), err) // a batch's failure stops the reader too
		}
		dropped := r.Dropped()
		s.drop(left, dropped[seen:])
		progress(len(dropped) - seen)
		seen = len(dropped)
		if err == io.EOF {
			return running.Wait()
		}
		files := x.files(cfg, pick(rows, b.Rows), b.Version)
		at, keys, sizes := pick(left, b.Rows), slices.Clone(b.SHA256), slices.Clone(b.Size)
		running.Go(func() error {
			release := sync.OnceFunc(b.Release)
			defer release()
			dst := s.room(len(at))
			computed, err := x.cache.Run(dst, keys, b.Files, files, func(dst [][]float32, contents [][]byte) error {
				defer release() // the next files are read while these are stored
				return x.engine.Run(dst, contents)
			})
			if err != nil {
				return err
			}
			s.deliver(at, keys, sizes, dst, computed)
			progress(len(at))
			return nil
		})
	}
}

func pick[T any](from []T, numbers []int) []T {
	to := make([]T, len(numbers))
	for i, n := range numbers {
		to[i] = from[n]
	}
	return to
}

// extraction is what `driftbench extract` made.
type extraction struct {
	dir     string           // of the features
	splits  []features.Split // as in the corpus; their layers are in dir alone
	dropped [][]dataset.Dropped
	seconds float64
}

// extractAll extracts every split and writes each into out/features as soon
// as it is complete.
func (a *app) extractAll(ctx context.Context, c *dataset.Corpus, looks []dataset.Look, x *extractor, out string) (*extraction, error) {
	start := time.Now()
	dir := filepath.Join(out, "features")
	// Features are about to be replaced: the manifest of those before is not
	// true of them.
	if err := os.Remove(filepath.Join(out, "manifest.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil { // once, not by each of its files
		return nil, err
	}
	var written atomic.Int32
	a.kept = func() string {
		kept := fmt.Sprintf("%d of %d splits are complete in %s.", written.Load(), len(c.Splits), dir)
		if x.cache != nil {
			kept += " What was computed is cached: the same command goes on from there."
		}
		return kept
	}
	var rows int
	for _, s := range c.Splits {
		rows += len(s.Rows)
	}
	a.startProgress("reading and extracting", rows, "files")
	defer a.closeProgress()

	made := &extraction{dir: dir}
	writing, ctx := errgroup.WithContext(ctx)
	err := x.run(ctx, c.Config, c.Splits, looks, a.advance, func(e completed) {
		made.splits = append(made.splits, features.Split{Name: e.Name, Rows: e.Rows})
		made.dropped = append(made.dropped, e.dropped)
		said := []any{"split", e.Name, "files", len(e.Rows), "dropped", len(e.dropped), "cached", e.cached}
		if len(e.dropped) > 0 { // a disk may fail after the files were looked at
			said = append(said, "first", e.dropped[0].String())
		}
		a.log.Info("extracted", said...)
		writing.Go(func() error {
			err := features.Write(dir, e.Split)
			if err == nil {
				written.Add(1)
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
	made.seconds = time.Since(start).Seconds()
	return made, nil
}
