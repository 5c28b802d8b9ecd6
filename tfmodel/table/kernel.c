#define _GNU_SOURCE // madvise
#include "kernel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *table_alloc(size_t bytes) {
	const size_t huge = (size_t)2 << 20;
	const size_t align = bytes < huge ? 64 : huge;
	if (bytes > SIZE_MAX - align)
		return NULL;
	bytes = (bytes + align - 1) / align * align;
	void *p = aligned_alloc(align, bytes);
#ifdef MADV_HUGEPAGE
	if (p && align == huge)
		madvise(p, bytes, MADV_HUGEPAGE); // only advice: a refusal costs speed, not correctness
#endif
	return p;
}

void table_build(const struct table_shape *s, int32_t depth, const float *embedding, const float *kernel, float *group) {
	for (int32_t t = 0; t < s->window; t++)
		for (int32_t v = 0; v < s->symbols; v++) {
			double sum[ROW] = {0};
			for (int32_t c = 0; c < depth; c++) {
				const double e = embedding[(size_t)v * depth + c];
				const float *k = kernel + ((size_t)t * depth + c) * ROW;
				for (int j = 0; j < ROW; j++)
					sum[j] += e * k[j];
			}
			for (int j = 0; j < ROW; j++)
				*group++ = (float)sum[j];
		}
}

void table_expand(const struct table_shape *s, const struct table_pass *p, int32_t from, int32_t to) {
	const int32_t blocks = table_blocks(s);
	for (int32_t w = from; w < to; w++) {
		const uint8_t *key = p->keys + (size_t)p->slots[w] * p->key_stride;
		// Void before bounds[0], bytes before bounds[1], padding before bounds[2], then void.
		uint16_t bounds[3];
		memcpy(bounds, key + s->window, sizeof bounds);
		for (int32_t b = 0; b < blocks; b++) {
			uint16_t *entry = p->entries + ((size_t)b * p->windows + w) * POSITIONS;
			const int32_t first = b * POSITIONS;
			const int32_t n = s->window - first < POSITIONS ? s->window - first : POSITIONS;
			int32_t count = 0;
			for (int32_t i = 0; i < n; i++) {
				const int32_t t = first + i;
				int32_t symbol = key[t];
				if (t < bounds[0] || t >= bounds[2])
					symbol = s->symbols - 1;
				else if (t >= bounds[1])
					symbol = s->pad;
				entry[count] = (uint16_t)(i * s->symbols + symbol);
				count += symbol != 0;
			}
			while (count % UNROLL)
				entry[count++] = 0; // the row of symbol 0, which is zero
			p->counts[(size_t)b * p->windows + w] = (uint8_t)count;
		}
	}
}

void table_fold(int32_t filters, const float *activations, const int32_t *slots, int32_t n, float *row) {
	for (int32_t i = 0; i < n; i++) {
		const float *a = activations + (size_t)slots[i] * filters;
		for (int32_t j = 0; j < filters; j++)
			row[j] = a[j] > row[j] ? a[j] : row[j];
	}
}

table_sum *table_kernel(const char *name) {
#ifdef __x86_64__
	if (!strcmp(name, "avx512") && __builtin_cpu_supports("avx512f"))
		return table_sum_avx512;
	if (!strcmp(name, "avx2") && __builtin_cpu_supports("avx2"))
		return table_sum_avx2;
#endif
	return strcmp(name, "portable") ? NULL : table_sum_portable;
}
