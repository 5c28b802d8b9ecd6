package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"driftbench/bench"
	"driftbench/bench/throughput"
	"driftbench/tfmodel"
)

func (a *app) throughputCommand() *cobra.Command {
	o := bench.ThroughputOptions{Options: a.options()}
	var precisions, prices []string
	cmd := &cobra.Command{
		Use:   "throughput --model DIR --out DIR",
		Short: "Time engines and devices over batch sizes, CPU against GPU",
		Long: `Time the engines and devices that are there, and say how many times the best
CPU the GPU is, from which batch on, and what each is bound by.

The batch is doubled from 1 on until two doublings in a row gain less than 5%,
memory ends, or it would hold a file twice. Then every batch is timed from
memory, and the best one with the files read from disk too (offline), and one
file at a time (single-stream). Each case runs --count times after a warm-up,
interleaved with the others; ratios are medians of those within a round. The
outputs of all are compared. Repetitions go to OUT/bench.txt in the Go
benchmark format, which benchstat reads too, and to the report of a run in
OUT.

Files come from the splits of --corpus or --index; without them they are
random and of full length. Without a GPU a pass is 64 files and a repetition
200 ms, which takes about a minute. With one it is 4,096 files, the corpus
several times where it is smaller, and 1 s: --pass and --least say otherwise.
A device that is not there has no rows, and what cannot be read, such as
joules, is named.`,
		Example: `  driftbench throughput --model malconv --corpus mine --out out/mine
  driftbench throughput --model malconv --out out/speed \
    --precision float32,tf32 --price cpu=0.10,gpu=2.50`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := takeCount(&o); err != nil {
				return err
			}
			if o.Files > 0 && !cmd.Flags().Changed("pass") {
				a.log.Warn("throughput --files N has become --pass N")
			}
			sizes := slices.Clone(o.Batches)
			sizes = append(sizes, o.Count)
			if cmd.Flags().Changed("pass") {
				sizes = append(sizes, o.Files)
			}
			for _, n := range sizes {
				if n < 1 {
					return usagef("--batch, --count and --pass want numbers of 1 or more, not %d", n)
				}
			}
			for _, p := range precisions {
				o.Precisions = append(o.Precisions, tfmodel.Precision(p))
			}
			var err error
			if o.Prices, err = parsePrices(prices); err != nil {
				return err
			}
			m, err := bench.Throughput(cmd.Context(), o)
			if err != nil {
				return err
			}
			a.closeBar()
			look := a.look(false)
			if err := m.Answer.Print(a.out, look.Columns(), look.Fold); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "\nThe repetitions are in %s.\n", m.File)
			return nil
		},
	}
	addCorpus(cmd, &o.Options)
	addModel(cmd, &o.Options, "CPU threads of an engine, `N`; 0 is all cores")
	addOut(cmd, &o.Options, "`DIR` to write bench.txt into")
	fl := cmd.Flags()
	fl.StringSliceVar(&o.Engines, "engine", []string{"tensorflow", "table"}, "`ENGINES` to time: "+strings.Join(tfmodel.EngineNames(), ", "))
	fl.StringSliceVar(&o.Devices, "device", []string{"cpu", "gpu"}, "`DEVICES` to time")
	fl.StringSliceVar(&precisions, "precision", []string{string(tfmodel.Float32)}, "`PRECISIONS` of a GPU to time: float32, tf32 or both")
	fl.Var((*batchSizes)(&o.Batches), "batch", "batch `SIZES` to time, such as 1,32; auto doubles them from 1 on")
	fl.IntVar(&o.Count, "count", 10, "repetitions of every case, `N`; an interval needs 6")
	completeEngines(cmd)
	fl.IntVar(&o.Files, "pass", 0, "files a pass, `N` (default 64, with a GPU 4096)")
	fl.DurationVar(&o.Least, "least", 0, "least `TIME` of a repetition (default 200ms, with a GPU 1s)")
	fl.DurationVar(&o.Budget, "budget", 0, "begin no further round after this `TIME`; 0 is no bound")
	fl.StringSliceVar(&prices, "price", nil, "what an hour on a device costs, `PRICES` such as cpu=0.10,gpu=2.50")
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

// batchSizes is a flag of numbers, or auto for none.
type batchSizes []int

func (b *batchSizes) Type() string { return "sizes" }

func (b *batchSizes) String() string {
	if len(*b) == 0 {
		return "auto"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(*b)), " ", ","), "[]")
}

func (b *batchSizes) Set(s string) error {
	*b = nil
	if s == "auto" {
		return nil
	}
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return err
		}
		*b = append(*b, n)
	}
	return nil
}

// parsePrices reads prices such as cpu=0.10.
func parsePrices(prices []string) (map[tfmodel.Device]float64, error) {
	all := map[tfmodel.Device]float64{}
	for _, p := range prices {
		device, price, _ := strings.Cut(p, "=")
		d := tfmodel.Device(device)
		x, err := strconv.ParseFloat(price, 64)
		if err != nil || d != tfmodel.CPU && d != tfmodel.GPU || !(x >= 0) || math.IsInf(x, 0) {
			return nil, usagef("--price %q: want the price of an hour, such as cpu=0.10 or gpu=2.50", p)
		}
		if _, twice := all[d]; twice {
			return nil, usagef("--price: %s has two prices", d)
		}
		all[d] = x
	}
	return all, nil
}

func (a *app) compareCommand() *cobra.Command {
	var col string
	cmd := &cobra.Command{
		Use:   "compare OLD.txt [NEW.txt]",
		Short: "Compare benchmark files, or the cases within one file",
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
	cmd.Flags().StringVar(&col, "col", "", "`KEY` whose values are compared, such as /device, /engine, /batch or .file; by default .file for two files, and for one the first of /device, /engine, /precision and /batch that has several values")
	return cmd
}
