package main

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"driftbench/bench"
	"driftbench/internal/text"
	"driftbench/report"
)

// terminal is where a command prints: results go to out, and progress, logs and
// warnings to err.
type terminal struct {
	out *output
	err io.Writer
	log *slog.Logger
	bar atomic.Pointer[progressbar.ProgressBar] // of the present stage
}

func newTerminal(stdout, stderr io.Writer) *terminal {
	_, shown := terminalOf(stdout)
	return &terminal{
		out: &output{w: stdout, color: shown && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"},
		err: stderr,
		log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{ReplaceAttr: plainLog})),
	}
}

// output writes to w what is safe to print, see [text.Lines]: names and labels
// come from whoever made the files. It keeps the first error, so that what
// prints need not check.
type output struct {
	w     io.Writer
	color bool // lets the sequences of [report.Sequences] pass
	err   error
}

// safe returns s as it may be printed.
func (o *output) safe(s string) string {
	if !o.color {
		return text.Lines(s)
	}
	var b strings.Builder
	for s != "" {
		next, pass := len(s), ""
		for _, sequence := range report.Sequences() {
			if i := strings.Index(s, sequence); i >= 0 && i < next {
				next, pass = i, sequence
			}
		}
		b.WriteString(text.Lines(s[:next]) + pass)
		s = s[next+len(pass):]
	}
	return b.String()
}

// look says how to print on stdout: with colour and the width of the terminal, or
// plainly in 80 columns if it is none. NO_COLOR is that of no-color.org.
func (t *terminal) look(all bool) report.Look {
	l := report.Look{All: all, Color: t.out.color}
	if fd, ok := terminalOf(t.out.w); ok {
		if width, _, err := term.GetSize(fd); err == nil {
			l.Width = width
		}
	}
	return l
}

// terminalOf returns the file descriptor of w and whether it is a terminal.
func terminalOf(w io.Writer) (fd int, ok bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// Write writes whole lines or other text that ends between two characters.
func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	if _, o.err = io.WriteString(o.w, o.safe(string(b))); o.err != nil {
		return 0, o.err
	}
	return len(b), nil
}

// monitor shows the progress of the library as bars, and prints its log.
func (t *terminal) monitor() bench.Monitor {
	return bench.Monitor{Stage: t.openBar, Advance: t.advance, Log: t.log}
}

// openBar shows a bar for a stage in place of the one before: a spinner where n
// is negative. When stderr is no terminal there are no bars.
func (t *terminal) openBar(stage string, n int, items string) {
	t.closeBar()
	if _, ok := terminalOf(t.err); !ok {
		return
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(t.err),
		progressbar.OptionSetDescription(stage),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
	}
	if n < 0 {
		options = append(options, progressbar.OptionSpinnerType(14))
	} else {
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(items), progressbar.OptionSetPredictTime(true))
	}
	t.bar.Store(progressbar.NewOptions(n, options...))
}

// advance moves the present bar by n items.
func (t *terminal) advance(n int) {
	if bar := t.bar.Load(); bar != nil {
		bar.Add(n)
	}
}

// closeBar removes the present bar.
func (t *terminal) closeBar() {
	if bar := t.bar.Swap(nil); bar != nil {
		bar.Finish()
		bar.Clear()
	}
}
