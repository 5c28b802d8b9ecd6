package tfmodel_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"driftbench/tfmodel"
)

// TestEnginesEqualKeras holds every engine to what Keras predicts, in batches
// of several sizes, of files that are empty, of mixed lengths, or cut.
func TestEnginesEqualKeras(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	g := readGolden(t)
	for model, want := range g.Models {
		for name := range engines {
			if model == "exported" && engines[name].Engine != "tensorflow" {
				continue // it has no description to cut windows by
			}
			if declined[model] != "" && engines[name].Engine != "tensorflow" {
				continue
			}
			const tolerance = 1e-5
			t.Run(model+"/"+name, func(t *testing.T) {
				m, e := open(t, filepath.Join("testdata", model), name)
				files := g.files(m.MaxLen)
				for _, size := range []int{1, 3, 32} {
					var got [3][][]float32
					for batch := range slices.Chunk(files, size) {
						out, err := run(e, m, batch)
						if err != nil {
							t.Fatal(err)
						}
						for i, l := range m.Layers {
							got[i] = slices.AppendSeq(got[i], slices.Chunk(out[i], l.Width))
						}
					}
					for i, l := range m.Layers {
						if d := difference(got[i], want[l.Name]); !(d <= tolerance) {
							t.Errorf("batches of %d: %s differs by %.1e of its largest value from Keras", size, l.Name, d)
						}
					}
				}
			})
		}
	}
}

// difference is the largest difference of two tables relative to the largest
// value of want, or infinite where they are of different shape.
func difference(got, want [][]float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var scale, most float64
	for i, row := range want {
		if len(got[i]) != len(row) {
			return math.Inf(1)
		}
		for j, w := range row {
			scale = max(scale, math.Abs(float64(w)))
			most = max(most, math.Abs(float64(got[i][j])-float64(w)))
		}
	}
	return most / scale
}

func TestTableNeedsADescription(t *testing.T) {
	m, err := tfmodel.Inspect("testdata/exported")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = tfmodel.Open(m, engines["table"])
	if err == nil || !strings.Contains(err.Error(), "testdata/exported does not say its shape") {
		t.Errorf("error %v", err)
	}
}

// declined are the models that the table engines do not serve, and what they say.
var declined = map[string]string{
	"front":    "testdata/front pads in front by symbol 256, which is no byte: the table engine has no such padding; use --engine tensorflow",
	"relugate": "testdata/relugate gates by relu: the table engine computes sigmoid gates alone; use --engine tensorflow",
}

func TestTableDeclines(t *testing.T) {
	for model, say := range declined {
		m, err := tfmodel.Inspect(filepath.Join("testdata", model))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := tfmodel.Open(m, engines["table"]); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: error %v", model, err)
		}
		e, why, err := tfmodel.Open(m, tfmodel.Options{Device: tfmodel.CPU})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if e.Name() != "tensorflow" || !strings.Contains(why, say) {
			t.Errorf("%s: opened in %s, %s", model, e.Name(), why)
		}
	}
}

