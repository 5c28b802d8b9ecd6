package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"driftbench/internal/regular"
	"driftbench/internal/text"
)

// Dropped is a row whose file is left out, together with its label.
type Dropped struct {
	Number int // the row's index in what was read or checked
	Row    Row
	Reason string // follows the name in a message, such as "is missing"
}

// String returns the message for a terminal: name "x.exe" (line 7) is missing.
func (d Dropped) String() string {
	return fmt.Sprintf("name %s (line %d) %s", text.Quote(d.Row.Name), d.Row.Line, d.Reason)
}

// refusal is the reason for which one file is dropped; the run goes on.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	missing = refusal("is missing")
	empty   = refusal("is empty")
	leads   = refusal("leads out of the root by a symbolic link")
	changed = refusal("changed while it was read")
)

// root opens the files of a corpus.
type root struct {
	dir        string
	inner      *os.Root // nil when names may lead out of dir
	fileSystem regular.FileSystem
}

func (c *Config) openRoot() (*root, error) {
	if len(c.Files) > 1 || len(c.Files) == 1 && strings.Contains(c.Files[0], "://") {
		return nil, fmt.Errorf("dataset: files: %s: only one folder is read", quoteAll(c.Files))
	}
	r := &root{dir: c.RootPath()}
	r.fileSystem = regular.FileSystemOf(r.dir)
	info, err := os.Stat(r.dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: opening the root of the files: %w: set root in corpus.yaml", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("dataset: root %s %s, not a folder: set root in corpus.yaml", text.Quote(r.dir), regular.Kind(info.Mode()))
	}
	if c.AllowOutside {
		return r, nil
	}
	if r.inner, err = os.OpenRoot(r.dir); err != nil {
		return nil, fmt.Errorf("dataset: opening the root of the files: %w", err)
	}
	return r, nil
}

func (r *root) close() {
	if r.inner != nil {
		r.inner.Close()
	}
}

// path returns the path of the file of that name.
func (r *root) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}

// Path is where the file of a row lies.
func (c *Config) Path(row Row) string {
	return (&root{dir: c.RootPath()}).path(row.Path)
}

// Absolute returns the configuration with the folders that it names made absolute.
func (c Config) Absolute() (Config, error) {
	var err error
	c.Dir, err = filepath.Abs(c.Dir)
	return c, err
}

// open opens the regular file of that name, or returns a refusal.
func (r *root) open(name string) (f *os.File, info os.FileInfo, err error) {
	if r.inner != nil {
		f, info, err = regular.OpenIn(r.inner, name)
	} else {
		f, info, err = regular.Open(r.path(name))
	}
	if err != nil {
		return nil, nil, refuse(err)
	}
	if info.Size() == 0 {
		f.Close()
		return nil, nil, empty
	}
	return f, info, nil
}

// readHead reads the first len(buf) bytes of a file, or all of a shorter one.
// n is how many they are, size the length of the whole file.
func (r *root) readHead(buf []byte, name string) (n int, size int64, v regular.Version, err error) {
	start := time.Now() // the file may change at any time from here on
	f, before, err := r.open(name)
	if err != nil {
		return 0, 0, regular.Version{}, err
	}
	defer f.Close()
	n, after, err := readUnchanged(buf, f, before)
	if err != nil {
		return 0, 0, regular.Version{}, err
	}
	return n, after.Size(), r.fileSystem.VersionRead(before, after, start), nil
}

// readUnchanged reads the first bytes of a file, and refuses one that has
// changed since before was taken: its bytes may be of two versions.
func readUnchanged(buf []byte, f *os.File, before os.FileInfo) (n int, after os.FileInfo, err error) {
	n, err = io.ReadFull(f, buf)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return 0, nil, refuse(err)
	}
	if after, err = f.Stat(); err != nil {
		return 0, nil, refuse(err)
	}
	size := after.Size()
	if size != before.Size() || !after.ModTime().Equal(before.ModTime()) || int64(n) != min(size, int64(len(buf))) {
		return 0, nil, changed
	}
	return n, after, nil
}

// refuse turns the error of one file into a refusal. Errors that are not the
// file's (no descriptors, no memory) stay errors: dropping files for them
// would make the result depend on the machine's load.
func refuse(err error) error {
	for _, ours := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, ours) {
			return fmt.Errorf("dataset: opening files: %w", ours)
		}
	}
	if other, ok := errors.AsType[*regular.NotRegularError](err); ok {
		return refusal(regular.Kind(other.Mode))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing
	case strings.Contains(err.Error(), "path escapes from parent"): // os.Root exports no such error
		return leads
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err // the path is in the row
	}
	return refusal("cannot be read: " + oneLine(err.Error()))
}
