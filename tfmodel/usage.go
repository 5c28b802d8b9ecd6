package tfmodel

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Usage is how long the calls of an engine's Run have taken since it was opened,
// summed over the calls.
type Usage struct {
	Fill    time.Duration // making inputs out of files, on the CPU
	Wait    time.Duration // waiting until others have computed
	Compute time.Duration // computing, with the copies to and from a device
	Slots   int           // calls that compute at a time
}

// usage counts the time of calls of which cap(slots) compute at a time.
type usage struct {
	slots               chan struct{}
	fill, wait, compute atomic.Int64 // ns
}

func newUsage(slots int) *usage { return &usage{slots: make(chan struct{}, slots)} }

// run calls compute when a slot is free. The caller has filled its inputs since start.
func (u *usage) run(start time.Time, compute func() error) error {
	filled := time.Now()
	u.slots <- struct{}{}
	running := time.Now()
	err := compute()
	<-u.slots
	u.fill.Add(int64(filled.Sub(start)))
	u.wait.Add(int64(running.Sub(filled)))
	u.compute.Add(int64(time.Since(running)))
	return err
}

// Usage returns how long the calls of Run have taken.
func (u *usage) Usage() Usage {
	return Usage{time.Duration(u.fill.Load()), time.Duration(u.wait.Load()), time.Duration(u.compute.Load()), cap(u.slots)}
}

// Feeders is the number of calls of Run at a time that keep an engine computing: on
// a CPU one computes, with every core, while the next one fills its inputs; a GPU
// needs several cores to fill the batches that it computes.
func Feeders(d Device) int {
	if d == GPU {
		return max(4, min(16, runtime.GOMAXPROCS(0)))
	}
	return 2
}
