package stats

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

const fitHeader = "driftbench fit 1\n"

// MarshalBinary returns the fitted detectors in a form that UnmarshalBinary
// reads, so that they can score new files without the training features.
// Gaussians are kept as [Moments]. kNN keeps the training rows, 4 bytes a
// feature: leave it out of [Fit] where the file has to be small.
func (d *Detectors) MarshalBinary() ([]byte, error) {
	e := encoder{[]byte(fitHeader)}
	e.int(len(d.layers))
	for _, layer := range d.layers {
		e.string(layer)
		g := d.gaussian[layer]
		if g == nil {
			g = &gaussians{}
		}
		for _, m := range []*Moments{g.moments, g.unitMoments} {
			e.bool(m != nil)
			if m != nil {
				e.moments(m)
			}
		}
	}
	e.int(len(d.names))
	for _, name := range d.names {
		e.string(name)
		d.fitted[name].encode(&e)
	}
	return e.b, nil
}

// UnmarshalBinary replaces d by the detectors that MarshalBinary wrote.
// Anything else is an error, a [*FormatError] mostly, and leaves d as it was.
func (d *Detectors) UnmarshalBinary(b []byte) error {
	r := decoder{b: b}
	r.header(fitHeader)
	read := Detectors{
		skipped:  map[string]error{},
		fitted:   map[string]detector{},
		gaussian: map[string]*gaussians{},
	}
	for range r.int(len(b)) {
		layer := r.string()
		g := &gaussians{}
		if r.bool() {
			g.moments = r.moments()
		}
		if r.bool() {
			g.unitMoments = r.moments()
		}
		if r.err != nil {
			return r.err
		}
		if read.gaussian[layer] != nil {
			return &FormatError{fmt.Sprintf("layer %q comes twice", layer)}
		}
		if err := g.fit(); err != nil {
			return inLayer(layer, fmt.Errorf("stats: reading a saved fit: %w", err))
		}
		read.layers = append(read.layers, layer)
		read.gaussian[layer] = g
	}
	known := Names(read.layers)
	for range r.int(len(known)) {
		name := r.string()
		for len(known) > 0 && known[0] != name {
			known = known[1:]
		}
		if len(known) == 0 {
			r.fail("detector %q is unknown or out of order", name)
			break
		}
		known = known[1:]
		fitted := read.decode(name, &r)
		if r.err != nil {
			break
		}
		read.names = append(read.names, name)
		read.fitted[name] = fitted
	}
	if err := r.end(); err != nil {
		return err
	}
	*d = read
	return nil
}

// fit fits the Gaussians of the moments that are there.
func (g *gaussians) fit() (err error) {
	if g.moments != nil {
		if g.tied, err = NewTiedGaussian(g.moments); err != nil {
			return err
		}
		if err = g.fitBackground(); err != nil {
			return err
		}
	}
	if g.unitMoments != nil {
		return g.fitUnit(g.unitMoments)
	}
	return nil
}

func (r *rankEnsemble) encode(e *encoder) {
	for _, s := range r.heldOut {
		e.int(len(s))
		e.floats(s)
	}
}

func (r *regression) encode(e *encoder) {
	e.floats(r.weights)
	e.floats([]float64{r.bias})
}

func (k *knn) encode(e *encoder) {
	e.int(k.zeros)
	e.int(k.bank.Rows)
	e.int(k.bank.Cols)
	e.float32s(k.bank.Data)
}

func (v *vim) encode(e *encoder) {
	e.int(v.classes)
	e.int(len(v.origin))
	e.floats(v.origin)
	_, cols := v.residual.Dims()
	e.int(cols)
	e.floats(v.residual.RawMatrix().Data)
	e.floats([]float64{v.alpha})
}

func (l *logits) encode(e *encoder) { e.int(l.width) }

// The Gaussians are kept by layer.
func (*mahalanobis) encode(*encoder) {}
func (*relative) encode(*encoder)    {}

// decode reads the named detector.
func (d *Detectors) decode(name string, r *decoder) detector {
	kind, layer, _ := strings.Cut(name, "/")
	g := d.gaussian[layer]
	switch {
	case name == nameEnsemble:
		e := &rankEnsemble{layers: d.decodeLayers(r)}
		for range e.layers {
			s := r.floats(r.int(math.MaxInt), math.MaxFloat64)
			if r.err == nil && (len(s) == 0 || !slices.IsSorted(s)) {
				r.fail("scores are missing or not in order")
			}
			e.heldOut = append(e.heldOut, s)
		}
		return e
	case name == nameRegression:
		e := &regression{layers: d.decodeLayers(r)}
		e.weights = r.floats(len(e.layers), 1e50)
		for _, v := range r.floats(1, math.MaxFloat64) {
			e.bias = v
		}
		return e
	case kind == nameMahalanobis && g.tied != nil:
		return &mahalanobis{layer, g.tied}
	case kind == nameRelative && g.tied != nil:
		return &relative{layer, g.tied, g.background}
	case kind == nameUnit && g.unit != nil:
		return &mahalanobis{layer, g.unit}
	case kind == nameMahalanobis || kind == nameRelative || kind == nameUnit:
		r.fail("%s is without its Gaussian", name)
		return nil
	case kind == nameKNN:
		zeros, rows, cols := r.int(math.MaxInt32), r.int(math.MaxInt32), r.int(1<<20)
		data := r.float32s(rows * cols)
		if cols == 0 {
			r.fail("%s has rows without features", name)
		}
		if r.err != nil {
			return nil
		}
		k, err := newKNN(layer, Matrix{Rows: rows, Cols: cols, Data: data}, zeros)
		r.err = err
		return k
	case kind == nameViM:
		return d.decodeViM(r)
	default:
		width := r.int(1 << 20)
		if width == 0 {
			r.fail("%s is of no logits", name)
		}
		return &logits{kind, width}
	}
}

func (d *Detectors) decodeLayers(r *decoder) []mahalanobis {
	var layers []mahalanobis
	for _, layer := range d.layers {
		g := d.gaussian[layer]
		if g.tied == nil {
			r.fail("an ensemble is without the Gaussian of %s", layer)
		}
		layers = append(layers, mahalanobis{layer, g.tied})
	}
	if len(layers) == 0 {
		r.fail("an ensemble has no layers")
	}
	return layers
}

func (d *Detectors) decodeViM(r *decoder) detector {
	if len(d.layers) == 0 {
		r.fail("vim has no layer")
		return nil
	}
	v := &vim{layer: d.layers[len(d.layers)-1], classes: r.int(1 << 20)}
	width := r.int(1 << 20)
	v.origin = r.floats(width, math.MaxFloat32)
	cols := r.int(width)
	residual := r.floats(width*cols, 2)
	for _, a := range r.floats(1, 1e100) {
		v.alpha = a
	}
	if r.err == nil && len(residual) == 0 {
		r.fail("vim has no residual space")
	}
	if r.err != nil {
		return nil
	}
	v.residual = mat.NewDense(width, cols, residual)
	return v
}
