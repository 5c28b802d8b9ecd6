package tfmodel

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/cpuid/v2"
	tf "github.com/wamuir/graft/tensorflow"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"driftbench/tfmodel/windows"
)

// tensorFlow runs a model through TensorFlow, on the distinct windows of a batch
// where the model takes those, else on whole files.
type tensorFlow struct {
	model     *Model
	device    Device
	precision Precision
	loaded    *loaded
	call      *call // what Run uses

	// A batch on the CPU takes every core, so the next one waits with its tensors
	// filled; a GPU copies one batch while it computes another.
	*usage

	mu      sync.Mutex
	garbage int64 // bytes of C memory that wait for finalizers
}

func openTensorFlow(_ string, m *Model, opt Options) (Engine, error) {
	e, err := newTensorFlow(m, opt)
	if err != nil {
		return nil, err // with no nil *tensorFlow in the interface
	}
	if e.device == GPU {
		if err := e.verify(opt); err != nil {
			e.Close()
			return nil, err
		}
	}
	return e, nil
}

// newTensorFlow loads the model into TensorFlow. Asking for the GPU where
// TensorFlow lists none is an error that says what to do.
func newTensorFlow(m *Model, opt Options) (*tensorFlow, error) {
	l, err := load(m, opt.TrustModel, sessionConfig(opt))
	if err != nil {
		return nil, fmt.Errorf("tfmodel: loading %s: %w", m.Dir, err)
	}
	e := &tensorFlow{model: m, loaded: l, device: CPU, precision: cmp.Or(opt.Precision, Float32)}

	devices, err := l.session.ListDevices()
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("tfmodel: listing devices: %w", firstLine(err))
	}
	for _, d := range devices {
		if d.Type == "GPU" && opt.Device != CPU {
			e.device = GPU
		}
	}
	if opt.Device == GPU && e.device != GPU {
		e.Close()
		return nil, errors.New("tfmodel: --device gpu: TensorFlow lists no GPU; build with GPU=1 on a machine with an NVIDIA driver (driftbench doctor says what is missing), or use --device cpu")
	}
	inFlight := 1
	if e.device == GPU {
		inFlight = 3
	}
	e.usage = newUsage(inFlight)

	if err := e.setCall(opt); err != nil {
		e.Close()
		return nil, fmt.Errorf("tfmodel: %s: %w", m.Dir, err)
	}
	return e, nil
}

// sessionConfig translates opt to TensorFlow's own options.
func sessionConfig(opt Options) *corepb.ConfigProto {
	c := &corepb.ConfigProto{
		IntraOpParallelismThreads: int32(opt.Threads),
		GpuOptions: &corepb.GPUOptions{
			AllowGrowth:       !opt.ReserveGPUMemory,
			VisibleDeviceList: opt.VisibleGPUs,
		},
		// Off, so that calls remain those that were checked, see interchangeable.
		GraphOptions: &corepb.GraphOptions{RewriteOptions: &corepb.RewriterConfig{ImplementationSelector: corepb.RewriterConfig_OFF}},
	}
	if opt.Threads > 0 {
		c.UsePerSessionThreads = true
		c.InterOpParallelismThreads = 1
	}
	if opt.Device == CPU {
		c.DeviceCount = map[string]int32{"GPU": 0}
	}
	return c
}

// setCall sets the call of Run: with distinct windows where the model has a
// signature for those, else with whole files.
func (e *tensorFlow) setCall(opt Options) error {
	whole, err := e.bind(servingSignature, "bytes", "length")
	if err != nil {
		return err
	}
	whole.fill, whole.multiple = e.model.wholeFiles, 1
	e.call = whole
	if !e.model.takesWindows() || opt.wholeFiles {
		return nil
	}
	distinct, err := e.bind(windowsSignature, windowsInputs...)
	if err != nil {
		return err
	}
	distinct.multiple = 1
	if e.device == CPU {
		distinct.multiple = rowsAtOnce
	}
	distinct.fill = func(files [][]byte) (map[string]*tf.Tensor, error) {
		return e.model.distinctWindows(files, distinct.multiple)
	}
	e.call = distinct
	// The description of the windows is a file beside the graph. If it is another
	// model's, outputs differ by far more than rounding, even a GPU's.
	var w map[string][]float32
	if e.model.meta.GetSignatureDef()[weightsSignature] != nil {
		if w, err = e.weights(); err != nil {
			return err
		}
	}
	err = probe(e.model, e.Run, func(dst [][]float32, files [][]byte) error { return e.run(whole, dst, files) }, 1e-2, w)
	if err != nil {
		return fmt.Errorf("distinct windows by %s: %w", shapeFile, err)
	}
	return nil
}

// takesWindows reports whether the model can be given distinct windows.
func (m *Model) takesWindows() bool {
	return m.meta.GetSignatureDef()[windowsSignature] != nil && m.Shape != nil
}

