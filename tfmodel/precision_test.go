package tfmodel

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"driftbench/internal/libtensorflow"
	"driftbench/tfmodel/malconv"
)

// roundTF32 rounds to 10 bits of mantissa, to nearest even.
func roundTF32(x []float32) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		b := math.Float32bits(v)
		out[i] = math.Float32frombits((b + 0xFFF + b>>13&1) &^ 0x1FFF)
	}
	return out
}

// Outputs of products in TF32 are told from those in float32, and pass as TF32.
func TestToleranceTellsTF32(t *testing.T) {
	const dir = "testdata/default"
	m, err := Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	cpu, err := newTensorFlow(m, Options{Device: CPU})
	if err != nil {
		t.Fatal(err)
	}
	defer cpu.Close()
	rounded := &native{model: m, name: "tf32", usage: newUsage(1)}
	open := openNative(0, 1, func(w malconv.Weights, threads int) (nativeEngine, error) {
		// The table is the product of the first two.
		w.EmbeddingTable, w.ConvKernel = roundTF32(w.EmbeddingTable), roundTF32(w.ConvKernel)
		w.DenseKernel, w.LogitsKernel = roundTF32(w.DenseKernel), roundTF32(w.LogitsKernel)
		e, err := malconv.New(w, malconv.Options{Threads: threads})
		rounded.nativeEngine = e
		return e, err
	})
	if _, err := open("tf32", m, Options{}); err != nil {
		t.Fatal(err)
	}
	defer rounded.Close()
	if err := probe(m, rounded.Run, cpu.Run, float32Tolerance, nil); err == nil {
		t.Error("TF32 passes for float32")
	}
	if err := probe(m, rounded.Run, cpu.Run, tf32Tolerance, nil); err != nil {
		t.Errorf("TF32 does not pass: %v", err)
	}
}

func TestTF32Switch(t *testing.T) {
	if err := libtensorflow.Load(); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		want := 0
		if on {
			want = 1
		}
		if got := setTF32(on); got != want {
			t.Errorf("after setting TF32 to %v TensorFlow says %d", on, got)
		}
	}
}

// Calls of both precisions at a time never share one setting of the switch.
func TestPrecisionsDoNotMix(t *testing.T) {
	var inside [2]atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		p := Precisions()[i%2]
		all.Go(func() {
			withPrecision(p, func() error {
				inside[i%2].Add(1)
				defer inside[i%2].Add(-1)
				if inside[1-i%2].Load() > 0 {
					t.Errorf("a call in %s runs beside one of the other precision", p)
				}
				if want := p == TF32; tf32Switch.on != want {
					t.Errorf("TF32 is %v for a call in %s", !want, p)
				}
				return nil
			})
		})
	}
	all.Wait()
}

func TestUsePrecisions(t *testing.T) {
	for _, tc := range []struct {
		use  []Precision
		want string
	}{{nil, "0"}, {[]Precision{Float32}, "0"}, {[]Precision{Float32, TF32}, ""}, {[]Precision{TF32}, ""}} {
		t.Setenv(tf32Override, "")
		UsePrecisions(tc.use...)
		if got := os.Getenv(tf32Override); got != tc.want {
			t.Errorf("%v: %s is %q, want %q", tc.use, tf32Override, got, tc.want)
		}
	}
	for o, want := range map[Options]string{
		{Precision: "bf16"}:             `--precision "bf16": want float32 or tf32`,
		{Precision: TF32, Device: CPU}:  "--precision tf32: a CPU computes in float32",
		{Precision: TF32, Device: Auto}: "",
	} {
		if err := o.Check(); want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

// A batch gets larger on a GPU, where the memory of its windows bounds it.
func TestSuitedBatchFollowsTheDevice(t *testing.T) {
	usual := &Model{MaxLen: 200_000, Shape: &Shape{Windows: 400, Window: 500, Embedding: 8}}
	long := &Model{MaxLen: 1 << 26}
	for _, tc := range []struct {
		m    *Model
		d    Device
		want int
	}{{usual, CPU, 32}, {usual, GPU, 128}, {&Model{MaxLen: 1000}, GPU, 256}, {long, GPU, 1}} {
		if got := tensorFlowBatch(tc.m, tc.d); got != tc.want {
			t.Errorf("%d bytes on %s: batch %d, want %d", tc.m.MaxLen, tc.d, got, tc.want)
		}
	}
}

func TestUsageCountsTheCalls(t *testing.T) {
	m, err := Inspect("testdata/default")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tensorflow", "table"} {
		e, _, err := Open(m, Options{Engine: name, Device: CPU})
		if err != nil {
			t.Fatal(err)
		}
		before := e.Usage()
		if err := e.Run(m.outputs(2), [][]byte{[]byte("MZ"), make([]byte, m.MaxLen)}); err != nil {
			t.Fatal(err)
		}
		after := e.Usage()
		if after.Slots != 1 || after.Compute <= before.Compute || after.Fill < before.Fill || Feeders(e.Device()) != 2 {
			t.Errorf("%s: %+v, then %+v, %d feeders", name, before, after, Feeders(e.Device()))
		}
		e.Close()
	}
}

// The cache keeps the precisions of a GPU apart, and from the CPU.
func TestIdentityHasThePrecision(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range []*tensorFlow{{device: CPU, precision: Float32}, {device: GPU, precision: Float32}, {device: GPU, precision: TF32}} {
		e.call = &call{multiple: 1}
		seen[e.Identity()] = true
	}
	if len(seen) != 3 {
		t.Errorf("identities %v, want three", seen)
	}
}

// A library is opened where TensorFlow looks, and one that is missing or no library
// is named with the reason.
func TestOpenLibraries(t *testing.T) {
	dir := t.TempDir()
	cc := exec.Command("cc", "-shared", "-fPIC", "-o", filepath.Join(dir, "libcudart.so.12"), "-x", "c", "-")
	cc.Stdin = strings.NewReader("int cudaRuntimeGetVersion(int *v) { *v = 12050; return 0; }")
	if b, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if err := os.WriteFile(filepath.Join(dir, "libcublas.so.12"), []byte("text"), 0o666); err != nil {
		t.Fatal(err)
	}
	got := openLibraries([]CUDALibrary{{Name: "libcudart.so.12"}, {Name: "libcublas.so.12"}, {Name: "libcudnn.so.9999"}}, []string{t.TempDir(), dir})
	if got[0].Missing != "" || !strings.Contains(got[1].Missing, dir) || !strings.Contains(got[2].Missing, "libcudnn.so.9999") {
		t.Errorf("%+v", got)
	}
	for _, l := range got {
		if strings.Contains(l.Missing, "\n") {
			t.Errorf("%q is not one line", l.Missing)
		}
	}
	if line := DriverFits("470.82.01", 11, 4); !strings.Contains(line, "470.82.01") || !strings.Contains(line, CUDADriver) || DriverFits("550.54.14", 12, 4) != "" || DriverFits("580.1", 13, 0) != "" {
		t.Errorf("driver: %q", line)
	}
	if all, built := CUDALibraries(); built != (len(all) > 0) {
		t.Errorf("%v libraries, a CUDA build: %v", all, built)
	}
}
