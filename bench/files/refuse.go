package files

import (
	"errors"
	"fmt"
	"io/fs"
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
	changed  = refusal("changed while it was read")
	failed   = refusal("cannot be read: input/output error")
)

// mostFailures is how many files a disk may fail to give back. A bad sector costs
// one file; where more fail, the disk or the server is at fault.
const mostFailures = 16

// tolerate counts the files that a disk fails to give back, and makes the failure
// an error of the run when they are too many.
func (p *Places) tolerate(err error, f *File) error {
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
