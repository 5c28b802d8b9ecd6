package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// corrupt replaces about a share p of what a decoded JSON value holds with
// values of the same kind that no run gives.
func corrupt(r *rand.Rand, v any, p float64) any {
	hit := r.Float64() < p
	switch v := v.(type) {
	case float64:
		if hit {
			return []any{nil, 0.0, -1.0, 2.0, 1e300, -1e300, 1e-300, r.NormFloat64()}[r.IntN(8)]
		}
	case string:
		if hit {
			return []any{"", "\x00<b>", "same", "2018-01", "9999-99"}[r.IntN(5)]
		}
	case []any:
		if hit {
			v = v[:r.IntN(len(v)+1)]
		}
		for i := range v {
			v[i] = corrupt(r, v[i], p)
		}
		return v
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			v[k] = corrupt(r, v[k], p)
		}
	}
	return v
}

// Whatever results.json holds, as long as it decodes, it draws.
func TestCorruptedResultsDraw(t *testing.T) {
	good, err := json.Marshal(inventedRun())
	if err != nil {
		t.Fatal(err)
	}
	decoded := 0
	for seed := range uint64(corruptions) {
		r := rand.New(rand.NewPCG(seed, 0))
		var v any
		if err := json.Unmarshal(good, &v); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(corrupt(r, v, []float64{0.002, 0.01, 0.05}[seed%3]))
		if err != nil {
			t.Fatal(err)
		}
		var results Results
		if json.Unmarshal(b, &results) != nil {
			continue // a fraction for a whole number: ReadResults refuses it
		}
		decoded++
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			in := Input{Results: results}
			for _, s := range slices.Concat(runPage(in).Sections, comparisonPage(in, inventedInput(), results.Comparisons).Sections) {
				for _, f := range s.figures {
					if f.gap == "" {
						f.svg(narrowWidth)
						f.png(wideWidth, 10)
					}
				}
			}
		})
	}
	if decoded < corruptions/4 {
		t.Errorf("only %d of %d corruptions decode", decoded, corruptions)
	}
}

const corruptions = 60
