// Package cache stores the outputs of a model for the files it has seen, so
// that a repeated run, an interrupted one, or one with more files computes
// only what is new.
//
// A row is found by its scope (the model's hash and the engine, whose outputs
// differ from another engine's in the last bits) and by the SHA-256 of the bytes
// that the model saw. It holds the float32 outputs of every layer and a digest
// of scope, key and values. A row that does not match its digest is never served.
//
// The file that bytes came from is stored with its version, so that the key of
// an unchanged file is known without reading it.
//
// The store is one file in a folder that any number of processes may share. A
// batch is appended to it as a whole, and the folder is locked for that long
// alone. A kill at any moment loses at most the batch being written. A cache
// never fails a run: what goes wrong costs stored rows and a warning. A damaged
// store is renamed and a new one begun.
package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"driftbench/internal/regular"
)

// Scope is what outputs depend on besides the file. A row of one scope is never
// served in another.
type Scope struct {
	Model  string // hash of the model
	Engine string // identity of the engine
	Widths []int  // values of each layer, in the model's order
}

// name is the scope as the store has it.
func (s Scope) name() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return b
}

// Key is the SHA-256 of the bytes that the model saw of a file.
type Key = [sha256.Size]byte

// File is the file that bytes were read from. A file whose version is not known
// is not stored.
type File struct {
	Path    string // absolute, or another name that stands for the file in every run
	Head    int    // most bytes that are read of it
	Version regular.Version
	Stored  // what is stored of it by [Cache.Run]
}

// Stored is what the store has of a file.
type Stored struct {
	Size int64 // length of the content, which for a packed file is not that of the file
	Form int64 // how the file is packed, in the caller's numbers
}

// name is the file as the store has it.
func (f File) name() Key {
	return sha256.Sum256(append(order.AppendUint64(nil, uint64(f.Head)), f.Path...))
}

// Cache is one scope of a store. A nil Cache is empty and stores nothing. It
// is safe for concurrent use. It holds nothing open between calls, so there is
// nothing to close.
type Cache struct {
	codec codec
	log   *slog.Logger

	mu       sync.Mutex // of what follows; held over a transaction
	store    store
	reading  bool
	storing  bool
	setAside bool // a store was set aside
}

// Open opens the store in dir, making both as needed, and reads which rows it
// has. What only limits the cache, such as a folder that cannot be written to,
// is a warning to log. A folder that cannot be made is an error. A scope without
// layers panics.
func Open(dir string, s Scope, log *slog.Logger) (*Cache, error) {
	if len(s.Widths) == 0 {
		panic("cache: scope without layers")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("cache: %w; choose another folder", err)
	}
	c := &Cache{codec: newCodec(s), log: log, storing: true}
	c.store = store{dir: dir, patience: patience, only: string(c.codec.scope)}
	err := c.transact(func() error {
		if err := c.store.view(func(*os.File) error { return nil }); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		c.reading = true
		return c.store.append(func() []byte { // the time of this use
			return encodeBlock(time.Now().Unix(), c.codec.scope, nil, nil, nil)
		})
	})
	if err != nil {
		c.stopStoring(err)
	}
	return c, nil
}

