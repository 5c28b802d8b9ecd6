package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"driftbench/bench"
)

func (a *app) workerCommand() *cobra.Command {
	o := a.options()
	o.Engine.Exact, o.Dataset.Strict = true, true
	var inexact bool
	var shard, path string
	cmd := &cobra.Command{
		Use:   "worker --model DIR --files PLACE [--index FILE --shard I/N]",
		Short: "Extract the features of some rows, as one of many workers",
		Long: `Read rows as JSON objects, one a line, from stdin, and write one for each to
stdout, in any order:

  {"name":"a.exe","label":"worm","first_seen":"2018-03","group":"g7"}
  {"rows":1}

Name is required. The last line says how many rows there were, so that a feeder
that has died is noticed; more rows may follow, with such a line of their own.
What is written has sha256, size, features (base64 of little-endian float32:
the layers in the order of the model) and traits too, or dropped, the reason,
and model and engine. It ends with a line that counts rows and dropped rows.

With --index the rows are those of an index whose number, from 0 in its order,
is I modulo N, and --out is the file that gets the same lines. It appears when
it is whole. Where it is there already, of the same index, model and engine, the
worker ends at once: so any attempt may be repeated, and several may run at a
time.

A worker has no cache and no lock. It takes an engine that computes the same
bits on every machine; --allow-inexact takes others.

Exit status: 0 done, dropped files are data; 1 this attempt failed and another
may not: a disk or a server fails, the place of the files is gone or empty, no
file of a shard is there, the input is cut short; 2 wrong usage or input, or a
model that cannot be served; 130 interrupted.`,
		Example: `  driftbench worker --model malconv --files /mnt/samples <shard.jsonl >out.jsonl
  driftbench worker --model malconv --files /mnt/samples --index dataset.csv \
    --shard $SLURM_ARRAY_TASK_ID/100 --out shards/$SLURM_ARRAY_TASK_ID.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Engine.Exact = !inexact
			if shard == "" && path == "" && o.Dataset.Index == "" {
				for _, name := range []string{"labels-from", "groups-from", "query", "skip-bad"} {
					if cmd.Flags().Changed(name) {
						return usagef("--%s is of an index: give it with --index, --shard and --out", name)
					}
				}
				if len(o.Dataset.Files) == 0 && o.Dataset.ConfigFile == "" {
					return usagef("worker wants --files PLACE")
				}
				return bench.Worker(cmd.Context(), o, cmd.InOrStdin(), a.out.w)
			}
			if err := checkIndex(&o); err != nil {
				return err
			}
			if shard == "" || path == "" || o.Dataset.Index == "" && o.Dataset.ConfigFile == "" {
				return usagef("worker wants --index, --shard and --out together, or none of them")
			}
			number, of, err := parseShard(shard)
			if err != nil {
				return err
			}
			done, err := bench.WorkShard(cmd.Context(), o, number, of, path)
			if err == nil && done {
				a.log.Info("the shard is complete already", "file", path)
			}
			return err
		},
	}
	addModel(cmd, &o, "CPU threads of the engine, `N`; 0 is all cores")
	addIndex(cmd, &o)
	addFiles(cmd, &o)
	fl := cmd.Flags()
	fl.StringVar(&o.Dataset.Trim, "trim", "", "`PREFIX` that is cut from every name")
	fl.StringVar(&shard, "shard", "", "the shard `I/N` of the index: rows I, I+N, I+2N and so on, I from 0")
	fl.StringVarP(&path, "out", "o", "", "`FILE` of the shard")
	addEngine(cmd, &o)
	fl.BoolVar(&inexact, "allow-inexact", false, "allow an engine whose last bits depend on the machine")
	return cmd
}

// parseShard parses I/N.
func parseShard(s string) (number, of int, err error) {
	i, n, ok := strings.Cut(s, "/")
	number, first := strconv.Atoi(i)
	of, second := strconv.Atoi(n)
	if !ok || first != nil || second != nil || number < 0 || number >= of {
		return 0, 0, usagef("--shard %q: want I/N with I from 0 to N-1, such as 0/12", s)
	}
	return number, of, nil
}
