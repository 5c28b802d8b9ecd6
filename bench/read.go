package bench

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/report"
	"driftbench/stats"
)

// ReadSplits reads the splits of the folder opt.Features. What each split is
// for, its span and the labels come from opt.Dataset.ConfigFile or else from the
// manifest.json that [Extract] wrote beside the folder. Without either the folder
// must hold exactly one pair <train>-fit and <train>-val, and every other split
// is Out.
//
// With opt.FitFile the file takes the place of Fit and In, and the folder needs
// Out splits alone.
func ReadSplits(opt Options) (*Splits, error) {
	made, err := extractedBy(opt.Features)
	if err != nil {
		return nil, err
	}
	return readSplits(opt, made)
}

// readSplits reads the splits of a features folder that made describes.
func readSplits(opt Options, made *Manifest) (*Splits, error) {
	s := &Splits{InUnseen: cmp.Or(made.InUnseen, "unknown")}
	if opt.FitFile != "" {
		var err error
		if s, err = readFit(opt.FitFile); err != nil {
			return nil, err
		}
	}
	s.Warnings = slices.Clone(made.Warnings)
	config := made.Config
	if opt.Dataset.ConfigFile != "" {
		c, err := dataset.LoadConfigFile(filepath.Dir(opt.Dataset.ConfigFile), opt.Dataset.ConfigFile)
		if err != nil {
			return nil, err
		}
		config = &c
	}
	found, err := features.List(opt.Features)
	if err != nil {
		return nil, err
	}
	var plan []planned
	if config != nil {
		plan = plannedBy(config)
		s.Train = cmp.Or(s.Train, config.Train.Name)
	} else if plan, err = s.planOf(opt.Features, found); err != nil {
		return nil, err
	}
	for _, p := range plan {
		switch {
		case p.role != report.RoleOut && opt.FitFile != "":
			continue // the fit file has its own
		case !slices.Contains(found, p.Name) && opt.Dataset.ConfigFile != "":
			return nil, fmt.Errorf("%s holds no split %q, which %s names", opt.Features, p.Name, opt.Dataset.ConfigFile)
		case !slices.Contains(found, p.Name):
			continue
		}
		x, err := readSplit(opt.Features, p, made)
		if err != nil {
			return nil, err
		}
		s.add(x)
	}
	if opt.Dataset.ConfigFile == "" {
		for _, name := range found { // such as what an earlier extraction by another model has left
			if !slices.ContainsFunc(plan, func(p planned) bool { return p.Name == name }) {
				s.Warnings = append(s.Warnings, fmt.Sprintf("split %s is passed over: the manifest.json of the features does not name it", name))
			}
		}
	}
	if s.Fit == nil || s.In == nil || opt.FitFile != "" && len(s.Out) == 0 {
		want := "one <train>-fit, one <train>-val and later splits"
		if opt.FitFile != "" {
			want = "one that is neither <train>-fit nor <train>-val"
		}
		return nil, fmt.Errorf("%s holds the splits %s: want %s", opt.Features, strings.Join(found, ", "), want)
	}
	slices.SortStableFunc(s.Out, func(a, b *Split) int { return cmp.Compare(a.From, b.From) })
	return s, s.label(config)
}

// planned is a split that a folder is to hold. A zero span is that of its rows.
type planned struct {
	dataset.Span
	role report.Role
}

// plannedBy lists the splits of a configuration.
func plannedBy(c *dataset.Config) []planned {
	fit, in, out := c.Spans()
	plan := []planned{{fit, report.RoleFit}, {in, report.RoleIn}}
	for _, span := range out {
		plan = append(plan, planned{span, report.RoleOut})
	}
	return plan
}

// planOf tells from their names alone what the splits of a folder are for, and
// sets the name of the training span.
func (s *Splits) planOf(dir string, names []string) ([]planned, error) {
	var trains []string
	for _, name := range names {
		if train, ok := strings.CutSuffix(name, dataset.FitName("")); ok && slices.Contains(names, dataset.InName(train)) {
			trains = append(trains, train)
		}
	}
	if len(trains) > 1 {
		return nil, fmt.Errorf("%s holds the splits %s: more than one pair <train>-fit and <train>-val; say with a corpus.yaml which fits the detectors", dir, strings.Join(names, ", "))
	}
	if s.Train != "" { // of the fit file
		trains = append(trains, s.Train)
	} else if len(trains) == 1 {
		s.Train = trains[0]
	}
	var plan []planned
	for _, name := range names {
		role := report.RoleOut
		for _, train := range trains {
			switch name {
			case dataset.FitName(train):
				role = report.RoleFit
			case dataset.InName(train):
				role = report.RoleIn
			}
		}
		plan = append(plan, planned{dataset.Span{Name: name}, role})
	}
	return plan, nil
}

// readSplit reads one split of a features folder.
func readSplit(dir string, p planned, made *Manifest) (*Split, error) {
	f, err := features.Read(dir, p.Name)
	if err != nil {
		return nil, err
	}
	if len(f.Rows) == 0 {
		return nil, fmt.Errorf("%s: split %q has no rows", dir, p.Name)
	}
	x := &Split{Split: f, Role: p.role, From: p.From, To: p.To, Dropped: made.droppedFrom(p.Name)}
	if err := x.setMonths(); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if p.From == 0 {
		x.From, x.To = slices.Min(x.Months), slices.Max(x.Months)
	}
	return x, nil
}

// add gives a split its place.
func (s *Splits) add(x *Split) {
	switch x.Role {
	case report.RoleFit:
		s.Fit = x
		for _, l := range x.Layers {
			if l.Name != stats.Logits {
				s.Layers = append(s.Layers, l.Name)
			}
		}
	case report.RoleIn:
		s.In = x
	default:
		s.Out = append(s.Out, x)
	}
}

// label sets labels and classes. Without a configuration or a fit file the
// labels are those of the rows, and their order is not that of the model's
// outputs, so that what the model predicts is not known.
func (s *Splits) label(config *dataset.Config) error {
	splits, guessed := s.All(), false
	switch {
	case s.detectors != nil:
		splits = s.Out // the others have their classes
	case config != nil:
		s.Labels = config.Labels
	default:
		guessed = true
		found := map[string]bool{}
		for _, x := range splits {
			for _, r := range x.Rows {
				found[r.Label] = true
			}
		}
		s.Labels = slices.Sorted(maps.Keys(found))
		s.Warnings = append(s.Warnings, "nothing says in which order the model has its classes, so accuracy is left out: give --corpus-config, or the features of driftbench extract with their manifest.json")
	}
	for _, x := range splits {
		if err := x.setClasses(s.Labels); err != nil {
			return err
		}
		if guessed {
			x.Predicted = nil
		}
	}
	return nil
}
