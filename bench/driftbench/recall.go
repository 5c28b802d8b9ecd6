package main

import (
	"driftbench/bench/dataset"
	"driftbench/tfmodel/cache"
)

// recall takes the outputs of files that have not changed since they were
// cached, and returns the other rows.
func (x *extractor) recall(cfg dataset.Config, s *stream, looks []dataset.Look, progress func(int)) (left []place) {
	for i, p := range s.parts {
		if x.cache == nil || looks == nil {
			for row := range p.wanted {
				left = append(left, place{i, row})
			}
			continue
		}
		const most = 4096 // rows a transaction, since other processes wait for it
		for first := 0; first < len(p.wanted); first += most {
			end := min(first+most, len(p.wanted))
			versions := looks[i].Versions[first:end]
			dst := s.room(end - first)
			keys, missing := x.cache.Recall(dst, x.files(cfg, p.wanted[first:end], versions))
			s.recalled(i, first, dst, keys, versions, missing)
			for _, row := range missing {
				left = append(left, place{i, first + row})
			}
			progress(end - first - len(missing))
		}
	}
	return left
}

// files are the files of rows as the cache knows them.
func (x *extractor) files(cfg dataset.Config, rows []dataset.Row, versions []dataset.Version) []cache.File {
	files := make([]cache.File, len(rows))
	for i, row := range rows {
		files[i] = cache.File{Path: cfg.Path(row), Head: x.maxLen, Version: cache.Version(versions[i])}
	}
	return files
}
