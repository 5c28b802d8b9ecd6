package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// Span is a split's name and its months.
type Span struct {
	Name     string // can begin a file name
	From, To Month  // inclusive
}

// Split is some rows of the index in a fixed order.
type Split struct {
	Span
	Rows []Row
}

// Splits are the splits of a corpus by what they are for.
type Splits struct {
	Fit Split   // fits the detectors
	In  Split   // the rest of the training span
	Out []Split // the test spans, in time order
}

// All returns fit, In and Out, in that order.
func (s Splits) All() []Split { return append([]Split{s.Fit, s.In}, s.Out...) }

// Spans returns the spans of the splits that c describes: fit, In, and Out in
// time order.
func (c Config) Spans() (fit, in Span, out []Span) {
	for _, t := range c.Tests {
		out = append(out, Span{t.Name, t.From, t.To})
	}
	return Span{FitName(c.Train.Name), c.Train.From, c.Train.To}, Span{InName(c.Train.Name), c.Train.From, c.Train.To}, out
}

// FitName and InName name the two splits of a training span.
func FitName(train string) string { return train + "-fit" }
func InName(train string) string  { return train + "-val" }

// split makes the splits of c.Rows, as the split file says or by a draw, after it
// has given the rows their classes. Training rows without a class are then left
// out in place, so that they move no other row. A split without rows, or a class
// without fit rows, is an error.
func (c *Corpus) split() error {
	fit, in, out := c.Spans()
	spans := append([]Span{fit, in}, out...)
	var parts [][]Row // of each span
	var warnings []string
	var err error
	if c.SplitFile != "" {
		c.Train.Holdout = HoldoutFrozen
		if parts, warnings, err = c.frozen(c.Rows, spans); err != nil {
			return err
		}
		c.Rows = slices.Concat(parts...)
		c.Warnings = append(c.Warnings, warnings...)
		warning, err := c.checkFrozen()
		if err != nil {
			return err
		}
		if warning != "" {
			c.Warnings = append(c.Warnings, warning)
		}
	}
	if warnings, err = c.classify(c.Rows); err != nil {
		return err
	}
	c.Warnings = append(c.Warnings, warnings...)
	if c.SplitFile != "" {
		rows := c.Rows
		for i, part := range parts { // again, with the classes
			parts[i], rows = rows[:len(part)], rows[len(part):]
		}
	} else if parts, err = c.draw(); err != nil {
		return err
	}

	unusable := func(r Row) bool { return r.Class < 0 }
	for i := range parts[:2] {
		if slices.ContainsFunc(parts[i], unusable) { // it may be a part of c.Rows
			parts[i] = slices.DeleteFunc(slices.Clone(parts[i]), unusable)
		}
		if len(parts[i]) == 0 {
			return fmt.Errorf("dataset: %s: split %q has no row with a label: fill in the column %s", c.IndexPath(), spans[i].Name, c.Columns.Label)
		}
	}
	c.Splits = Splits{Fit: Split{fit, parts[0]}, In: Split{in, parts[1]}}
	for i, span := range out {
		c.Splits.Out = append(c.Splits.Out, Split{span, parts[2+i]})
	}
	if missing := c.missingClasses(c.Splits.Fit.Rows); len(missing) > 0 {
		return fmt.Errorf("dataset: %s: no fit row with label %s: add rows, or remove the %s from labels in corpus.yaml",
			c.IndexPath(), strings.Join(firstFew(missing), ", "), agree(len(missing), "label", "labels"))
	}
	return nil
}

// draw draws the rows of each span, as c.Train.Holdout says, which it sets if it
// is empty.
func (c *Corpus) draw() (parts [][]Row, err error) {
	span := between(c.Rows, c.Train.From, c.Train.To)
	if len(span) == 0 {
		return nil, fmt.Errorf("dataset: %s: no row from %v to %v, the training span %q: set train in corpus.yaml", c.IndexPath(), c.Train.From, c.Train.To, c.Train.Name)
	}
	train := pick(c.Rows, span, sample(len(span), 1, c.Seed))
	grouped := slices.ContainsFunc(train, func(r Row) bool { return r.Group != "" })
	switch {
	case c.Train.Holdout == HoldoutGroup && !grouped:
		return nil, fmt.Errorf("dataset: %s: holdout is group, but no row of the training span has a group: name their column as columns: {group: ...} in corpus.yaml, or set holdout to random or latest", c.IndexPath())
	case c.Train.Holdout == "" && grouped:
		c.Train.Holdout = HoldoutGroup
	case c.Train.Holdout == "":
		c.Train.Holdout = HoldoutRandom
	}
	var fit, in []Row
	switch n := share(len(train), c.Train.Fit); c.Train.Holdout {
	case HoldoutGroup:
		groups := groupsOf(train, c.Seed)
		if len(groups) < fewGroups {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s: the training span has %s, and whole groups are held out: with fewer than %d the results hang on which ones; add rows of other groups", c.IndexPath(), count(len(groups), "group"), fewGroups))
		}
		holdOut(groups, c.Train.Fit)
		for _, r := range train {
			if groups[r.groupID()].held {
				in = append(in, r)
			} else {
				fit = append(fit, r)
			}
		}
	case HoldoutLatest:
		slices.SortStableFunc(train, func(a, b Row) int { return int(a.Month - b.Month) })
		fallthrough
	default:
		fit, in = train[:n], train[n:]
	}
	parts = [][]Row{fit, in}
	if len(fit) == 0 || len(in) == 0 {
		name := FitName(c.Train.Name)
		if len(in) == 0 {
			name = InName(c.Train.Name)
		}
		return nil, fmt.Errorf("dataset: %s: split %q is empty: fit %v of %d rows with holdout %s leaves it none: set train in corpus.yaml or add rows", c.IndexPath(), name, c.Train.Fit, len(train), c.Train.Holdout)
	}
	for _, t := range c.Tests {
		span := between(c.Rows, t.From, t.To)
		drawn := pick(c.Rows, span, sample(len(span), t.Sample, c.Seed))
		if len(drawn) == 0 {
			return nil, fmt.Errorf("dataset: %s: split %q is empty: sample %v of the %d rows from %v to %v: set tests in corpus.yaml or add rows", c.IndexPath(), t.Name, t.Sample, len(span), t.From, t.To)
		}
		parts = append(parts, drawn)
	}
	return parts, nil
}

// between returns the numbers of the rows from one month to another.
func between(rows []Row, from, to Month) []int32 {
	var in []int32
	for i := range rows {
		if m := rows[i].Month; from <= m && m <= to {
			in = append(in, int32(i))
		}
	}
	return in
}

// pick returns the rows of some numbers in the order of a sample of them.
func pick(rows []Row, numbers []int32, sample []int) []Row {
	picked := make([]Row, len(sample))
	for i, j := range sample {
		picked[i] = rows[numbers[j]]
	}
	return picked
}