// rowsAtOnce is a multiple of the rows that a matrix product on a CPU computes at a
// time: 6 with AVX2, 8 with AVX-512. Rows that are left over are computed by other
// instructions, with other last bits, so that without padding the batch would decide
// which bits a file gets.
const rowsAtOnce = 24

// call is a signature of the graph, and the function that makes its inputs.
type call struct {
	inputs  map[string]tf.Output
	outputs []tf.Output // in the order of Model.Layers
	fill    func(files [][]byte) (map[string]*tf.Tensor, error)
	// multiple is what the rows of the outputs are padded to a multiple of; with 1
	// their last bits may depend on the batch.
	multiple int
}

// bind finds the inputs and outputs of a signature in the graph.
func (e *tensorFlow) bind(signature string, inputs ...string) (*call, error) {
	sig := e.model.meta.GetSignatureDef()[signature]
	c := &call{inputs: make(map[string]tf.Output)}
	for _, name := range inputs {
		o, err := e.loaded.output(sig.GetInputs()[name].GetName())
		if err != nil {
			return nil, fmt.Errorf("signature %q, input %q: %w", signature, name, err)
		}
		c.inputs[name] = o
	}
	for _, l := range e.model.Layers {
		o, err := e.loaded.output(sig.GetOutputs()[l.Name].GetName())
		if err != nil {
			return nil, fmt.Errorf("signature %q, output %q: %w", signature, l.Name, err)
		}
		c.outputs = append(c.outputs, o)
	}
	return c, nil
}

func (e *tensorFlow) Name() string { return "tensorflow" }

// Identity is the name with the version and the processor, which choose the
// kernels that TensorFlow computes with, and whether the batch chooses them too.
func (e *tensorFlow) Identity() string {
	processor := cpuid.CPU.BrandName
	if e.device == GPU {
		processor = strings.Join(GPUNames(), ", ") + " in " + string(e.precision)
	}
	return tensorFlowIdentity(processor, e.call.multiple)
}

func tensorFlowIdentity(processor string, multiple int) string {
	batches := "the last bits depend on the batch"
	if multiple > 1 {
		batches = fmt.Sprintf("batches in multiples of %d", multiple)
	}
	return fmt.Sprintf("tensorflow %s on %s, %s", tf.Version(), processor, batches)
}

// tensorFlowOnCPU is the identity of the engine for a model on the CPU.
func tensorFlowOnCPU(_ string, m *Model) (string, error) {
	if _, err := Version(); err != nil { // which loads TensorFlow
		return "", err
	}
	multiple := 1
	if m.takesWindows() {
		multiple = rowsAtOnce
	}
	return tensorFlowIdentity(cpuid.CPU.BrandName, multiple), nil
}

func (e *tensorFlow) Device() Device { return e.device }

func (e *tensorFlow) Run(dst [][]float32, files [][]byte) error {
	e.model.mustTake(files)
	return e.run(e.call, dst, files)
}

func (e *tensorFlow) run(c *call, dst [][]float32, files [][]byte) error {
	n := len(files)
	if n == 0 {
		return nil
	}
	start := time.Now()
	rows := (n + c.multiple - 1) / c.multiple * c.multiple
	inputs, err := c.fill(files)
	if err != nil {
		return fmt.Errorf("tfmodel: filling a batch: %w", err)
	}
	var size int64
	feeds := make(map[tf.Output]*tf.Tensor, len(inputs))
	for name, t := range inputs {
		feeds[c.inputs[name]] = t
		size += tensorBytes(t)
	}

	var out []*tf.Tensor
	compute := func() (err error) {
		out, err = e.loaded.session.Run(feeds, c.outputs, nil)
		return err
	}
	err = e.usage.run(start, func() error {
		if e.device == GPU {
			return withPrecision(e.precision, compute)
		}
		return compute()
	})
	if err != nil && outOfMemory(err) {
		return fmt.Errorf("tfmodel: running %d files on the %s: %w: use a smaller --batch", n, e.device, ErrMemory)
	}
	if err != nil {
		return fmt.Errorf("tfmodel: running %d files on the %s: %w", n, e.device, firstLine(err))
	}
	for i, l := range e.model.Layers {
		if s := out[i].Shape(); len(s) != 2 || s[0] != int64(rows) || s[1] != int64(l.Width) {
			return fmt.Errorf("tfmodel: output %s has shape %v, want [%d %d]", l.Name, s, rows, l.Width)
		}
		padded := make([]float32, rows*l.Width)
		if err := copyTensor(padded, out[i]); err != nil {
			return fmt.Errorf("tfmodel: output %s: %w", l.Name, err)
		}
		copy(dst[i], padded[:n*l.Width])
		size += tensorBytes(out[i])
	}
	e.collect(size)
	return nil
}

// ErrMemory is wrapped in the error of a batch for which a device has too little
// memory.
var ErrMemory = errors.New("out of memory")

