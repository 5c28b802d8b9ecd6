package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/klauspost/cpuid/v2"
	"github.com/spf13/cobra"

	"driftbench/tfmodel"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what is in use, and what to do about what is missing",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			say := func(part, state, mend string) {
				fmt.Fprintf(a.out, "%-12s %s\n", part, state)
				if mend != "" {
					fmt.Fprintf(a.out, "%-12s to do: %s\n", "", mend)
				}
			}
			say("driftbench", version(), "")
			say("go", runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH, "")
			say("cpu", fmt.Sprintf("%s, %d cores", cpuName(), runtime.NumCPU()), "")
			say("tensorflow", tfmodel.Version()+" from "+libraryPath("libtensorflow"), "")

			devices, err := tfmodel.Devices()
			if err != nil {
				return err
			}
			state, mend := gpuState(devices)
			say("devices", strings.Join(devices, ", "), "")
			say("gpu", state, mend)

			blas, mend := a.blas, ""
			if blas == "gonum" {
				mend = "for faster scores `make build` with OpenBLAS: `make deps` as root installs it where pkg-config does not find it, BLAS=gonum leaves it out"
			} else {
				blas += ", one thread a product; rows are shared out over the cores"
			}
			say("blas", blas, mend)
			say("engines", "tensorflow; table and table16 on the CPU, kernel "+tfmodel.TableKernel(), "")
			say("cache", defaultCache(), "")
			return nil
		},
	}
}

// gpuState says in words why there is or is no GPU, and what to do.
func gpuState(devices []string) (state, mend string) {
	names := tfmodel.GPUNames()
	for _, d := range devices {
		if strings.HasPrefix(d, "GPU") {
			return cmp.Or(strings.Join(names, ", "), "in use"), ""
		}
	}
	if len(names) == 0 {
		return "no NVIDIA driver on this machine", "nothing, or run on a machine with an NVIDIA GPU and driver and `make build GPU=1`"
	}
	return strings.Join(names, ", ") + ": not usable by this libtensorflow",
		"`make build GPU=1` fetches the CUDA build; if that is what is in use, TF_CPP_MIN_LOG_LEVEL=0 driftbench doctor names the library it could not open"
}

// noGPU is the reason why there are no GPU numbers, one clause; "" with a GPU.
func noGPU() (string, error) {
	devices, err := tfmodel.Devices()
	if err != nil {
		return "", err
	}
	for _, d := range devices {
		if strings.HasPrefix(d, "GPU") {
			return "", nil
		}
	}
	state, _ := gpuState(devices)
	return state, nil
}

// version is the module's version and the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v += " " + s.Value
		case "vcs.modified":
			if s.Value == "true" {
				v += " with changes"
			}
		}
	}
	return v
}

// cpuName is the processor's own name.
func cpuName() string { return cmp.Or(strings.TrimSpace(cpuid.CPU.BrandName), runtime.GOARCH) }

// libraryPath is the file that a linked library was loaded from.
func libraryPath(name string) string {
	b, err := os.ReadFile("/proc/self/maps")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if i := strings.IndexByte(line, '/'); i >= 0 && strings.Contains(line[i:], name) {
				return strings.TrimSpace(line[i:])
			}
		}
	}
	return "an unknown place"
}
