package stats

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"driftbench/internal/fuzzing"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	blas "gonum.org/v1/gonum/blas/gonum"
	lapack "gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// TestMain runs all tests on the BLAS of this build.
func TestMain(m *testing.M) {
	UseBLAS()
	os.Exit(m.Run())
}

func TestNames(t *testing.T) {
	want := []string{"mahalanobis/layer7", "mahalanobis/layer8", "mahalanobis/ensemble", "mahalanobis/ensemble-out-labels",
		"rmd/layer7", "rmd/layer8", "mahalanobis++/layer7", "mahalanobis++/layer8", "knn/layer7", "knn/layer8",
		"vim", "msp", "maxlogit", "energy"}
	if got := Names([]string{"layer7", "layer8"}); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, name := range want {
		if UsesOutLabels(name) != strings.Contains(name, "out-labels") {
			t.Errorf("%s: UsesOutLabels is %v", name, UsesOutLabels(name))
		}
	}
}

// Out files that have moved score lower by every detector of features except
// rmd: the shift is as strange to the background as to the classes, and cancels.
// Held-out files that are like the fit rows score like them.
func TestDetectorsSeeDrift(t *testing.T) {
	training := trained(rand.New(rand.NewPCG(11, 1)), 1000)
	d := fitAll(t, training)
	score := func(name string, x Features) []float64 {
		s := make([]float64, x["layer7"].Rows)
		if err := d.Score(s, name, x); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, name := range d.Names() {
		in := score(name, training.In)
		a := deLong(in, score(name, training.Out))
		if !slices.Contains([]string{"rmd/layer7", "rmd/layer8", "msp", "maxlogit", "energy"}, name) && a.Lo < 0.55 {
			t.Errorf("%s: AUROC %v of files that have moved", name, a)
		}
		// Fit rows lie nearer to their own fit, by little with so many of them.
		if gap := deLong(score(name, training.Fit), in); gap.Value < 0.45 || gap.Value > 0.6 {
			t.Errorf("%s: AUROC %v of fit rows against In rows", name, gap)
		}
	}
}

func TestDetectorsThatCannotBeFitted(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 2))
	base := trained(rng, 100)
	for _, c := range []struct {
		name    string
		change  func(*Training)
		skipped []string
	}{
		{"no held-out rows", func(t *Training) { t.In = nil }, []string{nameEnsemble, nameRegression}},
		{"no Out rows", func(t *Training) { t.Out = nil }, []string{nameRegression}},
		{"no logits", func(t *Training) { delete(t.Fit, Logits) }, []string{"vim", "msp", "maxlogit", "energy"}},
		{"logits of something else", func(t *Training) { t.Fit[Logits] = normalMatrix(rng, 100, 4) }, []string{"vim"}},
		{"a class without rows", func(t *Training) { t.NumClasses = 5 }, []string{"mahalanobis/layer7", "mahalanobis/layer8",
			nameEnsemble, nameRegression, "rmd/layer7", "rmd/layer8", "mahalanobis++/layer7", "mahalanobis++/layer8"}},
		{"one class", func(t *Training) { t.NumClasses, t.Classes = 1, make([]int, 100) }, []string{"rmd/layer7", "rmd/layer8"}},
		{"logits below zero", func(t *Training) {
			z := t.Fit[Logits]
			low := Matrix{Rows: z.Rows, Cols: z.Cols, Data: slices.Clone(z.Data)}
			for i := range low.Data {
				low.Data[i] -= 100
			}
			t.Fit[Logits] = low
		}, []string{"vim"}},
	} {
		training := base
		training.Fit = Features{}
		for layer, x := range base.Fit {
			training.Fit[layer] = x
		}
		c.change(&training)
		d, err := Fit(training)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var skipped []string
		for _, name := range Names(training.Layers) {
			if d.Skipped(name) != nil {
				skipped = append(skipped, name)
			} else if !slices.Contains(d.Names(), name) {
				t.Errorf("%s: %s is neither fitted nor skipped", c.name, name)
			}
		}
		if !slices.Equal(skipped, c.skipped) {
			t.Errorf("%s: skipped %q, want %q", c.name, skipped, c.skipped)
		}
	}
}

