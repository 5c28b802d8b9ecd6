package tfmodel

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"
)

// Version is TensorFlow's own version.
func Version() string { return tf.Version() }

// Devices lists what TensorFlow can run on, such as "CPU:0" and "GPU:0".
func Devices() ([]string, error) {
	session, err := tf.NewSession(tf.NewGraph(), nil)
	if err != nil {
		return nil, fmt.Errorf("tfmodel: opening a session: %s", firstLine(err))
	}
	defer session.Close()
	devices, err := session.ListDevices()
	if err != nil {
		return nil, fmt.Errorf("tfmodel: listing devices: %s", firstLine(err))
	}
	var names []string
	for _, d := range devices {
		if i := strings.LastIndex(d.Name, "device:"); i >= 0 {
			names = append(names, d.Name[i+len("device:"):])
		}
	}
	return names, nil
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
