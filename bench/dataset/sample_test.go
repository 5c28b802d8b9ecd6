package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The golden file holds what pandas returned; scripts/golden/sample.py makes it.
func TestSampleEqualsPandas(t *testing.T) {
	b, err := os.ReadFile("testdata/sample.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Pandas string
		Cases  []struct {
			N      int
			Frac   float64
			Seed   uint32
			Size   int
			Rows   []int // all, or the first and last eight
			SHA256 string
		}
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 40 {
		t.Fatalf("%d cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		got := sample(c.N, c.Frac, c.Seed)
		if len(got) != c.Size {
			t.Errorf("n=%d frac=%v seed=%d: %d rows, pandas %s has %d", c.N, c.Frac, c.Seed, len(got), golden.Pandas, c.Size)
			continue
		}
		ends := got
		if len(got) > 16 {
			ends = slices.Concat(got[:8], got[len(got)-8:])
		}
		if !slices.Equal(ends, c.Rows) {
			t.Errorf("n=%d frac=%v seed=%d: rows %v, pandas %s has %v", c.N, c.Frac, c.Seed, ends, golden.Pandas, c.Rows)
		}
		text := make([]string, len(got))
		for i, row := range got {
			text[i] = strconv.Itoa(row)
		}
		sum := sha256.Sum256([]byte(strings.Join(text, ",")))
		if hex.EncodeToString(sum[:]) != c.SHA256 {
			t.Errorf("n=%d frac=%v seed=%d: the middle rows differ from pandas %s", c.N, c.Frac, c.Seed, golden.Pandas)
		}
	}
}
