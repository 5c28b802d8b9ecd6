// 128-bit vectors, which SSE2 and NEON always have.
#define SUM table_sum_portable
#define TARGET
#define VECTOR 16
#include "kernel_sum.h"
