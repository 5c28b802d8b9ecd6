package stats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// table lists the detectors in the order of [Names]. A new detector is a file
// with its paper, fit, score, encode and decode, and a line here.
var table = []kind{
	{name: "mahalanobis", perLayer: true, fit: fitMahalanobis, decode: decodeMahalanobis},
	{name: nameEnsemble, fit: fitRankEnsemble, decode: decodeRankEnsemble},
	{name: nameRegression, usesOut: true, fit: fitRegression, decode: decodeRegression},
	{name: "rmd", perLayer: true, fit: fitRelative, decode: decodeRelative},
	{name: "mahalanobis++", perLayer: true, fit: fitUnit, decode: decodeUnit},
	{name: "knn", perLayer: true, fit: fitKNN, decode: decodeKNN},
	{name: "vim", fit: fitViM, decode: decodeViM},
	logitsKind("msp", maxProbability),
	logitsKind("maxlogit", maxLogit),
	logitsKind("energy", logSumExp),
}

// kind is one entry of the table.
type kind struct {
	name     string
	perLayer bool // one detector for each layer, named name/layer
	usesOut  bool // fitted on Out rows
	// fit fits the detector. layer is the layer to fit, "" unless perLayer. d
	// holds the Gaussians that several detectors share.
	fit func(d *Detectors, t *Training, layer string) (detector, error)
	// decode reads what detector.encode wrote. An error stays in r.
	decode func(d *Detectors, r *decoder, layer string) detector
}

// A detector scores the rows of x: dst has one score a row, higher for In.
type detector interface {
	score(dst []float64, x Features) error
	// encode writes what decode needs besides the shared Gaussians.
	encode(*encoder)
}

// entry is a kind of detector for one layer.
type entry struct {
	name string // as in Names
	kind
	layer string
}

// entries lists the detectors for these layers.
func entries(layers []string) []entry {
	var all []entry
	for _, k := range table {
		if !k.perLayer {
			all = append(all, entry{k.name, k, ""})
			continue
		}
		for _, layer := range layers {
			all = append(all, entry{k.name + "/" + layer, k, layer})
		}
	}
	return all
}

// Names lists the detectors for feature layers in the order of the network:
//
//	mahalanobis/<layer>              distance to the nearest class mean (Lee et al. 2018)
//	mahalanobis/ensemble             its rank among held-out In rows, averaged over the layers
//	mahalanobis/ensemble-out-labels  Lee's logistic regression over the layers, fitted on Out labels
//	rmd/<layer>                      distance relative to one Gaussian for all classes (Ren et al. 2021)
//	mahalanobis++/<layer>            distance of unit-length features (Mueller & Hein 2025)
//	knn/<layer>                      distance to the k-th nearest neighbour (Sun et al. 2022)
//	vim                              virtual logit of the layer before the logits (Wang et al. 2022)
//	msp, maxlogit, energy            softmax maximum, largest logit and log-sum-exp of the logits
func Names(layers []string) []string {
	var names []string
	for _, e := range entries(layers) {
		names = append(names, e.name)
	}
	return names
}

// UsesOutLabels reports whether the named detector is fitted on Out rows. Its
// AUROC against those rows is then too good.
func UsesOutLabels(name string) bool {
	return slices.ContainsFunc(table, func(k kind) bool {
		return k.usesOut && (name == k.name || k.perLayer && strings.HasPrefix(name, k.name+"/"))
	})
}

// Logits is the name of the logits in [Features].
const Logits = "logits"

// Features holds the features of some files: a matrix for each layer, and one
// for [Logits]. Row i of every matrix belongs to file i.
type Features map[string]Matrix

// Training is what detectors are fitted on.
type Training struct {
	// Layers names the feature layers in the order of the network. ViM takes the
	// last of them that the logits are a linear function of.
	Layers []string
	// Fit holds the training rows, and Classes[i] the class of row i, from 0 to
	// NumClasses−1.
	Fit        Features
	Classes    []int
	NumClasses int
	// In holds rows of the training span that are not in Fit. Only the two
	// ensembles use them.
	In Features
	// Out holds later rows. Only mahalanobis/ensemble-out-labels uses them.
	Out Features
}

// A LayerError says in which layer an error occurred; it wraps the error.
type LayerError struct {
	Layer string
	Err   error
}

func (e *LayerError) Error() string { return fmt.Sprintf("%v (layer %s)", e.Err, e.Layer) }
func (e *LayerError) Unwrap() error { return e.Err }

// Detectors is a set of fitted detectors. Several goroutines may score with it.
type Detectors struct {
	layers   []string
	names    []string // fitted, in the order of Names
	skipped  map[string]error
	fitted   map[string]detector
	gaussian map[string]*gaussians // by layer
}

func newDetectors() *Detectors {
	return &Detectors{skipped: map[string]error{}, fitted: map[string]detector{}, gaussian: map[string]*gaussians{}}
}

