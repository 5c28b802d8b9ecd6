package tfmodel_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"driftbench/tfmodel"
)

func TestDevices(t *testing.T) {
	devices, err := tfmodel.Devices(tfmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(devices, "CPU:0") {
		t.Errorf("devices %v, want CPU:0 among them", devices)
	}
}

func TestGPUWithoutOne(t *testing.T) {
	devices, err := tfmodel.Devices(tfmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(devices, "GPU:0") {
		t.Skip("TensorFlow lists a GPU")
	}
	m, err := tfmodel.Inspect("testdata/default")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = tfmodel.Open(m, tfmodel.Options{Device: tfmodel.GPU})
	if err == nil || !strings.Contains(err.Error(), "lists no GPU; build with GPU=1") || !strings.Contains(err.Error(), "--device cpu") {
		t.Errorf("error %v, want what to do", err)
	}
	e, _, err := tfmodel.Open(m, tfmodel.Options{Engine: "tensorflow"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Device() != tfmodel.CPU {
		t.Errorf("left to choose, the device is %s", e.Device())
	}
}

// Variables that claim more than their files hold are refused before TensorFlow
// allocates them, and files past all bounds before they are hashed.
func TestVariablesThatClaimMemory(t *testing.T) {
	const index, data = "variables/variables.index", "variables/variables.data-00000-of-00001"
	shape := []byte("\x12\x02\x08\x32\x12\x02\x08\x04\x12\x02\x08\x20") // of the kernel, [50 4 32]
	for name, values := range map[string]uint64{"4 TB": 1 << 40, "past all numbers": 1 << 62} {
		dir := copyModel(t, "default")
		path := filepath.Join(dir, index)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(b, shape) != 1 {
			t.Fatalf("%s does not hold the shape % x", index, shape)
		}
		// One dimension in as many bytes: a varint of 9, with zeros at its end.
		claimed := []byte("\x12\x0a\x08")
		for i := range 9 {
			more := byte(0x80)
			if i == 8 {
				more = 0
			}
			claimed = append(claimed, byte(values>>(7*i))&0x7f|more)
		}
		writeFile(t, path, bytes.Replace(b, shape, claimed, 1))
		m, err := tfmodel.Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, opt := range engines {
			start := time.Now()
			if e, _, err := tfmodel.Open(m, opt); err == nil {
				e.Close()
				t.Errorf("%s: no error", name)
			} else if !strings.Contains(err.Error(), index) || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s: refused after %v", name, took)
			}
		}
	}
	dir := copyModel(t, "default")
	if err := os.Truncate(filepath.Join(dir, data), 4<<40); err != nil {
		t.Skip(err)
	}
	if _, err := tfmodel.Inspect(dir); err == nil || !strings.Contains(err.Error(), "at most 2147483648 are read") {
		t.Errorf("4 TB of zeros: error %v", err)
	}
}

// TestDamagedVariables holds that weights that are cut short, missing,
// changed or another model's are an error of one line, in every engine.
func TestDamagedVariables(t *testing.T) {
	const data = "variables/variables.data-00000-of-00001"
	cut := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			st, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(dir, name), st.Size()/2); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, string){
		"data cut short":  cut(data),
		"index cut short": cut("variables/variables.index"),
		"data missing":    func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, data)) },
		"index missing":   func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "variables/variables.index")) },
		"one byte differs": func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, data))
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			writeFile(t, filepath.Join(dir, data), b)
		},
		"another model's": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "variables")); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(filepath.Join(dir, "variables"), os.DirFS("testdata/ember/variables")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for engine, opt := range engines {
			t.Run(name+"/"+engine, func(t *testing.T) {
				dir := copyModel(t, "default")
				damage(t, dir)
				m, err := tfmodel.Inspect(dir)
				if err != nil {
					t.Fatal(err)
				}
				e, _, err := tfmodel.Open(m, opt)
				if err == nil {
					e.Close()
					t.Fatal("no error")
				}
				if text := err.Error(); !strings.Contains(text, dir) || strings.Contains(text, "\n") {
					t.Errorf("error %q, want one line with the folder", text)
				} else {
					t.Log(text)
				}
			})
		}
	}
}

// TestMixedUpDescription holds that a description which could be right, but is
// another model's, is found out where the model is opened.
func TestMixedUpDescription(t *testing.T) {
	for _, engine := range []string{"tensorflow", "table"} {
		dir := copyModel(t, "same")
		path := filepath.Join(dir, "assets.extra/malconv.json")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, bytes.Replace(b, []byte(`"pad": 256`), []byte(`"pad": 65`), 1))
		m, err := tfmodel.Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		e, _, err := tfmodel.Open(m, engines[engine])
		if err == nil {
			e.Close()
			t.Fatalf("%s: no error", engine)
		}
		if text := err.Error(); !strings.Contains(text, dir) || !strings.Contains(text, "layer7 of a probe differs") {
			t.Errorf("%s: error %q", engine, text)
		}
	}
}

// TestMemoryOfManyBatches holds that the C memory of tensors, which Go's
// collector does not see, is given back: 200 batches of 1 MB leave less than
// half of their 200 MB.
func TestMemoryOfManyBatches(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	m, e := open(t, "testdata/default", "dense")
	files := slices.Repeat([][]byte{bytes.Repeat([]byte("driftbench"), m.MaxLen/10)}, 500)
	batches := func(n int) {
		for range n {
			if _, err := run(e, m, files); err != nil {
				t.Fatal(err)
			}
		}
	}
	batches(20)
	before := residentMB(t)
	batches(200)
	if grown := residentMB(t) - before; grown > 100 {
		t.Errorf("memory grew by %d MB over 200 batches of 1 MB", grown)
	}
}

// residentMB is the process's resident memory.
func residentMB(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize() >> 20
}
