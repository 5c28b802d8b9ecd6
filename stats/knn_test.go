package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// kthNeighbour is the definition, in float64.
func kthNeighbour(bank Matrix, f []float32) float64 {
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
	return distances[neighbours-1]
}

func TestKNNAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	for name, bank := range map[string]Matrix{
		"random":     normalMatrix(rng, 9000, 5), // more rows than one block
		"duplicates": normalMatrix(rng, 3000, 5),
		"zeros":      normalMatrix(rng, 200, 5),
		"close":      normalMatrix(rng, 2000, 5),
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
			}
		}
		k, err := newKNN("x", bank, 0)
		if err != nil {
			t.Fatal(err)
		}
		x := normalMatrix(rng, 300, 5)
		copy(x.Data, bank.Data[:100*5])
		clear(x.Row(299))
		scores := make([]float64, x.Rows)
		if err := k.score(scores, Features{"x": x}); err != nil {
			t.Fatal(err)
		}
		for i, s := range scores {
			if want := kthNeighbour(bank, x.Row(i)); math.Abs(-s-want) > 1e-12*(1+want) {
				t.Errorf("%s: row %d is at %v, want %v", name, i, -s, want)
			}
		}
	}
}
