// Package libtensorflow loads TensorFlow when it is first needed. Linked in the
// usual way its libraries take longer to start, with their hundreds of thousands
// of relocations and constructors, than a run whose features are all cached.
//
// The Go binding calls the functions of TensorFlow's C API by name. Here are
// functions of these names, which jump to those of the library once [Load] has
// found them, and end the process before that. A program that uses a function of
// the C API that functions.S does not name is not linked.
package libtensorflow

/*
#cgo LDFLAGS: -ldl
#include <stddef.h>
#include <stdlib.h>

int libtensorflow_load(char *message, size_t size);
void *libtensorflow_symbol(const char *name);

// scripts/env.sh defines the version of a library in a wheel.
#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)
#ifdef TENSORFLOW_VERSION
#define VERSION TEXT_OF(TENSORFLOW_VERSION)
#else
#define VERSION ""
#endif
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"driftbench/internal/threads"
)

// Load loads TensorFlow's libraries, from where the program was linked to look for
// them or from LD_LIBRARY_PATH. Later calls return what the first returned. While
// it loads them nothing that is written to file descriptor 2 is seen, unless
// TF_CPP_MIN_LOG_LEVEL is below 3: constructors of the CUDA build write to it
// whatever the level.
func Load() error { return load() }

// Symbol returns the address of a symbol of TensorFlow's libraries, C++ names as they
// are mangled, or nil where they are not loaded or have no such symbol.
func Symbol(name string) unsafe.Pointer {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.libtensorflow_symbol(c)
}

// Version returns the version of the library that the program was built for, or ""
// where that is not known.
func Version() string { return C.VERSION }

var load = sync.OnceValue(func() error {
	if n := 8 + 4*runtime.NumCPU(); !threads.CanStart(n) {
		return fmt.Errorf("loading TensorFlow: it starts about %d threads, and so many cannot be started: raise the limit on processes (ulimit -u, or pids.max of the container)", n)
	}
	var message [1024]C.char
	if C.libtensorflow_load(&message[0], C.size_t(len(message))) == 0 {
		return &LoadError{C.GoString(&message[0])}
	}
	return nil
})

// LoadError says why TensorFlow's libraries cannot be loaded on this machine.
type LoadError struct{ Problem string }

func (e *LoadError) Error() string {
	return fmt.Sprintf("loading TensorFlow: %s: build again with `make build`, or name its folder in LD_LIBRARY_PATH", e.Problem)
}
