package tfmodel

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	tf "github.com/wamuir/graft/tensorflow"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
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
	// ReserveGPUMemory takes all GPU memory at once instead of as needed.
	ReserveGPUMemory bool
}

// TensorFlow runs a model's serving signature through TensorFlow. It is safe
// for concurrent use.
type TensorFlow struct {
	model   *Model
	device  Device
	saved   *tf.SavedModel
	bytes   tf.Output
	length  tf.Output
	fetches []tf.Output

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
	config, err := proto.Marshal(sessionConfig(opt))
	if err != nil {
		return nil, fmt.Errorf("tfmodel: session options: %w", err)
	}
	saved, err := tf.LoadSavedModel(m.Dir, []string{"serve"}, &tf.SessionOptions{Config: config})
	if err != nil {
		return nil, fmt.Errorf("tfmodel: loading %s: %s", m.Dir, firstLine(err))
	}
	e := &TensorFlow{model: m, saved: saved, device: CPU}

	devices, err := saved.Session.ListDevices()
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

	if err := e.bind(); err != nil {
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

// bind resolves the signature's names to outputs of the graph.
func (e *TensorFlow) bind() error {
	sig := e.saved.Signatures[servingSignature]
	var err error
	if e.bytes, err = e.output(sig.Inputs["bytes"].Name); err != nil {
		return err
	}
	if e.length, err = e.output(sig.Inputs["length"].Name); err != nil {
		return err
	}
	for _, l := range e.model.Layers {
		o, err := e.output(sig.Outputs[l.Name].Name)
		if err != nil {
			return err
		}
		e.fetches = append(e.fetches, o)
	}
	return nil
}

// output finds "op:index" in the graph.
func (e *TensorFlow) output(name string) (tf.Output, error) {
	var index int
	op, number, found := strings.Cut(name, ":")
	if _, err := fmt.Sscan(number, &index); !found || err != nil {
		return tf.Output{}, fmt.Errorf("signature names tensor %q, want op:index", name)
	}
	o := e.saved.Graph.Operation(op)
	if o == nil || index < 0 || index >= o.NumOutputs() {
		return tf.Output{}, fmt.Errorf("signature names tensor %q, which the graph does not hold", name)
	}
	return o.Output(index), nil
}

// Name is "tensorflow".
func (e *TensorFlow) Name() string { return "tensorflow" }

// Device is CPU or GPU.
func (e *TensorFlow) Device() Device { return e.device }

// Run computes the outputs of files; it panics at one of more than MaxLen
// bytes. dst[i] receives the output of model layer i, n×width, row-major; it must
// hold at least n·width values.
func (e *TensorFlow) Run(dst [][]float32, files [][]byte) error {
	n, maxLen := len(files), e.model.MaxLen
	if n == 0 {
		return nil
	}
	e.model.mustTake(files)
	lengths := make([]int32, n)
	for i, f := range files {
		lengths[i] = int32(len(f))
	}
	bytes, err := tf.ReadTensor(tf.Uint8, []int64{int64(n), int64(maxLen)}, &paddedReader{files: files, width: maxLen})
	if err != nil {
		return fmt.Errorf("tfmodel: filling a batch: %w", err)
	}
	length, err := tf.NewTensor(lengths)
	if err != nil {
		return fmt.Errorf("tfmodel: filling a batch: %w", err)
	}

	e.running <- struct{}{}
	out, err := e.saved.Session.Run(map[tf.Output]*tf.Tensor{e.bytes: bytes, e.length: length}, e.fetches, nil)
	<-e.running
	if err != nil {
		return fmt.Errorf("tfmodel: running %d files on the %s: %s", n, e.device, firstLine(err))
	}
	size := int64(n) * int64(maxLen)
	for i, l := range e.model.Layers {
		if s := out[i].Shape(); len(s) != 2 || s[0] != int64(n) || s[1] != int64(l.Width) {
			return fmt.Errorf("tfmodel: output %s has shape %v, want [%d %d]", l.Name, s, n, l.Width)
		}
		if err := copyTensor(dst[i][:n*l.Width], out[i]); err != nil {
			return fmt.Errorf("tfmodel: output %s: %w", l.Name, err)
		}
		size += int64(n) * int64(l.Width) * 4
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
func (e *TensorFlow) Close() error { return e.saved.Session.Close() }

// Weights computes the model's weights signature: the named parameters, each
// flat in row-major order. A model without that signature is an error.
func (e *TensorFlow) Weights() (map[string][]float32, error) {
	sig, ok := e.saved.Signatures[weightsSignature]
	if !ok {
		return nil, fmt.Errorf("tfmodel: %s has no signature %q: convert the Keras file again with scripts/convert_savedmodel.py", e.model.Dir, weightsSignature)
	}
	var names []string
	var fetches []tf.Output
	for name, info := range sig.Outputs {
		if info.DType != tf.Float {
			continue
		}
		o, err := e.output(info.Name)
		if err != nil {
			return nil, fmt.Errorf("tfmodel: %s: %w", e.model.Dir, err)
		}
		names, fetches = append(names, name), append(fetches, o)
	}
	out, err := e.saved.Session.Run(nil, fetches, nil)
	if err != nil {
		return nil, fmt.Errorf("tfmodel: reading weights: %s", firstLine(err))
	}
	weights := make(map[string][]float32, len(names))
	for i, name := range names {
		n := int64(1)
		for _, d := range out[i].Shape() {
			n *= d
		}
		weights[name] = make([]float32, n)
		if err := copyTensor(weights[name], out[i]); err != nil {
			return nil, fmt.Errorf("tfmodel: weight %s: %w", name, err)
		}
	}
	return weights, nil
}

// paddedReader reads files one after another, each padded by zeros to width.
type paddedReader struct {
	files [][]byte
	width int
	at    int // offset in the padded row of files[0]
}

func (r *paddedReader) Read(p []byte) (int, error) {
	if len(r.files) == 0 {
		return 0, io.EOF
	}
	var n int
	if f := r.files[0]; r.at < len(f) {
		n = copy(p, f[r.at:])
	} else {
		n = min(len(p), r.width-r.at)
		clear(p[:n])
	}
	if r.at += n; r.at == r.width {
		r.files, r.at = r.files[1:], 0
	}
	return n, nil
}

// copyTensor copies a float32 tensor to dst, which has its length.
func copyTensor(dst []float32, t *tf.Tensor) error {
	if t.DataType() != tf.Float {
		return fmt.Errorf("type %v, want float32", t.DataType())
	}
	// The binding hands out a tensor's bytes only to an io.Writer; writing
	// them over dst saves decoding value by value.
	w := sliceWriter(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 4*len(dst)))
	n, err := t.WriteContentsTo(&w)
	if err == nil && n != int64(4*len(dst)) {
		err = fmt.Errorf("%d bytes, want %d", n, 4*len(dst))
	}
	return err
}

// sliceWriter writes to the front of what is left of a slice.
type sliceWriter []byte

func (w *sliceWriter) Write(p []byte) (int, error) {
	n := copy(*w, p)
	*w = (*w)[n:]
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// firstLine keeps TensorFlow's message without its stack of graph nodes.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSpace(line)
}
