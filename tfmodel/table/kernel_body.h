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

#define HELPER static inline __attribute__((always_inline)) TARGET

enum { WIDTH = VECTOR / 4, HALF = LANES / WIDTH, FULL = ROW / WIDTH };

typedef float vec __attribute__((vector_size(VECTOR), may_alias));
typedef int32_t ivec __attribute__((vector_size(VECTOR)));

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
	// Block by block, so that all is written in order: the lists of one window may
	// lie a power of two apart, where they would drive each other from the cache.
	for (int32_t b = 0; b < table_blocks(s); b++) {
		const int32_t first = b * POSITIONS;
		const int32_t n = s->window - first < POSITIONS ? s->window - first : POSITIONS;
		for (int32_t w = from; w < to; w++) {
			const uint8_t *key = p->keys + (size_t)p->slots[w] * p->key_stride;
			uint16_t bounds[3];
			memcpy(bounds, key + s->window, sizeof bounds);
			const size_t at = (size_t)b * p->windows + w;
			p->counts[at] = (uint8_t)list(s, key, bounds, first, n, p->entries + at * LIST);
		}
	}
}

// fetch brings a block into the cache at the speed of the memory. The sums would
// do so in random order, several times slower, and prefetch instructions are
// dropped when too many are under way, so these are loads.
HELPER void fetch(const float *p, size_t n) {
	for (size_t i = 0; i < n; i += 16)
		(void)*(const volatile float *)(p + i);
}

TARGET static void sum(const struct table_shape *s, const struct table_pass *p, int32_t group, int32_t from, int32_t to,
                       const float *table, const float *bias, float *sums) {
	const int32_t blocks = table_blocks(s);
	for (int32_t w = from; w < to; w++)
		memcpy(sums + (size_t)(w - from) * ROW, bias, ROW * sizeof *bias);

	for (int32_t b = 0; b < blocks; b++) {
		const int32_t n = s->window - b * POSITIONS < POSITIONS ? s->window - b * POSITIONS : POSITIONS;
		const float *block = table + (size_t)b * POSITIONS * s->symbols * ROW;
		if (to - from > s->symbols / 4) // fewer do not need all of it
			fetch(block, (size_t)n * s->symbols * ROW);
		const size_t at = (size_t)b * p->windows;
		for (int32_t w = from; w < to; w++) {
			const uint16_t *entry = p->entries + (at + w) * LIST;
			const uint16_t *end = entry + p->counts[at + w];
			float *row = sums + (size_t)(w - from) * ROW;
			vec a[FULL];
			for (int v = 0; v < FULL; v++)
				a[v] = load(row + v * WIDTH);
			for (; entry < end; entry += UNROLL)
				for (int i = 0; i < UNROLL; i++) {
					const float *t = block + (size_t)entry[i] * ROW;
					for (int v = 0; v < FULL; v++)
						a[v] += load(t + v * WIDTH);
				}
			for (int v = 0; v < FULL; v++)
				store(row + v * WIDTH, a[v]);
		}
	}

	for (int32_t w = from; w < to; w++) {
		const float *row = sums + (size_t)(w - from) * ROW;
		float *out = p->activations + (size_t)p->slots[w] * s->filters + (size_t)group * LANES;
		for (int v = 0; v < HALF; v++) {
			vec linear = load(row + v * WIDTH);
			if (s->conv_relu)
				linear = relu(linear);
			vec merged = linear * sigmoid(load(row + LANES + v * WIDTH));
			if (s->merge_relu)
				merged = relu(merged);
			store(out + v * WIDTH, merged + 0); // +0 makes -0 a +0, so that a maximum has one sign of zero
		}
	}
}

const struct table_kernel KERNEL = {expand, sum};
