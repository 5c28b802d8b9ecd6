package dataset

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"driftbench/bench/dataset/index"
	"driftbench/internal/text"
)

// OtherLabel in Config.Labels is the class of all families of the training span
// that Config.Labels does not list.
const OtherLabel = "other"

// classes returns the index of each label in c.Labels.
func (c *Config) classes() map[string]int {
	class := map[string]int{}
	for i, l := range c.Labels {
		class[l] = i
	}
	return class
}

// classify gives each of rows, all of the index, its final label and class.
// Where c lists "other", it is the label of the families that the training span
// has and c does not list. Without it such a family in the training span is an
// error. A family that only later rows have keeps its name and the class -1.
func (c *Config) classify(rows []Row) (warnings []string, err error) {
	path := c.IndexPath()
	all, training := map[string]int{}, map[string]int{} // rows of each label; training: of those not listed
	total, unlabelled := 0, 0                           // of training; rows without a label
	for _, r := range rows {
		if r.Label != "" && c.covers(r.Month) {
			all[r.Label]++
		}
		switch {
		case !c.inTraining(r.Month) || r.Class >= 0:
		case r.Label == "":
			unlabelled++
		default:
			training[r.Label]++
			total++
		}
	}
	variants := c.variants(all)
	other, listed := c.classes()[OtherLabel]
	if len(training) > 0 && !listed {
		msg := fmt.Sprintf("dataset: %s: %s of the training span %s a label that corpus.yaml does not list: %s: add them to labels in corpus.yaml, or add %q to put all of them into one class",
			path, count(total, "row"), agree(total, "has", "have"), nameLabels(training), OtherLabel)
		if variants != "" {
			msg += "; " + variants
		}
		return nil, fmt.Errorf("%s", msg)
	}
	for i, r := range rows {
		if r.Class < 0 && training[r.Label] > 0 {
			rows[i].Label, rows[i].Class = OtherLabel, other
		}
	}
	if unlabelled > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: %s of the training span %s no label and %s left out: detectors are fitted by class",
			path, count(unlabelled, "row"), agree(unlabelled, "has", "have"), agree(unlabelled, "is", "are")))
	}
	if variants != "" {
		warnings = append(warnings, path+": "+variants)
	}
	return warnings, nil
}

// MayBecome reports whether a row that has the label from in the index may have the
// label to in a split: Map and OtherLabel change labels.
func (c *Config) MayBecome(from, to string) bool {
	listed := func(label string) bool { return slices.Contains(c.Labels, label) }
	if mapped, leave := index.Mapped(c.Map, from, listed); !leave {
		from = mapped
	}
	return from == to || to == OtherLabel && listed(to) && !listed(from)
}

// variants says which labels, of the index and of c, differ by case or blanks
// alone, or "".
func (c *Config) variants(rows map[string]int) string {
	alike := map[string][]string{}
	for _, l := range slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(rows)), c.Labels...)))) {
		key := strings.ToLower(strings.Join(strings.Fields(l), ""))
		alike[key] = append(alike[key], l)
	}
	var said []string
	for _, key := range slices.Sorted(maps.Keys(alike)) {
		if len(alike[key]) > 1 {
			said = append(said, quoteAll(alike[key]))
		}
	}
	if len(said) == 0 {
		return ""
	}
	return "labels that differ by case or blanks alone count as different: " + strings.Join(firstFew(said), "; ") + ": write them alike in the index and in corpus.yaml"
}

// nameLabels names labels with the number of rows of each, the most first.
func nameLabels(rows map[string]int) string {
	labels := slices.SortedFunc(maps.Keys(rows), func(a, b string) int {
		return cmp.Or(rows[b]-rows[a], strings.Compare(a, b))
	})
	for i, l := range labels {
		labels[i] = fmt.Sprintf("%s (%s)", text.Quote(l), count(rows[l], "row"))
	}
	return strings.Join(firstFew(labels), ", ")
}

// missingClasses returns the labels that no row has, quoted.
func (c *Config) missingClasses(rows []Row) []string {
	has := map[int]bool{}
	for _, r := range rows {
		has[r.Class] = true
	}
	var missing []string
	for class, label := range c.Labels {
		if !has[class] {
			missing = append(missing, text.Quote(label))
		}
	}
	return missing
}
