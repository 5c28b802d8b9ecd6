package malconv

import "math"

// activation returns an activation by its Keras name, or nil.
func activation(name string) func(float64) float64 {
	switch name {
	case "linear":
		return func(x float64) float64 { return x }
	case "relu":
		return func(x float64) float64 { return max(x, 0) }
	case "sigmoid":
		return func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	case "tanh":
		return math.Tanh
	}
	return nil
}

// dense sets dst = f(x·kernel + bias) for one row x; kernel is
// len(x)×len(dst). The sums are float64: a file has one such row, against
// hundreds of windows, so precision is free here.
func dense(dst, x, kernel, bias []float32, f func(float64) float64) {
	sum := make([]float64, len(dst))
	for j, b := range bias {
		sum[j] = float64(b)
	}
	for i, v := range x {
		for j, k := range kernel[i*len(dst) : (i+1)*len(dst)] {
			// The product of two float32 is exact in float64, so a fused
			// multiply-add gives the same sum.
			sum[j] += float64(v) * float64(k)
		}
	}
	for j, s := range sum {
		dst[j] = float32(f(s))
	}
}
