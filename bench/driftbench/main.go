// Command driftbench measures how far a MalConv malware classifier has
// drifted, and how fast it runs.
//
// It reads files and an index, runs the model, fits Gaussians on the training
// span, and says for each later span how well its files are told from held-out
// files of the training span: AUROC with intervals, as tables, pictures, a
// page and JSON. `driftbench --help` lists the subcommands.
//
// The work is done by package bench; this package binds flags to its options
// and prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"driftbench/bench"
	"driftbench/internal/process"
	"driftbench/internal/text"
	"driftbench/tfmodel"
)

// Exit statuses. Scripts rely on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRule        = 3 // a rule of --fail-if holds
	exitInterrupted = 130
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away does not end the work
	if os.Getenv("GOGC") == "" {
		// Most of a large heap is buffers and features that stay: garbage is not to
		// grow as large as they are. A small heap is not to be collected every few
		// megabytes: it counts as larger by memory that is never touched.
		debug.SetGCPercent(20)
		untouched := make([]byte, 64<<20)
		defer runtime.KeepAlive(untouched)
	}
	stderr := process.Stderr()
	ctx := process.Interruptible(func(twice bool) {
		line := "driftbench: interrupted. " + kept + "\n"
		if twice {
			line = "driftbench: interrupted twice, and ended at once. " + kept + "\n"
		}
		if _, ok := terminalOf(stderr); ok {
			line = "\r\x1b[K" + line // in place of a progress bar
		}
		said := make(chan struct{})
		go func() {
			io.WriteString(stderr, line)
			close(said)
		}()
		select {
		case <-said:
		case <-time.After(100 * time.Millisecond): // nobody reads stderr
		}
		os.Exit(exitInterrupted)
	})
	os.Exit(command(ctx, os.Args[1:], os.Stdout, stderr))
}

// kept is what an interrupted command says of its files where it has no more to
// say: they are whole or not there.
const kept = "What is complete is kept."

// command runs one driftbench command line and returns its exit status.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := newTerminal(stdout, stderr)
	a := &app{args: append([]string{"driftbench"}, args...), terminal: t}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(t.out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	t.closeBar()
	if ctx.Err() != nil { // also if the work ended before it knew
		said := kept
		if interrupted, ok := errors.AsType[*bench.InterruptedError](err); ok {
			said = interrupted.Kept
		}
		fmt.Fprintln(stderr, "driftbench: interrupted.", text.Line(said, '?'))
		return exitInterrupted
	}
	if err == nil && errors.Is(t.out.err, syscall.EPIPE) {
		return exitDone // the reader has what it wants, and the files are whole
	}
	if err == nil && t.out.err != nil {
		a.started = true // there is nothing wrong with the command line
		err = fmt.Errorf("printing the results: %w", t.out.err)
	}

	var rule ruleError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &rule):
		return exitRule
	case isUsage(err) || !a.started:
		fmt.Fprintf(stderr, "driftbench: %s\nSee `%s --help`.\n", text.Lines(message(err.Error())), cmd.CommandPath())
		return exitUsage
	case errors.As(err, new(*bench.PermanentError)):
		fmt.Fprintf(stderr, "driftbench: %s\n", text.Line(message(err.Error()), '?'))
		return exitUsage
	default:
		fmt.Fprintf(stderr, "driftbench: %s%s\n", text.Line(message(err.Error()), '?'), remedy(err))
		return exitFailed
	}
}

// message returns the text of an error without the names of packages that errors
// begin with. Users know none of these.
func message(s string) string {
	for {
		name, rest, ok := strings.Cut(s, ": ")
		if !ok || !slices.Contains([]string{"archive", "bench", "cache", "corpus", "dataset", "date", "features", "files", "index", "malconv", "objects", "packed", "report", "stats", "tfmodel", "throughput"}, name) {
			return s
		}
		s = rest
	}
}

// remedy says what to do about errors of the machine that every command can
// meet.
func remedy(err error) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ": make room, and give the same command again"
	}
	return ""
}

// app holds what the subcommands share.
type app struct {
	*terminal
	args    []string
	started bool // the command line was understood
}

// usageError is a command line that cannot be run.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// isUsage reports whether err is of the command line alone.
func isUsage(err error) bool {
	return errors.As(err, new(usageError)) || errors.As(err, new(*bench.OptionError)) || errors.As(err, new(*tfmodel.OptionError))
}

// flagError returns the error of a flag without the words of its parser.
func flagError(cmd *cobra.Command, err error) error {
	var number *strconv.NumError
	if unknown, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := text.Nearest(unknown, known); near != "" {
			return usagef("%w; did you mean --%s?", err, near)
		}
	}
	if !errors.As(err, &number) {
		return usageError{err}
	}
	want := "a whole number"
	switch {
	case errors.Is(number, strconv.ErrRange):
		want = "a number nearer to 0"
	case number.Func == "ParseUint":
		want = "a whole number of 0 or more"
	case number.Func == "ParseFloat":
		want = "a number"
	case number.Func == "ParseBool":
		want = "true or false"
	}
	what, _, _ := strings.Cut(err.Error(), ": strconv.")
	return usagef("%s: want %s", what, want)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "driftbench",
		Short: "Has a MalConv malware classifier drifted, since when, and how sure is that?",
		Long: `driftbench measures how far a MalConv malware classifier has drifted, and how
fast it runs. For every time span after the training year it says how well a
detector tells the new files from held-out files of the training year: AUROC
with a 95% interval, where 0.5 is no drift.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 a rule of --fail-if holds or
cannot be computed, 130 interrupted. Limits of the process (ulimit) that are too
low are status 1. Where the machine has no memory left, which nothing foretells,
the runtime of Go ends the process with status 2 and pages of its own.

SIGINT (Ctrl-C), SIGTERM or SIGHUP ends every command within two seconds, a
second one at once. nohup keeps SIGHUP away.`,
		Version:           bench.Version(),
		Args:              a.noSubcommand,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "print results, warnings and errors alone: no progress")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "print the time of each message, and all its details")
	root.MarkFlagsMutuallyExclusive("quiet", "verbose")
	for _, add := range []func() *cobra.Command{
		a.runCommand, a.splitsCommand, a.extractCommand, a.scoreCommand, a.reportCommand, a.diffCommand,
		a.workerCommand, a.mergeCommand, a.throughputCommand, a.compareCommand, a.corpusCommand, a.cacheCommand, a.doctorCommand, a.completionCommand,
	} {
		root.AddCommand(add())
	}
	a.markStart(root)
	return root
}

// markStart makes cmd and its subcommands note that they were reached: what
// cobra refuses before that is wrong usage.
func (a *app) markStart(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			a.setLog()
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		a.markStart(sub)
	}
}

// noSubcommand refuses what is no subcommand.
func (a *app) noSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		known = append(known, c.Name())
	}
	mean := ""
	if near := text.Nearest(args[0], known); near != "" {
		mean = "; did you mean " + near + "?"
	}
	return usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(), mean)
}
