package throughput

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/perf/benchfmt"

	"driftbench/internal/atomicfile"
)

// Units of a repetition. An operation is one file.
const (
	unitTime    = "ns/op"
	unitSamples = "samples/s"
	unitBytes   = "MB/s"
	unitP50     = "p50-latency-ns"
	unitP90     = "p90-latency-ns"
	unitP99     = "p99-latency-ns"
	unitRSS     = "peak-RSS-bytes"

	unitBusy      = "busy"           // share of the time in which the engine computed
	unitFeed      = "feed-samples/s" // what the feeders could fill
	unitCPUUse    = "cpu-use"        // share of all cores
	unitGPUUse    = "gpu-use"        // share of the time in which a kernel ran
	unitGPUMemory = "gpu-bytes"
	unitCPUJoules = "cpu-J/op"
	unitGPUJoules = "gpu-J/op"

	unitFirst      = "first-result-ns" // from opening an engine to the outputs of one file
	unitDifference = "max-difference"  // as a share of the layer's largest value, or of an AUROC
)

// Host returns what the machine is, under the keys that `go test` uses.
func Host() []KV {
	host := []KV{{"goos", runtime.GOOS}, {"goarch", runtime.GOARCH}}
	if cpu := strings.TrimSpace(cpuid.CPU.BrandName); cpu != "" {
		host = append(host, KV{"cpu", cpu})
	}
	return host
}

// WriteFile writes repetitions in the Go benchmark format. config is the
// environment: what the machine, the libraries, the model and the corpus are.
// Its keys must begin with a lower-case letter and hold no upper-case letter,
// space or colon, else WriteFile panics; pairs with an empty value are left
// out. The file appears whole or not at all.
func WriteFile(path string, config []KV, ms []Measurement, facts ...Fact) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return write(w, config, ms, facts) })
	if err != nil {
		return fmt.Errorf("throughput: writing %s: %w", path, err)
	}
	return nil
}

// Fact is a number of a target that is measured once, beside the repetitions.
type Fact struct {
	name  string
	files int
	value benchfmt.Value
}

// First is the time from opening an engine to the outputs of its first file.
func First(key []KV, d time.Duration) Fact {
	return Fact{benchName("Start", key), 1, benchfmt.Value{Value: float64(d), Unit: unitFirst}}
}

// Difference is the largest difference of what, a layer or AUROC, between the
// target of that key and the reference, over so many files.
func Difference(key []KV, what, reference string, files int, difference float64) Fact {
	key = append(slices.Clone(key), KV{"of", what}, KV{"from", reference})
	return Fact{benchName("Difference", key), files, benchfmt.Value{Value: difference, Unit: unitDifference}}
}

func write(w io.Writer, config []KV, ms []Measurement, facts []Fact) error {
	out := benchfmt.NewWriter(w)
	for _, u := range []struct{ unit, better string }{
		{unitSamples, "higher"}, {unitBytes, "higher"}, {unitTime, "lower"},
		{unitP50, "lower"}, {unitP90, "lower"}, {unitP99, "lower"}, {unitRSS, "lower"},
		{unitCPUJoules, "lower"}, {unitGPUJoules, "lower"}, {unitFirst, "lower"}, {unitDifference, "lower"},
	} {
		m := &benchfmt.UnitMetadata{OrigUnit: u.unit, Value: u.better}
		m.Unit, m.Key = u.unit, "better"
		if err := out.Write(m); err != nil {
			return err
		}
	}
	file := fileConfig(config)
	for _, m := range ms {
		r := &benchfmt.Result{Config: file, Name: benchfmt.Name(m.Name), Iters: m.Files, Values: m.values()}
		if err := out.Write(r); err != nil {
			return err
		}
	}
	for _, f := range facts {
		r := &benchfmt.Result{Config: file, Name: benchfmt.Name(f.name), Iters: f.files, Values: []benchfmt.Value{f.value}}
		if err := out.Write(r); err != nil {
			return err
		}
	}
	return nil
}

// values are the numbers of one benchmark line.
func (m *Measurement) values() []benchfmt.Value {
	s := m.Elapsed.Seconds()
	v := []benchfmt.Value{
		{Value: s * 1e9 / float64(m.Files), Unit: unitTime},
		{Value: float64(m.Files) / s, Unit: unitSamples},
		{Value: float64(m.Bytes) / 1e6 / s, Unit: unitBytes},
	}
	if m.P50 > 0 {
		v = append(v,
			benchfmt.Value{Value: float64(m.P50), Unit: unitP50},
			benchfmt.Value{Value: float64(m.P90), Unit: unitP90},
			benchfmt.Value{Value: float64(m.P99), Unit: unitP99})
	}
	if m.PeakRSS > 0 {
		v = append(v, benchfmt.Value{Value: float64(m.PeakRSS), Unit: unitRSS})
	}
	for _, x := range []benchfmt.Value{
		{Value: m.Busy, Unit: unitBusy}, {Value: m.Feed, Unit: unitFeed},
		{Value: m.Spent.CPUUse, Unit: unitCPUUse}, {Value: m.Spent.GPUUse, Unit: unitGPUUse}, {Value: m.Spent.GPUMemory, Unit: unitGPUMemory},
		{Value: m.Spent.CPUJoules / float64(m.Files), Unit: unitCPUJoules}, {Value: m.Spent.GPUJoules / float64(m.Files), Unit: unitGPUJoules},
	} {
		if x.Value > 0 {
			v = append(v, x)
		}
	}
	return v
}

func fileConfig(config []KV) []benchfmt.Config {
	var file []benchfmt.Config
	for _, kv := range config {
		if kv.Key == "" || kv.Key[0] < 'a' || kv.Key[0] > 'z' || strings.ContainsAny(kv.Key, " \t\n\r:") || strings.ToLower(kv.Key) != kv.Key {
			panic(fmt.Sprintf("throughput: %q cannot be a key of a benchmark file", kv.Key))
		}
		// A value is one line of text.
		if value := strings.Join(strings.Fields(kv.Value), " "); value != "" {
			file = append(file, benchfmt.Config{Key: kv.Key, Value: []byte(value), File: true})
		}
	}
	return file
}
