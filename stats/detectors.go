package stats

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Logits is the name of the logits in [Features].
const Logits = "logits"

// Features holds the rows of some files: a matrix for each layer, and one for
// [Logits]. Row i of all of them is one file.
type Features map[string]Matrix

// Training is what detectors are fitted on.
type Training struct {
	// Layers names the feature layers in the order of the network; the logits
	// are a linear function of the last.
	Layers []string
	// Fit holds the training rows, Classes their classes, numbered from 0 and
	// below NumClasses.
	Fit        Features
	Classes    []int
	NumClasses int
	// In holds rows like the training ones that were held out of Fit. Only the
	// ensembles need it.
	In Features
	// Out holds later rows. Only mahalanobis/ensemble-out-labels looks at it.
	Out Features
}

// The detectors. Those that look at a layer are named kind/layer.
const (
	nameMahalanobis = "mahalanobis"
	nameEnsemble    = "mahalanobis/ensemble"
	nameRegression  = "mahalanobis/ensemble-out-labels"
	nameRelative    = "rmd"
	nameUnit        = "mahalanobis++"
	nameKNN         = "knn"
	nameViM         = "vim"
	nameMSP         = "msp"
	nameMaxLogit    = "maxlogit"
	nameEnergy      = "energy"
)

// Names lists all detectors for feature layers in the order of the network:
//
//	mahalanobis/<layer>              distance to the nearest class (Lee et al. 2018)
//	mahalanobis/ensemble             mean over the layers of its rank among held-out In rows
//	mahalanobis/ensemble-out-labels  Lee's regression over the layers, fitted on Out labels
//	rmd/<layer>                      relative to all classes as one (Ren et al. 2021)
//	mahalanobis++/<layer>            of unit-length features (Mueller & Hein 2025)
//	knn/<layer>                      distance to the 50th neighbour (Sun et al. 2022)
//	vim                              virtual logit of the last layer (Wang et al. 2022)
//	msp, maxlogit, energy            of the logits alone
func Names(layers []string) []string {
	perLayer := func(kind string) []string {
		names := make([]string, len(layers))
		for i, layer := range layers {
			names[i] = kind + "/" + layer
		}
		return names
	}
	return slices.Concat(
		perLayer(nameMahalanobis), []string{nameEnsemble, nameRegression},
		perLayer(nameRelative), perLayer(nameUnit), perLayer(nameKNN),
		[]string{nameViM, nameMSP, nameMaxLogit, nameEnergy})
}

// UsesOutLabels reports whether the detector of that name is fitted on Out
// files, and so flatters itself on them.
func UsesOutLabels(name string) bool { return name == nameRegression }

// A LayerError says which layer an error is about; it wraps the error.
type LayerError struct {
	Layer string
	Err   error
}

func (e *LayerError) Error() string { return fmt.Sprintf("%v (layer %s)", e.Err, e.Layer) }
func (e *LayerError) Unwrap() error { return e.Err }

// Detectors is a set of fitted detectors. It may score from several goroutines.
type Detectors struct {
	layers   []string
	names    []string // fitted, in the order of Names
	skipped  map[string]error
	fitted   map[string]detector
	gaussian map[string]*gaussians // by layer
}

// A detector scores the rows of x: dst has one score a row, higher for In.
type detector interface {
	score(dst []float64, x Features) error
	// encode appends what decode needs besides the Gaussians.
	encode(*encoder)
}

// Fit fits the named detectors, all of [Names] when there are none. A detector
// that these rows cannot fit is left out, see [Detectors.Skipped]. An error is
// for what no detector can do without: a name that does not exist, rows that
// do not match, or a feature that is not finite (a [*LayerError] around a
// [*NotFiniteError]).
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
	d := &Detectors{
		layers:   slices.Clone(t.Layers),
		skipped:  map[string]error{},
		fitted:   map[string]detector{},
		gaussian: map[string]*gaussians{},
	}
	for _, name := range known {
		if !slices.Contains(names, name) {
			continue
		}
		fitted, err := d.fit(name, &t)
		var notFinite *NotFiniteError
		switch {
		case errors.As(err, &notFinite):
			return nil, err
		case err != nil:
			d.skipped[name] = err
		default:
			d.fitted[name] = fitted
			d.names = append(d.names, name)
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

func (d *Detectors) fit(name string, t *Training) (detector, error) {
	kind, layer, _ := strings.Cut(name, "/")
	switch {
	case name == nameEnsemble:
		return d.fitRankEnsemble(t)
	case name == nameRegression:
		return d.fitRegression(t)
	case kind == nameMahalanobis:
		return d.fitMahalanobis(t, layer)
	case kind == nameRelative:
		return d.fitRelative(t, layer)
	case kind == nameUnit:
		return d.fitUnit(t, layer)
	case kind == nameKNN:
		return fitKNN(t, layer)
	case kind == nameViM:
		return fitViM(t)
	default:
		return fitLogits(t, kind)
	}
}

// Names lists the fitted detectors, in the order of the function Names.
func (d *Detectors) Names() []string { return slices.Clone(d.names) }

// Layers lists the feature layers in the order of the network.
func (d *Detectors) Layers() []string { return slices.Clone(d.layers) }

// Skipped says why a detector that was asked for is not fitted; nil for all
// others.
func (d *Detectors) Skipped(name string) error { return d.skipped[name] }

// Gaussian is the tied Gaussian of a layer, nil when no fitted detector has
// needed it.
func (d *Detectors) Gaussian(layer string) *TiedGaussian {
	if g := d.gaussian[layer]; g != nil {
		return g.tied
	}
	return nil
}

// Score writes one score for every row of x to dst, by the named detector. The
// memory it needs does not grow with the number of rows. A layer that is
// missing, too narrow or not finite is a [*LayerError]. It panics when the
// detector is not fitted or dst is not one score a row.
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

// inLayer is nil when err is, and otherwise says which layer it is about.
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
