#define SUM table_sum_avx2
#define TARGET __attribute__((target("avx2")))
#define VECTOR 32
#include "kernel_sum.h"
