// The sum over the table, written once for every instruction set: a file that
// includes this defines SUM, the function's name, TARGET, its target attribute,
// and VECTOR, the bytes of a vector register.
//
// Lanes are channels and no product is contracted into a fused multiply-add, so
// every instruction set rounds every channel alike.
#include <string.h>

#include "kernel.h"

#define HELPER static inline __attribute__((always_inline)) TARGET

enum { WIDTH = VECTOR / 4, HALF = LANES / WIDTH, FULL = ROW / WIDTH };

typedef float vec __attribute__((vector_size(VECTOR)));
typedef int32_t ivec __attribute__((vector_size(VECTOR)));

HELPER vec load(const float *p) {
	vec v;
	memcpy(&v, p, sizeof v);
	return v;
}

HELPER void store(float *p, vec v) { memcpy(p, &v, sizeof v); }

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

TARGET void SUM(const struct table_shape *s, const struct table_pass *p, int32_t group, int32_t from, int32_t to,
                const float *table, const float *bias, float *sums) {
	const int32_t blocks = table_blocks(s);
	for (int32_t w = from; w < to; w++)
		memcpy(sums + (size_t)(w - from) * ROW, bias, ROW * sizeof *bias);

	for (int32_t b = 0; b < blocks; b++) {
		const float *slice = table + (size_t)b * POSITIONS * s->symbols * ROW;
		const size_t at = (size_t)b * p->windows;
		for (int32_t w = from; w < to; w++) {
			const uint16_t *entry = p->entries + (at + w) * POSITIONS;
			const uint16_t *end = entry + p->counts[at + w];
			float *sum = sums + (size_t)(w - from) * ROW;
			vec a[FULL];
			for (int v = 0; v < FULL; v++)
				a[v] = load(sum + v * WIDTH);
			for (; entry < end; entry += UNROLL)
				for (int i = 0; i < UNROLL; i++) {
					const float *row = slice + (size_t)entry[i] * ROW;
					for (int v = 0; v < FULL; v++)
						a[v] += load(row + v * WIDTH);
				}
			for (int v = 0; v < FULL; v++)
				store(sum + v * WIDTH, a[v]);
		}
	}

	for (int32_t w = from; w < to; w++) {
		const float *sum = sums + (size_t)(w - from) * ROW;
		float *out = p->activations + (size_t)p->slots[w] * s->filters + (size_t)group * LANES;
		for (int v = 0; v < HALF; v++) {
			vec linear = load(sum + v * WIDTH);
			if (s->conv_relu)
				linear = relu(linear);
			vec merged = linear * sigmoid(load(sum + LANES + v * WIDTH));
			if (s->merge_relu)
				merged = relu(merged);
			store(out + v * WIDTH, merged + 0); // +0 makes -0 a +0, so that a maximum has one sign of zero
		}
	}
}
