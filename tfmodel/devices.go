package tfmodel

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"
)

// Version returns TensorFlow's version, such as "2.20.0".
func Version() string { return tf.Version() }

// Devices lists the devices that TensorFlow can compute on, such as "CPU:0" and "GPU:0".
func Devices() ([]string, error) {
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
	return "no NVIDIA driver on this machine", nil
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
