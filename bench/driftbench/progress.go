package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar is the progress of one stage; nil when stderr is no terminal.
type bar = progressbar.ProgressBar

// startProgress shows a bar for a stage of n items on stderr, in place of the
// one before. When stderr is no terminal there are no bars.
func (a *app) startProgress(stage string, n int, items string) {
	a.showProgress(stage, n,
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString(items),
		progressbar.OptionSetPredictTime(true))
}

// startSpinner shows that a stage of unknown length is under way, and for how
// long.
func (a *app) startSpinner(stage string) {
	a.showProgress(stage, -1, progressbar.OptionSpinnerType(14))
}

func (a *app) showProgress(stage string, n int, options ...progressbar.Option) {
	a.closeProgress()
	f, ok := a.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return
	}
	a.bar.Store(progressbar.NewOptions(n, append(options,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription(stage),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
	)...))
}

// advance moves the present bar by n items.
func (a *app) advance(n int) {
	if bar := a.bar.Load(); bar != nil {
		bar.Add(n)
	}
}

// closeProgress removes the present bar.
func (a *app) closeProgress() {
	if bar := a.bar.Swap(nil); bar != nil {
		bar.Finish()
		bar.Clear()
	}
}
