package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// fewGroups is the number of groups in the training span under which holding out
// whole groups is a matter of chance.
const fewGroups = 20

// groupID identifies the group of a row. A file without a group is one of its own.
func (r Row) groupID() string {
	if r.Group == "" {
		return "file " + r.Path
	}
	return "group " + r.Group
}

// group is a group of the training span.
type group struct {
	place [sha256.Size]byte // in the order in which groups are taken to fit
	rows  map[int]int       // of each class
	size  int               // rows, those without a class included
	held  bool              // In, not fit
}

// class is the commonest class of the group, of equals the first; -1 if no row
// has one.
func (g *group) class() int {
	best := -1
	for class, n := range g.rows {
		if best < 0 || n > g.rows[best] || n == g.rows[best] && class < best {
			best = class
		}
	}
	return best
}

// groupsOf returns the groups of the training span by their id. seed draws the
// order.
func groupsOf(train []Row, seed uint32) map[string]*group {
	groups := map[string]*group{}
	for _, r := range train {
		id := r.groupID()
		g := groups[id]
		if g == nil {
			g = &group{place: sha256.Sum256(append(binary.LittleEndian.AppendUint32(nil, seed), id...)), rows: map[int]int{}}
			groups[id] = g
		}
		g.size++
		if r.Class >= 0 {
			g.rows[r.Class]++
		}
	}
	return groups
}

// holdOut says of each group whether it is In. fit is the share of the rows that
// fit the detectors.
//
// The groups with one commonest class are ordered by the SHA-256 of the seed and
// their id, and the first of them, up to that share of their rows, are fit. A row
// that comes or goes therefore moves at most the groups at the border of a class.
// Then groups change sides until every class has fit rows, and In rows too if it
// has two groups or more and no other class loses its last fit rows by it.
func holdOut(groups map[string]*group, fit float64) {
	var ordered []*group
	for _, g := range groups {
		ordered = append(ordered, g)
	}
	slices.SortFunc(ordered, func(a, b *group) int { return bytes.Compare(a.place[:], b.place[:]) })
	strata := map[int][]*group{}
	for _, g := range ordered {
		strata[g.class()] = append(strata[g.class()], g)
	}
	for _, stratum := range strata {
		cut(stratum, fit)
	}

	fits, ins := map[int]int{}, map[int]int{} // groups of each class on each side
	for _, g := range ordered {
		for class := range g.rows {
			if g.held {
				ins[class]++
			} else {
				fits[class]++
			}
		}
	}
	swap := func(g *group) {
		g.held = !g.held
		for class := range g.rows {
			if g.held {
				fits[class], ins[class] = fits[class]-1, ins[class]+1
			} else {
				fits[class], ins[class] = fits[class]+1, ins[class]-1
			}
		}
	}
	for _, g := range ordered {
		for class := range g.rows {
			if g.held && fits[class] == 0 {
				swap(g)
			}
		}
	}
	for _, g := range slices.Backward(ordered) {
		needed, spared := false, true
		for class := range g.rows {
			needed = needed || ins[class] == 0
			spared = spared && fits[class] > 1
		}
		if !g.held && needed && spared {
			swap(g)
		}
	}
}

// cut says which of some groups in order are In: those behind the share fit of
// the rows. A group at the border goes to the side where more than half of it is.
// Of two groups or more one is on each side.
func cut(groups []*group, fit float64) {
	total, before, held := 0, 0, 0
	for _, g := range groups {
		total += g.size
	}
	smallest := groups[0]
	for _, g := range groups {
		g.held = float64(before)+float64(g.size)/2 > fit*float64(total)
		before += g.size
		if g.held {
			held++
		}
		if g.size <= smallest.size {
			smallest = g
		}
	}
	switch {
	case len(groups) == 1:
		groups[0].held = false
	case held == 0 || held == len(groups):
		smallest.held = !smallest.held
	}
}
