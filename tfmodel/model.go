// Package tfmodel runs a MalConv that was converted to a SavedModel: it opens
// the model, finds its signature, and turns batches of file bytes into the
// float32 outputs of the model's layers.
//
// A MalConv (Raff et al., "Malware Detection by Eating a Whole EXE", 2017)
// embeds each byte of a file, convolves windows of 500 embedded bytes, gates
// them, and keeps the largest activation of every filter: layer7. A dense
// layer (layer8) and the logits follow.
//
// Names, widths and the input length come from the signature, never from
// positions. A signature takes
//
//	bytes   uint8 [n, maxlen]   the file's first bytes; the rest is ignored
//	length  int32 [n]           how many of them are the file's
//
// and gives float32 [n, width] for every feature layer and for "logits".
package tfmodel

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"driftbench/internal/regular"
)

// Layer is one float32 output of the model.
type Layer struct {
	Name  string // "layer7", "layer8", "logits"
	Width int
}

// Model describes a SavedModel on disk. It holds no TensorFlow state.
type Model struct {
	Dir string
	// Hash is the SHA-256 of the graph, the variables and the description:
	// two models with the same hash compute the same outputs.
	Hash string
	// MaxLen is how many bytes of a file the model sees.
	MaxLen int
	// Layers are the feature layers in the order of their names, then logits.
	Layers []Layer
	// TrainedOn holds the SHA-256 of every file the network was trained on;
	// nil when the model does not say.
	TrainedOn map[string]bool
	// Shape is the MalConv's own description; nil when the model was not
	// converted by this project's script.
	Shape *Shape

	meta *corepb.MetaGraphDef // what the engines load: what was inspected
}

// FeatureLayers returns the layers without the logits.
func (m *Model) FeatureLayers() []Layer { return m.Layers[:len(m.Layers)-1] }

// Classes is the number of classes that the model tells apart: one sigmoid unit
// tells two.
func (m *Model) Classes() int { return max(2, m.Layers[len(m.Layers)-1].Width) }

// Shape describes a MalConv: what a native engine must know besides the
// weights. It is assets.extra/malconv.json of a converted model.
type Shape struct {
	MaxLen          int    `json:"maxlen"`
	Vocabulary      int    `json:"vocabulary"` // symbols of the embedding
	Pad             int    `json:"pad"`        // symbol of the positions past the file's end
	Embedding       int    `json:"embedding"`
	Filters         int    `json:"filters"`
	Window          int    `json:"window"`  // bytes a window, and the stride
	Windows         int    `json:"windows"` // windows a file
	Lead            int    `json:"lead"`    // void positions before the first byte
	ConvActivation  string `json:"conv_activation"`
	MergeActivation string `json:"merge_activation"`
	DenseActivation string `json:"dense_activation"`
}

// signature names, as the conversion writes them.
const (
	servingSignature = "serving_default"
	windowsSignature = "windows"
	weightsSignature = "weights"
	logits           = "logits"
	probs            = "probs"
)

// Inspect reads the description of the SavedModel in dir without running
// anything of it. Its errors say which part is missing or of another shape.
func Inspect(dir string) (*Model, error) {
	meta, err := readMetaGraph(dir)
	if err != nil {
		return nil, err
	}
	m := &Model{Dir: dir, meta: meta}
	if err := m.readSignature(meta); err != nil {
		return nil, fmt.Errorf("tfmodel: %s: %w", dir, err)
	}
	if err := m.readExtras(); err != nil {
		return nil, fmt.Errorf("tfmodel: %s: %w", dir, err)
	}
	if m.Hash, err = hashModel(dir); err != nil {
		return nil, fmt.Errorf("tfmodel: hashing %s: %w", dir, err)
	}
	return m, nil
}

// readMetaGraph parses saved_model.pb and returns the graph tagged "serve".
func readMetaGraph(dir string) (*corepb.MetaGraphDef, error) {
	const most = 256 << 20 // a converted MalConv's graph takes 60 KB
	path := filepath.Join(dir, "saved_model.pb")
	b, err := regular.Read(path, most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tfmodel: %s is no SavedModel: it holds no saved_model.pb; convert a Keras file with scripts/convert_savedmodel.py", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("tfmodel: %w", err)
	}
	var saved corepb.SavedModel
	if err := proto.Unmarshal(b, &saved); err != nil {
		return nil, fmt.Errorf("tfmodel: %s is damaged: %w", path, err)
	}
	for _, g := range saved.GetMetaGraphs() {
		if slices.Equal(g.GetMetaInfoDef().GetTags(), []string{"serve"}) {
			return g, nil
		}
	}
	return nil, fmt.Errorf("tfmodel: %s holds no graph tagged \"serve\" alone", path)
}

