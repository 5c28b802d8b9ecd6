package dataset_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"driftbench/bench/dataset"
)

// What WriteSplits writes is read back as it was, whatever the names.
func TestWriteSplits(t *testing.T) {
	dir, err := makeCorpus(20)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c, err := dataset.Load(dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	odd := []string{"new\nline", "\xff\xfe", `"quoted", comma`, "=HYPERLINK(1)", " space ", `\.`, "<b>", "a\rb"}
	for i, name := range odd {
		c.Splits.Fit.Rows[i].Name, c.Splits.Fit.Rows[i].Path = name, name
	}
	out := t.TempDir()
	for range 2 { // the second time over the first
		if err := c.WriteSplits(out, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range c.Splits.All() {
		f, err := os.Open(filepath.Join(out, "splits", s.Name+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil || len(records) != len(s.Rows)+1 || strings.Join(records[0], ",") != "name,label,first_seen,path" {
			t.Fatalf("%s: %q, %v", s.Name, records, err)
		}
		for i, r := range s.Rows {
			want := []string{r.Name, r.Label, r.FirstSeen, filepath.Join(dir, r.Name)}
			if strings.Join(records[i+1], "|") != strings.Join(want, "|") {
				t.Errorf("%s: %q, want %q", s.Name, records[i+1], want)
			}
		}
	}
	files, err := os.ReadDir(filepath.Join(out, "splits"))
	if err != nil || len(files) != 7 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

// A write that fails leaves no half-written file behind.
func TestWriteSplitsFails(t *testing.T) {
	dir, err := makeCorpus(10)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c, err := dataset.Load(dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	// A folder in the place of the file: the rename fails at the last moment.
	if err := os.MkdirAll(filepath.Join(out, "splits", "2018-Q1.csv", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteSplits(out, nil); err == nil || !strings.Contains(err.Error(), `writing split "2018-Q1"`) {
		t.Errorf("error %v", err)
	}
	left, err := os.ReadDir(filepath.Join(out, "splits"))
	if err != nil || len(left) != 3 { // 2017-fit, 2017-val and the folder
		t.Errorf("left %v, %v", left, err)
	}
}

// writeCorpus writes the index and the configuration of a corpus without files.
func writeCorpus(t *testing.T, dir, index, config string) {
	t.Helper()
	for name, content := range map[string]string{"dataset.csv": index, "corpus.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// frozenCorpus is a corpus with odd names, some rows twice, and the split file
// of its splits; it returns the folder, the index and the splits.
func frozenCorpus(t *testing.T) (dir, index string, splits dataset.Splits) {
	t.Helper()
	dir = t.TempDir()
	odd := []string{"new\nline", "\xff\xfe", `"quoted", comma`, "=HYPERLINK(1)", " space ", `\.`, "a\rb"}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"name", "label", "first_seen", "group"})
	for _, month := range []string{"2017-02", "2017-09", "2018-01", "2018-06", "2019-03"} {
		for i := range 40 {
			name := fmt.Sprintf("%s-%d", month, i/2*2) // each twice
			if i < len(odd) && month == "2017-02" {
				name = odd[i]
			}
			w.Write([]string{name, []string{"trojan", "virus", "worm", "backdoor"}[i/2%4], month, ""})
		}
	}
	w.Flush()
	writeCorpus(t, dir, b.String(), "train: {holdout: group}")
	if _, err := dataset.Load(dir, dataset.Options{}); err == nil || !strings.Contains(err.Error(), "no row of the training span has a group") {
		t.Fatalf("error %v", err)
	}
	index = strings.Replace(b.String(), "2017-09-0,trojan,2017-09,\n2017-09-0,trojan,2017-09,\n", "2017-09-0,trojan,2017-09,g\n2017-09-0,trojan,2017-09,g\n", 1)
	writeCorpus(t, dir, index, "")
	c, err := dataset.Load(dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WriteSplits(dir, nil); err != nil {
		t.Fatal(err)
	}
	writeCorpus(t, dir, index, "split: splits/roles.csv")
	return dir, index, c.Splits
}

// names are the rows of each split.
func names(s dataset.Splits) (all [][]string) {
	for _, part := range s.All() {
		var names []string
		for _, r := range part.Rows {
			names = append(names, r.Name)
		}
		all = append(all, names)
	}
	return all
}

func TestFrozenSplit(t *testing.T) {
	dir, index, splits := frozenCorpus(t)
	c, err := dataset.Load(dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(names(c.Splits), names(splits)) || c.Train.Holdout != dataset.HoldoutFrozen {
		t.Errorf("holdout %s, splits\n%q, want\n%q", c.Train.Holdout, names(c.Splits), names(splits))
	}
	if want := "0 rows of the training span and 84 of later spans are not in " + filepath.Join(dir, "splits", "roles.csv"); len(c.Warnings) != 2 || !strings.Contains(c.Warnings[1], want) {
		t.Errorf("warnings %q, want %q", c.Warnings, want)
	}

	// One row goes, two come: nothing else moves.
	gone := splits.Fit.Rows[3]
	changed := strings.Replace(index, "\n"+gone.Name+","+gone.Label+","+gone.FirstSeen, "\nnew 1,worm,2017-05,\nnew 2,odd,2017-05", 1)
	if changed == index {
		t.Fatalf("no row %q in the index", gone.Name)
	}
	writeCorpus(t, dir, changed, "split: splits/roles.csv")
	c, err = dataset.Load(dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := names(splits)
	last := len(want[0]) - 1 - slices.Index(reversed(want[0]), gone.Name) // the copies of a row are taken from the first
	want[0] = slices.Delete(want[0], last, last+1)
	if !reflect.DeepEqual(names(c.Splits), want) {
		t.Errorf("splits\n%q, want\n%q", names(c.Splits), want)
	}
	said := strings.Join(c.Warnings, "\n")
	for _, want := range []string{
		fmt.Sprintf("roles.csv: 1 of %d rows names no row of the index (first: %q, line ", len(splits.Fit.Rows)+len(splits.In.Rows)+36, gone.Name),
		"2 rows of the training span and 84 of later spans are not in ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("warnings %q, want %q", said, want)
		}
	}
}

// Roles go by names, which another index may have too: an index other than that
// which the split was frozen from, or one that is not known, is a warning.
func TestFrozenSplitTellsItsIndex(t *testing.T) {
	dir, index, _ := frozenCorpus(t)
	load := func(index string) string {
		writeCorpus(t, dir, index, "split: splits/roles.csv")
		c, err := dataset.Load(dir, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(c.Warnings, "\n")
	}
	const names = "rows have their roles by their names"
	if said := load(index); strings.Contains(said, names) {
		t.Errorf("the same index: %q", said)
	}
	if said := load(index + "new,worm,2017-05,\n"); !strings.Contains(said, "roles.csv was made from the index ") || !strings.Contains(said, names) {
		t.Errorf("another index: %q", said)
	}
	path := filepath.Join(dir, "splits", "roles.json")
	if err := os.WriteFile(path, []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := dataset.Load(dir, dataset.Options{}); err == nil || !strings.Contains(err.Error(), "roles.json: unexpected end of JSON input: remove it") {
		t.Errorf("a damaged file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if said := load(index); !strings.Contains(said, "roles.csv does not say which index it was made from (roles.json)") {
		t.Errorf("no such file: %q", said)
	}
}

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

func TestFrozenSplitErrors(t *testing.T) {
	dir, index, _ := frozenCorpus(t)
	roles, err := os.ReadFile(filepath.Join(dir, "splits", "roles.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ roles, index, want string }{
		{"", index, "roles.csv: empty: want a header with the columns name,split"},
		{"name,role\n", index, `roles.csv:1: want the columns name and split, not the header "name,role"`},
		{string(roles) + "x,2020\n", index, `no split is called "2020": want one of "2017-fit", "2017-val", "2018-Q1", "2018-late", "2019"`},
		{string(roles) + "2017-02-10,2018-Q1\n", index, `name "2017-02-10" is in split "2018-Q1", and in "2017-`},
		{string(roles) + "\"x\n", index, "roles.csv:"},
		{string(roles), strings.Replace(index, "2017-02-10,virus", "2017-02-10,worm", 1), `name "2017-02-10" is there with another label, date or group on line `},
		{string(roles), strings.ReplaceAll(index, "2017-02-10,virus,2017-02", "2017-02-10,virus,2018-02"), `name "2017-02-10" is in split "2017-`},
		{"name,split\n2017-02-10,2017-fit\n", index, `no row of split "2017-val" is in the index `},
		{string(roles), strings.ReplaceAll(index, ",worm,2017", ",,2017"), `no fit row with label "worm"`},
	} {
		writeCorpus(t, dir, tc.index, "split: roles.csv")
		if err := os.WriteFile(filepath.Join(dir, "roles.csv"), []byte(tc.roles), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.Load(dir, dataset.Options{}); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want %q", err, tc.want)
		}
	}
	writeCorpus(t, dir, index, "split: none.csv")
	if _, err := dataset.Load(dir, dataset.Options{}); err == nil || !strings.Contains(err.Error(), "opening the file that the key split names") {
		t.Errorf("error %v", err)
	}
}
