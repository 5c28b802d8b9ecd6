package main

import (
	"github.com/spf13/cobra"

	"driftbench/tfmodel"
)

// modelFlags are the flags of every command that runs the model.
type modelFlags struct {
	dir     string
	engine  string
	device  string
	options tfmodel.Options
}

func (f *modelFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "model", "", "`DIR` of the converted SavedModel")
	fl.StringVar(&f.engine, "engine", "auto", "`ENGINE`: auto, tensorflow, table, or table16, which is faster and off by about 1e-4 of the scale")
	fl.StringVar(&f.device, "device", "auto", "`DEVICE`: auto, cpu or gpu")
	fl.IntVar(&f.options.Threads, "threads", 0, "CPU threads of the engine, `N`; 0 is all cores")
	fl.StringVar(&f.options.VisibleGPUs, "gpus", "", "`NUMBERS` of the GPUs to use, such as 0,1; all when empty")
	fl.BoolVar(&f.options.ReserveGPUMemory, "reserve-gpu-memory", false, "take all GPU memory at once instead of as needed")
	fl.BoolVar(&f.options.TrustModel, "trust-model", false, "run a model that can do more than compute, such as read or write files")
	cmd.MarkFlagRequired("model")
}

// engines that can be asked for. The native ones compute on the CPU.
const (
	autoEngine       = "auto"
	tensorflowEngine = "tensorflow"
	tableEngine      = "table"
	table16Engine    = "table16"
)

// check refuses what no model could be opened with.
func (f *modelFlags) check() error {
	switch f.engine {
	case autoEngine, tensorflowEngine, tableEngine, table16Engine:
	default:
		return usagef("--engine %q: want auto, tensorflow, table or table16", f.engine)
	}
	switch tfmodel.Device(f.device) {
	case tfmodel.Auto, tfmodel.CPU, tfmodel.GPU:
	default:
		return usagef("--device %q: want auto, cpu or gpu", f.device)
	}
	if f.device == string(tfmodel.GPU) && (f.engine == tableEngine || f.engine == table16Engine) {
		return usagef("--engine %s computes on the CPU: leave out --device gpu, or use --engine tensorflow", f.engine)
	}
	if f.options.Threads < 0 {
		return usagef("--threads %d: want 0 or more", f.options.Threads)
	}
	return nil
}

// engine computes the outputs of a model: dst[i] receives the output of model
// layer i for files, row-major. It is safe for concurrent use.
type engine interface {
	Name() string
	// Identity names all that decides the last bits of the outputs.
	Identity() string
	Device() tfmodel.Device
	Run(dst [][]float32, files [][]byte) error
	Close() error
}

// open loads the model into its engine. Left to choose, it takes TensorFlow
// where there is a GPU, and the table engine on a CPU where it can serve the
// model. It logs which and why.
func (f *modelFlags) open(a *app, m *tfmodel.Model) (engine, error) {
	e, why, err := f.choose(m)
	if err != nil {
		return nil, err
	}
	a.log.Info("engine", "name", e.Name(), "device", e.Device(), "why", why)
	return e, nil
}

func (f *modelFlags) choose(m *tfmodel.Model) (e engine, why string, err error) {
	opt := f.options
	opt.Device = tfmodel.Device(f.device)
	switch f.engine {
	case tableEngine:
		e, err = tfmodel.OpenTable(m, tfmodel.Float32, opt)
		return e, "asked for", err
	case table16Engine:
		e, err = tfmodel.OpenTable(m, tfmodel.Int16, opt)
		return e, "asked for", err
	case tensorflowEngine:
		e, err = tfmodel.OpenTensorFlow(m, opt)
		return e, "asked for", err
	}

	onGPU := opt.Device == tfmodel.GPU
	if opt.Device == tfmodel.Auto {
		missing, err := noGPU()
		if err != nil {
			return nil, "", err
		}
		onGPU = missing == ""
	}
	if onGPU {
		e, err = tfmodel.OpenTensorFlow(m, opt)
		return e, "it runs on the GPU", err
	}
	if e, err = tfmodel.OpenTable(m, tfmodel.Float32, opt); err == nil {
		return e, "no GPU is used, and on a CPU lookups are faster than products", nil
	}
	why = "the table engine cannot serve this model: " + err.Error()
	e, err = tfmodel.OpenTensorFlow(m, opt)
	return e, why, err
}

// suitedBatch is how many files an engine wants at a time. TensorFlow gains
// nothing on a CPU past 32; the table engine reads its table once a batch, so
// it gets more, as many as keep the batches in flight small.
func suitedBatch(e engine, m *tfmodel.Model) int {
	if e.Name() == tensorflowEngine {
		return 32
	}
	const most = 32 << 20 // bytes of a batch
	return max(1, min(96, most/m.MaxLen))
}
