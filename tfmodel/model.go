// Package tfmodel runs a MalConv that was converted to a SavedModel. [Inspect]
// reads what the model takes and gives, [Open] opens it in one of several
// engines, and [Engine] turns batches of files into the float32 outputs of the
// model's layers.
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
// and pads a shorter file itself, at the end that the model was trained with. It
// gives float32 [n, width] for every feature layer and for "logits".
package tfmodel

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"driftbench/internal/jsonfile"
	"driftbench/internal/regular"
	"driftbench/internal/utf"
	"driftbench/tfmodel/windows"
)

// Layer is an output of the model, float32 [n, Width] for n files.
type Layer struct {
	Name  string // "layer7", "layer8" or "logits" in a MalConv
	Width int
}

// Model describes a SavedModel on disk. It holds no TensorFlow state.
type Model struct {
	Dir string // the folder of the SavedModel
	// Hash is the SHA-256, in hexadecimal, of the graph, the variables and the
	// description. Models with the same hash compute the same outputs.
	Hash string
	// MaxLen is the number of bytes of a file that the model sees.
	MaxLen int
	// Layers are the feature layers in the order of their names, then logits.
	Layers []Layer
	// TrainedOn holds the SHA-256 of every file that the network was trained on: of
	// its first MaxLen bytes or of the whole file, the list does not say which. It is
	// nil when the model does not say its files.
	TrainedOn Digests
	// Shape is the MalConv's own description; nil when the model was not
	// converted by this project's script.
	Shape *Shape

	meta *corepb.MetaGraphDef // the engines load what was inspected, not the file again
}

// Digests is a set of SHA-256 sums, sorted: a map of the millions of files that a
// network can be trained on takes several times the memory.
type Digests [][sha256.Size]byte

// Has reports whether sum is one of d.
func (d Digests) Has(sum [sha256.Size]byte) bool {
	_, found := slices.BinarySearchFunc(d, sum, compareDigests)
	return found
}

func compareDigests(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) }

// FeatureLayers returns the layers without the logits.
func (m *Model) FeatureLayers() []Layer { return m.Layers[:len(m.Layers)-1] }

// Classes is the number of classes that the model tells apart: one sigmoid unit
// tells two.
func (m *Model) Classes() int { return max(2, m.Layers[len(m.Layers)-1].Width) }

// Shape is what a native engine must know of a MalConv besides its weights:
// assets.extra/malconv.json of a converted model. [malconv.Weights] says what
// the fields mean.
type Shape struct {
	MaxLen          int    `json:"maxlen"`     // bytes of a file that the model sees
	Vocabulary      int    `json:"vocabulary"` // symbols of the embedding
	Pad             int    `json:"pad"`        // symbol of the positions that the file has no byte for
	Embedding       int    `json:"embedding"`  // width of the embedding
	Filters         int    `json:"filters"`    // channels of each convolution, the width of layer7
	Window          int    `json:"window"`     // bytes a window, and the stride
	Windows         int    `json:"windows"`    // windows a file
	Lead            int    `json:"lead"`       // void positions before the first symbol
	Padding         string `json:"padding"`    // "front" if the pad symbols come before the bytes, else "back" or ""
	ConvActivation  string `json:"conv_activation"`
	GateActivation  string `json:"gate_activation"` // "relu", else "sigmoid" or ""
	MergeActivation string `json:"merge_activation"`
	DenseActivation string `json:"dense_activation"`
}

// The signatures and outputs, as the conversion names them.
const (
	servingSignature = "serving_default"
	windowsSignature = "windows"
	weightsSignature = "weights"
	logits           = "logits"
	probs            = "probs"
)

// The values of Shape.Padding.
const (
	back  = "back"
	front = "front"
)

