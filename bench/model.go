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
	fl.StringVar(&f.dir, "model", "", "folder of the converted SavedModel")
	fl.StringVar(&f.engine, "engine", "auto", "tensorflow, or auto")
	fl.StringVar(&f.device, "device", "auto", "auto, cpu or gpu")
	fl.IntVar(&f.options.Threads, "threads", 0, "CPU threads of the engine; 0 is all cores")
	fl.StringVar(&f.options.VisibleGPUs, "gpus", "", "numbers of the GPUs to use, such as 0,1; all when empty")
	fl.BoolVar(&f.options.ReserveGPUMemory, "reserve-gpu-memory", false, "take all GPU memory at once instead of as needed")
	cmd.MarkFlagRequired("model")
}

// check refuses what no model could be opened with.
func (f *modelFlags) check() error {
	switch f.engine {
	case "auto", "tensorflow":
	default:
		return usagef("--engine %q: want auto or tensorflow", f.engine)
	}
	switch tfmodel.Device(f.device) {
	case tfmodel.Auto, tfmodel.CPU, tfmodel.GPU:
	default:
		return usagef("--device %q: want auto, cpu or gpu", f.device)
	}
	if f.options.Threads < 0 {
		return usagef("--threads %d: want 0 or more", f.options.Threads)
	}
	return nil
}

// open loads the model into its engine.
func (f *modelFlags) open(a *app, m *tfmodel.Model) (engine, error) {
	opt := f.options
	opt.Device = tfmodel.Device(f.device)
	e, err := tfmodel.OpenTensorFlow(m, opt)
	if err != nil {
		return nil, err
	}
	a.log.Info("engine", "name", e.Name(), "device", e.Device())
	return e, nil
}
