package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

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
