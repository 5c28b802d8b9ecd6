// Package meter reads what a machine spends while something runs: energy,
// utilisation and memory of its processors and of its NVIDIA GPUs.
//
// Energy of processors comes from RAPL as Linux shows it (powercap), for whole
// packages and so with all that runs on them. What is known of GPUs comes from
// NVML, the driver's own library, which is loaded at run time where there is one.
// What cannot be read is NaN and named, never estimated.
package meter

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Reading is what was spent between two moments. NaN was not read.
type Reading struct {
	CPUJoules float64 // of all processor packages
	CPUUse    float64 // share of all cores that this process has used
	// Of the GPU that was used most.
	GPUJoules float64
	GPUUse    float64 // share of the time in which it computed
	GPUMemory float64 // bytes in use at the end, of all processes
}

// Meter reads the processors and the GPUs of this machine.
type Meter struct {
	packages []domain
	gpus     []gpu
	close    func()
	// Missing says in a clause each what cannot be read of processors and of GPUs.
	MissingCPU, MissingGPU string
}

// Open finds what can be read.
func Open() *Meter {
	m := &Meter{}
	m.packages, m.MissingCPU = openRAPL("/sys/class/powercap")
	m.gpus, m.close, m.MissingGPU = openNVML()
	return m
}

// Close lets go of NVML.
func (m *Meter) Close() { m.close() }

// samples is the time between two looks at the utilisation of a GPU, which NVML
// averages over 1/6 to 1 s.
const samples = 100 * time.Millisecond

// Start begins a reading and returns the function that ends it. A nil Meter reads
// nothing.
func (m *Meter) Start() func() Reading {
	if m == nil {
		nan := math.NaN()
		return func() Reading { return Reading{nan, nan, nan, nan, nan} }
	}
	joules, began, start := m.joules(), cpuTime(), time.Now()
	before := make([]float64, len(m.gpus))
	for i, g := range m.gpus {
		before[i] = g.joules()
	}
	use := make([]mean, len(m.gpus))
	stop := make(chan struct{})
	var sampling sync.WaitGroup
	if len(m.gpus) > 0 {
		sampling.Go(func() {
			tick := time.NewTicker(samples)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				for i, g := range m.gpus {
					use[i].add(g.use())
				}
			}
		})
	}
	return func() Reading {
		close(stop)
		sampling.Wait()
		r := Reading{
			CPUJoules: spent(m.packages, joules, m.joules()),
			CPUUse:    (cpuTime() - began).Seconds() / time.Since(start).Seconds() / float64(runtime.NumCPU()),
			GPUJoules: math.NaN(), GPUUse: math.NaN(), GPUMemory: math.NaN(),
		}
		if len(m.gpus) == 0 {
			return r
		}
		memory := make([]float64, len(m.gpus))
		for i, g := range m.gpus {
			if use[i].n == 0 {
				use[i].add(g.use()) // shorter than the time between two samples
			}
			memory[i] = g.memory()
		}
		most := busiest(use, memory)
		r.GPUJoules = m.gpus[most].joules() - before[most]
		r.GPUUse, r.GPUMemory = use[most].value(), memory[most]
		return r
	}
}

// busiest returns the GPU of the largest utilisation, or where that is not known
// of the most memory in use: TensorFlow computes on one.
func busiest(use []mean, memory []float64) int {
	most := 0
	for i := range use {
		a, b := use[i].value(), use[most].value()
		if a > b || (a == b || math.IsNaN(a) || math.IsNaN(b)) && memory[i] > memory[most] {
			most = i
		}
	}
	return most
}

// mean is a running mean, of which one value that was not read makes NaN.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(x float64) { m.sum, m.n = m.sum+x, m.n+1 }

func (m *mean) value() float64 { return m.sum / float64(m.n) }

// joules returns what the counters of the packages stand at.
func (m *Meter) joules() []float64 {
	at := make([]float64, len(m.packages))
	for i, p := range m.packages {
		at[i] = p.joules()
	}
	return at
}

// cpuTime is the time that all threads of this process have run.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(slices.Max([]int64{u.Utime.Nano() + u.Stime.Nano(), 0}))
}

// AvailableMemory is the memory in bytes that new work may take without swapping, as
// Linux estimates it; 0 is not known.
func AvailableMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}
