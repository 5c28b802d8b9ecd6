// Package stats turns features and scores into numbers with intervals: it fits
// out-of-distribution detectors on the features of training files, scores
// other files, and says how well a score tells the two apart.
//
// It knows no files and no model. Features come in as a [Matrix] of float32,
// one row a file; everything inside is float64. A score is one float64 a row,
// In (files like the training ones) is positive and scores high, so that an
// AUROC of In against Out of 0.5 means that nothing has drifted.
//
// # Gaussian
//
// [Moments] gathers count, mean μ_c and scatter S_c of every class in one pass;
// shards merge exactly. [NewTiedGaussian] takes from them the covariance that
// all classes share,
//
//	Σ = Σ_c S_c / N,    P = Σ⁺ (pseudo-inverse),
//
// and scores a row by its distance to the nearest class (Lee et al., "A Simple
// Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
// Attacks", NeurIPS 2018):
//
//	score(f) = max_c −½ (f−μ_c)ᵀ P (f−μ_c).
//
// With P = L·Lᵀ one product f·L serves every class: the distances are then
// Euclidean, and no matrix is larger than a block of rows.
//
// # Area under the ROC curve
//
// [DeLong] gives the AUROC with ties counted one half, its variance (DeLong,
// DeLong & Clarke-Pearson 1988) in O(n log n) (Sun & Xu 2014), an interval, a
// p-value against 0.5, and the band that an AUROC falls in when both sides
// have one distribution.
//
// # BLAS
//
// Products go through gonum's blas64 and blas32. They run on gonum's own
// kernels; built with the tag openblas, [UseBLAS] hands them to OpenBLAS.
package stats
