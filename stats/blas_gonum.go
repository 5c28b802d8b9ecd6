//go:build !openblas

package stats

// UseBLAS chooses the BLAS and LAPACK that every product of this package runs
// on, and returns its name. This build has gonum's own kernels; the build tag
// openblas links OpenBLAS. Call it once, before any other function.
func UseBLAS() string { return "gonum" }
