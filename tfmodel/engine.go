package tfmodel

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"driftbench/internal/text"
	"driftbench/tfmodel/malconv"
)

// Engine computes the outputs of a model. It is safe for concurrent use. The
// outputs of a file do not depend on the other files of its batch, but for the last
// bits of TensorFlow's on a GPU, and of a model without the signature "windows".
type Engine interface {
	// Name is one of [EngineNames].
	Name() string
	// Identity names everything that decides the last bits of the outputs.
	// Engines with the same identity compute the same bits.
	Identity() string
	// Device is CPU or GPU.
	Device() Device
	// Run sets dst[i] to the output of Model.Layers[i] for n files: n×width
	// values, row-major. dst[i] must hold at least that many. A file is its
	// bytes without padding; one of more than Model.MaxLen bytes panics.
	Run(dst [][]float32, files [][]byte) error
	// Forget drops what was kept from earlier files, so that the next Run costs
	// what it costs a new engine. The outputs are the same either way.
	Forget()
	// Usage says how long the calls of Run have filled, waited and computed.
	Usage() Usage
	// Close frees the engine's memory.
	Close() error
}

// Device is where an engine computes.
type Device string

const (
	Auto Device = "auto" // the GPU where TensorFlow lists one, else the CPU
	CPU  Device = "cpu"
	GPU  Device = "gpu"
)

// Options says how to run a model. The zero value leaves engine and device to
// [Open], uses every core, and lets GPU memory grow as needed.
type Options struct {
	// Engine is one of [EngineNames]; "" and "auto" are the one that Open prefers.
	Engine string
	// Device is where the engine computes; "" is Auto.
	Device Device
	// Threads is the number of CPU threads of an engine; 0 is all cores.
	Threads int
	// Precision is what a GPU computes in; "" is Float32.
	Precision Precision
	// VisibleGPUs is a comma-separated list of GPU numbers; "" is all.
	VisibleGPUs string
	// ReserveGPUMemory takes all GPU memory at once instead of as needed.
	ReserveGPUMemory bool
	// Exact takes only engines that compute the same bits on every machine, and
	// computes on the CPU.
	Exact bool
	// TrustModel loads a model whatever ops it is made of. A SavedModel is a
	// program; by default one that could do more than compute is refused.
	TrustModel bool

	wholeFiles bool // send whole files even to a model that takes distinct windows
}

// engine is an entry of the table of engines.
type engine struct {
	name string
	// devices are those that the engine computes on, each with the reason why
	// Open takes the engine there without its name; "" where it never does.
	devices map[Device]string
	// exact says that the engine computes the same bits on every machine.
	exact bool
	// batch is the number of files that suits one Run.
	batch func(*Model, Device) int
	// refuse returns why the engine cannot serve a model, to be read on after
	// the model's name. A nil refuse refuses none.
	refuse func(name string, m *Model) error
	// identity is Engine.Identity of the engine on the CPU, before it is open. It
	// may have to load TensorFlow, but computes nothing.
	identity func(name string, m *Model) (string, error)
	// open opens the engine; it returns an error too where opening shows that
	// the engine cannot serve the model.
	open func(name string, m *Model, opt Options) (Engine, error)
}

// engines is the table of engines. Without a name, Open prefers the later ones;
// the first serves every model.
var engines = []engine{
	{"tensorflow", map[Device]string{CPU: "it serves every model", GPU: "it runs on the GPU"}, false, tensorFlowBatch, nil, tensorFlowOnCPU, openTensorFlow},
	{"table", map[Device]string{CPU: "no GPU is used, and on a CPU lookups are faster than products"}, true, nativeBatch, refuseNative, nativeIdentity(malconv.Revision), openNative(malconv.Revision, 1e-5, openMalconv)},
}

const autoEngine = "auto"

// EngineNames returns the names of all engines, in the order of the table.
func EngineNames() []string {
	var names []string
	for _, e := range engines {
		names = append(names, e.name)
	}
	return names
}

