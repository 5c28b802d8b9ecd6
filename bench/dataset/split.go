package dataset

import (
	"fmt"
	"slices"

	"driftbench/internal/text"
)

// Role says what a split is for.
type Role string

const (
	RoleFit Role = "fit" // fits the detectors
	RoleIn  Role = "in"  // held out of the training span
	RoleOut Role = "out" // a test span
)

// Split is some rows of the index in a fixed order.
type Split struct {
	Name     string // can begin a file name
	Role     Role
	From, To Month // the span, inclusive
	Rows     []Row
}

// Split makes the splits: fit, In, then Out in time order. A split without
// rows, or a class without fit rows, is an error.
func (c Config) Split(rows []Row) ([]Split, error) {
	train := between(rows, c.Train.From, c.Train.To)
	if len(train) == 0 {
		return nil, fmt.Errorf("dataset: %s: no row from %v to %v, the training span %q: set train in corpus.yaml", c.IndexPath(), c.Train.From, c.Train.To, c.Train.Name)
	}
	train = pick(train, sample(len(train), 1, c.Seed))
	if c.Train.Holdout == HoldoutLatest {
		slices.SortStableFunc(train, func(a, b Row) int { return int(a.Month - b.Month) })
	}
	fit := share(len(train), c.Train.Fit)
	splits := []Split{
		{Name: c.fitName(), Role: RoleFit, From: c.Train.From, To: c.Train.To, Rows: train[:fit:fit]},
		{Name: c.inName(), Role: RoleIn, From: c.Train.From, To: c.Train.To, Rows: train[fit:]},
	}
	for i, s := range splits {
		if len(s.Rows) == 0 {
			return nil, fmt.Errorf("dataset: %s: split %q is empty: fit %v of %d rows leaves it none: set fit in corpus.yaml or add rows", c.IndexPath(), splits[i].Name, c.Train.Fit, len(train))
		}
	}
	for _, t := range c.Tests {
		span := between(rows, t.From, t.To)
		drawn := pick(span, sample(len(span), t.Sample, c.Seed))
		if len(drawn) == 0 {
			return nil, fmt.Errorf("dataset: %s: split %q is empty: sample %v of the %d rows from %v to %v: set tests in corpus.yaml or add rows", c.IndexPath(), t.Name, t.Sample, len(span), t.From, t.To)
		}
		splits = append(splits, Split{Name: t.Name, Role: RoleOut, From: t.From, To: t.To, Rows: drawn})
	}
	if label := c.missingClass(splits[0].Rows); label != "" {
		return nil, fmt.Errorf("dataset: %s: no fit row with label %s: add rows, or remove the label from labels in corpus.yaml", c.IndexPath(), text.Quote(label))
	}
	return splits, nil
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
