package tfmodel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"driftbench/tfmodel/malconv"
)

// native is an engine that computes layer7, layer8 and the logits on the CPU
// from the weights of a model, without TensorFlow.
type native struct {
	nativeEngine
	model    *Model
	name     string
	identity string
	*usage
}

// nativeEngine is what a native engine's package provides.
type nativeEngine interface {
	Run(dst *malconv.Outputs, files [][]byte) error
	Forget()
	Close() error
}

// refuseNative returns why no native engine can serve a model.
func refuseNative(name string, m *Model) error {
	if m.Shape == nil {
		return fmt.Errorf("does not say its shape (%s): the %s engine needs a model of scripts/convert_savedmodel.py", shapeFile, name)
	}
	if layers := layerNames(m.Layers); !slices.Equal(layers, malconvLayers) {
		return fmt.Errorf("has the layers %v: the %s engine computes layer7, layer8 and logits", layers, name)
	}
	if g := m.Shape.GateActivation; g != "" && g != "sigmoid" {
		return fmt.Errorf("gates by %s: the %s engine computes sigmoid gates alone; use --engine tensorflow", g, name)
	}
	if m.Shape.Padding == front && m.Shape.Pad > 255 {
		return fmt.Errorf("pads in front by symbol %d, which is no byte: the %s engine has no such padding; use --engine tensorflow", m.Shape.Pad, name)
	}
	return nil
}

// malconvLayers are the names of the layers of a converted MalConv, in order.
var malconvLayers = []string{"layer7", "layer8", logits}

// openNative returns how to open a native engine: it reads the weights of a
// model through TensorFlow, calls open with them and a number of threads, and
// compares the outputs of both engines on a probe batch. A difference above the
// tolerance, a share of a layer's scale, is an error; see [scales].
func openNative(revision int, tolerance float64, open func(w malconv.Weights, threads int) (nativeEngine, error)) func(string, *Model, Options) (Engine, error) {
	return func(name string, m *Model, opt Options) (Engine, error) {
		opt.Device, opt.wholeFiles = CPU, true
		reference, err := newTensorFlow(m, opt)
		if err != nil {
			return nil, err
		}
		defer reference.Close()
		w, err := reference.weights()
		if err != nil {
			return nil, err
		}
		s := m.Shape
		opened, err := open(malconv.Weights{
			MaxLen: s.MaxLen, Vocabulary: s.Vocabulary, Pad: s.Pad, Embedding: s.Embedding,
			Filters: s.Filters, Window: s.Window, Windows: s.Windows, Lead: s.Lead, Front: s.Padding == front,
			ConvActivation: s.ConvActivation, MergeActivation: s.MergeActivation, DenseActivation: s.DenseActivation,
			EmbeddingTable: w["embedding"],
			ConvKernel:     w["conv_kernel"], ConvBias: w["conv_bias"],
			DenseKernel: w["dense_kernel"], DenseBias: w["dense_bias"],
			LogitsKernel: w["logits_kernel"], LogitsBias: w["logits_bias"],
		}, opt.Threads)
		if err != nil {
			return nil, fmt.Errorf("tfmodel: %s: %w", m.Dir, err)
		}
		identity, err := nativeIdentity(revision)(name, m)
		if err != nil {
			return nil, err
		}
		e := &native{opened, m, name, identity, newUsage(1)}
		if err := probe(m, e.Run, reference.Run, tolerance, w); err != nil {
			e.Close()
			return nil, fmt.Errorf("tfmodel: %s: the %s engine will not serve it: %w; use --engine tensorflow", m.Dir, name, err)
		}
		return e, nil
	}
}

func openMalconv(w malconv.Weights, threads int) (nativeEngine, error) {
	return malconv.New(w, malconv.Options{Threads: threads})
}

// TableKernel returns the name of the instruction set that the table engine uses
// on this processor.
func TableKernel() string { return malconv.Kernels()[0] }

func (e *native) Name() string { return e.name }

// Identity is the name with the revision of the engine's arithmetic: its
// outputs are the same bits on every processor.
func (e *native) Identity() string { return e.identity }

func nativeIdentity(revision int) func(string, *Model) (string, error) {
	return func(name string, _ *Model) (string, error) {
		return fmt.Sprintf("%s, revision %d", name, revision), nil
	}
}

func (e *native) Device() Device { return CPU }

func (e *native) Run(dst [][]float32, files [][]byte) error {
	start := time.Now()
	e.model.mustTake(files)
	n := len(files)
	var rows [3][]float32
	for i, l := range e.model.Layers {
		rows[i] = dst[i][: n*l.Width : n*l.Width]
	}
	return e.usage.run(start, func() error {
		return e.nativeEngine.Run(&malconv.Outputs{Layer7: rows[0], Layer8: rows[1], Logits: rows[2]}, files)
	})
}

