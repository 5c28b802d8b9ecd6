package malconv

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// shapes are small models with every turn that the large ones take.
var shapes = []struct {
	name string
	w    Weights
}{
	{"keras", Weights{
		MaxLen: 400, Vocabulary: 256, Pad: 0, Embedding: 8, Filters: 32, Window: 20, Windows: 20,
		ConvActivation: "linear", MergeActivation: "relu", DenseActivation: "linear"}},
	{"ember", Weights{ // its last positions fill no window and are dropped
		MaxLen: 410, Vocabulary: 257, Pad: 256, Embedding: 8, Filters: 40, Window: 20, Windows: 20,
		ConvActivation: "relu", MergeActivation: "linear", DenseActivation: "relu"}},
	{"same", Weights{ // 'same' padding: void before the first byte and after the last
		MaxLen: 410, Vocabulary: 257, Pad: 256, Embedding: 3, Filters: 5, Window: 35, Windows: 12, Lead: 5,
		ConvActivation: "relu", MergeActivation: "relu", DenseActivation: "sigmoid"}},
	{"same, filtered", Weights{
		MaxLen: 410, Vocabulary: 257, Pad: 256, Embedding: 3, Filters: 21, Window: 35, Windows: 12, Lead: 5,
		ConvActivation: "relu", MergeActivation: "relu", DenseActivation: "sigmoid"}},
	{"same, pad is a byte", Weights{
		MaxLen: 410, Vocabulary: 256, Pad: 7, Embedding: 3, Filters: 17, Window: 35, Windows: 12, Lead: 5,
		ConvActivation: "linear", MergeActivation: "linear", DenseActivation: "tanh"}},
	{"one window", Weights{
		MaxLen: 33, Vocabulary: 300, Pad: 299, Embedding: 1, Filters: 48, Window: 33, Windows: 1,
		ConvActivation: "linear", MergeActivation: "linear", DenseActivation: "linear"}},
	{"one position", Weights{
		MaxLen: 50, Vocabulary: 256, Pad: 0, Embedding: 2, Filters: 20, Window: 1, Windows: 50,
		ConvActivation: "linear", MergeActivation: "relu", DenseActivation: "linear"}},
}

// files returns n files as programs are: code, text, zeros and tables, with
// windows that repeat, of every length that may matter.
func files(seed uint64, w Weights, n int) [][]byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	lengths := []int{w.MaxLen, 0, 1, w.Window - 1, w.Window, w.Window + 1, w.MaxLen - 1, w.MaxLen - w.Window, w.Window - w.Lead}
	out := make([][]byte, n)
	for i := range out {
		length := rng.IntN(w.MaxLen + 1)
		if i < len(lengths) {
			length = min(max(lengths[i], 0), w.MaxLen)
		}
		file := make([]byte, length)
		for at := 0; at < length; {
			run := file[at:min(at+1+rng.IntN(3*w.Window), length)]
			switch rng.IntN(4) {
			case 0: // stays zero
			case 1:
				for j := range run {
					run[j] = byte(rng.IntN(256))
				}
			case 2:
				for j := range run {
					run[j] = byte(rng.IntN(8) * rng.IntN(2))
				}
			case 3: // what another file has at this place
				if other := out[rng.IntN(i+1)]; len(other) > at {
					copy(run, other[at:])
				}
			}
			at += len(run)
		}
		out[i] = file
	}
	return out
}

