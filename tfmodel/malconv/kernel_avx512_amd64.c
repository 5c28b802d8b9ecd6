#include <immintrin.h>

#define KERNEL table_kernel_avx512
#define TARGET __attribute__((target("avx512f,bmi2,popcnt")))
#define VECTOR 64
#define SPREAD _pdep_u64
#define COMPRESS _pext_u64
#include "kernel_body.h"
