package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// #include "early.h"
import "C"

// reportFaults lets early.c have the last word when the process is ended.
func reportFaults() {
	if _, set := os.LookupEnv("GOTRACEBACK"); !set {
		debug.SetTraceback("crash") // Go's own fatal errors end in SIGABRT, not in status 2
	}
	C.after_go()
}

// interruptible is a context that the first interruption ends; a second one
// ends the process at once. What a shell or nohup made the process ignore
// stays ignored.
func interruptible() context.Context {
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
		fmt.Fprintln(os.Stderr, "driftbench: interrupted twice, and ended at once. What is complete is kept.")
		os.Exit(exitInterrupted)
	}()
	return ctx
}
