package stats

import (
	"errors"
	"fmt"
)

// rankEnsemble averages over the layers the rank of a Mahalanobis score among
// those of held-out In rows: its share of lower scores, plus half that of equal
// ones. Layers so count alike whatever their width, and nothing is learnt from
// Out files. The In rows may be scored by it too: for each layer it is a
// monotone map that leaves every comparison with an Out row as it was.
type rankEnsemble struct {
	layers  []mahalanobis
	heldOut [][]float64 // sorted scores of the In rows, for each layer
}

// allLayers fits the tied Gaussians of all layers, and scores x with them.
func (d *Detectors) allLayers(t *Training, x Features) (layers []mahalanobis, scores [][]float64, err error) {
	for _, layer := range t.Layers {
		g, err := d.tied(t, layer)
		if err != nil {
			return nil, nil, err
		}
		m := mahalanobis{layer, g}
		s := make([]float64, x[layer].Rows)
		if err := m.score(s, x); err != nil {
			return nil, nil, err
		}
		layers, scores = append(layers, m), append(scores, s)
	}
	if len(layers) == 0 {
		return nil, nil, errors.New("stats: no layers")
	}
	return layers, scores, nil
}

func (d *Detectors) fitRankEnsemble(t *Training) (detector, error) {
	if len(t.In) == 0 {
		return nil, errors.New("stats: the ensemble needs In rows that were held out")
	}
	layers, scores, err := d.allLayers(t, t.In)
	if err != nil {
		return nil, err
	}
	e := &rankEnsemble{layers: layers}
	for _, s := range scores {
		if len(s) == 0 {
			return nil, errors.New("stats: the ensemble needs In rows that were held out")
		}
		e.heldOut = append(e.heldOut, sorted(s))
	}
	return e, nil
}

func (e *rankEnsemble) score(dst []float64, x Features) error {
	clear(dst)
	s := make([]float64, len(dst))
	for k, layer := range e.layers {
		if err := layer.score(s, x); err != nil {
			return err
		}
		for i, v := range s {
			dst[i] += rank(v, e.heldOut[k]) / float64(len(e.layers))
		}
	}
	return nil
}

// regression is the ensemble of Lee et al. (2018): a logistic regression of
// Out (1) against In (0) on the Mahalanobis scores of the layers, unscaled.
// The score is −P(Out). It has seen the labels that it is judged by.
type regression struct {
	layers []mahalanobis
	logistic
}

func (d *Detectors) fitRegression(t *Training) (detector, error) {
	if len(t.In) == 0 || len(t.Out) == 0 {
		return nil, errors.New("stats: the regression needs In rows and Out rows")
	}
	layers, in, err := d.allLayers(t, t.In)
	if err != nil {
		return nil, err
	}
	_, out, err := d.allLayers(t, t.Out)
	if err != nil {
		return nil, err
	}
	m, n := len(in[0]), len(out[0])
	if min(m, n) < folds {
		return nil, fmt.Errorf("stats: the regression needs %d In and Out rows, has %d and %d", folds, m, n)
	}
	x := make([][]float64, 0, m+n)
	y := make([]bool, m+n)
	for i := range m + n {
		row := make([]float64, len(layers))
		for k := range row {
			if i < m {
				row[k] = in[k][i]
			} else {
				row[k] = out[k][i-m]
			}
		}
		x = append(x, row)
		y[i] = i >= m
	}
	return &regression{layers, fitLogisticCV(x, y)}, nil
}

func (r *regression) score(dst []float64, x Features) error {
	for i := range dst {
		dst[i] = r.bias
	}
	s := make([]float64, len(dst))
	for k, layer := range r.layers {
		if err := layer.score(s, x); err != nil {
			return err
		}
		for i, v := range s {
			dst[i] += r.weights[k] * v
		}
	}
	for i, v := range dst {
		dst[i] = -expit(v)
	}
	return nil
}
