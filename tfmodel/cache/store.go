package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	"driftbench/internal/regular"
)

var (
	// errDamaged is of a store that does not hold what was written to it.
	errDamaged = errors.New("damaged")
	// errSetAside is of a damaged store that was renamed.
	errSetAside = errors.New("set aside")
)

// rootName names the one bucket at the top, in which every scope is a bucket.
// A store without it is another program's, or of another version.
var rootName = []byte("driftbench features 1")

const (
	// patience is how long to wait for other processes: their transactions
	// take milliseconds, Prune of a large store seconds.
	patience = 30 * time.Second

	pageSize = 4096
	growth   = 1 << 20 // what a full file grows by
)

// store is the bbolt file in a folder. Between transactions no process holds
// it open or locked, so several can share it.
type store struct {
	dir      string
	patience time.Duration
}

func (s store) path() string { return filepath.Join(s.dir, "features.db") }

// temporary is where a store is made before it takes its name.
func (s store) temporary() string { return s.path() + ".new" }

// asides lists the stores that were set aside.
func (s store) asides() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	var paths []string
	for _, e := range entries {
		if p := filepath.Join(s.dir, e.Name()); strings.HasPrefix(p, s.path()+".set-aside-") {
			paths = append(paths, p)
		}
	}
	return paths, err
}

// locked calls f in guard while nobody else, in this process or another, is in
// locked for the same folder.
func (s store) locked(f func() error) error {
	// The folder is locked, not the file: it stays when the file is renamed,
	// and locking it takes no right to write.
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer d.Close() // unlocks
	for start := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			return fmt.Errorf("locking %s: %w", s.dir, err)
		}
		if time.Since(start) > s.patience {
			return fmt.Errorf("%s has been in use by another process for %v", s.dir, s.patience)
		}
	}
	if err = guard(f); errors.Is(err, errDamaged) {
		return fmt.Errorf("%s is %w", s.path(), err)
	}
	return err
}

// mending is locked, and renames a store that f finds damaged before anyone
// else sees it.
func (s store) mending(f func() error) error {
	return s.locked(func() error {
		err := guard(f)
		if !errors.Is(err, errDamaged) {
			return err
		}
		aside := s.path() + ".set-aside-" + time.Now().UTC().Format("20060102T150405.000000")
		if e := os.Rename(s.path(), aside); e != nil {
			return fmt.Errorf("%w; setting it aside: %w", err, e)
		}
		return fmt.Errorf("%w; %w as %s", err, errSetAside, aside)
	})
}

// guard calls f and returns a panic or a memory fault in it as errDamaged:
// bbolt panics, or reads beyond the end of its mapping, when a file is damaged
// under its hands.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

// view reads the store in one transaction; fs.ErrNotExist when there is none.
// Call it in locked.
func (s store) view(f func(root *bolt.Bucket) error) error {
	return s.transaction((*bolt.DB).View, os.O_RDONLY, f)
}

// update changes the store in one transaction, making it first if need be.
// Call it in locked.
func (s store) update(f func(root *bolt.Bucket) error) error {
	if _, err := os.Lstat(s.path()); errors.Is(err, fs.ErrNotExist) {
		db, err := s.create()
		if err != nil {
			return err
		}
		if err := errors.Join(db.Close(), os.Rename(s.temporary(), s.path())); err != nil {
			return err
		}
	}
	return s.transaction((*bolt.DB).Update, os.O_RDWR, f)
}

func (s store) transaction(run func(*bolt.DB, func(*bolt.Tx) error) error, flag int, f func(root *bolt.Bucket) error) error {
	file, _, err := regular.OpenFile(s.path(), flag)
	if err != nil {
		return err
	}
	defer file.Close() // after a panic, db could not be closed
	db, err := open(file, flag == os.O_RDONLY)
	if err != nil {
		return err
	}
	err = run(db, func(tx *bolt.Tx) error {
		root := tx.Bucket(rootName)
		if root == nil {
			return fmt.Errorf("%w: it holds no %q, so it is another program's or of another version", errDamaged, rootName)
		}
		return f(root)
	})
	return errors.Join(err, db.Close())
}

// create makes an empty store under the temporary name, so that a kill leaves
// no half of one under the right name. What lies there is removed, never
// written to: it may be a link to someone's file. Call it in locked.
func (s store) create() (*bolt.DB, error) {
	if err := os.Remove(s.temporary()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(s.temporary(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	db, err := open(file, false)
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket(rootName)
		return err
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// open opens a bbolt file, and closes it when it cannot.
func open(file *os.File, readOnly bool) (*bolt.DB, error) {
	db, err := bolt.Open(file.Name(), 0, &bolt.Options{
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return file, nil },
		ReadOnly:     readOnly,
		PageSize:     pageSize,
		NoStatistics: true,
		// The lock of the folder keeps driftbench out; bbolt's own is held
		// only when another program looks at the file.
		Timeout: time.Second,
	})
	if err != nil {
		return nil, err
	}
	db.AllocSize = growth
	return db, nil
}
