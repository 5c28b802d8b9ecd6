package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"driftbench/bench/throughput"
	"driftbench/report"
	"driftbench/tfmodel"
)

// benchFile holds the repetitions of a throughput measurement, beside the
// results of a run.
const benchFile = "bench.txt"

type throughputFlags struct {
	model   string
	corpus  corpusFlags
	out     string
	engines []string
	devices []string
	batches []int
	count   int
	files   int
	least   time.Duration
	options tfmodel.Options
}

func (a *app) throughputCommand() *cobra.Command {
	var f throughputFlags
	cmd := &cobra.Command{
		Use:   "throughput --model DIR --out DIR",
		Short: "Time engines and devices over batch sizes, and compare CPU with GPU",
		Long: `Time the engines and devices that are there: whole passes over the files
(offline: samples/s, MB/s, ns/op), from memory and read from disk, and one file
at a time (single-stream: latency). Each case runs --count times after a warm-up,
interleaved with the others. Repetitions go to OUT/bench.txt in the Go benchmark
format, which benchstat reads too.

Files come from the splits of --corpus; without it they are random and of full
length. A device that is not there has no rows, and the output says why.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.throughput(cmd.Context(), f) },
	}
	f.corpus.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.model, "model", "", "`DIR` of the converted SavedModel")
	fl.StringVar(&f.out, "out", "", "`DIR` to write bench.txt into")
	fl.StringSliceVar(&f.engines, "engine", []string{tensorflowEngine, tableEngine}, "`ENGINES` to time: tensorflow, table, table16")
	fl.StringSliceVar(&f.devices, "device", []string{"cpu", "gpu"}, "`DEVICES` to time")
	fl.IntSliceVar(&f.batches, "batch", []int{1, 8, 32}, "batch `SIZES` to time")
	fl.IntVar(&f.count, "count", 10, "repetitions of every case, `N`; an interval needs 6")
	fl.IntVar(&f.files, "files", 64, "files a pass, `N`")
	fl.DurationVar(&f.least, "least", 200*time.Millisecond, "least `TIME` of a repetition")
	fl.IntVar(&f.options.Threads, "threads", 0, "CPU threads of an engine, `N`; 0 is all cores")
	fl.StringVar(&f.options.VisibleGPUs, "gpus", "", "`NUMBERS` of the GPUs to use, such as 0,1; all when empty")
	fl.BoolVar(&f.options.TrustModel, "trust-model", false, "run a model that can do more than compute, such as read or write files")
	cmd.MarkFlagRequired("model")
	cmd.MarkFlagRequired("out")
	return cmd
}

func (f *throughputFlags) check() error {
	for _, n := range append([]int{f.count, f.files}, f.batches...) {
		if n < 1 {
			return usagef("--batch, --count and --files want numbers of 1 or more, not %d", n)
		}
	}
	return nil
}

func (a *app) throughput(ctx context.Context, f throughputFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := a.prepareOut(f.out); err != nil {
		return err
	}
	model, err := tfmodel.Inspect(f.model)
	if err != nil {
		return err
	}
	work, err := f.load(ctx, a, model.MaxLen)
	if err != nil {
		return err
	}

	var cases []throughput.Case
	var absent []string
	for _, device := range f.devices {
		if device == string(tfmodel.GPU) {
			why, err := tfmodel.MissingGPU()
			if err != nil {
				return err
			}
			if why != "" {
				absent = append(absent, "no GPU rows: "+why)
				continue
			}
		}
		for _, name := range f.engines {
			if device == string(tfmodel.GPU) && !tfmodel.RunsOn(name, tfmodel.GPU) {
				continue
			}
			flags := modelFlags{dir: f.model, options: f.options}
			flags.options.Engine, flags.options.Device = name, tfmodel.Device(device)
			if err := flags.check(); err != nil {
				return err
			}
			e, err := flags.open(a, model)
			if err != nil {
				return err
			}
			defer e.Close()
			for _, batch := range f.batches {
				x := &extractor{engine: e, layers: model.Layers, maxLen: model.MaxLen, batch: batch}
				cases = append(cases, work.cases(x, e)...)
			}
			cases = append(cases, work.singleStream(model, e))
		}
	}
	if len(cases) == 0 {
		return errors.New("nothing to time: " + strings.Join(absent, "; "))
	}

	a.startProgress("timing", f.count*len(cases), "repetitions")
	reps, err := throughput.Measure(ctx, cases, throughput.Options{
		Rounds: f.count, Least: f.least, Seed: 1,
		Progress: func(int, int) { a.advance(1) },
	})
	a.closeProgress()
	if err != nil {
		return err
	}
	path := filepath.Join(f.out, benchFile)
	if err := throughput.WriteFile(path, f.environment(model, work), reps); err != nil {
		return err
	}
	a.kept = func() string { return "The measurements are complete in " + path + "." }

	by := "/device"
	if len(absent) > 0 {
		by = "/engine"
	}
	if err := throughput.Compare(a.out, &output{w: a.err}, []string{path}, by); err != nil {
		return err
	}
	for _, why := range absent {
		fmt.Fprintln(a.out, why)
	}
	fmt.Fprintf(a.out, "The repetitions are in %s.\n", path)
	return nil
}

func (f *throughputFlags) environment(m *tfmodel.Model, w *workload) []throughput.KV {
	env := append(throughput.Host(),
		throughput.KV{Key: "tensorflow", Value: tfmodel.Version()},
		throughput.KV{Key: "model", Value: m.Hash},
		throughput.KV{Key: "corpus", Value: w.name},
		throughput.KV{Key: "files", Value: strconv.Itoa(len(w.files))},
		throughput.KV{Key: "gpu", Value: strings.Join(tfmodel.GPUNames(), ", ")},
	)
	if f.options.Threads > 0 {
		env = append(env, throughput.KV{Key: "threads", Value: strconv.Itoa(f.options.Threads)})
	}
	return env
}

// throughputRows reads bench.txt of out for the report; none when there is
// no such file.
func throughputRows(out string) ([]report.ThroughputRow, error) {
	path := filepath.Join(out, benchFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	summaries, err := throughput.Summaries(path)
	if err != nil {
		return nil, err
	}
	var rows []report.ThroughputRow
	for _, s := range summaries {
		rows = append(rows, report.ThroughputRow{
			Engine: s.Engine, Device: s.Device, Scenario: s.Scenario, Unit: s.Unit,
			Batch: s.Batch, Reading: s.Read, Center: s.Center, Lo: s.Lo, Hi: s.Hi, N: s.N,
		})
	}
	return rows, nil
}

func (a *app) compareCommand() *cobra.Command {
	var col string
	cmd := &cobra.Command{
		Use:   "compare OLD.txt [NEW.txt]",
		Short: "Compare benchmark files, or the cases within one, with intervals and p-values",
		Example: `  driftbench compare old/bench.txt new/bench.txt
  driftbench compare bench.txt --col /device
  driftbench compare cpu=a/bench.txt gpu=b/bench.txt --col .file`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			by := col
			if by == "" {
				by = "/device"
				if len(args) == 2 {
					by = ".file"
				}
			}
			return throughput.Compare(a.out, &output{w: a.err}, args, by)
		},
	}
	cmd.Flags().StringVar(&col, "col", "", "`KEY` whose values are compared, such as /device, /engine, /batch or .file\n(default .file for two files, /device for one)")
	return cmd
}
