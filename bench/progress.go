package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar is the progress of one stage; nil when stderr is no terminal.
type bar = progressbar.ProgressBar

// startProgress shows a bar for n items of a stage on stderr, in place of the
// one before. When stderr is no terminal there are no bars.
func (a *app) startProgress(stage string, n int) {
	a.closeProgress()
	f, ok := a.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return
	}
	a.bar = progressbar.NewOptions(n,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription(stage),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

// advance moves the present bar by n items.
func (a *app) advance(n int) {
	if a.bar != nil {
		a.bar.Add(n)
	}
}

// closeProgress removes the present bar.
func (a *app) closeProgress() {
	if a.bar != nil {
		a.bar.Clear()
		a.bar = nil
	}
}
