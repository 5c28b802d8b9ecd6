package tfmodel

import (
	"strings"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// program is the part of a SavedModel that is loaded: what the signatures and
// restoring the variables need. Whatever else the file holds, such as training
// steps and a saver, can then neither be called nor be evaluated by an optimiser
// of TensorFlow.
type program struct {
	graph *graphpb.GraphDef
	calls map[string]int // how often each function is referred to

	// The op that restores the variables, "" where there are none, and the
	// tensor with the name of their files.
	restore, filename string
}

// newProgram cuts the program out of a SavedModel's graph.
func newProgram(meta *corepb.MetaGraphDef) *program {
	r := reach{
		nodes:     make(map[string]*nodepb.NodeDef),
		functions: make(map[string]*functionpb.FunctionDef),
		kept:      make(map[any]bool),
		calls:     make(map[string]int),
	}
	whole, saver := meta.GetGraphDef(), meta.GetSaverDef()
	for _, n := range whole.GetNode() {
		r.nodes[n.GetName()] = n
	}
	for _, f := range whole.GetLibrary().GetFunction() {
		r.functions[f.GetSignature().GetName()] = f
	}
	for _, name := range []string{servingSignature, windowsSignature, weightsSignature} {
		sig := meta.GetSignatureDef()[name]
		for _, tensors := range []map[string]*corepb.TensorInfo{sig.GetInputs(), sig.GetOutputs()} {
			for _, t := range tensors {
				r.node(t.GetName())
			}
		}
	}
	r.node(saver.GetRestoreOpName())
	r.node(saver.GetFilenameTensorName())

	p := &program{
		graph:    &graphpb.GraphDef{Versions: whole.GetVersions(), Library: &functionpb.FunctionDefLibrary{}},
		calls:    r.calls,
		restore:  saver.GetRestoreOpName(),
		filename: saver.GetFilenameTensorName(),
	}
	for _, n := range whole.GetNode() {
		if r.kept[n] {
			p.graph.Node = append(p.graph.Node, n)
		}
	}
	for _, f := range whole.GetLibrary().GetFunction() {
		if r.kept[f] {
			p.graph.Library.Function = append(p.graph.Library.Function, f)
		}
	}
	return p
}

// reach collects the nodes and functions that wanted nodes depend on.
type reach struct {
	nodes     map[string]*nodepb.NodeDef
	functions map[string]*functionpb.FunctionDef
	kept      map[any]bool // nodes and functions
	calls     map[string]int
}

// node keeps the node of a tensor, "name:index", "name" or "^name".
func (r *reach) node(tensor string) {
	n := r.nodes[nodeName(tensor)]
	if n == nil || r.kept[n] {
		return
	}
	r.kept[n] = true
	for _, input := range n.GetInput() {
		r.node(input)
	}
	r.needsOf(n)
}

// needsOf keeps what a node needs besides its inputs: the functions that it calls
// and the nodes that it is to be placed with.
func (r *reach) needsOf(n *nodepb.NodeDef) {
	r.function(n.GetOp()) // a function may be called as if it were an op
	r.attrs(n.GetAttr())
	for _, s := range n.GetAttr()["_class"].GetList().GetS() {
		if beside, ok := strings.CutPrefix(string(s), "loc:@"); ok {
			r.node(beside)
		}
	}
}

func (r *reach) attrs(attrs map[string]*attrpb.AttrValue) {
	for _, a := range attrs {
		for _, f := range append(a.GetList().GetFunc(), a.GetFunc()) {
			r.function(f.GetName())
			r.attrs(f.GetAttr())
		}
	}
}

func (r *reach) function(name string) {
	f := r.functions[name]
	if f == nil {
		return
	}
	r.calls[name]++
	if r.kept[f] {
		return
	}
	r.kept[f] = true
	r.attrs(f.GetAttr())
	for _, n := range f.GetNodeDef() {
		r.needsOf(n)
	}
}

// nodeName returns the name of the node of a tensor or of a control input.
func nodeName(tensor string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(tensor, "^"), ":")
	return name
}
