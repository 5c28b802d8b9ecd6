package corpus

import (
	"math/rand/v2"
	"slices"
)

// A bank is what the files of a time are made of. There are two: the plain
// one, and the later one that drift moves to.
type bank struct {
	objects []idiom // functions of libraries, linked as they are
	idioms  []idiom
	strings []string
	imports []imported
	tables  []table
	keys    []byte // bytes that text is hidden by
}

// imported is a function of a library.
type imported struct{ library, function string }

// world is the two banks and the families over them. It is the same for all
// corpora, so that a model of one corpus is a model of the others.
type world struct {
	banks    [2]bank
	families [len(labels)]family
}

// family is a distribution over each part of each bank.
type family struct{ objects, idioms, strings, imports, tables, keys [2]weights }

func newWorld() *world {
	r := rand.New(rand.NewPCG(0x6d616c, 0x636f6e76)) // any numbers: they name this world
	w := &world{banks: [2]bank{
		{strings: plainStrings, imports: flatten(plainImports), tables: plainTables},
		{strings: laterStrings, imports: flatten(laterImports), tables: laterTables},
	}}
	for range 64 {
		w.banks[0].idioms = append(w.banks[0].idioms, newIdiom(r, plainForms))
	}
	for range 48 {
		w.banks[1].idioms = append(w.banks[1].idioms, newIdiom(r, slices.Concat(plainForms, laterForms, laterForms)))
	}
	for i := range w.banks {
		b := &w.banks[i]
		for range 48 {
			b.objects = append(b.objects, newObject(r, b.idioms))
		}
	}
	keys := r.Perm(255) // but 0, which hides nothing
	for i := range w.banks {
		for range 16 {
			w.banks[i].keys = append(w.banks[i].keys, byte(1+keys[0]))
			keys = keys[1:]
		}
	}
	for i := range w.families {
		for j, b := range w.banks {
			f := &w.families[i]
			f.objects[j] = favour(r, len(b.objects))
			f.idioms[j] = favour(r, len(b.idioms))
			f.strings[j] = favour(r, len(b.strings))
			f.imports[j] = favour(r, len(b.imports))
			f.tables[j] = favour(r, len(b.tables))
			f.keys[j] = favour(r, len(b.keys))
		}
	}
	return w
}

func flatten(libs []library) []imported {
	var all []imported
	for _, l := range libs {
		for _, f := range l.functions {
			all = append(all, imported{l.name, f})
		}
	}
	return all
}

// weights are of a distribution over things by their number. They are whole
// numbers so that no rounding can tell two machines apart.
type weights []int

// favour gives a quarter of n things sixty times the weight of the others.
func favour(r *rand.Rand, n int) weights {
	w := slices.Repeat(weights{1}, n)
	for _, i := range r.Perm(n)[:(n+3)/4] {
		w[i] = 60
	}
	return w
}

// vary draws a file's own variant: of every four things one is left out, and
// the others weigh one to four times as much.
func (w weights) vary(r *rand.Rand) weights {
	v := slices.Clone(w)
	for i := range v {
		if r.IntN(4) == 0 {
			v[i] = 0
		} else {
			v[i] *= 1 + r.IntN(4)
		}
	}
	if !slices.ContainsFunc(v, func(x int) bool { return x > 0 }) {
		return w
	}
	return v
}

// pick draws one thing.
func (w weights) pick(r *rand.Rand) int {
	total := 0
	for _, x := range w {
		total += x
	}
	at := r.IntN(total)
	for i, x := range w {
		if at -= x; at < 0 {
			return i
		}
	}
	panic("unreachable")
}

// drawer draws things. With probability strength a draw is a drifted one: from
// the later bank, or from the plain bank as another family would draw. A third of
// the draws of a file of a build are of things that all its files share.
type drawer[T any] struct {
	rng      *rand.Rand
	strength float64
	things   [2][]T
	own      [2]weights // of the file's or the build's variant
	others   []weights  // of the other families, over the plain bank
	shared   []T        // none of a file on its own
}

// newDrawer draws for one file from the things of each bank that part returns,
// by the weights that its family has for them. shared draws what the files of
// its build have in common.
func newDrawer[T any](w *world, f planned, shared *rand.Rand, part func(*bank) []T, of func(*family) [2]weights) drawer[T] {
	d := drawer[T]{rng: shared, strength: f.strength}
	for i := range w.banks {
		d.things[i] = part(&w.banks[i])
		d.own[i] = of(&w.families[f.family])[i].vary(shared)
	}
	for i := range w.families {
		if i != f.family {
			d.others = append(d.others, of(&w.families[i])[0])
		}
	}
	if f.build != nil {
		all := make([]T, 16)
		for i := range all {
			all[i] = d.draw()
		}
		d.shared = all
	}
	d.rng = f.rng
	return d
}

func (d drawer[T]) draw() T {
	if len(d.shared) > 0 && d.rng.IntN(3) == 0 {
		return d.shared[d.rng.IntN(len(d.shared))]
	}
	bank, w := 0, d.own[0]
	if d.strength > 0 && d.rng.Float64() < d.strength {
		if d.rng.IntN(3) == 0 {
			bank, w = 1, d.own[1]
		} else {
			w = d.others[d.rng.IntN(len(d.others))]
		}
	}
	return d.things[bank][w.pick(d.rng)]
}
