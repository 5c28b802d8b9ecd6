package table

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
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
		MaxLen: 410, Vocabulary: 257, Pad: 256, Embedding: 8, Filters: 16, Window: 20, Windows: 20,
		ConvActivation: "relu", MergeActivation: "linear", DenseActivation: "relu"}},
	{"same", Weights{ // 'same' padding: void before the first byte and after the last
		MaxLen: 410, Vocabulary: 257, Pad: 256, Embedding: 3, Filters: 5, Window: 35, Windows: 12, Lead: 5,
		ConvActivation: "relu", MergeActivation: "relu", DenseActivation: "sigmoid"}},
	{"same, pad is a byte", Weights{
		MaxLen: 410, Vocabulary: 256, Pad: 7, Embedding: 3, Filters: 17, Window: 35, Windows: 12, Lead: 5,
		ConvActivation: "linear", MergeActivation: "linear", DenseActivation: "tanh"}},
	{"one window", Weights{
		MaxLen: 33, Vocabulary: 300, Pad: 299, Embedding: 1, Filters: 48, Window: 33, Windows: 1,
		ConvActivation: "linear", MergeActivation: "linear", DenseActivation: "linear"}},
	{"one position", Weights{
		MaxLen: 50, Vocabulary: 256, Pad: 0, Embedding: 2, Filters: 4, Window: 1, Windows: 50,
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

// paths are the ways to a MalConv's outputs: the reference and every kernel.
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
			return run(t, newEngine(t, w, Options{Kernel: kernel, CacheBytes: -1}), files)
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

// closeTo fails where got is off by more than 1e-5 of the largest value wanted.
func closeTo(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, want %d", name, len(got), len(want))
	}
	var scale float64
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

// bitEqual fails where two outputs differ in a bit.
func bitEqual(t *testing.T, what string, got, want Outputs) {
	t.Helper()
	for _, layer := range []struct {
		name      string
		got, want []float32
	}{
		{"layer7", got.Layer7, want.Layer7},
		{"layer8", got.Layer8, want.Layer8},
		{"logits", got.Logits, want.Logits},
	} {
		if len(layer.got) != len(layer.want) {
			t.Fatalf("%s: %s has %d values, want %d", what, layer.name, len(layer.got), len(layer.want))
		}
		for i := range layer.want {
			if math.Float32bits(layer.got[i]) != math.Float32bits(layer.want[i]) {
				t.Fatalf("%s: %s[%d] = %v, want %v to the bit", what, layer.name, i, layer.got[i], layer.want[i])
			}
		}
	}
}

// TestSameBits has the same outputs, to the bit, from every kernel, for any
// number of threads, size of a pass, size of the cache, batching and order.
func TestSameBits(t *testing.T) {
	for i, s := range shapes {
		w := s.w.withWeights(uint64(i), 6, 3)
		batch := files(uint64(i), w, 60)
		want := run(t, newEngine(t, w, Options{Threads: 1, Kernel: "portable", CacheBytes: -1}), batch)
		for _, kernel := range Kernels() {
			for _, o := range []Options{
				{Threads: 1, CacheBytes: -1},
				{Threads: 2, CacheBytes: 1 << 20},
				{Threads: 3, passWindows: 7, CacheBytes: -1},
				{Threads: 7, passWindows: 1, CacheBytes: 1},
				{Threads: 2, passWindows: 3, CacheBytes: 2 * 40 * slotBytes(64, 32)},
			} {
				o.Kernel = kernel
				e := newEngine(t, w, o)
				for _, size := range []int{1, 7, len(batch)} {
					var got Outputs
					for part := range slices.Chunk(batch, size) {
						out := run(t, e, part)
						got.Layer7 = append(got.Layer7, out.Layer7...)
						got.Layer8 = append(got.Layer8, out.Layer8...)
						got.Logits = append(got.Logits, out.Logits...)
					}
					bitEqual(t, fmt.Sprintf("%s %+v, batches of %d", s.name, o, size), got, want)
				}
				order := rand.New(rand.NewPCG(9, 9)).Perm(len(batch))
				shuffled := make([][]byte, len(batch))
				for to, from := range order {
					shuffled[to] = batch[from]
				}
				got := run(t, e, shuffled)
				for to, from := range order {
					bitEqual(t, fmt.Sprintf("%s %+v, file %d at %d", s.name, o, from, to), row(got, w, to), row(want, w, from))
				}
			}
		}
	}
}

// row returns the outputs of one file.
func row(o Outputs, w Weights, i int) Outputs {
	cut := func(x []float32, width int) []float32 { return x[i*width : (i+1)*width] }
	return Outputs{cut(o.Layer7, w.Filters), cut(o.Layer8, len(w.DenseBias)), cut(o.Logits, len(w.LogitsBias))}
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

func TestRunErrors(t *testing.T) {
	w := shapes[0].w.withWeights(1, 6, 3)
	e := newEngine(t, w, Options{})
	var out Outputs
	err := e.Run(&out, [][]byte{nil, make([]byte, w.MaxLen+1)})
	if err == nil || !strings.Contains(err.Error(), "file 1 has 401 bytes") {
		t.Errorf("a file that is too long gives %v", err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Run(&out, nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("running a closed engine gives %v", err)
	}
}

func TestNewErrors(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*Weights, *Options)
	}{
		{"Vocabulary is 255", func(w *Weights, _ *Options) { w.Vocabulary = 255 }},
		{"Pad is 256", func(w *Weights, _ *Options) { w.Pad = 256 }},
		{"Window is 0", func(w *Weights, _ *Options) { w.Window = 0 }},
		{"Windows is 21", func(w *Weights, _ *Options) { w.Windows = 21 }},
		{"Lead is 20", func(w *Weights, _ *Options) { w.Lead = 20 }},
		{"EmbeddingTable has 2047 values, want 2048", func(w *Weights, _ *Options) { w.EmbeddingTable = w.EmbeddingTable[1:] }},
		{"DenseKernel has 0 values", func(w *Weights, _ *Options) { w.DenseBias, w.DenseKernel, w.LogitsKernel = nil, nil, nil }},
		{"ConvBias[3] is NaN", func(w *Weights, _ *Options) { w.ConvBias[3] = float32(math.NaN()) }},
		{`ConvActivation "gelu"`, func(w *Weights, _ *Options) { w.ConvActivation = "gelu" }},
		{`MergeActivation ""`, func(w *Weights, _ *Options) { w.MergeActivation = "" }},
		{`DenseActivation "softmax"`, func(w *Weights, _ *Options) { w.DenseActivation = "softmax" }},
		{`kernel "sse9"`, func(_ *Weights, o *Options) { o.Kernel = "sse9" }},
	} {
		w, o := shapes[0].w.withWeights(1, 6, 3), Options{}
		tt.change(&w, &o)
		if _, err := New(w, o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New gives %v, want %q in it", err, tt.want)
		}
	}
}

func FuzzCloseToReference(f *testing.F) {
	f.Add(uint64(1), uint16(20), uint16(3), uint8(5), uint8(0), []byte("MZ\x00\x00 a file"))
	f.Add(uint64(2), uint16(33), uint16(2), uint8(17), uint8(9), []byte{})
	f.Fuzz(func(t *testing.T, seed uint64, window, windows uint16, filters, lead uint8, file []byte) {
		rng := rand.New(rand.NewPCG(seed, 2))
		pick := func(names ...string) string { return names[rng.IntN(len(names))] }
		w := Weights{
			Vocabulary: 256 + rng.IntN(3), Embedding: 1 + rng.IntN(4),
			Filters: 1 + int(filters)%40, Window: 1 + int(window)%70, Windows: 1 + int(windows)%9,
			ConvActivation: pick("linear", "relu"), MergeActivation: pick("linear", "relu"),
			DenseActivation: pick("linear", "relu", "sigmoid", "tanh"),
		}
		w.Pad = pick2(rng, 0, w.Vocabulary-1)
		w.Lead = int(lead) % w.Window
		// The last window holds between one symbol and more than all of its own.
		w.MaxLen = max(1, (w.Windows-1)*w.Window-w.Lead+1+rng.IntN(w.Window+5))
		w = w.withWeights(seed, 3, 2)
		file = file[:min(len(file), w.MaxLen)]
		batch := append(files(seed, w, 5), file)
		layer7, layer8, logits := reference(w, batch)
		for _, kernel := range Kernels() {
			e := newEngine(t, w, Options{Kernel: kernel, Threads: 1 + rng.IntN(3), passWindows: 1 + rng.IntN(20), CacheBytes: 1 + rng.IntN(20000)})
			first := run(t, e, batch)
			closeTo(t, kernel+" layer7", first.Layer7, layer7)
			closeTo(t, kernel+" layer8", first.Layer8, layer8)
			closeTo(t, kernel+" logits", first.Logits, logits)
			bitEqual(t, kernel+" again", run(t, e, batch), first)
		}
	})
}

func pick2(rng *rand.Rand, a, b int) int { return []int{a, b}[rng.IntN(2)] }
