package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestAUT(t *testing.T) {
	for _, c := range []struct {
		metric []float64
		want   float64
	}{
		{[]float64{0.8, 0.8, 0.8}, 0.8},
		{[]float64{1, 0}, 0.5},
		{[]float64{1, 0.5, 0, 0}, (0.75 + 0.25 + 0) / 3},
	} {
		if got := AUT(c.metric); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("AUT(%v) = %v, want %v", c.metric, got, c.want)
		}
	}
	if got := AUT([]float64{1}); !math.IsNaN(got) {
		t.Errorf("AUT of one point is %v", got)
	}
}

// One file of 111 taken for a class that the month does not have: F1 of its
// one class is 2·110/(111+110).
func TestMacroF1OfOneClass(t *testing.T) {
	truth, predicted := make([]int, 111), make([]int, 111)
	predicted[7] = 2
	if got, want := NewConfusion(4, truth, predicted).MacroF1(), 220.0/221; got != want {
		t.Errorf("macro-F1 %v, want %v", got, want)
	}
	if got := NewConfusion(4, nil, nil).MacroF1(); !math.IsNaN(got) {
		t.Errorf("macro-F1 of no files is %v", got)
	}
}

func TestWilsonHoldsItsShare(t *testing.T) {
	for n := 1; n <= 400; n++ {
		for k := 0; k <= n; k++ {
			if i := Wilson(k, n); !(0 <= i.Lo && i.Lo <= i.Value && i.Value <= i.Hi && i.Hi <= 1) {
				t.Fatalf("%d of %d: %v is not in [%v, %v]", k, n, i.Value, i.Lo, i.Hi)
			}
		}
	}
}

func TestRejection(t *testing.T) {
	scores := []float64{4, 3, 2, 1}
	correct := []bool{true, true, false, true}
	r := Reject(files(scores), correct, 2.5)
	if r.Coverage != Wilson(2, 4) || r.Accuracy != Wilson(2, 2) {
		t.Errorf("coverage %v, accuracy %v", r.Coverage, r.Accuracy)
	}
	want := [][2]float64{{0.25, 1}, {0.5, 1}, {0.75, 2.0 / 3}, {1, 0.75}}
	for i, p := range want {
		if i >= len(r.Curve) || math.Abs(r.Curve[i][1]-p[1]) > 1e-12 || r.Curve[i][0] != p[0] {
			t.Fatalf("curve %v, want %v", r.Curve, want)
		}
	}
	if math.Abs(r.Misclassified.Value-2.0/3) > 1e-12 {
		t.Errorf("AUROC %v", r.Misclassified)
	}
	if r := Reject(Sample{}, nil, 0); !math.IsNaN(r.AURC) || !math.IsNaN(r.Coverage.Value) || !math.IsNaN(r.Accuracy.Value) {
		t.Errorf("no files: %+v", r)
	}
}

// Ties count as the mean over all orders among them.
func TestAURCOfTies(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 1))
	scores := []float64{2, 2, 2, 1, 1, 1, 1, 0}
	correct := []bool{true, false, true, true, false, false, true, false}
	want := 0.0
	const orders = 20_000
	for range orders {
		broken := make([]float64, len(scores))
		for i := range broken {
			broken[i] = scores[i] + rng.Float64()/2
		}
		want += Reject(files(broken), correct, 0).AURC / orders
	}
	if got := Reject(files(scores), correct, 0).AURC; math.Abs(got-want) > 0.003 {
		t.Errorf("AURC %v, mean over orders %v", got, want)
	}
}

func TestECE(t *testing.T) {
	// Two bins of 0.5: below, 3 files of mean confidence 0.4 and accuracy 1/3;
	// above, 1 file of confidence 0.9 that is right.
	ece, bins := ECE([]float64{0.5, 0.3, 0.4, 0.9}, []bool{true, false, false, true}, 2)
	want := 3./4*(0.4-1./3) + 1./4*0.1
	if math.Abs(ece-want) > 1e-15 {
		t.Errorf("ECE %v, want %v", ece, want)
	}
	if bins[0].N != 3 || bins[1].N != 1 || math.Abs(bins[0].Confidence-0.4) > 1e-15 || bins[0].Accuracy != 1./3 || bins[1].Accuracy != 1 {
		t.Errorf("bins %+v", bins)
	}
	if ece, bins := ECE(nil, nil, 3); !math.IsNaN(ece) || !math.IsNaN(bins[0].Accuracy) {
		t.Errorf("without files: %v, %+v", ece, bins)
	}
	// 0 and 1 are in the first and the last bin; a perfect classifier has no error.
	if ece, bins := ECE([]float64{0, 1}, []bool{false, true}, 10); ece != 0 || bins[0].N != 1 || bins[9].N != 1 {
		t.Errorf("%v, %+v", ece, bins)
	}
}

func TestAUTAt(t *testing.T) {
	metric := []float64{0.9, 0.5, 0.7}
	if got, want := AUTAt([]float64{3, 4, 5}, metric), AUT(metric); math.Abs(got-want) > 1e-15 {
		t.Errorf("equally far apart: %v, AUT %v", got, want)
	}
	// 1·0.7 + 3·0.6 over 4.
	if got := AUTAt([]float64{0, 1, 4}, metric); math.Abs(got-2.5/4) > 1e-15 {
		t.Errorf("%v, want %v", got, 2.5/4)
	}
	if got := AUTAt([]float64{1}, []float64{1}); !math.IsNaN(got) {
		t.Errorf("one value: %v", got)
	}
}

func TestSpread(t *testing.T) {
	if got := Spread([]float64{1, math.NaN(), 3, 8}); math.Abs(got-math.Sqrt(13)) > 1e-15 {
		t.Errorf("%v, want √13", got)
	}
	if got := Spread([]float64{1, math.NaN()}); !math.IsNaN(got) {
		t.Errorf("one value: %v", got)
	}
}
