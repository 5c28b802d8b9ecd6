// The table, its lists and sums, written once for every instruction set: a file
// that includes this defines KERNEL, the kernel's name, TARGET, its functions'
// attribute, VECTOR, the bytes of a vector register, and, where there are such
// instructions, COMPRESS(x, mask), which moves the bits of x under mask to the
// lowest places, SPREAD(x, mask), its inverse, and MOVEMASK(x), the signs of 8 lanes.
//
// Lanes are channels and no product is contracted into a fused multiply-add, so
// every instruction set rounds every channel alike.
#include <string.h>

#include "kernel.h"

#ifdef __clang__ // contracts by default; gcc does not under -std=c11
#pragma STDC FP_CONTRACT OFF
#endif

#define HELPER static inline __attribute__((always_inline)) TARGET

// Rows are added in whole registers, vec. What is done for 8 channels alike is
// done in parts of at most 8 lanes, part.
enum { FULL = ROW * 4 / VECTOR, PART = VECTOR < 32 ? VECTOR : 32, WIDTH = PART / 4, PARTS = LANES / WIDTH };

typedef float vec __attribute__((vector_size(VECTOR), may_alias));
typedef float part __attribute__((vector_size(PART), may_alias));
typedef int32_t ints __attribute__((vector_size(PART), may_alias));
typedef uint32_t words __attribute__((vector_size(PART), may_alias));

// Rows of the tables and sums are aligned to a cache line. What load and save are for
// may be Go's memory, which need not be.
typedef float loose __attribute__((vector_size(PART), aligned(4), may_alias));

HELPER part load(const float *p) { return *(const loose *)p; }

HELPER void save(float *p, part v) { *(loose *)p = v; }

HELPER part choose(ints mask, part yes, part no) { return (part)(((ints)yes & mask) | ((ints)no & ~mask)); }

HELPER part all(float x) { return x - (part){0}; }

HELPER part relu(part x) { return choose(x > 0, x, all(0)); }

HELPER part larger(part x, part y) { return choose(x > y, x, y); }

// sigmoid is 1/(1+e^y) with y = -x. e^y = 2^n·e^r, n = round(y/ln 2) and |r| <= ln(2)/2,
// with e^r by its Taylor polynomial of degree 7 (relative error below 1e-8). y is
// held where 2^n is a normal number: e^80 is 5e34 and 1+e^-80 is 1.
HELPER part sigmoid(part x) {
	const part shift = all(12582912); // 1.5·2^23: adding it rounds to an integer
	part y = -x;
	y = choose(y < -80, all(-80), y);
	y = choose(y > 80, all(80), y);
	part shifted = y * 1.44269504f + shift;
	ints n = (ints)shifted - (ints)shift;
	part k = shifted - shift;
	part r = y - k * 0.693359375f + k * 2.12194440e-4f; // ln 2 in two parts, k times the first is exact
	part e = 1 + r * (1 + r * (1.f / 2 + r * (1.f / 6 + r * (1.f / 24 + r * (1.f / 120 + r * (1.f / 720 + r * (1.f / 5040)))))));
	e *= (part)((n + 127) << 23);
	return 1 / (1 + e);
}

TARGET static void build(const struct table_shape *s, int32_t depth, const float *embedding, const float *kernel, float *octet,
                         float *low, float *high) {
	for (int32_t t = 0; t < s->window; t++) {
		float least[ROW] = {0}, largest[ROW] = {0}; // symbol 0 is zero
		for (int32_t v = 0; v < s->symbols; v++) {
			double sum[ROW] = {0};
			for (int32_t c = 0; c < depth; c++) {
				const double e = embedding[(size_t)v * depth + c];
				const float *k = kernel + ((size_t)t * depth + c) * ROW;
				for (int j = 0; j < ROW; j++)
					sum[j] += e * k[j];
			}
			for (int j = 0; j < ROW; j++) {
				const float entry = (float)sum[j];
				octet[j] = entry;
				if (v < BYTES) {
					least[j] = entry < least[j] ? entry : least[j];
					largest[j] = entry > largest[j] ? entry : largest[j];
				}
			}
			octet += ROW;
		}
		memcpy(low + (size_t)t * ROW, least, sizeof least);
		memcpy(high + (size_t)t * ROW, largest, sizeof largest);
	}
}

