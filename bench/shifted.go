package bench

import (
	"context"
	"io"

	"driftbench/bench/dataset"
	"driftbench/bench/features"
	"driftbench/stats"
)

// ShiftedBytes is the accuracy of the model on some fit rows if every byte is
// changed by a number. Networks are trained on bytes 0 to 255, or on 1 to 256 with
// 0 for padding; a model that is given the other values answers with confidence
// and knows nothing.
type ShiftedBytes struct {
	By       int     `json:"by"`
	Files    int     `json:"files"`
	Accuracy float64 `json:"accuracy"`
}

// shiftedFiles is the number of fit files that are run with changed bytes.
const shiftedFiles = 64

// wellKnown is the accuracy on fit rows from which on no other values of the
// bytes are tried.
const wellKnown = 0.9

// measureShifted measures the accuracy with changed bytes if that on the extracted
// fit split is below wellKnown, and records it in the manifest.
func (x *extraction) measureShifted(ctx context.Context, e *extractor, fit extracted) error {
	classes := map[string]int{}
	for i, l := range x.corpus.Labels {
		classes[l] = i
	}
	predicted, _ := predict(fit.Split, len(x.corpus.Labels))
	right, labelled := 0, 0
	for i, c := range predicted {
		if class, ok := classes[fit.Rows[i].Label]; ok {
			labelled++
			if c == class {
				right++
			}
		}
	}
	if float64(right) >= wellKnown*float64(labelled) {
		return nil
	}
	var rows []dataset.Row
	all := x.corpus.Splits.Fit.Rows
	for i := range min(shiftedFiles, len(all)) {
		if row := all[i*len(all)/min(shiftedFiles, len(all))]; row.Class >= 0 {
			rows = append(rows, row)
		}
	}
	r, err := dataset.NewReader(ctx, x.corpus.Config, rows, dataset.ReadOptions{MaxLen: e.maxLen, Batch: len(rows)})
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := r.Next()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	defer b.Release()
	for _, by := range []int{1, -1} {
		files := make([][]byte, len(b.Files))
		for i, f := range b.Files {
			files[i] = make([]byte, len(f))
			for j, v := range f {
				files[i][j] = v + byte(by)
			}
		}
		s := features.Split{Rows: make([]features.Row, len(files))}
		var dst [][]float32
		for _, l := range e.layers {
			out := make([]float32, len(files)*l.Width)
			dst = append(dst, out)
			if l.Name == stats.Logits {
				s.Layers = append(s.Layers, features.Layer{Name: l.Name, Width: l.Width, Data: out})
			}
		}
		if err := e.engine.Run(dst, files); err != nil {
			return err
		}
		predicted, _ := predict(s, len(x.corpus.Labels))
		right := 0
		for i, c := range predicted {
			if c == rows[b.Rows[i]].Class {
				right++
			}
		}
		x.manifest.Shifted = append(x.manifest.Shifted, ShiftedBytes{by, len(files), float64(right) / float64(len(files))})
	}
	return nil
}