// The neighbours of kNN are of the file's own class, however few rows that has:
// with 50 of 25 rows a class Out files would score higher than In files.
func TestNeighboursFollowTheRows(t *testing.T) {
	for _, c := range []struct{ rows, want int }{{1000, 50}, {400, 20}, {100, 5}, {8, 1}} {
		training := trained(rand.New(rand.NewPCG(11, 5)), c.rows)
		for _, set := range []Features{training.Fit, training.In, training.Out} {
			for i := range set["layer7"].Rows { // classes that are far apart
				set["layer7"].Row(i)[i%4] += 10
			}
		}
		d, err := Fit(training, "knn/layer7")
		if err != nil {
			t.Fatal(err)
		}
		in, out := make([]float64, c.rows/2), make([]float64, c.rows/2)
		if err := errors.Join(d.Score(in, "knn/layer7", training.In), d.Score(out, "knn/layer7", training.Out)); err != nil {
			t.Fatal(err)
		}
		k, rows := d.Neighbours("knn/layer7")
		if none, _ := d.Neighbours("knn/layer8"); k != c.want || rows != c.rows || none != 0 {
			t.Errorf("%d rows: k = %d of %d, want %d of all", c.rows, k, rows, c.want)
		}
		if a := deLong(in, out); c.rows > 8 && a.Value < 0.65 {
			t.Errorf("%d rows: AUROC %v", c.rows, a)
		}
	}
}

// Of many rows kNN takes a sample that is the same at every fit, keeps enough rows
// of a rare class, and tells files apart as all rows do.
func TestNeighboursOfASample(t *testing.T) {
	const n, rare, width = 30_000, 120, 16
	rng := rand.New(rand.NewPCG(3, 8))
	training := Training{Layers: []string{"a"}, Fit: Features{"a": normalMatrix(rng, n, width)}, Classes: make([]int, n), NumClasses: 3}
	at := func(x Matrix, i, class int) { x.Row(i)[class] += 6 }
	for i := range n {
		class := i % 2
		if i%(n/rare) == 7 {
			class = 2
		}
		training.Classes[i] = class
		at(training.Fit["a"], i, class)
	}
	d, err := Fit(training, "knn/a")
	if err != nil {
		t.Fatal(err)
	}
	if k, rows := d.Neighbours("knn/a"); k != rare/5 || rows < mostBank || rows > mostBank+rare {
		t.Fatalf("k = %d of %d rows", k, rows)
	}
	again, err := Fit(training, "knn/a")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := newKNN("a", training.Fit["a"], 0, 3*rare/5) // among three times the rows of the two common classes
	if err != nil {
		t.Fatal(err)
	}
	in, out := normalMatrix(rng, 600, width), normalMatrix(rng, 600, width)
	for i := range in.Rows {
		at(in, i, i%2)
		at(out, i, i%2)
		out.Row(i)[5] += 5
	}
	score := func(s func(dst []float64, x Features) error, x Matrix) []float64 {
		dst := make([]float64, x.Rows)
		if err := s(dst, Features{"a": x}); err != nil {
			t.Fatal(err)
		}
		return dst
	}
	sampled := func(d *Detectors) func(dst []float64, x Features) error {
		return func(dst []float64, x Features) error { return d.Score(dst, "knn/a", x) }
	}
	inScores := score(sampled(d), in)
	if !slices.Equal(inScores, score(sampled(again), in)) {
		t.Error("two fits on the same rows score differently")
	}
	got := deLong(inScores, score(sampled(d), out)).Value
	if want := deLong(score(whole.score, in), score(whole.score, out)).Value; math.Abs(got-want) > 0.02 || got < 0.7 {
		t.Errorf("AUROC %.3f by the sample, %.3f by all rows", got, want)
	}
	typical := Matrix{Rows: 1, Cols: width, Data: make([]float32, width)}
	at(typical, 0, 2)
	if whole, err = newKNN("a", training.Fit["a"], 0, rare/5); err != nil {
		t.Fatal(err)
	}
	if got, want := score(sampled(d), typical), score(whole.score, typical); math.Abs(got[0]-want[0]) > 1e-6 {
		t.Errorf("a file of the rare class scores %v by the sample, %v by all rows", got[0], want[0])
	}
}

// ViM finds the layer that the logits are linear in.
func TestViMLayer(t *testing.T) {
	training := trained(rand.New(rand.NewPCG(11, 6)), 400)
	score := func(layers ...string) []float64 {
		training.Layers = layers
		d, err := Fit(training, "vim")
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var read Detectors
		if err := read.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		scores := make([]float64, 200)
		if err := read.Score(scores, "vim", training.Out); err != nil {
			t.Fatal(err)
		}
		return scores
	}
	if !slices.Equal(score("layer7", "layer8"), score("layer8", "layer7")) {
		t.Error("another order of the layers gives other scores")
	}
}

