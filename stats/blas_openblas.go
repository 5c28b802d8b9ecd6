//go:build openblas

package stats

// void openblas_set_num_threads(int);
import "C"

import (
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	blas "gonum.org/v1/netlib/blas/netlib"
	lapack "gonum.org/v1/netlib/lapack/netlib"
)

// UseBLAS chooses the BLAS and LAPACK that every product of this package runs
// on, and returns its name. This build has OpenBLAS, through netlib. Call it
// once, before any other function: the choice is gonum's, for the whole
// process. OpenBLAS is held to one thread a call, because the rows are shared
// out among goroutines already, and threads of its own would contend for the same
// processors.
func UseBLAS() string {
	blas32.Use(blas.Implementation{})
	blas64.Use(blas.Implementation{})
	lapack64.Use(lapack.Implementation{})
	C.openblas_set_num_threads(1)
	return "netlib/openblas"
}
