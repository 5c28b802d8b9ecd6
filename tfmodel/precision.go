package tfmodel

// #include <stdbool.h>
//
// static bool set_tf32(void *set, void *get, bool on) {
// 	((void (*)(bool))set)(on);
// 	return ((bool (*)(void))get)();
// }
import "C"

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"driftbench/internal/libtensorflow"
)

// Precision is what a GPU computes products of float32 in. A CPU computes in
// float32 whatever is asked.
type Precision string

const (
	Float32 Precision = "float32"
	// TF32 rounds the operands of products to 10 bits of mantissa and adds in
	// float32, on GPUs of compute capability 8.0 and above.
	TF32 Precision = "tf32"
)

// Precisions lists all.
func Precisions() []Precision { return []Precision{Float32, TF32} }

// tf32Override is the variable that cuBLAS and cuDNN read while they load; 0
// forbids TF32 whatever a program asks for.
const tf32Override = "NVIDIA_TF32_OVERRIDE"

// UsePrecisions says which precisions the engines of this process are going to
// have. Where TF32 is none of them it is forbidden for the whole process. It is to
// be called before anything that opens a TensorFlow session.
func UsePrecisions(ps ...Precision) {
	if !slices.Contains(ps, TF32) {
		os.Setenv(tf32Override, "0")
	}
}

// Tolerances of a GPU's outputs against a CPU's, as shares of a layer's largest
// value. On the probe of three models float32 was off by less than 1e-6 and operands
// rounded to TF32 by 1.3e-4 to 1e-3.
const (
	float32Tolerance = 2e-5
	tf32Tolerance    = 1e-2
)

// verify compares the outputs of a GPU with those of the CPU.
func (e *tensorFlow) verify(opt Options) error {
	tolerance := tf32Tolerance
	if e.precision == Float32 {
		tolerance = float32Tolerance
	} else if os.Getenv(tf32Override) == "0" {
		return errors.New("--precision tf32: " + tf32Override + "=0 forbids it in this process: unset the variable")
	}
	opt.Device = CPU
	cpu, err := newTensorFlow(e.model, opt)
	if err != nil {
		return err
	}
	defer cpu.Close()
	var w map[string][]float32
	if e.model.meta.GetSignatureDef()[weightsSignature] != nil {
		if w, err = cpu.weights(); err != nil {
			return err
		}
	}
	if err := probe(e.model, e.Run, cpu.Run, tolerance, w); err != nil {
		return fmt.Errorf("tfmodel: %s: on the GPU in %s, %w, more than rounding explains: use --precision tf32 if the GPU cannot do without TF32, or --device cpu", e.model.Dir, e.precision, err)
	}
	return nil
}

// setTF32 allows TensorFlow to compute float32 products in TF32 on GPUs or forbids
// it. It returns 1 or 0 for what holds then, -1 where libtensorflow lacks the switch:
// two C++ functions that moved between namespaces.
func setTF32(on bool) int {
	for _, namespace := range []string{"3tsl", "10tensorflow"} {
		set := libtensorflow.Symbol("_ZN" + namespace + "32enable_tensor_float_32_executionEb")
		get := libtensorflow.Symbol("_ZN" + namespace + "33tensor_float_32_execution_enabledEv")
		if set != nil && get != nil {
			if C.set_tf32(set, get, C.bool(on)) {
				return 1
			}
			return 0
		}
	}
	return -1
}

// tf32Switch is TensorFlow's switch for TF32, which is one for all sessions: calls
// that want it the same way run together, others wait.
var tf32Switch = struct {
	sync.Mutex
	free  *sync.Cond
	on    bool
	set   bool // whether on has been told to TensorFlow
	users int
}{}

// withPrecision calls run while GPUs compute in precision p.
func withPrecision(p Precision, run func() error) error {
	s, on := &tf32Switch, p == TF32
	s.Lock()
	if s.free == nil {
		s.free = sync.NewCond(s)
	}
	for s.users > 0 && s.on != on {
		s.free.Wait()
	}
	if !s.set || s.on != on {
		setTF32(on)
		s.on, s.set = on, true
	}
	s.users++
	s.Unlock()
	defer func() {
		s.Lock()
		s.users--
		s.free.Broadcast()
		s.Unlock()
	}()
	return run()
}