func TestFitAndScoreNameTheFeature(t *testing.T) {
	training := trained(rand.New(rand.NewPCG(11, 3)), 400)
	d := fitAll(t, training)
	training.Out["layer8"].Row(123)[2] = float32(math.Inf(1))
	scores := make([]float64, 200)
	for _, name := range []string{"mahalanobis/layer8", "mahalanobis/ensemble", "rmd/layer8", "mahalanobis++/layer8", "knn/layer8", "vim"} {
		var layer *LayerError
		var bad *NotFiniteError
		err := d.Score(scores, name, training.Out)
		if !errors.As(err, &layer) || !errors.As(err, &bad) || layer.Layer != "layer8" || bad.Row != 123 || bad.Col != 2 {
			t.Errorf("scoring by %s: %v", name, err)
		}
	}
	for _, name := range Names(training.Layers) {
		training := trained(rand.New(rand.NewPCG(11, 3)), 400)
		layer := "layer8"
		if strings.HasSuffix(name, "layer7") {
			layer = "layer7"
		}
		if name == "msp" || name == "maxlogit" || name == "energy" {
			continue // nothing of them is fitted
		}
		training.Fit[layer].Row(321)[1] = float32(math.NaN())
		var at *LayerError
		var bad *NotFiniteError
		if _, err := Fit(training, name); !errors.As(err, &at) || !errors.As(err, &bad) || at.Layer != layer || bad.Row != 321 || bad.Col != 1 {
			t.Errorf("fitting %s: %v", name, err)
		}
	}
	delete(training.Out, "layer7")
	var layer *LayerError
	if err := d.Score(scores, "knn/layer7", training.Out); !errors.As(err, &layer) || layer.Layer != "layer7" {
		t.Errorf("a layer that is missing: %v", err)
	}
	if _, err := Fit(training, "knn/layer9"); err == nil || !strings.Contains(err.Error(), "knn/layer8") {
		t.Errorf("a detector that is not there: %v", err)
	}
}

func TestOneSigmoidUnitIsTwoClasses(t *testing.T) {
	z := Matrix{Rows: 3, Cols: 1, Data: []float32{-3, 0, 2}}
	d, err := Fit(Training{Fit: Features{Logits: z}, Classes: make([]int, 3), NumClasses: 1}, "msp", "maxlogit", "energy")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]func(z float64) float64{
		"msp":      func(z float64) float64 { return max(expit(z), expit(-z)) },
		"maxlogit": func(z float64) float64 { return math.Abs(z) / 2 },
		"energy":   func(z float64) float64 { return math.Log(2 * math.Cosh(z/2)) },
	} {
		got := make([]float64, 3)
		if err := d.Score(got, name, Features{Logits: z}); err != nil {
			t.Fatal(err)
		}
		for i, v := range z.Data {
			if !near(got[i], want(float64(v)), 1e-12) {
				t.Errorf("%s of %v is %v, want %v", name, v, got[i], want(float64(v)))
			}
		}
	}
}