// Bounds that no MalConv comes near. Buffers are made of these sizes.
const (
	maxMaxLen = 1 << 26
	maxWidth  = 1 << 16
)

// readSignature checks the serving signature and takes MaxLen and Layers from it.
func (m *Model) readSignature(meta *corepb.MetaGraphDef) error {
	layerName := regexp.MustCompile(`^[A-Za-z0-9_-]+$`) // also part of a file's name
	const mend = "; convert the Keras file with scripts/convert_savedmodel.py"
	sig := meta.GetSignatureDef()[servingSignature]
	if sig == nil {
		return fmt.Errorf("no signature %q%s", servingSignature, mend)
	}
	in := sig.GetInputs()["bytes"]
	if d := dims(in); len(d) != 2 || in.GetDtype().String() != "DT_UINT8" || d[1] < 1 || d[1] > maxMaxLen {
		return fmt.Errorf("signature %q wants input \"bytes\" uint8 [n, maxlen], has %s%s", servingSignature, describe(in), mend)
	}
	m.MaxLen = int(dims(in)[1])
	if l := sig.GetInputs()["length"]; len(dims(l)) != 1 || l.GetDtype().String() != "DT_INT32" {
		return fmt.Errorf("signature %q wants input \"length\" int32 [n], has %s%s", servingSignature, describe(l), mend)
	}
	if n := len(sig.GetInputs()); n != 2 {
		return fmt.Errorf("signature %q has %d inputs, want \"bytes\" and \"length\" alone%s", servingSignature, n, mend)
	}

	for name, out := range sig.GetOutputs() {
		if !layerName.MatchString(name) {
			return fmt.Errorf("output %q cannot name a file of features: want letters, digits, '_' and '-'%s", name, mend)
		}
		d := dims(out)
		if len(d) != 2 || out.GetDtype().String() != "DT_FLOAT" || d[1] < 1 || d[1] > maxWidth {
			return fmt.Errorf("output %q wants float32 [n, width], has %s%s", name, describe(out), mend)
		}
		if name != probs {
			m.Layers = append(m.Layers, Layer{name, int(d[1])})
		}
	}
	sort.Slice(m.Layers, func(i, j int) bool {
		a, b := m.Layers[i].Name, m.Layers[j].Name
		if (a == logits) != (b == logits) {
			return b == logits
		}
		return a < b
	})
	if n := len(m.Layers); n == 0 || m.Layers[n-1].Name != logits {
		return fmt.Errorf("signature %q has no output %q%s", servingSignature, logits, mend)
	} else if n == 1 {
		return fmt.Errorf("signature %q has no feature layer beside %q%s", servingSignature, logits, mend)
	}
	return nil
}

// dims returns the sizes of a signature tensor, -1 for unknown.
func dims(t *corepb.TensorInfo) []int64 { return sizes(t.GetTensorShape()) }

// sizes returns the sizes of a shape, -1 for unknown.
func sizes(s *shapepb.TensorShapeProto) []int64 {
	var d []int64
	for _, x := range s.GetDim() {
		d = append(d, x.GetSize())
	}
	return d
}

// describe names a signature tensor's type and shape in an error.
func describe(t *corepb.TensorInfo) string {
	if t == nil {
		return "none"
	}
	return fmt.Sprintf("%s %v", strings.ToLower(strings.TrimPrefix(t.GetDtype().String(), "DT_")), dims(t))
}

// mustTake panics at a file that the caller did not cut to MaxLen.
func (m *Model) mustTake(files [][]byte) {
	for _, f := range files {
		if len(f) > m.MaxLen {
			panic(fmt.Sprintf("tfmodel: file of %d bytes, model takes %d", len(f), m.MaxLen))
		}
	}
}

// outputs allocates the outputs of n files.
func (m *Model) outputs(n int) [][]float32 {
	out := make([][]float32, len(m.Layers))
	for i, l := range m.Layers {
		out[i] = make([]float32, n*l.Width)
	}
	return out
}
