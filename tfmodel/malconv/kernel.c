#define _GNU_SOURCE // madvise
#include "kernel.h"

#include <math.h>
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

void table_populate(void *p, size_t bytes) {
	const uintptr_t page = 4096, from = ((uintptr_t)p + page - 1) / page * page, to = ((uintptr_t)p + bytes) / page * page;
#ifdef MADV_POPULATE_WRITE
	if (from < to)
		madvise((void *)from, to - from, MADV_POPULATE_WRITE); // else the first use does
#else
	(void)from, (void)to;
#endif
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

void table_quantize(size_t rows, const float *in, uint32_t *out, float *scale) {
	float largest[ROW] = {0};
	for (size_t i = 0; i < rows; i++)
		for (int j = 0; j < ROW; j++)
			largest[j] = fmaxf(largest[j], fabsf(in[i * ROW + j]));
	for (int j = 0; j < ROW; j++)
		scale[j] = largest[j] > 0 ? largest[j] / INT16_MAX : 1; // any will do for a channel of zeros
	for (size_t i = 0; i < rows; i++)
		for (int j = 0; j < LANES; j++) {
			const float *row = in + i * ROW;
			const int32_t linear = (int32_t)lrintf(row[j] / scale[j]);
			const int32_t gate = (int32_t)lrintf(row[LANES + j] / scale[LANES + j]);
			out[i * LANES + j] = ((uint32_t)gate << 16) + (uint32_t)linear;
		}
}

void table_fold(int32_t filters, const float *activations, const int32_t *slots, int32_t n, float *row) {
	for (int32_t i = 0; i < n; i++) {
		const float *a = activations + (size_t)slots[i] * filters;
		for (int32_t j = 0; j < filters; j++)
			row[j] = a[j] > row[j] ? a[j] : row[j];
	}
}

const struct table_kernel *table_kernel(const char *name) {
#ifdef __x86_64__
	if (!strcmp(name, "avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("bmi2"))
		return &table_kernel_avx512;
	if (!strcmp(name, "avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
		return &table_kernel_avx2;
#endif
	return strcmp(name, "portable") ? NULL : &table_kernel_portable;
}
