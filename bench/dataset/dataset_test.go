package dataset_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"driftbench/bench/dataset"
	"driftbench/bench/files"
)

// makeCorpus writes a corpus of n small files a month and returns its folder.
func makeCorpus(n int) (string, error) {
	dir, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return "", err
	}
	var index strings.Builder
	index.WriteString("name,label,first_seen\n")
	for _, month := range []string{"2017-02", "2017-09", "2018-01", "2018-06", "2019-03"} {
		for i := range n {
			name := fmt.Sprintf("%s-%d.exe", month, i)
			fmt.Fprintf(&index, "%s,%s,%s-15\n", name, []string{"trojan", "virus", "worm", "backdoor"}[i%4], month)
			if err := os.WriteFile(filepath.Join(dir, name), []byte("MZ "+name), 0o644); err != nil {
				return "", err
			}
		}
	}
	return dir, os.WriteFile(filepath.Join(dir, "dataset.csv"), []byte(index.String()), 0o644)
}

func Example() {
	dir, err := makeCorpus(10)
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	corpus, err := dataset.Load(dir, dataset.Options{})
	if err != nil {
		panic(err)
	}
	places, err := corpus.OpenFiles(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	defer places.Close()
	status, _, err := corpus.Check(context.Background(), places)
	if err != nil {
		panic(err)
	}
	for i, split := range corpus.Splits.All() {
		r := places.NewReader(context.Background(), status[i].Files, files.ReadOptions{MaxLen: 200000, Batch: 32})
		batch, err := r.Next()
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %d files, the first is %s\n", split.Name, len(batch.Files), batch.Files[0])
		batch.Release()
		r.Close()
	}
	// Output:
	// 2017-fit: 14 files, the first is MZ 2017-02-3.exe
	// 2017-val: 6 files, the first is MZ 2017-02-9.exe
	// 2018-Q1: 3 files, the first is MZ 2018-01-2.exe
	// 2018-late: 3 files, the first is MZ 2018-06-2.exe
	// 2019: 3 files, the first is MZ 2019-03-2.exe
}

func TestLoad(t *testing.T) {
	dir, err := makeCorpus(10)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c, err := dataset.Load(dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(c.IndexPath())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(index)
	if c.Index.SHA256 != hex.EncodeToString(sum[:]) || len(c.Rows) != 50 || len(c.Splits.All()) != 5 {
		t.Errorf("%d rows, %d splits, index %s", len(c.Rows), len(c.Splits.All()), c.Index.SHA256)
	}
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte("train: {to: 2018-01}\ntests: [{name: late, from: 2018-02, to: 2019-12, sample: 1}]"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err = dataset.Load(dir, dataset.Options{ConfigFile: config, AllowOutside: true})
	if err != nil || len(c.Splits.Out) != 1 || len(c.Splits.Out[0].Rows) != 20 || !c.AllowOutside {
		t.Errorf("%+v, %v", c, err)
	}
}

func checkFiles(ctx context.Context, c *dataset.Corpus) ([]dataset.Status, error) {
	places, err := c.OpenFiles(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer places.Close()
	all, _, err := c.Check(ctx, places)
	return all, err
}

func TestCheckDecidesEarly(t *testing.T) {
	for _, c := range []struct {
		remove string // glob of the files removed
		want   string
	}{
		{"*", `split "2017-fit": all 14 files are dropped; the first: name "2017-02-3.exe" (line 5) is missing: is root`},
		{"2018-01*", `split "2018-Q1": all 3 files are dropped`},
		{"2017-*-[26].exe", `split "2017-fit": all files with label "worm" are dropped`},
		{"2018-01-2.exe", ""},
	} {
		dir, err := makeCorpus(10)
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		names, err := filepath.Glob(filepath.Join(dir, c.remove))
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			if filepath.Ext(name) == ".exe" {
				os.Remove(name)
			}
		}
		corpus, err := dataset.Load(dir, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		files, err := checkFiles(t.Context(), corpus)
		switch {
		case c.want == "" && (err != nil || len(files) != 5 || len(files[2].Dropped) != 1):
			t.Errorf("%s: %v, %v", c.remove, files, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %q in it", c.remove, err, c.want)
		}
	}
	dir, err := makeCorpus(10)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	corpus, err := dataset.Load(dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := checkFiles(ctx, corpus); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// Inputs names every file that a configuration names, from its folder.
func TestInputs(t *testing.T) {
	c := dataset.Config{Dir: "/c", Index: "i.csv", LabelsFrom: "l.csv", GroupsFrom: "/g.csv", SplitFile: "splits/roles.csv", Files: []string{"a", "s3://b/x"}}
	want := []string{"/c/a", "s3://b/x", "/c/i.csv", "/c/l.csv", "/g.csv", "/c/splits/roles.csv"}
	if got, err := c.Inputs(); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// A label of the index may be another in a split, as map and "other" say.
func TestMayBecome(t *testing.T) {
	worm, other := "worm", "other"
	for _, tc := range []struct {
		labels   []string
		mapped   map[string]*string
		from, to string
		want     bool
	}{
		{[]string{"worm"}, nil, "worm", "worm", true},
		{[]string{"worm", "virus"}, nil, "worm", "virus", false},
		{[]string{"worm"}, nil, "rare", "other", false},
		{[]string{"worm", "other"}, nil, "rare", "other", true},
		{[]string{"worm", "other"}, nil, "worm", "other", false},
		{[]string{"worm"}, map[string]*string{"net-worm": &worm}, "net-worm", "worm", true},
		{[]string{"worm"}, map[string]*string{"net-worm": &worm}, "net-worm", "net-worm", false},
		{[]string{"worm", "other"}, map[string]*string{"worm": &other}, "worm", "other", true},
		{[]string{"worm", "virus"}, map[string]*string{"*": &worm}, "rare", "worm", true},
		{[]string{"worm", "virus"}, map[string]*string{"*": &worm}, "virus", "worm", false},
		{[]string{"worm"}, map[string]*string{"worm": nil}, "worm", "worm", true},
	} {
		c := dataset.Config{Labels: tc.labels, Map: tc.mapped}
		if got := c.MayBecome(tc.from, tc.to); got != tc.want {
			t.Errorf("labels %v, map %v: %s may become %s: %v", tc.labels, tc.mapped, tc.from, tc.to, got)
		}
	}
}