// exactNames returns the names of the engines that are exact.
func exactNames() []string {
	var names []string
	for _, e := range engines {
		if e.exact {
			names = append(names, e.name)
		}
	}
	return names
}

// EngineOf returns the name of the engine of an [Engine.Identity], or "" of one that
// is not in the table.
func EngineOf(identity string) string {
	name := identity
	if i := strings.IndexAny(identity, " ,"); i >= 0 {
		name = identity[:i]
	}
	if engineNamed(name) == nil {
		return ""
	}
	return name
}

// engineNamed returns the entry of an engine, or nil.
func engineNamed(name string) *engine {
	if i := slices.IndexFunc(engines, func(e engine) bool { return e.name == name }); i >= 0 {
		return &engines[i]
	}
	return nil
}

// RunsOn reports whether the engine of that name computes on a device.
func RunsOn(name string, d Device) bool {
	e := engineNamed(name)
	if e == nil {
		return false
	}
	_, ok := e.devices[d]
	return ok
}

// Exact reports whether an engine that computes the same bits on every machine can
// serve a model, as far as that is known unopened.
func Exact(m *Model) bool {
	return slices.ContainsFunc(engines, func(e engine) bool { return e.exact && e.refused(m) == nil })
}

// inexact is the error for a model that no exact engine can serve.
func inexact(failed string) error {
	return &OptionError{"engine", "auto: " + failed + ": --allow-inexact takes an engine whose last bits depend on the machine"}
}

// OptionError reports an option with which no model can be opened.
type OptionError struct {
	Option  string // "engine", "device", "precision" or "threads", as the command's flag is named
	Problem string // its value and what is wanted, such as `"tpu": want auto, cpu or gpu`
}

func (e *OptionError) Error() string { return "--" + e.Option + " " + e.Problem }

// Check returns an [*OptionError] for an unknown engine, device or precision, an engine that
// does not compute on the device or is not exact where that is wanted, and a negative
// number of threads.
func (o Options) Check() error {
	unknown := func(option, value string, want []string) error {
		last := len(want) - 1
		problem := fmt.Sprintf("%q: want %s or %s", value, strings.Join(want[:last], ", "), want[last])
		if near := text.Nearest(value, want); near != "" {
			problem += "; did you mean " + near + "?"
		}
		return &OptionError{option, problem}
	}
	auto := o.Engine == "" || o.Engine == autoEngine
	if !auto && engineNamed(o.Engine) == nil {
		return unknown("engine", o.Engine, append([]string{autoEngine}, EngineNames()...))
	}
	switch o.Device {
	case "", Auto, CPU, GPU:
	default:
		return unknown("device", string(o.Device), []string{string(Auto), string(CPU), string(GPU)})
	}
	switch o.Precision {
	case "", Float32, TF32:
	default:
		return unknown("precision", string(o.Precision), []string{string(Float32), string(TF32)})
	}
	if o.Precision == TF32 && o.Device == CPU {
		return &OptionError{"precision", "tf32: a CPU computes in float32: leave it out, or use --device gpu"}
	}
	if o.Device == GPU && !auto && !RunsOn(o.Engine, GPU) {
		return &OptionError{"engine", o.Engine + " computes on the CPU: leave out --device gpu, or use --engine " + engines[0].name}
	}
	if o.Exact && (o.Device == GPU || !auto && !engineNamed(o.Engine).exact) {
		name := cmp.Or(o.Engine, autoEngine)
		if o.Device == GPU {
			name += " on a GPU"
		}
		return &OptionError{"engine", name + " does not compute the same bits on every machine: use --engine " + strings.Join(exactNames(), " or ") + ", or allow it with --allow-inexact"}
	}
	if o.Threads < 0 {
		return &OptionError{"threads", fmt.Sprintf("%d: want 0 or more", o.Threads)}
	}
	return nil
}