func TestScoringMemoryDoesNotGrow(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 4))
	d := fitAll(t, trainedWidths(rng, 400, 64, 64))
	x := trainedWidths(rng, 40_000, 64, 64).Fit
	allocated := func(name string, rows int) uint64 {
		part := Features{}
		for layer, m := range x {
			part[layer] = m.Slice(0, rows)
		}
		scores := make([]float64, rows)
		return fuzzing.Allocated(func() {
			if err := d.Score(scores, name, part); err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, name := range d.Names() {
		few, many := allocated(name, 4_000), allocated(name, 40_000)
		// A copy of the rows in float64 would be 512 bytes a row. An ensemble
		// holds one more score a row, and products leave some garbage a block.
		if grown := (int64(many) - int64(few)) / 36_000; grown > 64 {
			t.Errorf("%s allocates %d bytes for 4,000 rows and %d for 40,000", name, few, many)
		}
	}
}

// trained returns features of two layers and logits: four classes for the fit,
// held-out In rows, and Out rows that have moved.
func trained(rng *rand.Rand, rows int) Training { return trainedWidths(rng, rows, 10, 6) }

func trainedWidths(rng *rand.Rand, rows, width7, width8 int) Training {
	t := Training{Layers: []string{"layer7", "layer8"}, NumClasses: 4, Classes: cycle(rows, 4)}
	weights := normalMatrix(rng, 4, width8)
	draw := func(rows int, shift float32) Features {
		x7, x8 := normalMatrix(rng, rows, width7), normalMatrix(rng, rows, width8)
		z := Matrix{Rows: rows, Cols: 4, Data: make([]float32, rows*4)}
		for i := range rows {
			x7.Row(i)[i%4] += 3
			x8.Row(i)[i%4] += 2
			x7.Row(i)[width7-1] += shift
			x8.Row(i)[width8-1] += shift
			for k := range 4 {
				sum := 0.5
				for j, v := range x8.Row(i) {
					sum += float64(v) * float64(weights.Row(k)[j])
				}
				z.Row(i)[k] = float32(sum)
			}
		}
		return Features{"layer7": x7, "layer8": x8, Logits: z}
	}
	t.Fit, t.In, t.Out = draw(rows, 0), draw(rows/2, 0), draw(rows/2, 2)
	return t
}

func fitAll(t testing.TB, training Training) *Detectors {
	t.Helper()
	d, err := Fit(training)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names(training.Layers) {
		if err := d.Skipped(name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return d
}

func TestSavedDetectorsScoreTheSame(t *testing.T) {
	training := trained(rand.New(rand.NewPCG(7, 1)), 400)
	d := fitAll(t, training)
	b, err := d.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var read Detectors
	if err := read.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(read.Names(), d.Names()) || !slices.Equal(read.Layers(), d.Layers()) {
		t.Fatalf("read %q of %q", read.Names(), read.Layers())
	}
	for _, name := range d.Names() {
		got, want := make([]float64, 200), make([]float64, 200)
		if err := d.Score(want, name, training.Out); err != nil {
			t.Fatal(err)
		}
		if err := read.Score(got, name, training.Out); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s scores differ", name)
		}
	}
	again, err := read.MarshalBinary()
	if err != nil || !slices.Equal(again, b) {
		t.Errorf("written again, %d bytes become other %d (%v)", len(b), len(again), err)
	}
}

// onDisk returns features that are read when they are needed, and the most rows that
// are asked for at a time.
func onDisk(x Features, most *atomic.Int64) Features {
	read := Features{}
	for layer, m := range x {
		read[layer] = Matrix{Rows: m.Rows, Cols: m.Cols, Read: func(dst []float32, lo, hi int) error {
			for {
				if before := most.Load(); before >= int64(hi-lo) || most.CompareAndSwap(before, int64(hi-lo)) {
					break
				}
			}
			copy(dst, m.Data[lo*m.Cols:hi*m.Cols])
			return nil
		}}
	}
	return read
}

// Features that are read give the bits of features in memory, and are never asked
// for more than some thousand rows.
func TestFitOfFeaturesOnDisk(t *testing.T) {
	inMemory := trained(rand.New(rand.NewPCG(7, 5)), mostBank+5_000)
	var most atomic.Int64
	read := inMemory
	read.Fit, read.In, read.Out = onDisk(inMemory.Fit, &most), onDisk(inMemory.In, &most), onDisk(inMemory.Out, &most)
	want, got := fitAll(t, inMemory), fitAll(t, read)
	wantBytes, err := want.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if gotBytes, err := got.MarshalBinary(); err != nil || !bytes.Equal(gotBytes, wantBytes) {
		t.Errorf("the fits differ (%v)", err)
	}
	for _, name := range want.Names() {
		a, b := make([]float64, inMemory.In[Logits].Rows), make([]float64, inMemory.In[Logits].Rows)
		if err := want.Score(a, name, inMemory.In); err != nil {
			t.Fatal(err)
		}
		if err := got.Score(b, name, read.In); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a, b) {
			t.Errorf("%s scores differ", name)
		}
	}
	if most.Load() > momentRows {
		t.Errorf("%d rows were read at a time", most.Load())
	}
}

func TestFitOfFeaturesThatCannotBeRead(t *testing.T) {
	broken := errors.New("broken")
	for _, set := range []string{"Fit", "In", "Out"} {
		training := trained(rand.New(rand.NewPCG(7, 6)), 400)
		x := map[string]*Features{"Fit": &training.Fit, "In": &training.In, "Out": &training.Out}[set]
		failing := Features{}
		for layer, m := range *x {
			failing[layer] = Matrix{Rows: m.Rows, Cols: m.Cols, Read: func([]float32, int, int) error { return broken }}
		}
		*x = failing
		if _, err := Fit(training); !errors.Is(err, broken) {
			t.Errorf("%s: error %v, want that of reading", set, err)
		}
	}
}

// The regression of many rows is fitted on some of either side in their proportion,
// and ranks files as that of all rows does.
func TestRegressionOfASample(t *testing.T) {
	rows := sampleRows(60_000, 80_000)
	if n := len(rows); n != 60_000*mostRegressed/80_000 || !slices.IsSorted(rows) || rows[0] > 20 || rows[n-1] < 59_980 {
		t.Errorf("%d of 60,000 rows, from %d to %d", n, rows[0], rows[n-1])
	}
	if n := len(sampleRows(7, 1_000_000)); n != folds {
		t.Errorf("%d of 7 rows", n)
	}
	if n := len(sampleRows(30_000, mostRegressed)); n != 30_000 {
		t.Errorf("%d of 30,000 rows, which are not too many", n)
	}
}

// testdata/fit1.bin was saved in version 1 of the format.
func TestSavedDetectorsOfVersion1(t *testing.T) {
	b, err := os.ReadFile("testdata/fit1.bin")
	if err != nil {
		t.Fatal(err)
	}
	var read Detectors
	if err := read.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	training := trainedWidths(rand.New(rand.NewPCG(7, 5)), 60, 5, 4)
	d := fitAll(t, training)
	for _, name := range read.Names() {
		got, want := make([]float64, 30), make([]float64, 30)
		if err := read.Score(got, name, training.Out); err != nil {
			t.Fatal(err)
		}
		if err := d.Score(want, name, training.Out); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if layer, ok := strings.CutPrefix(name, "knn/"); ok { // k was always 50
				want[i] = -kthNeighbour(training.Fit[layer], 50, training.Out[layer].Row(i))
			}
			if !near(got[i], want[i], 1e-9) {
				t.Errorf("%s: row %d scores %v, want %v", name, i, got[i], want[i])
				break
			}
		}
	}
}

func TestDamagedFitsAreErrors(t *testing.T) {
	b, err := fitAll(t, trained(rand.New(rand.NewPCG(7, 2)), 100)).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(b); n += 1 + n/20 {
		var format *FormatError
		if err := new(Detectors).UnmarshalBinary(b[:n]); !errors.As(err, &format) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if err := new(Detectors).UnmarshalBinary(append(b, 0)); err == nil {
		t.Error("a byte too many is taken")
	}
	m := NewMoments(2, 3)
	mb, _ := m.MarshalBinary()
	if err := new(Detectors).UnmarshalBinary(mb); err == nil {
		t.Error("moments are taken for detectors")
	}
}

func TestSavedMoments(t *testing.T) {
	x := normalMatrix(rand.New(rand.NewPCG(7, 3)), 300, 7)
	m := NewMoments(3, 7)
	if err := m.Add(x, cycle(300, 3)); err != nil {
		t.Fatal(err)
	}
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var read Moments
	if err := read.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	sameMoments(t, &read, m, 0)
	for n := range b {
		if err := new(Moments).UnmarshalBinary(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken", n, len(b))
		}
	}
}

// Whatever the bytes, reading ends in an error or in detectors that score.
func FuzzUnmarshalDetectors(f *testing.F) {
	training := trained(rand.New(rand.NewPCG(7, 4)), 60)
	d, err := Fit(training)
	if err != nil {
		f.Fatal(err)
	}
	b, err := d.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, name := range d.Names() {
		one, err := Fit(training, name)
		if err != nil {
			f.Fatal(err)
		}
		b, err := one.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Detectors
		var err error
		if took := fuzzing.Allocated(func() { err = d.UnmarshalBinary(b) }); took > 1<<20+64*uint64(len(b)) {
			t.Errorf("%d bytes took %d to read", len(b), took)
		}
		if err != nil {
			if !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q is not one line", err)
			}
			return
		}
		x := Features{}
		for layer, m := range training.In {
			x[layer] = m.Slice(0, 3)
		}
		for _, name := range d.Names() {
			scores := make([]float64, 3)
			if err := d.Score(scores, name, x); err == nil {
				check(scores) // panics when one is NaN
			}
		}
		again, err := d.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := new(Detectors).UnmarshalBinary(again); err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
	})
}

