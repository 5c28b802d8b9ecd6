package throughput

import (
	"bytes"
	"os"
	"strconv"
)

// startPeakRSS sets the process's peak of resident memory back to the present,
// and returns a function that says what it became, in bytes. Linux keeps that
// peak as VmHWM and resets it on a write of 5 to clear_refs (proc(5)); where
// that cannot be done the function returns 0.
func startPeakRSS() func() int64 {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return func() int64 { return 0 }
	}
	return func() int64 {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return 0
		}
		for line := range bytes.Lines(status) {
			f := bytes.Fields(line) // VmHWM: 1234 kB
			if len(f) == 3 && string(f[0]) == "VmHWM:" {
				kib, _ := strconv.ParseInt(string(f[1]), 10, 64)
				return kib << 10
			}
		}
		return 0
	}
}
