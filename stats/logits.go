package stats

import "math"

// logits is a score of the logits z of a file alone:
//
//	msp       max_c softmax(z)_c    (Hendrycks & Gimpel, ICLR 2017)
//	maxlogit  max_c z_c             (Hendrycks et al., ICML 2022)
//	energy    log Σ_c exp z_c       (Liu et al., NeurIPS 2020)
//
// The logit z of a single sigmoid unit counts as the two logits z/2 and −z/2.
type logits struct {
	width int
	of    func(largest, logSumExp float64) float64
}

func maxProbability(largest, logSumExp float64) float64 { return math.Exp(largest - logSumExp) }
func maxLogit(largest, _ float64) float64               { return largest }
func logSumExp(_, logSumExp float64) float64            { return logSumExp }

// logitsKind is the detector whose score is of(max_c z_c, log Σ_c exp z_c).
func logitsKind(name string, of func(largest, logSumExp float64) float64) kind {
	return kind{
		name: name,
		fit: func(_ *Detectors, t *Training, _ string) (detector, error) {
			x, err := t.Fit.layer(Logits)
			return &logits{x.Cols, of}, err
		},
		decode: func(_ *Detectors, r *decoder, _ string) detector {
			width := r.int(1 << 20)
			if width == 0 {
				r.fail("%s has no logits", name)
			}
			return &logits{width, of}
		},
	}
}

func (l *logits) score(dst []float64, x Features) error {
	z, err := x.layer(Logits)
	if err != nil {
		return err
	}
	if err := checkScores(dst, z, l.width); err != nil {
		return inLayer(Logits, err)
	}
	return inLayer(Logits, eachRow(z, func(i int, row []float64) { dst[i] = l.of(maxAndLogSumExp(row)) }))
}

func (l *logits) encode(e *encoder) { e.int(l.width) }

// maxAndLogSumExp returns max z and log Σ exp z.
func maxAndLogSumExp(z []float64) (largest, logSumExp float64) {
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
