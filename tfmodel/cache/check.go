package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"

	"driftbench/internal/regular"
)

// check reads the whole store and reports damage to its structure; what the
// entries hold is for their digests to tell. bbolt trusts the page numbers,
// counts and offsets in a file: a cycle overflows the stack and a wrong count
// exhausts memory, which ends the process where a panic could be recovered.
//
// The walk panics on what is wrong, an index beyond a page included, and guard
// makes errDamaged of it. Call check in locked. It reads, in bytes:
//
//	page      number 8, flags 2, count 2, overflow 4; elements; data
//	branch    elements of offset 4, key size 4, child 8
//	leaf      elements of flags 4, offset 4, key size 4, value size 4
//	bucket    root 8, sequence 8; a leaf page when root is 0
//	freelist  page numbers of 8, the first is the count when count is 0xFFFF
//	meta      magic 4, version 4, page size 4, flags 4, bucket 16,
//	          freelist 8, pages 8, transaction 8, FNV-1a of all these 8
func (s store) check() error {
	f, info, err := regular.Open(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()

	w := &walker{file: f}
	root, freelist, pages := w.meta()
	if pages > uint64(info.Size())/pageSize {
		panic(fmt.Sprintf("%d bytes are too few for %d pages", info.Size(), pages))
	}
	w.seen = make([]bool, pages)
	w.visit(0, 2) // the metas
	w.freelist(freelist)
	w.tree(root, 0, nil, new([]byte))
	return nil
}

const (
	headerSize   = 16 // of a page
	elementSize  = 16
	branchFlag   = 0x01
	leafFlag     = 0x02
	freelistFlag = 0x10
	bucketFlag   = 0x01
	maxDepth     = 64 // far more than the trees of any number of entries need
)

var native = binary.NativeEndian

// walker visits every page once.
type walker struct {
	file    *os.File
	seen    []bool   // by page number
	buffers [][]byte // by depth in the tree
}

// meta reads the newer meta page. Both must be whole: they lie in a sector
// each, so that no crash leaves half of one.
func (w *walker) meta() (root, freelist, pages uint64) {
	var newest uint64
	for i := range int64(2) {
		var page [pageSize]byte
		w.read(page[:], i*pageSize)
		m := page[headerSize:]
		h := fnv.New64a()
		h.Write(m[:56])
		if native.Uint32(m) != 0xED0CDAED || native.Uint32(m[4:]) != 2 || native.Uint32(m[8:]) != pageSize || native.Uint64(m[56:]) != h.Sum64() {
			panic(fmt.Sprintf("meta page %d is not valid: it is damaged, another program's or of another version", i))
		}
		if id := native.Uint64(m[48:]); i == 0 || id > newest {
			root, freelist, pages, newest = native.Uint64(m[16:]), native.Uint64(m[32:]), native.Uint64(m[40:]), id
		}
	}
	return root, freelist, pages
}

func (w *walker) read(p []byte, at int64) {
	if _, err := w.file.ReadAt(p, at); err != nil {
		panic(err)
	}
}

// visit marks n pages, none of which may have another use.
func (w *walker) visit(id, n uint64) {
	if total := uint64(len(w.seen)); id >= total || n > total-id {
		panic(fmt.Sprintf("pages %d to %d of %d", id, id+n-1, total))
	}
	for i := id; i < id+n; i++ {
		if w.seen[i] {
			panic(fmt.Sprintf("page %d has two uses", i))
		}
		w.seen[i] = true
	}
}

// page reads a page with its overflow into the buffer of its depth.
func (w *walker) page(id uint64, depth int) []byte {
	if depth >= maxDepth {
		panic(fmt.Sprintf("page %d is %d levels down", id, depth))
	}
	w.visit(id, 1)
	if len(w.buffers) <= depth {
		w.buffers = append(w.buffers, make([]byte, pageSize))
	}
	p := w.buffers[depth][:pageSize:pageSize]
	w.read(p, int64(id*pageSize))
	if got := native.Uint64(p); got != id {
		panic(fmt.Sprintf("page %d calls itself %d", id, got))
	}
	if overflow := uint64(native.Uint32(p[12:])); overflow > 0 {
		w.visit(id+1, overflow)
		p = append(make([]byte, 0, (1+overflow)*pageSize), p...)[:(1+overflow)*pageSize]
		w.read(p[pageSize:], int64((id+1)*pageSize))
	}
	return p
}

func (w *walker) freelist(id uint64) {
	p := w.page(id, 0)
	count, ids := uint64(native.Uint16(p[10:])), p[headerSize:]
	if count == 0xFFFF {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if native.Uint16(p[8:]) != freelistFlag || count > uint64(len(ids))/8 {
		panic(fmt.Sprintf("page %d is no list of %d free pages", id, count))
	}
	for i := range count {
		w.visit(native.Uint64(ids[8*i:]), 1)
	}
}

// tree visits a page of a bucket and what is below it. first is the key that
// the branch above has for it, which bbolt replaces by looking for the page's
// own first key; nil for the root. last is the bucket's last key before it.
func (w *walker) tree(id uint64, depth int, first []byte, last *[]byte) {
	p := w.page(id, depth)
	switch flags, count := native.Uint16(p[8:]), int(native.Uint16(p[10:])); {
	case flags == leafFlag && (count > 0 || first == nil):
		w.leaf(p, depth, first, last)
	case flags == branchFlag && count > 0:
		for i := range count {
			e := p[headerSize+i*elementSize:]
			key := keyOf(e, native.Uint32(e), native.Uint32(e[4:]), first, *last)
			w.tree(native.Uint64(e[8:]), depth+1, key, last)
			first = nil
		}
	default:
		panic(fmt.Sprintf("page %d is neither leaf nor branch", id))
	}
}

// leaf visits the buckets among the entries of a leaf page.
func (w *walker) leaf(p []byte, depth int, first []byte, last *[]byte) {
	for i := range int(native.Uint16(p[10:])) {
		e := p[headerSize+i*elementSize:]
		flags, pos, keySize := native.Uint32(e), native.Uint32(e[4:]), native.Uint32(e[8:])
		key := keyOf(e, pos, keySize, first, *last)
		value := e[int(pos)+int(keySize):][:native.Uint32(e[12:])]
		*last, first = append((*last)[:0], key...), nil
		switch flags {
		case 0:
		case bucketFlag:
			w.bucket(value, depth+1)
		default:
			panic(fmt.Sprintf("key %x has flags %#x", key, flags))
		}
	}
}

func (w *walker) bucket(b []byte, depth int) {
	if root := native.Uint64(b); root != 0 {
		w.tree(root, depth, nil, new([]byte))
		return
	}
	p := b[16:] // a page without a number or overflow, which bbolt would free
	if native.Uint64(p) != 0 || native.Uint16(p[8:]) != leafFlag || native.Uint32(p[12:]) != 0 {
		panic("bucket without a page")
	}
	w.leaf(p, depth, nil, new([]byte))
}

// keyOf returns the key that begins pos bytes after the beginning of e: first,
// if that is not nil, and above last.
func keyOf(e []byte, pos, size uint32, first, last []byte) []byte {
	key := e[pos:][:size]
	if first != nil && !bytes.Equal(key, first) || bytes.Compare(key, last) <= 0 {
		panic(fmt.Sprintf("key %x is out of order", key))
	}
	return key
}
