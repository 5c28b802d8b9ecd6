package tfmodel_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"driftbench/tfmodel"
)

// golden is testdata/keras.json, which scripts/golden/models.py writes: files,
// and for each model of testdata what Keras predicts from them.
type golden struct {
	Block  []byte                            // the bytes of all files
	Files  [][2]int                          // spans of Block
	Models map[string]map[string][][]float32 // model, layer, file
}

func readGolden(t *testing.T) *golden {
	t.Helper()
	b, err := os.ReadFile("testdata/keras.json")
	if err != nil {
		t.Fatal(err)
	}
	g := new(golden)
	if err := json.Unmarshal(b, g); err != nil {
		t.Fatal(err)
	}
	if len(g.Models) == 0 || len(g.Files) == 0 {
		t.Fatal("testdata/keras.json holds no models or no files")
	}
	return g
}

// files returns what a reader hands to a model: each file's first maxLen bytes.
func (g *golden) files(maxLen int) [][]byte {
	var files [][]byte
	for _, span := range g.Files {
		files = append(files, g.Block[span[0]:min(span[1], span[0]+maxLen)])
	}
	return files
}

// engines are the options to open a model in every engine of the table, and in
// TensorFlow with whole files too.
var engines = func() map[string]tfmodel.Options {
	all := map[string]tfmodel.Options{
		"dense": tfmodel.WholeFiles(tfmodel.Options{Engine: "tensorflow", Device: tfmodel.CPU}),
	}
	for _, name := range tfmodel.EngineNames() {
		all[name] = tfmodel.Options{Engine: name, Device: tfmodel.CPU}
	}
	return all
}()

// open opens a model of testdata for the length of a test.
func open(t testing.TB, dir, name string) (*tfmodel.Model, tfmodel.Engine) {
	t.Helper()
	m, err := tfmodel.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := tfmodel.Open(m, engines[name])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return m, e
}

// run returns the outputs of files, a slice a layer.
func run(e tfmodel.Engine, m *tfmodel.Model, files [][]byte) ([][]float32, error) {
	dst := make([][]float32, len(m.Layers))
	for i, l := range m.Layers {
		dst[i] = make([]float32, len(files)*l.Width)
	}
	return dst, e.Run(dst, files)
}

// copyModel copies a model of testdata so that a test may damage it.
func copyModel(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// editGraph rewrites the graph of the SavedModel in dir.
func editGraph(t testing.TB, dir string, edit func(*corepb.SavedModel, *corepb.MetaGraphDef)) {
	t.Helper()
	path := filepath.Join(dir, "saved_model.pb")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var saved corepb.SavedModel
	if err := proto.Unmarshal(b, &saved); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(saved.MetaGraphs, func(g *corepb.MetaGraphDef) bool {
		return slices.Equal(g.GetMetaInfoDef().GetTags(), []string{"serve"})
	})
	edit(&saved, saved.MetaGraphs[i])
	if b, err = proto.Marshal(&saved); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, b)
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}
