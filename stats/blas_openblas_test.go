//go:build openblas

package stats

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	blas "gonum.org/v1/gonum/blas/gonum"
	lapack "gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// The tests of this build run on OpenBLAS.
func TestMain(m *testing.M) {
	UseBLAS()
	os.Exit(m.Run())
}

// OpenBLAS and gonum's own kernels give every detector the same scores.
func TestBackendsAgree(t *testing.T) {
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
