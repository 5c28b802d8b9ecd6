package meter

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// powercap is a machine with two packages, one of which has a part of its own.
func powercap(t *testing.T) string {
	dir := t.TempDir()
	for name, kind := range map[string]string{"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:1": "package-1", "intel-rapl:2": "psys"} {
		write(t, filepath.Join(dir, name, "name"), kind+"\n")
		write(t, filepath.Join(dir, name, "energy_uj"), "1000000\n")
		write(t, filepath.Join(dir, name, "max_energy_range_uj"), "50000000\n")
	}
	return dir
}

func TestRAPLAddsPackages(t *testing.T) {
	dir := powercap(t)
	packages, missing := openRAPL(dir)
	if len(packages) != 2 || missing != "" {
		t.Fatalf("%v, %q, want two packages", packages, missing)
	}
	m := &Meter{packages: packages}
	stop := m.Start()
	write(t, filepath.Join(dir, "intel-rapl:0", "energy_uj"), "4000000")
	write(t, filepath.Join(dir, "intel-rapl:1", "energy_uj"), "500000") // started again at 0
	write(t, filepath.Join(dir, "intel-rapl:0:0", "energy_uj"), "9000000")
	if r := stop(); r.CPUJoules != 3+49.5 || !math.IsNaN(r.GPUJoules) {
		t.Errorf("%+v, want 52.5 J", r)
	}
}

func TestRAPLSaysWhatIsMissing(t *testing.T) {
	if p, missing := openRAPL(t.TempDir()); len(p) > 0 || !strings.Contains(missing, "no RAPL counters") {
		t.Errorf("%v, %q", p, missing)
	}
	dir := powercap(t)
	write(t, filepath.Join(dir, "intel-rapl:1", "energy_uj"), "unknown")
	if p, missing := openRAPL(dir); len(p) > 0 || !strings.Contains(missing, "unknown") {
		t.Errorf("%v, %q", p, missing)
	}
	if r := (&Meter{}).Start()(); !math.IsNaN(r.CPUJoules) {
		t.Errorf("%+v, want no joules", r)
	}
}

func TestCPUUse(t *testing.T) {
	stop := (&Meter{}).Start()
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
	}
	if r := stop(); !(r.CPUUse > 0.02 && r.CPUUse <= 1.01) {
		t.Errorf("a busy process has used %v of the cores", r.CPUUse)
	}
}

// card is a GPU of NVIDIA's mock: it spends 100 J each time it is asked.
func card(use uint32, used uint64, known bool) gpu {
	joules, ret := uint64(0), nvml.SUCCESS
	if !known {
		ret = nvml.ERROR_NOT_SUPPORTED
	}
	return gpu{&mock.Device{
		GetTotalEnergyConsumptionFunc: func() (uint64, nvml.Return) { joules += 100_000; return joules, ret },
		GetUtilizationRatesFunc:       func() (nvml.Utilization, nvml.Return) { return nvml.Utilization{Gpu: use}, ret },
		GetMemoryInfoFunc:             func() (nvml.Memory, nvml.Return) { return nvml.Memory{Used: used}, nvml.SUCCESS },
	}}
}

func TestGPUThatIsBusiestIsRead(t *testing.T) {
	m := &Meter{gpus: []gpu{card(3, 9e9, true), card(80, 2e9, true)}}
	stop := m.Start()
	time.Sleep(2 * samples)
	if r := stop(); r.GPUJoules != 100 || r.GPUUse != 0.8 || r.GPUMemory != 2e9 {
		t.Errorf("%+v, want that of the second GPU", r)
	}
	m = &Meter{gpus: []gpu{card(0, 1e9, false), card(0, 5e9, false)}} // partitioned
	if r := m.Start()(); !math.IsNaN(r.GPUJoules) || !math.IsNaN(r.GPUUse) || r.GPUMemory != 5e9 {
		t.Errorf("%+v, want the memory of the second GPU alone", r)
	}
}
