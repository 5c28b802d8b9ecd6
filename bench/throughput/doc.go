// Package throughput measures how fast engines process files, and compares the
// results.
//
// Two scenarios are timed, as in MLPerf Inference (Reddi et al. 2020):
// [Offline], a whole pass over the files as fast as it will go, which gives
// samples per second; and [SingleStream], one file at a time, which gives
// latency percentiles. [Measure] repeats all cases in rounds, every case once
// a round and in a shuffled order, so that what else the machine does hits all
// cases alike and their ratios hold even where the absolute numbers do not.
//
// Repetitions go to disk in the Go benchmark format ([WriteFile]), an
// operation being one file, so that benchstat reads them too. [Compare] prints
// benchstat's kind of table, and [Summaries] gives the rows that a picture
// needs: medians with the order-statistic interval of at least 95%, which
// exists from six repetitions on, and p-values of the Mann-Whitney U test.
// Nothing is assumed about the distribution of the times.
package throughput
