// Package cache keeps the outputs of a model for the files it has seen, so
// that a repeated run, an interrupted one, or one with more files computes
// only what is new.
//
// An entry is found by its scope (the model's hash and the engine, whose
// outputs differ from another engine's in the last bits) and by the SHA-256 of
// the bytes that the model saw. It holds the float32 outputs of every layer
// and a digest of scope, key and values: what the digest does not confirm is
// never served.
//
// The file that bytes came from is remembered with its size and times, so that
// an unchanged one is not read again to know its key.
//
// The store is one bbolt file in a folder that any number of processes may
// share: a batch is one transaction, and the folder is locked for that long
// alone. A kill at any moment loses at most the batch being written. A cache
// never fails a run: what goes wrong costs stored entries and a warning. A
// damaged store is renamed and a new one begun.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Scope is what outputs depend on besides the file. Entries of different
// scopes never meet.
type Scope struct {
	Model  string // hash of the model
	Engine string // family of engines whose outputs are equal bit for bit
	Widths []int  // values of each layer, in the model's order
}

// Key is the SHA-256 of the bytes that the model saw of a file.
type Key = [32]byte

// Cache is one scope of a store. A nil Cache is empty and stores nothing. It
// is safe for concurrent use. It holds nothing open between calls, so there is
// nothing to close.
type Cache struct {
	store store
	codec codec
	log   *slog.Logger

	mu       sync.Mutex // of what follows; held over a transaction
	reading  bool
	storing  bool
	setAside bool // a store was set aside
}

// Open opens the store in dir, making both as needed. It checks the structure
// of the whole store. What only limits the cache, such as a folder that cannot
// be written to, is a warning to log. A scope without layers panics.
func Open(dir string, s Scope, log *slog.Logger) (*Cache, error) {
	if len(s.Widths) == 0 {
		panic("cache: scope without layers")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("cache: %w; choose another folder", err)
	}
	c := &Cache{store: store{dir, patience}, codec: newCodec(s), log: log, storing: true}
	err := c.transact(func() error {
		if err := c.store.check(); err != nil {
			return err
		}
		c.reading = true
		return c.store.update(func(root *bolt.Bucket) error {
			_, err := c.scope(root)
			return err
		})
	})
	if err != nil {
		c.stopStoring(err)
	}
	return c, nil
}

// Run sets dst to the outputs of files, whose keys are given: dst[i] receives
// layer i, n×width, row-major. It calls run for the contents that are not
// stored, if there are any, and stores what run computed. It returns their
// numbers, ascending, and the error of run. The files, if given, are where the
// contents come from, for [Cache.Recall].
func (c *Cache) Run(dst [][]float32, keys []Key, contents [][]byte, files []File, run func(dst [][]float32, contents [][]byte) error) (missing []int, err error) {
	missing = c.Get(dst, keys)
	if len(missing) == 0 {
		if slices.ContainsFunc(files, File.tellsChanges) {
			c.write(func(root *bolt.Bucket) error { return remember(root, files, keys) })
		}
		return nil, nil
	}
	computed, to := keys, dst
	if len(missing) < len(keys) {
		// The engine wants its rows together.
		to = make([][]float32, len(dst))
		for i, w := range c.codec.widths {
			to[i] = make([]float32, len(missing)*w)
		}
		computed, contents = pick(keys, missing), pick(contents, missing)
	}
	if err := run(to, contents); err != nil {
		return missing, err
	}
	if len(missing) < len(keys) {
		for i, w := range c.codec.widths {
			for j, row := range missing {
				copy(dst[i][row*w:(row+1)*w], to[i][j*w:])
			}
		}
	}
	c.write(func(root *bolt.Bucket) error {
		return errors.Join(c.put(root, computed, to), remember(root, files, keys))
	})
	return missing, nil
}

func pick[T any](from []T, rows []int) []T {
	to := make([]T, len(rows))
	for i, row := range rows {
		to[i] = from[row]
	}
	return to
}

// Get sets the rows of dst whose keys are stored, and returns the numbers of
// the others, ascending; what their rows hold is undefined. dst[i] is layer i,
// len(keys)×width, row-major.
func (c *Cache) Get(dst [][]float32, keys []Key) (missing []int) {
	if c != nil {
		c.codec.checkRows(dst, len(keys))
	}
	ok := c.read(func(root *bolt.Bucket) error {
		missing = missing[:0]
		b := root.Bucket(c.codec.scope)
		for row, key := range keys {
			found, err := c.codec.lookUp(dst, row, key, b)
			if err != nil {
				return err
			}
			if !found {
				missing = append(missing, row)
			}
		}
		return nil
	})
	if !ok {
		return all(len(keys))
	}
	return missing
}

// read calls f in one transaction and reports whether it went well. On no
// store, which is an empty one, f is not called.
func (c *Cache) read(f func(root *bolt.Bucket) error) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reading {
		return false
	}
	err := c.transact(func() error { return c.store.view(f) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.reading = false
		c.stopStoring(err)
	}
	return err == nil
}

// Put stores rows under keys, all of them or none: rows[i] is layer i,
// len(keys)×width, row-major. What is stored when it returns outlives the
// process. After a failure, such as a full disk, nothing more is stored.
func (c *Cache) Put(keys []Key, rows [][]float32) {
	if c != nil {
		c.codec.checkRows(rows, len(keys))
	}
	c.write(func(root *bolt.Bucket) error { return c.put(root, keys, rows) })
}

func (c *Cache) put(root *bolt.Bucket, keys []Key, rows [][]float32) error {
	b, err := c.scope(root)
	for row := 0; row < len(keys) && err == nil; row++ {
		err = b.Put(keys[row][:], c.codec.encode(rows, row, keys[row]))
	}
	return err
}

// write calls f in one transaction.
func (c *Cache) write(f func(root *bolt.Bucket) error) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.storing {
		return
	}
	if err := c.transact(func() error { return c.store.update(f) }); err != nil {
		c.stopStoring(err)
	}
}

// scope returns the bucket of the cache's scope. Its sequence number is the
// time of its last use.
func (c *Cache) scope(root *bolt.Bucket) (*bolt.Bucket, error) {
	b, err := root.CreateBucketIfNotExists(c.codec.scope)
	if err != nil {
		return nil, err
	}
	return b, b.SetSequence(uint64(time.Now().Unix()))
}

// transact calls f on the store, and again on a new one when f finds the first
// damaged. It does so once: a disk that damages a second store gets no third.
func (c *Cache) transact(f func() error) error {
	err := c.store.mending(f)
	if errors.Is(err, errSetAside) && !c.setAside {
		c.setAside = true
		c.log.Warn("feature cache begins anew", "reason", err)
		err = c.store.mending(f)
	}
	return err
}

// stopStoring warns. A damaged store that is still in its place is not
// read either.
func (c *Cache) stopStoring(err error) {
	c.reading = c.reading && !errors.Is(err, errDamaged)
	c.storing = false
	c.log.Warn("feature cache stores nothing more in this run", "folder", c.store.dir, "reading", c.reading, "error", err)
}
