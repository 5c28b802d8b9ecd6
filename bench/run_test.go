package bench

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"driftbench/bench/corpus"
	"driftbench/bench/dataset"
	"driftbench/bench/throughput"
	"driftbench/internal/atomicfile"
	"driftbench/internal/fixture"
	"driftbench/internal/origin"
	"driftbench/report"
	"driftbench/tfmodel"
)

// Whether a folder can be written into is asked without a wait, and without a
// change to what lies there.
func TestPrepareFolder(t *testing.T) {
	none := func(string) error { return nil }
	for name, tc := range map[string]struct {
		put  func(path string) error
		want string // "" is no error, and nothing left
	}{
		"nothing":        {none, ""},
		"left by a kill": {func(path string) error { return os.WriteFile(path, nil, 0o666) }, ""},
		"with content":   {func(path string) error { return os.WriteFile(path, []byte("mine"), 0o666) }, "is in the way: move it"},
		"pipe":           {func(path string) error { return syscall.Mkfifo(path, 0o666) }, "is in the way: move it"},
		"folder":         {func(path string) error { return os.Mkdir(path, 0o777) }, "is in the way: move it"},
		"dangling link":  {func(path string) error { return os.Symlink(path+"-target", path) }, "is in the way: move it"},
		"link":           {func(path string) error { return os.Symlink("/dev/null", path) }, "is in the way: move it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, ".writable")
			if err := tc.put(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			err := prepareFolder("--out", dir)
			if tc.want == "" {
				if left, _ := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("error %v, left %v", err, left)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), path+" "+tc.want) {
				t.Errorf("error %v, want %s %s", err, path, tc.want)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("it was changed: %v", err)
			}
			if _, err := os.Lstat(path + "-target"); err == nil {
				t.Error("the link's target was made")
			}
		})
	}
}

// A results folder that comes from elsewhere makes nothing be written where its
// links lead: a folder that is a link is refused before any work, and a file that
// is one is replaced.
func TestWritingFollowsNoLink(t *testing.T) {
	features := fixture.Features(t)
	for _, folder := range []string{"features", "scores", "splits", "report"} {
		out, victim := t.TempDir(), t.TempDir()
		writeFile(t, filepath.Join(victim, "index.html"), "mine")
		writeFile(t, filepath.Join(victim, "2019.csv"), "mine")
		writeFile(t, filepath.Join(victim, "roles.csv"), "mine")
		link := filepath.Join(out, folder)
		if err := os.Symlink(victim, link); err != nil {
			t.Fatal(err)
		}
		splits := Options{Out: out}
		splits.Dataset.Index = filepath.Join(features, "2019.csv")
		_, scoring := Score(t.Context(), Options{Features: features, Out: out, Resamples: 2})
		_, splitting := WriteSplits(t.Context(), splits)
		_, extracting := Extract(t.Context(), Options{Out: out, Corpus: "none", Model: "none"})
		for name, err := range map[string]error{"score": scoring, "splits": splitting, "extract": extracting} {
			if _, ok := errors.AsType[*atomicfile.LinkError](err); !ok || err.Error() != "--out: "+link+" is a symbolic link, which is not followed to write: remove it, or choose another folder" {
				t.Errorf("%s with %s: %v", name, folder, err)
			}
		}
		for _, name := range []string{"index.html", "2019.csv", "roles.csv"} {
			if b, err := os.ReadFile(filepath.Join(victim, name)); err != nil || string(b) != "mine" {
				t.Errorf("%s: %s was changed: %q, %v", folder, name, b, err)
			}
		}
		if entries, _ := os.ReadDir(victim); len(entries) != 3 {
			t.Errorf("%s: the folder behind the link holds %v", folder, entries)
		}
	}

	out, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	writeFile(t, victim, "mine")
	linked := []string{"manifest.json", "results.json", "summary.json", "scores/2019.csv", "scores/origin.json", "report/index.html", "report/checks.csv", "report/auroc-by-detector.png", "some.fit", "summary.md"}
	for _, name := range linked {
		path := filepath.Join(out, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.Symlink(victim, path)); err != nil {
			t.Fatal(err)
		}
	}
	alias := out + "-alias" // the user's own link to the folder is followed
	if err := os.Symlink(out, alias); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(alias)
	_, err := Score(t.Context(), Options{Features: features, Out: alias, Resamples: 2, SaveFit: filepath.Join(alias, "some.fit"), Summary: filepath.Join(alias, "summary.md")})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range linked {
		if info, err := os.Lstat(filepath.Join(out, name)); name != "scores/origin.json" && (err != nil || !info.Mode().IsRegular() || info.Size() == 0) {
			t.Errorf("%s: %v, %v, want a file in place of the link", name, info, err)
		}
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("the file behind the links was changed: %.100q, %v", b, err)
	}
}

