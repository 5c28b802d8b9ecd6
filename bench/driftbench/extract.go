package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"driftbench/bench"
)

func (a *app) extractCommand() *cobra.Command {
	o := a.options()
	cmd := &cobra.Command{
		Use:   "extract {--corpus DIR | --index FILE} --model DIR --out DIR",
		Short: "Run the model over every split and write features/ alone",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Cache == noCache {
				o.Cache = ""
			}
			man, err := bench.Extract(cmd.Context(), o)
			if err != nil {
				return err
			}
			a.closeBar()
			for _, s := range man.Splits {
				fmt.Fprintf(a.out, "%-12s %6d files, %d dropped\n", s.Name, s.Files, s.Dropped)
			}
			fmt.Fprintf(a.out, "features are in %s\n", filepath.Join(o.Out, "features"))
			return nil
		},
	}
	addExtract(cmd, &o)
	return cmd
}
