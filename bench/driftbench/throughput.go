package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"driftbench/bench"
	"driftbench/bench/throughput"
	"driftbench/tfmodel"
)

func (a *app) throughputCommand() *cobra.Command {
	o := bench.ThroughputOptions{Options: a.options(), Files: 64}
	cmd := &cobra.Command{
		Use:   "throughput --model DIR --out DIR",
		Short: "Time engines and devices over batch sizes, and compare CPU with GPU",
		Long: `Time the engines and devices that are there: whole passes over the files
(offline: samples/s, MB/s, ns/op), from memory and read from disk, and one file
at a time (single-stream: latency). Each case runs --count times after a warm-up,
interleaved with the others. Repetitions go to OUT/bench.txt in the Go benchmark
format, which benchstat reads too.

Files come from the splits of --corpus or --index; without them they are random
and of full length. A device that is not there has no rows, and the output says why.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := takeCount(&o); err != nil {
				return err
			}
			for _, n := range append([]int{o.Count, o.Files}, o.Batches...) {
				if n < 1 {
					return usagef("--batch, --count and --files want numbers of 1 or more, not %d", n)
				}
			}
			m, err := bench.Throughput(cmd.Context(), o)
			if err != nil {
				return err
			}
			a.closeBar()
			by := "/device"
			if len(m.Absent) > 0 {
				by = "/engine"
			}
			if err := throughput.Compare(a.out, &output{w: a.err}, []string{m.File}, by); err != nil {
				return err
			}
			for _, why := range m.Absent {
				fmt.Fprintln(a.out, why)
			}
			fmt.Fprintf(a.out, "The repetitions are in %s.\n", m.File)
			return nil
		},
	}
	addCorpus(cmd, &o.Options)
	addModel(cmd, &o.Options, "CPU threads of an engine, `N`; 0 is all cores")
	addOut(cmd, &o.Options, "`DIR` to write bench.txt into")
	fl := cmd.Flags()
	fl.StringSliceVar(&o.Engines, "engine", []string{"tensorflow", "table"}, "`ENGINES` to time: "+strings.Join(tfmodel.EngineNames(), ", "))
	fl.StringSliceVar(&o.Devices, "device", []string{"cpu", "gpu"}, "`DEVICES` to time")
	fl.IntSliceVar(&o.Batches, "batch", []int{1, 8, 32}, "batch `SIZES` to time")
	fl.IntVar(&o.Count, "count", 10, "repetitions of every case, `N`; an interval needs 6")
	fl.IntVar(&o.Files, "pass", 64, "files a pass, `N`; a number as --files is taken so too")
	fl.DurationVar(&o.Least, "least", 200*time.Millisecond, "least `TIME` of a repetition")
	return cmd
}

// takeCount takes a value of --files that is a number for the number of files a pass,
// which is what the flag meant before it named places.
func takeCount(o *bench.ThroughputOptions) error {
	places := o.Dataset.Files
	o.Dataset.Files = nil
	for _, place := range places {
		n, err := strconv.Atoi(place)
		if err != nil {
			o.Dataset.Files = append(o.Dataset.Files, place)
			continue
		}
		o.Files = n
	}
	if len(o.Dataset.Files) > 0 && !o.FromCorpus() {
		return usagef("--files names a place: name the --index too, or --corpus")
	}
	return nil
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
			for _, arg := range args {
				if info, err := os.Stat(arg); err == nil && info.IsDir() {
					return usagef("%s is a folder, and compare reads benchmark files: `driftbench diff` compares runs", line(arg))
				}
			}
			return throughput.Compare(a.out, &output{w: a.err}, args, col)
		},
	}
	cmd.Flags().StringVar(&col, "col", "", "`KEY` whose values are compared, such as /device, /engine, /batch or .file\n(default .file for two files, and for one the first of /device, /engine,\n/precision and /batch that has several values)")
	return cmd
}
