package main

import (
	"cmp"
	"encoding/hex"
	"slices"
	"sync"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/tfmodel"
	"driftbench/tfmodel/cache"
)

// completed is a split with its features. Rows whose file cannot be read are
// left out of them, with their label.
type completed struct {
	features.Split
	dropped []dataset.Dropped
	cached  int // rows whose outputs were in the cache
}

// stream is the rows of all splits, one split after the other. Outputs come in
// any order; a split is done when each of its rows has its outputs or was
// dropped, and all splits before it are done.
type stream struct {
	rows   []dataset.Row
	meta   []features.Row // of rows; the zero Row until there are outputs
	layers []features.Layer

	mu     sync.Mutex // of what follows
	splits []part
	next   int // the first split that is not done
	done   func(completed)
}

// part is one split of a stream.
type part struct {
	completed
	from, to int // rows
	open     int // rows with neither outputs nor a reason to be dropped
}

func newStream(layers []tfmodel.Layer, splits []dataset.Split, done func(completed)) *stream {
	s := &stream{done: done}
	for _, split := range splits {
		p := part{from: len(s.rows), open: len(split.Rows)}
		p.Name = split.Name
		s.rows = append(s.rows, split.Rows...)
		p.to = len(s.rows)
		s.splits = append(s.splits, p)
	}
	s.meta = make([]features.Row, len(s.rows))
	for _, l := range layers {
		s.layers = append(s.layers, features.Layer{Name: l.Name, Width: l.Width, Data: make([]float32, len(s.rows)*l.Width)})
	}
	s.settle()
	return s
}

// recalled takes the rows from first on whose outputs recall has put in their
// place; missing are the numbers after first of the others, ascending.
func (s *stream) recalled(first int, keys []cache.Key, versions []dataset.Version, missing []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, key := range keys {
		if len(missing) > 0 && missing[0] == i {
			missing = missing[1:]
			continue
		}
		s.set(first+i, key, versions[i].Size())
		p := s.partOf(first + i)
		p.open--
		p.cached++
	}
	s.settle()
}

// deliver takes the outputs of rows, a batch as it was read; computed are the
// numbers within it of those that were not in the cache.
func (s *stream) deliver(rows []int, b *dataset.Batch, outputs [][]float32, computed []int) {
	for i, row := range rows {
		s.set(row, b.SHA256[i], b.Size[i])
		for j, l := range s.layers {
			copy(l.Data[row*l.Width:(row+1)*l.Width], outputs[j][i*l.Width:])
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range rows {
		p := s.partOf(row)
		p.open--
		p.cached++
	}
	for _, i := range computed {
		s.partOf(rows[i]).cached--
	}
	s.settle()
}

// set gives a row what is known of its file. It is for whoever has the row.
func (s *stream) set(row int, sum [32]byte, size int64) {
	r := s.rows[row]
	s.meta[row] = features.Row{Name: r.Name, Label: r.Label, FirstSeen: r.FirstSeen, SHA256: hex.EncodeToString(sum[:]), Size: size}
}

// drop takes what a reader of those rows dropped.
func (s *stream) drop(rows []int, dropped []dataset.Dropped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range dropped {
		p := s.partOf(rows[d.Number])
		p.open--
		p.dropped = append(p.dropped, d)
	}
	s.settle()
}

func (s *stream) partOf(row int) *part {
	i, _ := slices.BinarySearchFunc(s.splits, row, func(p part, row int) int {
		return cmp.Compare(p.to, row+1) // of two that end alike, the first is not empty
	})
	return &s.splits[i]
}

// settle is done with the splits that are complete.
func (s *stream) settle() {
	for ; s.next < len(s.splits) && s.splits[s.next].open == 0; s.next++ {
		p := &s.splits[s.next]
		s.collect(p)
		s.done(p.completed)
	}
}

// collect gives a part its rows and outputs, with those of dropped rows
// closed up.
func (s *stream) collect(p *part) {
	p.Rows = s.meta[p.from:p.from:p.to]
	for _, l := range s.layers {
		p.Layers = append(p.Layers, features.Layer{Name: l.Name, Width: l.Width, Data: l.Data[p.from*l.Width : p.from*l.Width : p.to*l.Width]})
	}
	for row := p.from; row < p.to; row++ {
		if s.meta[row].SHA256 == "" {
			continue
		}
		p.Rows = append(p.Rows, s.meta[row])
		for i, l := range s.layers {
			p.Layers[i].Data = append(p.Layers[i].Data, l.Data[row*l.Width:(row+1)*l.Width]...)
		}
	}
}
