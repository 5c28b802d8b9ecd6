package dataset

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// With the row counts of the notebook the sizes are the notebook's: 2,476 of
// 3,476 rows fit. The order is pandas' (TestSampleEqualsPandas).
func TestSplit(t *testing.T) {
	rows := slices.Concat(rowsOf("2019-05", 100), rowsOf("2017-06", 3476), rowsOf("2018-02", 50), rowsOf("2018-04", 10), rowsOf("2020-01", 9))
	cfg := DefaultConfig()
	splits, err := cfg.Split(rows)
	if err != nil {
		t.Fatal(err)
	}
	var got []any
	for _, s := range splits.All() {
		got = append(got, s.Name, s.From.String(), s.To.String(), len(s.Rows))
	}
	want := []any{
		"2017-fit", "2017-01", "2017-12", 2476,
		"2017-val", "2017-01", "2017-12", 1000,
		"2018-Q1", "2018-01", "2018-03", 15,
		"2018-late", "2018-04", "2018-12", 3,
		"2019", "2019-01", "2019-12", 30,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("splits %v, want %v", got, want)
	}
	order := permutation(3476, 1)
	train := slices.Concat(splits.Fit.Rows, splits.In.Rows)
	for i, r := range train {
		if r != rows[100+order[i]] {
			t.Fatalf("train row %d is %q", i, r.Name)
		}
	}
	if i := permutation(10, 1)[2]; splits.Out[1].Rows[2] != rows[100+3476+50+i] {
		t.Errorf("the third row of 2018-late is %q", splits.Out[1].Rows[2].Name)
	}
}

func TestSplitHoldoutLatest(t *testing.T) {
	rows := slices.Concat(rowsOf("2017-12", 40), rowsOf("2017-03", 40), rowsOf("2017-07", 20),
		rowsOf("2018-02", 50), rowsOf("2018-04", 10), rowsOf("2019-01", 10))
	cfg := DefaultConfig()
	cfg.Train.Holdout = HoldoutLatest
	cfg.Train.Fit = 0.7
	splits, err := cfg.Split(rows)
	if err != nil {
		t.Fatal(err)
	}
	count := func(s Split) map[string]int {
		n := map[string]int{}
		for _, r := range s.Rows {
			n[r.FirstSeen]++
		}
		return n
	}
	if got, want := count(splits.Fit), (map[string]int{"2017-03": 40, "2017-07": 20, "2017-12": 10}); !reflect.DeepEqual(got, want) {
		t.Errorf("fit rows by month %v, want %v", got, want)
	}
	if got, want := count(splits.In), (map[string]int{"2017-12": 30}); !reflect.DeepEqual(got, want) {
		t.Errorf("In rows by month %v, want %v", got, want)
	}
	// Among rows of one month the shuffle decides: those that fit come first in it.
	place := map[Row]int{}
	for i, j := range permutation(100, 1) {
		place[rows[j]] = i
	}
	december := slices.Concat(splits.Fit.Rows[60:], splits.In.Rows)
	if !slices.IsSortedFunc(december, func(a, b Row) int { return place[a] - place[b] }) {
		t.Error("rows of one month are not in the order of the shuffle")
	}
}

func TestSplitErrors(t *testing.T) {
	tests := slices.Concat(rowsOf("2018-02", 50), rowsOf("2018-04", 10), rowsOf("2019-01", 10))
	oneClass := rowsOf("2017-01", 40)
	for i := range oneClass {
		oneClass[i].Label, oneClass[i].Class = "trojan", 0
	}
	for _, c := range []struct {
		rows []Row
		want string
	}{
		{tests, "no row from 2017-01 to 2017-12"},
		{slices.Concat(rowsOf("2017-01", 1), tests), `split "2017-val" is empty`},
		{slices.Concat(rowsOf("2017-01", 40), tests[:60]), `split "2019" is empty: sample 0.3 of the 0 rows`},
		{slices.Concat(rowsOf("2017-01", 40), tests[:61]), `split "2019" is empty: sample 0.3 of the 1 rows`},
		{slices.Concat(oneClass, tests), `no fit row with label "virus"`},
	} {
		cfg := DefaultConfig()
		if _, err := cfg.Split(c.rows); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q in it", err, c.want)
		}
	}
}
