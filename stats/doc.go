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
// # Detectors
//
// [Fit] fits any of the detectors that [Names] lists on a [Training], and
// [Detectors.Score] scores rows by name: Mahalanobis distance for each layer
// and for all of them together, relative to a background (Ren et al. 2021) and
// at unit length (Mueller & Hein 2025); k nearest neighbours (Sun et al. 2022);
// virtual logits (Wang et al. 2022); and the logits alone. A fit that is saved
// by [Detectors.MarshalBinary] scores without the training rows. Scoring works
// on blocks of rows, so that memory does not grow with their number.
//
// # Area under the ROC curve
//
// [DeLong] gives the AUROC with ties counted one half, its variance (DeLong,
// DeLong & Clarke-Pearson 1988) in O(n log n) (Sun & Xu 2014), an interval, a
// p-value against 0.5, and the band that an AUROC falls in when both sides
// have one distribution. [PairedDetectors] and [PairedSplits] compare AUROCs
// that share files, and [Holm] corrects for comparing often. [PerClass] takes
// out a change in the mix of classes. [Metrics] has the other metrics of the
// field, with bootstrap intervals.
//
// # Classifier
//
// [Confusion] judges the predicted classes, [AUT] their decay over time, and
// [Reject] what it buys to reject the files that a detector scores low.
//
// # BLAS
//
// Products go through gonum's blas64 and blas32. They run on gonum's own
// kernels; built with the tag openblas (and CGO_LDFLAGS="-llapacke
// -lopenblas"), [UseBLAS] hands them to OpenBLAS.
package stats
