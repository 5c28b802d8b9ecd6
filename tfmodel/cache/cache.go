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
	c := &Cache{store: store{dir, patience}, codec: newCodec(s), log: log, reading: true, storing: true}
	err := c.transact(func() error {
		if err := c.store.check(); err != nil {
			return err
		}
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
// layer i, n×width, row-major. It calls run for the files that are not stored,
// if there are any, and stores what run computed. It returns their numbers,
// ascending, and the error of run.
func (c *Cache) Run(dst [][]float32, keys []Key, files [][]byte, run func(dst [][]float32, files [][]byte) error) (missing []int, err error) {
	missing = c.Get(dst, keys)
	if len(missing) == 0 {
		return nil, nil
	}
	if len(missing) == len(keys) {
		err = run(dst, files)
	} else {
		// The engine wants its rows together.
		out := make([][]float32, len(dst))
		for i, w := range c.codec.widths {
			out[i] = make([]float32, len(missing)*w)
		}
		keys, files = pick(keys, missing), pick(files, missing)
		err = run(out, files)
		for i, w := range c.codec.widths {
			for j, row := range missing {
				copy(dst[i][row*w:(row+1)*w], out[i][j*w:])
			}
		}
		dst = out
	}
	if err == nil {
		c.Put(keys, dst)
	}
	return missing, err
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
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.reading {
			err := c.transact(func() error {
				return c.store.view(func(root *bolt.Bucket) (err error) {
					missing, err = c.lookUp(dst, keys, root.Bucket(c.codec.scope))
					return err
				})
			})
			if err == nil {
				return missing
			}
			if !errors.Is(err, fs.ErrNotExist) { // no store is an empty one
				c.reading = false
				c.stopStoring(err)
			}
		}
	}
	missing = make([]int, len(keys))
	for i := range missing {
		missing[i] = i
	}
	return missing
}

func (c *Cache) lookUp(dst [][]float32, keys []Key, b *bolt.Bucket) (missing []int, err error) {
	for row := range keys {
		var v []byte
		if b != nil {
			v = b.Get(keys[row][:])
		}
		if v == nil {
			missing = append(missing, row)
		} else if err := c.codec.decode(dst, row, keys[row], v); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// Put stores rows under keys, all of them or none: rows[i] is layer i,
// len(keys)×width, row-major. What is stored when it returns outlives the
// process. After a failure, such as a full disk, nothing more is stored.
func (c *Cache) Put(keys []Key, rows [][]float32) {
	if c == nil {
		return
	}
	c.codec.checkRows(rows, len(keys))
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.storing {
		return
	}
	err := c.transact(func() error {
		return c.store.update(func(root *bolt.Bucket) error {
			b, err := c.scope(root)
			for row := 0; row < len(keys) && err == nil; row++ {
				err = b.Put(keys[row][:], c.codec.encode(rows, row, keys[row]))
			}
			return err
		})
	})
	if err != nil {
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
