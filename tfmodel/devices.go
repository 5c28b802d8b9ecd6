package tfmodel

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"

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

// Devices lists the devices that TensorFlow can compute on, such as "CPU:0" and "GPU:0".
func Devices() ([]string, error) {
	if err := libtensorflow.Load(); err != nil {
		return nil, fmt.Errorf("tfmodel: %w", err)
	}
	session, err := tf.NewSession(tf.NewGraph(), nil)
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
// NVIDIA driver on this machine", or "" where TensorFlow has one.
func MissingGPU() (string, error) {
	const none = "no NVIDIA driver on this machine"
	if noGPU() {
		return none, nil
	}
	devices, err := Devices()
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
