// The C half of the engine. Go holds every pointer; C keeps none.
#ifndef TABLE_KERNEL_H
#define TABLE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum {
	// An octet is 8 filters that are summed together: their linear channels, then
	// their gates. A row of the float32 table is one cache line of one octet.
	LINE = 64, // bytes
	LANES = 8,
	ROW = 2 * LANES,
	// Positions of a block, a multiple of UNROLL. A block of one octet, 8 positions by
	// 257 symbols by 64 bytes = 129 KiB, must stay in the second-level cache beside the
	// next one and what streams by.
	POSITIONS = 8,
	// A window's list of rows in a block is completed to a multiple of UNROLL.
	UNROLL = 4,

	// A band is 4 octets. A row of the coarse table is one cache line of one band: 16
	// bits a filter, of which the lower LINEAR_BITS are its linear channel and the
	// others its gate.
	OCTETS = 4,
	BAND_ROW = OCTETS * ROW, // bytes
	BYTES = 256,             // rows of a position of the coarse table, one for each byte
	LINEAR_BITS = 9,
	// Sections of a window, which are summed apart since sums have 16 bits.
	SECTIONS = 2,
};

// The shape of the model.
struct table_shape {
	int32_t window;  // positions of a window
	int32_t symbols; // rows of a position: the vocabulary, and void after it
	int32_t pad;     // the symbol that completes a file
	int32_t octets;
	int32_t conv_relu, merge_relu;
};

// What is known of the activation of a window in an octet.
enum {
	BOUNDED, // each value holds an upper bound and a guess, see bound
	QUEUED,  // the same, and the window is in the list of those to sum
	EXACT,   // the values are the activations
};

// Windows in slots.
struct table_store {
	const uint8_t *keys; // windows as bytes followed by their bounds, see Cutter in package windows
	size_t key_stride;
	size_t capacity;    // slots
	float *activations; // [octets][capacity][LANES]
	uint8_t *states;    // [octets][capacity]
};

// Windows that are summed together, as lists of rows of the float32 table.
struct table_lists {
	int32_t windows;
	const int32_t *slots; // [windows]
	uint16_t *entries;    // [blocks][windows][POSITIONS] rows to add
	uint8_t *counts;      // [blocks][windows] how many, a multiple of UNROLL
};

// Windows that are bounded together, as columns of keys.
struct table_columns {
	int32_t windows;
	const int32_t *slots; // [windows]
	uint16_t *keys;       // [blocks][windows][POSITIONS] bytes times BAND_ROW, zero past the window
	float *nonzero;       // [windows][SECTIONS] positions that are not zero, or below zero: the window is not of bytes alone
};

// How the coarse table stands for the channels of an octet: a section's sum Q of n
// bytes that are not zero is unit·Q, and base with all of them, off by at most
// error·n, and delta with all of them.
struct table_limits {
	float unit[SECTIONS][ROW], error[SECTIONS][ROW], base[ROW], delta[ROW];
};

// The files whose maxima are wanted. A span is the slots from the end of the
// span before to below its end.
struct table_span {
	int64_t file, end;
};
struct table_search {
	const int32_t *slots;
	const struct table_span *spans;
	int64_t n;         // spans
	float *maxima;     // [files][octets][LANES]
	float *thresholds; // [octets][n][LANES]
};

static inline int32_t table_blocks(const struct table_shape *s) {
	return (s->window + POSITIONS - 1) / POSITIONS;
}

// Positions of block b: the last one may be short.
static inline int32_t table_positions(const struct table_shape *s, int32_t b) {
	const int32_t left = s->window - b * POSITIONS;
	return left < POSITIONS ? left : POSITIONS;
}

// Positions of a section, whole blocks.
static inline int32_t table_section(const struct table_shape *s) {
	return (table_blocks(s) + SECTIONS - 1) / SECTIONS * POSITIONS;
}

// table_alloc returns memory on huge pages where the system has them, or NULL.
void *table_alloc(size_t bytes);

// table_populate has the system give the memory its pages now, where it can do so
// without a write: the values stay, and others may use them meanwhile.
void table_populate(void *p, size_t bytes);

// table_steps returns the sum of n values, ROW apart, in units and each rounded as the
// entries of the coarse table are.
double table_steps(const float *values, int32_t n, float unit);

// A kernel is what is written for an instruction set.
struct table_kernel {
	// build fills one octet of the float32 table. embedding is [symbols][depth], the
	// difference to symbol 0; kernel is [window][depth][ROW], the octet's channels.
	// low and high, [window][ROW], are set to the least and the largest entry of the
	// bytes of each position.
	void (*build)(const struct table_shape *s, int32_t depth, const float *embedding, const float *kernel, float *octet,
	              float *low, float *high);

	// quantize fills one block of a band of the coarse table, [blocks][POSITIONS][BYTES][BAND_ROW]
	// bytes. octets, low and limits are the first of the band's n octets, low being
	// [n][window][ROW].
	void (*quantize)(const struct table_shape *s, int32_t block, int32_t n, const float *octets, const float *low,
	                 const struct table_limits *limits, uint8_t *band);

	// expand turns the windows from..to into lists of rows.
	void (*expand)(const struct table_shape *s, const struct table_store *store, const struct table_lists *l, int32_t from, int32_t to);

	// sum sets the activations of the windows from..to, one at least, in one octet:
	// table and bias are the octet's. sums is scratch, [to-from][ROW].
	void (*sum)(const struct table_shape *s, const struct table_store *store, const struct table_lists *l, int32_t octet,
	            int32_t from, int32_t to, const float *table, const float *bias, float *sums);

	// refine does the same for n windows, one at least, without lists: they are too few in
	// one octet to be worth these. sums is scratch, [n][ROW] and n bytes, and so is keys,
	// [window/LINE, rounded up][n][LINE].
	void (*refine)(const struct table_shape *s, const struct table_store *store, const int32_t *slots, int32_t n, int32_t octet,
	               const float *table, const float *bias, float *sums, uint8_t *keys);

	// columns turns the windows from..to into columns of keys.
	void (*columns)(const struct table_shape *s, const struct table_store *store, const struct table_columns *c, int32_t from, int32_t to);

	// bound sets the activations of the windows from..to, one at least, in one band
	// to bounds: the upper 16 bits of each value are an upper bound, as a bfloat16, and
	// the lower ones a guess somewhat below the activation. limits are those of the band's first octet. sums is scratch,
	// [SECTIONS][to-from][2·BAND_ROW] bytes.
	void (*bound)(const struct table_shape *s, const struct table_store *store, const struct table_columns *c, int32_t band,
	              int32_t from, int32_t to, const uint8_t *table, const struct table_limits *limits, uint32_t *sums);

	// choose sets the thresholds of the spans from..to in one octet, and list to the slots
	// whose bound is above that of a file that has them; it returns how many these are.
	int64_t (*choose)(const struct table_shape *s, const struct table_store *store, const struct table_search *q, int32_t octet,
	                  int64_t from, int64_t to, int32_t *list);

	// prove sets the maxima of the spans todo, of n, in one octet to the largest exact
	// activation. Spans whose maximum something that is not exact could exceed are
	// left in todo, their number in n, and these slots in list; it returns how many.
	int64_t (*prove)(const struct table_shape *s, const struct table_store *store, const struct table_search *q, int32_t octet,
	                 int32_t *todo, int64_t *n, int32_t *list);
};

extern const struct table_kernel table_kernel_portable, table_kernel_avx2, table_kernel_avx512;

// table_kernel returns a kernel by its name, or NULL if this processor lacks it.
const struct table_kernel *table_kernel(const char *name);

#endif