// nativeBatch returns 96 files, or fewer where they would have more than 32 MB: a
// native engine reads its table once a batch, and the batches in flight are to
// stay small.
func nativeBatch(m *Model, _ Device) int {
	return max(1, min(96, batchBytes/m.MaxLen))
}

// batchBytes bounds the files of a batch that suits an engine.
const batchBytes = 32 << 20

func layerNames(layers []Layer) []string {
	var names []string
	for _, l := range layers {
		names = append(names, l.Name)
	}
	return names
}

// probe runs two ways a file without bytes, a full one, one that ends within its last
// window and one half as long: TensorFlow takes as long for each of them. A difference
// above the tolerance, a share of a layer's scale, is an error. w holds the weights of
// a converted model, nil for another.
func probe(m *Model, run, reference func(dst [][]float32, files [][]byte) error, tolerance float64, w map[string][]float32) error {
	rng := rand.NewChaCha8([32]byte{7})
	files := [][]byte{nil}
	for _, length := range []int{m.MaxLen, m.MaxLen - 1, m.MaxLen/2 + 3} {
		f := make([]byte, min(length, m.MaxLen))
		rng.Read(f)
		clear(f[len(f)/3 : len(f)/2]) // zeros between, as in real files
		files = append(files, f)
	}
	got, want := m.outputs(len(files)), m.outputs(len(files))
	if err := run(got, files); err != nil {
		return err
	}
	if err := reference(want, files); err != nil {
		return err
	}
	for i, scale := range scales(m, want, w) {
		var difference float64
		for j, v := range want[i] {
			difference = max(difference, math.Abs(float64(got[i][j]-v))) // max keeps NaN
		}
		if !(difference <= tolerance*scale) {
			return fmt.Errorf("%s of a probe differs from that of whole files through TensorFlow by %.2g of its scale", m.Layers[i].Name, difference/scale)
		}
	}
	return nil
}

// scales returns for each layer what differences in it are measured by: its largest
// value, or what the terms of its sums amount to where that is more. Sums may
// cancel, and an error is then no smaller than that of the terms.
func scales(m *Model, values [][]float32, w map[string][]float32) []float64 {
	scale := make([]float64, len(m.Layers))
	for i := range scale {
		for _, v := range values[i] {
			scale[i] = max(scale[i], math.Abs(float64(v)))
		}
	}
	if w == nil || !slices.Equal(layerNames(m.Layers), malconvLayers) {
		return scale
	}
	filters, hidden, classes := m.Layers[0].Width, m.Layers[1].Width, m.Layers[2].Width
	for name, n := range map[string]int{
		"embedding": m.Shape.Vocabulary * m.Shape.Embedding, "conv_kernel": m.Shape.Window * m.Shape.Embedding * 2 * filters, "conv_bias": 2 * filters,
		"dense_kernel": filters * hidden, "dense_bias": hidden, "logits_kernel": hidden * classes, "logits_bias": classes,
	} {
		if len(w[name]) != n {
			return scale // the weights are not those of the layers
		}
	}
	// The convolutions have thousands of terms, of which the rounding errors are
	// small: a tenth is left for a model whose filters are all but closed.
	scale[0] = max(scale[0], 0.1*termsOfConvolution(w, m.Shape.Embedding))
	scale[1] = max(scale[1], termsOfDense(values[0], w["dense_kernel"], w["dense_bias"]))
	scale[2] = max(scale[2], termsOfDense(values[1], w["logits_kernel"], w["logits_bias"]))
	return scale
}

// termsOfConvolution returns the largest root sum of squares of the terms
// of a filter's convolution, b + Σ_t Σ_c E[s_t][c]·K[t][c], over symbols that are
// all as frequent.
func termsOfConvolution(w map[string][]float32, width int) float64 {
	embedding, kernel, bias := w["embedding"], w["conv_kernel"], w["conv_bias"]
	filters := len(bias) / 2
	square := make([]float64, width) // mean over the symbols
	for i, e := range embedding {
		square[i%width] += float64(e) * float64(e) * float64(width) / float64(len(embedding))
	}
	sum := make([]float64, filters)
	for i := range kernel {
		if f := i % (2 * filters); f < filters {
			sum[f] += square[i/(2*filters)%width] * float64(kernel[i]) * float64(kernel[i])
		}
	}
	for f := range sum {
		sum[f] += float64(bias[f]) * float64(bias[f])
	}
	return math.Sqrt(slices.Max(sum))
}

// termsOfDense returns the largest root sum of squares of the terms of b + x·K
// over rows x of a batch.
func termsOfDense(rows, kernel, bias []float32) float64 {
	var most float64
	for x := range slices.Chunk(rows, len(kernel)/len(bias)) {
		for j, b := range bias {
			sum := float64(b) * float64(b)
			for i, v := range x {
				sum += math.Pow(float64(v)*float64(kernel[i*len(bias)+j]), 2)
			}
			most = max(most, sum)
		}
	}
	return math.Sqrt(most)
}