// Fit fits the named detectors, or all of [Names] if no name is given. A
// detector that cannot be fitted on these rows is left out, and
// [Detectors.Skipped] returns the reason. Fit fails if a name is unknown, if two
// layers share a name, if the matrices differ in rows or widths, if a feature
// is not finite (a [*LayerError] around a [*NotFiniteError]), or if one cannot be
// read. It panics if a class is not in [0, NumClasses). The memory that it uses
// besides the matrices is one score a row of In and Out and two of Fit.
func Fit(t Training, names ...string) (*Detectors, error) {
	known := Names(t.Layers)
	if names := slices.Sorted(slices.Values(known)); len(slices.Compact(names)) < len(known) {
		return nil, fmt.Errorf("stats: layers %q: detectors of that name would come twice", t.Layers)
	}
	if len(names) == 0 {
		names = known
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("stats: no detector %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	d := newDetectors()
	d.layers = slices.Clone(t.Layers)
	for _, e := range entries(t.Layers) {
		if !slices.Contains(names, e.name) {
			continue
		}
		fitted, err := e.fit(d, &t, e.layer)
		var notFinite *NotFiniteError
		var reading *readError
		switch {
		case errors.As(err, &notFinite), errors.As(err, &reading):
			return nil, err
		case err != nil:
			d.skipped[e.name] = err
		default:
			d.fitted[e.name] = fitted
			d.names = append(d.names, e.name)
		}
	}
	return d, nil
}

// check returns an error unless all matrices of a set have as many rows, and
// the layers of In and Out the widths of those of Fit.
func (t *Training) check() error {
	for _, set := range []struct {
		name string
		x    Features
		rows int
	}{{"fit", t.Fit, len(t.Classes)}, {"In", t.In, -1}, {"Out", t.Out, -1}} {
		for _, layer := range append(slices.Clone(t.Layers), Logits) {
			x, ok := set.x[layer]
			if !ok {
				continue
			}
			x.check()
			if set.rows < 0 {
				set.rows = x.Rows
			}
			if x.Cols == 0 {
				return &LayerError{layer, errNoLayer}
			}
			if x.Rows != set.rows {
				return fmt.Errorf("stats: %s rows: layer %s has %d, not %d", set.name, layer, x.Rows, set.rows)
			}
			if fit, ok := t.Fit[layer]; ok && x.Cols != fit.Cols {
				return &LayerError{layer, &WidthError{Got: x.Cols, Want: fit.Cols}}
			}
		}
	}
	for _, c := range t.Classes {
		if c < 0 || c >= t.NumClasses {
			panic(fmt.Sprintf("stats: class %d of %d", c, t.NumClasses))
		}
	}
	return nil
}

// Names lists the fitted detectors, in the order of the function [Names].
func (d *Detectors) Names() []string { return slices.Clone(d.names) }

// Layers lists the feature layers in the order of the network.
func (d *Detectors) Layers() []string { return slices.Clone(d.layers) }

// Skipped returns the reason why a requested detector could not be fitted, and
// nil for every other name.
func (d *Detectors) Skipped(name string) error { return d.skipped[name] }

// Neighbours returns the k of a fitted detector knn/<layer> and the number of rows
// among which it is, both 0 for every other name. k is a fifth of those rows of the
// smallest class, from 1 to 50. The rows are the fit rows, or of more than 10,000 a
// seeded sample of about that many.
func (d *Detectors) Neighbours(name string) (k, rows int) {
	if n, ok := d.fitted[name].(*knn); ok {
		return n.k, n.bank.Rows + n.zeros
	}
	return 0, 0
}

// Gaussian returns the tied Gaussian of a layer, or nil if no fitted detector
// uses it.
func (d *Detectors) Gaussian(layer string) *TiedGaussian {
	if g := d.gaussian[layer]; g != nil {
		return g.tied
	}
	return nil
}

// Score writes the named detector's score of every row of x to dst. The memory
// it uses does not grow with the number of rows. A layer that is missing, has
// another width than the fit, or is not finite is a [*LayerError]. Score panics
// if the detector is not fitted or len(dst) is not the number of rows.
func (d *Detectors) Score(dst []float64, name string, x Features) error {
	fitted, ok := d.fitted[name]
	if !ok {
		panic(fmt.Sprintf("stats: detector %q is not fitted", name))
	}
	return fitted.score(dst, x)
}

// errNoLayer reports features that were not given.
var errNoLayer = errors.New("stats: the features are missing")

// layer returns the features of a layer.
func (x Features) layer(name string) (Matrix, error) {
	m, ok := x[name]
	if !ok {
		return m, &LayerError{name, errNoLayer}
	}
	return m, nil
}

// inLayer wraps an error with the layer in which it occurred; nil stays nil.
func inLayer(layer string, err error) error {
	if err == nil {
		return nil
	}
	return &LayerError{layer, err}
}

// checkScores panics unless dst has one score for every row of x, and returns
// an error unless x is as wide as the fit.
func checkScores(dst []float64, x Matrix, width int) error {
	x.check()
	if len(dst) != x.Rows {
		panic(fmt.Sprintf("stats: %d scores for %d rows", len(dst), x.Rows))
	}
	if x.Cols != width {
		return &WidthError{Got: x.Cols, Want: width}
	}
	return nil
}
