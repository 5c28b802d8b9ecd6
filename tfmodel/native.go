package tfmodel

import (
	"fmt"
	"slices"

	"driftbench/tfmodel/malconv"
)

// Precision is how the native engine keeps its table.
type Precision = malconv.Precision

const (
	Float32 = malconv.Float32
	Int16   = malconv.Int16
)

// Table runs a model's layers on the CPU without TensorFlow, see package
// table. It is safe for concurrent use.
type Table struct {
	model     *Model
	engine    *malconv.Engine
	precision Precision
}

// OpenTable reads the weights of a model through TensorFlow, builds the native
// engine from them, and holds the outputs of both against each other on a
// probe batch. A difference above 1e-5 of a layer's scale (1e-3 with Int16) is
// an error: the engine does not serve.
func OpenTable(m *Model, p Precision, opt Options) (*Table, error) {
	if m.Shape == nil {
		return nil, fmt.Errorf("tfmodel: %s does not say its shape (assets.extra/malconv.json): the table engine needs a model of scripts/convert_savedmodel.py", m.Dir)
	}
	if !slices.Equal(layerNames(m.Layers), []string{"layer7", "layer8", logits}) {
		return nil, fmt.Errorf("tfmodel: %s has the layers %v: the table engine computes layer7, layer8 and logits", m.Dir, layerNames(m.Layers))
	}
	opt.Device, opt.Dense = CPU, true
	reference, err := OpenTensorFlow(m, opt)
	if err != nil {
		return nil, err
	}
	defer reference.Close()
	w, err := reference.Weights()
	if err != nil {
		return nil, err
	}
	s := m.Shape
	engine, err := malconv.New(malconv.Weights{
		MaxLen: s.MaxLen, Vocabulary: s.Vocabulary, Pad: s.Pad, Embedding: s.Embedding,
		Filters: s.Filters, Window: s.Window, Windows: s.Windows, Lead: s.Lead,
		ConvActivation: s.ConvActivation, MergeActivation: s.MergeActivation, DenseActivation: s.DenseActivation,
		EmbeddingTable: w["embedding"],
		ConvKernel:     w["conv_kernel"], ConvBias: w["conv_bias"],
		DenseKernel: w["dense_kernel"], DenseBias: w["dense_bias"],
		LogitsKernel: w["logits_kernel"], LogitsBias: w["logits_bias"],
	}, malconv.Options{Threads: opt.Threads, Precision: p})
	if err != nil {
		return nil, fmt.Errorf("tfmodel: %s: %w", m.Dir, err)
	}
	e := &Table{model: m, engine: engine, precision: p}
	tolerance := 1e-5
	if p == Int16 {
		tolerance = 1e-3
	}
	if err := probe(m, e.Run, reference.Run, tolerance); err != nil {
		e.Close()
		return nil, fmt.Errorf("tfmodel: %s: the table engine will not serve it: %w; use --engine tensorflow", m.Dir, err)
	}
	return e, nil
}

func layerNames(layers []Layer) []string {
	var names []string
	for _, l := range layers {
		names = append(names, l.Name)
	}
	return names
}

// TableKernel names the instruction set that the table engine uses here.
func TableKernel() string { return malconv.Kernels()[0] }

// Name is "table", or "table16" with Int16.
func (e *Table) Name() string {
	if e.precision == Int16 {
		return "table16"
	}
	return "table"
}

// Identity is the name with the revision of the engine's arithmetic: its
// outputs are the same bits on every processor.
func (e *Table) Identity() string { return fmt.Sprintf("%s, revision %d", e.Name(), malconv.Revision) }

// Device is CPU.
func (e *Table) Device() Device { return CPU }

// Run computes the outputs of files as [TensorFlow.Run] does.
func (e *Table) Run(dst [][]float32, files [][]byte) error {
	e.model.mustTake(files)
	n := len(files)
	var rows [3][]float32
	for i, l := range e.model.Layers {
		rows[i] = dst[i][: n*l.Width : n*l.Width]
	}
	return e.engine.Run(&malconv.Outputs{Layer7: rows[0], Layer8: rows[1], Logits: rows[2]}, files)
}

// Forget drops the windows kept from earlier files, so that the next Run
// computes as a new engine does.
func (e *Table) Forget() { e.engine.Forget() }

// Close frees the table.
func (e *Table) Close() error { return e.engine.Close() }
