package stats

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"driftbench/internal/fuzzing"
)

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
