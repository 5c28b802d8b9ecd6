package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/stats"
	"driftbench/tfmodel"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the script that completes driftbench in a shell",
		Long: `Print the script that completes commands, flags, engines, devices, detectors and
splits in a shell. To load it in every new shell:

  bash   dir=~/.local/share/bash-completion/completions
         mkdir -p $dir && driftbench completion bash >$dir/driftbench
  zsh    driftbench completion zsh >"${fpath[1]}/_driftbench"
  fish   driftbench completion fish >~/.config/fish/completions/driftbench.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("completion wants one of bash, zsh and fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			}
			return usagef("completion %q: want bash, zsh or fish", args[0])
		},
	}
}

// completeList completes the last of names that commas separate.
func completeList(known []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		before := begun[:strings.LastIndex(begun, ",")+1]
		var all []string
		for _, name := range known {
			if strings.HasPrefix(name, begun[len(before):]) {
				all = append(all, before+name)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// detectorNames are those of a network with the usual layers.
func detectorNames() []string { return stats.Names([]string{"layer7", "layer8"}) }

// completeEngines completes those of --engine and --device that a command has.
func completeEngines(cmd *cobra.Command) {
	cmd.RegisterFlagCompletionFunc("engine", completeList(append([]string{"auto"}, tfmodel.EngineNames()...)))
	cmd.RegisterFlagCompletionFunc("device", completeList([]string{"auto", "cpu", "gpu"}))
}

// completeEvaluation completes --detectors, and --fail-if with the splits of the
// corpus or of the features that the command line names.
func completeEvaluation(cmd *cobra.Command) {
	cmd.RegisterFlagCompletionFunc("detectors", completeList(detectorNames()))
	cmd.RegisterFlagCompletionFunc("fail-if", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var all []string
		for _, split := range splitsNamedBy(cmd) {
			all = append(all, "accuracy("+split+") < ")
			for _, d := range detectorNames() {
				all = append(all, "auroc("+split+", "+d+") > ")
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// splitsNamedBy returns the splits of what a command line names so far.
func splitsNamedBy(cmd *cobra.Command) []string {
	if f := cmd.Flags().Lookup("features"); f != nil && f.Value.String() != "" {
		names, _ := features.List(f.Value.String())
		return names
	}
	dir, file := ".", ""
	if f := cmd.Flags().Lookup("corpus"); f != nil && f.Value.String() != "" {
		dir, file = f.Value.String(), filepath.Join(f.Value.String(), "corpus.yaml")
	}
	if f := cmd.Flags().Lookup("corpus-config"); f != nil && f.Value.String() != "" {
		file = f.Value.String()
	}
	c, err := dataset.LoadConfigFile(dir, file)
	if err != nil {
		return nil
	}
	fit, in, out := c.Spans()
	names := []string{fit.Name, in.Name}
	for _, span := range out {
		names = append(names, span.Name)
	}
	return names
}
