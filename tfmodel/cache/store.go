package cache

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"driftbench/internal/regular"
)

// The file of a store is a header and blocks, in bytes, integers little endian:
//
//	header  magic 22, id 16, end 8, digest 16
//	block   size of head 8, size of rows 8, digest 16, head, rows
//	head    time 8, number of keys 4, number of files 4, keys 32 each,
//	        files of name 32, version 40, size 8, form 8 and key 32 each,
//	        scope in JSON
//	rows    for each key digest 16, values 4 each
//
// A batch is one block. It is written behind the end and synced before the end
// in the header moves past it: what lies behind the end was interrupted, and the
// next batch overwrites it. Nothing before the end ever changes. A digest is the
// first half of a SHA-256: of the header, of a block's sizes and head, and of the
// scope, key and values of a row. The id is random: it tells the store from
// another that took its name.
const (
	magic      = "driftbench features 3\n"
	digestSize = 16
	headerSize = len(magic) + 16 + 8 + digestSize
	prefixSize = 8 + 8 + digestSize // of a block
	keySize    = len(Key{})
	fileSize   = keySize + 8*len(regular.Version{}) + 16 + keySize
	// mostHead bounds the head of a block that is read, in bytes: that of a batch of
	// 480,000 files.
	mostHead = 64 << 20
	// mostRow bounds a row, in bytes: that of 256 layers of the widest that a model has.
	mostRow = 64 << 20
)

var (
	// errDamaged is of a store that does not hold what was written to it.
	errDamaged = errors.New("damaged")
	// errSetAside is of a damaged store that was renamed.
	errSetAside = errors.New("set aside")
)

// patience is how long to wait for other processes: their transactions take
// milliseconds, Prune of a large store seconds.
const patience = 30 * time.Second

var order = binary.LittleEndian

// store is the file in a folder, and what its blocks hold. Between transactions
// no process holds it open or locked, so several can share it.
type store struct {
	dir      string
	patience time.Duration
	only     string // the one scope whose rows are of interest; "" is every scope

	id     [16]byte // of the file that was read up to end
	end    int64
	scopes map[string]*rows // by the scope in JSON
	files  map[Key]fileState
}

// rows are the rows of a scope.
type rows struct {
	codec codec
	scope Scope
	at    map[Key]int64 // offset in the file
	used  int64         // when the last block was written, in seconds since 1970
}

// fileState is what is known of a file, under the SHA-256 of its path and of
// how much of it is read.
type fileState struct {
	version regular.Version
	Stored
	key Key
}

// offset returns where the row of a key of the one scope lies in the file.
func (s *store) offset(key Key) (at int64, ok bool) {
	if r := s.scopes[s.only]; r != nil {
		at, ok = r.at[key]
	}
	return at, ok
}

func (s *store) path() string { return filepath.Join(s.dir, "features.db") }

// temporary is where a store is made before it takes its name.
func (s *store) temporary() string { return s.path() + ".new" }

// asides lists the stores that were set aside.
func (s *store) asides() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	var paths []string
	for _, e := range entries {
		if p := filepath.Join(s.dir, e.Name()); strings.HasPrefix(p, s.path()+".set-aside-") {
			paths = append(paths, p)
		}
	}
	return paths, err
}

// locked calls f while nobody else, in this process or another, is in locked
// for the same folder.
func (s *store) locked(f func() error) error {
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
	if err = f(); errors.Is(err, errDamaged) {
		return fmt.Errorf("%s is %w", s.path(), err)
	}
	return err
}

