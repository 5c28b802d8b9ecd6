// The C half of the engine. Go holds every pointer; C keeps none.
#ifndef TABLE_KERNEL_H
#define TABLE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum {
	// Filters handled together: LANES linear channels and their LANES gates.
	// A row of the table is one such group, 128 bytes.
	LANES = 16,
	ROW = 2 * LANES,
	// Positions of a block, a multiple of UNROLL. A block of one group, 12 positions
	// by 257 symbols by 128 bytes = 386 KiB, must stay in the second-level cache beside
	// the next one and what streams by.
	POSITIONS = 12,
	// A window's list of rows in a block is completed to a multiple of UNROLL.
	UNROLL = 4,
	LIST = POSITIONS + UNROLL,
};

// The shape of the model.
struct table_shape {
	int32_t window;  // positions of a window
	int32_t symbols; // rows of a position: the vocabulary, and void after it
	int32_t pad;     // the symbol that completes a file
	int32_t filters; // rounded up to a multiple of LANES
	int32_t conv_relu, merge_relu;
};

// Windows that are computed together.
struct table_pass {
	int32_t windows;
	const uint8_t *keys; // windows as bytes followed by their bounds, see Cutter in package windows
	size_t key_stride;
	const int32_t *slots; // [windows] the index of a window in keys and activations
	uint16_t *entries;    // [blocks][windows][LIST] rows to add
	uint8_t *counts;      // [blocks][windows] how many
	float *activations;   // [slots][filters]
};

static inline int32_t table_blocks(const struct table_shape *s) {
	return (s->window + POSITIONS - 1) / POSITIONS;
}

// Positions of block b: the last one may be short.
static inline int32_t table_positions(const struct table_shape *s, int32_t b) {
	const int32_t left = s->window - b * POSITIONS;
	return left < POSITIONS ? left : POSITIONS;
}

// table_alloc returns memory on huge pages where the system has them, or NULL.
void *table_alloc(size_t bytes);

// table_populate has the system give the memory its pages now, where it can do so
// without a write: the values stay, and others may use them meanwhile.
void table_populate(void *p, size_t bytes);

// table_build fills one group of the table. embedding is [symbols][depth], the
// difference to symbol 0; kernel is [window][depth][ROW], the group's channels.
void table_build(const struct table_shape *s, int32_t depth, const float *embedding, const float *kernel, float *group);

// table_quantize sets out, [rows][LANES], to in, [rows][ROW], as 16-bit numbers, a
// gate and its linear channel in one entry: gate·2^16 + linear. A number is the
// nearest to the value over scale, [ROW], which is set to the channel's largest
// absolute value over 32767.
void table_quantize(size_t rows, const float *in, uint32_t *out, float *scale);

// table_fold sets row = max(row, activations of the slots); row has filters values.
void table_fold(int32_t filters, const float *activations, const int32_t *slots, int32_t n, float *row);

// What the table holds: floats, or 16-bit numbers that each channel scales.
enum { TABLE_FLOAT32, TABLE_INT16, TABLE_PRECISIONS };

// A table_sum computes the activations of the windows from..to, one at least, for
// one group of channels: table, scale and bias are the group's. sums is scratch,
// [to-from][ROW] of 4 bytes. scale, [ROW], is for 16-bit tables alone.
typedef void table_sum(const struct table_shape *s, const struct table_pass *p, int32_t group, int32_t from, int32_t to,
                       const void *table, const float *scale, const float *bias, void *sums);

// A kernel is what is written for an instruction set.
struct table_kernel {
	// expand turns the windows from..to of a pass into lists of rows.
	void (*expand)(const struct table_shape *s, const struct table_pass *p, int32_t from, int32_t to);
	table_sum *sum[TABLE_PRECISIONS];
};

extern const struct table_kernel table_kernel_portable, table_kernel_avx2, table_kernel_avx512;

// table_kernel returns a kernel by its name, or NULL if this processor lacks it.
const struct table_kernel *table_kernel(const char *name);

#endif
