// Package malloc says what C's allocator has handed out, for the tests that
// look for leaks. Resident memory cannot tell: what is free between two blocks
// stays resident, and is tens of megabytes after some engines.
package malloc

// #include <malloc.h>
//
// static size_t in_use(void) {
//	struct mallinfo2 m = mallinfo2();
//	return m.uordblks + m.hblkhd;
// }
import "C"

// InUse is the bytes of all blocks that are not freed.
func InUse() int64 { return int64(C.in_use()) }