func TestOpenFindsTheDescriptionOfAnotherPadding(t *testing.T) {
	dir := copyModel(t, "frontbyte")
	path := filepath.Join(dir, "assets.extra/malconv.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, bytes.Replace(b, []byte(`"front"`), []byte(`"back"`), 1))
	m, err := tfmodel.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tensorflow", "table"} {
		if _, _, err := tfmodel.Open(m, engines[name]); err == nil || !strings.Contains(err.Error(), "of a probe differs from that of whole files") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestRunOfNothing(t *testing.T) {
	for name := range engines {
		m, e := open(t, "testdata/default", name)
		if _, err := run(e, m, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConcurrentRuns holds that goroutines that share an engine get what one
// alone gets, to the last bit.
func TestConcurrentRuns(t *testing.T) {
	g := readGolden(t)
	for name := range engines {
		t.Run(name, func(t *testing.T) {
			m, e := open(t, "testdata/same", name)
			batches := slices.Collect(slices.Chunk(g.files(m.MaxLen), 5))
			var want [][][]float32
			for _, b := range batches {
				out, err := run(e, m, b)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, out)
			}
			var wg sync.WaitGroup
			for goroutine := range 4 {
				wg.Go(func() {
					for i := range 5 * len(batches) {
						k := (i + goroutine) % len(batches)
						out, err := run(e, m, batches[k])
						if err != nil {
							t.Error(err)
							return
						}
						if !slices.EqualFunc(out, want[k], slices.Equal) {
							t.Errorf("batch %d differs from when it ran alone", k)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestBatchesAreTheSame holds that the outputs of a file are the same bits in
// every batch, for every engine that does not say otherwise.
func TestBatchesAreTheSame(t *testing.T) {
	for _, model := range []string{"../bench/corpus/malconv", "testdata/same", "testdata/ember"} {
		for name := range engines {
			m, e := open(t, model, name)
			if depends := strings.Contains(e.Identity(), "the last bits depend on the batch"); depends != (name == "dense") {
				t.Errorf("%s: identity %q", name, e.Identity())
			} else if depends {
				continue
			}
			rng := rand.NewChaCha8([32]byte{1})
			var files [][]byte
			for i := range 50 { // of 0 windows to all
				files = append(files, make([]byte, min([]int{0, 1, 300, 501, 1200, 2500, 10000, m.MaxLen, 30000 + i}[i%9], m.MaxLen)))
				rng.Read(files[i])
			}
			want, err := run(e, m, files)
			if err != nil {
				t.Fatal(err)
			}
			for _, batch := range []int{1, 3, 32} {
				got := make([][]float32, len(m.Layers))
				for some := range slices.Chunk(files, batch) {
					out, err := run(e, m, some)
					if err != nil {
						t.Fatal(err)
					}
					for i := range out {
						got[i] = append(got[i], out[i]...)
					}
				}
				for i, l := range m.Layers {
					if !slices.Equal(got[i], want[i]) {
						t.Errorf("%s, %s: %s is another in batches of %d", model, name, l.Name, batch)
					}
				}
			}
		}
	}
}

func TestRunPanicsAtAFileThatIsTooLong(t *testing.T) {
	for name := range engines {
		m, e := open(t, "testdata/default", name)
		func() {
			defer func() {
				want := fmt.Sprintf("tfmodel: file of %d bytes, model takes %d", m.MaxLen+1, m.MaxLen)
				if got := recover(); got != want {
					t.Errorf("%s: panic %v, want %q", name, got, want)
				}
			}()
			run(e, m, [][]byte{make([]byte, m.MaxLen+1)})
		}()
	}
}

func TestEnginesSayWhatTheyAre(t *testing.T) {
	for name, opt := range engines {
		_, e := open(t, "testdata/default", name)
		if e.Name() != opt.Engine || e.Device() != tfmodel.CPU {
			t.Errorf("%s says it is %s on %s", name, e.Name(), e.Device())
		}
	}
}

// TestDistinctWindowsEqualWholeFiles holds both ways through TensorFlow to each
// other more closely than either can be held to Keras.
func TestDistinctWindowsEqualWholeFiles(t *testing.T) {
	g := readGolden(t)
	for model := range g.Models {
		if model == "exported" {
			continue // it takes whole files alone
		}
		m, distinct := open(t, filepath.Join("testdata", model), "tensorflow")
		_, whole := open(t, filepath.Join("testdata", model), "dense")
		files := g.files(m.MaxLen)
		files = append(files, files[:3]...) // whole files repeat too
		got, err := run(distinct, m, files)
		if err != nil {
			t.Fatal(err)
		}
		want, err := run(whole, m, files)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range m.Layers {
			rows := func(out []float32) [][]float32 { return slices.Collect(slices.Chunk(out, l.Width)) }
			if d := difference(rows(got[i]), rows(want[i])); !(d <= 1e-6) {
				t.Errorf("%s: %s differs by %.1e of its largest value", model, l.Name, d)
			}
		}
	}
}
