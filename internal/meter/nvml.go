package meter

import (
	"fmt"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// gpu is what is asked of a GPU of NVML.
type gpu struct{ nvml.Device }

// openNVML returns the GPUs, and why there are none to read.
func openNVML() (gpus []gpu, done func(), missing string) {
	const what = "joules, utilisation and memory of the GPU: "
	done = func() {}
	switch ret := nvml.Init(); ret {
	case nvml.SUCCESS:
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return nil, done, what + "the driver's libnvidia-ml.so.1 is not on this machine"
	default:
		return nil, done, what + "NVML does not start: " + nvml.ErrorString(ret)
	}
	done = func() { nvml.Shutdown() }
	n, ret := nvml.DeviceGetCount()
	for i := range n {
		d, ret := nvml.DeviceGetHandleByIndex(i)
		if ret == nvml.SUCCESS {
			gpus = append(gpus, gpu{d})
		}
	}
	if len(gpus) == 0 {
		missing = what + "NVML lists no GPU"
		if ret != nvml.SUCCESS {
			missing += ": " + nvml.ErrorString(ret)
		}
	}
	return gpus, done, missing
}

// joules is the energy since the driver was loaded, NaN on GPUs before Volta.
func (g gpu) joules() float64 {
	mj, ret := g.GetTotalEnergyConsumption()
	if ret != nvml.SUCCESS {
		return math.NaN()
	}
	return float64(mj) / 1e3
}

// use is the share of the last moments in which a kernel ran, NaN where the GPU is
// partitioned.
func (g gpu) use() float64 {
	u, ret := g.GetUtilizationRates()
	if ret != nvml.SUCCESS {
		return math.NaN()
	}
	return float64(u.Gpu) / 100
}

func (g gpu) memory() float64 {
	m, ret := g.GetMemoryInfo()
	if ret != nvml.SUCCESS {
		return math.NaN()
	}
	return float64(m.Used)
}

// Driver returns the version of the NVIDIA driver and the newest CUDA that it
// supports, such as "550.54.14" and 12.4. Without a driver it says why.
func Driver() (version string, cudaMajor, cudaMinor int, missing string) {
	_, done, missing := openNVML()
	defer done()
	if missing != "" {
		return "", 0, 0, missing
	}
	version, ret := nvml.SystemGetDriverVersion()
	if ret != nvml.SUCCESS {
		return "", 0, 0, fmt.Sprintf("NVML does not say its version: %s", nvml.ErrorString(ret))
	}
	cuda, ret := nvml.SystemGetCudaDriverVersion()
	if ret != nvml.SUCCESS {
		return version, 0, 0, fmt.Sprintf("the driver does not say its CUDA version: %s", nvml.ErrorString(ret))
	}
	return version, cuda / 1000, cuda % 1000 / 10, ""
}
