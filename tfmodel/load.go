package tfmodel

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"driftbench/internal/libtensorflow"
)

// loaded is a session with a program whose variables are restored.
type loaded struct {
	graph   *tf.Graph
	session *tf.Session
}

// load loads the program of a model into a session. The binding's own loader
// would load all of the file, and run what the file names for initialisation.
func load(m *Model, trust bool, options *corepb.ConfigProto) (*loaded, error) {
	p, err := m.program(trust)
	if err != nil {
		return nil, err
	}
	if p.restore != "" {
		if err := checkVariables(m.Dir); err != nil {
			return nil, fmt.Errorf("reading the variables: %w", err)
		}
	}
	if err := libtensorflow.Load(); err != nil {
		return nil, err
	}
	variables := p.addShapes()
	def, err := proto.Marshal(p.graph)
	if err != nil {
		return nil, fmt.Errorf("writing the graph: %w", err)
	}
	config, err := proto.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("writing session options: %w", err)
	}
	l := &loaded{graph: tf.NewGraph()}
	if err := l.graph.Import(def, ""); err != nil {
		return nil, fmt.Errorf("reading the graph: %w", firstLine(err))
	}
	if l.session, err = tf.NewSession(l.graph, &tf.SessionOptions{Config: config}); err != nil {
		return nil, fmt.Errorf("opening a session: %w", firstLine(err))
	}
	if err = l.restore(p, m.Dir); err == nil {
		err = l.checkShapes(variables)
	}
	if err != nil {
		l.session.Close()
		return nil, err
	}
	return l, nil
}

// program returns the program of the model, or why it is refused unless trusted.
func (m *Model) program(trust bool) (*program, error) {
	p := newProgram(m.meta)
	if trust {
		return p, nil
	}
	return p, p.check()
}

// restore reads the variables from the files of the SavedModel in dir.
func (l *loaded) restore(p *program, dir string) error {
	if p.restore == "" {
		return nil
	}
	filename, err := l.output(p.filename)
	if err != nil {
		return fmt.Errorf("saver, file name: %w", err)
	}
	op := l.graph.Operation(nodeName(p.restore))
	if op == nil {
		return fmt.Errorf("saver: it names the op %q, which the graph does not hold", p.restore)
	}
	prefix, err := tf.NewTensor(filepath.Join(dir, "variables", "variables"))
	if err != nil {
		return fmt.Errorf("saver, file name: %w", err)
	}
	if _, err := l.session.Run(map[tf.Output]*tf.Tensor{filename: prefix}, nil, []*tf.Operation{op}); err != nil {
		return fmt.Errorf("reading the variables: %w", firstLine(err))
	}
	return nil
}

// shapeOp names the op that returns the shape of the value of variable i.
func shapeOp(i int) string { return fmt.Sprintf("driftbench/shape_%d", i) }

// addShapes adds a shapeOp for every variable and returns the variables.
func (p *program) addShapes() []*nodepb.NodeDef {
	var variables []*nodepb.NodeDef
	for _, n := range p.graph.GetNode() {
		if n.GetOp() == "VarHandleOp" {
			variables = append(variables, n)
		}
	}
	for i, n := range variables {
		p.graph.Node = append(p.graph.Node, &nodepb.NodeDef{Name: shapeOp(i), Op: "VariableShape", Input: []string{n.GetName()}})
	}
	return variables
}

// checkShapes compares the variables with the graph. The files of another model
// may lack one, or hold one of another shape, and TensorFlow would report it
// late or never.
func (l *loaded) checkShapes(variables []*nodepb.NodeDef) error {
	if len(variables) == 0 {
		return nil
	}
	var fetches []tf.Output
	for i := range variables {
		fetches = append(fetches, l.graph.Operation(shapeOp(i)).Output(0))
	}
	shapes, err := l.session.Run(nil, fetches, nil)
	if err != nil {
		return fmt.Errorf("reading the shapes of the variables: %w", firstLine(err))
	}
	for i, n := range variables {
		got, _ := shapes[i].Value().([]int32)
		want := n.GetAttr()["shape"].GetShape()
		same := slices.EqualFunc(got, sizes(want), func(g int32, w int64) bool { return w < 0 || w == int64(g) })
		if !same && !want.GetUnknownRank() {
			return fmt.Errorf("variable %q has shape %v, the graph wants %v: the variables are another model's, convert the Keras file again", n.GetName(), got, sizes(want))
		}
	}
	return nil
}

// output finds "op:index" in the graph.
func (l *loaded) output(name string) (tf.Output, error) {
	var index int
	op, number, found := strings.Cut(name, ":")
	if _, err := fmt.Sscan(number, &index); !found || err != nil {
		return tf.Output{}, fmt.Errorf("it names tensor %q, want op:index", name)
	}
	o := l.graph.Operation(op)
	if o == nil || index < 0 || index >= o.NumOutputs() {
		return tf.Output{}, fmt.Errorf("it names tensor %q, which the graph does not hold", name)
	}
	return o.Output(index), nil
}
