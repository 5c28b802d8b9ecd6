package malconv

import (
	"sync"
	"sync/atomic"
)

// parallel calls f(thread, i) for every i below n, from up to that many threads.
func parallel(threads, n int, f func(thread, i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for thread := range min(threads, n) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(thread, i)
			}
		})
	}
	wait.Wait()
}
