package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// splitRows splits rows as cfg says.
func splitRows(cfg Config, rows []Row) (*Corpus, error) {
	c := &Corpus{Config: cfg, Rows: slices.Clone(rows)}
	return c, c.split()
}

// With the row counts of the notebook the sizes are the notebook's: 2,476 of
// 3,476 rows fit. The order is pandas' (TestSampleEqualsPandas).
func TestSplit(t *testing.T) {
	rows := slices.Concat(rowsOf("2019-05", 100), rowsOf("2017-06", 3476), rowsOf("2018-02", 50), rowsOf("2018-04", 10), rowsOf("2020-01", 9))
	cfg := DefaultConfig()
	c, err := splitRows(cfg, rows)
	if err != nil {
		t.Fatal(err)
	}
	splits := c.Splits
	if c.Train.Holdout != HoldoutRandom || len(c.Warnings) > 0 {
		t.Errorf("holdout %s, warnings %q, want random and none", c.Train.Holdout, c.Warnings)
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
	c, err := splitRows(cfg, rows)
	if err != nil {
		t.Fatal(err)
	}
	splits := c.Splits
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
	oneGroup := rowsOf("2017-01", 40)
	for i := range oneGroup {
		oneGroup[i].Group = "a"
	}
	unlabelled := rowsOf("2017-01", 40)
	for i := range unlabelled {
		unlabelled[i].Label, unlabelled[i].Class = "", -1
	}
	for _, c := range []struct {
		rows    []Row
		want    string
		holdout Holdout
	}{
		{tests, "no row from 2017-01 to 2017-12", ""},
		{slices.Concat(rowsOf("2017-01", 1), tests), `split "2017-val" is empty: fit 0.7123 of 1 rows with holdout random leaves it none`, ""},
		{slices.Concat(rowsOf("2017-01", 40), tests[:60]), `split "2019" is empty: sample 0.3 of the 0 rows`, ""},
		{slices.Concat(rowsOf("2017-01", 40), tests[:61]), `split "2019" is empty: sample 0.3 of the 1 rows`, ""},
		{slices.Concat(oneClass, tests), `no fit row with label "virus", "worm", "backdoor": add rows, or remove the labels from labels`, ""},
		{slices.Concat(rowsOf("2017-01", 40), tests), "holdout is group, but no row of the training span has a group", HoldoutGroup},
		{slices.Concat(oneGroup, tests), `split "2017-val" is empty: fit 0.7123 of 40 rows with holdout group`, HoldoutGroup},
		{slices.Concat(unlabelled, tests), `split "2017-fit" has no row with a label: fill in the column label`, ""},
	} {
		cfg := DefaultConfig()
		cfg.Train.Holdout = c.holdout
		if _, err := splitRows(cfg, c.rows); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q in it", err, c.want)
		}
	}
}

// grouped are n training rows in groups of random sizes, heavy-tailed, most of
// them of one label, and rows of the test spans.
func grouped(r *rand.Rand, n, labels int, mixed float64) []Row {
	rows := rowsOf("2017-06", n)
	for i := 0; i < n; {
		group, class := fmt.Sprintf("build %d", i), r.IntN(labels)
		size := min(n-i, 40, int(1/(1-r.Float64())))
		for ; size > 0; size-- {
			rows[i].Class = class
			if r.Float64() < mixed {
				rows[i].Class = r.IntN(labels)
			}
			if rows[i].Group = group; size == 1 && r.IntN(2) == 0 {
				rows[i].Group = ""
			}
			rows[i].Label = DefaultConfig().Labels[rows[i].Class]
			i++
		}
	}
	return slices.Concat(rows, rowsOf("2018-02", 20), rowsOf("2018-05", 20), rowsOf("2019-02", 20))
}

// No group is on both sides; every label that two groups have is on both where
// groups are of one label; the share is near fit; rows keep the order of pandas.
func TestHoldoutGroup(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		mixed := float64(seed%4) / 8
		rows := grouped(r, 200+r.IntN(400), 4, mixed)
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		cfg := DefaultConfig()
		cfg.Seed = uint32(seed)
		c, err := splitRows(cfg, rows)
		if err != nil {
			t.Fatal(err)
		}
		if c.Train.Holdout != HoldoutGroup {
			t.Fatalf("holdout %s", c.Train.Holdout)
		}
		in := map[string]bool{}
		for _, row := range c.Splits.In.Rows {
			in[row.groupID()] = true
		}
		for _, row := range c.Splits.Fit.Rows {
			if in[row.groupID()] {
				t.Fatalf("seed %d: group %s is on both sides", seed, row.groupID())
			}
		}
		if missing := c.missingClasses(c.Splits.In.Rows); len(missing) > 0 {
			t.Errorf("seed %d: no In row with label %s", seed, missing)
		}
		n, k := len(c.Splits.Fit.Rows), len(c.Splits.In.Rows)
		if share := float64(n) / float64(n+k); math.Abs(share-0.7123) > 0.15 { // a group is up to a fifth of the rows
			t.Errorf("seed %d: %v of the rows fit", seed, share)
		}
		train := between(rows, c.Train.From, c.Train.To)
		place := map[Row]int{}
		for i, j := range permutation(len(train), cfg.Seed) {
			place[rows[train[j]]] = i
		}
		for _, s := range []Split{c.Splits.Fit, c.Splits.In} {
			if !slices.IsSortedFunc(s.Rows, func(a, b Row) int { return place[a] - place[b] }) {
				t.Errorf("seed %d: %s is not in the order of the shuffle", seed, s.Name)
			}
		}
	}
}