func newEngine(t testing.TB, w Weights, o Options) *Engine {
	t.Helper()
	e, err := New(w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func run(t testing.TB, e *Engine, files [][]byte) Outputs {
	t.Helper()
	var out Outputs
	if err := e.Run(&out, files); err != nil {
		t.Fatal(err)
	}
	return out
}

// never is more fresh windows than any pass has, so that none is filtered.
const never = math.MaxInt

// paths are the ways to a MalConv's outputs: the reference and every kernel with
// plain sums and with the filter.
func paths(t *testing.T) map[string]func(t *testing.T, w Weights, files [][]byte) Outputs {
	narrow := func(x []float64) []float32 {
		out := make([]float32, len(x))
		for i, v := range x {
			out[i] = float32(v)
		}
		return out
	}
	all := map[string]func(t *testing.T, w Weights, files [][]byte) Outputs{
		"reference": func(_ *testing.T, w Weights, files [][]byte) Outputs {
			layer7, layer8, logits := reference(w, files)
			return Outputs{narrow(layer7), narrow(layer8), narrow(logits)}
		},
	}
	for _, kernel := range Kernels() {
		all[kernel] = func(t *testing.T, w Weights, files [][]byte) Outputs {
			return run(t, newEngine(t, w, Options{Kernel: kernel, CacheBytes: -1, leastFiltered: never}), files)
		}
		all[kernel+", filtered"] = func(t *testing.T, w Weights, files [][]byte) Outputs {
			return run(t, newEngine(t, w, Options{Kernel: kernel, CacheBytes: -1, leastFiltered: 1}), files)
		}
	}
	return all
}

func TestKernels(t *testing.T) {
	want := []string{"portable"}
	if runtime.GOARCH == "amd64" {
		want = []string{"avx512", "avx2", "portable"}
	}
	got := Kernels()
	t.Logf("kernels of this processor: %v", got)
	if len(got) == 0 || got[len(got)-1] != "portable" {
		t.Fatalf("Kernels() = %v, want portable as the last", got)
	}
	for i, name := range got {
		if !slices.Contains(want, name) || slices.Contains(got[:i], name) {
			t.Errorf("Kernels() = %v, want a subset of %v", got, want)
		}
	}
}

// TestByHand has numbers that can be had by hand: the embedding of symbol s is
// s/100, every kernel is 1 for the linear channel and the gate is open by its bias.
func TestByHand(t *testing.T) {
	w := Weights{
		MaxLen: 7, Vocabulary: 256, Pad: 0, Embedding: 1, Filters: 1, Window: 3, Windows: 3, Lead: 1,
		ConvActivation: "linear", MergeActivation: "linear", DenseActivation: "relu",
		EmbeddingTable: make([]float32, 256),
		ConvKernel:     []float32{1, 0, 10, 0, 100, 0}, // of the window's three positions, linear and gate
		ConvBias:       []float32{0.5, 0},              // σ(0) = 1/2
		DenseKernel:    []float32{2, -1}, DenseBias: []float32{1, 1},
		LogitsKernel: []float32{1, 5}, LogitsBias: []float32{-3},
	}
	for s := range w.EmbeddingTable {
		w.EmbeddingTable[s] = 1 + float32(s)/100
	}
	// Windows (void 0 3) (1 0 0) (0 0 void) over the bytes 0 3 1.
	for _, tt := range []struct {
		file                   []byte
		layer7, layer8, logits float64
	}{
		{[]byte{0, 3, 1}, (10*1 + 100*1.03 + 0.5) / 2, 114.5, 111.5},
		{[]byte{0, 0, 200, 0, 0}, (1*3 + 10 + 100 + 0.5) / 2, 114.5, 111.5},
		{nil, (1 + 10 + 100 + 0.5) / 2, 112.5, 109.5},
	} {
		for name, path := range paths(t) {
			got := path(t, w, [][]byte{tt.file})
			closeTo(t, name+" layer7", got.Layer7, []float64{tt.layer7})
			closeTo(t, name+" layer8", got.Layer8, []float64{tt.layer8, 0})
			closeTo(t, name+" logits", got.Logits, []float64{tt.logits})
		}
	}
}

// closeTo fails where got is off by more than 1e-5 of the scale: of the largest
// value wanted or, where that is small by chance, of the channels' deviation, 1.
func closeTo(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, want %d", name, len(got), len(want))
	}
	scale := 1.0
	for _, v := range want {
		scale = max(scale, math.Abs(v))
	}
	for i := range want {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= 1e-5*scale) {
			t.Fatalf("%s[%d] = %v, want %v: off by %.1e of the scale", name, i, got[i], want[i], d/scale)
		}
	}
}

func TestCloseToReference(t *testing.T) {
	for i, s := range shapes {
		w := s.w.withWeights(uint64(i), 6, 3)
		batch := files(uint64(i), w, 40)
		layer7, layer8, logits := reference(w, batch)
		for name, path := range paths(t) {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				got := path(t, w, batch)
				closeTo(t, "layer7", got.Layer7, layer7)
				closeTo(t, "layer8", got.Layer8, layer8)
				closeTo(t, "logits", got.Logits, logits)
			})
		}
	}
}

