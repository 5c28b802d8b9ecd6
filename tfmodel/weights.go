package tfmodel

import (
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
)

// Weights computes the model's weights signature: the named parameters, each
// flat in row-major order. A model without that signature is an error.
func (e *TensorFlow) Weights() (map[string][]float32, error) {
	sig, ok := e.saved.Signatures[weightsSignature]
	if !ok {
		return nil, fmt.Errorf("tfmodel: %s has no signature %q: convert the Keras file again with scripts/convert_savedmodel.py", e.model.Dir, weightsSignature)
	}
	var names []string
	var fetches []tf.Output
	for name, info := range sig.Outputs {
		if info.DType != tf.Float {
			continue
		}
		o, err := e.output(info.Name)
		if err != nil {
			return nil, fmt.Errorf("tfmodel: %s: %w", e.model.Dir, err)
		}
		names, fetches = append(names, name), append(fetches, o)
	}
	out, err := e.saved.Session.Run(nil, fetches, nil)
	if err != nil {
		return nil, fmt.Errorf("tfmodel: reading weights: %s", firstLine(err))
	}
	weights := make(map[string][]float32, len(names))
	for i, name := range names {
		n := int64(1)
		for _, d := range out[i].Shape() {
			n *= d
		}
		weights[name] = make([]float32, n)
		if err := copyTensor(weights[name], out[i]); err != nil {
			return nil, fmt.Errorf("tfmodel: weight %s: %w", name, err)
		}
	}
	return weights, nil
}
