#define SUM table_sum_avx512
#define TARGET __attribute__((target("avx512f")))
#define VECTOR 64
#include "kernel_sum.h"
