package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
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

	quiet, verbose bool
	level          slog.LevelVar
	lock           sync.Mutex // of stderr: a line of the log takes the place of the bar

	bar atomic.Pointer[progressbar.ProgressBar] // of the present stage
}

func newTerminal(stdout, stderr io.Writer) *terminal {
	_, shown := terminalOf(stdout)
	t := &terminal{
		out: &output{w: stdout, color: shown && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"},
		err: stderr,
	}
	if _, shown := terminalOf(stderr); shown {
		t.log = slog.New(&sentences{t: t})
	} else {
		t.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: &t.level, ReplaceAttr: t.plainLog}))
	}
	return t
}

// setLog obeys --quiet.
func (t *terminal) setLog() {
	if t.quiet {
		t.level.Set(slog.LevelWarn)
	}
}

// plainLog drops the time unless it is asked for, and the level of ordinary messages.
func (t *terminal) plainLog(_ []string, attr slog.Attr) slog.Attr {
	switch {
	case attr.Key == slog.TimeKey && !t.verbose, attr.Key == slog.LevelKey && attr.Value.Any() == slog.LevelInfo:
		return slog.Attr{}
	case attr.Key == slog.MessageKey:
		return slog.String(slog.MessageKey, message(attr.Value.String()))
	}
	return attr
}

// sentences is the log of a terminal: a message with its details as words, and
// after it the bar again.
type sentences struct {
	t     *terminal
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (s *sentences) Enabled(_ context.Context, level slog.Level) bool {
	return level >= s.t.level.Level()
}

// WithAttrs implements slog.Handler.
func (s *sentences) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &sentences{s.t, append(slices.Clone(s.attrs), attrs...)}
}

// WithGroup implements slog.Handler. Groups have no words.
func (s *sentences) WithGroup(string) slog.Handler { return s }

// details returns the names and values of a message that are not empty.
func (s *sentences) details(r slog.Record) (details [][2]string) {
	add := func(a slog.Attr) bool {
		if v := a.Value.String(); v != "" {
			details = append(details, [2]string{a.Key, v})
		}
		return true
	}
	for _, a := range s.attrs {
		add(a)
	}
	r.Attrs(add)
	return details
}

// said returns the messages of every run as sentences.
func said(message string, details [][2]string) (sentence string, ok bool) {
	of := map[string]string{}
	for _, d := range details {
		of[d[0]] = d[1]
	}
	switch message {
	case "engine":
		sentence = fmt.Sprintf("the engine is %s on %s", of["name"], of["device"])
		if of["why"] != "" {
			sentence += ": " + of["why"]
		}
		return sentence, true
	case "extracted":
		sentence = fmt.Sprintf("%s: %s files extracted, %s of them from the cache, and %s dropped", of["split"], of["files"], of["cached"], of["dropped"])
		if of["first"] != "" {
			sentence += "; the first: " + of["first"]
		}
		return sentence, true
	}
	return "", false
}

// Handle implements slog.Handler.
func (s *sentences) Handle(_ context.Context, r slog.Record) error {
	line := message(r.Message)
	details := s.details(r)
	if known, ok := said(r.Message, details); ok {
		line, details = known, nil
	}
	if r.Level >= slog.LevelWarn {
		line = map[bool]string{true: "error: ", false: "warning: "}[r.Level >= slog.LevelError] + line
	}
	for i, d := range details {
		line += []string{": ", ", "}[min(i, 1)] + d[0] + " " + d[1]
	}
	if s.t.verbose {
		line = r.Time.Format(time.TimeOnly) + " " + line
	}
	line = strings.ToUpper(line[:1]) + line[1:]
	s.t.lock.Lock()
	defer s.t.lock.Unlock()
	bar := s.t.bar.Load()
	if bar != nil {
		bar.Clear()
	}
	_, err := io.WriteString(s.t.err, text.Line(line, '?')+"\n")
	if bar != nil && bar.State().CurrentNum > 0 {
		bar.RenderBlank()
	}
	return err
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
	if _, ok := terminalOf(t.err); !ok || t.quiet {
		return
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(t.err),
		progressbar.OptionSetDescription(stage),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionClearOnFinish(),
	}
	if n < 0 {
		options = append(options, progressbar.OptionSpinnerType(14), progressbar.OptionSetSpinnerChangeInterval(0))
	} else { // with the first item, as there is no rate before it
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(items), progressbar.OptionSetPredictTime(true))
	}
	bar := progressbar.NewOptions(n, options...)
	bar.StartWithoutRender() // the first rate counts from here
	t.bar.Store(bar)
	if n < 0 {
		go t.turn(bar)
	}
}

// turn moves a spinner while it is the present bar. One that the library moves goes on
// after its stage, in the line of the next.
func (t *terminal) turn(bar *progressbar.ProgressBar) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for range ticker.C {
		t.lock.Lock()
		if t.bar.Load() != bar {
			t.lock.Unlock()
			return
		}
		bar.RenderBlank()
		t.lock.Unlock()
	}
}

// advance moves the present bar by n items.
func (t *terminal) advance(n int) {
	if bar := t.bar.Load(); bar != nil && n > 0 {
		t.lock.Lock()
		defer t.lock.Unlock()
		bar.Add(n)
	}
}

// closeBar removes the present bar.
func (t *terminal) closeBar() {
	if bar := t.bar.Swap(nil); bar != nil {
		t.lock.Lock()
		defer t.lock.Unlock()
		bar.Exit() // without filling it
		bar.Clear()
	}
}
