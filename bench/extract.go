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
	engine engine
	cache  *cache.Cache // nil keeps nothing
	layers []tfmodel.Layer
	maxLen int
	batch  int
}

// inFlight is how many batches are at the engine at a time: one runs while
// the next is copied into its tensor.
const inFlight = 2

// run extracts the splits, as one stream of files, so that the engine waits at
// no border between two. done is called with each split, in order, when it is
// complete and the next may be under way; progress with the number of rows done.
func (x *extractor) run(ctx context.Context, cfg dataset.Config, splits []dataset.Split, progress func(int), done func(completed)) error {
	s := newStream(x.layers, splits, done)
	rows, err := x.recall(ctx, cfg, s)
	if err != nil {
		return err
	}
	progress(len(s.rows) - len(rows))
	if len(rows) == 0 {
		return nil
	}
	running, ctx := errgroup.WithContext(ctx)
	running.SetLimit(inFlight)
	r, err := dataset.NewReader(ctx, cfg, pick(s.rows, rows), dataset.ReadOptions{MaxLen: x.maxLen, Batch: x.batch, Ahead: inFlight + 1})
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
		s.drop(rows, dropped[seen:])
		progress(len(dropped) - seen)
		seen = len(dropped)
		if err == io.EOF {
			return running.Wait()
		}
		running.Go(func() error {
			defer b.Release()
			batch := pick(rows, b.Rows)
			dst := make([][]float32, len(x.layers))
			for i, l := range x.layers {
				dst[i] = make([]float32, len(batch)*l.Width)
			}
			files, err := x.files(cfg, pick(s.rows, batch), b.Version)
			if err != nil {
				return err
			}
			computed, err := x.cache.Run(dst, b.SHA256, b.Files, files, x.engine.Run)
			if err != nil {
				return err
			}
			s.deliver(batch, b, dst, computed)
			progress(len(batch))
			return nil
		})
	}
}

// recall takes the outputs of files that have not changed since they were
// cached, and returns the numbers of the other rows, ascending.
func (x *extractor) recall(ctx context.Context, cfg dataset.Config, s *stream) ([]int, error) {
	var left []int
	if x.cache == nil {
		for row := range s.rows {
			left = append(left, row)
		}
		return left, nil
	}
	const most = 4096 // rows a transaction, since other processes wait for it
	for first := 0; first < len(s.rows); first += most {
		rows := s.rows[first:min(first+most, len(s.rows))]
		versions, err := cfg.Versions(ctx, rows)
		if err != nil {
			return nil, err
		}
		files, err := x.files(cfg, rows, versions)
		if err != nil {
			return nil, err
		}
		dst := make([][]float32, len(s.layers))
		for i, l := range s.layers {
			dst[i] = l.Data[first*l.Width : (first+len(rows))*l.Width]
		}
		keys, missing := x.cache.Recall(dst, files)
		s.recalled(first, keys, versions, missing)
		for _, i := range missing {
			left = append(left, first+i)
		}
	}
	return left, nil
}

// files are the files of rows as the cache knows them.
func (x *extractor) files(cfg dataset.Config, rows []dataset.Row, versions []dataset.Version) ([]cache.File, error) {
	paths, err := cfg.Paths(rows)
	if err != nil {
		return nil, err
	}
	files := make([]cache.File, len(rows))
	for i := range files {
		files[i] = cache.File{Path: paths[i], Head: x.maxLen, Version: cache.Version(versions[i])}
	}
	return files, nil
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
	splits  []features.Split // as in the corpus
	dropped [][]dataset.Dropped
	seconds float64
}

// extractAll extracts every split and writes each into out/features as soon
// as it is complete.
func (a *app) extractAll(ctx context.Context, c *dataset.Corpus, x *extractor, out string) (*extraction, error) {
	start := time.Now()
	dir := filepath.Join(out, "features")
	// Features are about to be replaced: the manifest of those before is not
	// true of them.
	if err := os.Remove(filepath.Join(out, "manifest.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
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

	made := new(extraction)
	writing, ctx := errgroup.WithContext(ctx)
	err := x.run(ctx, c.Config, c.Splits, a.advance, func(e completed) {
		made.splits = append(made.splits, e.Split)
		made.dropped = append(made.dropped, e.dropped)
		a.log.Info("extracted", "split", e.Name, "files", len(e.Rows), "dropped", len(e.dropped), "cached", e.cached)
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