// symbol_at returns the symbol of position t of a window. bounds are the key's:
// void before bounds[0], bytes before bounds[1], padding before bounds[2], then void.
HELPER int32_t symbol_at(const struct table_shape *s, const uint8_t *key, const uint16_t bounds[3], int32_t t) {
	if (t < bounds[0] || t >= bounds[2])
		return s->symbols - 1;
	return t < bounds[1] ? key[t] : s->pad;
}

// list writes the rows of positions first..first+n, except those of symbol 0, and
// returns how many. No branch depends on the symbols: zeros cannot be foretold. What is left of the list is a row of symbol 0, which is zero.
HELPER int32_t list(const struct table_shape *s, const uint8_t *key, const uint16_t bounds[3], int32_t first, int32_t n,
                            uint16_t *entry) {
	int32_t count = 0, i = 0;
	memset(entry, 0, POSITIONS * sizeof *entry);
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
	return (count + UNROLL - 1) / UNROLL * UNROLL;
}

TARGET static void expand(const struct table_shape *s, const struct table_store *store, const struct table_lists *l, int32_t from,
                          int32_t to) {
	for (int32_t w = from; w < to; w++) {
		const uint8_t *key = store->keys + (size_t)l->slots[w] * store->key_stride;
		uint16_t bounds[3];
		memcpy(bounds, key + s->window, sizeof bounds);
		for (int32_t b = 0; b < table_blocks(s); b++) {
			const size_t at = (size_t)b * l->windows + w;
			l->counts[at] = (uint8_t)list(s, key, bounds, b * POSITIONS, table_positions(s, b), l->entries + at * POSITIONS);
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

// A stream is a block that windows bring into the cache, a share each, while they
// use the one before.
struct stream {
	const char *next;
	size_t left, share;
};

HELPER void advance(struct stream *s) {
	const size_t now = s->share < s->left ? s->share : s->left;
	for (size_t i = 0; i < now; i += LINE)
		__builtin_prefetch(s->next + i, 0, 2);
	s->next += now;
	s->left -= now;
}

HELPER void add_row(vec sums[FULL], const float *row) {
	for (int v = 0; v < FULL; v++)
		sums[v] += ((const vec *)row)[v];
}

// first_block fetches the first block of an octet for n windows, where these need
// all of it, and returns the stream of the next ones.
HELPER struct stream first_block(const struct table_shape *s, const float *table, int32_t n) {
	if (n <= s->symbols / 4)
		return (struct stream){0};
	const size_t position = (size_t)s->symbols * ROW * sizeof *table;
	fetch(table, (size_t)table_positions(s, 0) * position);
	return (struct stream){.share = (POSITIONS * position / (size_t)n + LINE - 1) / LINE * LINE};
}

// next_block has the stream bring the block after b.
HELPER void next_block(const struct table_shape *s, const float *table, int32_t b, struct stream *next) {
	const size_t position = (size_t)s->symbols * ROW;
	const int more = next->share > 0 && b + 1 < table_blocks(s);
	next->next = (const char *)(table + (size_t)(b + more) * POSITIONS * position);
	next->left = more ? (size_t)table_positions(s, b + 1) * position * sizeof *table : 0;
}

// finish sets the activations of a slot in an octet from its sums, [ROW].
HELPER void finish(const struct table_shape *s, const struct table_store *into, int32_t octet, int32_t slot, const float *sums,
                   const float *bias) {
	const size_t at = (size_t)octet * into->capacity + (size_t)slot;
	for (int v = 0; v < LANES; v += WIDTH) {
		part linear = load(sums + v) + load(bias + v);
		const part gate = load(sums + LANES + v) + load(bias + LANES + v);
		if (s->conv_relu)
			linear = relu(linear);
		part merged = linear * sigmoid(gate);
		if (s->merge_relu)
			merged = relu(merged);
		save(into->activations + at * LANES + v, merged + 0); // +0 makes -0 a +0, so that a maximum has one sign of zero
	}
	into->states[at] = EXACT;
}

TARGET static void sum(const struct table_shape *s, const struct table_store *into, const struct table_lists *l, int32_t octet,
                       int32_t from, int32_t to, const float *table, const float *bias, float *sums) {
	memset(sums, 0, (size_t)(to - from) * ROW * sizeof *sums);
	struct stream next = first_block(s, table, to - from);
	for (int32_t b = 0; b < table_blocks(s); b++) {
		const float *block = table + (size_t)b * POSITIONS * (size_t)s->symbols * ROW;
		next_block(s, table, b, &next);
		for (int32_t w = from; w < to; w++) {
			advance(&next);
			const size_t at = (size_t)b * l->windows + w;
			const uint16_t *entry = l->entries + at * POSITIONS, *end = entry + l->counts[at];
			vec *total = (vec *)(sums + (size_t)(w - from) * ROW);
			vec a[FULL];
			for (int v = 0; v < FULL; v++)
				a[v] = total[v];
			for (; entry < end; entry += UNROLL)
				for (int i = 0; i < UNROLL; i++)
					add_row(a, block + (size_t)entry[i] * ROW);
			for (int v = 0; v < FULL; v++)
				total[v] = a[v];
		}
	}

	for (int32_t w = from; w < to; w++)
		finish(s, into, octet, l->slots[w], sums + (size_t)(w - from) * ROW, bias);
}

TARGET static void refine(const struct table_shape *s, const struct table_store *into, const int32_t *slots, int32_t n, int32_t octet,
                          const float *table, const float *bias, float *sums, uint8_t *keys) {
	uint8_t *bytes = (uint8_t *)(sums + (size_t)n * ROW); // whether a window is of bytes alone
	memset(sums, 0, (size_t)n * ROW * sizeof *sums);
	for (int32_t w = 0; w < n; w++) {
		const uint8_t *key = into->keys + (size_t)slots[w] * into->key_stride;
		uint16_t bounds[3];
		memcpy(bounds, key + s->window, sizeof bounds);
		bytes[w] = bounds[0] == 0 && bounds[1] == s->window;
		for (int32_t t = 0; t < s->window; t += LINE)
			memcpy(keys + ((size_t)t * (size_t)n + (size_t)w * LINE), key + t, s->window - t < LINE ? (size_t)(s->window - t) : LINE);
	}
	const size_t position = (size_t)s->symbols * ROW;
	struct stream next = first_block(s, table, n);
	for (int32_t b = 0; b < table_blocks(s); b++) {
		const float *block = table + (size_t)b * POSITIONS * position;
		const int32_t first = b * POSITIONS, count = table_positions(s, b);
		const uint8_t *key = keys + (size_t)(first / LINE * LINE) * (size_t)n + first % LINE;
		next_block(s, table, b, &next);
		for (int32_t w = 0; w < n; w++, key += LINE) {
			advance(&next);
			vec *total = (vec *)(sums + (size_t)w * ROW);
			vec a[FULL];
			for (int v = 0; v < FULL; v++)
				a[v] = total[v];
			if (bytes[w] && count == POSITIONS)
				for (int i = 0; i < POSITIONS; i++)
					add_row(a, block + (size_t)i * position + (size_t)key[i] * ROW);
			else {
				const uint8_t *whole = into->keys + (size_t)slots[w] * into->key_stride;
				uint16_t bounds[3];
				memcpy(bounds, whole + s->window, sizeof bounds);
				for (int32_t i = 0; i < count; i++)
					add_row(a, block + (size_t)i * position + (size_t)symbol_at(s, whole, bounds, first + i) * ROW);
			}
			for (int v = 0; v < FULL; v++)
				total[v] = a[v];
		}
	}
	for (int32_t w = 0; w < n; w++)
		finish(s, into, octet, slots[w], sums + (size_t)w * ROW, bias);
}

#include "kernel_filter.h"

const struct table_kernel KERNEL = {build, quantize, expand, sum, refine, columns, bound, select_slots, prove};
