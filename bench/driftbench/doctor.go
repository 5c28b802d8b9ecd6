package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"driftbench/bench"
	"driftbench/stats"
	"driftbench/tfmodel"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what is in use, and what to do about what is missing",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			say := func(part, state, todo string) {
				fmt.Fprintf(a.out, "%-12s %s\n", part, state)
				if todo != "" {
					fmt.Fprintf(a.out, "%-12s to do: %s\n", "", todo)
				}
			}
			say("driftbench", bench.Version(), "")
			say("go", runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH, "")
			say("cpu", fmt.Sprintf("%s, %d cores", bench.CPUName(), runtime.NumCPU()), "")
			version, err := tfmodel.Version()
			if err != nil {
				return err
			}
			say("tensorflow", version+" from "+libraryPath("libtensorflow"), "")

			devices, err := tfmodel.Devices()
			if err != nil {
				return err
			}
			state, todo, err := gpuState()
			if err != nil {
				return err
			}
			say("devices", strings.Join(devices, ", "), "")
			say("gpu", state, todo)

			blas, todo := stats.UseBLAS(), ""
			if blas == "gonum" {
				todo = "for faster scores `make build` with OpenBLAS: `make deps` as root installs it where pkg-config does not find it, BLAS=gonum leaves it out"
			} else {
				blas += ", one thread a product; rows are shared out over the cores"
			}
			say("blas", blas, todo)
			say("engines", strings.Join(tfmodel.EngineNames(), ", ")+"; table and table16 compute on the CPU, kernel "+tfmodel.TableKernel(), "")
			say("cache", defaultCache(), "")
			return nil
		},
	}
}

// gpuState says in words why there is or is no GPU, and what to do.
func gpuState() (state, todo string, err error) {
	names := tfmodel.GPUNames()
	missing, err := tfmodel.MissingGPU()
	switch {
	case err != nil:
		return "", "", err
	case missing == "":
		return cmp.Or(strings.Join(names, ", "), "in use"), "", nil
	case len(names) == 0:
		return missing, "nothing, or run on a machine with an NVIDIA GPU and driver and `make build GPU=1`", nil
	}
	return missing, "`make build GPU=1` fetches the CUDA build; if that is what is in use, TF_CPP_MIN_LOG_LEVEL=0 driftbench doctor names the library it could not open", nil
}

// libraryPath returns the file that a linked library was loaded from.
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
