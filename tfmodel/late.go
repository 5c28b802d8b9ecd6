package tfmodel

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Description describes an engine that is open or that Open would open.
type Description struct {
	Name     string
	Device   Device
	Why      string // the reason for this engine, see Open
	Identity string // see Engine
	Batch    int    // files that suit one Run
}

// expect describes the engine that Open would open, as far as that can be known: ok
// is false where TensorFlow may list a GPU. Open may still fail, or find that the
// engine cannot serve the model and open another. What can be checked without
// opening is an error as of Open.
func expect(m *Model, opt Options) (d Description, ok bool, err error) {
	if err := opt.Check(); err != nil {
		return d, false, err
	}
	entry, why := engineNamed(opt.Engine), askedFor
	onCPU := opt.Exact || opt.Device == CPU || entry != nil && !RunsOn(entry.name, GPU) || cmp.Or(opt.Device, Auto) == Auto && noGPU()
	if !onCPU {
		return d, false, nil
	}
	if entry == nil {
		var failed string
		for _, e := range slices.Backward(engines) {
			if why = e.devices[CPU]; why == "" || opt.Exact && !e.exact {
				continue
			}
			err := e.refused(m)
			if err == nil {
				entry, why = &e, cmp.Or(failed, why)
				break
			}
			failed = e.cannotServe(err)
		}
		if entry == nil {
			return d, false, inexact(failed)
		}
	} else if err := entry.refused(m); err != nil {
		return d, false, err
	}
	if _, err := m.program(opt.TrustModel); err != nil {
		return d, false, fmt.Errorf("tfmodel: loading %s: %w", m.Dir, err)
	}
	identity, err := entry.identity(entry.name, m)
	return Description{entry.name, CPU, why, identity, entry.batch(m, CPU)}, err == nil, err
}

// Late is an engine that opens in the background or when it first computes, and
// not at all where there is nothing to compute. It is safe for concurrent use.
type Late struct {
	model     *Model
	options   Options
	begin     func()
	begun     atomic.Bool // open or opening
	closed    atomic.Bool
	described atomic.Pointer[string] // the identity that Expect or Wait gave last

	done   chan struct{} // closed when Open has returned
	engine Engine
	why    string
	err    error
}

// OpenLate returns the engine that open opens, unopened: [Open] with the same model
// and options, or a function that chooses between several engines where a GPU may be
// there.
func OpenLate(m *Model, opt Options, open func() (Engine, string, error)) *Late {
	l := &Late{model: m, options: opt, done: make(chan struct{})}
	l.begin = sync.OnceFunc(func() {
		l.begun.Store(true)
		go func() {
			defer close(l.done)
			l.engine, l.why, l.err = open()
		}()
	})
	return l
}

// Begin opens the engine in the background.
func (l *Late) Begin() { l.begin() }

// Begun reports whether the engine is open or opening.
func (l *Late) Begun() bool { return l.begun.Load() }

// Expect describes the engine, and opens it only where that cannot be known else.
// Where opening shows that it cannot serve the model, Wait describes another.
func (l *Late) Expect() (Description, error) {
	d, ok, err := expect(l.model, l.options)
	if !ok && err == nil {
		return l.Wait()
	}
	l.described.Store(&d.Identity)
	return d, err
}

// Wait opens the engine if need be, and describes it. Its errors are those of Open.
func (l *Late) Wait() (Description, error) {
	d, err := l.wait()
	l.described.Store(&d.Identity)
	return d, err
}

func (l *Late) wait() (Description, error) {
	l.begin()
	<-l.done
	if l.err != nil {
		return Description{}, l.err
	}
	e := l.engine
	return Description{e.Name(), e.Device(), l.why, e.Identity(), SuitedBatch(e, l.model)}, nil
}

// Run is Run of the engine, opened if need be. An engine other than Expect or Wait
// described is an error.
func (l *Late) Run(dst [][]float32, files [][]byte) error {
	d, err := l.wait()
	if err != nil {
		return err
	}
	if want := l.described.Load(); want != nil && *want != d.Identity {
		return fmt.Errorf("tfmodel: %s: %s: give the same command again with --engine %s", l.model.Dir, d.Why, d.Name)
	}
	return l.engine.Run(dst, files)
}

// Close frees the engine's memory, where it was opened. A later Close does nothing.
func (l *Late) Close() error {
	if !l.Begun() {
		return nil
	}
	if <-l.done; l.engine == nil || l.closed.Swap(true) {
		return nil
	}
	return l.engine.Close()
}
