// Lists and sums, written once for every instruction set: a file that includes
// this defines KERNEL, the kernel's name, TARGET, its functions' attribute, VECTOR,
// the bytes of a vector register, and, where there are such instructions,
// COMPRESS(x, mask), which moves the bits of x under mask to the lowest places, and
// SPREAD(x, mask), its inverse.
//
// Lanes are channels and no product is contracted into a fused multiply-add, so
// every instruction set rounds every channel alike.
#include <string.h>

#include "kernel.h"

#ifdef __clang__ // contracts by default; gcc does not under -std=c11
#pragma STDC FP_CONTRACT OFF
#endif

#define HELPER static inline __attribute__((always_inline)) TARGET

enum { WIDTH = VECTOR / 4, HALF = LANES / WIDTH, FULL = ROW / WIDTH, LINE = 64 };

typedef float vec __attribute__((vector_size(VECTOR), may_alias));
typedef int32_t ivec __attribute__((vector_size(VECTOR)));
typedef uint32_t uvec __attribute__((vector_size(VECTOR), may_alias));

// All of C's memory here is aligned to a cache line, and so is every row in it.
HELPER vec load(const float *p) { return *(const vec *)p; }

HELPER void store(float *p, vec v) { *(vec *)p = v; }

HELPER vec choose(ivec mask, vec yes, vec no) { return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask)); }

HELPER vec all(float x) { return x - (vec){0}; }

HELPER vec relu(vec x) { return choose(x > 0, x, all(0)); }

// sigmoid is 1/(1+e^y) with y = -x. e^y = 2^n·e^r, n = round(y/ln 2) and |r| <= ln(2)/2,
// with e^r by its Taylor polynomial of degree 7 (relative error below 1e-8). y is
// held where 2^n is a normal number: e^80 is 5e34 and 1+e^-80 is 1.
HELPER vec sigmoid(vec x) {
	const vec shift = all(12582912); // 1.5·2^23: adding it rounds to an integer
	vec y = -x;
	y = choose(y < -80, all(-80), y);
	y = choose(y > 80, all(80), y);
	vec shifted = y * 1.44269504f + shift;
	ivec n = (ivec)shifted - (ivec)shift;
	vec k = shifted - shift;
	vec r = y - k * 0.693359375f + k * 2.12194440e-4f; // ln 2 in two parts, k times the first is exact
	vec e = 1 + r * (1 + r * (1.f / 2 + r * (1.f / 6 + r * (1.f / 24 + r * (1.f / 120 + r * (1.f / 720 + r * (1.f / 5040)))))));
	e *= (vec)((n + 127) << 23);
	return 1 / (1 + e);
}

// symbol_at returns the symbol of position t of a window. bounds are the key's:
// void before bounds[0], bytes before bounds[1], padding before bounds[2], then void.
HELPER int32_t symbol_at(const struct table_shape *s, const uint8_t *key, const uint16_t bounds[3], int32_t t) {
	if (t < bounds[0] || t >= bounds[2])
		return s->symbols - 1;
	return t < bounds[1] ? key[t] : s->pad;
}

// list writes the rows of positions first..first+n, except those of symbol 0, and
// returns how many. No branch depends on the symbols: zeros cannot be foretold.
HELPER int32_t list(const struct table_shape *s, const uint8_t *key, const uint16_t bounds[3], int32_t first, int32_t n,
                    uint16_t *entry) {
	int32_t count = 0, i = 0;
#ifdef COMPRESS
	// Four bytes at once, each in 16 bits of a word. Bit 8 of a byte + 255 says whether it is zero.
	const uint64_t ones = 0x0001000100010001u;
	const uint64_t symbols = (uint64_t)s->symbols;
	uint64_t rows = symbols * 0x0003000200010000u; // of the four positions
	if (bounds[0] == 0 && bounds[1] == s->window)
		for (; i + 4 <= n; i += 4) {
			uint32_t four;
			memcpy(&four, key + first + i, sizeof four);
			const uint64_t bytes = SPREAD(four, ones * 255);
			const uint64_t some = (bytes + ones * 255) >> 8 & ones;
			const uint64_t entries = COMPRESS(bytes + rows, some * 65535);
			memcpy(entry + count, &entries, sizeof entries);
			count += __builtin_popcountll(some);
			rows += ones * (symbols * 4);
		}
#endif
	for (; i < n; i++) {
		const int32_t symbol = symbol_at(s, key, bounds, first + i);
		entry[count] = (uint16_t)(i * s->symbols + symbol);
		count += symbol != 0;
	}
	memset(entry + count, 0, UNROLL * sizeof *entry); // the row of symbol 0, which is zero
	return (count + UNROLL - 1) / UNROLL * UNROLL;
}

TARGET static void expand(const struct table_shape *s, const struct table_pass *p, int32_t from, int32_t to) {
	for (int32_t w = from; w < to; w++) {
		const uint8_t *key = p->keys + (size_t)p->slots[w] * p->key_stride;
		uint16_t bounds[3];
		memcpy(bounds, key + s->window, sizeof bounds);
		for (int32_t b = 0; b < table_blocks(s); b++) {
			const size_t at = (size_t)b * p->windows + w;
			p->counts[at] = (uint8_t)list(s, key, bounds, b * POSITIONS, table_positions(s, b), p->entries + at * LIST);
		}
	}
}

// fetch brings a block into the cache at the speed of the memory. The sums would
// do so in random order, several times slower, and prefetch instructions are
// dropped when too many are under way, so these are loads.
HELPER void fetch(const void *p, size_t bytes) {
	for (size_t i = 0; i < bytes; i += LINE)
		(void)*((const volatile char *)p + i);
}

HELPER void add_float32(vec sums[FULL], const float *row) {
	for (int v = 0; v < FULL; v++)
		sums[v] += load(row + v * WIDTH);
}

HELPER void total_float32(vec out[FULL], const vec sums[FULL], const float *scale) {
	(void)scale;
	for (int v = 0; v < FULL; v++)
		out[v] = sums[v];
}

#define SUM sum_float32
#define ENTRY float
#define ROW_ENTRIES ROW
#define ACC vec
#define ADD add_float32
#define TOTAL total_float32
#include "kernel_sum.h"

// A 16-bit entry is gate·2^16 + linear, both between -32767 and 32767. The whole
// entries are summed modulo 2^32, and so are the gates: half of 2^16 added, the
// shift rounds to them. What is left of the whole without the gates is linear.
HELPER void add_int16(uvec sums[FULL], const uint32_t *row) {
	for (int v = 0; v < HALF; v++) {
		const uvec both = *(const uvec *)(row + v * WIDTH);
		sums[v] += both;
		sums[HALF + v] += (uvec)((ivec)(both + 32768) >> 16);
	}
}

HELPER void total_int16(vec out[FULL], const uvec sums[FULL], const float *scale) {
	for (int v = 0; v < HALF; v++) {
		const ivec linear = (ivec)(sums[v] - (sums[HALF + v] << 16)), gate = (ivec)sums[HALF + v];
		out[v] = __builtin_convertvector(linear, vec) * load(scale + v * WIDTH);
		out[HALF + v] = __builtin_convertvector(gate, vec) * load(scale + LANES + v * WIDTH);
	}
}

#define SUM sum_int16
#define ENTRY uint32_t
#define ROW_ENTRIES LANES
#define ACC uvec
#define ADD add_int16
#define TOTAL total_int16
#include "kernel_sum.h"

const struct table_kernel KERNEL = {expand, {sum_float32, sum_int16}};
