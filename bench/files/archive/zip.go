package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
)

// Signatures and lengths of the fixed parts of a zip's records (APPNOTE 4.3).
const (
	localSig, localLen = 0x04034b50, 30
	entrySig, entryLen = 0x02014b50, 46
	endSig, endLen     = 0x06054b50, 22
	end64Sig, end64Len = 0x06064b50, 56
	locatorSig         = 0x07064b50
	locatorLen         = 20
)

// Bits of an entry's flags (APPNOTE 4.4.4).
const (
	flagEncrypted  = 1 << 0
	flagMarker     = 1 << 1 // LZMA
	flagDescriptor = 1 << 3 // CRC and lengths follow the data
	flagStrong     = 1 << 6
	flagMasked     = 1 << 13 // the directory is encrypted
)

const (
	stored     = 0
	deflated   = 8
	bzipped    = 12
	lzmaed     = 14
	zstandard  = 93
	winzipAES  = 99 // the true method is in the extra field
	aesExtra   = 0x9901
	zip64Extra = 0x0001
)

// zipWindow is the largest window of Zstandard's levels up to 19. Many members
// are unpacked at a time, and each takes as much memory as its frame asks for.
const zipWindow = 8 << 20

// methods names what is not read (APPNOTE 4.4.5).
var methods = map[uint16]string{
	1: "shrink", 2: "reduce", 3: "reduce", 4: "reduce", 5: "reduce", 6: "implode", 9: "deflate64", 10: "PKWARE implode",
	16: "CMPSC", 18: "TERSE", 19: "LZ77", 94: "MP3", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd",
}

// zipStore is a zip archive. Its directory is read by own code rather than by
// archive/zip, which keeps 350 bytes a member and has read all of them before
// they can be counted.
type zipStore struct {
	a       *Archive
	r       io.ReaderAt
	size    int64
	entries []zipEntry // parallel to a.members
	keys    zipKeys    // of the password
	tools   sync.Pool  // of *unpacker
}

// zipEntry is what reading a member needs beside its Member.
type zipEntry struct {
	packed  int64 // length in the archive
	method  uint16
	check   byte // last byte of a ZipCrypto header
	marked  bool // LZMA data ends in a marker
	aes     byte // strength of AES, 1 to 3; 0 without
	noCRC   bool // AE-2 has an HMAC only
	strong  bool // PKWARE's encryption, with or without certificates
	refused bool // AES parameters that make no sense
}

// zipEnd is what the end of a zip says of its directory.
type zipEnd struct {
	start, end int64  // of the directory in the file
	base       int64  // what offsets count from
	count      uint64 // of members
	exact      bool   // count is not modulo 65,536
}

var errNoEnd = errors.New("no end of central directory")

// findEnd finds the directory of a zip from the end of the file (APPNOTE 4.3.14
// to 4.3.16).
func findEnd(r io.ReaderAt, size int64) (zipEnd, error) {
	tail := make([]byte, min(size, endLen+1<<16))
	at := size - int64(len(tail))
	if err := readAt(r, tail, at); err != nil {
		return zipEnd{}, err
	}
	p := len(tail) - endLen
	for ; ; p-- {
		if p < 0 {
			return zipEnd{}, errNoEnd
		}
		if binary.LittleEndian.Uint32(tail[p:]) == endSig &&
			p+endLen+int(binary.LittleEndian.Uint16(tail[p+20:])) <= len(tail) {
			break
		}
	}
	le := binary.LittleEndian
	rec, pos := tail[p:], at+int64(p)
	disk, start := le.Uint16(rec[4:]), le.Uint16(rec[6:])
	here, count := le.Uint16(rec[8:]), le.Uint16(rec[10:])
	length, offset := uint64(le.Uint32(rec[12:])), uint64(le.Uint32(rec[16:]))
	e := zipEnd{count: uint64(count)}

	var locator [locatorLen]byte
	if max := count == 0xffff || length == 0xffffffff || offset == 0xffffffff; max && pos >= locatorLen {
		if err := readAt(r, locator[:], pos-locatorLen); err != nil {
			return zipEnd{}, err
		}
	}
	if le.Uint32(locator[:]) == locatorSig {
		rec, at, err := findEnd64(r, int64(le.Uint64(locator[8:])), pos-locatorLen)
		if err != nil {
			return zipEnd{}, err
		}
		if le.Uint32(locator[4:]) != 0 || le.Uint32(locator[16:]) > 1 {
			return zipEnd{}, volumes()
		}
		pos, disk, start, here = at, 0, 0, 0
		e.count, e.exact = le.Uint64(rec[32:]), true
		length, offset = le.Uint64(rec[40:]), le.Uint64(rec[48:])
	} else if here != count {
		return zipEnd{}, volumes()
	}
	if disk != 0 || start != 0 {
		return zipEnd{}, volumes()
	}
	if length > uint64(pos) || offset > uint64(pos)-length {
		return zipEnd{}, damaged("its directory lies outside of the file")
	}
	// What precedes the archive in the file shifts all offsets, but some tools
	// have counted from the beginning of the file.
	e.start, e.end = pos-int64(length), pos
	e.base = e.start - int64(offset)
	if e.base != 0 && length >= 4 {
		var sig [4]byte
		if err := readAt(r, sig[:], int64(offset)); err != nil {
			return zipEnd{}, err
		}
		if le.Uint32(sig[:]) == entrySig {
			e.start, e.end, e.base = int64(offset), int64(offset+length), 0
		}
	}
	return e, nil
}

