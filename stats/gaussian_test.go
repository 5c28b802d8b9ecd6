package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

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
