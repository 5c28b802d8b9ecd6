package main

import (
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"driftbench/bench"
	"driftbench/internal/text"
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
	return &terminal{
		out: &output{w: stdout},
		err: stderr,
		log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{ReplaceAttr: plainLog})),
	}
}

// output writes to w what is safe to print, see [text.Lines]: names and labels
// come from whoever made the files. It keeps the first error, so that what
// prints need not check.
type output struct {
	w   io.Writer
	err error
}

// Write writes whole lines or other text that ends between two characters.
func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	if _, o.err = io.WriteString(o.w, text.Lines(string(b))); o.err != nil {
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
	f, ok := t.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(f),
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
