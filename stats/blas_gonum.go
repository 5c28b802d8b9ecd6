//go:build !openblas

package stats

// UseBLAS selects the BLAS and LAPACK for the matrix products of this package and
// returns its name. This build has gonum's own kernels; a build with the tag
// openblas has OpenBLAS. Call it once, before any other function.
func UseBLAS() string { return "gonum" }