// The report has the manifest and the timing of the model of its results alone.
func TestReportInputIsOfOneModel(t *testing.T) {
	out := t.TempDir()
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	writeFile(t, filepath.Join(out, benchFile), "model: "+a+"\n\nBenchmarkExtract/engine=table/device=cpu/batch=2/read=no/scenario=offline 1 5 ns/op 200 samples/s\n")
	m := newManifest(Options{})
	m.ModelSHA256 = a
	if err := m.write(out); err != nil {
		t.Fatal(err)
	}
	input := func(model string) (report.Input, string, error) {
		var log strings.Builder
		in, err := reportInput(Monitor{Log: slog.New(slog.NewTextHandler(&log, nil))}, out, report.Results{Origin: origin.Origin{ModelSHA256: model}})
		return in, log.String(), err
	}
	for _, model := range []string{a, ""} { // results of earlier versions do not tell
		if in, said, err := input(model); err != nil || in.Timing.Model != a || len(in.Throughput) == 0 || said != "" {
			t.Errorf("model %.12q: %+v, %q, %v", model, in.Timing, said, err)
		}
	}
	if _, _, err := input(b); err == nil || !strings.Contains(err.Error(), "results.json and "+filepath.Join(out, "manifest.json")+" do not belong together") {
		t.Errorf("the manifest of another model: %v", err)
	}
	if err := os.Remove(filepath.Join(out, "manifest.json")); err != nil {
		t.Fatal(err)
	}
	if in, said, err := input(b); err != nil || len(in.Throughput) > 0 || len(in.Timing.Lines) > 0 || !strings.Contains(said, "bench.txt is of the model aaaaaaaaaaaa and not of bbbbbbbbbbbb") {
		t.Errorf("the timing of another model: %+v, %q, %v", in.Timing, said, err)
	}
}

