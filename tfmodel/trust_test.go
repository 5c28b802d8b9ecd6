package tfmodel_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	opdefpb "github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"driftbench/tfmodel"
)

// text is a Const that holds a string.
func text(name, value string) *nodepb.NodeDef {
	return &nodepb.NodeDef{Name: name, Op: "Const", Attr: map[string]*attrpb.AttrValue{
		"dtype": {Value: &attrpb.AttrValue_Type{Type: typespb.DataType_DT_STRING}},
		"value": {Value: &attrpb.AttrValue_Tensor{Tensor: &tensorpb.TensorProto{
			Dtype:       typespb.DataType_DT_STRING,
			TensorShape: &shapepb.TensorShapeProto{},
			StringVal:   [][]byte{[]byte(value)},
		}}},
	}}
}

// serving is the node that computes the serving signature.
func serving(g *corepb.MetaGraphDef) *nodepb.NodeDef {
	name, _, _ := strings.Cut(g.SignatureDef["serving_default"].Outputs["logits"].GetName(), ":")
	return node(g.GraphDef.Node, name)
}

func node(nodes []*nodepb.NodeDef, name string) *nodepb.NodeDef {
	for _, n := range nodes {
		if n.Name == name {
			return n
		}
	}
	panic("no node " + name)
}

// restorer is the function that restores the variables.
func restorer(g *corepb.MetaGraphDef) *functionpb.FunctionDef {
	name := node(g.GraphDef.Node, g.SaverDef.RestoreOpName).Attr["f"].GetFunc().Name
	for _, f := range g.GraphDef.Library.Function {
		if f.Signature.Name == name {
			return f
		}
	}
	panic("no function " + name)
}

// addFunction adds a function of one node to the library.
func addFunction(g *corepb.MetaGraphDef, name string, n *nodepb.NodeDef) *attrpb.NameAttrList {
	g.GraphDef.Library.Function = append(g.GraphDef.Library.Function, &functionpb.FunctionDef{
		Signature: &opdefpb.OpDef{Name: name}, NodeDef: []*nodepb.NodeDef{n},
	})
	return &attrpb.NameAttrList{Name: name}
}

// addBefore adds nodes to the graph that run before the serving signature does.
func addBefore(g *corepb.MetaGraphDef, nodes ...*nodepb.NodeDef) {
	g.GraphDef.Node = append(g.GraphDef.Node, nodes...)
	s := serving(g)
	s.Input = append(s.Input, "^"+nodes[len(nodes)-1].Name)
}

// openEdited opens a copy of the default model after an edit of its graph.
func openEdited(t *testing.T, opt tfmodel.Options, edit func(*corepb.MetaGraphDef)) (*tfmodel.Model, tfmodel.Engine, error) {
	t.Helper()
	dir := copyModel(t, "default")
	editGraph(t, dir, func(_ *corepb.SavedModel, g *corepb.MetaGraphDef) { edit(g) })
	m, err := tfmodel.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	opt.Engine, opt.Device = "tensorflow", tfmodel.CPU
	e, _, err := tfmodel.Open(m, opt)
	if err == nil {
		t.Cleanup(func() { e.Close() })
	} else if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %q, want one line with the folder", err)
	}
	return m, e, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestModelThatWritesFiles holds that a model can write files, that it is
