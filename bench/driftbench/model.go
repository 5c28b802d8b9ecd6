package main

import (
	"github.com/spf13/cobra"

	"driftbench/tfmodel"
)

// modelFlags are the flags of every command that runs the model.
type modelFlags struct {
	dir     string
	options tfmodel.Options
}

func (f *modelFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "model", "", "`DIR` of the converted SavedModel")
	fl.StringVar(&f.options.Engine, "engine", "auto", "`ENGINE`: auto, tensorflow, table, or table16, which is faster and off by about 1e-4 of the scale")
	fl.StringVar((*string)(&f.options.Device), "device", "auto", "`DEVICE`: auto, cpu or gpu")
	fl.IntVar(&f.options.Threads, "threads", 0, "CPU threads of the engine, `N`; 0 is all cores")
	fl.StringVar(&f.options.VisibleGPUs, "gpus", "", "`NUMBERS` of the GPUs to use, such as 0,1; all when empty")
	fl.BoolVar(&f.options.ReserveGPUMemory, "reserve-gpu-memory", false, "take all GPU memory at once instead of as needed")
	fl.BoolVar(&f.options.TrustModel, "trust-model", false, "run a model that can do more than compute, such as read or write files")
	cmd.MarkFlagRequired("model")
}

// The engines that are timed by default.
const (
	tensorflowEngine = "tensorflow"
	tableEngine      = "table"
)

// check refuses options that no model can be opened with as wrong usage.
func (f *modelFlags) check() error {
	if err := f.options.Check(); err != nil {
		return usageError{err}
	}
	return nil
}

// open opens the model and logs in which engine and why.
func (f *modelFlags) open(a *app, m *tfmodel.Model) (tfmodel.Engine, error) {
	e, why, err := tfmodel.Open(m, f.options)
	if err != nil {
		return nil, err
	}
	a.log.Info("engine", "name", e.Name(), "device", e.Device(), "why", why)
	return e, nil
}
