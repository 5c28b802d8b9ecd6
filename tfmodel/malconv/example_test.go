package malconv_test

import (
	"fmt"
	"log"

	"driftbench/tfmodel/malconv"
)

// A MalConv of one filter over two windows of two bytes, whose gate is half
// open: layer7 is the larger of the windows' sums, halved.
func ExampleEngine_Run() {
	w := malconv.Weights{
		MaxLen: 4, Vocabulary: 256, Pad: 0, Embedding: 1, Filters: 1, Window: 2, Windows: 2,
		ConvActivation: "linear", MergeActivation: "relu", DenseActivation: "linear",
		EmbeddingTable: make([]float32, 256),
		ConvKernel:     []float32{1, 0, 1, 0}, // linear and gate, of two positions
		ConvBias:       []float32{0, 0},
		DenseKernel:    []float32{10}, DenseBias: []float32{1},
		LogitsKernel: []float32{1, -1}, LogitsBias: []float32{0, 0},
	}
	for s := range w.EmbeddingTable {
		w.EmbeddingTable[s] = float32(s)
	}
	e, err := malconv.New(w, malconv.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	var out malconv.Outputs
	if err := e.Run(&out, [][]byte{{1, 2, 3, 4}, {9}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.Layer7, out.Layer8, out.Logits)
	// Output: [3.5 4.5] [36 46] [36 -36 46 -46]
}
