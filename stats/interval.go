package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// confidence is the level of every interval of this package.
const confidence = 0.95

// Interval is a value with its 95% interval.
type Interval struct{ Value, Lo, Hi float64 }

// normalQuantile is the standard normal's quantile of (1+confidence)/2.
const normalQuantile = 1.959963984540054

// proportionInterval is the interval of a mean that lies between 0 and 1, from
// its standard error and degrees of freedom. It is symmetric in logit(p) and so
// never leaves [0, 1]; at 0 and 1 there is no logit, and the caller needs
// another rule.
func proportionInterval(p, se, df float64) Interval {
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile((1 + confidence) / 2)
	logit, width := math.Log(p/(1-p)), t*se/(p*(1-p))
	return Interval{Value: p, Lo: expit(logit - width), Hi: expit(logit + width)}
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// welch is the degrees of freedom of a variance that is the sum of two
// estimated parts (Welch–Satterthwaite).
func welch(a, dfA, b, dfB float64) float64 {
	return (a + b) * (a + b) / (a*a/dfA + b*b/dfB)
}

// String is the value and its interval, as in "0.712 [0.690, 0.733]".
func (i Interval) String() string { return fmt.Sprintf("%.3f [%.3f, %.3f]", i.Value, i.Lo, i.Hi) }