// TestWholeSizeCloseToReference is of the size in use: sums of 500 positions.
func TestWholeSizeCloseToReference(t *testing.T) {
	if testing.Short() {
		t.Skip("multiplies 1 GFLOP in plain Go")
	}
	for _, s := range []struct {
		name string
		w    Weights
	}{{"keras", keras}, {"ember", ember}} {
		t.Run(s.name, func(t *testing.T) {
			w := s.w.withWeights(1, 64, 4)
			file := files(2, w, 1)[0][:50000]
			if w.Pad == 0 { // windows are a set: so few of them are so for the reference too
				w.MaxLen, w.Windows = 50500, 101
			} else {
				w.MaxLen, w.Windows = 51000, 102
			}
			layer7, layer8, logits := reference(w, [][]byte{file})
			got := run(t, newEngine(t, w, Options{}), [][]byte{file})
			closeTo(t, "layer7", got.Layer7, layer7)
			closeTo(t, "layer8", got.Layer8, layer8)
			closeTo(t, "logits", got.Logits, logits)
		})
	}
}

// TestExtremeGates takes the gate far beyond where the exponential overflows.
func TestExtremeGates(t *testing.T) {
	w := shapes[0].w.withWeights(1, 2, 1)
	for i := range w.Filters {
		w.ConvBias[w.Filters+i] = float32(i-w.Filters/2) * 30
	}
	batch := files(1, w, 10)
	layer7, _, _ := reference(w, batch)
	for name, path := range paths(t) {
		closeTo(t, name, path(t, w, batch).Layer7, layer7)
	}
}

// TestPaddingIsItsBytes: a file and the same file with its padding written out
// are one, where the padding is a byte, and are two where it is a symbol of its own.
func TestPaddingIsItsBytes(t *testing.T) {
	for i, s := range shapes[:2] {
		w := s.w.withWeights(uint64(i), 6, 3)
		file := []byte("a short file")
		padded := make([]byte, w.MaxLen)
		copy(padded, file)
		got := run(t, newEngine(t, w, Options{}), [][]byte{file, padded})
		if same := slices.Equal(row(got, w, 0).Logits, row(got, w, 1).Logits); same != (w.Pad == 0) {
			t.Errorf("%s: equal is %v with pad %d", s.name, same, w.Pad)
		}
	}
}

func TestFilesAreNotChanged(t *testing.T) {
	w := shapes[0].w.withWeights(1, 6, 3)
	batch, before := files(1, w, 20), files(1, w, 20)
	run(t, newEngine(t, w, Options{passWindows: 5}), batch)
	for i := range batch {
		if !slices.Equal(batch[i], before[i]) {
			t.Fatalf("file %d was changed", i)
		}
	}
}

func TestOutputsAreReused(t *testing.T) {
	w := shapes[0].w.withWeights(1, 6, 3)
	e := newEngine(t, w, Options{})
	var out Outputs
	for _, n := range []int{5, 0, 3} {
		kept := out.Layer7
		if err := e.Run(&out, files(1, w, n)); err != nil {
			t.Fatal(err)
		}
		if len(out.Layer7) != n*w.Filters || len(out.Layer8) != n*6 || len(out.Logits) != n*3 {
			t.Fatalf("%d files have %d, %d and %d values", n, len(out.Layer7), len(out.Layer8), len(out.Logits))
		}
		if cap(kept) > 0 && &kept[:1][0] != &out.Layer7[:1][0] {
			t.Errorf("layer7 was allocated anew for %d files", n)
		}
	}
}

func TestForget(t *testing.T) {
	w := shapes[0].w.withWeights(3, 4, 2)
	e := newEngine(t, w, Options{})
	batch := files(9, w, 20)
	first := run(t, e, batch)
	if e.store.young.n == 0 {
		t.Fatal("no window is kept")
	}
	e.Forget()
	if n := e.store.young.n + e.store.old.n; n != 0 {
		t.Errorf("%d windows are left", n)
	}
	if again := run(t, e, batch); !slices.Equal(first.Layer7, again.Layer7) || e.store.young.n == 0 {
		t.Error("after Forget the engine computes something else")
	}
}
