// Package stats computes how well out-of-distribution detectors tell later files
// from those of the training span: it fits detectors on the features of training
// files, scores other files, and computes the AUROC and other metrics of the
// scores, with 95% intervals.
//
// It reads no files and runs no model. Features come in as a [Matrix] of float32,
// one row per file; all computation is in float64. A score is one float64 per
// file. In files, which are like the training files, are the positives and score
// high; Out files are later. An AUROC of 0.5 means no drift.
//
// # Gaussian
//
// [Moments] accumulates the count, mean μ_c and scatter S_c of every class in one
// pass, and merges shards. [NewTiedGaussian] computes from them the covariance
// that all classes share,
//
//	Σ = Σ_c S_c / N,    P = Σ⁺ (pseudo-inverse),
//
// and scores a row by its distance to the nearest class mean (Lee et al., "A
// Simple Unified Framework for Detecting Out-of-Distribution Samples and
// Adversarial Attacks", NeurIPS 2018):
//
//	score(f) = max_c −½ (f−μ_c)ᵀ P (f−μ_c).
//
// With P = L·Lᵀ the distances of f·L are Euclidean, so that one product serves all
// classes.
//
// # Detectors
//
// [Fit] fits any of the detectors that [Names] lists, and [Detectors.Score] scores
// rows with one of them: Mahalanobis distance for each layer and for all layers
// together, relative to a background Gaussian (Ren et al. 2021) and of unit-length
// features (Mueller & Hein 2025); nearest neighbours (Sun et al. 2022); virtual
// logits (Wang et al. 2022); and three scores of the logits alone.
// [Detectors.MarshalBinary] saves a fit, which then scores without the training
// rows. Scoring proceeds by blocks of rows, so that its memory does not grow with
// their number.
//
// # Area under the ROC curve
//
// [AUROCOf] returns the AUROC, with ties counted one half, its variance (DeLong,
// DeLong & Clarke-Pearson 1988) in O(n log n) (Sun & Xu 2014), an interval, a
// p-value against 0.5, and the band of the AUROC without drift.
// [PairedDetectors] and [PairedSplits] compare AUROCs that share files, and [Holm]
// corrects their p-values for multiple testing. [PerClass] removes the effect of a
// change in the mix of classes. [Metrics] returns the other metrics of the field
// with bootstrap intervals.
//
// # Groups
//
// Files of one release, campaign or build resemble each other, so that n of them
// say less than n independent files: of 95% intervals that ignore this, 35 to 65%
// cover with 20 files a group. A [Sample] gives the group of every file, and every
// interval, p-value and band then treats groups as the independent units, by a
// leave-one-group-out jackknife. If no two files share a group they are those of
// independent files, to the last bit. To see what another grouping would change,
// compute the AUROC with it: DesignEffect is the ratio of the variances.
//
// # Classifier
//
// [Confusion] compares predicted with true classes, [Proportion] is the accuracy or
// another share of files, [AUT] summarises a metric over time, and [Reject]
// evaluates rejecting the files that a detector scores low.
//
// # BLAS
//
// Matrix products go through gonum's blas64 and blas32, to gonum's own kernels or,
// in a build with the tag openblas (and CGO_LDFLAGS="-llapacke -lopenblas") after
// [UseBLAS], to OpenBLAS.
package stats
