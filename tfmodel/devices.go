package tfmodel

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	tf "github.com/wamuir/graft/tensorflow"
	"google.golang.org/protobuf/proto"

	"driftbench/internal/libtensorflow"
)

// VersionUnloaded is Version without loading TensorFlow where possible: it is then
// the version that the program was built for, which LD_LIBRARY_PATH may replace.
func VersionUnloaded() (string, error) {
	if v := libtensorflow.Version(); v != "" {
		return v, nil
	}
	return Version()
}

// Version returns TensorFlow's version, such as "2.20.0".
func Version() (string, error) {
	if err := libtensorflow.Load(); err != nil {
		return "", fmt.Errorf("tfmodel: %w", err)
	}
	return tf.Version(), nil
}

// Devices lists the devices that TensorFlow can compute on, such as "CPU:0" and
// "GPU:0". The first session of a process decides how all of them see the GPUs and
// take their memory, so opt must be that of the engines, whatever its device.
func Devices(opt Options) ([]string, error) {
	if err := libtensorflow.Load(); err != nil {
		return nil, fmt.Errorf("tfmodel: %w", err)
	}
	opt.Device = Auto
	config, err := proto.Marshal(sessionConfig(opt))
	if err != nil {
		return nil, fmt.Errorf("tfmodel: writing session options: %w", err)
	}
	session, err := tf.NewSession(tf.NewGraph(), &tf.SessionOptions{Config: config})
	if err != nil {
		return nil, fmt.Errorf("tfmodel: opening a session: %w", firstLine(err))
	}
	defer session.Close()
	devices, err := session.ListDevices()
	if err != nil {
		return nil, fmt.Errorf("tfmodel: listing devices: %w", firstLine(err))
	}
	var names []string
	for _, d := range devices {
		if i := strings.LastIndex(d.Name, "device:"); i >= 0 {
			names = append(names, d.Name[i+len("device:"):])
		}
	}
	return names, nil
}

// MissingGPU returns in one clause why TensorFlow has no GPU here, such as "no
// NVIDIA driver on this machine", or "" where TensorFlow has one. opt is as in
// [Devices].
func MissingGPU(opt Options) (string, error) {
	const none = "no NVIDIA driver on this machine"
	if noGPU() {
		return none, nil
	}
	devices, err := Devices(opt)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(devices, func(d string) bool { return strings.HasPrefix(d, "GPU") }) {
		return "", nil
	}
	if names := GPUNames(); len(names) > 0 {
		return strings.Join(names, ", ") + ": not usable by this libtensorflow", nil
	}
	return none, nil
}

// noGPU reports whether this machine shows no device of a driver of GPUs that
// TensorFlow knows. Then it lists none, and need not be loaded and asked.
func noGPU() bool {
	for _, pattern := range []string{"/proc/driver/nvidia", "/dev/nvidia*", "/dev/nvhost*", "/dev/nvmap", "/dev/dxg", "/dev/kfd"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return false
		}
	}
	return true
}

// GPUNames lists the NVIDIA GPUs that the driver reports, whether or not
// TensorFlow can use them.
func GPUNames() []string {
	infos, _ := filepath.Glob("/proc/driver/nvidia/gpus/*/information")
	model := regexp.MustCompile(`(?m)^Model:\s*(.+?)\s*$`)
	var names []string
	for _, path := range infos {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if m := model.FindSubmatch(b); m != nil {
			names = append(names, string(m[1]))
		}
	}
	return names
}

// LibraryPath returns the file that a linked library whose name holds name was loaded
// from, or "".
func LibraryPath(name string) string {
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if i := strings.IndexByte(line, '/'); i >= 0 && strings.Contains(filepath.Base(line[i:]), name) {
			return strings.TrimSpace(line[i:])
		}
	}
	return ""
}

// CUDALibrary is a library that the CUDA build of TensorFlow opens by name when it
// looks for a GPU, and the Python package that has it.
type CUDALibrary struct {
	Name, Package string
	// Missing says why it cannot be opened; "" where it can.
	Missing string
}

// CUDAMajor is the CUDA that the pinned TensorFlow is built for, and CUDADriver the
// first driver that supports it.
const (
	CUDAMajor  = 12
	CUDADriver = "525.60.13"
)

// cudaLibraries are what TensorFlow 2.21 asks for, as the dynamic linker shows when
// tsl::internal::DsoLoader is called (LD_DEBUG=libs).
var cudaLibraries = []CUDALibrary{
	{Name: "libcuda.so.1", Package: "the NVIDIA driver"},
	{Name: "libcudart.so.12", Package: "nvidia-cuda-runtime-cu12"},
	{Name: "libcublas.so.12", Package: "nvidia-cublas-cu12"},
	{Name: "libcublasLt.so.12", Package: "nvidia-cublas-cu12"},
	{Name: "libcufft.so.11", Package: "nvidia-cufft-cu12"},
	{Name: "libcusolver.so.11", Package: "nvidia-cusolver-cu12"},
	{Name: "libcusparse.so.12", Package: "nvidia-cusparse-cu12"},
	{Name: "libcudnn.so.9", Package: "nvidia-cudnn-cu12"},
}

// CUDALibraries opens each library that TensorFlow will ask for, where TensorFlow
// looks. built is false, and there are none, where the linked TensorFlow is no CUDA
// build.
func CUDALibraries() (libraries []CUDALibrary, built bool) {
	path := LibraryPath("libtensorflow_framework")
	if path == "" {
		return nil, false
	}
	f, err := elf.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	if f.Section(".nv_fatbin") == nil { // the kernels
		return nil, false
	}
	return openLibraries(cudaLibraries, searchPath(f, path)), true
}

// searchPath returns the folders in which the library of an ELF file at path has the
// dynamic linker look.
func searchPath(f *elf.File, path string) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		values, _ := f.DynString(tag)
		for _, v := range values {
			for dir := range strings.SplitSeq(v, ":") {
				dir = filepath.Clean(strings.ReplaceAll(dir, "$ORIGIN", filepath.Dir(path)))
				if !slices.Contains(dirs, dir) {
					dirs = append(dirs, dir)
				}
			}
		}
	}
	return dirs
}

// openLibraries opens each library, in the folders or else where the dynamic linker
// looks by itself.
func openLibraries(all []CUDALibrary, dirs []string) []CUDALibrary {
	all = slices.Clone(all)
	for i, l := range all {
		name := l.Name
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				name = filepath.Join(dir, name)
				break
			}
		}
		library := dl.New(name, dl.RTLD_LAZY)
		if err := library.Open(); err != nil {
			all[i].Missing = firstLine(err).Error()
			continue
		}
		library.Close()
	}
	return all
}

// DriverFits says in one line what to do where a driver supports no newer CUDA than
// major.minor and TensorFlow needs one; "" where it fits.
func DriverFits(driver string, major, minor int) string {
	if major >= CUDAMajor {
		return ""
	}
	return fmt.Sprintf("the driver %s supports CUDA %d.%d, and TensorFlow is built for CUDA %d: install driver %s or newer", driver, major, minor, CUDAMajor, CUDADriver)
}