// sameMoments checks counts, and means and scatters to tol relative to their
// scale.
func sameMoments(t *testing.T, got, want *Moments, tol float64) {
	t.Helper()
	for c := range want.Classes() {
		if got.Count(c) != want.Count(c) {
			t.Fatalf("class %d: %d rows, want %d", c, got.Count(c), want.Count(c))
		}
		s, w := got.Scatter(c), want.Scatter(c)
		for i := range want.Width() {
			if d := math.Abs(got.Mean(c)[i] - want.Mean(c)[i]); d > tol*math.Abs(want.Mean(c)[i])+1e-300 {
				t.Errorf("class %d: mean[%d] = %v, want %v", c, i, got.Mean(c)[i], want.Mean(c)[i])
			}
			for j := range want.Width() {
				scale := math.Sqrt(w.At(i, i) * w.At(j, j))
				if d := math.Abs(s.At(i, j) - w.At(i, j)); d > tol*scale {
					t.Errorf("class %d: scatter[%d,%d] = %v, want %v", c, i, j, s.At(i, j), w.At(i, j))
				}
			}
		}
	}
}

func TestMomentsAgainstTwoPasses(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	x := normalMatrix(rng, 5000, 6)
	for i := range x.Data {
		x.Data[i] = x.Data[i]*0.01 + 1000 // a mean that would swamp sums of squares
	}
	classes := cycle(5000, 3)
	m := NewMoments(3, 6)
	if err := m.Add(x, classes); err != nil {
		t.Fatal(err)
	}
	want := NewMoments(3, 6)
	for c := range want.classes {
		w := &want.classes[c]
		for i := c; i < x.Rows; i += 3 {
			w.n++
			for j, v := range x.Row(i) {
				w.mean[j] += float64(v)
			}
		}
		for j := range w.mean {
			w.mean[j] /= float64(w.n)
		}
		for i := c; i < x.Rows; i += 3 {
			for j, v := range x.Row(i) {
				for k, u := range x.Row(i) {
					w.scatter[j*6+k] += (float64(v) - w.mean[j]) * (float64(u) - w.mean[k])
				}
			}
		}
	}
	sameMoments(t, m, want, 1e-11)
}

