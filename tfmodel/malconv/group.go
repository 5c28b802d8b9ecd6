package malconv

// differences returns what each symbol adds to a window beside symbol 0, in the
// embedding's space: E[s] − E[0], and for void, the last row, 0 − E[0].
// (V+1)×d.
func differences(w *Weights) []float32 {
	d := w.Embedding
	out := make([]float32, (w.Vocabulary+1)*d)
	copy(out, w.EmbeddingTable)
	for i := range out {
		out[i] -= w.EmbeddingTable[i%d]
	}
	return out
}

// groupKernel returns the convolution kernels of a group of filters, W×d×32: 16
// linear channels and their 16 gates, with zeros for filters there are not.
func groupKernel(w *Weights, group int) []float32 {
	first, last := group*lanes, min((group+1)*lanes, w.Filters)
	out := make([]float32, w.Window*w.Embedding*rowEntries)
	for i := range w.Window * w.Embedding {
		in, to := w.ConvKernel[i*2*w.Filters:], out[i*rowEntries:]
		copy(to, in[first:last])
		copy(to[lanes:], in[w.Filters+first:w.Filters+last])
	}
	return out
}

// groupBias sets dst to a group's bias with the sum over the window of symbol
// 0's rows: b + Σ_t Σ_c E[0][c]·K[t][c].
func groupBias(dst []float32, w *Weights, group int, kernel []float32) {
	var sum [rowEntries]float64
	for i := range min(lanes, w.Filters-group*lanes) {
		sum[i] = float64(w.ConvBias[group*lanes+i])
		sum[lanes+i] = float64(w.ConvBias[w.Filters+group*lanes+i])
	}
	for i := range w.Window * w.Embedding {
		e := float64(w.EmbeddingTable[i%w.Embedding])
		for j, v := range kernel[i*rowEntries : (i+1)*rowEntries] {
			sum[j] += e * float64(v)
		}
	}
	for j, v := range sum {
		dst[j] = float32(v)
	}
}