// refused before it did, and that it is left to who trusts it.
func TestModelThatWritesFiles(t *testing.T) {
	written := filepath.Join(t.TempDir(), "written")
	writer := func(g *corepb.MetaGraphDef) {
		addBefore(g, text("name", written), text("content", "x"), &nodepb.NodeDef{Name: "writer", Op: "WriteFile", Input: []string{"name", "content"}})
	}
	_, _, err := openEdited(t, tfmodel.Options{}, writer)
	if err == nil || !strings.Contains(err.Error(), `node "writer" in the graph is a "WriteFile"`) || !strings.Contains(err.Error(), "--trust-model") {
		t.Errorf("error %v, want the node, its op and what to do", err)
	}
	if exists(written) {
		t.Error("the model wrote its file although it was refused")
	}
	m, e, err := openEdited(t, tfmodel.Options{TrustModel: true}, writer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(e, m, [][]byte{nil}); err != nil {
		t.Fatal(err)
	}
	if !exists(written) {
		t.Error("the model that is trusted wrote no file: this test proves nothing")
	}
}

// TestWhatNoSignatureNeedsIsNotLoaded holds that nodes which lie in the graph,
// or which it wants run at initialisation, never run.
func TestWhatNoSignatureNeedsIsNotLoaded(t *testing.T) {
	written := filepath.Join(t.TempDir(), "written")
	for _, trust := range []bool{false, true} {
		m, e, err := openEdited(t, tfmodel.Options{TrustModel: trust}, func(g *corepb.MetaGraphDef) {
			g.GraphDef.Node = append(g.GraphDef.Node, text("name", written), text("content", "x"), &nodepb.NodeDef{Name: "writer", Op: "WriteFile", Input: []string{"name", "content"}})
			g.SignatureDef["__saved_model_init_op"].Outputs["__saved_model_init_op"].Encoding = &corepb.TensorInfo_Name{Name: "writer"}
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run(e, m, [][]byte{nil}); err != nil {
			t.Fatal(err)
		}
		if exists(written) {
			t.Errorf("trusted %v: the file was written", trust)
		}
	}
}

// TestRefusedOps names ops that reach beyond computing, and how. Where they
// stand does not matter; the next test varies that.
func TestRefusedOps(t *testing.T) {
	for op, why := range map[string]string{
		"ReadFile":                    "reads files, and does not say that it is more than a function",
		"WriteFile":                   "writes files",
		"MatchingFiles":               "lists folders",
		"ImmutableConst":              "maps a file into memory",
		"WholeFileReaderV2":           "reads files",
		"TextLineDataset":             "reads files",
		"TFRecordDatasetV2":           "reads files",
		"SqlDataset":                  "opens data bases",
		"LMDBReader":                  "opens data bases",
		"SaveDatasetV2":               "writes files",
		"DatasetToTFRecord":           "writes files",
		"SaveV2":                      "writes files",
		"SaveSlices":                  "writes files",
		"MergeV2Checkpoints":          "renames and deletes files",
		"RestoreV2":                   "reads files, on the network too",
		"Restore":                     "reads files",
		"LoadAndRemapMatrix":          "reads files",
		"GenerateVocabRemapping":      "reads files",
		"InitializeTableFromTextFile": "reads files",
		"DecodeProtoV2":               "reads a file of descriptors",
		"CreateSummaryFileWriter":     "writes files",
		"DumpTensor":                  "writes files",
		"PrintV2":                     "writes files when its output stream is a path",
		"DebugIdentityV3":             "writes files and opens connections",
		"PyFunc":                      "runs Python",
		"PyFuncStateless":             "runs Python",
		"EagerPyFunc":                 "runs Python",
		"GeneratorDataset":            "runs functions of its own",
		"RpcClient":                   "opens connections",
		"RpcServer":                   "opens a port",
		"DataServiceDatasetV4":        "opens connections",
		"RemoteCall":                  "runs functions elsewhere",
		"Send":                        "sends tensors elsewhere",
		"XlaCallModule":               "runs a program within the program",
		"XlaHostCompute":              "runs a program within the program",
		"Abort":                       "ends the process",
		"SleepOp":                     "waits",
		"NoSuchOp":                    "is not known",
	} {
		_, _, err := openEdited(t, tfmodel.Options{}, func(g *corepb.MetaGraphDef) {
			addBefore(g, &nodepb.NodeDef{Name: "strange", Op: op})
		})
		if err == nil || !strings.Contains(err.Error(), `node "strange" in the graph is a "`+op+`"`) {
			t.Errorf("%s, which %s: error %v", op, why, err)
		}
	}
}

func TestRefusedPlaces(t *testing.T) {
	strange := func() *nodepb.NodeDef { return &nodepb.NodeDef{Name: "strange", Op: "ReadFile"} }
	function := func(f *attrpb.NameAttrList) *attrpb.AttrValue {
		return &attrpb.AttrValue{Value: &attrpb.AttrValue_Func{Func: f}}
	}
	list := func(f ...*attrpb.NameAttrList) *attrpb.AttrValue {
		return &attrpb.AttrValue{Value: &attrpb.AttrValue_List{List: &attrpb.AttrValue_ListValue{Func: f}}}
	}
	call := func(op, attr string, v *attrpb.AttrValue) *nodepb.NodeDef {
		return &nodepb.NodeDef{Name: "call", Op: op, Attr: map[string]*attrpb.AttrValue{attr: v}}
	}
	// restores returns the node RestoreV2 of the function that restores.
	restores := func(g *corepb.MetaGraphDef) *nodepb.NodeDef { return node(restorer(g).NodeDef, "RestoreV2") }
	for name, c := range map[string]struct {
		edit func(g *corepb.MetaGraphDef)
		want string
	}{
		"function": {func(g *corepb.MetaGraphDef) {
			addBefore(g, call("PartitionedCall", "f", function(addFunction(g, "deep", strange()))))
		}, `node "strange" in function "deep"`},
		"list of functions": {func(g *corepb.MetaGraphDef) {
			addBefore(g, call("Case", "branches", list(addFunction(g, "harmless", text("a", "a")), addFunction(g, "deep", strange()))))
		}, `node "strange" in function "deep"`},
		"function called by a function": {func(g *corepb.MetaGraphDef) {
			deep := addFunction(g, "deep", strange())
			addBefore(g, call("PartitionedCall", "f", function(addFunction(g, "outer", call("While", "body", function(deep))))))
		}, `node "strange" in function "deep"`},
		"attribute of a function's name": {func(g *corepb.MetaGraphDef) {
			f := addFunction(g, "harmless", text("a", "a"))
			f.Attr = map[string]*attrpb.AttrValue{"f": function(addFunction(g, "deep", strange()))}
			addBefore(g, call("PartitionedCall", "f", function(f)))
		}, `node "strange" in function "deep"`},
		"function called as an op": {func(g *corepb.MetaGraphDef) {
			addFunction(g, "deep", strange())
			addBefore(g, &nodepb.NodeDef{Name: "call", Op: "deep"})
		}, `node "call" in the graph is a "deep"`},
		"function that another may stand for": {func(g *corepb.MetaGraphDef) {
			f := addFunction(g, "harmless", text("a", "a"))
			library := g.GraphDef.Library.Function
			for _, f := range []*functionpb.FunctionDef{library[len(library)-1], restorer(g)} {
				f.Attr = map[string]*attrpb.AttrValue{"api_implements": {Value: &attrpb.AttrValue_S{S: []byte("same")}}}
			}
			addBefore(g, call("PartitionedCall", "f", function(f)))
		}, "has the attribute api_implements"},
		"input of an input": {func(g *corepb.MetaGraphDef) {
			addBefore(g, strange(), &nodepb.NodeDef{Name: "between", Op: "Identity", Input: []string{"strange:0"}})
		}, `node "strange" in the graph`},
		"restoring": {func(g *corepb.MetaGraphDef) {
			f := restorer(g)
			f.NodeDef = append(f.NodeDef, strange())
		}, `node "strange" in function "`},
		"restoring from a file of the model's choice": {func(g *corepb.MetaGraphDef) {
			f := restorer(g)
			f.NodeDef = append(f.NodeDef, text("name", "/etc/passwd"))
			restores(g).Input[0] = "name:output:0"
		}, `is a "RestoreV2"`},
		"restoring by a name that is computed": {func(g *corepb.MetaGraphDef) {
			n := node(g.GraphDef.Node, g.SaverDef.RestoreOpName)
			g.GraphDef.Node = append(g.GraphDef.Node, text("name", "/etc/passwd"))
			n.Input[0] = "name"
		}, `is a "RestoreV2"`},
		"restoring by a name that has a value of its own": {func(g *corepb.MetaGraphDef) {
			n, c := node(g.GraphDef.Node, "saver_filename"), text("saver_filename", "/etc/passwd")
			n.Op, n.Attr = c.Op, c.Attr
			s := serving(g)
			s.Input = append(s.Input, "^"+g.SaverDef.RestoreOpName)
		}, `is a "RestoreV2"`},
		"restoring a second time": {func(g *corepb.MetaGraphDef) {
			again := proto.Clone(node(g.GraphDef.Node, g.SaverDef.RestoreOpName)).(*nodepb.NodeDef)
			again.Name, again.Input[0] = "again", "name"
			addBefore(g, text("name", "/etc/passwd"), again)
		}, `is a "RestoreV2"`},
		"restoring while serving": {func(g *corepb.MetaGraphDef) {
			addBefore(g, call("PartitionedCall", "f", function(addFunction(g, "deep", proto.Clone(restores(g)).(*nodepb.NodeDef)))))
		}, `node "RestoreV2" in function "deep" is a "RestoreV2"`},
		"saving": {func(g *corepb.MetaGraphDef) {
			name, _, _ := strings.Cut(g.SaverDef.SaveTensorName, ":")
			s := serving(g)
			s.Input = append(s.Input, "^"+name)
		}, `in function "__inference__traced_save`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := openEdited(t, tfmodel.Options{}, c.edit)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--trust-model") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