// Taking one row out moves the groups at the border of its label, if any: on
// average less than one In row was a fit row before.
func TestHoldoutGroupIsStable(t *testing.T) {
	moved, draws := 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		rows := grouped(r, 400, 4, 0.1)
		before, err := splitRows(DefaultConfig(), rows)
		if err != nil {
			t.Fatal(err)
		}
		fit := map[string]bool{}
		for _, row := range before.Splits.Fit.Rows {
			fit[row.Path] = true
		}
		for range 10 {
			i := r.IntN(400)
			after, err := splitRows(DefaultConfig(), slices.Delete(slices.Clone(rows), i, i+1))
			if err != nil {
				t.Fatal(err)
			}
			groups := map[string]bool{}
			for _, row := range after.Splits.In.Rows {
				if fit[row.Path] {
					groups[row.groupID()] = true
					moved++
				}
			}
			draws++
			if len(groups) > 2 { // of its group's label before, and of that after
				t.Errorf("seed %d: without row %d, %d groups have become In", seed, i, len(groups))
			}
		}
	}
	if mean := float64(moved) / float64(draws); mean > 1 {
		t.Errorf("on average %v In rows were fit rows before one row was taken out", mean)
	}
}

func TestHoldoutGroupIsCoarse(t *testing.T) {
	for _, n := range []int{19, 20} {
		rows := rowsOf("2017-06", 200)
		for i := range rows {
			rows[i].Group = fmt.Sprint(i % n)
		}
		c, err := splitRows(DefaultConfig(), slices.Concat(rows, rowsOf("2018-02", 20), rowsOf("2018-05", 20), rowsOf("2019-02", 20)))
		if err != nil {
			t.Fatal(err)
		}
		if warned := len(c.Warnings) == 1 && strings.Contains(c.Warnings[0], "the training span has 19 groups, and whole groups are held out"); warned != (n < 20) {
			t.Errorf("%d groups: warnings %q", n, c.Warnings)
		}
	}
}

// Of two groups or more one is on each side, and the share is near what it can be.
func TestCut(t *testing.T) {
	for _, tc := range []struct {
		sizes []int
		fit   float64
		held  []bool
	}{
		{[]int{5}, 0.7, []bool{false}},
		{[]int{10, 10}, 0.7, []bool{false, true}},
		{[]int{2, 30}, 0.7, []bool{true, false}},
		{[]int{30, 2}, 0.7, []bool{false, true}},
		{[]int{90, 10}, 0.3, []bool{true, false}},
		{[]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0.7, []bool{false, false, false, false, false, false, false, true, true, true}},
		{[]int{6, 3, 1}, 0.7, []bool{false, true, true}},
		{[]int{6, 1, 3}, 0.7, []bool{false, false, true}},
	} {
		var groups []*group
		for _, size := range tc.sizes {
			groups = append(groups, &group{size: size})
		}
		cut(groups, tc.fit)
		for i, g := range groups {
			if g.held != tc.held[i] {
				t.Errorf("%v: group %d is held out: %t", tc.sizes, i, g.held)
			}
		}
	}
}

// A class whose groups are all on one side, for other classes are commoner in
// them, gets one on the other.
func TestHoldOutMovesGroups(t *testing.T) {
	one := func(rows map[int]int, place byte) *group {
		g := &group{rows: rows, place: [32]byte{place}}
		for _, n := range rows {
			g.size += n
		}
		return g
	}
	groups := map[string]*group{}
	for i := range 10 { // class 1 is in the last two alone, which are In
		groups[fmt.Sprint(i)] = one(map[int]int{0: 10}, byte(i))
	}
	groups["8"].rows[1], groups["9"].rows[1] = 1, 1
	holdOut(groups, 0.7)
	if groups["8"].held == groups["9"].held {
		t.Errorf("both groups with class 1 are held out: %t", groups["8"].held)
	}
	groups["8"].rows[1], groups["0"].rows[1], groups["9"].rows[1] = 0, 1, 0
	delete(groups["8"].rows, 1)
	delete(groups["9"].rows, 1)
	groups["1"].rows[1] = 1
	holdOut(groups, 0.7)
	if groups["0"].held == groups["1"].held {
		t.Errorf("both groups with class 1 are held out: %t", groups["0"].held)
	}
}

