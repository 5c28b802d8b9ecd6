package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"driftbench/tfmodel/cache"
)

func (a *app) cacheCommand() *cobra.Command {
	dir := defaultCache()
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look at, shrink or empty the feature cache",
		Args:  a.noSubcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&dir, "cache", dir, "`DIR` of the feature cache")

	info := &cobra.Command{
		Use:   "info",
		Short: "Say where the cache is, how large, and what it holds",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if dir == noCache {
				return usagef("--cache: there is no cache to look at: name its folder")
			}
			i, err := cache.Stat(dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s: %.1f MB\n", i.Path, float64(i.Bytes)/1e6)
			for _, s := range i.Scopes {
				fmt.Fprintf(a.out, "%8d files  model %.12s  %-18s last used %s\n", s.Entries, s.Model, s.Engine, s.LastUsed.Format(time.DateTime))
			}
			for _, path := range i.SetAside {
				fmt.Fprintf(a.out, "set aside as damaged: %s\n", path)
			}
			return nil
		},
	}

	var most string
	var age time.Duration
	prune := &cobra.Command{
		Use:   "prune",
		Short: "Drop what was not used lately and give space back",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var keep cache.Keep
			if most != "" {
				var err error
				if keep.Bytes, err = parseBytes(most); err != nil {
					return err
				}
			}
			if age > 0 {
				keep.Since = time.Now().Add(-age)
			}
			return cache.Prune(dir, keep)
		},
	}
	prune.Flags().StringVar(&most, "max-size", "", "most that the file may take, `SIZE`, such as 500MB; what was used last stays")
	prune.Flags().DurationVar(&age, "older-than", 0, "drop models that were last used longer `AGO`, such as 720h")

	clear := &cobra.Command{
		Use:   "clear",
		Short: "Remove the cache",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return cache.Clear(dir) },
	}
	cmd.AddCommand(info, prune, clear)
	return cmd
}

// parseBytes reads a size such as 500MB.
func parseBytes(s string) (int64, error) {
	number, unit := strings.TrimRight(s, "kMGB"), int64(1)
	switch strings.TrimSuffix(s[len(number):], "B") {
	case "":
	case "k":
		unit = 1e3
	case "M":
		unit = 1e6
	case "G":
		unit = 1e9
	default:
		number = ""
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0) || n*float64(unit) >= 1<<62 {
		return 0, usagef("--max-size %q: want a size such as 500MB", s)
	}
	return int64(n * float64(unit)), nil
}