// findEnd64 reads the ZIP64 end record: at the position that its locator gives,
// or, if something precedes the archive, right before the locator.
func findEnd64(r io.ReaderAt, at, locator int64) ([]byte, int64, error) {
	rec := make([]byte, end64Len)
	for _, at := range []int64{at, locator - end64Len} {
		if at < 0 || at > locator-end64Len {
			continue
		}
		if err := readAt(r, rec, at); err != nil {
			return nil, 0, err
		}
		if binary.LittleEndian.Uint32(rec) == end64Sig {
			return rec, at, nil
		}
	}
	return nil, 0, damaged("its ZIP64 end record is missing")
}

func volumes() error {
	return &Error{Kind: ErrUnsupported, Detail: "this is a zip of several volumes: join them, as by zip -s 0"}
}

func (a *Archive) openZip(ctx context.Context, r io.ReaderAt, size int64) error {
	end, err := findEnd(r, size)
	if err == errNoEnd {
		return damaged("the end of the zip is missing: copy it again")
	}
	if err != nil {
		return err
	}
	z := &zipStore{a: a, r: r, size: size, keys: newZipKeys(a.opt.Password)}
	a.store = z
	if end.exact && end.count > uint64(a.opt.MaxMembers) {
		return &Error{Kind: ErrTooMany, Detail: fmt.Sprintf("it declares %d, at most %d are read", end.count, a.opt.MaxMembers)}
	}
	dir := bufio.NewReaderSize(io.NewSectionReader(r, end.start, end.end-end.start), 1<<16)
	var fixed [entryLen]byte
	for left := end.end - end.start; left > 0; {
		if len(a.members)%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if left < entryLen {
			return damaged("its directory ends within an entry")
		}
		if _, err := io.ReadFull(dir, fixed[:]); err != nil {
			return err
		}
		le := binary.LittleEndian
		if sig := le.Uint32(fixed[:]); sig != entrySig {
			if len(a.members) == 0 {
				return &Error{Kind: ErrUnsupported, Detail: "its directory is encrypted or damaged: pack it again without encrypting names"}
			}
			return damaged("entry %d of its directory has no signature", len(a.members)+1)
		}
		n, x, c := int64(le.Uint16(fixed[28:])), int64(le.Uint16(fixed[30:])), int64(le.Uint16(fixed[32:]))
		if left -= entryLen + n + x + c; left < 0 {
			return damaged("its directory ends within an entry")
		}
		names := make([]byte, n+x)
		if _, err := io.ReadFull(dir, names); err != nil {
			return err
		}
		if _, err := dir.Discard(int(c)); err != nil {
			return err
		}
		if err := z.add(fixed[:], string(names[:n]), names[n:], end.base); err != nil {
			return err
		}
	}
	if n := uint64(len(a.members)); n != end.count && (end.exact || n%(1<<16) != end.count) {
		return damaged("it declares %d members and lists %d", end.count, n)
	}
	return nil
}

