package tfmodel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"driftbench/tfmodel/malconv"
)

// native is an engine that computes layer7, layer8 and the logits on the CPU
// from the weights of a model, without TensorFlow.
type native struct {
	nativeEngine
	model    *Model
	name     string
	identity string
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
	if layers := layerNames(m.Layers); !slices.Equal(layers, []string{"layer7", "layer8", logits}) {
		return fmt.Errorf("has the layers %v: the %s engine computes layer7, layer8 and logits", layers, name)
	}
	return nil
}

// openNative returns how to open a native engine: it reads the weights of a
// model through TensorFlow, calls open with them and a number of threads, and
// compares the outputs of both engines on a probe batch. A difference above the
// tolerance, a share of a layer's largest value, is an error.
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
			Filters: s.Filters, Window: s.Window, Windows: s.Windows, Lead: s.Lead,
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
		e := &native{opened, m, name, identity}
		if err := probe(m, e.Run, reference.Run, tolerance); err != nil {
			e.Close()
			return nil, fmt.Errorf("tfmodel: %s: the %s engine will not serve it: %w; use --engine tensorflow", m.Dir, name, err)
		}
		return e, nil
	}
}

func openMalconv(p malconv.Precision) func(malconv.Weights, int) (nativeEngine, error) {
	return func(w malconv.Weights, threads int) (nativeEngine, error) {
		return malconv.New(w, malconv.Options{Threads: threads, Precision: p})
	}
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
	e.model.mustTake(files)
	n := len(files)
	var rows [3][]float32
	for i, l := range e.model.Layers {
		rows[i] = dst[i][: n*l.Width : n*l.Width]
	}
	return e.nativeEngine.Run(&malconv.Outputs{Layer7: rows[0], Layer8: rows[1], Logits: rows[2]}, files)
}

// nativeBatch returns 96 files, or fewer where they would have more than 32 MB: a
// native engine reads its table once a batch, and the batches in flight are to
// stay small.
func nativeBatch(m *Model) int {
	const most = 32 << 20 // bytes of a batch
	return max(1, min(96, most/m.MaxLen))
}

func layerNames(layers []Layer) []string {
	var names []string
	for _, l := range layers {
		names = append(names, l.Name)
	}
	return names
}

// probe runs a few files of every kind of content and length two ways. A
// difference above the tolerance, a share of a layer's largest value, is an error.
func probe(m *Model, run, reference func(dst [][]float32, files [][]byte) error, tolerance float64) error {
	rng := rand.NewChaCha8([32]byte{7})
	files := [][]byte{nil, make([]byte, 1), make([]byte, m.MaxLen)}
	for _, length := range []int{m.MaxLen, m.MaxLen - 1, m.MaxLen/2 + 3, 700} {
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
	for i, l := range m.Layers {
		var scale, difference float64
		for j, w := range want[i] {
			scale = max(scale, math.Abs(float64(w)))
			difference = max(difference, math.Abs(float64(got[i][j]-w)))
		}
		if !(difference <= tolerance*scale) {
			return fmt.Errorf("%s of a probe differs from that of whole files through TensorFlow by %.2g of its largest value", l.Name, difference/scale)
		}
	}
	return nil
}
