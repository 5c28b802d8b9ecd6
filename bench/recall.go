package main

import (
	"context"

	"driftbench/bench/dataset"
	"driftbench/tfmodel/cache"
)

// recall takes the outputs of files that have not changed since they were
// cached, and returns the other rows.
func (x *extractor) recall(ctx context.Context, cfg dataset.Config, s *stream, progress func(int)) (left []place, err error) {
	const most = 4096 // rows a transaction, since other processes wait for it
	for part, p := range s.parts {
		for first := 0; first < len(p.rows); first += most {
			rows := p.rows[first:min(first+most, len(p.rows))]
			missing, err := x.recallRows(ctx, cfg, s, part, first, rows)
			if err != nil {
				return nil, err
			}
			for _, i := range missing {
				left = append(left, place{part, first + i})
			}
			progress(len(rows) - len(missing))
		}
	}
	return left, nil
}

// recallRows recalls rows, those of a part from first on, and returns the
// numbers of the others.
func (x *extractor) recallRows(ctx context.Context, cfg dataset.Config, s *stream, part, first int, rows []dataset.Row) ([]int, error) {
	if x.cache == nil {
		return numbers(len(rows)), nil
	}
	versions, err := cfg.Versions(ctx, rows)
	if err != nil {
		return nil, err
	}
	files, err := x.files(cfg, rows, versions)
	if err != nil {
		return nil, err
	}
	dst := s.room(len(rows))
	keys, missing := x.cache.Recall(dst, files)
	s.recalled(part, first, dst, keys, versions, missing)
	return missing, nil
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
