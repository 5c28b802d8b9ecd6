package tfmodel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"driftbench/internal/fuzzing"
)

// FuzzInspect holds that no graph, description or list makes the inspection of
// a model panic, take memory out of proportion, or accept what buffers and
// files cannot be made for.
func FuzzInspect(f *testing.F) {
	for _, model := range []string{"default", "exported"} {
		dir := filepath.Join("testdata", model)
		shape, _ := os.ReadFile(filepath.Join(dir, shapeFile))
		trainedOn, _ := os.ReadFile(filepath.Join(dir, trainedOnFile))
		f.Add(smallGraph(f, dir), shape, trainedOn)
	}
	f.Add([]byte(nil), []byte("{}"), []byte(nil))
	f.Fuzz(func(t *testing.T, graph, shape, trainedOn []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "assets.extra"), 0o777); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"saved_model.pb": graph, shapeFile: shape, trainedOnFile: trainedOn} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		var m *Model
		var err error
		took := fuzzing.Allocated(func() {
			if m, err = Inspect(dir); err == nil {
				newProgram(m.meta).check() // its answer is TestRefusedOps' matter
			}
		})
		size := uint64(len(graph) + len(shape) + len(trainedOn))
		if took > 1<<20+200*size {
			t.Errorf("%d bytes took %d to inspect", size, took)
		}
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsGraphic(r) }) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %q is not one line with the folder", err)
			}
			return
		}
		if m.MaxLen < 1 || m.MaxLen > maxMaxLen {
			t.Errorf("MaxLen %d", m.MaxLen)
		}
		for _, l := range m.Layers {
			if l.Width < 1 || l.Width > maxWidth || filepath.Base(l.Name) != l.Name {
				t.Errorf("layer %+v", l)
			}
		}
		if s := m.Shape; s != nil && (s.Window < 1 || s.Windows < 1 || s.Lead < 0 || s.Lead >= s.Window) {
			t.Errorf("shape %+v", s)
		}
	})
}

// smallGraph is the graph of a SavedModel without what Inspect and newProgram
// pass over, so that mutations meet the rest.
func smallGraph(f *testing.F, dir string) []byte {
	g, err := readMetaGraph(dir)
	if err != nil {
		f.Fatal(err)
	}
	g.MetaInfoDef.StrippedOpList, g.ObjectGraphDef = nil, nil
	strip := func(nodes []*nodepb.NodeDef) {
		for _, n := range nodes {
			for name, a := range n.Attr {
				if a.GetFunc() == nil {
					delete(n.Attr, name)
				}
			}
		}
	}
	strip(g.GraphDef.Node)
	for _, f := range g.GraphDef.Library.Function {
		f.Attr, f.ArgAttr = nil, nil
		f.NodeDef = f.NodeDef[:min(len(f.NodeDef), 5)]
		strip(f.NodeDef)
	}
	b, err := proto.Marshal(&corepb.SavedModel{MetaGraphs: []*corepb.MetaGraphDef{g}})
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// WholeFiles makes TensorFlow take whole files even of a model that takes
// distinct windows.
func WholeFiles(o Options) Options {
	o.wholeFiles = true
	return o
}

// TestFirstLine holds that TensorFlow's errors are one printable line and keep
// the error that they come from.
func TestFirstLine(t *testing.T) {
	cause := errors.New("node x\x1b[2J failed \n\t [[stack]]")
	err := fmt.Errorf("running: %w", firstLine(cause))
	if want := "running: node x?[2J failed"; err.Error() != want || !errors.Is(err, cause) {
		t.Errorf("error %q, want %q and its cause", err, want)
	}
}
