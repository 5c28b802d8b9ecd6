package malconv

import (
	"math"
	"strings"
	"testing"
)

func TestRunErrors(t *testing.T) {
	w := shapes[0].w.withWeights(1, 6, 3)
	e := newEngine(t, w, Options{})
	var out Outputs
	err := e.Run(&out, [][]byte{nil, make([]byte, w.MaxLen+1)})
	if err == nil || !strings.Contains(err.Error(), "file 1 has 401 bytes") {
		t.Errorf("a file that is too long gives %v", err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	e.Forget() // has nothing to forget, and must not touch what was freed
	if err := e.Run(&out, nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("running a closed engine gives %v", err)
	}
}

func TestNewErrors(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*Weights, *Options)
	}{
		{"Vocabulary is 255", func(w *Weights, _ *Options) { w.Vocabulary = 255 }},
		{"Pad is 256", func(w *Weights, _ *Options) { w.Pad = 256 }},
		{"Window is 0", func(w *Weights, _ *Options) { w.Window = 0 }},
		{"Windows is 21", func(w *Weights, _ *Options) { w.Windows = 21 }},
		{"Lead is 20", func(w *Weights, _ *Options) { w.Lead = 20 }},
		{"EmbeddingTable has 2047 values, want 2048", func(w *Weights, _ *Options) { w.EmbeddingTable = w.EmbeddingTable[1:] }},
		{"DenseKernel has 0 values", func(w *Weights, _ *Options) { w.DenseBias, w.DenseKernel, w.LogitsKernel = nil, nil, nil }},
		{"ConvBias[3] is NaN", func(w *Weights, _ *Options) { w.ConvBias[3] = float32(math.NaN()) }},
		{`ConvActivation "gelu"`, func(w *Weights, _ *Options) { w.ConvActivation = "gelu" }},
		{`MergeActivation ""`, func(w *Weights, _ *Options) { w.MergeActivation = "" }},
		{`DenseActivation "softmax"`, func(w *Weights, _ *Options) { w.DenseActivation = "softmax" }},
		{`kernel "sse9"`, func(_ *Weights, o *Options) { o.Kernel = "sse9" }},
	} {
		w, o := shapes[0].w.withWeights(1, 6, 3), Options{}
		tt.change(&w, &o)
		if _, err := New(w, o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New gives %v, want %q in it", err, tt.want)
		}
	}
}
