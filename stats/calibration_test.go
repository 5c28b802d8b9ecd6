package stats

import (
	"math"
	"testing"
)

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
