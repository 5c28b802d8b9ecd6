package tfmodel_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"driftbench/tfmodel"
)

func TestCheck(t *testing.T) {
	names := tfmodel.EngineNames()
	last := len(names) - 1
	wantNames := "auto, " + strings.Join(names[:last], ", ") + " or " + names[last]
	for _, c := range []struct {
		opt          tfmodel.Options
		option, text string // "" where there is no error
	}{
		{tfmodel.Options{}, "", ""},
		{tfmodel.Options{Engine: "auto", Device: tfmodel.Auto}, "", ""},
		{tfmodel.Options{Engine: "auto", Device: tfmodel.GPU}, "", ""},
		{tfmodel.Options{Engine: "tensorflow", Device: tfmodel.GPU, Threads: 2}, "", ""},
		{tfmodel.Options{Engine: "table", Device: tfmodel.CPU}, "", ""},
		{tfmodel.Options{Engine: "table16"}, "engine", `--engine "table16": want ` + wantNames + "; did you mean table?"},
		{tfmodel.Options{Engine: "fast"}, "engine", `--engine "fast": want ` + wantNames},
		{tfmodel.Options{Device: "tpu"}, "device", `--device "tpu": want auto, cpu or gpu`},
		{tfmodel.Options{Engine: "table", Device: tfmodel.GPU}, "engine", `--engine table computes on the CPU: leave out --device gpu, or use --engine tensorflow`},
		{tfmodel.Options{Exact: true}, "", ""},
		{tfmodel.Options{Engine: "table", Exact: true}, "", ""},
		{tfmodel.Options{Engine: "tensorflow", Exact: true}, "engine", "--engine tensorflow does not compute the same bits on every machine: use --engine table, or allow it with --allow-inexact"},
		{tfmodel.Options{Device: tfmodel.GPU, Exact: true}, "engine", "--engine auto on a GPU does not compute the same bits on every machine: use --engine table, or allow it with --allow-inexact"},
		{tfmodel.Options{Threads: -2}, "threads", `--threads -2: want 0 or more`},
	} {
		err := c.opt.Check()
		oe, isOption := errors.AsType[*tfmodel.OptionError](err)
		switch {
		case c.text == "" && err != nil:
			t.Errorf("%+v: %v", c.opt, err)
		case c.text != "" && (!isOption || oe.Option != c.option || err.Error() != c.text):
			t.Errorf("%+v: error %v, want %s", c.opt, err, c.text)
		}
	}
	if e, _, err := tfmodel.Open(nil, tfmodel.Options{Engine: "fast"}); e != nil || err == nil {
		t.Errorf("Open with an engine that there is not: %v, %v", e, err)
	}
}

// TestOpenChooses holds that the zero Options open every model on a CPU: in the
// table engine where that can serve it, else in TensorFlow, with the reason.
func TestOpenChooses(t *testing.T) {
	for model, want := range map[string][2]string{
		"default":  {"table", "no GPU is used"},
		"exported": {"tensorflow", "the table engine cannot serve this model: tfmodel: testdata/exported does not say its shape"},
	} {
		m, err := tfmodel.Inspect("testdata/" + model)
		if err != nil {
			t.Fatal(err)
		}
		e, why, err := tfmodel.Open(m, tfmodel.Options{Device: tfmodel.CPU})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if exact := e.Name() == "table"; tfmodel.Exact(m) != exact || tfmodel.EngineOf(e.Identity()) != e.Name() {
			t.Errorf("%s: exact %v, and %s is of the engine %s", model, tfmodel.Exact(m), e.Identity(), tfmodel.EngineOf(e.Identity()))
		} else if _, _, err := tfmodel.Open(m, tfmodel.Options{Exact: true}); !exact && !errors.As(err, new(*tfmodel.OptionError)) {
			t.Errorf("%s: an exact engine opens, or %v", model, err)
		}
		if e.Name() != want[0] || !strings.HasPrefix(why, want[1]) {
			t.Errorf("%s: %s, because %s; want %s, because %s", model, e.Name(), why, want[0], want[1])
		}
	}
}

// TestOpenAnswersToItsName holds that every engine of the table opens under its
// name, runs where the table says, and can be asked everything.
func TestOpenAnswersToItsName(t *testing.T) {
	names := tfmodel.EngineNames()
	if !slices.Contains(names, "tensorflow") {
		t.Errorf("engines %v", names)
	}
	m, err := tfmodel.Inspect("testdata/default")
	if err != nil {
		t.Fatal(err)
	}
	identities := map[string]bool{}
	for _, name := range names {
		e, why, err := tfmodel.Open(m, tfmodel.Options{Engine: name, Device: tfmodel.CPU})
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != name || why != "asked for" || e.Device() != tfmodel.CPU || !tfmodel.RunsOn(name, tfmodel.CPU) || tfmodel.SuitedBatch(e, m) < 1 {
			t.Errorf("%s: opened %s on %s because %s, for batches of %d", name, e.Name(), e.Device(), why, tfmodel.SuitedBatch(e, m))
		}
		identities[e.Identity()] = true
		before, err := run(e, m, [][]byte{[]byte("MZ"), nil})
		if err != nil {
			t.Fatal(err)
		}
		e.Forget()
		if after, err := run(e, m, [][]byte{[]byte("MZ"), nil}); err != nil || !slices.EqualFunc(before, after, slices.Equal) {
			t.Errorf("%s: other outputs after Forget, %v", name, err)
		}
		if err := e.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(identities) != len(names) {
		t.Errorf("identities %v of %v", identities, names)
	}
}