// labelled are rows of one month with these labels, in turn.
func labelled(month string, n int, labels ...string) []Row {
	rows := rowsOf(month, n)
	for i := range rows {
		rows[i].Label = labels[i%len(labels)]
		rows[i].Class = slices.Index(DefaultConfig().Labels, rows[i].Label)
	}
	return rows
}

// Later rows of new families and without a label are drawn like any other.
func TestNewFamilies(t *testing.T) {
	plain := slices.Concat(rowsOf("2017-01", 40), rowsOf("2018-02", 20), rowsOf("2018-05", 20), rowsOf("2019-02", 20))
	rows := slices.Concat(plain[:80], labelled("2019-02", 20, "ransom", "", "worm", "Worm"))
	want, err := splitRows(DefaultConfig(), plain)
	if err != nil {
		t.Fatal(err)
	}
	c, err := splitRows(DefaultConfig(), rows)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range c.Splits.Out[2].Rows {
		class := slices.Index(c.Labels, r.Label)
		if r.Class != class || r.Name != want.Splits.Out[2].Rows[i].Name {
			t.Errorf("%+v, want the class %d", r, class)
		}
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], `labels that differ by case or blanks alone count as different: "Worm", "worm": write them alike`) {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestTrainingLabels(t *testing.T) {
	later := slices.Concat(rowsOf("2018-02", 20), rowsOf("2018-05", 20), labelled("2019-02", 20, "adware", "ransom"))
	many := labelled("2017-03", 30, "rare 0")
	for i := range many {
		many[i].Label = fmt.Sprint("rare ", min(i, 24))
	}
	for name, tc := range map[string]struct {
		train  []Row
		labels []string
		err    string
		warn   string
	}{
		"not listed": {labelled("2017-03", 3, "Trojan ", "adware", "adware"), nil,
			`dataset.csv: 3 rows of the training span have a label that corpus.yaml does not list: "adware" (2 rows), "Trojan " (1 row): add them to labels in corpus.yaml, or add "other" to put all of them into one class; ` +
				`labels that differ by case or blanks alone count as different: "Trojan ", "trojan": write them alike in the index and in corpus.yaml`, ""},
		"many":       {many, nil, `30 rows of the training span have a label that corpus.yaml does not list: "rare 24" (6 rows), "rare 0" (1 row), `, ""},
		"the rest":   {many, nil, `, and 5 more: add them`, ""},
		"other":      {labelled("2017-03", 30, "adware", "adware", "spy"), []string{"trojan", "virus", "worm", "backdoor", "other"}, "", ""},
		"unlabelled": {labelled("2017-03", 2, ""), nil, "", "dataset.csv: 2 rows of the training span have no label and are left out"},
	} {
		cfg := DefaultConfig()
		if tc.labels != nil {
			cfg.Labels = tc.labels
		}
		c, err := splitRows(cfg, slices.Concat(rowsOf("2017-01", 80), tc.train, later))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "remove") {
				t.Errorf("%s: error %v, want %q", name, err, tc.err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := strings.Join(c.Warnings, "\n"); !strings.HasPrefix(got, tc.warn) || tc.warn == "" && got != "" {
			t.Errorf("%s: warnings %q", name, c.Warnings)
		}
		classes := map[string]int{}
		for _, s := range c.Splits.All() {
			for _, r := range s.Rows {
				classes[r.Label] = r.Class
			}
		}
		want := map[string]int{"trojan": 0, "virus": 1, "worm": 2, "backdoor": 3, "ransom": -1, "other": 4}
		if name != "other" {
			delete(want, "other")
			want["adware"] = -1
		}
		if !reflect.DeepEqual(classes, want) {
			t.Errorf("%s: classes %v, want %v", name, classes, want)
		}
	}
	// The rows that are left out move no other.
	order := func(labels ...string) (names []string) {
		c, err := splitRows(DefaultConfig(), slices.Concat(rowsOf("2017-01", 80), labelled("2017-03", 4, labels...), later))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []Split{c.Splits.Fit, c.Splits.In} {
			for _, r := range s.Rows {
				if strings.HasPrefix(r.Name, "2017-01") {
					names = append(names, s.Name+r.Name)
				}
			}
		}
		return names
	}
	if !slices.Equal(order("worm"), order("")) {
		t.Error("rows without a label move others")
	}
}
