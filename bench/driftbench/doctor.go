package main

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"driftbench/bench"
	"driftbench/internal/meter"
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
			say("tensorflow", version+" from "+cmp.Or(tfmodel.LibraryPath("libtensorflow"), "an unknown place"), "")

			devices, err := tfmodel.Devices(tfmodel.Options{})
			if err != nil {
				return err
			}
			state, todo, err := gpuState()
			if err != nil {
				return err
			}
			say("devices", strings.Join(devices, ", "), "")
			say("gpu", state, todo)
			for _, l := range cudaState() {
				say(l[0], l[1], l[2])
			}

			blas, todo := stats.UseBLAS(), ""
			if blas == "gonum" {
				todo = "for faster scores `make build` with OpenBLAS: `make deps` as root installs it where pkg-config does not find it, BLAS=gonum leaves it out"
			} else {
				blas += ", one thread a product; rows are shared out over the cores"
			}
			say("blas", blas, todo)
			say("engines", strings.Join(tfmodel.EngineNames(), ", ")+"; table computes on the CPU, kernel "+tfmodel.TableKernel(), "")
			say("cache", defaultCache(), "")
			return nil
		},
	}
}

// cudaState says what a CUDA build finds of the libraries that it opens by name and of
// the driver: lines of part, state and what to do. Another build has none.
func cudaState() [][3]string {
	libraries, built := tfmodel.CUDALibraries()
	if !built {
		return nil
	}
	var lines [][3]string
	opened := 0
	for _, l := range libraries {
		if l.Missing == "" {
			opened++
			continue
		}
		todo := "`make build GPU=1` fetches " + l.Package
		if l.Name == "libcuda.so.1" {
			todo = fmt.Sprintf("install the NVIDIA driver %s or newer; in a container, run it with --gpus all", tfmodel.CUDADriver)
		}
		lines = append(lines, [3]string{"", l.Name + ", of " + l.Package + ": " + l.Missing, todo})
	}
	lines = slices.Insert(lines, 0, [3]string{"cuda", fmt.Sprintf("%d of %d libraries that TensorFlow opens by name can be opened", opened, len(libraries)), ""})
	driver, major, minor, missing := meter.Driver()
	if missing != "" {
		return append(lines, [3]string{"driver", missing, ""})
	}
	return append(lines, [3]string{"driver", fmt.Sprintf("%s, for CUDA %d.%d and older", driver, major, minor), tfmodel.DriverFits(driver, major, minor)})
}

// gpuState says in words why there is or is no GPU, and what to do.
func gpuState() (state, todo string, err error) {
	names := tfmodel.GPUNames()
	missing, err := tfmodel.MissingGPU(tfmodel.Options{})
	switch {
	case err != nil:
		return "", "", err
	case missing == "":
		return cmp.Or(strings.Join(names, ", "), "in use"), "", nil
	case len(names) == 0:
		return missing, "nothing, or run on a machine with an NVIDIA GPU and driver and `make build GPU=1`", nil
	}
	return missing, "`make build GPU=1` fetches the CUDA build; if that is what is in use, the next lines name what is missing", nil
}
