package dataset

import (
	"fmt"
	"runtime"
)

// heldBytes is how much memory the result of f keeps alive.
func heldBytes(f func() any) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(x)
	if after.HeapAlloc < before.HeapAlloc {
		return 0
	}
	return after.HeapAlloc - before.HeapAlloc
}

// rowsOf are n rows in one month, of the default labels in turn.
func rowsOf(month string, n int) []Row {
	labels := DefaultConfig().Labels
	m, err := ParseMonth(month)
	if err != nil {
		panic(err)
	}
	rows := make([]Row, n)
	for i := range rows {
		class := i % len(labels)
		rows[i] = Row{Name: fmt.Sprintf("%s/%04d", month, i), Path: fmt.Sprintf("%s/%04d", month, i), Label: labels[class], Class: class, FirstSeen: month, Month: m, Line: i + 2}
	}
	return rows
}