// outOfMemory reports whether err is TensorFlow's status RESOURCE_EXHAUSTED. The
// binding keeps the code of a status to itself, so the text has to tell.
func outOfMemory(err error) bool {
	text := err.Error()
	return strings.Contains(text, "OOM when allocating") || strings.Contains(text, "RESOURCE_EXHAUSTED") || strings.Contains(text, "Out of memory")
}

// collect runs the garbage collector once tensors of 64 MB wait for it: the
// binding frees them by finalizers alone, and Go does not see their size.
func (e *tensorFlow) collect(size int64) {
	const limit = 64 << 20
	e.mu.Lock()
	e.garbage += size
	full := e.garbage >= limit
	if full {
		e.garbage = 0
	}
	e.mu.Unlock()
	if full {
		runtime.GC()
	}
}

// Forget does nothing: TensorFlow keeps nothing of a file.
func (e *tensorFlow) Forget() {}

// Close frees the session.
func (e *tensorFlow) Close() error { return e.loaded.session.Close() }

// tensorFlowBatch returns 32 files on a CPU, or fewer where they would have more
// than 32 MB: larger batches are no faster. A GPU gets the largest power of two
// whose embedded windows, 6.4 MB a file in the usual shape, take at most 1 GB, and
// no more than 256.
func tensorFlowBatch(m *Model, d Device) int {
	if d != GPU {
		return max(1, min(32, batchBytes/m.MaxLen))
	}
	const most, memory = 256, 1 << 30
	embedded := m.MaxLen * 8 * 4 // where the model does not say its shape
	if s := m.Shape; s != nil {
		embedded = s.Windows * s.Window * s.Embedding * 4
	}
	batch := 1
	for 2*batch <= min(most, memory/embedded) {
		batch *= 2
	}
	return batch
}

// wholeFiles makes the inputs of the serving signature.
func (m *Model) wholeFiles(files [][]byte) (map[string]*tf.Tensor, error) {
	lengths := make([]int32, len(files))
	for i, f := range files {
		lengths[i] = int32(len(f))
	}
	t := new(tensors)
	t.addBytes("bytes", len(files), m.MaxLen, &paddedReader{files: files, width: m.MaxLen})
	t.add("length", lengths)
	return t.byName, t.err
}

// windowsInputs are the inputs of the windows signature; the doc comment of
// scripts/malconv_savedmodel.py says what they hold.
var windowsInputs = []string{"windows", "lead", "length", "end", "index", "segment", "files"}

// distinctWindows makes the inputs of the windows signature: every distinct
// window of the batch once, as bytes. On real programs they are less than half of
// the windows of whole files. Windows and files are padded to a multiple.
func (m *Model) distinctWindows(files [][]byte, multiple int) (map[string]*tf.Tensor, error) {
	set := windows.NewSet(m.Shape.cutter(), files)
	set.Pad(multiple)
	t := new(tensors)
	t.addBytes("windows", len(set.Lead), m.Shape.Window, bytes.NewReader(set.Bytes))
	t.add("lead", set.Lead)
	t.add("length", set.Length)
	t.add("end", set.End)
	t.add("index", set.Index)
	t.add("segment", set.Segment)
	t.add("files", int32(set.Files))
	return t.byName, t.err
}

func (s *Shape) cutter() windows.Cutter {
	return windows.Cutter{MaxLen: s.MaxLen, Window: s.Window, Windows: s.Windows, Lead: s.Lead, Pad: s.Pad, Front: s.Padding == front}
}

// weights returns the parameters of the model by name, each flat in row-major
// order. A model without the weights signature is an error.
func (e *tensorFlow) weights() (map[string][]float32, error) {
	sig := e.model.meta.GetSignatureDef()[weightsSignature]
	if sig == nil {
		return nil, fmt.Errorf("tfmodel: %s has no signature %q: convert the Keras file again with scripts/convert_savedmodel.py", e.model.Dir, weightsSignature)
	}
	var names []string
	var fetches []tf.Output
	for name, info := range sig.GetOutputs() {
		if info.GetDtype() != typespb.DataType_DT_FLOAT {
			continue
		}
		o, err := e.loaded.output(info.GetName())
		if err != nil {
			return nil, fmt.Errorf("tfmodel: %s: %w", e.model.Dir, err)
		}
		names, fetches = append(names, name), append(fetches, o)
	}
	out, err := e.loaded.session.Run(nil, fetches, nil)
	if err != nil {
		return nil, fmt.Errorf("tfmodel: reading weights: %w", firstLine(err))
	}
	values := make(map[string][]float32, len(names))
	for i, name := range names {
		n := int64(1)
		for _, d := range out[i].Shape() {
			n *= d
		}
		values[name] = make([]float32, n)
		if err := copyTensor(values[name], out[i]); err != nil {
			return nil, fmt.Errorf("tfmodel: weight %s: %w", name, err)
		}
	}
	return values, nil
}
