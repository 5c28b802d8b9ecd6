package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/bench/files"
	"driftbench/bench/shard"
	"driftbench/bench/traits"
	"driftbench/tfmodel"
	"driftbench/tfmodel/cache"
)

// lengths is an engine whose output is the length of a file, and no finite
// number for files that begin with "nan" or "inf".
type lengths struct{ tfmodel.Engine }

func (lengths) Run(dst [][]float32, files [][]byte) error {
	for i, f := range files {
		dst[0][2*i], dst[0][2*i+1], dst[1][i] = float32(len(f)), 1, float32(len(f))
		switch {
		case bytes.HasPrefix(f, []byte("nan")):
			dst[0][2*i+1] = float32(math.NaN())
		case bytes.HasPrefix(f, []byte("inf")):
			dst[1][i] = float32(math.Inf(-1))
		}
	}
	return nil
}

// Rows come in the order of their split with the traits of their files; those
// that cannot be read or have no finite output are dropped in place. Near-copies
// are found in later splits. All of it is the same when it comes from a cache.
func TestExtractedRows(t *testing.T) {
	dir := t.TempDir()
	rng := rand.NewChaCha8([32]byte{1})
	noise := func(n int) []byte {
		b := make([]byte, n)
		rng.Read(b)
		return b
	}
	original := noise(10000)
	for name, content := range map[string][]byte{
		"a": original, "b": noise(9000), "nan": append([]byte("nan"), noise(5000)...), "inf": append([]byte("inf"), noise(5000)...),
		"copy": append(slices.Clone(original), "more"...), "other": noise(8000), "text": []byte("404: Not Found\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	split := func(name string, files ...string) dataset.Split {
		s := dataset.Split{Span: dataset.Span{Name: name}}
		for _, f := range files {
			s.Rows = append(s.Rows, dataset.Row{Name: "x/" + f, Path: f, Label: "l", Group: "g" + f})
		}
		return s
	}
	splits := []dataset.Split{
		split("fit", "inf", "a", "missing", "b", "nan", "a"),
		split("val", "copy", "nan", "other"),
		split("out", "text", "copy"),
	}
	want := []string{
		"fit: x/a other 10000  ga, x/b other 9000  gb, x/a other 10000  ga; without 0 gets no finite output from the model, 2 is missing, 4 gets no finite output from the model",
		"val: x/copy other 10004 yes gcopy, x/other other 8000 no gother; without 1 gets no finite output from the model",
		"out: x/text text 15  gtext, x/copy other 10004 yes gcopy; without ",
	}
	places := openFiles(t, dir)
	var status []dataset.Status
	for _, s := range splits {
		status = append(status, dataset.Status{Files: findRows(t, places, s.Rows)})
	}
	layers := []tfmodel.Layer{{Name: "layer7", Width: 2}, {Name: "logits", Width: 1}}
	stored, err := cache.Open(t.TempDir(), cache.Scope{Widths: []int{2, 1, traits.Width}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		batch, cached int
		cache         *cache.Cache
	}{{1, 0, nil}, {2, 0, stored}, {7, 7, stored}} {
		x := &extractor{engine: lengths{}, places: places, cache: tc.cache, layers: layers, maxLen: 20000, batch: tc.batch}
		var got []string
		cached := 0
		err := x.run(t.Context(), splits, status, func(int) {}, func(e extracted) {
			line := e.Name + ": "
			for i, r := range e.Rows {
				if i > 0 {
					line += ", "
				}
				line += fmt.Sprint(r.Name, " ", r.Kind, " ", r.Size, " ", r.NearFit, " ", r.Group)
				if e.rows[i].Name != r.Name || "x/"+e.files[i].Name != r.Name || e.Layers[0].Data[2*i] != float32(r.Size) || e.Layers[1].Data[i] != float32(r.Size) {
					t.Errorf("batch %d: %s has the file or the features of another", tc.batch, r.Name)
				}
			}
			line += "; without "
			for i, d := range e.dropped {
				if i > 0 {
					line += ", "
				}
				line += fmt.Sprint(d.Number, " ", d.Reason)
			}
			got = append(got, line)
			cached += e.cached
		})
		if tc.batch != 2 && cached != tc.cached { // batches of 2 may find what others of them stored
			t.Errorf("batch %d: %d rows from the cache, want %d", tc.batch, cached, tc.cached)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("batch %d: %v\n got %q\nwant %q", tc.batch, err, got, want)
		}
	}
}

// openFiles opens the files of a folder.
func openFiles(t *testing.T, dir string) *files.Places {
	t.Helper()
	p, err := files.Open(t.Context(), []string{dir}, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func findRows(t *testing.T, p *files.Places, rows []dataset.Row) []files.File {
	t.Helper()
	var names []string
	for _, r := range rows {
		names = append(names, r.Path)
	}
	found, _, err := p.Find(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// mergeCorpus is a corpus of n rows in splits of three years, and shards of it of
// random features and sketches. The last of every drop rows is dropped.
func mergeCorpus(tb testing.TB, n, drop, rows int) (corpus, model string, shards []string) {
	tb.Helper()
	const dir, engine = "corpus/malconv", "table, revision 1"
	m, err := tfmodel.Inspect(dir)
	if err != nil {
		tb.Fatal(err)
	}
	corpus, out := tb.TempDir(), tb.TempDir()
	index := []byte("name,label,first_seen\n")
	rng := rand.New(rand.NewPCG(1, 2))
	outputs, coded := make([]byte, 4*(128+64+4)), make([]byte, 4*traits.Width)
	sketch := make(traits.Sketch, traits.SketchSize)
	for row := 0; row < n; {
		path := filepath.Join(out, fmt.Sprintf("%d.jsonl", row))
		shards = append(shards, path)
		var lines []byte
		first := row
		for ; row < n && row < first+rows; row++ {
			r := shard.Record{Model: m.Hash, Engine: engine, Features: outputs, SHA256: sha256.Sum256(fmt.Append(nil, row)), Size: int64(row)}
			r.Row = shard.Row{Name: hex.EncodeToString(r.SHA256[:]), Label: []string{"trojan", "virus", "worm", "backdoor"}[row%4], FirstSeen: fmt.Sprintf("%d-%02d-01", 2017+row%3, 1+row/3%12)}
			index = fmt.Appendf(index, "%s,%s,%s\n", r.Name, r.Label, r.FirstSeen)
			for i := 0; i < len(r.Features); i += 4 {
				binary.LittleEndian.PutUint32(r.Features[i:], 0x3f000000|rng.Uint32N(1<<23))
			}
			binary.LittleEndian.PutUint32(r.Features, math.Float32bits(float32(row)))
			for i := range sketch {
				sketch[i] = uint32(i)<<20 + rng.Uint32N(1<<20)
			}
			values := make([]float32, traits.Width)
			traits.Traits{Kind: traits.PE, Linked: uint32(row), Sketch: sketch}.Encode(values)
			coded = appendFloats(coded[:0], values)
			if r.Traits = coded; row%drop == drop-1 {
				r.Dropped = "is missing"
			}
			lines = shard.AppendRecord(lines, &r)
		}
		lines = shard.AppendEnd(lines, shard.End{Rows: int64(row - first), Model: m.Hash, Engine: engine})
		if err := os.WriteFile(path, lines, 0o666); err != nil {
			tb.Fatal(err)
		}
	}
	config := "train: {from: 2017-01, to: 2017-12}\ntests:\n  - {name: '2018', from: 2018-01, to: 2018-12, sample: 1}\n  - {name: '2019', from: 2019-01, to: 2019-12, sample: 1}\n"
	for name, text := range map[string][]byte{"dataset.csv": index, "corpus.yaml": []byte(config)} {
		if err := os.WriteFile(filepath.Join(corpus, name), text, 0o666); err != nil {
			tb.Fatal(err)
		}
	}
	return corpus, dir, shards
}

// Rows that are more than are written or completed at a time come each into its place,
// whether they come once or twice at the same time.
func TestMergeManyRows(t *testing.T) {
	const n, drop = 15_000, 7
	corpus, model, shards := mergeCorpus(t, n, drop, n/8)
	out := t.TempDir()
	if _, err := Merge(t.Context(), Options{Corpus: corpus, Model: model, Out: out}, append(shards, shards[:2]...)); err != nil {
		t.Fatal(err)
	}
	c, err := dataset.Load(corpus, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, split := range c.Splits.All() {
		got, err := features.Read(filepath.Join(out, "features"), split.Name)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for _, row := range split.Rows {
			number := row.Line - 2 // below the header
			if number%drop == drop-1 {
				continue
			}
			if r := got.Rows[i]; r.Name != row.Name || r.SHA256 != row.Name || r.Size != int64(number) || r.Linked != uint32(number) || got.Layers[0].Data[128*i] != float32(number) {
				t.Fatalf("row %d of split %s is %v with %v first, want row %d of the index", i, split.Name, r, got.Layers[0].Data[128*i], number)
			}
			i++
		}
		if i != len(got.Rows) {
			t.Errorf("split %s has %d rows, want %d", split.Name, len(got.Rows), i)
		}
	}
}

// BenchmarkMerge merges rows of random features and sketches: 20,000, or 2,000,000
// where DRIFTBENCH_SOAK is set.
//
//	DRIFTBENCH_SOAK=1 go test ./bench -run none -bench Merge -benchtime 1x
func BenchmarkMerge(b *testing.B) {
	n := 20_000
	if os.Getenv("DRIFTBENCH_SOAK") != "" {
		n = 2_000_000
	}
	corpus, model, shards := mergeCorpus(b, n, n+1, 50_000)
	out := b.TempDir()
	for b.Loop() {
		if _, err := Merge(b.Context(), Options{Corpus: corpus, Model: model, Out: out}, shards); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
