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
	"time"

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

// Grace is how long a command may take to end by itself after the first signal.
const Grace = time.Second / 2

// Interruptible returns a context that the first SIGINT, SIGTERM or SIGHUP
// cancels. It calls end, which ends the process, at the second signal, or when the
// process has not ended within [Grace]: a call of C code or of a library, or a
// read that blocks, does not know of the context. Ending so is as safe as a kill,
// after which files are whole and locks are free. Before the call of
// Interruptible the default action of the signals ends the process. A signal that
// the process was started to ignore, as by nohup, stays ignored.
func Interruptible(end func(twice bool)) context.Context {
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
		select {
		case <-c:
			end(true)
		case <-time.After(Grace):
			end(false)
		}
	}()
	return ctx
}
