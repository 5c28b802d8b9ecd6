// 128-bit vectors, which SSE2 and NEON always have.
#define KERNEL table_kernel_portable
#define TARGET
#define VECTOR 16
#include "kernel_body.h"
