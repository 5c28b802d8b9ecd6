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

void table_populate(void *p, size_t bytes) {
	const uintptr_t page = 4096, from = ((uintptr_t)p + page - 1) / page * page, to = ((uintptr_t)p + bytes) / page * page;
#ifdef MADV_POPULATE_WRITE
	if (from < to)
		madvise((void *)from, to - from, MADV_POPULATE_WRITE); // else the first use does
#else
	(void)from, (void)to;
#endif
}

double table_steps(const float *values, int32_t n, float unit) {
	const float shift = 12582912; // 1.5·2^23: adding it rounds to an integer
	double sum = 0;
	for (int32_t i = 0; i < n; i++) {
		const float scaled = values[(size_t)i * ROW] * (1 / unit);
		const float shifted = scaled + shift;
		sum += shifted - shift;
	}
	return sum;
}

const struct table_kernel *table_kernel(const char *name) {
#ifdef __x86_64__
	if (!strcmp(name, "avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2"))
		return &table_kernel_avx512;
	if (!strcmp(name, "avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
		return &table_kernel_avx2;
#endif
	return strcmp(name, "portable") ? NULL : &table_kernel_portable;
}