// Inspect reads the description of the SavedModel in dir without running
// anything of it. The error for a folder that holds no such model says which
// part is missing or of another shape.
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
	const most = 64 << 20 // bytes; a converted MalConv's graph takes 60 KB
	path := filepath.Join(dir, "saved_model.pb")
	b, err := regular.Read(path, most, func(head []byte) error {
		// The schema version or a graph come first, fields 1 and 2 of the message
		// (tensorflow/core/protobuf/saved_model.proto).
		number, kind, n := protowire.ConsumeTag(head)
		if first := number == 1 && kind == protowire.VarintType || number == 2 && kind == protowire.BytesType; len(head) > 0 && (n < 0 || !first) {
			return fmt.Errorf("%s is damaged: it does not begin as a SavedModel does: convert the Keras file again", path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tfmodel: %s is no SavedModel: it holds no saved_model.pb; convert a Keras file with scripts/convert_savedmodel.py", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("tfmodel: %w", err)
	}
	var saved corepb.SavedModel
	// An empty message of two bytes takes a hundred in memory.
	if n := len(b)/3 + 1000; messages(saved.ProtoReflect().Descriptor(), b, n, 0) > n {
		return nil, fmt.Errorf("tfmodel: %s is damaged: it holds more than %d messages in %d bytes: convert the Keras file again", path, n, len(b))
	}
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

// messages counts the messages within an encoded message of type d, up to about most.
// It passes over what is malformed, which decoding refuses.
func messages(d protoreflect.MessageDescriptor, b []byte, most, depth int) (n int) {
	const deepest = 200 // of a function's attributes: 10
	if depth > deepest {
		return most + 1
	}
	for len(b) > 0 && n <= most {
		number, kind, length := protowire.ConsumeField(b)
		if length < 0 {
			return n
		}
		if f := d.Fields().ByNumber(number); f != nil && f.Message() != nil {
			n++
			if kind == protowire.BytesType {
				_, _, tag := protowire.ConsumeTag(b)
				content, _ := protowire.ConsumeBytes(b[tag:])
				n += messages(f.Message(), content, most-n, depth+1)
			}
		}
		b = b[length:]
	}
	return n
}

// Bounds that no MalConv comes near. Buffers are made of these sizes.
const (
	maxMaxLen = 1 << 26
	maxWidth  = 1 << 16
)

// readSignature checks the serving signature and takes MaxLen and Layers from it.
func (m *Model) readSignature(meta *corepb.MetaGraphDef) error {
	layerName := regexp.MustCompile(`^[A-Za-z0-9_-]+$`) // also part of a file's name
	const convert = "; convert the Keras file with scripts/convert_savedmodel.py"
	sig := meta.GetSignatureDef()[servingSignature]
	if sig == nil {
		return fmt.Errorf("no signature %q%s", servingSignature, convert)
	}
	in := sig.GetInputs()["bytes"]
	if d := dims(in); len(d) != 2 || in.GetDtype().String() != "DT_UINT8" || d[1] < 1 || d[1] > maxMaxLen {
		return fmt.Errorf("signature %q wants input \"bytes\" uint8 [n, maxlen], has %s%s", servingSignature, describe(in), convert)
	}
	m.MaxLen = int(dims(in)[1])
	if l := sig.GetInputs()["length"]; len(dims(l)) != 1 || l.GetDtype().String() != "DT_INT32" {
		return fmt.Errorf("signature %q wants input \"length\" int32 [n], has %s%s", servingSignature, describe(l), convert)
	}
	if n := len(sig.GetInputs()); n != 2 {
		return fmt.Errorf("signature %q has %d inputs, want \"bytes\" and \"length\" alone%s", servingSignature, n, convert)
	}

	for name, out := range sig.GetOutputs() {
		if !layerName.MatchString(name) {
			return fmt.Errorf("output %q cannot name a file of features: want letters, digits, '_' and '-'%s", name, convert)
		}
		d := dims(out)
		if len(d) != 2 || out.GetDtype().String() != "DT_FLOAT" || d[1] < 1 || d[1] > maxWidth {
			return fmt.Errorf("output %q wants float32 [n, width], has %s%s", name, describe(out), convert)
		}
		if name != probs {
			m.Layers = append(m.Layers, Layer{name, int(d[1])})
		}
	}
	slices.SortFunc(m.Layers, func(a, b Layer) int {
		switch {
		case a.Name == logits:
			return 1
		case b.Name == logits:
			return -1
		}
		return strings.Compare(a.Name, b.Name)
	})
	if n := len(m.Layers); n == 0 || m.Layers[n-1].Name != logits {
		return fmt.Errorf("signature %q has no output %q%s", servingSignature, logits, convert)
	} else if n == 1 {
		return fmt.Errorf("signature %q has no feature layer beside %q%s", servingSignature, logits, convert)
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

// describe returns a signature tensor's type and shape for an error.
func describe(t *corepb.TensorInfo) string {
	if t == nil {
		return "none"
	}
	return fmt.Sprintf("%s %v", strings.ToLower(strings.TrimPrefix(t.GetDtype().String(), "DT_")), dims(t))
}

// mustTake panics if the caller did not cut a file to MaxLen.
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

// The files of a SavedModel beside its graph.
const (
	shapeFile     = "assets.extra/malconv.json"
	trainedOnFile = "assets.extra/trained_on.sha256"
)

// readExtras reads the files that the conversion adds in assets.extra, if they are there.
func (m *Model) readExtras() error {
	shape := new(Shape)
	err := jsonfile.Read(filepath.Join(m.Dir, shapeFile), 1<<20, shape)
	switch {
	case err == nil:
		m.Shape = shape
		if err := m.checkShape(); err != nil {
			return fmt.Errorf("%s %w: the model was mixed up, convert it again", shapeFile, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}

	f, _, err := regular.Open(filepath.Join(m.Dir, trainedOnFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if m.TrainedOn, err = readDigests(f); err != nil {
		return fmt.Errorf("%s:%w", trainedOnFile, err)
	}
	return nil
}

// readDigests reads a list of SHA-256 sums in hexadecimal, one a line. Errors begin
// with the number of the line, and do not show it: in a model from elsewhere the list
// may be a link to another file.
func readDigests(r io.Reader) (Digests, error) {
	const longest = 1 << 16 // bytes of a line
	all := Digests{}
	lines := bufio.NewScanner(utf.NewReader(r))
	lines.Buffer(nil, longest)
	n := 1
	for ; lines.Scan(); n++ {
		var sum [sha256.Size]byte
		text := bytes.TrimSpace(lines.Bytes())
		if k, err := hex.Decode(sum[:], text[:min(len(text), 2*len(sum))]); err != nil || k != len(sum) || len(text) != 2*len(sum) {
			return nil, fmt.Errorf("%d: the line is no SHA-256 digest: write 64 hexadecimal digits a line", n)
		}
		all = append(all, sum)
	}
	if err := lines.Err(); err == bufio.ErrTooLong {
		return nil, fmt.Errorf("%d: a line of more than %d bytes is no SHA-256 digest", n, longest)
	} else if err != nil {
		return nil, fmt.Errorf("%d: %w", n, err)
	}
	slices.SortFunc(all, compareDigests)
	return slices.Compact(all), nil
}

// checkShape compares the description with the signature and with itself.
func (m *Model) checkShape() error {
	s := m.Shape
	if s.MaxLen != m.MaxLen {
		return fmt.Errorf("says maxlen %d, the signature %d", s.MaxLen, m.MaxLen)
	}
	for _, l := range m.Layers {
		if l.Name == "layer7" && l.Width != s.Filters {
			return fmt.Errorf("says filters %d, the signature's layer7 is %d wide", s.Filters, l.Width)
		}
	}
	if s.Window < 1 || s.Window > windows.MaxWindow {
		return fmt.Errorf("says window %d, want 1 to %d", s.Window, windows.MaxWindow)
	}
	// Padding "valid" drops the bytes that fill no window, "same" pads a last window.
	valid, same := s.MaxLen/s.Window, (s.MaxLen+s.Window-1)/s.Window
	if s.Windows < max(valid, 1) || s.Windows > same {
		return fmt.Errorf("says windows %d, want %d or %d", s.Windows, valid, same)
	}
	if lead := max(s.Windows*s.Window-s.MaxLen, 0) / 2; s.Lead != lead {
		return fmt.Errorf("says lead %d, want %d", s.Lead, lead)
	}
	if !slices.Contains([]string{"", back, front}, s.Padding) {
		return fmt.Errorf("says padding %q, want %s or %s", s.Padding, back, front)
	}
	if s.Pad < 0 || s.Pad >= s.Vocabulary {
		return fmt.Errorf("says pad %d, which is no symbol of the vocabulary of %d", s.Pad, s.Vocabulary)
	}
	return nil
}

// hashModel returns the SHA-256 of every file that decides the outputs, and of their names.
func hashModel(dir string) (string, error) {
	names := []string{shapeFile, "saved_model.pb"}
	variables, err := os.ReadDir(filepath.Join(dir, "variables"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, v := range variables {
		names = append(names, path.Join("variables", v.Name()))
	}
	h := sha256.New()
	var total int64
	for _, name := range names {
		f, info, err := regular.Open(filepath.Join(dir, name))
		if name == shapeFile && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if total += info.Size(); total > mostVariables {
			f.Close()
			return "", fmt.Errorf("%s and the files before it have %d bytes, at most %d are read: it is no MalConv", name, total, int64(mostVariables))
		}
		if path.Ext(name) == ".index" && info.Size() > mostIndex {
			f.Close()
			return "", fmt.Errorf("%s has %d bytes, at most %d are read: it is no index of variables", name, info.Size(), mostIndex)
		}
		fmt.Fprintf(h, "%s %d\n", name, info.Size())
		_, err = io.CopyN(h, f, info.Size()) // and not what is added meanwhile
		f.Close()
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
