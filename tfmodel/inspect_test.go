package tfmodel_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/protowire"

	"driftbench/internal/fuzzing"
	"driftbench/tfmodel"
)

func TestInspect(t *testing.T) {
	m, err := tfmodel.Inspect("testdata/default")
	if err != nil {
		t.Fatal(err)
	}
	if m.MaxLen != 2000 {
		t.Errorf("MaxLen = %d, want 2000", m.MaxLen)
	}
	if want := []tfmodel.Layer{{"layer7", 16}, {"layer8", 8}, {"logits", 4}}; !reflect.DeepEqual(m.Layers, want) {
		t.Errorf("Layers = %v, want %v", m.Layers, want)
	}
	if want := (tfmodel.Digests{{}, {31: 1}}); !reflect.DeepEqual(m.TrainedOn, want) {
		t.Errorf("TrainedOn = %v, want %v", m.TrainedOn, want)
	}
	if !m.TrainedOn.Has([32]byte{31: 1}) || m.TrainedOn.Has([32]byte{31: 2}) {
		t.Errorf("TrainedOn.Has tells wrongly which of %v it holds", m.TrainedOn)
	}
	if m, err := tfmodel.Inspect("testdata/ember"); err != nil || m.TrainedOn != nil {
		t.Errorf("a model that does not say its files has TrainedOn %v, error %v", m.TrainedOn, err)
	}
}

// TestHash holds that a copy hashes alike and that every file that decides the
// outputs counts.
func TestHash(t *testing.T) {
	hash := func(dir string) string {
		m, err := tfmodel.Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		return m.Hash
	}
	original := hash("testdata/default")
	for _, c := range []struct {
		file   string
		append string
		counts bool
	}{
		{"variables/variables.data-00000-of-00001", "x", true},
		{"variables/variables.index", "x", true},
		{"assets.extra/malconv.json", "\n", true},
		{"assets.extra/trained_on.sha256", strings.Repeat("2", 64) + "\n", false},
	} {
		dir := copyModel(t, "default")
		if got := hash(dir); got != original {
			t.Fatalf("a copy hashes to %s, the original to %s", got, original)
		}
		path := filepath.Join(dir, c.file)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, append(b, c.append...))
		if got := hash(dir) != original; got != c.counts {
			t.Errorf("%s counts: %v, want %v", c.file, got, c.counts)
		}
	}
}

