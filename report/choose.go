package report

import "slices"

// view is a Results with the choices the report makes about it: which
// detectors are drawn large, and which one the headline speaks of.
type view struct {
	Results
	styles map[string]style
}

func newView(r Results) view {
	return view{Results: r, styles: detectorStyles(r.Detectors)}
}

// preferred is the order in which a detector is chosen for the headline. The
// ensemble sees both layers, and a deeper layer is nearer to the decision.
func preferred() []string {
	return []string{"mahalanobis/ensemble", "mahalanobis/layer8", "mahalanobis/layer7"}
}

// computed reports whether d has at least one AUROC.
func (d Detector) computed() bool {
	return d.Skipped == "" && slices.ContainsFunc(d.Splits, func(s DetectorSplit) bool { return finite(share(s.AUROC)) })
}

// main returns the detectors that are drawn: the preferred ones, or where
// none of them was computed the first three that were.
func (v view) main() []Detector {
	var usual, all []Detector
	for _, d := range v.Detectors {
		if !d.computed() {
			continue
		}
		all = append(all, d)
		if slices.Contains(preferred(), d.Name) {
			usual = append(usual, d)
		}
	}
	if len(usual) > 0 {
		return usual
	}
	return all[:min(3, len(all))]
}

// chosen returns the detector of the headline: the most preferred one that
// was computed and never saw an Out file, or nil.
func (v view) chosen() *Detector {
	fair := func(d Detector) bool { return d.computed() && !d.UsesOutLabels }
	for _, name := range preferred() {
		if i := slices.IndexFunc(v.Detectors, func(d Detector) bool { return d.Name == name && fair(d) }); i >= 0 {
			return &v.Detectors[i]
		}
	}
	if i := slices.IndexFunc(v.Detectors, fair); i >= 0 {
		return &v.Detectors[i]
	}
	return nil
}

// role returns the splits of one role, in order.
func (v view) role(role Role) []Split {
	var out []Split
	for _, s := range v.Splits {
		if s.Role == role {
			out = append(out, s)
		}
	}
	return out
}

// in returns the In split; without one its name is made from the train span.
func (v view) in() Split {
	if in := v.role(RoleIn); len(in) > 0 {
		return in[0]
	}
	return Split{Name: v.Train + "-val", Role: RoleIn}
}

// inName and trainName are how titles and sentences call In and the training
// span.
func (v view) inName() string {
	if len(v.role(RoleIn)) == 0 && v.Train == "" {
		return "In"
	}
	return shorten(clean(v.in().Name), 40)
}

func (v view) trainName() string {
	if v.Train == "" {
		return v.inName()
	}
	return shorten(clean(v.Train), 40)
}

// split returns the numbers of d on the named split, or nil.
func (d Detector) split(name string) *DetectorSplit {
	if i := slices.IndexFunc(d.Splits, func(s DetectorSplit) bool { return s.Split == name }); i >= 0 {
		return &d.Splits[i]
	}
	return nil
}

// last returns the numbers of d on the latest split that has an AUROC, or nil.
func (d Detector) last() *DetectorSplit {
	for i := len(d.Splits) - 1; i >= 0; i-- {
		if d.Splits[i].AUROC.OK() {
			return &d.Splits[i]
		}
	}
	return nil
}

// accuracy returns the classifier's numbers on the named split, or nil.
func (v view) accuracy(name string) *Accuracy {
	if v.Classifier == nil {
		return nil
	}
	if i := slices.IndexFunc(v.Classifier.Splits, func(a Accuracy) bool { return a.Name == name }); i >= 0 {
		return &v.Classifier.Splits[i]
	}
	return nil
}

// accuracyOrNone is accuracy with missing numbers in place of nil.
func (v view) accuracyOrNone(name string) Accuracy {
	if a := v.accuracy(name); a != nil {
		return *a
	}
	return noAccuracy(name)
}

func noInterval() Interval { return Interval{none(), none(), none()} }

func noAccuracy(name string) Accuracy {
	return Accuracy{Name: name, Accuracy: noInterval(), MacroF1: none()}
}
