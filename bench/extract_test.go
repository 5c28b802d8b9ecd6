package bench

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"driftbench/bench/dataset"
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
	layers := []tfmodel.Layer{{Name: "layer7", Width: 2}, {Name: "logits", Width: 1}}
	stored, err := cache.Open(t.TempDir(), cache.Scope{Widths: []int{2, 1, traits.Width}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		batch, cached int
		cache         *cache.Cache
	}{{1, 0, nil}, {2, 0, stored}, {7, 7, stored}} {
		x := &extractor{engine: lengths{}, cache: tc.cache, layers: layers, maxLen: 20000, batch: tc.batch}
		var got []string
		cached := 0
		err := x.run(t.Context(), dataset.Config{Dir: dir, Root: "."}, splits, nil, func(int) {}, func(e extracted) {
			line := e.Name + ": "
			for i, r := range e.Rows {
				if i > 0 {
					line += ", "
				}
				line += fmt.Sprint(r.Name, " ", r.Kind, " ", r.Size, " ", r.NearFit, " ", r.Group)
				if e.files[i].Name != r.Name || e.Layers[0].Data[2*i] != float32(r.Size) || e.Layers[1].Data[i] != float32(r.Size) {
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
