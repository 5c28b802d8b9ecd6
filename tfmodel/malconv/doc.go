// Package malconv runs MalConv (Raff et al. 2017, "Malware Detection by Eating a
// Whole EXE") on a CPU, with its embedding and both convolutions as one table.
//
// MalConv embeds every symbol of a file, E: V×d, and convolves windows of W
// symbols that do not overlap, K: W×d×2F, F linear and F gate channels. Both
// steps are linear in the one-hot symbols s_0 ... s_{W-1} of a window, so
// together they are a sum of W rows of a table that is computed once:
//
//	out = b + Σ_t T[t][s_t]     T[t][s] = Σ_c E[s][c]·K[t][c]
//
// which is d times fewer operations than the matrix product and is bound by how
// fast the rows come out of the second-level cache. Taking the row of symbol 0
// out of the table and into the bias,
//
//	T'[t][s] = T[t][s] − T[t][0]     b' = b + Σ_t T[t][0]
//
// leaves nothing to add for a zero byte, the commonest byte of a program.
//
// The window's activation is merge(conv(out_linear)·σ(out_gate)), and layer7 is
// its maximum over the windows of the file. Under a maximum the windows are a
// set: a window that was seen before, in this file or an earlier one, is
// recognised by its bytes and costs no sum, and the padding of a short file is
// one window. layer8 = dense(layer7), logits = layer8·L + l.
//
// The table holds float32, or 16-bit numbers (Int16), which are half as many bytes
// to move and have an error of their own.
//
// A window's sum is taken in the order of its positions whatever stands beside
// it, so that outputs do not depend, to the last bit, on the batch, on the
// number of threads, on what the cache holds or on the instruction set.
package malconv
