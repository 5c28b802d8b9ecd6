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

// UseBLAS selects the BLAS and LAPACK for the matrix products of this package and
// returns its name. This build has OpenBLAS, through netlib. Call it once, before
// any other function: gonum holds the selection for the whole process. OpenBLAS
// runs every call in one thread, because this package already spreads rows over
// goroutines, with which more threads would compete for the processors.
func UseBLAS() string {
	blas32.Use(blas.Implementation{})
	blas64.Use(blas.Implementation{})
	lapack64.Use(lapack.Implementation{})
	C.openblas_set_num_threads(1)
	return "netlib/openblas"
}
