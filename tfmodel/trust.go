package tfmodel

import (
	"fmt"
	"strings"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
)

// networkOps are the ops that a network computes with. None of them reaches
// beyond the memory of its inputs, its variables and its output.
//
// A SavedModel is a program, and TensorFlow has ops that read and write files,
// open connections, run Python or end the process; some are not even marked as
// having side effects. A list of those could never be complete: there are two
// thousand ops, and more with each release.
const networkOps = `
	Const Identity IdentityN NoOp Placeholder PlaceholderWithDefault StopGradient PreventGradient Snapshot EnsureShape

	PartitionedCall StatefulPartitionedCall If StatelessIf While StatelessWhile Case StatelessCase Assert CheckNumerics

	VarHandleOp ReadVariableOp AssignVariableOp VarIsInitializedOp VariableShape ResourceGather ResourceGatherNd

	Shape ShapeN Size Rank Reshape ExpandDims Squeeze Transpose Pad PadV2 MirrorPad Tile Concat ConcatV2 Pack Unpack
	Split SplitV Slice StridedSlice Gather GatherV2 GatherNd ScatterNd TensorScatterUpdate TensorScatterAdd
	TensorScatterMax TensorScatterMin Fill Range LinSpace ZerosLike OnesLike OneHot BroadcastTo BroadcastArgs Reverse
	ReverseV2 ReverseSequence Roll Where Select SelectV2 Cast Bitcast Unique UniqueV2 DynamicPartition DynamicStitch
	InvertPermutation MatrixBandPart SpaceToBatchND BatchToSpaceND SpaceToDepth DepthToSpace

	Abs Neg Sign Square Sqrt Rsqrt Reciprocal Exp Expm1 Log Log1p Pow Sin Cos Tanh Erf Erfc Floor Ceil Round Rint
	Add AddV2 AddN Sub Mul MulNoNan Div DivNoNan RealDiv TruncateDiv FloorDiv FloorMod Mod Maximum Minimum
	SquaredDifference ClipByValue Equal NotEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot
	IsNan IsInf IsFinite BitwiseAnd BitwiseOr BitwiseXor Invert LeftShift RightShift

	Sum Mean Prod Max Min All Any ArgMax ArgMin TopKV2 Cumsum L2Loss EuclideanNorm Bincount DenseBincount SegmentSum
	SegmentMean SegmentMax SegmentMin UnsortedSegmentSum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd

	MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum Conv Conv2D Conv3D DepthwiseConv2dNative BiasAdd BiasAddV1
	MaxPool MaxPoolV2 MaxPool3D AvgPool AvgPool3D FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN
	Relu Relu6 LeakyRelu Elu Selu Sigmoid Softplus Softsign Softmax LogSoftmax
`

// refused is what to do about a program that is refused.
const refused = "convert the Keras file yourself, or use --trust-model if you trust whoever made this model"

// interchangeable are the attributes of functions that TensorFlow's optimiser may
// exchange for each other after any check: a call could become one of the
// function that restores the variables.
var interchangeable = []string{"api_implements", "api_preferred_device"}

// check refuses a program that has other ops than networkOps. RestoreV2, which
// reads the variables and is needed to load any model, is accepted where the name
// of the files that it reads can only be the one that this package gives.
func (p *program) check() error {
	known := make(ops)
	for _, op := range strings.Fields(networkOps) {
		known[op] = true
	}
	if err := known.check("the graph", p.graph.GetNode(), ""); err != nil {
		return err
	}
	restorer := p.restorer()
	for _, f := range p.graph.GetLibrary().GetFunction() {
		for _, attr := range interchangeable {
			if f.GetAttr()[attr] != nil {
				return fmt.Errorf("function %q has the attribute %s, by which TensorFlow may call another function in its place, unseen: "+refused, f.GetSignature().GetName(), attr)
			}
		}
		var files string
		if args := f.GetSignature().GetInputArg(); f.GetSignature().GetName() == restorer && len(args) > 0 {
			files = args[0].GetName()
		}
		if err := known.check(fmt.Sprintf("function %q", f.GetSignature().GetName()), f.GetNodeDef(), files); err != nil {
			return err
		}
	}
	return nil
}

// restorer returns the name of the function that restores the variables, or ""
// where it could be called with another file name than this package's: by a
// second caller, or by a tensor that has a value without being fed.
func (p *program) restorer() string {
	var function string
	var fed bool
	for _, n := range p.graph.GetNode() {
		if n.GetName() == p.restore && first(n.GetInput())+":0" == p.filename {
			function = n.GetAttr()["f"].GetFunc().GetName()
		}
		fed = fed || n.GetName()+":0" == p.filename && n.GetOp() == "Placeholder"
	}
	if !fed || p.calls[function] != 1 {
		return ""
	}
	return function
}

// ops is a set of names of ops.
type ops map[string]bool

// check refuses other ops among the nodes of a graph or function, which where
// names. files is the tensor there that holds the name of the variables' files,
// or "".
func (known ops) check(where string, nodes []*nodepb.NodeDef, files string) error {
	for _, n := range nodes {
		op := n.GetOp()
		restores := op == "RestoreV2" && files != "" && first(n.GetInput()) == files
		if !known[op] && !restores {
			return fmt.Errorf("node %q in %s is a %q, which is not among the ops that a network computes with and may reach files, processes or connections: "+refused, n.GetName(), where, op)
		}
	}
	return nil
}

// first returns the first of the strings, or "".
func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
