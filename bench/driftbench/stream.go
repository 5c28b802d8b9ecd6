package main

import (
	"encoding/hex"
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

// stream gathers the outputs of the rows of all splits, which come in any
// order. A split is done when each of its rows has its outputs or was dropped,
// and all splits before it are done. The features of a split take memory from
// its first outputs until it is done: those of one or two splits, or of all
// where some outputs of each are recalled.
type stream struct {
	layers []tfmodel.Layer

	mu    sync.Mutex // of what follows
	parts []part
	next  int // the first split that is not done
	done  func(completed)
}

// part is one split of a stream.
type part struct {
	completed // its Rows and Layers have all rows until the split is done
	wanted    []dataset.Row
	open      int // rows with neither outputs nor a reason to be dropped
}

// place is a row of a part.
type place struct{ part, row int }

func newStream(layers []tfmodel.Layer, splits []dataset.Split, done func(completed)) *stream {
	s := &stream{layers: layers, done: done}
	for _, split := range splits {
		p := part{wanted: split.Rows, open: len(split.Rows)}
		p.Name = split.Name
		s.parts = append(s.parts, p)
	}
	s.settle()
	return s
}

func (s *stream) row(at place) dataset.Row { return s.parts[at.part].wanted[at.row] }

// begin gives a part its memory.
func (s *stream) begin(i int) *part {
	p := &s.parts[i]
	if p.Rows == nil {
		p.Rows = make([]features.Row, len(p.wanted))
		for _, l := range s.layers {
			p.Layers = append(p.Layers, features.Layer{Name: l.Name, Width: l.Width, Data: make([]float32, len(p.wanted)*l.Width)})
		}
	}
	return p
}

// room is memory for the outputs of n rows.
func (s *stream) room(n int) [][]float32 {
	room := make([][]float32, len(s.layers))
	for i, l := range s.layers {
		room[i] = make([]float32, n*l.Width)
	}
	return room
}

// recalled takes outputs for the rows of the part of that number from first
// on: those that are not among missing, numbers after first, ascending.
func (s *stream) recalled(number, first int, outputs [][]float32, keys []cache.Key, versions []dataset.Version, missing []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, key := range keys {
		if len(missing) > 0 && missing[0] == i {
			missing = missing[1:]
			continue
		}
		s.set(place{number, first + i}, key, versions[i].Size(), outputs, i)
		s.parts[number].cached++
	}
	s.settle()
}

// deliver takes the outputs of files just read, at those places; computed are the numbers within it of
// those that were not in the cache.
func (s *stream) deliver(at []place, keys []cache.Key, sizes []int64, outputs [][]float32, computed []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range at {
		s.set(at[i], keys[i], sizes[i], outputs, i)
		s.parts[at[i].part].cached++
	}
	for _, i := range computed {
		s.parts[at[i].part].cached--
	}
	s.settle()
}

// set gives a row what is known of its file, and row i of outputs.
func (s *stream) set(at place, sum [32]byte, size int64, outputs [][]float32, i int) {
	p, r := s.begin(at.part), s.row(at)
	p.open--
	p.Rows[at.row] = features.Row{Name: r.Name, Label: r.Label, FirstSeen: r.FirstSeen, SHA256: hex.EncodeToString(sum[:]), Size: size}
	for j, l := range p.Layers {
		copy(l.Data[at.row*l.Width:(at.row+1)*l.Width], outputs[j][i*l.Width:])
	}
}

// drop takes what a reader of those rows dropped.
func (s *stream) drop(at []place, dropped []dataset.Dropped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range dropped {
		p := &s.parts[at[d.Number].part]
		p.open--
		p.dropped = append(p.dropped, d)
	}
	s.settle()
}

// settle is done with the splits that are complete.
func (s *stream) settle() {
	for ; s.next < len(s.parts) && s.parts[s.next].open == 0; s.next++ {
		p := s.begin(s.next)
		p.closeUp()
		s.done(p.completed)
		p.completed = completed{}
	}
}

// closeUp leaves out the rows that have no outputs.
func (p *part) closeUp() {
	n := 0
	for row, r := range p.Rows {
		if r.SHA256 == "" {
			continue
		}
		p.Rows[n] = r
		for _, l := range p.Layers {
			copy(l.Data[n*l.Width:(n+1)*l.Width], l.Data[row*l.Width:(row+1)*l.Width])
		}
		n++
	}
	p.Rows = p.Rows[:n]
	for i, l := range p.Layers {
		p.Layers[i].Data = l.Data[:n*l.Width]
	}
}
