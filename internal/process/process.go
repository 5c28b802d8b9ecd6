// Package process is the start of the command's process and its interruption.
//
// A program that imports it starts with C code of start.c, before the
// constructors of any shared library: closed standard descriptors are filled, and
// too low a limit on address space ends the process with a message. TensorFlow logs
// nothing unless the user sets TF_CPP_MIN_LOG_LEVEL.
package process

import "C" // compiles start.c

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Stderr returns a copy of stderr. What is written to it is seen while TensorFlow
// is loaded too, when stderr leads nowhere, see internal/libtensorflow.
func Stderr() *os.File {
	fd, err := unix.FcntlInt(os.Stderr.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil { // it is closed
		return os.Stderr
	}
	return os.NewFile(uintptr(fd), os.Stderr.Name())
}

// Interruptible returns a context that the first SIGINT, SIGTERM or SIGHUP
// cancels; the second calls again, which should end the process. Before the call
// their default action ends it. A signal that the process was started to
// ignore, as by nohup, stays ignored.
func Interruptible(again func()) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan os.Signal, 2)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(c, sig)
		}
	}
	go func() {
		<-c
		cancel()
		<-c
		again()
	}()
	return ctx
}
