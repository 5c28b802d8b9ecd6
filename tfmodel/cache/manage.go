package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Info describes the store of a folder.
type Info struct {
	Path     string
	Bytes    int64       // of the file; 0 when there is none
	Scopes   []ScopeInfo // the last used first
	SetAside []string    // paths of damaged stores
}

// ScopeInfo describes one scope of a store.
type ScopeInfo struct {
	Scope
	Entries  int
	LastUsed time.Time // when a run last opened or stored, to the second
}

// Stat describes the store in dir and changes nothing.
func Stat(dir string) (Info, error) {
	s := store{dir, patience}
	info := Info{Path: s.path()}
	err := s.manage(func() (err error) {
		if info.SetAside, err = s.asides(); err != nil {
			return err
		}
		st, err := os.Stat(s.path())
		if err != nil {
			return err
		}
		info.Bytes = st.Size()
		if err := s.check(); err != nil {
			return err
		}
		return s.view(func(root *bolt.Bucket) error {
			info.Scopes, err = scopes(root)
			return err
		})
	})
	return info, err
}

// Keep is what Prune leaves. The zero value leaves every entry and returns
// unused space only. What is known of files is dropped in any case: they are
// read once more.
type Keep struct {
	// Bytes bounds the file; 0 is no bound. Scopes stay in the order of their
	// last use while they fit, and of the first that does not, a part.
	Bytes int64
	// Since drops the scopes that were last used before it.
	Since time.Time
}

// Prune drops entries and shrinks the file: it copies what stays to a new file
// which then takes the name of the old. Runs that use the store meanwhile
// wait, and go on with the new one.
func Prune(dir string, keep Keep) error {
	s := store{dir, patience}
	return s.manage(func() error {
		if err := s.check(); err != nil {
			return err
		}
		return s.view(func(root *bolt.Bucket) error {
			db, err := s.create()
			if err != nil {
				return err
			}
			db.NoSync = true // until the end
			size, err := copyScopes(db, root, keep)
			if err == nil {
				err = db.Sync()
			}
			if err = errors.Join(err, db.Close()); err == nil {
				err = os.Truncate(s.temporary(), size)
			}
			if err != nil {
				os.Remove(s.temporary())
				return err
			}
			return os.Rename(s.temporary(), s.path())
		})
	})
}

// copyScopes copies what stays into db, and returns how many bytes of its file
// are in use.
func copyScopes(db *bolt.DB, root *bolt.Bucket, keep Keep) (size int64, err error) {
	all, err := scopes(root)
	full := false
	for i := 0; i < len(all) && err == nil && !full && !all[i].LastUsed.Before(keep.Since); i++ {
		c := root.Bucket(all[i].name()).Cursor()
		for k, v := c.First(); k != nil && err == nil && !full; {
			err = db.Update(func(tx *bolt.Tx) error {
				b, err := tx.Bucket(rootName).CreateBucketIfNotExists(all[i].name())
				if err != nil {
					return err
				}
				b.FillPercent = 1 // keys come in order
				// A page is half empty at worst, and a transaction rewrites
				// the few pages above its entries.
				room := keep.Bytes - tx.Size() - 16*pageSize
				for n := 0; k != nil && n < 256; n++ {
					room -= int64(2 * (len(k) + len(v)))
					if full = keep.Bytes > 0 && room < 0; full {
						break
					}
					if err := b.Put(k, v); err != nil {
						return err
					}
					k, v = c.Next()
				}
				return b.SetSequence(uint64(all[i].LastUsed.Unix()))
			})
		}
	}
	if err != nil {
		return 0, err
	}
	err = db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	return size, err
}

// Clear removes the store in dir and those that were set aside. Runs that use
// it go on with a new one.
func Clear(dir string) error {
	s := store{dir, patience}
	return s.manage(func() error {
		paths, err := s.asides()
		for _, p := range append(paths, s.temporary(), s.path()) {
			if e := os.Remove(p); !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
		return err
	})
}

// manage is locked for a command: no store is an empty one, and a damaged one
// stays where it is.
func (s store) manage(f func() error) error {
	err := s.locked(f)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errDamaged):
		return fmt.Errorf("cache: %w; the next run sets it aside, driftbench cache clear removes it", err)
	}
	return fmt.Errorf("cache: %w", err)
}

// scopes lists the scopes of a store, the last used first.
func scopes(root *bolt.Bucket) ([]ScopeInfo, error) {
	var all []ScopeInfo
	err := root.ForEachBucket(func(name []byte) error {
		b := root.Bucket(name)
		info := ScopeInfo{Entries: b.Stats().KeyN, LastUsed: time.Unix(int64(b.Sequence()), 0)}
		if err := json.Unmarshal(name, &info.Scope); err != nil || !bytes.Equal(info.name(), name) {
			return fmt.Errorf("%w: %q is no scope", errDamaged, name)
		}
		all = append(all, info)
		return nil
	})
	slices.SortStableFunc(all, func(a, b ScopeInfo) int { return b.LastUsed.Compare(a.LastUsed) })
	return all, err
}