// Run sets dst to the outputs of n files: dst[i] to those of layer i, n×width,
// row-major. It calls run for the contents whose keys are not stored, if there
// are any, and stores what run computed. It returns their numbers, ascending,
// and the error of run. The files, if given, are where the contents come from,
// for [Cache.Lookup].
func (c *Cache) Run(dst [][]float32, keys []Key, contents [][]byte, files []File, run func(dst [][]float32, contents [][]byte) error) (missing []int, err error) {
	missing = c.Get(dst, keys)
	if len(missing) == 0 {
		c.append(nil, nil, files, keys)
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
	c.append(computed, to, files, keys)
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
// len(keys)×width, row-major; a shorter one panics.
func (c *Cache) Get(dst [][]float32, keys []Key) (missing []int) {
	return c.get(dst, len(keys), func(row int) (Key, bool) { return keys[row], true })
}

// Absent reports whether dir holds no store, which is then empty to begin with.
func Absent(dir string) bool {
	_, err := os.Lstat((&store{dir: dir}).path())
	return errors.Is(err, fs.ErrNotExist)
}

// Empty reports whether the scope had no rows when the store was last read.
func (c *Cache) Empty() bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := c.store.scopes[c.store.only]
	return !c.reading || rows == nil || len(rows.at) == 0
}

// Lookup is Get for files that may not have to be read. It sets the rows of dst
// of the files whose versions are those that [Cache.Run] was last given, and
// whose outputs are stored. It returns the keys of these files, sets their Stored,
// and returns the numbers of the other files, ascending; what their keys and rows
// hold is undefined.
func (c *Cache) Lookup(dst [][]float32, files []File) (keys []Key, missing []int) {
	keys = make([]Key, len(files))
	missing = c.get(dst, len(files), func(row int) (Key, bool) {
		f := files[row]
		known, ok := c.store.files[f.name()]
		keys[row], files[row].Stored = known.key, known.Stored
		return known.key, ok && f.Version.Known() && f.Version == known.version
	})
	return keys, missing
}

// get sets n rows of dst in one transaction. keyOf returns the key of a row, or
// false for a row that has none.
func (c *Cache) get(dst [][]float32, n int, keyOf func(row int) (Key, bool)) (missing []int) {
	all := func() []int {
		missing = missing[:0]
		for row := range n {
			missing = append(missing, row)
		}
		return missing
	}
	if c == nil {
		return all()
	}
	c.codec.checkRows(dst, n)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reading {
		return all()
	}
	err := c.transact(func() error {
		return c.store.view(func(file *os.File) error {
			missing = missing[:0]
			value := make([]byte, c.codec.size)
			for row := range n {
				key, ok := keyOf(row)
				at, stored := c.store.offset(key)
				if !ok || !stored {
					missing = append(missing, row)
					continue
				}
				if err := readAt(file, value, at); err != nil {
					return err
				}
				if err := c.codec.decode(dst, row, key, value); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil {
		return missing
	}
	if !errors.Is(err, fs.ErrNotExist) { // no store is an empty one
		c.reading = false
		c.stopStoring(err)
	}
	return all()
}

// Put stores rows under keys, all of them or none: rows[i] is layer i,
// len(keys)×width, row-major; a shorter one panics. What is stored when it
// returns outlives the process. After a failure, such as a full disk, nothing
// more is stored.
func (c *Cache) Put(keys []Key, rows [][]float32) { c.append(keys, rows, nil, nil) }

// append stores rows under keys, and the keys of files, in one transaction.
func (c *Cache) append(keys []Key, rows [][]float32, files []File, fileKeys []Key) {
	if c == nil {
		return
	}
	if len(keys) > 0 {
		c.codec.checkRows(rows, len(keys))
	}
	if len(keys) == 0 && !slices.ContainsFunc(files, func(f File) bool { return f.Version.Known() }) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.storing {
		return
	}
	if err := c.transact(func() error {
		return c.store.append(func() []byte { return c.block(keys, rows, files, fileKeys) })
	}); err != nil {
		c.stopStoring(err)
	}
}

// block returns the block of what the store does not have yet, or nil.
func (c *Cache) block(keys []Key, rows [][]float32, files []File, fileKeys []Key) []byte {
	var newKeys []Key
	values := make([]byte, 0, len(keys)*c.codec.size)
	for row, key := range keys {
		if _, stored := c.store.offset(key); !stored {
			newKeys = append(newKeys, key)
			values = c.codec.encode(values, rows, row, key)
		}
	}
	newFiles := make(map[Key]fileState)
	for i, f := range files {
		if state := (fileState{f.Version, f.Stored, fileKeys[i]}); f.Version.Known() && c.store.files[f.name()] != state {
			newFiles[f.name()] = state
		}
	}
	if len(newKeys)+len(newFiles) == 0 {
		return nil
	}
	return encodeBlock(time.Now().Unix(), c.codec.scope, newKeys, values, newFiles)
}

// transact calls f on the store, and again on a new one when f finds the first
// damaged. It does so once: a disk that damages a second store gets no third.
func (c *Cache) transact(f func() error) error {
	err := c.store.settingAside(f)
	if errors.Is(err, errSetAside) && !c.setAside {
		c.setAside = true
		c.log.Warn("feature cache begins anew", "reason", err)
		err = c.store.settingAside(f)
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

// codec writes a row as the store has it: the digest of scope, key and values,
// then the values, float32, layer after layer.
type codec struct {
	scope  []byte
	widths []int
	size   int // of a row in bytes
}

func newCodec(s Scope) codec {
	c := codec{scope: s.name(), widths: slices.Clone(s.Widths), size: digestSize}
	for _, w := range s.Widths {
		c.size += 4 * w
	}
	return c
}

// encode appends a row to b.
func (c codec) encode(b []byte, rows [][]float32, row int, key Key) []byte {
	at := len(b)
	b = append(b, make([]byte, digestSize)...)
	for i, w := range c.widths {
		for _, x := range rows[i][row*w : (row+1)*w] {
			b = order.AppendUint32(b, math.Float32bits(x))
		}
	}
	copy(b[at:], digest(c.scope, key[:], b[at+digestSize:]))
	return b
}

// decode sets a row of dst to a value of the codec's size.
func (c codec) decode(dst [][]float32, row int, key Key, value []byte) error {
	sum, values := value[:digestSize], value[digestSize:]
	if !bytes.Equal(sum, digest(c.scope, key[:], values)) {
		return fmt.Errorf("%w: the row of %x does not match its digest", errDamaged, key)
	}
	for i, w := range c.widths {
		to := dst[i][row*w : (row+1)*w]
		for j := range to {
			to[j] = math.Float32frombits(order.Uint32(values[4*j:]))
		}
		values = values[4*w:]
	}
	return nil
}

// checkRows panics unless rows holds n rows of every layer.
func (c codec) checkRows(rows [][]float32, n int) {
	if len(rows) != len(c.widths) {
		panic(fmt.Sprintf("cache: %d layers, want %d", len(rows), len(c.widths)))
	}
	for i, w := range c.widths {
		if len(rows[i]) < n*w {
			panic(fmt.Sprintf("cache: layer %d has %d values, want %d rows of %d", i, len(rows[i]), n, w))
		}
	}
}
