package stats

import "math"

// logits scores by the logits z of a file alone:
//
//	msp       max_c softmax(z)_c    (Hendrycks & Gimpel, ICLR 2017)
//	maxlogit  max_c z_c             (Hendrycks et al., ICML 2022)
//	energy    log Σ_c exp z_c       (Liu et al., NeurIPS 2020)
//
// A single sigmoid unit z is the pair of logits z/2, −z/2.
type logits struct {
	kind  string
	width int
}

func fitLogits(t *Training, kind string) (detector, error) {
	x, err := t.Fit.layer(Logits)
	if err != nil {
		return nil, err
	}
	return &logits{kind, x.Cols}, nil
}

func (l *logits) score(dst []float64, x Features) error {
	z, err := x.layer(Logits)
	if err != nil {
		return err
	}
	if err := checkScores(dst, z, l.width); err != nil {
		return inLayer(Logits, err)
	}
	return inLayer(Logits, eachRow(z, func(i int, row []float64) {
		largest, energy := maxAndEnergy(row)
		switch l.kind {
		case nameMSP:
			dst[i] = math.Exp(largest - energy)
		case nameMaxLogit:
			dst[i] = largest
		case nameEnergy:
			dst[i] = energy
		}
	}))
}

// maxAndEnergy returns max z and log Σ exp z.
func maxAndEnergy(z []float64) (largest, energy float64) {
	if len(z) == 1 {
		z = []float64{z[0] / 2, -z[0] / 2}
	}
	largest = math.Inf(-1)
	for _, v := range z {
		largest = max(largest, v)
	}
	sum := 0.0
	for _, v := range z {
		sum += math.Exp(v - largest)
	}
	return largest, largest + math.Log(sum)
}