// add adds the member of an entry of the directory (APPNOTE 4.3.12).
func (z *zipStore) add(fixed []byte, name string, extra []byte, base int64) error {
	le := binary.LittleEndian
	flags, method := le.Uint16(fixed[8:]), le.Uint16(fixed[10:])
	m := Member{Name: name, CRC32: le.Uint32(fixed[16:]), Encrypted: flags&flagEncrypted != 0}
	e := zipEntry{method: method, check: fixed[19], marked: flags&flagMarker != 0}
	if flags&flagDescriptor != 0 {
		e.check = fixed[13] // of the time: the CRC is not known when the header is written
	}
	size, packed, offset := uint64(le.Uint32(fixed[24:])), uint64(le.Uint32(fixed[20:])), uint64(le.Uint32(fixed[42:]))
	e.strong = flags&flagStrong != 0 && m.Encrypted
	if flags&flagMasked != 0 {
		return &Error{Kind: ErrUnsupported, Detail: "its directory is encrypted: pack it again without encrypting names"}
	}
	reason := ""
	if volume := le.Uint16(fixed[34:]); volume != 0 && volume != 0xffff {
		reason = "lies in another volume"
	}
	if method == winzipAES {
		e.refused = true // unless the extra field is there
	}
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			break
		}
		field := extra[:n]
		extra = extra[n:]
		switch id {
		case zip64Extra:
			for _, v := range []*uint64{&size, &packed, &offset} {
				if *v == 0xffffffff && len(field) >= 8 {
					*v, field = le.Uint64(field), field[8:]
				}
			}
		case aesExtra:
			if method == winzipAES && n >= 7 && string(field[2:4]) == "AE" && field[4] >= 1 && field[4] <= 3 {
				e.aes, e.method, e.refused = field[4], le.Uint16(field[5:]), false
				e.noCRC = le.Uint16(field) == 2
			}
		}
	}
	if e.noCRC {
		m.CRC32 = 0
	}
	m.Size, e.packed, m.Offset = int64(size), int64(packed), int64(offset)+base
	if reason == "" {
		reason = zipReason(name, le.Uint16(fixed[4:]), le.Uint32(fixed[38:]))
	}
	if reason == "" && (e.packed < 0 || m.Offset < 0) {
		reason = "lies outside of the file"
	}
	z.entries = append(z.entries, e)
	return z.a.add(m, reason)
}

// zipReason is why an entry is no regular file, or "", by its name and, where
// the tool that made it ran on Unix, by its mode (APPNOTE 4.4.2).
func zipReason(name string, madeBy uint16, attributes uint32) string {
	if strings.HasSuffix(name, "/") {
		return "is a directory"
	}
	if host := madeBy >> 8; host == 3 || host == 19 {
		return modeReason(attributes >> 16)
	}
	return ""
}

// modeReason is why a Unix mode is not that of a regular file, or "".
func modeReason(mode uint32) string {
	switch mode & 0xf000 {
	case 0, 0x8000:
		return ""
	case 0x4000:
		return "is a directory"
	case 0xa000:
		return "is a link"
	case 0x2000, 0x6000:
		return "is a device"
	case 0x1000:
		return "is a named pipe"
	case 0xc000:
		return "is a socket"
	}
	return "is no regular file"
}

func (z *zipStore) sequential() bool { return false }
func (z *zipStore) close() error     { return nil }

func (z *zipStore) each(
	ctx context.Context, want func(int) bool, buf []byte, visit func(i, n int, size int64, err error),
) error {
	return eachByRead(ctx, z, len(z.entries), want, buf, visit)
}

// eachByRead is each of a store whose members are as cheap to read in any order.
func eachByRead(
	ctx context.Context, s store, members int, want func(int) bool, buf []byte, visit func(i, n int, size int64, err error),
) error {
	for i := range members {
		if !want(i) {
			continue
		}
		n, size, err := s.read(ctx, i, buf)
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		visit(i, n, size, err)
	}
	return nil
}

// unpacker is what reading a member allocates, kept for the next.
type unpacker struct {
	packed  *bufio.Reader // of the member's bytes, decrypted
	inflate io.ReadCloser
}

func (z *zipStore) unpacker() *unpacker {
	if u, ok := z.tools.Get().(*unpacker); ok {
		return u
	}
	return &unpacker{packed: bufio.NewReaderSize(nil, 1<<15)}
}

func (z *zipStore) read(ctx context.Context, i int, buf []byte) (int, int64, error) {
	m, e := &z.a.members[i], &z.entries[i]
	switch {
	case e.strong:
		return 0, 0, &Error{Kind: ErrUnsupported, Detail: "PKWARE's strong encryption"}
	case e.refused:
		return 0, 0, &Error{Kind: ErrUnsupported, Detail: "AES encryption without its parameters"}
	case m.Encrypted && z.a.opt.Password == "":
		return 0, 0, &Error{Kind: ErrPassword, Detail: "it is encrypted, and no password is given"}
	}
	if length := e.packed - int64(e.overhead(m.Encrypted)); length < 0 {
		return 0, 0, damaged("it is shorter than what encryption adds to it")
	} else if e.method == stored && length != m.Size {
		return 0, 0, damaged("it is stored in %d bytes and declares %d", length, m.Size)
	}
	data, err := z.data(m.Offset, e.packed)
	if err != nil {
		return 0, 0, err
	}
	u := z.unpacker()
	defer z.tools.Put(u)
	whole := m.Size <= int64(len(buf))

	switch {
	case e.aes != 0:
		var seal *aesReader
		if seal, err = newAESReader(data, e.aes, z.a.opt.Password, whole); err != nil {
			return 0, 0, err
		}
		n, err := u.unpack(ctx, seal, e, m, buf)
		if err == nil && whole {
			err = seal.verify()
		}
		if e, ok := err.(*Error); ok && e.Kind == ErrFormat {
			e.Detail += ", or the password is wrong"
		}
		return n, m.Size, err
	case m.Encrypted:
		in, err := newZipCryptoReader(data, z.keys, e.check)
		if err != nil {
			return 0, 0, err
		}
		n, err := u.unpack(ctx, in, e, m, buf)
		if err == nil && !whole && e.method == stored {
			err = checkCRC(ctx, u.packed, buf[:n], m.CRC32)
		}
		if e, ok := err.(*Error); ok && e.Kind == ErrFormat {
			err = &Error{Kind: ErrPassword, Detail: "or the member is damaged: " + e.Detail}
		}
		return n, m.Size, err
	}
	n, err := u.unpack(ctx, data, e, m, buf)
	return n, m.Size, err
}

