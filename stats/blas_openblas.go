//go:build openblas

package stats

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
// process.
func UseBLAS() string {
	blas32.Use(blas.Implementation{})
	blas64.Use(blas.Implementation{})
	lapack64.Use(lapack.Implementation{})
	return "netlib/openblas"
}