// Open opens a model in the engine that opt names, and returns the engine and the
// reason for it. Without a name it takes TensorFlow where there is a GPU, and on a CPU
// the table engine if that can serve the model, else TensorFlow. Options that
// [Options.Check] refuses are an [*OptionError]; a GPU that TensorFlow does not
// list, and an engine that cannot serve the model, are errors that say what to do.
func Open(m *Model, opt Options) (e Engine, why string, err error) {
	if err := opt.Check(); err != nil {
		return nil, "", err
	}
	if asked := engineNamed(opt.Engine); asked != nil {
		e, err = asked.serve(m, opt)
		return e, askedFor, err
	}
	device := opt.Device
	if opt.Exact {
		device = CPU
	}
	if device == "" || device == Auto {
		missing, err := MissingGPU(opt)
		if err != nil {
			return nil, "", err
		}
		if device = GPU; missing != "" {
			device = CPU
		}
	}
	var failed string // why not the engine that is preferred
	for _, entry := range slices.Backward(engines) {
		if why = entry.devices[device]; why == "" || opt.Exact && !entry.exact {
			continue
		}
		if e, err = entry.serve(m, opt); err == nil {
			return e, cmp.Or(failed, why), nil
		}
		failed = entry.cannotServe(err)
	}
	if opt.Exact && !Exact(m) {
		return nil, "", inexact(failed)
	}
	return nil, "", err
}

const askedFor = "asked for"

// cannotServe is the reason for another engine where this one cannot be opened.
func (e *engine) cannotServe(err error) string {
	return fmt.Sprintf("the %s engine cannot serve this model: %v", e.name, err)
}

// refused returns the error for a model that the engine refuses unopened.
func (e *engine) refused(m *Model) error {
	if e.refuse == nil {
		return nil
	}
	if err := e.refuse(e.name, m); err != nil {
		return fmt.Errorf("tfmodel: %s %w", m.Dir, err)
	}
	return nil
}

func (e *engine) serve(m *Model, opt Options) (Engine, error) {
	if err := e.refused(m); err != nil {
		return nil, err
	}
	return e.open(e.name, m, opt)
}

// SuitedBatch returns the number of files to give to Run at a time.
func SuitedBatch(e Engine, m *Model) int { return engineNamed(e.Name()).batch(m, e.Device()) }

// Usage is how long the calls of an engine's Run have taken since it was opened,
// summed over the calls.
type Usage struct {
	Fill    time.Duration // making inputs out of files, on the CPU
	Wait    time.Duration // waiting until others have computed
	Compute time.Duration // computing, with the copies to and from a device
	Slots   int           // calls that compute at a time
}

// usage counts the time of calls of which cap(slots) compute at a time.
type usage struct {
	slots               chan struct{}
	fill, wait, compute atomic.Int64 // ns
}

func newUsage(slots int) *usage { return &usage{slots: make(chan struct{}, slots)} }

// run calls compute when a slot is free. The caller has filled its inputs since start.
func (u *usage) run(start time.Time, compute func() error) error {
	filled := time.Now()
	u.slots <- struct{}{}
	running := time.Now()
	err := compute()
	<-u.slots
	u.fill.Add(int64(filled.Sub(start)))
	u.wait.Add(int64(running.Sub(filled)))
	u.compute.Add(int64(time.Since(running)))
	return err
}

// Usage returns how long the calls of Run have taken.
func (u *usage) Usage() Usage {
	return Usage{time.Duration(u.fill.Load()), time.Duration(u.wait.Load()), time.Duration(u.compute.Load()), cap(u.slots)}
}

// Feeders is the number of calls of Run at a time that keep an engine computing: on
// a CPU one computes, with every core, while the next one fills its inputs; a GPU
// needs several cores to fill the batches that it computes.
func Feeders(d Device) int {
	if d == GPU {
		return max(4, min(16, runtime.GOMAXPROCS(0)))
	}
	return 2
}