// overhead is how many bytes encryption adds to the packed data.
func (e *zipEntry) overhead(encrypted bool) int {
	switch {
	case e.aes != 0:
		return aesOverhead(e.aes)
	case encrypted:
		return zipCryptoHeader
	}
	return 0
}

// data returns the bytes of a member, which follow its local header.
func (z *zipStore) data(offset, packed int64) (*io.SectionReader, error) {
	var local [localLen]byte
	if offset > z.size-localLen {
		return nil, damaged("it lies outside of the file")
	}
	if err := readAt(z.r, local[:], offset); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if le.Uint32(local[:]) != localSig {
		return nil, damaged("there is no member where the directory says")
	}
	start := offset + localLen + int64(le.Uint16(local[26:])) + int64(le.Uint16(local[28:]))
	if packed > z.size-start {
		return nil, damaged("it ends outside of the file")
	}
	return io.NewSectionReader(z.r, start, packed), nil
}

// unpack reads the first bytes of a member from its decrypted data, and all of
// it, CRC included, if it fits in buf.
func (u *unpacker) unpack(ctx context.Context, in io.Reader, e *zipEntry, m *Member, buf []byte) (int, error) {
	u.packed.Reset(in)
	var r io.Reader
	switch e.method {
	case stored:
		r = u.packed
	case deflated:
		if u.inflate == nil {
			u.inflate = flate.NewReader(u.packed)
		} else if err := u.inflate.(flate.Resetter).Reset(u.packed, nil); err != nil {
			return 0, err
		}
		r = u.inflate
	case bzipped:
		r = bzip2.NewReader(u.packed)
	case lzmaed:
		var err error
		if r, err = newZipLZMA(u.packed, e.marked, m.Size, len(buf)); err != nil {
			return 0, err
		}
	case zstandard:
		z, err := zstd.NewReader(u.packed,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zipWindow))
		if err != nil {
			return 0, broken(err)
		}
		defer z.Close()
		r = z
	default:
		name, ok := methods[e.method]
		if !ok {
			name = fmt.Sprint(e.method)
		}
		return 0, &Error{Kind: ErrUnsupported, Detail: fmt.Sprintf("compression method %s: pack it again with deflate", name)}
	}
	n, err := readHead(ctx, r, m.Size, buf)
	if err == nil && m.Size <= int64(len(buf)) && !e.noCRC && crc32.ChecksumIEEE(buf[:n]) != m.CRC32 {
		err = damaged("its CRC is not what the archive declares")
	}
	return n, err
}

// newZipLZMA reads LZMA data with the header of zip (APPNOTE 5.8): version,
// length of the properties, properties. No more is decoded than fits in the
// dictionary, so it has room for a head of the given length and a last match.
func newZipLZMA(r io.Reader, marked bool, size int64, head int) (io.Reader, error) {
	var own [9]byte
	if _, err := io.ReadFull(r, own[:]); err != nil {
		return nil, broken(err)
	}
	le := binary.LittleEndian
	if le.Uint16(own[2:]) != 5 {
		return nil, damaged("its LZMA header is not 5 bytes long")
	}
	const match = 273
	dictionary := uint32(min(int64(le.Uint32(own[5:])), max(int64(head)+2*match, lzma.MinDictCap)))
	classic := le.AppendUint32([]byte{own[4]}, dictionary)
	if marked {
		size = -1
	}
	z, err := lzma.NewReader(io.MultiReader(bytes.NewReader(le.AppendUint64(classic, uint64(size))), r))
	if err != nil {
		return nil, broken(err)
	}
	return z, nil
}

// checkCRC reads the rest of a member after its head for its CRC.
func checkCRC(ctx context.Context, rest io.Reader, head []byte, want uint32) error {
	sum := crc32.NewIEEE()
	sum.Write(head)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch _, err := io.CopyN(sum, rest, 1<<20); err {
		case nil:
		case io.EOF:
			if sum.Sum32() != want {
				return damaged("its CRC is not what the archive declares")
			}
			return nil
		default:
			return err
		}
	}
}
