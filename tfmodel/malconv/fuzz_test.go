package malconv

import (
	"math/rand/v2"
	"testing"
)

func FuzzCloseToReference(f *testing.F) {
	f.Add(uint64(1), uint16(20), uint16(3), uint8(5), uint8(0), []byte("MZ\x00\x00 a file"))
	f.Add(uint64(2), uint16(33), uint16(2), uint8(17), uint8(9), []byte{})
	f.Add(uint64(115), uint16(60), uint16(0), uint8(40), uint8(31), []byte("0"))
	f.Fuzz(func(t *testing.T, seed uint64, window, windows uint16, filters, lead uint8, file []byte) {
		rng := rand.New(rand.NewPCG(seed, 2))
		pick := func(names ...string) string { return names[rng.IntN(len(names))] }
		w := Weights{
			Vocabulary: 256 + rng.IntN(3), Embedding: 1 + rng.IntN(4),
			Filters: 1 + int(filters)%40, Window: 1 + int(window)%70, Windows: 1 + int(windows)%9,
			ConvActivation: pick("linear", "relu"), MergeActivation: pick("linear", "relu"),
			DenseActivation: pick("linear", "relu", "sigmoid", "tanh"),
		}
		w.Pad = []int{0, w.Vocabulary - 1}[rng.IntN(2)]
		w.Lead = int(lead) % w.Window
		// The last window holds between one symbol and more than all of its own.
		w.MaxLen = max(1, (w.Windows-1)*w.Window-w.Lead+1+rng.IntN(w.Window+5))
		w = w.withWeights(seed, 3, 2)
		file = file[:min(len(file), w.MaxLen)]
		batch := append(files(seed, w, 5), file)
		layer7, layer8, logits := reference(w, batch)
		for _, kernel := range Kernels() {
			e := newEngine(t, w, Options{Kernel: kernel, Threads: 1 + rng.IntN(3), passWindows: 1 + rng.IntN(20), CacheBytes: 1 + rng.IntN(20000), leastFiltered: 1 + rng.IntN(4)})
			first := run(t, e, batch)
			bitEqual(t, kernel+" with plain sums", run(t, newEngine(t, w, Options{Kernel: kernel, leastFiltered: never}), batch), first)
			closeTo(t, kernel+" layer7", first.Layer7, layer7)
			closeTo(t, kernel+" layer8", first.Layer8, layer8)
			closeTo(t, kernel+" logits", first.Logits, logits)
			bitEqual(t, kernel+" again", run(t, e, batch), first)
		}
	})
}
