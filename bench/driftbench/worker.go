package main

import (
	"github.com/spf13/cobra"

	"driftbench/bench"
)

func (a *app) workerCommand() *cobra.Command {
	o := a.options()
	o.Engine.Exact, o.Dataset.Strict = true, true
	var inexact bool
	cmd := &cobra.Command{
		Use:   "worker --model DIR --files PLACE",
		Short: "Extract features of rows from stdin, as one of many on a cluster",
		Long: `Read rows as JSON objects, one a line, from stdin, and write one for each to
stdout, in any order:

  {"name":"a.exe","label":"worm","first_seen":"2018-03","group":"g7"}
  {"rows":1}

Name is required. The last line says how many rows there were, so that a feeder
that has died is noticed; more rows may follow, with such a line of their own.
What is written has sha256, size, features (base64 of little-endian float32:
the layers in the order of the model) and traits too, or dropped, the reason,
and model and engine. It ends with a line that counts rows and dropped rows.

A worker has no cache and no lock. It takes an engine that computes the same
bits on every machine; --allow-inexact takes others.

Exit status: 0 done, dropped files are data; 1 this attempt failed and another
may not: a disk or a server fails, the place of the files is gone or empty, no
file of a shard is there, the input is cut short; 2 wrong usage or input, or a
model that cannot be served; 130 interrupted.`,
		Example: `  driftbench worker --model malconv --files /mnt/samples <shard.jsonl >out.jsonl`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Engine.Exact = !inexact
			if len(o.Dataset.Files) == 0 {
				return usagef("worker wants --files PLACE")
			}
			return bench.Worker(cmd.Context(), o, cmd.InOrStdin(), a.out.w)
		},
	}
	addModel(cmd, &o, "CPU threads of the engine, `N`; 0 is all cores")
	addFiles(cmd, &o)
	fl := cmd.Flags()
	fl.StringVar(&o.Dataset.Trim, "trim", "", "`PREFIX` that is cut from every name")
	addEngine(cmd, &o)
	fl.BoolVar(&inexact, "allow-inexact", false, "allow an engine whose last bits depend on the machine")
	return cmd
}
