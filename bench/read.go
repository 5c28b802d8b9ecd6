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
	"driftbench/internal/origin"
	"driftbench/report"
	"driftbench/stats"
)

// ReadSplits reads the splits of the folder opt.Features. The values of their layers
// stay on disk until [Evaluate] needs them. What each split is
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
	return readFolder(opt, made)
}

// readFolder reads the splits of the folder opt.Features, which made describes.
func readFolder(opt Options, made *Manifest) (*Splits, error) {
	names, err := features.List(opt.Features)
	if err != nil {
		return nil, err
	}
	return readSplits(opt, made, splitSource{names, func(name string) (features.Split, error) { return features.Open(opt.Features, name) }})
}

// splitSource is where the features of splits are.
type splitSource struct {
	names []string
	open  func(name string) (features.Split, error)
}

// inMemory is a source of splits that are in memory.
func inMemory(splits []features.Split) splitSource {
	var from splitSource
	for _, s := range splits {
		from.names = append(from.names, s.Name)
	}
	from.open = func(name string) (features.Split, error) { return splits[slices.Index(from.names, name)], nil }
	return from
}

// readSplits reads the splits of a source that made describes and opt.Features names.
func readSplits(opt Options, made *Manifest, from splitSource) (*Splits, error) {
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
	found := from.names
	var plan []planned
	switch {
	case opt.Dataset.ConfigFile == "" && len(made.Splits) > 0:
		plan = plannedIn(made.Splits)
	case config != nil:
		plan = plannedBy(config)
	default:
		var err error
		if plan, err = s.planOf(opt.Features, found); err != nil {
			return nil, err
		}
	}
	if config != nil {
		s.Train = cmp.Or(s.Train, config.Train.Name)
	}
	var read []*Split
	for _, p := range plan {
		switch {
		case p.role != report.RoleOut && opt.FitFile != "":
			continue // the fit file has its own
		case !slices.Contains(found, p.Name) && opt.Dataset.ConfigFile != "":
			return nil, fmt.Errorf("%s holds no split %q, which %s names", opt.Features, p.Name, opt.Dataset.ConfigFile)
		case !slices.Contains(found, p.Name):
			continue
		}
		x, err := readSplit(opt.Features, from, p, made)
		if err != nil {
			return nil, err
		}
		for _, told := range made.Splits {
			if n := len(x.Rows); told.Name == x.Name && told.Files != n {
				s.Warnings = append(s.Warnings, fmt.Sprintf("split %s has %d rows, and %s counts %d: it may describe other features", x.Name, n, manifestOf(opt.Features), told.Files))
			}
		}
		w, err := x.dropNotFinite()
		if err != nil {
			return nil, err
		}
		if w != "" {
			s.Warnings = append(s.Warnings, w)
		}
		if s.Fit != nil && x.Name == s.Fit.Name || s.In != nil && x.Name == s.In.Name {
			return nil, fmt.Errorf("%s: the split %q has the name of a split of the fit file: rename the test span in corpus.yaml and extract again", opt.Features, x.Name)
		}
		s.add(x)
		read = append(read, x)
	}
	if err := s.join(opt, made, read); err != nil {
		return nil, err
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
	s.made = made
	if err := s.label(config); err != nil {
		return nil, err
	}
	s.setGroups()
	if opt.FitFile == "" {
		s.excludeFitBytes()
	}
	for _, x := range s.All() {
		if len(x.Rows) == 0 {
			return nil, fmt.Errorf("%s: split %q has no rows that can be used", opt.Features, x.Name)
		}
	}
	return s, nil
}

// join checks that the splits that were read, the manifest beside them and the fit
// file are of one model, and sets the origin of s. It warns where that cannot be
// told, and where files changed or rows are in no span of their split.
func (s *Splits) join(opt Options, made *Manifest, read []*Split) error {
	manifest := manifestOf(opt.Features)
	var parts []origin.Part
	if opt.FitFile != "" {
		parts = append(parts, origin.Part{Name: "the fit file " + opt.FitFile, Origin: s.Origin})
	}
	tell := slices.ContainsFunc(read, func(x *Split) bool { return x.Source.ModelSHA256 != "" })
	if made.Known() || tell && made.ModelSHA256 != "" {
		parts = append(parts, origin.Part{Name: manifest, Origin: made.Origin})
	}
	switch {
	case tell:
		for _, x := range read {
			parts = append(parts, origin.Part{Name: "split " + x.Name + " in " + opt.Features, Origin: x.Source.Origin})
		}
	case len(read) > 0:
		p := origin.Part{Name: "the features folder " + opt.Features}
		for _, l := range read[0].Layers {
			p.Layers = append(p.Layers, origin.Layer{Name: l.Name, Width: l.Width})
		}
		if !made.Known() { // of a version that recorded the model alone
			p.ModelSHA256 = made.ModelSHA256
		}
		parts = append(parts, p)
	}
	all, warnings, err := origin.Join(parts...)
	if err != nil {
		return err
	}
	s.Origin, s.Warnings = all, append(s.Warnings, warnings...)
	var first *Split // that names its index
	for _, x := range read {
		index := x.Source.IndexSHA256
		if index != "" && made.IndexSHA256 != "" && index != made.IndexSHA256 {
			return &origin.MismatchError{A: manifest, B: "split " + x.Name + " in " + opt.Features,
				Detail: fmt.Sprintf("they are of the indexes %s and %s (SHA-256): extract the features again", origin.Short(made.IndexSHA256), origin.Short(index))}
		}
		if index != "" && first == nil {
			first = x
		}
		if index != "" && index != first.Source.IndexSHA256 {
			s.Warnings = append(s.Warnings, fmt.Sprintf("the splits %s and %s come from different indexes: files may be in both", first.Name, x.Name))
		}
		if len(x.Source.Changed) > 0 {
			s.Warnings = append(s.Warnings, fmt.Sprintf("%s in %s changed after the extraction, so what it says of the model may be wrong: extract the features again unless you changed it yourself", strings.Join(x.Source.Changed, ", "), opt.Features))
		}
		outside, where := 0, ""
		for i, m := range x.Months {
			if m < x.From || m > x.To {
				if outside == 0 {
					where = fmt.Sprintf("%q of %v", x.Rows[i].Name, m)
				}
				outside++
			}
		}
		if outside > 0 {
			s.Warnings = append(s.Warnings, fmt.Sprintf("split %s: %d of %d files were not first seen in its span, %v to %v; the first: %s", x.Name, outside, len(x.Rows), x.From, x.To, where))
		}
	}
	return nil
}

// manifestOf is the path of the manifest beside a features folder.
func manifestOf(features string) string { return filepath.Join(features, "..", manifestFile) }

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

// plannedIn lists the splits of a manifest.
func plannedIn(splits []SplitSummary) []planned {
	var plan []planned
	for _, s := range splits {
		plan = append(plan, planned{dataset.Span{Name: s.Name, From: s.From, To: s.To}, s.Role})
	}
	return plan
}

// planOf tells from their names alone what the splits of a folder are for, and
// sets the name of the training span.
func (s *Splits) planOf(dir string, names []string) ([]planned, error) {
	var trains []string
	if s.Train != "" { // of the fit file, which has both splits
		trains = []string{s.Train}
	}
	for _, name := range names {
		if train, ok := strings.CutSuffix(name, dataset.FitName("")); ok && s.Train == "" && slices.Contains(names, dataset.InName(train)) {
			trains = append(trains, train)
		}
	}
	if len(trains) > 1 {
		return nil, fmt.Errorf("%s holds the splits %s: more than one pair <train>-fit and <train>-val; say with a corpus.yaml which fits the detectors", dir, strings.Join(names, ", "))
	}
	if len(trains) == 1 {
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

// readSplit reads one split of the folder dir, or of another source of that name.
func readSplit(dir string, from splitSource, p planned, made *Manifest) (*Split, error) {
	f, err := from.open(p.Name)
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

// add stores a split by its role.
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
// labels are those of the training rows, and their order is not that of the
// model's outputs, so that what the model predicts is not known. A training row
// whose label is none of the labels belongs to the label "other" where there is
// one. An Out row whose label training lacks has no class.
func (s *Splits) label(config *dataset.Config) error {
	splits, guessed := s.All(), false
	training := []*Split{s.Fit, s.In}
	switch {
	case s.saved:
		splits, training = s.Out, nil // the others have their classes
		if config != nil && !slices.Equal(config.Labels, s.Labels) {
			s.Warnings = append(s.Warnings, fmt.Sprintf("the labels of the fit file, %s, are not those of the features, %s: those of the fit file count, and accuracy is wrong unless the model's outputs are in their order", some(s.Labels), some(config.Labels)))
		}
	case config != nil:
		s.Labels = config.Labels
	default:
		guessed = true
		found := map[string]bool{}
		for _, x := range training {
			for _, r := range x.Rows {
				found[r.Label] = true
			}
		}
		s.Labels = slices.Sorted(maps.Keys(found))
		s.Warnings = append(s.Warnings, "nothing says in which order the model has its classes, so accuracy is left out: give --corpus-config, or the features of driftbench extract with their manifest.json")
	}
	if n := len(s.Fit.Rows); !s.saved && len(s.Labels) > n { // every class has its moments
		return fmt.Errorf("there are %d labels and %d fit rows: every label needs a row of %s", len(s.Labels), n, s.Fit.Name)
	}
	classes := map[string]int{}
	for i, l := range s.Labels {
		classes[l] = i
	}
	if other, ok := classes[dataset.OtherLabel]; ok {
		for _, x := range training {
			for _, r := range x.Rows {
				if _, ok := classes[r.Label]; !ok && r.Label != "" {
					classes[r.Label] = other
					s.other = append(s.other, r.Label)
				}
			}
		}
		for _, l := range s.other {
			classes[l] = other
		}
	}
	for _, x := range splits {
		if err := x.setClasses(classes, s.Labels); err != nil {
			return err
		}
		if guessed {
			x.Predicted, x.Confidence = nil, nil
		}
		for _, l := range x.Layers {
			if w := otherClasses(max(2, l.Width), len(s.Labels)); l.Name == stats.Logits && w != "" && !guessed && !slices.Contains(s.Warnings, w) {
				s.Warnings = append(s.Warnings, w)
			}
		}
	}
	return nil
}

// otherClasses is the warning about a model that tells another number of classes
// than there are labels, or "".
func otherClasses(classes, labels int) string {
	if classes == labels {
		return ""
	}
	return fmt.Sprintf("the model tells %d classes, the corpus has %d labels: accuracy is left out; set labels in corpus.yaml in the order of the model's outputs", classes, labels)
}

// dropNotFinite drops the rows for which the model gave a value that is not
// finite, and warns.
func (x *Split) dropNotFinite() (warning string, err error) {
	var first string
	bad := make([]bool, len(x.Rows))
	n := 0
	for _, l := range x.Layers {
		err := eachRow(l, len(x.Rows), func(row int, values []float32) {
			for col, v := range values {
				if v-v != 0 && !bad[row] { // NaN or infinite
					bad[row] = true
					n++
					if first == "" {
						first = fmt.Sprintf("%q has %v in column %d of %s", x.Rows[row].Name, v, col, l.Name)
					}
				}
			}
		})
		if err != nil {
			return "", err
		}
	}
	if n == 0 {
		return "", nil
	}
	files := len(x.Rows)
	x.keep(func(row int) bool { return !bad[row] })
	x.Dropped += n
	return fmt.Sprintf("split %s: %d of %d files have features that are not finite numbers, and are dropped; the first: %s", x.Name, n, files, first), nil
}
