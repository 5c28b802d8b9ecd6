package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// tprAt reads a curve at an FPR, straight between its points.
func tprAt(curve [][2]float64, fpr float64) (lo, hi float64) {
	lo, hi = 1, 0
	for i, p := range curve {
		if p[0] == fpr {
			lo, hi = min(lo, p[1]), max(hi, p[1])
		}
		if i > 0 && curve[i-1][0] < fpr && fpr < p[0] {
			q := curve[i-1]
			v := q[1] + (p[1]-q[1])*(fpr-q[0])/(p[0]-q[0])
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}

func TestROC(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 1))
	for _, n := range []int{1, 10, 5000} {
		in, out := normals(rng, n, 1), normals(rng, n+3, 0)
		curve := ROC(in, out, 200)
		if len(curve) > 200 || curve[0] != [2]float64{0, 0} || curve[len(curve)-1] != [2]float64{1, 1} {
			t.Fatalf("%d files: %d points from %v to %v", n, len(curve), curve[0], curve[len(curve)-1])
		}
		area := 0.0
		for i, p := range curve[1:] {
			q := curve[i]
			if p[0] < q[0] || p[1] < q[1] {
				t.Fatalf("%d files: the curve falls from %v to %v", n, q, p)
			}
			area += (p[0] - q[0]) * (p[1] + q[1]) / 2
		}
		if want := DeLong(in, out).Value; math.Abs(area-want) > 0.001 {
			t.Errorf("%d files: area %v, AUROC %v", n, area, want)
		}
		// Every point of the full curve is close to the thinned one.
		for _, p := range ROC(in, out, 1_000_000) {
			if lo, hi := tprAt(curve, p[0]); p[1] < lo-0.011 || p[1] > hi+0.011 {
				t.Errorf("%d files: at FPR %v the full curve is at %v, the thinned one at %v to %v", n, p[0], p[1], lo, hi)
			}
		}
	}
	if ROC(nil, []float64{1}, 200) != nil {
		t.Error("a curve of no In files")
	}
	if curve := ROC([]float64{1, 1}, []float64{1}, 200); len(curve) != 2 {
		t.Errorf("constant scores give %v, not the diagonal", curve)
	}
}

func TestThreshold(t *testing.T) {
	for _, c := range []struct {
		scores []float64
		want   float64
	}{
		{[]float64{20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 2}, // keeps 19 of 20
		{[]float64{3, 1, 2}, 1},
		{[]float64{5, 5, 5, 5}, 5},
	} {
		got := Threshold(c.scores, 0.95)
		if got != c.want || Below(c.scores, got) > 0.05 {
			t.Errorf("%v: threshold %v, want %v, rejects %v", c.scores, got, c.want, Below(c.scores, got))
		}
	}
	if got := Threshold(nil, 0.95); !math.IsNaN(got) {
		t.Errorf("no scores: %v", got)
	}
}

func TestHistogram(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 2))
	in, out := normals(rng, 4000, 1), normals(rng, 1000, 0)
	in[0] = -1e9 // must not leave all others in one bin
	edges := Edges(40, in, out)
	if len(edges) != 41 || edges[0] < -4 || edges[40] > 5 {
		t.Fatalf("edges %v", edges)
	}
	for _, scores := range [][]float64{in, out} {
		sum := 0.0
		shares := Histogram(edges, scores)
		for b, share := range shares {
			sum += share
			if b == 0 || b == 39 {
				continue
			}
			count := 0
			for _, s := range scores {
				if edges[b] <= s && s < edges[b+1] {
					count++
				}
			}
			if math.Abs(share-float64(count)/float64(len(scores))) > 1e-9 {
				t.Errorf("bin %d has the share %v of %d, and %d in it", b, share, len(scores), count)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("shares add up to %v", sum)
		}
	}
	if shares := Histogram(Edges(4, []float64{7, 7}), []float64{7, 7}); shares[2] != 1 {
		t.Errorf("constant scores: %v", shares)
	}
}
