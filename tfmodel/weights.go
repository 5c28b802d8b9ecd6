package tfmodel

import (
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// Weights computes the model's weights signature: the named parameters, each
// flat in row-major order. A model without that signature is an error.
func (e *TensorFlow) Weights() (map[string][]float32, error) {
	sig := e.model.meta.GetSignatureDef()[weightsSignature]
	if sig == nil {
		return nil, fmt.Errorf("tfmodel: %s has no signature %q: convert the Keras file again with scripts/convert_savedmodel.py", e.model.Dir, weightsSignature)
	}
	var names []string
	var fetches []tf.Output
	for name, info := range sig.GetOutputs() {
		if info.GetDtype() != typespb.DataType_DT_FLOAT {
			continue
		}
		o, err := e.loaded.output(info.GetName())
		if err != nil {
			return nil, fmt.Errorf("tfmodel: %s: %w", e.model.Dir, err)
		}
		names, fetches = append(names, name), append(fetches, o)
	}
	out, err := e.loaded.session.Run(nil, fetches, nil)
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
