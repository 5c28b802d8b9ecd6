package tfmodel_test

import (
	"testing"

	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"driftbench/tfmodel"
)

// An engine is what it was expected to be before it was open, whatever the model.
func TestLate(t *testing.T) {
	for _, model := range []string{"default", "exported"} {
		m, err := tfmodel.Inspect("testdata/" + model)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"", "tensorflow", "table"} {
			opt := tfmodel.Options{Engine: name, Device: tfmodel.CPU}
			late := openLate(m, opt)
			expected, err := late.Expect()
			opened, failed := late.Wait()
			switch {
			case err != nil || failed != nil: // exported lacks what the table engine needs
				if model != "exported" || name != "table" || err == nil || failed == nil || err.Error() != failed.Error() {
					t.Errorf("%s, %q: expecting says %v, opening %v", model, name, err, failed)
				}
			case opened != expected || opened.Why == "" || opened.Batch < 1:
				t.Errorf("%s, %q: expected %+v, opened %+v", model, name, expected, opened)
			}
			if err := late.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A program that is not trusted is refused before it is opened, in the same words.
func TestExpectRefuses(t *testing.T) {
	dir := copyModel(t, "default")
	editGraph(t, dir, func(_ *corepb.SavedModel, g *corepb.MetaGraphDef) {
		addBefore(g, text("name", "x"), text("content", "x"), &nodepb.NodeDef{Name: "writer", Op: "WriteFile", Input: []string{"name", "content"}})
	})
	m, err := tfmodel.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, opt := range []tfmodel.Options{{Device: tfmodel.CPU}, {Engine: "table"}, {Engine: "tensorflow", Device: tfmodel.CPU}} {
		_, err := openLate(m, opt).Expect()
		if _, _, opened := tfmodel.Open(m, opt); err == nil || opened == nil || err.Error() != opened.Error() {
			t.Errorf("%+v: expecting says %v, opening %v", opt, err, opened)
		}
	}
	if _, err := openLate(m, tfmodel.Options{Device: tfmodel.CPU, TrustModel: true}).Expect(); err != nil {
		t.Errorf("trusted: %v", err)
	}
}

func openLate(m *tfmodel.Model, opt tfmodel.Options) *tfmodel.Late {
	return tfmodel.OpenLate(m, opt, func() (tfmodel.Engine, string, error) { return tfmodel.Open(m, opt) })
}
