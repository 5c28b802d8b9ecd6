package cache

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
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
	Entries  int       // rows
	LastUsed time.Time // when a run last opened or stored, to the second
}

// Stat describes the store in dir and changes nothing.
func Stat(dir string) (Info, error) {
	s := store{dir: dir, patience: patience}
	info := Info{Path: s.path()}
	err := s.manage(func() (err error) {
		if info.SetAside, err = s.asides(); err != nil {
			return err
		}
		return s.view(func(file *os.File) error {
			st, err := file.Stat()
			if err != nil {
				return err
			}
			info.Bytes, info.Scopes = st.Size(), s.infos()
			return nil
		})
	})
	return info, err
}

// Keep is what Prune leaves. The zero value leaves every row and returns unused
// space only. What is known of files is dropped in any case: they are read once
// more.
type Keep struct {
	// Bytes bounds the file; 0 is no bound. Scopes stay in the order of their
	// last use while they fit, and of the first that does not, a part.
	Bytes int64
	// Since drops the scopes that were last used before it.
	Since time.Time
}

// Prune drops rows and shrinks the file: it copies what stays to a new file
// which then takes the name of the old. Runs that use the store meanwhile
// wait, and go on with the new one.
func Prune(dir string, keep Keep) error {
	s := store{dir: dir, patience: patience}
	return s.manage(func() error {
		return s.view(func(from *os.File) error {
			to, id, err := s.create()
			if err != nil {
				return err
			}
			end, err := s.copyScopes(to, from, keep)
			if err == nil {
				_, err = to.WriteAt(header(id, end), 0)
			}
			if err == nil {
				err = to.Sync()
			}
			if err = errors.Join(err, to.Close()); err != nil {
				os.Remove(s.temporary())
				return err
			}
			return os.Rename(s.temporary(), s.path())
		})
	})
}

// copyScopes copies what stays behind the header of a new file, and returns its end.
func (s *store) copyScopes(to, from *os.File, keep Keep) (end int64, err error) {
	end = int64(headerSize)
	for _, info := range s.infos() {
		if info.LastUsed.Before(keep.Since) {
			break
		}
		r := s.scopes[string(info.name())]
		scope, size := r.codec.scope, r.codec.size
		keys := slices.SortedFunc(maps.Keys(r.at), func(a, b Key) int { return int(r.at[a] - r.at[b]) })
		for len(keys) > 0 {
			n := int64(min(len(keys), 1024, max(1, mostRow/size)))
			if keep.Bytes > 0 {
				n = min(n, (keep.Bytes-end-int64(prefixSize+16+len(scope)))/int64(keySize+size))
			}
			if n <= 0 {
				return end, nil
			}
			values := make([]byte, int(n)*size)
			for i, key := range keys[:n] {
				if err := readAt(from, values[i*size:(i+1)*size], r.at[key]); err != nil {
					return 0, err
				}
			}
			block := encodeBlock(r.used, scope, keys[:n], values, nil)
			if _, err := to.WriteAt(block, end); err != nil {
				return 0, err
			}
			end += int64(len(block))
			keys = keys[n:]
		}
	}
	return end, nil
}

// Clear removes the store in dir and those that were set aside. Runs that use
// it go on with a new one.
func Clear(dir string) error {
	s := store{dir: dir, patience: patience}
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
func (s *store) manage(f func() error) error {
	err := s.locked(f)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errDamaged):
		return fmt.Errorf("cache: %w; the next run sets it aside, driftbench cache clear removes it", err)
	}
	return fmt.Errorf("cache: %w", err)
}

// infos describes the scopes that were read, the last used first.
func (s *store) infos() []ScopeInfo {
	var all []ScopeInfo
	for _, r := range s.scopes {
		all = append(all, ScopeInfo{r.scope, len(r.at), time.Unix(r.used, 0)})
	}
	slices.SortFunc(all, func(a, b ScopeInfo) int {
		return cmp.Or(b.LastUsed.Compare(a.LastUsed), bytes.Compare(a.name(), b.name()))
	})
	return all
}
