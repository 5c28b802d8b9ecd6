package tfmodel

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/klauspost/cpuid/v2"
	tf "github.com/wamuir/graft/tensorflow"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// Device is where a model runs.
type Device string

const (
	Auto Device = "auto" // the GPU when TensorFlow lists one, else the CPU
	CPU  Device = "cpu"
	GPU  Device = "gpu"
)

// Options says how TensorFlow runs a model. The zero value picks the device,
// uses every core, and lets GPU memory grow as needed.
type Options struct {
	Device Device
	// Threads is the number of CPU threads of one operation; 0 is all cores.
	Threads int
	// VisibleGPUs is a comma-separated list of GPU numbers; "" is all.
	VisibleGPUs string
	// Dense sends whole files even to a model that takes distinct windows, which
	// on real programs are about half as many.
	Dense bool
	// TrustModel loads a model whatever ops it is made of. A SavedModel is a
	// program; without this one that could do more than compute is refused.
	TrustModel bool
	// ReserveGPUMemory takes all GPU memory at once instead of as needed.
	ReserveGPUMemory bool
}

// TensorFlow runs a model through TensorFlow, on the distinct windows of a batch
// where the model takes those, else on whole files. It is safe for concurrent use.
type TensorFlow struct {
	model  *Model
	device Device
	loaded *loaded
	call   *call // what Run uses

	// running bounds the Session.Run calls under way. While one batch runs on
	// the CPU it has every core, so a second only waits with its tensor
	// filled; a GPU copies one batch while it computes another.
	running chan struct{}

	mu      sync.Mutex
	garbage int64 // bytes of C memory that wait for finalizers
}

// OpenTensorFlow loads the model into TensorFlow. Asking for the GPU where
// TensorFlow lists none is an error that says what to do.
func OpenTensorFlow(m *Model, opt Options) (*TensorFlow, error) {
	if opt.Device == "" {
		opt.Device = Auto
	}
	l, err := load(m, opt.TrustModel, sessionConfig(opt))
	if err != nil {
		return nil, fmt.Errorf("tfmodel: loading %s: %w", m.Dir, err)
	}
	e := &TensorFlow{model: m, loaded: l, device: CPU}

	devices, err := l.session.ListDevices()
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("tfmodel: listing devices: %w", err)
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
	e.running = make(chan struct{}, inFlight)

	if err := e.choose(opt); err != nil {
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
		// Calls stay of the functions that were checked.
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

// choose settles how files reach the model: as their distinct windows where
// it has a signature for those, else whole.
func (e *TensorFlow) choose(opt Options) error {
	whole, err := e.bind(servingSignature, "bytes", "length")
	if err != nil {
		return err
	}
	whole.fill = e.model.wholeFiles
	e.call = whole
	if e.model.meta.GetSignatureDef()[windowsSignature] == nil || e.model.Shape == nil || opt.Dense {
		return nil
	}
	distinct, err := e.bind(windowsSignature, windowsInputs...)
	if err != nil {
		return err
	}
	distinct.fill = e.model.distinctWindows
	e.call = distinct
	// The description of the windows lies beside the graph. Were it another
	// model's, outputs would differ by far more than rounding does, a GPU's too.
	err = probe(e.model, e.Run, func(dst [][]float32, files [][]byte) error { return e.run(whole, dst, files) }, 1e-2)
	if err != nil {
		return fmt.Errorf("distinct windows by %s: %w", shapeFile, err)
	}
	return nil
}

// call is a signature of the graph with what fills its inputs.
type call struct {
	inputs  map[string]tf.Output
	outputs []tf.Output // in the order of Model.Layers
	fill    func(files [][]byte) (map[string]*tf.Tensor, error)
}

// bind resolves a signature with these inputs to outputs of the graph.
func (e *TensorFlow) bind(signature string, inputs ...string) (*call, error) {
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

// Name is "tensorflow".
func (e *TensorFlow) Name() string { return "tensorflow" }

// Identity is the name with the version and the processor, which choose the
// kernels that TensorFlow computes with.
func (e *TensorFlow) Identity() string {
	processor := cpuid.CPU.BrandName
	if e.device == GPU {
		processor = strings.Join(GPUNames(), ", ")
	}
	return fmt.Sprintf("%s %s on %s", e.Name(), Version(), processor)
}

// Device is CPU or GPU.
func (e *TensorFlow) Device() Device { return e.device }

// Run computes the outputs of files; it panics at one of more than MaxLen
// bytes. dst[i] receives the output of model layer i, n×width, row-major; it must
// hold at least n·width values.
func (e *TensorFlow) Run(dst [][]float32, files [][]byte) error {
	e.model.mustTake(files)
	return e.run(e.call, dst, files)
}

func (e *TensorFlow) run(c *call, dst [][]float32, files [][]byte) error {
	n := len(files)
	if n == 0 {
		return nil
	}
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

	e.running <- struct{}{}
	out, err := e.loaded.session.Run(feeds, c.outputs, nil)
	<-e.running
	if err != nil {
		return fmt.Errorf("tfmodel: running %d files on the %s: %s", n, e.device, firstLine(err))
	}
	for i, l := range e.model.Layers {
		if s := out[i].Shape(); len(s) != 2 || s[0] != int64(n) || s[1] != int64(l.Width) {
			return fmt.Errorf("tfmodel: output %s has shape %v, want [%d %d]", l.Name, s, n, l.Width)
		}
		if err := copyTensor(dst[i][:n*l.Width], out[i]); err != nil {
			return fmt.Errorf("tfmodel: output %s: %w", l.Name, err)
		}
		size += tensorBytes(out[i])
	}
	e.collect(size)
	return nil
}

// collect runs the garbage collector once enough C memory waits for it: the
// binding frees tensors by finalizers alone, and Go does not see their size.
func (e *TensorFlow) collect(size int64) {
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

// Close frees the session.
func (e *TensorFlow) Close() error { return e.loaded.session.Close() }
