package main

import (
	"context"
	"encoding/hex"
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

// extractor turns the files of a split into features.
type extractor struct {
	engine engine
	cache  *cache.Cache // nil keeps nothing
	layers []tfmodel.Layer
	maxLen int
	batch  int

	found atomic.Int64 // files whose outputs were in the cache, in this split
}

// inFlight is how many batches are at the engine at a time: one runs while
// the next is copied into its tensor.
const inFlight = 2

// split extracts one split. Rows whose file cannot be read are left out of
// the features, with their label, and returned. progress is called with the
// number of rows done.
func (x *extractor) split(ctx context.Context, c *dataset.Corpus, s dataset.Split, progress func(int)) (features.Split, []dataset.Dropped, error) {
	r, err := dataset.NewReader(ctx, c.Config, s.Rows, dataset.ReadOptions{MaxLen: x.maxLen, Batch: x.batch, Ahead: inFlight + 1})
	if err != nil {
		return features.Split{}, nil, err
	}
	defer r.Close()

	out := features.Split{Name: s.Name}
	for _, l := range x.layers {
		out.Layers = append(out.Layers, features.Layer{Name: l.Name, Width: l.Width, Data: make([]float32, len(s.Rows)*l.Width)})
	}
	var running errgroup.Group
	running.SetLimit(inFlight)
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			running.Wait()
			return features.Split{}, nil, err
		}
		first, n := len(out.Rows), len(b.Rows)
		dst := make([][]float32, len(out.Layers))
		for i, l := range out.Layers {
			dst[i] = l.Data[first*l.Width : (first+n)*l.Width]
		}
		for i, row := range b.Rows {
			out.Rows = append(out.Rows, features.Row{
				Name:      s.Rows[row].Name,
				Label:     s.Rows[row].Label,
				FirstSeen: s.Rows[row].FirstSeen,
				SHA256:    hex.EncodeToString(b.SHA256[i][:]),
				Size:      b.Size[i],
			})
		}
		running.Go(func() error {
			defer b.Release()
			found, err := x.cache.Run(dst, b.SHA256, b.Files, x.engine.Run)
			if err != nil {
				return err
			}
			x.found.Add(int64(found))
			progress(n)
			return nil
		})
	}
	if err := running.Wait(); err != nil {
		return features.Split{}, nil, err
	}
	for i := range out.Layers {
		l := &out.Layers[i]
		l.Data = l.Data[:len(out.Rows)*l.Width]
	}
	return out, r.Dropped(), nil
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
	done := new(extraction)
	a.kept = func() string {
		kept := fmt.Sprintf("%d of %d splits are complete in %s.", len(done.splits), len(c.Splits), dir)
		if x.cache != nil {
			kept += " What was computed is cached: the same command goes on from there."
		}
		return kept
	}
	for _, s := range c.Splits {
		a.startProgress("reading and extracting "+s.Name, len(s.Rows), "files")
		f, dropped, err := x.split(ctx, c, s, a.advance)
		if err != nil {
			return nil, fmt.Errorf("extracting split %s: %w", s.Name, err)
		}
		if err := features.Write(dir, f); err != nil {
			return nil, err
		}
		done.splits = append(done.splits, f)
		done.dropped = append(done.dropped, dropped)
		a.log.Info("extracted", "split", s.Name, "files", len(f.Rows), "dropped", len(dropped), "cached", x.found.Swap(0))
	}
	a.closeProgress()
	done.seconds = time.Since(start).Seconds()
	return done, nil
}