// TestHashThroughLinks holds that a model that is reached through links hashes
// as itself: the cache keeps features by this hash.
func TestHashThroughLinks(t *testing.T) {
	for _, model := range []string{"default", "same"} {
		original, err := filepath.Abs(filepath.Join("testdata", model))
		if err != nil {
			t.Fatal(err)
		}
		want, err := tfmodel.Inspect(original)
		if err != nil {
			t.Fatal(err)
		}
		linked := filepath.Join(t.TempDir(), "linked")
		parts := copyModel(t, model)
		os.RemoveAll(filepath.Join(parts, "variables"))
		for _, err := range []error{os.Symlink(original, linked), os.Symlink(filepath.Join(original, "variables"), filepath.Join(parts, "variables"))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, dir := range []string{linked, parts} {
			if got, err := tfmodel.Inspect(dir); err != nil || got.Hash != want.Hash {
				t.Errorf("%s: through a link the hash is %v, error %v, want %s", model, got, err, want.Hash)
			}
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	// signature edits the serving signature.
	signature := func(edit func(*corepb.SignatureDef)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			editGraph(t, dir, func(_ *corepb.SavedModel, g *corepb.MetaGraphDef) { edit(g.SignatureDef["serving_default"]) })
		}
	}
	replace := func(file, old, new string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(b), old, new, 1)
			if changed == string(b) {
				t.Fatalf("%s does not hold %q", path, old)
			}
			writeFile(t, path, []byte(changed))
		}
	}
	const shape = "assets.extra/malconv.json"
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"no saved_model.pb", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "saved_model.pb")) }, "is no SavedModel: it holds no saved_model.pb"},
		{"garbage", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "saved_model.pb"), []byte("\xff\xfe garbage"))
		}, "saved_model.pb is damaged"},
		{"empty", func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "saved_model.pb"), nil) }, `holds no graph tagged "serve"`},
		{"messages of two bytes", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "saved_model.pb"), bytes.Repeat([]byte("\x12\x00"), 1_000_000))
		}, "holds more than 667666 messages in 2000000 bytes"},
		{"nodes of two bytes", func(t *testing.T, dir string) {
			b := bytes.Repeat([]byte("\x0a\x00"), 1_000_000) // GraphDef.node
			for range 2 {                                    // MetaGraphDef.graph_def, SavedModel.meta_graphs
				b = protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), b)
			}
			writeFile(t, filepath.Join(dir, "saved_model.pb"), b)
		}, "messages in 20000"},
		{"other tag", func(t *testing.T, dir string) {
			editGraph(t, dir, func(_ *corepb.SavedModel, g *corepb.MetaGraphDef) { g.MetaInfoDef.Tags = []string{"serve", "gpu"} })
		}, `holds no graph tagged "serve"`},
		{"no signature", func(t *testing.T, dir string) {
			editGraph(t, dir, func(_ *corepb.SavedModel, g *corepb.MetaGraphDef) { delete(g.SignatureDef, "serving_default") })
		}, `no signature "serving_default"`},
		{"no bytes", signature(func(s *corepb.SignatureDef) { delete(s.Inputs, "bytes") }), `wants input "bytes" uint8 [n, maxlen], has none`},
		{"bytes of another type", signature(func(s *corepb.SignatureDef) { s.Inputs["bytes"].Dtype = typespb.DataType_DT_INT32 }), `wants input "bytes" uint8 [n, maxlen], has int32 [-1 2000]`},
		{"no maxlen", signature(func(s *corepb.SignatureDef) { s.Inputs["bytes"].GetTensorShape().Dim[1].Size = -1 }), "has uint8 [-1 -1]"},
		{"no length", signature(func(s *corepb.SignatureDef) { delete(s.Inputs, "length") }), `wants input "length" int32 [n], has none`},
		{"another input", signature(func(s *corepb.SignatureDef) { s.Inputs["more"] = s.Inputs["length"] }), "has 3 inputs"},
		{"output of another type", signature(func(s *corepb.SignatureDef) { s.Outputs["layer7"].Dtype = typespb.DataType_DT_HALF }), `output "layer7" wants float32 [n, width], has half [-1 16]`},
		{"output that names another folder", signature(func(s *corepb.SignatureDef) { s.Outputs["../layer9"] = s.Outputs["layer7"] }), `output "../layer9" cannot name a file`},
		{"maxlen past all memory", signature(func(s *corepb.SignatureDef) { s.Inputs["bytes"].GetTensorShape().Dim[1].Size = 1 << 60 }), "has uint8 [-1 1152921504606846976]"},
		{"width past all memory", signature(func(s *corepb.SignatureDef) { s.Outputs["layer7"].GetTensorShape().Dim[1].Size = 1 << 60 }), `output "layer7" wants float32 [n, width]`},
		{"a pipe", func(t *testing.T, dir string) {
			path := filepath.Join(dir, "saved_model.pb")
			os.Remove(path)
			if err := syscall.Mkfifo(path, 0o666); err != nil {
				t.Skip(err)
			}
		}, "is a named pipe"},
		{"no logits", signature(func(s *corepb.SignatureDef) { delete(s.Outputs, "logits") }), `no output "logits"`},
		{"no feature layer", signature(func(s *corepb.SignatureDef) { delete(s.Outputs, "layer7"); delete(s.Outputs, "layer8") }), "no feature layer"},
		{"malconv.json of another model", replace(shape, `"maxlen": 2000`, `"maxlen": 2001`), "says maxlen 2001, the signature 2000"},
		{"malconv.json that is none", replace(shape, "{", "["), "assets.extra/malconv.json"},
		{"filters of another model", replace(shape, `"filters": 16`, `"filters": 17`), "says filters 17, the signature's layer7 is 16 wide"},
		{"no window", replace(shape, `"window": 50`, `"window": 0`), "says window 0, want 1 to 65535"},
		{"windows of another model", replace(shape, `"windows": 40`, `"windows": 41`), "says windows 41, want 40 or 40"},
		{"lead of another model", replace(shape, `"lead": 0`, `"lead": 1`), "says lead 1, want 0"},
		{"pad of another model", replace(shape, `"pad": 0`, `"pad": 256`), "says pad 256, which is no symbol of the vocabulary of 256"},
		{"padding that there is not", replace(shape, `"pad": 0`, `"pad": 0, "padding": "both"`), `says padding "both", want back or front`},
		{"a line that is no digest", replace("assets.extra/trained_on.sha256", "1\n", "1\nnone\n"), "trained_on.sha256:3: the line is no SHA-256 digest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyModel(t, "default")
			c.damage(t, dir)
			_, err := tfmodel.Inspect(dir)
			if err == nil {
				t.Fatal("no error")
			}
			if text := err.Error(); !strings.Contains(text, c.want) || !strings.Contains(text, dir) || strings.Contains(text, "\n") {
				t.Errorf("error %q, want one line with %q and the folder", text, c.want)
			}
		})
	}
}

// The list of training files takes no more memory than its file, and what is no
// list is refused at its first line.
func TestTrainingListMemory(t *testing.T) {
	inspect := func(write func(*os.File)) (*tfmodel.Model, uint64, error) {
		dir := copyModel(t, "default")
		f, err := os.Create(filepath.Join(dir, "assets.extra", "trained_on.sha256"))
		if err != nil {
			t.Fatal(err)
		}
		write(f)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		var m *tfmodel.Model
		allocated := fuzzing.Allocated(func() { m, err = tfmodel.Inspect(dir) })
		return m, allocated, err
	}
	const files = 100_000
	m, allocated, err := inspect(func(f *os.File) {
		w := bufio.NewWriter(f)
		for i := range files {
			fmt.Fprintf(w, "%x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))
		}
		w.Flush()
	})
	if err != nil || len(m.TrainedOn) != files || !m.TrainedOn.Has(sha256.Sum256([]byte{1, 0, 0})) {
		t.Errorf("%d of %d files, error %v", len(m.TrainedOn), files, err)
	}
	if most := uint64(3 * 65 * files); allocated > most {
		t.Errorf("%d bytes are allocated, want at most %d", allocated, most)
	}
	_, allocated, err = inspect(func(f *os.File) { f.Truncate(1 << 40) })
	if err == nil || !strings.Contains(err.Error(), "trained_on.sha256:1: ") || allocated > 8<<20 {
		t.Errorf("a list of zeros: error %v, %d bytes are allocated", err, allocated)
	}
}
