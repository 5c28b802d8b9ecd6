#include <immintrin.h>

#define KERNEL table_kernel_avx2
#define TARGET __attribute__((target("avx2,bmi2,popcnt")))
#define VECTOR 32
#define SPREAD _pdep_u64
#define COMPRESS _pext_u64
#define MOVEMASK(x) _mm256_movemask_ps((__m256)(x))
#define KEEP(x) __asm__("" : "+v"(x))
#include "kernel_body.h"
