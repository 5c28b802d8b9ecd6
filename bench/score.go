package main

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
)

// sample is one split, ready to be scored.
type sample struct {
	features.Split
	role     report.Role
	from, to string // months
	dropped  int
	classes  []int // of each row, index into the labels
}

// layer returns the named output of the model.
func (s *sample) layer(name string) (features.Layer, bool) {
	for _, l := range s.Layers {
		if l.Name == name {
			return l, true
		}
	}
	return features.Layer{}, false
}

func (a *app) scoreCommand() *cobra.Command {
	var dir, out, config string
	var opt scoring
	cmd := &cobra.Command{
		Use:   "score --features DIR --out DIR",
		Short: "Fit and score features that are already there",
		Long: `Fit the detectors on the fit split of a features folder, score every split, and
write scores/, results.json and the report under --out.

Splits, labels and spans are those of the files: <train>-fit fits the detectors,
<train>-val is In, every other split is Out, in the order of its first month.
--corpus-config takes them, and the order of the labels, from a corpus.yaml.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opt.check(); err != nil {
				return err
			}
			if err := prepareOut(out); err != nil {
				return err
			}
			s, err := readSamples(dir, config)
			if err != nil {
				return err
			}
			r, err := a.score(cmd.Context(), s, opt, out)
			if err != nil {
				return err
			}
			return a.finish(out, *r)
		},
	}
	opt.add(cmd)
	cmd.Flags().StringVar(&dir, "features", "", "folder with <split>.csv and <split>.<layer>.npy")
	cmd.Flags().StringVar(&out, "out", "", "folder to write results into")
	cmd.Flags().StringVar(&config, "corpus-config", "", "take splits and labels from this corpus.yaml")
	cmd.MarkFlagRequired("features")
	cmd.MarkFlagRequired("out")
	return cmd
}

// readSamples reads every split of a features folder.
func readSamples(dir, config string) (*samples, error) {
	names, err := features.List(dir)
	if err != nil {
		return nil, err
	}
	s := new(samples)
	if config != "" {
		c, err := dataset.LoadConfigFile(filepath.Dir(config), config)
		if err != nil {
			return nil, err
		}
		s.labels = c.Labels
		wanted := []string{c.Train.Name + "-fit", c.Train.Name + "-val"}
		for _, t := range c.Tests {
			wanted = append(wanted, t.Name)
		}
		for _, w := range wanted {
			if !slices.Contains(names, w) {
				return nil, fmt.Errorf("%s holds no split %q, which %s names", dir, w, config)
			}
		}
		names = wanted
	}

	found := map[string]bool{}
	for _, name := range names {
		f, err := features.Read(dir, name)
		if err != nil {
			return nil, err
		}
		if len(f.Rows) == 0 {
			return nil, fmt.Errorf("%s: split %q has no rows", dir, name)
		}
		x := &sample{Split: f, role: report.RoleOut}
		if t, ok := strings.CutSuffix(name, "-fit"); ok {
			x.role, s.train = report.RoleFit, t
		} else if strings.HasSuffix(name, "-val") {
			x.role = report.RoleIn
		}
		for _, r := range f.Rows {
			if len(r.FirstSeen) < len("2006-01") {
				return nil, fmt.Errorf("%s: split %q: first_seen %q of %q has no month", dir, name, r.FirstSeen, r.Name)
			}
			found[r.Label] = true
		}
		x.from, x.to = month(slices.MinFunc(f.Rows, byMonth)), month(slices.MaxFunc(f.Rows, byMonth))
		s.all = append(s.all, x)
	}
	if s.labels == nil {
		s.labels = slices.Sorted(maps.Keys(found))
	}
	order := map[report.Role]int{report.RoleFit: 0, report.RoleIn: 1, report.RoleOut: 2}
	slices.SortStableFunc(s.all, func(a, b *sample) int {
		return cmp.Or(cmp.Compare(order[a.role], order[b.role]), cmp.Compare(a.from, b.from))
	})
	if len(s.all) < 2 || s.fit().role != report.RoleFit || s.in().role != report.RoleIn ||
		len(s.all) > 2 && s.all[2].role != report.RoleOut {
		return nil, fmt.Errorf("%s holds the splits %s: want one <train>-fit, one <train>-val and later splits", dir, strings.Join(names, ", "))
	}
	return s, s.setClasses()
}

func month(r features.Row) string   { return r.FirstSeen[:len("2006-01")] }
func byMonth(a, b features.Row) int { return cmp.Compare(month(a), month(b)) }

// setClasses turns the labels of the rows into classes.
func (s *samples) setClasses() error {
	class := map[string]int{}
	for i, l := range s.labels {
		class[l] = i
	}
	for _, x := range s.all {
		x.classes = make([]int, len(x.Rows))
		for i, r := range x.Rows {
			c, ok := class[r.Label]
			if !ok {
				return fmt.Errorf("split %q: label %q of %q is none of %s", x.Name, r.Label, r.Name, strings.Join(s.labels, ", "))
			}
			x.classes[i] = c
		}
	}
	return nil
}
