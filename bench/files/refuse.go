package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"driftbench/internal/regular"
	"driftbench/internal/text"
)

// refusal is the reason for which one file is dropped; the run goes on.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	missing  = refusal("is missing")
	dangling = refusal("is a symbolic link whose target is missing")
	empty    = refusal("is empty")
	leads    = refusal("leads out of the root by a symbolic link")
	outside  = refusal("leads out of the root")
	changed  = refusal("changed while it was read")
	failed   = refusal("cannot be read: input/output error")
	denied   = refusal("cannot be read: permission denied")
)

// mostFailures is how many files a disk may fail to give back. A bad sector costs
// one file; where more fail, the disk or the server is at fault.
const mostFailures = 16

// tolerate counts the files that a disk fails to give back, and makes the failure
// an error of the run when they are too many.
func (p *Places) tolerate(err error, f *File) error {
	if err == failed && p.opt.Strict {
		return fmt.Errorf("files: reading %s: %w: the disk or the server fails, which says nothing about the file: give the same command again where it works", text.Quote(f.Name), syscall.EIO)
	}
	if err == failed && p.failures.Add(1) > mostFailures {
		return fmt.Errorf("files: reading %s: input/output error, and of %d other files as well: the disk or the server fails, which says nothing about the files: give the same command again when it works", text.Quote(f.Name), mostFailures)
	}
	return err
}

// short are errors of the process: it has no descriptors or no memory left.
var short = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM}

// unreachable are errors of a server or of a device that is gone.
var unreachable = []error{
	syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.EREMOTEIO, syscall.ENOLINK,
	syscall.ETIMEDOUT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.ENETRESET,
	syscall.ENOTCONN, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ESHUTDOWN,
}

// Outage reports whether an error is of the machine, of a disk or of a server, and
// says nothing about what was to be read.
func Outage(err error) bool {
	is := func(errno error) bool { return errors.Is(err, errno) }
	return is(syscall.EIO) || slices.ContainsFunc(short, is) || slices.ContainsFunc(unreachable, is)
}

// Absent reports whether a file that was dropped for that reason would be dropped for
// it, too, where its place is not mounted or closed to the user.
func Absent(reason string) bool {
	return slices.Contains([]refusal{missing, dangling, denied, outside}, refusal(reason))
}

// Check returns an error if a place is gone or an empty folder, as one is where its
// file system is not mounted. A bucket is not asked.
func (p *Places) Check() error {
	for _, one := range p.all {
		if err := one.check(); err != nil {
			return fmt.Errorf("files: the place %s %w: is it mounted on this machine?", text.Quote(one.String()), err)
		}
	}
	return nil
}

func (f *folder) check() error {
	dir, err := os.Open(f.dir)
	if err != nil {
		return fmt.Errorf("cannot be opened: %w", err)
	}
	defer dir.Close()
	switch _, err := dir.Readdirnames(1); {
	case err == io.EOF:
		return errors.New("is an empty folder")
	case err != nil:
		return fmt.Errorf("cannot be listed: %w", err)
	}
	if f.inner == nil {
		return nil
	}
	opened, err := f.inner.Stat(".")
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if now, err := dir.Stat(); err != nil || !os.SameFile(opened, now) {
		return errors.New("is another folder than it was")
	}
	return nil
}

func (c *container) check() error {
	_, err := os.Stat(c.String())
	return err
}

func (b *bucket) check() error { return nil }

// refuse turns the error of one file, which lies at path, into a refusal. Errors
// that are not the file's stay errors: dropping files for them would make the
// result depend on the load of the machine or the state of a server.
func refuse(err error, path string) error {
	for _, ours := range short {
		if errors.Is(err, ours) {
			return fmt.Errorf("files: opening files: %w", ours)
		}
	}
	for _, theirs := range unreachable {
		if errors.Is(err, theirs) {
			return fmt.Errorf("files: reading %q: %w: the server or the device fails, which says nothing about the file: give the same command again when it answers", path, theirs)
		}
	}
	if other, ok := errors.AsType[*regular.NotRegularError](err); ok {
		return refusal(regular.Kind(other.Mode))
	}
	switch {
	case errors.Is(err, syscall.EIO):
		return failed
	case errors.Is(err, fs.ErrNotExist):
		return missing
	case errors.Is(err, fs.ErrPermission):
		return denied
	case escapes(err):
		return leads
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err // the path is in the row
	}
	return refusal("cannot be read: " + text.Line(err.Error(), ' '))
}

// escapes reports whether err is os.Root's refusal to leave the root, for which
// package os exports no error.
func escapes(err error) bool {
	return err != nil && strings.Contains(err.Error(), "path escapes from parent")
}

// isRefusal reports whether err is of one file.
func isRefusal(err error) bool {
	_, ok := errors.AsType[refusal](err)
	return ok
}