func TestMomentsOfShards(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	x := normalMatrix(rng, 6000, 9)
	for i := range x.Data {
		x.Data[i] += 3
	}
	classes := cycle(x.Rows, 4)
	whole := NewMoments(4, 9)
	if err := whole.Add(x, classes); err != nil {
		t.Fatal(err)
	}
	for _, shards := range []int{2, 7, 60} {
		merged := NewMoments(4, 9)
		for s := range shards {
			lo, hi := x.Rows*s/shards, x.Rows*(s+1)/shards
			m := NewMoments(4, 9)
			if err := m.Add(x.Slice(lo, hi), classes[lo:hi]); err != nil {
				t.Fatal(err)
			}
			merged.Merge(m)
		}
		sameMoments(t, merged, whole, 1e-12)
	}
}

func TestMomentsNameTheBadFeature(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		x := normalMatrix(rand.New(rand.NewPCG(3, 3)), 3000, 5)
		x.Row(2500)[3] = bad
		var e *NotFiniteError
		if err := NewMoments(1, 5).Add(x, make([]int, 3000)); !errors.As(err, &e) || e.Row != 2500 || e.Col != 3 {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func fitGaussian(t *testing.T, x Matrix, classes []int, k int) *TiedGaussian {
	t.Helper()
	m := NewMoments(k, x.Cols)
	if err := m.Add(x, classes); err != nil {
		t.Fatal(err)
	}
	g, err := NewTiedGaussian(m)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// The score has a closed form through the Cholesky factors of the covariance.
func TestNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := Matrix{Rows: 200, Cols: 5}
	classes := make([]int, x.Rows)
	for i := range x.Rows {
		classes[i] = i % 3
		for j := range x.Cols {
			x.Data = append(x.Data, float32(r.NormFloat64()*float64(j+1)+float64(2*classes[i]*j)))
		}
	}
	g := fitGaussian(t, x, classes, 3)
	got, err := g.Nearest(x)
	if err != nil {
		t.Fatal(err)
	}
	p := g.Precision()
	for i, c := range got {
		want, least := 0, math.Inf(1)
		for k := range 3 {
			z := mat.NewVecDense(x.Cols, nil)
			for j := range x.Cols {
				z.SetVec(j, float64(x.Data[i*x.Cols+j])-g.Mean(k)[j])
			}
			if d := mat.Inner(z, p, z); d < least {
				want, least = k, d
			}
		}
		if c != want {
			t.Errorf("row %d is nearest to %d, want %d", i, c, want)
		}
	}
	if _, err := g.Nearest(Matrix{Rows: 1, Cols: 4, Data: make([]float32, 4)}); !errors.As(err, new(*WidthError)) {
		t.Errorf("another width: %v", err)
	}
}

func TestScoreAgainstCholesky(t *testing.T) {
	x := normalMatrix(rand.New(rand.NewPCG(4, 1)), 5000, 5)
	classes := cycle(x.Rows, 2)
	g := fitGaussian(t, x, classes, 2)
	if g.Rank != 5 {
		t.Errorf("rank %d, want 5", g.Rank)
	}
	cov := mat.NewSymDense(5, nil)
	for i, c := range classes {
		d := mat.NewVecDense(5, nil)
		for j, v := range x.Row(i) {
			d.SetVec(j, float64(v)-g.Mean(c)[j])
		}
		cov.SymRankOne(cov, 1/float64(x.Rows), d)
	}
	var chol mat.Cholesky
	chol.Factorize(cov)
	scores := make([]float64, x.Rows)
	if err := g.Score(scores, x); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < x.Rows; i += 97 {
		want := math.Inf(-1)
		for c := range 2 {
			d, s := mat.NewVecDense(5, nil), mat.NewVecDense(5, nil)
			for j, v := range x.Row(i) {
				d.SetVec(j, float64(v)-g.Mean(c)[j])
			}
			if err := chol.SolveVecTo(s, d); err != nil {
				t.Fatal(err)
			}
			want = max(want, -mat.Dot(d, s)/2)
		}
		if math.Abs(scores[i]-want) > 1e-10*math.Abs(want) {
			t.Errorf("row %d scores %v, want %v", i, scores[i], want)
		}
	}
}

func TestFitErrors(t *testing.T) {
	x := normalMatrix(rand.New(rand.NewPCG(4, 2)), 10, 3)
	m := NewMoments(3, 3)
	if err := m.Add(x, cycle(10, 2)); err != nil {
		t.Fatal(err)
	}
	var empty *EmptyClassError
	if _, err := NewTiedGaussian(m); !errors.As(err, &empty) || empty.Class != 2 {
		t.Errorf("a class without rows: %v", err)
	}
	constant := Matrix{Rows: 4, Cols: 2, Data: []float32{1, 2, 1, 2, 1, 2, 1, 2}}
	m = NewMoments(1, 2)
	if err := m.Add(constant, make([]int, 4)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewTiedGaussian(m); !errors.Is(err, ErrNoVariance) {
		t.Errorf("constant features: %v", err)
	}
	g := fitGaussian(t, x, make([]int, 10), 1)
	var width *WidthError
	if err := g.Score(make([]float64, 10), Matrix{Rows: 10, Cols: 2, Data: x.Data[:20]}); !errors.As(err, &width) {
		t.Errorf("another width: %v", err)
	}
	x.Row(7)[1] = float32(math.NaN())
	var bad *NotFiniteError
	if err := g.Score(make([]float64, 10), x); !errors.As(err, &bad) || bad.Row != 7 || bad.Col != 1 {
		t.Errorf("NaN: %v", err)
	}
}

// kthNeighbour is the definition, in float64.
func kthNeighbour(bank Matrix, k int, f []float32) float64 {
	unit := func(v []float32) []float64 {
		u := make([]float64, len(v))
		for j, x := range v {
			u[j] = float64(x)
		}
		toUnit(u)
		return u
	}
	a := unit(f)
	var distances []float64
	for i := range bank.Rows {
		distances = append(distances, math.Sqrt(squaredDistance(a, unit(bank.Row(i)))))
	}
	slices.Sort(distances)
	return distances[k-1]
}

func TestKNNAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	for name, bank := range map[string]Matrix{
		"random":     normalMatrix(rng, 9000, 5), // more rows than one block
		"duplicates": normalMatrix(rng, 3000, 5),
		"zeros":      normalMatrix(rng, 200, 5),
		"close":      normalMatrix(rng, 2000, 5),
		"ordered":    normalMatrix(rng, 5000, 5),
	} {
		for i := range bank.Rows {
			row := bank.Row(i)
			switch name {
			case "duplicates":
				copy(row, bank.Row(i%3))
			case "zeros":
				if i%3 > 0 {
					clear(row)
				}
			case "close": // closer to one another than float32 products tell
				for j := range row {
					row[j] = 1 + row[j]*1e-4
				}
			case "ordered": // what is nearest to the queries comes first
				if i < 500 {
					for j := range row {
						row[j] = 1 + row[j]*0.1
					}
				}
			}
		}
		for _, k := range []int{1, 17, 50} {
			n, err := newKNN("x", bank, 0, k)
			if err != nil {
				t.Fatal(err)
			}
			x := normalMatrix(rng, 100, 5)
			copy(x.Data, bank.Data[:30*5])
			clear(x.Row(99))
			scores := make([]float64, x.Rows)
			if err := n.score(scores, Features{"x": x}); err != nil {
				t.Fatal(err)
			}
			for i, s := range scores {
				if want := kthNeighbour(bank, k, x.Row(i)); math.Abs(-s-want) > 1e-12*(1+want) {
					t.Errorf("%s: row %d is at %v, want %v", name, i, -s, want)
				}
			}
		}
	}
}

// normalMatrix draws standard normal features.
func normalMatrix(rng *rand.Rand, rows, cols int) Matrix {
	x := Matrix{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

// cycle numbers rows 0, 1, …, k−1, 0, 1, …
func cycle(rows, k int) []int {
	c := make([]int, rows)
	for i := range c {
		c[i] = i % k
	}
	return c
}

// normals draws n scores of a normal distribution with deviation 1.
func normals(rng *rand.Rand, n int, mean float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = mean + rng.NormFloat64()
	}
	return s
}

func BenchmarkMoments(b *testing.B) {
	const n, d, classes = 100_000, 128, 4
	b.Run(fmt.Sprintf("n=%d/d=%d/classes=%d", n, d, classes), func(b *testing.B) {
		x, class := normalMatrix(rand.New(rand.NewPCG(1, 4)), n, d), cycle(n, classes)
		for b.Loop() {
			if err := NewMoments(classes, d).Add(x, class); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
	})
}

func BenchmarkNewTiedGaussian(b *testing.B) {
	for _, d := range []int{64, 128} {
		b.Run(fmt.Sprintf("d=%d/classes=4", d), func(b *testing.B) {
			m := NewMoments(4, d)
			if err := m.Add(normalMatrix(rand.New(rand.NewPCG(1, 5)), 2000, d), cycle(2000, 4)); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := NewTiedGaussian(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDetectors(b *testing.B) {
	const n = 10_000
	rng := rand.New(rand.NewPCG(1, 6))
	d := fitAll(b, trainedWidths(rng, 2000, 128, 64))
	x := trainedWidths(rng, n, 128, 64).Fit
	scores := make([]float64, n)
	for _, name := range d.Names() {
		b.Run(fmt.Sprintf("detector=%s/n=%d", name, n), func(b *testing.B) {
			for b.Loop() {
				if err := d.Score(scores, name, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

func BenchmarkScore(b *testing.B) {
	for _, size := range []struct{ n, d, classes int }{{100_000, 128, 4}, {100_000, 64, 4}} {
		b.Run(fmt.Sprintf("n=%d/d=%d/classes=%d", size.n, size.d, size.classes), func(b *testing.B) {
			x := normalMatrix(rand.New(rand.NewPCG(1, 1)), size.n, size.d)
			m := NewMoments(size.classes, size.d)
			if err := m.Add(x, cycle(size.n, size.classes)); err != nil {
				b.Fatal(err)
			}
			g, err := NewTiedGaussian(m)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]float64, size.n)
			for b.Loop() {
				if err := g.Score(dst, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size.n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

func BenchmarkKNN(b *testing.B) {
	for _, n := range []int{2_000, 20_000} {
		b.Run(fmt.Sprintf("n=%d/bank=%d/d=128", n, n), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 3))
			k, err := newKNN("layer7", normalMatrix(rng, n, 128), 0, mostNeighbours)
			if err != nil {
				b.Fatal(err)
			}
			x := Features{"layer7": normalMatrix(rng, n, 128)}
			dst := make([]float64, n)
			for b.Loop() {
				if err := k.score(dst, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

// OpenBLAS and gonum's own kernels give every detector the same scores.
func TestBackendsAgree(t *testing.T) {
	if UseBLAS() == "gonum" {
		t.Skip("built without the tag openblas")
	}
	defer UseBLAS()
	score := func() map[string][]float64 {
		training := trainedWidths(rand.New(rand.NewPCG(15, 1)), 1500, 128, 64)
		for i := range training.Fit["layer7"].Rows { // a rank below the width
			training.Fit["layer7"].Row(i)[20] = 0
		}
		d := fitAll(t, training)
		scores := map[string][]float64{}
		for _, name := range d.Names() {
			s := make([]float64, training.Out["layer7"].Rows)
			if err := d.Score(s, name, training.Out); err != nil {
				t.Fatal(err)
			}
			scores[name] = s
		}
		return scores
	}
	got := score()
	blas32.Use(blas.Implementation{})
	blas64.Use(blas.Implementation{})
	lapack64.Use(lapack.Implementation{})
	want := score()
	for name := range want {
		for i, w := range want[name] {
			if math.Abs(got[name][i]-w) > 1e-9*math.Abs(w) {
				t.Errorf("%s: row %d scores %v on OpenBLAS, %v on gonum", name, i, got[name][i], w)
				break
			}
		}
	}
}
