// Package fuzzing is what tests hold every reader of a data file to: memory in
// proportion to the file, and errors of one line.
package fuzzing

import (
	"runtime"
	"strings"
	"unicode"
)

// Allocated is how many bytes f allocates in all, those that it frees included.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// IsLine reports whether a message is one line of what prints.
func IsLine(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