// settingAside is locked, and renames a store that f finds damaged before
// anyone else sees it.
func (s *store) settingAside(f func() error) error {
	return s.locked(func() error {
		err := f()
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

// view calls f with the file when all of its blocks are known; it returns
// fs.ErrNotExist when there is no store. Call it in locked.
func (s *store) view(f func(*os.File) error) error { return s.open(os.O_RDONLY, f) }

func (s *store) open(flag int, f func(*os.File) error) error {
	file, info, err := regular.OpenFile(s.path(), flag)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := s.refresh(file, info.Size()); err != nil {
		return err
	}
	return f(file)
}

// append adds a block, making the store first if need be. make returns the
// block when those before it are known, or nil for none. Call it in locked.
func (s *store) append(make func() []byte) error {
	if _, err := os.Lstat(s.path()); errors.Is(err, fs.ErrNotExist) {
		file, _, err := s.create()
		if err != nil {
			return err
		}
		if err := errors.Join(file.Close(), os.Rename(s.temporary(), s.path())); err != nil {
			return err
		}
	}
	return s.open(os.O_RDWR, func(file *os.File) error {
		b := make()
		if b == nil {
			return nil
		}
		end := s.end + int64(len(b))
		_, err := file.WriteAt(b, s.end)
		if err == nil {
			err = file.Sync()
		}
		if err == nil {
			_, err = file.WriteAt(header(s.id, end), 0)
		}
		if err != nil {
			file.Truncate(s.end) // a full disk gets its space back
			return err
		}
		return s.refresh(file, end)
	})
}

// create makes an empty store under the temporary name, so that a kill leaves
// no half of one under the right name. What lies there is removed, never
// written to: it may be a link to someone's file. Call it in locked.
func (s *store) create() (file *os.File, id [16]byte, err error) {
	if err := os.Remove(s.temporary()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, id, err
	}
	if file, err = os.OpenFile(s.temporary(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
		return nil, id, err
	}
	rand.Read(id[:])
	if _, err := file.Write(header(id, int64(headerSize))); err != nil {
		file.Close()
		return nil, id, err
	}
	return file, id, nil
}

func header(id [16]byte, end int64) []byte {
	b := order.AppendUint64(append([]byte(magic), id[:]...), uint64(end))
	return append(b, digest(b)...)
}

// digest returns the first half of the SHA-256 of the parts.
func digest(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(make([]byte, 0, sha256.Size))[:digestSize]
}

// refresh reads the header and the heads of the blocks that are not known yet,
// or of all where the file is another.
func (s *store) refresh(file *os.File, size int64) error {
	h := make([]byte, headerSize)
	if err := readAt(file, h, 0); err != nil {
		return err
	}
	signed, sum := h[:headerSize-digestSize], h[headerSize-digestSize:]
	if !bytes.HasPrefix(h, []byte(magic)) {
		return fmt.Errorf("%w: it does not begin with %q, so it is another program's or of another version", errDamaged, magic)
	}
	id, end := [16]byte(h[len(magic):]), int64(order.Uint64(h[len(magic)+16:]))
	if !bytes.Equal(sum, digest(signed)) || end < int64(headerSize) || end > size {
		return fmt.Errorf("%w: its header says that it ends at %d of %d bytes", errDamaged, end, size)
	}
	if id != s.id || end < s.end {
		s.id, s.end = id, int64(headerSize)
		s.scopes, s.files = make(map[string]*rows), make(map[Key]fileState)
	}
	for s.end < end {
		if err := s.readBlock(file, end-s.end); err != nil {
			return err
		}
	}
	return nil
}

// readBlock reads the head of the block at s.end, of which the file has as many
// bytes as left, and moves s.end past the block.
func (s *store) readBlock(file *os.File, left int64) error {
	damaged := fmt.Errorf("%w: the block at %d does not match its digest", errDamaged, s.end)
	if left -= int64(prefixSize); left < 0 {
		return damaged
	}
	prefix := make([]byte, prefixSize)
	if err := readAt(file, prefix, s.end); err != nil {
		return err
	}
	headSize, rowsSize := order.Uint64(prefix), order.Uint64(prefix[8:])
	if headSize < 16 || headSize > min(uint64(left), mostHead) || rowsSize > uint64(left)-headSize {
		return damaged
	}
	head := make([]byte, headSize)
	if err := readAt(file, head, s.end+int64(prefixSize)); err != nil {
		return err
	}
	if !bytes.Equal(prefix[16:], digest(prefix[:16], head)) {
		return damaged
	}
	used, numbers, name := int64(order.Uint64(head)), head[8:16], head[16:]
	keys, files := int(order.Uint32(numbers))*keySize, int(order.Uint32(numbers[4:]))*fileSize
	if keys+files > len(name) {
		return damaged
	}
	keyBytes, fileBytes, name := name[:keys], name[keys:keys+files], name[keys+files:]
	r := s.scopes[string(name)]
	if r == nil {
		r = &rows{at: make(map[Key]int64)}
		if json.Unmarshal(name, &r.scope) != nil || !bytes.Equal(r.scope.name(), name) || len(r.scope.Widths) == 0 || slices.Min(r.scope.Widths) < 1 || !fits(r.scope.Widths) {
			return fmt.Errorf("%w: %q is no scope", errDamaged, name)
		}
		r.codec = newCodec(r.scope)
		s.scopes[string(name)] = r
	}
	if rowsSize != uint64(keys/keySize)*uint64(r.codec.size) {
		return damaged
	}
	r.used = used
	at := s.end + int64(prefixSize) + int64(headSize)
	s.end = at + int64(rowsSize)
	for ; len(fileBytes) > 0; fileBytes = fileBytes[fileSize:] {
		f := fileState{key: Key(fileBytes[fileSize-keySize:])}
		for i := range f.version {
			f.version[i] = int64(order.Uint64(fileBytes[keySize+8*i:]))
		}
		f.Size, f.Form = int64(order.Uint64(fileBytes[fileSize-keySize-16:])), int64(order.Uint64(fileBytes[fileSize-keySize-8:]))
		s.files[Key(fileBytes)] = f
	}
	if s.only != "" && s.only != string(name) {
		return nil
	}
	for ; len(keyBytes) > 0; keyBytes = keyBytes[keySize:] {
		r.at[Key(keyBytes)] = at
		at += int64(r.codec.size)
	}
	return nil
}

// fits reports whether a row of layers of these widths, above 0, is within mostRow.
func fits(widths []int) bool {
	left := mostRow / 4
	for _, w := range widths {
		if w > left {
			return false
		}
		left -= w
	}
	return true
}

// readAt fills b. A file that ends before is damaged.
func readAt(file *os.File, b []byte, at int64) error {
	_, err := file.ReadAt(b, at)
	if err == io.EOF {
		return fmt.Errorf("%w: it ends within the %d bytes at %d", errDamaged, len(b), at)
	}
	return err
}

// encodeBlock returns the block of the keys with their rows, and of the files.
func encodeBlock(used int64, scope []byte, keys []Key, rows []byte, files map[Key]fileState) []byte {
	headSize := 16 + len(keys)*keySize + len(files)*fileSize + len(scope)
	b := make([]byte, prefixSize, prefixSize+headSize+len(rows))
	order.PutUint64(b, uint64(headSize))
	order.PutUint64(b[8:], uint64(len(rows)))
	b = order.AppendUint64(b, uint64(used))
	b = order.AppendUint32(b, uint32(len(keys)))
	b = order.AppendUint32(b, uint32(len(files)))
	for _, k := range keys {
		b = append(b, k[:]...)
	}
	for name, f := range files {
		b = append(b, name[:]...)
		for _, x := range f.version {
			b = order.AppendUint64(b, uint64(x))
		}
		b = order.AppendUint64(b, uint64(f.Size))
		b = order.AppendUint64(b, uint64(f.Form))
		b = append(b, f.key[:]...)
	}
	b = append(b, scope...)
	copy(b[16:], digest(b[:16], b[prefixSize:]))
	return append(b, rows...)
}
