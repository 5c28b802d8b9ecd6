package malconv

import (
	"math"
	"math/rand/v2"
)

// reference is MalConv by its definition, in float64: every symbol embedded,
// every window multiplied with both kernels, nothing skipped and nothing shared.
func reference(w Weights, files [][]byte) (layer7, layer8, logits []float64) {
	for _, file := range files {
		// The embedded file between its void positions: zero vectors.
		length := w.Windows * w.Window
		embedded := make([]float64, length*w.Embedding)
		for i := range length {
			at := i - w.Lead
			if at < 0 || at >= w.MaxLen {
				continue
			}
			symbol := w.Pad
			if at < len(file) {
				symbol = int(file[at])
			}
			for c := range w.Embedding {
				embedded[i*w.Embedding+c] = float64(w.EmbeddingTable[symbol*w.Embedding+c])
			}
		}

		row7 := make([]float64, w.Filters)
		for f := range row7 {
			row7[f] = math.Inf(-1)
		}
		channels := 2 * w.Filters
		for window := range w.Windows {
			out := make([]float64, channels)
			for j, b := range w.ConvBias {
				out[j] = float64(b)
			}
			size := w.Window * w.Embedding
			for i, x := range embedded[window*size : (window+1)*size] {
				if x == 0 {
					continue
				}
				for j, k := range w.ConvKernel[i*channels : (i+1)*channels] {
					out[j] += x * float64(k)
				}
			}
			for f := range row7 {
				gated := apply(w.ConvActivation, out[f]) * apply("sigmoid", out[w.Filters+f])
				row7[f] = max(row7[f], apply(w.MergeActivation, gated))
			}
		}
		row8 := product(row7, w.DenseKernel, w.DenseBias)
		for j, v := range row8 {
			row8[j] = apply(w.DenseActivation, v)
		}
		layer7 = append(layer7, row7...)
		layer8 = append(layer8, row8...)
		logits = append(logits, product(row8, w.LogitsKernel, w.LogitsBias)...)
	}
	return layer7, layer8, logits
}

func product(x []float64, kernel, bias []float32) []float64 {
	out := make([]float64, len(bias))
	for j := range out {
		out[j] = float64(bias[j])
		for i, v := range x {
			out[j] += v * float64(kernel[i*len(bias)+j])
		}
	}
	return out
}

func apply(name string, x float64) float64 {
	switch name {
	case "relu":
		return math.Max(x, 0)
	case "sigmoid":
		return 1 / (1 + math.Exp(-x))
	case "tanh":
		return math.Tanh(x)
	}
	return x
}

// shape is what a test says of a model; withWeights adds parameters.
func (w Weights) withWeights(seed uint64, hidden, classes int) Weights {
	rng := rand.New(rand.NewPCG(seed, 0))
	normal := func(n int, scale float64) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(scale * rng.NormFloat64())
		}
		return out
	}
	// Channels have unit variance over random bytes, so that gates are open, shut and between.
	w.EmbeddingTable = normal(w.Vocabulary*w.Embedding, 1)
	w.ConvKernel = normal(w.Window*w.Embedding*2*w.Filters, 1/math.Sqrt(float64(w.Window*w.Embedding)))
	w.ConvBias = normal(2*w.Filters, 0.5)
	w.DenseKernel = normal(w.Filters*hidden, 1/math.Sqrt(float64(w.Filters)))
	w.DenseBias = normal(hidden, 0.5)
	w.LogitsKernel = normal(hidden*classes, 1/math.Sqrt(float64(hidden)))
	w.LogitsBias = normal(classes, 0.5)
	return w
}

// keras is the shape of the MalConv of 200,000 bytes that is commonly trained
// with Keras, ember the one published with the EMBER data set.
var (
	keras = Weights{
		MaxLen: 200000, Vocabulary: 256, Pad: 0, Embedding: 8, Filters: 128, Window: 500, Windows: 400,
		ConvActivation: "linear", MergeActivation: "relu", DenseActivation: "linear",
	}
	ember = Weights{
		MaxLen: 1 << 20, Vocabulary: 257, Pad: 256, Embedding: 8, Filters: 128, Window: 500, Windows: 2097,
		ConvActivation: "relu", MergeActivation: "linear", DenseActivation: "relu",
	}
)
