package tfmodel

import (
	"strings"
	"testing"
)

// A model whose logits are sums of large terms that cancel gives other logits for
// each order of its additions; they say nothing about the engine.
func TestProbeMeasuresByTheTermsOfSums(t *testing.T) {
	m := &Model{
		MaxLen: 1000,
		Layers: []Layer{{"layer7", 2}, {"layer8", 1}, {"logits", 1}},
		Shape:  &Shape{Vocabulary: 256, Embedding: 1, Window: 2},
	}
	w := map[string][]float32{
		"embedding": make([]float32, 256), "conv_kernel": {3, 0, 0, 0, 4, 0, 0, 0}, "conv_bias": {0, 0, 0, 0},
		"dense_kernel": {100, -100}, "dense_bias": {0}, "logits_kernel": {500}, "logits_bias": {-1},
	}
	for i := range w["embedding"] {
		w["embedding"][i] = 2
	}
	values := [][]float32{{1, 1, 0, 0}, {0, 0}, {-1, -1}}
	if got := termsOfConvolution(w, 1); got != 10 { // √((2·3)² + (2·4)²)
		t.Errorf("terms of the convolution %v, want 10", got)
	}
	for i, want := range []float64{1, 100 * 1.4142135623730951, 1} {
		if got := scales(m, values, w)[i]; got < want*(1-1e-15) || got > want*(1+1e-15) {
			t.Errorf("scale of %s is %v, want %v", m.Layers[i].Name, got, want)
		}
	}

	result := func(layer8 float32) func([][]float32, [][]byte) error {
		return func(dst [][]float32, files [][]byte) error {
			for i := range files {
				copy(dst[0][2*i:], []float32{1, 1})
				dst[1][i], dst[2][i] = layer8, -1
			}
			return nil
		}
	}
	for _, tc := range []struct {
		layer8 float32
		w      map[string][]float32
		fails  bool
	}{
		{1e-5, w, false},
		{1e-2, w, true},
		{1e-5, nil, true}, // the scale of sums is not known
		{1e-5, map[string][]float32{"embedding": nil}, true},
	} {
		err := probe(m, result(tc.layer8), result(0), 1e-5, tc.w)
		if failed := err != nil && strings.Contains(err.Error(), "layer8 of a probe differs"); failed != tc.fails {
			t.Errorf("layer8 %v: error %v", tc.layer8, err)
		}
	}
}
