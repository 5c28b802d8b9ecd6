// Package threads tries whether threads can be started. Go's runtime, OpenBLAS and
// TensorFlow end the process, each with pages of its own, where one cannot.
package threads

// int driftbench_can_start_threads(int n);
import "C"

// CanStart reports whether n more threads, at most 1024, can run at once under the
// limits of the user (ulimit -u) and of the control group (pids.max). It starts them
// and waits for their end, which takes about 20 µs a thread.
func CanStart(n int) bool { return C.driftbench_can_start_threads(C.int(n)) != 0 }
