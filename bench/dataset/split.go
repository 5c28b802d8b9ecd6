package dataset

import (
	"fmt"
	"slices"

	"driftbench/internal/text"
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

// Split splits rows as c says. A split without rows, or a class without fit
// rows, is an error.
func (c Config) Split(rows []Row) (Splits, error) {
	train := between(rows, c.Train.From, c.Train.To)
	if len(train) == 0 {
		return Splits{}, fmt.Errorf("dataset: %s: no row from %v to %v, the training span %q: set train in corpus.yaml", c.IndexPath(), c.Train.From, c.Train.To, c.Train.Name)
	}
	train = pick(train, sample(len(train), 1, c.Seed))
	if c.Train.Holdout == HoldoutLatest {
		slices.SortStableFunc(train, func(a, b Row) int { return int(a.Month - b.Month) })
	}
	n := share(len(train), c.Train.Fit)
	fit, in, out := c.Spans()
	s := Splits{Fit: Split{fit, train[:n:n]}, In: Split{in, train[n:]}}
	for _, part := range []Split{s.Fit, s.In} {
		if len(part.Rows) == 0 {
			return Splits{}, fmt.Errorf("dataset: %s: split %q is empty: fit %v of %d rows leaves it none: set fit in corpus.yaml or add rows", c.IndexPath(), part.Name, c.Train.Fit, len(train))
		}
	}
	for i, t := range c.Tests {
		span := between(rows, t.From, t.To)
		drawn := pick(span, sample(len(span), t.Sample, c.Seed))
		if len(drawn) == 0 {
			return Splits{}, fmt.Errorf("dataset: %s: split %q is empty: sample %v of the %d rows from %v to %v: set tests in corpus.yaml or add rows", c.IndexPath(), t.Name, t.Sample, len(span), t.From, t.To)
		}
		s.Out = append(s.Out, Split{out[i], drawn})
	}
	if label := c.missingClass(s.Fit.Rows); label != "" {
		return Splits{}, fmt.Errorf("dataset: %s: no fit row with label %s: add rows, or remove the label from labels in corpus.yaml", c.IndexPath(), text.Quote(label))
	}
	return s, nil
}

// missingClass returns a label that no row has, or "".
func (c *Config) missingClass(rows []Row) string {
	for class, label := range c.Labels {
		if !slices.ContainsFunc(rows, func(r Row) bool { return r.Class == class }) {
			return label
		}
	}
	return ""
}

func between(rows []Row, from, to Month) []Row {
	var in []Row
	for _, r := range rows {
		if from <= r.Month && r.Month <= to {
			in = append(in, r)
		}
	}
	return in
}

func pick(rows []Row, order []int) []Row {
	picked := make([]Row, len(order))
	for i, j := range order {
		picked[i] = rows[j]
	}
	return picked
}