// Commands that prepare one folder at once do not get in each other's way.
func TestPrepareFolderAtOnce(t *testing.T) {
	dir := t.TempDir()
	failed := make(chan error, 8)
	for range cap(failed) {
		go func() {
			var err error
			for i := 0; i < 200 && err == nil; i++ {
				err = prepareFolder("--out", dir)
			}
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, ".writable")); err == nil || !os.IsNotExist(err) {
		t.Errorf("left: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestParseRule(t *testing.T) {
	for text, want := range map[string]Rule{
		"auroc(2019, mahalanobis/ensemble) > 0.75": {"auroc(2019, mahalanobis/ensemble) > 0.75", "auroc", "2019", "mahalanobis/ensemble", true, 0.75},
		" accuracy (2018-Q1)<.9 ":                  {"accuracy (2018-Q1)<.9", "accuracy", "2018-Q1", "", false, 0.9},
		"auroc(2019,knn/layer7)<1":                 {"auroc(2019,knn/layer7)<1", "auroc", "2019", "knn/layer7", false, 1},
	} {
		if got, err := ParseRule(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "auroc", "auroc(2019) > 0.5", "accuracy(2019, msp) > 0.5", "auroc(, msp) > 0.5", "auroc(2019,) > 0.5",
		"auroc(2019, msp) >= 0.5", "auroc(2019, msp) > 1.5", "auroc(2019, msp) > NaN", "auroc(2019, msp) > -1",
		"f1(2019) < 0.5", "auroc(2019, msp) > 0.5 and more", "auroc(2019, msp) 0.5",
	} {
		if r, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), ruleForms) {
			t.Errorf("%q: %+v, %v, want the forms of a rule", text, r, err)
		}
	}
}

// The end of the interval that is nearer to the bound decides.
func TestRuleDecides(t *testing.T) {
	nan := report.Num(math.NaN())
	res := report.Results{
		Detectors: []report.Detector{
			{Name: "msp", Splits: []report.DetectorSplit{
				{Split: "2018", AUROC: 0.7, AUROCLo: 0.6, AUROCHi: 0.8},
				{Split: "2019", AUROC: 1, AUROCLo: nan, AUROCHi: nan},
			}},
			{Name: "vim", Skipped: "no layer"},
		},
		Classifier: &report.Classifier{Splits: []report.Accuracy{
			{Name: "2018", Accuracy: report.Interval{Value: 0.7, Lo: 0.6, Hi: 0.8}},
		}},
	}
	for _, tc := range []struct {
		rule   string
		failed bool
		reason string
	}{
		{"auroc(2018, msp) > 0.59", true, "the lower end of 0.700 [0.600, 0.800] is above 0.59"},
		{"auroc(2018, msp) > 0.6", false, "the lower end of 0.700 [0.600, 0.800] is not above 0.6"},
		{"auroc(2018, msp) < 0.81", true, "the upper end of 0.700 [0.600, 0.800] is below 0.81"},
		{"auroc(2018, msp) < 0.8", false, "the upper end of 0.700 [0.600, 0.800] is not below 0.8"},
		{"accuracy(2018) < 0.81", true, "the upper end of 0.700 [0.600, 0.800] is below 0.81"},
		{"accuracy(2018) > 0.65", false, "the lower end of 0.700 [0.600, 0.800] is not above 0.65"},
		{"auroc(2019, msp) > 0.5", true, "it could not be computed: too few files"},
		{"auroc(2018, vim) > 0.5", true, "it could not be computed: no layer"},
	} {
		r, err := ParseRule(tc.rule)
		if err != nil {
			t.Fatal(err)
		}
		want := report.RuleOutcome{Rule: tc.rule, Failed: tc.failed, Reason: tc.reason}
		if got := r.decide(res); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// sleeper is an engine that sleeps as a GPU computes, of the test alone: 2 ms a batch
// and 20 µs a file, one batch at a time. Its outputs are off by a part in a thousand.
type sleeper struct {
	tfmodel.Engine // computes the outputs of the first calls
	slot           chan struct{}
	computed       atomic.Int64 // ns
	device         tfmodel.Device
}

func (s *sleeper) Device() tfmodel.Device { return s.device }
func (s *sleeper) Forget()                {}
func (s *sleeper) Usage() tfmodel.Usage {
	return tfmodel.Usage{Compute: time.Duration(s.computed.Load()), Slots: 1}
}

func (s *sleeper) Run(dst [][]float32, files [][]byte) error {
	s.slot <- struct{}{}
	defer func() { <-s.slot }()
	start := time.Now()
	time.Sleep(2*time.Millisecond + time.Duration(len(files))*20*time.Microsecond)
	s.computed.Add(int64(time.Since(start)))
	for i, d := range dst {
		for j := range d {
			d[j] = float32(i+1) * float32(j%7)
		}
	}
	for i, f := range files { // something of each file
		dst[0][i*(len(dst[0])/len(files))] = float32(len(f))
	}
	if s.device == tfmodel.GPU {
		for i := range dst[1] {
			dst[1][i] *= 1.001
		}
	}
	return nil
}

// An engine that opens in the background outlives the error about the files.
func TestExtractOfAMissingPlace(t *testing.T) {
	dir := t.TempDir()
	if err := corpus.Synth(t.Context(), dir, corpus.Options{Files: 60, Seed: 1, Drift: 1, GroupSize: 1}); err != nil {
		t.Fatal(err)
	}
	_, err := Extract(t.Context(), Options{
		Corpus: dir, Model: "corpus/malconv", Out: t.TempDir(), Dataset: dataset.Options{Files: []string{filepath.Join(dir, "none")}},
	})
	if err == nil || !strings.Contains(err.Error(), "opening the root of the files") {
		t.Fatalf("error %v", err)
	}
}

// A GPU that sleeps and a CPU of five times its time, from the sweep to the report.
func TestThroughputOfTwoDevices(t *testing.T) {
	out, dir := t.TempDir(), t.TempDir()
	if err := corpus.Synth(t.Context(), dir, corpus.Options{Files: 60, Seed: 1, Drift: 1, GroupSize: 1}); err != nil {
		t.Fatal(err)
	}
	opt := ThroughputOptions{
		Options: Options{Corpus: dir, Model: "corpus/malconv", Out: out}, Count: 6, Least: 20 * time.Millisecond, Files: 16,
		Engines: []string{"tensorflow"}, Prices: map[tfmodel.Device]float64{tfmodel.GPU: 3.6},
		open: func(m *tfmodel.Model, o tfmodel.Options) (tfmodel.Engine, string, error) {
			e, _, err := tfmodel.Open(m, tfmodel.Options{Engine: "tensorflow", Device: tfmodel.CPU})
			s := &sleeper{Engine: e, device: o.Device, slot: make(chan struct{}, 1)}
			return s, "a test", err
		},
		missingGPU: func() (string, error) { return "", nil },
	}
	m, err := Throughput(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	lead := m.Answer.Lead()
	if lead == nil || m.Answer.Base == nil || len(m.Answer.Speeds) != 2 {
		t.Fatalf("answer %+v", m.Answer)
	}
	if lead.Batch != 16 || math.IsNaN(lead.Ratio.Lo) || !lead.Disk.Known() || math.IsNaN(lead.DiskRatio.Lo) || lead.Bound == "" || !(lead.Cost > 0) || !math.IsNaN(m.Answer.Base.Cost) {
		t.Errorf("GPU %+v", lead)
	}
	// Batches of 16 take 2.32 ms.
	if lead.Files.Center > 16/0.00232 || lead.Files.Center < 1000 {
		t.Errorf("%v files/s, want up to %.0f", lead.Files, 16/0.00232)
	}
	differences := map[string]float64{}
	for _, d := range lead.Differences {
		differences[d.Of] = d.Value
	}
	if d := differences["layer8"]; math.Abs(d-0.001) > 1e-6 || differences["layer7"] != 0 || differences["logits"] != 0 {
		t.Errorf("differences %v, want 0.001 of layer8 alone", differences)
	}
	rows, answer, err := timing(out)
	if err != nil || len(rows) < 8 || len(answer.Tables) != 5 || !strings.HasPrefix(answer.Lines[0], "GPU ") || answer.BestCPU != m.Answer.Base.Files.Center {
		t.Errorf("the report gets %d rows and %+v, %v", len(rows), answer, err)
	}
	text, err := os.ReadFile(m.File)
	if err != nil || !strings.Contains(string(text), "BenchmarkStart/engine=tensorflow/device=gpu 1 ") || !strings.Contains(string(text), "price-gpu: 3.6\n") {
		t.Errorf("%v:\n%s", err, text)
	}
	// The corpus is smaller than what is asked for by default with a GPU.
	if n := opt.setSize(true); n != 0 || opt.Files != 16 {
		t.Errorf("%d files with --files 16, want what was asked for", n)
	}
	opt.Files, opt.Least = 0, 0
	if n := opt.setSize(true); n != 4096 || opt.Least != time.Second {
		t.Errorf("with a GPU %d files and %v, want 4,096 and 1 s", n, opt.Least)
	}
}

func TestThroughputOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]ThroughputOptions{
		"--precision tf32: a CPU computes in float32":    {Devices: []string{"cpu"}, Precisions: []tfmodel.Precision{tfmodel.TF32}},
		`--precision "bf16": want float32 or tf32`:       {Precisions: []tfmodel.Precision{"bf16"}},
		`--device "tpu": want auto, cpu or gpu`:          {Devices: []string{"tpu"}},
		"--engine table: none computes on the gpu":       {Engines: []string{"table"}, Devices: []string{"gpu"}},
		"--price tpu=1: want cpu=PRICE or gpu=PRICE":     {Prices: map[tfmodel.Device]float64{"tpu": 1}},
		"--batch, --count and --files want numbers of 1": {Batches: []int{0}},
	} {
		if _, err := Throughput(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// With a GPU and no word on the device, the faster one computes: by what bench.txt
// says of this model and machine, else by a trial.
func TestFasterDeviceIsTaken(t *testing.T) {
	m, err := tfmodel.Inspect("corpus/malconv")
	if err != nil {
		t.Fatal(err)
	}
	var slow tfmodel.Device
	open := func(_ *tfmodel.Model, o tfmodel.Options) (tfmodel.Engine, string, error) {
		if o.Device == tfmodel.GPU || o.Device == tfmodel.CPU {
			return trialEngine{o.Device, slow, cmp.Or(o.Engine, "table")}, "asked for", nil
		}
		return trialEngine{tfmodel.CPU, slow, "auto"}, "as ever", nil
	}
	there := func() (string, error) { return "", nil }
	for _, slow = range []tfmodel.Device{tfmodel.CPU, tfmodel.GPU} {
		e, why, err := faster(m, Options{Out: t.TempDir()}, open, there)
		if err != nil || e.Device() == slow || !strings.HasPrefix(why, "faster in a second of each: ") {
			t.Errorf("slow %s: %v because %s, %v", slow, e.Device(), why, err)
		}
	}
	if e, why, _ := faster(m, Options{}, open, func() (string, error) { return "no driver", nil }); e.Name() != "auto" || why != "as ever" {
		t.Errorf("without a GPU: %s because %s", e.Name(), why)
	}
	if e, _, _ := faster(m, Options{Engine: tfmodel.Options{Device: tfmodel.GPU}}, open, there); e.Device() != tfmodel.GPU {
		t.Error("a device that is asked for is not taken")
	}

	// The trial says CPU now, bench.txt says GPU.
	out := t.TempDir()
	var env strings.Builder
	for _, kv := range append(throughput.Host(), throughput.KV{Key: "gpu", Value: strings.Join(tfmodel.GPUNames(), ", ")}) {
		if kv.Value != "" {
			env.WriteString(kv.Key + ": " + kv.Value + "\n")
		}
	}
	const cases = "BenchmarkExtract/engine=table/device=cpu/batch=8/read=no/scenario=offline 1 10 samples/s\n" +
		"BenchmarkExtract/engine=tensorflow/device=gpu/batch=8/read=no/scenario=offline 1 90 samples/s\n" +
		"BenchmarkExtract/engine=tensorflow/device=gpu/precision=tf32/batch=8/read=no/scenario=offline 1 5 samples/s\n"
	for _, tc := range []struct {
		model     string
		precision tfmodel.Precision
		want      tfmodel.Device
		why       string
	}{
		{m.Hash, "", tfmodel.GPU, "the fastest here by "},
		{m.Hash, tfmodel.TF32, tfmodel.CPU, "the fastest here by "},
		{"another", "", tfmodel.CPU, "faster in a second of each: "},
	} {
		if err := os.WriteFile(filepath.Join(out, benchFile), []byte(env.String()+"model: "+tc.model+"\n\n"+cases), 0o666); err != nil {
			t.Fatal(err)
		}
		e, why, err := faster(m, Options{Out: out, Engine: tfmodel.Options{Precision: tc.precision}}, open, there)
		if err != nil || e.Device() != tc.want || !strings.HasPrefix(why, tc.why) {
			t.Errorf("%+v: %s because %s, %v", tc, e.Device(), why, err)
		}
	}
}

// trialEngine takes 1 ms a batch, and on the slow device 20.
type trialEngine struct {
	device, slow tfmodel.Device
	name         string
}

func (e trialEngine) Name() string           { return e.name }
func (e trialEngine) Identity() string       { return e.name }
func (e trialEngine) Device() tfmodel.Device { return e.device }
func (e trialEngine) Forget()                {}
func (e trialEngine) Usage() tfmodel.Usage   { return tfmodel.Usage{} }
func (e trialEngine) Close() error           { return nil }
func (e trialEngine) Run([][]float32, [][]byte) error {
	time.Sleep(time.Millisecond)
	if e.device == e.slow {
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}
