package bench

import (
	"encoding/hex"
	"sync"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/internal/regular"
	"driftbench/tfmodel"
	"driftbench/tfmodel/cache"
)

// extracted is a split with its features. Rows whose file cannot be read are
// left out.
type extracted struct {
	features.Split
	dropped []dataset.Dropped
	cached  int // rows whose features were in the cache
}

// stream gathers the outputs of the rows of all splits, which come in any
// order. A split is done when each of its rows has its outputs or was dropped,
// and all splits before it are done. The features of a split take memory from
// its first outputs until it is done: those of one or two splits at a time, or
// of all splits where some outputs of each were cached.
type stream struct {
	layers []tfmodel.Layer

	mu    sync.Mutex // of what follows
	parts []part
	next  int // the first split that is not done
	done  func(extracted)
}

// part is one split of a stream.
type part struct {
	extracted // its Rows and Layers have all rows until the split is done
	wanted    []dataset.Row
	open      int // rows with neither outputs nor a reason to be dropped
}

// position is a row of a part.
type position struct{ part, row int }

func newStream(layers []tfmodel.Layer, splits []dataset.Split, done func(extracted)) *stream {
	s := &stream{layers: layers, done: done}
	for _, split := range splits {
		p := part{wanted: split.Rows, open: len(split.Rows)}
		p.Name = split.Name
		s.parts = append(s.parts, p)
	}
	s.finish()
	return s
}

func (s *stream) row(at position) dataset.Row { return s.parts[at.part].wanted[at.row] }

// allocate gives a part its memory.
func (s *stream) allocate(i int) *part {
	p := &s.parts[i]
	if p.Rows == nil {
		p.Rows = make([]features.Row, len(p.wanted))
		for _, l := range s.layers {
			p.Layers = append(p.Layers, features.Layer{Name: l.Name, Width: l.Width, Data: make([]float32, len(p.wanted)*l.Width)})
		}
	}
	return p
}

// outputs allocates the outputs of n rows, one slice a layer.
func (s *stream) outputs(n int) [][]float32 {
	dst := make([][]float32, len(s.layers))
	for i, l := range s.layers {
		dst[i] = make([]float32, n*l.Width)
	}
	return dst
}

// deliverCached stores cached outputs of the rows of a part from first on.
// missing are the numbers after first, ascending, of the rows that have none.
func (s *stream) deliverCached(number, first int, outputs [][]float32, keys []cache.Key, versions []regular.Version, missing []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, key := range keys {
		if len(missing) > 0 && missing[0] == i {
			missing = missing[1:]
			continue
		}
		s.set(position{number, first + i}, key, versions[i].Size(), outputs, i)
		s.parts[number].cached++
	}
	s.finish()
}

// deliver stores the outputs of files that were read, for the rows at those
// positions. computed are the numbers within at of those that were not cached.
func (s *stream) deliver(at []position, keys []cache.Key, sizes []int64, outputs [][]float32, computed []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range at {
		s.set(at[i], keys[i], sizes[i], outputs, i)
		s.parts[at[i].part].cached++
	}
	for _, i := range computed {
		s.parts[at[i].part].cached--
	}
	s.finish()
}

// set stores what is known of the file of a row, and row i of outputs.
func (s *stream) set(at position, sum [32]byte, size int64, outputs [][]float32, i int) {
	p, r := s.allocate(at.part), s.row(at)
	p.open--
	p.Rows[at.row] = features.Row{Name: r.Name, Label: r.Label, FirstSeen: r.FirstSeen, Group: r.Group, SHA256: hex.EncodeToString(sum[:]), Size: size}
	for j, l := range p.Layers {
		copy(l.Data[at.row*l.Width:(at.row+1)*l.Width], outputs[j][i*l.Width:])
	}
}

// drop marks the rows that a reader of the rows at those positions has dropped.
func (s *stream) drop(at []position, dropped []dataset.Dropped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range dropped {
		p := &s.parts[at[d.Number].part]
		p.open--
		p.dropped = append(p.dropped, d)
	}
	s.finish()
}

// finish hands on the splits that are done.
func (s *stream) finish() {
	for ; s.next < len(s.parts) && s.parts[s.next].open == 0; s.next++ {
		p := s.allocate(s.next)
		p.compact()
		s.done(p.extracted)
		p.extracted = extracted{}
	}
}

// compact removes the rows that have no outputs.
func (p *part) compact() {
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
