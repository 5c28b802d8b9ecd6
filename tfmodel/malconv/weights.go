package malconv

import (
	"fmt"
	"math"
)

// Weights is a MalConv: its shape, its activations and its parameters, which are
// row-major. Its symbols are the 256 byte values and, where the vocabulary is
// larger, others that stand for no byte, such as padding.
type Weights struct {
	MaxLen     int // symbols of a file; shorter files are padded with Pad
	Vocabulary int // V, at least 256
	Pad        int // the symbol where a file has no byte
	Embedding  int // d
	Filters    int // F, channels of each convolution
	Window     int // W, symbols of a window; windows start W apart
	Windows    int // windows of a file
	Lead       int // void positions before the first symbol ('same' padding)
	// Front puts Pad before the bytes of a file, not after them. Pad must then be
	// below 256.
	Front bool

	ConvActivation  string // of the linear convolution: "linear" or "relu"
	MergeActivation string // of the gated product: "linear" or "relu"
	DenseActivation string // of layer8: "linear", "relu", "sigmoid" or "tanh"

	EmbeddingTable []float32 // V×d
	ConvKernel     []float32 // W×d×2F, the F linear channels before the F gate channels
	ConvBias       []float32 // 2F
	DenseKernel    []float32 // F×H
	DenseBias      []float32 // H
	LogitsKernel   []float32 // H×C
	LogitsBias     []float32 // C
}

// The bounds of a window, and the rows of a block of positions, are 16-bit numbers.
const (
	maxWindow     = math.MaxUint16
	maxVocabulary = (math.MaxUint16+1)/blockPositions - 1
)

func (w *Weights) check() error {
	for _, d := range []struct {
		name     string
		n        int
		min, max int
	}{
		{"MaxLen", w.MaxLen, 1, math.MaxInt32},
		{"Vocabulary", w.Vocabulary, 256, maxVocabulary},
		{"Pad", w.Pad, 0, w.Vocabulary - 1},
		{"Embedding", w.Embedding, 1, math.MaxInt16},
		{"Filters", w.Filters, 1, math.MaxInt16},
		{"Window", w.Window, 1, maxWindow},
		{"Lead", w.Lead, 0, w.Window - 1},
		{"Windows", w.Windows, 1, (w.MaxLen+w.Lead-1)/max(w.Window, 1) + 1},
	} {
		if d.n < d.min || d.n > d.max {
			return fmt.Errorf("%s is %d, not between %d and %d", d.name, d.n, d.min, d.max)
		}
	}
	if w.Front && w.Pad > 255 {
		return fmt.Errorf("the padding in front is symbol %d, want a byte value", w.Pad)
	}
	hidden, classes := len(w.DenseBias), len(w.LogitsBias)
	for _, p := range []struct {
		name   string
		values []float32
		n      int
	}{
		{"EmbeddingTable", w.EmbeddingTable, w.Vocabulary * w.Embedding},
		{"ConvKernel", w.ConvKernel, w.Window * w.Embedding * 2 * w.Filters},
		{"ConvBias", w.ConvBias, 2 * w.Filters},
		{"DenseKernel", w.DenseKernel, w.Filters * hidden},
		{"DenseBias", w.DenseBias, hidden},
		{"LogitsKernel", w.LogitsKernel, hidden * classes},
		{"LogitsBias", w.LogitsBias, classes},
	} {
		if len(p.values) == 0 || len(p.values) != p.n {
			return fmt.Errorf("%s has %d values, want %d", p.name, len(p.values), p.n)
		}
		for i, v := range p.values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("%s[%d] is %v", p.name, i, v)
			}
		}
	}
	for _, a := range []struct{ name, activation string }{
		{"ConvActivation", w.ConvActivation},
		{"MergeActivation", w.MergeActivation},
	} {
		if a.activation != "linear" && a.activation != "relu" {
			return fmt.Errorf("%s %q is neither linear nor relu", a.name, a.activation)
		}
	}
	if activation(w.DenseActivation) == nil {
		return fmt.Errorf("DenseActivation %q is not one of linear, relu, sigmoid, tanh", w.DenseActivation)
	}
	return nil
}

// differences returns the embedding of each symbol less that of symbol 0, (V+1)×d:
// E[s] − E[0], and in the last row, for void, 0 − E[0].
func differences(w *Weights) []float32 {
	d := w.Embedding
	out := make([]float32, (w.Vocabulary+1)*d)
	copy(out, w.EmbeddingTable)
	for i := range out {
		out[i] -= w.EmbeddingTable[i%d]
	}
	return out
}

// octetKernel returns the convolution kernels of an octet of filters, W×d×16: 8
// linear channels and their 8 gates, zero beyond the last filter.
func octetKernel(w *Weights, octet int) []float32 {
	first, last := octet*lanes, min((octet+1)*lanes, w.Filters)
	out := make([]float32, w.Window*w.Embedding*rowEntries)
	for i := range w.Window * w.Embedding {
		in, to := w.ConvKernel[i*2*w.Filters:], out[i*rowEntries:]
		copy(to, in[first:last])
		copy(to[lanes:], in[w.Filters+first:w.Filters+last])
	}
	return out
}

// octetBias sets dst to the bias of an octet plus the output for a window of symbol
// 0 alone: b + Σ_t Σ_c E[0][c]·K[t][c].
func octetBias(dst []float32, w *Weights, octet int, kernel []float32) {
	var sum [rowEntries]float64
	for i := range min(lanes, w.Filters-octet*lanes) {
		sum[i] = float64(w.ConvBias[octet*lanes+i])
		sum[lanes+i] = float64(w.ConvBias[w.Filters+octet*lanes+i])
	}
	for i := range w.Window * w.Embedding {
		e := float64(w.EmbeddingTable[i%w.Embedding])
		for j, v := range kernel[i*rowEntries : (i+1)*rowEntries] {
			sum[j] += e * float64(v)
		}
	}
	for j, v := range sum {
		dst[j] = float32(v)
	}
}
