package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sync"
	"unicode/utf16"

	"github.com/bodgit/sevenzip"
	"golang.org/x/sync/semaphore"
)

const (
	sevenStart = 32 // length of the start header
	// maxDictionary is the most memory that the dictionaries of one compressed
	// stream take, and maxDictionaries those of all that are read at a time.
	maxDictionary   = 256 << 20
	maxDictionaries = 2 * maxDictionary
	maxHeader       = 256 << 20
)

// sevenStore is a 7z archive. Its header is read by own code, since the sizes
// and counts in it are what bounds memory and the library believes them. The
// library decompresses: it is given one stream, a "folder" of 7zFormat.txt, at
// a time, under a header that is made for it.
type sevenStore struct {
	a       *Archive
	r       io.ReaderAt
	end     int64 // of the packed streams in the file
	folders []sevenFolder
	entries []sevenEntry // parallel to a.members
	solid   bool         // a folder holds several members
	memory  *semaphore.Weighted

	mu     sync.Mutex
	cursor *sevenStream // where Read has left a folder of several members, or nil
}

// sevenEntry says where a member lies.
type sevenEntry struct {
	folder int32 // -1: the member is empty
	hasCRC bool
	offset int64 // in the folder
}

func (a *Archive) open7z(ctx context.Context, r io.ReaderAt, size int64) error {
	s := &sevenStore{a: a, r: r, memory: semaphore.NewWeighted(maxDictionaries)}
	a.store = s
	header, encrypted, err := s.header(ctx, size)
	if err != nil || len(header) == 0 {
		return err
	}
	err = s.parse(&sevenParser{b: header})
	if err != nil && encrypted {
		return &Error{Kind: ErrPassword, Detail: "its list of members is encrypted and cannot be read"}
	}
	return err
}

// header reads the header, and unpacks it if it is packed. Not every packer of
// an encrypted one adds a CRC.
func (s *sevenStore) header(ctx context.Context, size int64) (header []byte, encrypted bool, err error) {
	var start [sevenStart]byte
	if err := readAt(s.r, start[:], 0); err != nil {
		return nil, false, err
	}
	le := binary.LittleEndian
	if crc32.ChecksumIEEE(start[12:]) != le.Uint32(start[8:]) {
		return nil, false, damaged("the CRC of its start header is wrong")
	}
	offset, length := le.Uint64(start[12:]), le.Uint64(start[20:])
	if length == 0 {
		return nil, false, nil
	}
	if room := uint64(size - sevenStart); offset > room || length > room-offset {
		return nil, false, damaged("the end of the 7z is missing: copy it again")
	}
	s.end = sevenStart + int64(offset)
	most := min(uint64(s.a.opt.MaxMembers)*(2*nameBytes+64), maxHeader)
	if length > most {
		return nil, false, s.longHeader(length)
	}
	header = make([]byte, length)
	if err := readAt(s.r, header, s.end); err != nil {
		return nil, false, err
	}
	if crc32.ChecksumIEEE(header) != le.Uint32(start[28:]) {
		return nil, false, damaged("the CRC of its header is wrong")
	}
	if header[0] != idEncodedHeader {
		return header, false, nil
	}
	p := &sevenParser{b: header[1:]}
	folders, _ := p.streams(1)
	if p.err != nil {
		return nil, false, p.err
	}
	if len(folders) != 1 {
		return nil, false, damaged("its header lies in %d streams", len(folders))
	}
	f := &folders[0]
	if uint64(f.size) > most {
		return nil, false, s.longHeader(uint64(f.size))
	}
	stream, err := s.stream(ctx, f)
	if err != nil {
		return nil, false, err
	}
	defer stream.close()
	var unpacked bytes.Buffer // grows with what is there, not with what is declared
	sum := crc32.NewIEEE()
	if _, err := io.Copy(io.MultiWriter(&unpacked, sum), stream); err != nil {
		return nil, false, f.broken(err)
	}
	if int64(unpacked.Len()) != f.size || f.hasCRC && sum.Sum32() != f.crc {
		return nil, false, f.broken(damaged("the CRC or the length of its packed header is wrong"))
	}
	return unpacked.Bytes(), f.encrypted, nil
}

func (s *sevenStore) longHeader(length uint64) error {
	return &Error{Kind: ErrTooMany, Detail: fmt.Sprintf("its list of members has %d MiB", length>>20)}
}

// broken says which of a damaged member or a wrong password an error comes
// from, as far as can be known: 7z has no check of the password.
func (f *sevenFolder) broken(err error) error {
	err = broken(err)
	if e, ok := err.(*Error); ok && e.Kind == ErrFormat && f.encrypted {
		return &Error{Kind: ErrPassword, Detail: "or the 7z is damaged: " + e.Detail}
	}
	return err
}

func (s *sevenStore) sequential() bool { return s.solid }

func (s *sevenStore) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
	return nil
}

func (s *sevenStore) leave() {
	if s.cursor != nil {
		s.cursor.close()
		s.cursor = nil
	}
}

func (s *sevenStore) read(ctx context.Context, i int, buf []byte) (int, int64, error) {
	m, e := &s.a.members[i], s.entries[i]
	if e.folder < 0 {
		return 0, 0, nil
	}
	f := &s.folders[e.folder]
	if f.members == 1 {
		stream, err := s.stream(ctx, f)
		if err != nil {
			return 0, 0, err
		}
		defer stream.close()
		n, err := s.readFrom(ctx, stream, i, buf)
		return n, m.Size, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.readNext(ctx, i, buf)
	return n, m.Size, err
}

// readNext reads a member of a folder of several, from the cursor if it has not
// passed the member.
func (s *sevenStore) readNext(ctx context.Context, i int, buf []byte) (int, error) {
	f := &s.folders[s.entries[i].folder]
	if s.cursor == nil || s.cursor.folder != f || s.cursor.pos > s.entries[i].offset {
		s.leave()
		stream, err := s.stream(ctx, f)
		if err != nil {
			return 0, err
		}
		s.cursor = stream
	}
	s.cursor.ctx = ctx
	n, err := s.readFrom(ctx, s.cursor, i, buf)
	if err != nil {
		s.leave()
	}
	return n, err
}

func (s *sevenStore) each(
	ctx context.Context, want func(int) bool, buf []byte, visit func(i, n int, size int64, err error),
) error {
	defer s.close()
	return eachByRead(ctx, s, len(s.entries), want, buf, visit)
}

// readFrom reads the head of member i from a stream of its folder. It checks the
// CRC of a member that fits in buf, and of the first member that it reads of an
// encrypted folder, since nothing else tells a wrong password.
func (s *sevenStore) readFrom(ctx context.Context, stream *sevenStream, i int, buf []byte) (int, error) {
	m, e, f := &s.a.members[i], s.entries[i], stream.folder
	if e.hasCRC && f.encrypted && !stream.proven && stream.pos < e.offset {
		// The members that are passed by prove the password as well.
		for k := range i {
			if o := s.entries[k]; o.folder == e.folder && o.hasCRC && s.a.members[k].Size > 0 && o.offset >= stream.pos {
				if _, err := s.readFrom(ctx, stream, k, nil); err != nil {
					return 0, err
				}
				break
			}
		}
	}
	if _, err := io.CopyN(io.Discard, stream, e.offset-stream.pos); err != nil {
		return 0, f.broken(err)
	}
	n, err := readHead(ctx, io.LimitReader(stream, m.Size), m.Size, buf)
	if err != nil {
		return 0, f.broken(err)
	}
	whole := m.Size <= int64(len(buf))
	if e.hasCRC && (whole || f.encrypted && !stream.proven) {
		if err := checkCRC(ctx, io.LimitReader(stream, m.Size-int64(n)), buf[:n], m.CRC32); err != nil {
			return 0, f.broken(err)
		}
		stream.proven = m.Size > 0
	}
	return n, nil
}

// sevenStream unpacks a folder.
type sevenStream struct {
	folder *sevenFolder
	pos    int64
	proven bool // a CRC has matched under the password
	ctx    context.Context
	r      io.ReadCloser
	done   func()
}

func (s *sevenStream) close() {
	s.r.Close()
	s.done()
}

// Read turns a panic of a decompressor, of which damaged data causes some, into
// an error.
func (s *sevenStream) Read(p []byte) (n int, err error) {
	defer recovered(&err)
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err = s.r.Read(p[:min(len(p), 1<<20)])
	s.pos += int64(n)
	return n, err
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = damaged("its decompressor fails: %v", p)
	}
}

// stream begins to unpack a folder, once there is memory for it.
func (s *sevenStore) stream(ctx context.Context, f *sevenFolder) (_ *sevenStream, err error) {
	defer recovered(&err)
	if f.refused != "" {
		return nil, &Error{Kind: ErrUnsupported, Detail: f.refused}
	}
	if f.encrypted && s.a.opt.Password == "" {
		return nil, &Error{Kind: ErrPassword, Detail: "it is encrypted, and no password is given"}
	}
	if f.packPos < 0 || f.packSize < 0 || f.packPos > s.end-sevenStart || f.packSize > s.end-sevenStart-f.packPos {
		return nil, damaged("its packed data lies outside of the file")
	}
	if err := s.memory.Acquire(ctx, f.memory); err != nil {
		return nil, err
	}
	done := func() { s.memory.Release(f.memory) }
	header := f.header()
	file := &stitched{r: s.r, end: s.end, header: header}
	le := binary.LittleEndian
	copy(file.start[:], "7z\xbc\xaf\x27\x1c\x00\x04")
	le.PutUint64(file.start[12:], uint64(s.end-sevenStart))
	le.PutUint64(file.start[20:], uint64(len(header)))
	le.PutUint32(file.start[28:], crc32.ChecksumIEEE(header))
	le.PutUint32(file.start[8:], crc32.ChecksumIEEE(file.start[12:]))
	z, err := sevenzip.NewReaderWithPassword(file, s.end+int64(len(header)), s.a.opt.Password)
	if err == nil && len(z.File) != 2 {
		err = errors.New("the folder is not what was asked for")
	}
	if err != nil {
		done()
		return nil, f.broken(err)
	}
	r, err := z.File[0].Open()
	if err != nil {
		done()
		return nil, f.broken(err)
	}
	return &sevenStream{folder: f, ctx: ctx, r: r, done: done}, nil
}

// stitched is a 7z file that has other headers than the file it is made of.
type stitched struct {
	start  [sevenStart]byte
	r      io.ReaderAt
	end    int64 // where header begins
	header []byte
}

func (s *stitched) ReadAt(p []byte, off int64) (n int, err error) {
	for len(p) > 0 && err == nil {
		var k int
		switch {
		case off < sevenStart:
			k = copy(p, s.start[off:])
		case off < s.end:
			k, err = s.r.ReadAt(p[:min(int64(len(p)), s.end-off)], off)
		case off < s.end+int64(len(s.header)):
			k = copy(p, s.header[off-s.end:])
		default:
			err = io.EOF
		}
		n, off, p = n+k, off+int64(k), p[k:]
	}
	return n, err
}

// Identifiers in a header (7zFormat.txt, "Property IDs").
const (
	idEnd           = 0
	idHeader        = 1
	idProperties    = 2
	idAdditional    = 3
	idMainStreams   = 4
	idFiles         = 5
	idPackInfo      = 6
	idUnpackInfo    = 7
	idSubStreams    = 8
	idSize          = 9
	idCRC           = 10
	idFolder        = 11
	idUnpackSize    = 12
	idUnpackStreams = 13
	idEmptyStream   = 14
	idEmptyFile     = 15
	idAnti          = 16
	idNames         = 17
	idAttributes    = 21
	idEncodedHeader = 23
)

// sevenFolder is a compressed stream: coders, whose inputs are packed streams
// or outputs of other coders.
type sevenFolder struct {
	coders    []sevenCoder
	bonds     []bond
	inputs    []uint64 // of the coders, those that are packed streams
	sizes     []uint64 // of the outputs
	packPos   int64    // of its packed streams, from the end of the start header
	packSizes []uint64
	packSize  int64 // sum of packSizes
	size      int64 // unpacked
	crc       uint32
	hasCRC    bool
	members   uint64
	encrypted bool
	memory    int64
	refused   string // why it cannot be unpacked, or ""
}

type sevenCoder struct {
	id         string
	in, out    uint64
	properties []byte
}

// bond says that an output is an input.
type bond struct{ in, out uint64 }

// sevenParser reads a header. After the first error it reads zeros.
type sevenParser struct {
	b   []byte
	err error
}

func (p *sevenParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = damaged(format, args...)
	}
	p.b = nil
}

func (p *sevenParser) byte() byte {
	if len(p.b) == 0 {
		p.fail("its header ends too early")
		return 0
	}
	b := p.b[0]
	p.b = p.b[1:]
	return b
}

// bytes returns the next n bytes, a part of the header.
func (p *sevenParser) bytes(n uint64) []byte {
	if n > uint64(len(p.b)) {
		p.fail("its header ends too early")
		return nil
	}
	b := p.b[:n]
	p.b = p.b[n:]
	return b
}

// number reads an integer of 1 to 9 bytes: the leading ones of the first byte
// count those that follow.
func (p *sevenParser) number() uint64 {
	first := p.byte()
	var v uint64
	for i := range 8 {
		mask := byte(0x80) >> i
		if first&mask == 0 {
			return v | uint64(first&(mask-1))<<(8*i)
		}
		v |= uint64(p.byte()) << (8 * i)
	}
	return v
}

// count reads a number of at most most.
func (p *sevenParser) count(what string, most uint64) uint64 {
	n := p.number()
	if n > most {
		p.fail("it declares %d %s", n, what)
		return 0
	}
	return n
}

// bits returns n bits, most significant first.
func (p *sevenParser) bits(n uint64) []byte { return p.bytes(n/8 + min(n%8, 1)) }

func bit(b []byte, i uint64) bool { return b[i/8]&(0x80>>(i%8)) != 0 }

// optionalBits is bits, or nil for n ones.
func (p *sevenParser) optionalBits(n uint64) []byte {
	if p.byte() != 0 {
		return nil
	}
	return p.bits(n)
}

// digests reads CRCs of n things and calls set with those that are defined.
func (p *sevenParser) digests(n uint64, set func(i uint64, crc uint32)) {
	defined := p.optionalBits(n)
	for i := uint64(0); i < n && p.err == nil; i++ {
		if defined == nil || bit(defined, i) {
			if b := p.bytes(4); b != nil {
				set(i, binary.LittleEndian.Uint32(b))
			}
		}
	}
}

// streams reads a StreamsInfo: the folders, and the sizes and CRCs of the
// members in them.
func (p *sevenParser) streams(most int) ([]sevenFolder, []sevenPart) {
	var packPos uint64
	var packSizes []uint64
	var folders []sevenFolder
	id := p.byte()
	if id == idPackInfo {
		packPos = p.number()
		n := p.count("packed streams", uint64(len(p.b)))
		if id = p.byte(); id == idSize {
			for range n {
				packSizes = append(packSizes, p.number())
			}
			id = p.byte()
		}
		if id == idCRC {
			p.digests(n, func(uint64, uint32) {})
			id = p.byte()
		}
		if id != idEnd {
			p.fail("its list of packed streams is damaged")
		}
		id = p.byte()
	}
	if id == idUnpackInfo {
		folders = p.unpackInfo()
		id = p.byte()
	}
	for i := range folders {
		f := &folders[i]
		n := len(f.inputs)
		if n > len(packSizes) || packPos > math.MaxInt64 {
			p.fail("it declares fewer packed streams than are used")
			return nil, nil
		}
		f.packPos, f.packSizes, packSizes = int64(packPos), packSizes[:n], packSizes[n:]
		for _, size := range f.packSizes {
			if packPos += size; size > math.MaxInt64 || packPos > math.MaxInt64 {
				p.fail("its packed streams are too long")
				return nil, nil
			}
		}
		f.packSize = int64(packPos) - f.packPos
	}
	var members []sevenPart
	if id == idSubStreams {
		members = p.subStreams(folders, most)
		id = p.byte()
	} else {
		for i := range folders {
			f := &folders[i]
			f.members = 1
			members = append(members, sevenPart{sevenEntry{int32(i), f.hasCRC, 0}, f.size, f.crc})
		}
	}
	if id != idEnd {
		p.fail("its list of streams is damaged")
	}
	return folders, members
}

// unpackInfo reads the folders.
func (p *sevenParser) unpackInfo() []sevenFolder {
	if p.byte() != idFolder {
		p.fail("its list of folders is damaged")
	}
	n := p.count("folders", uint64(len(p.b)))
	if p.byte() != 0 {
		p.fail("its folders are described elsewhere")
	}
	var folders []sevenFolder
	for range n {
		if p.err != nil {
			return nil
		}
		folders = append(folders, p.folder())
	}
	if p.byte() != idUnpackSize {
		p.fail("its list of sizes is damaged")
	}
	for i := range folders {
		f := &folders[i]
		for j := range f.sizes {
			f.sizes[j] = p.number()
		}
		p.assess(f)
	}
	id := p.byte()
	if id == idCRC {
		p.digests(n, func(i uint64, crc uint32) { folders[i].crc, folders[i].hasCRC = crc, true })
		id = p.byte()
	}
	if id != idEnd {
		p.fail("its list of folders is damaged")
	}
	return folders
}

// folder reads a folder. 7-Zip itself takes 4 coders at most.
func (p *sevenParser) folder() sevenFolder {
	var f sevenFolder
	var in, out uint64
	for range p.count("coders", 8) {
		flags := p.byte()
		c := sevenCoder{id: string(p.bytes(uint64(flags & 0xf))), in: 1, out: 1}
		if flags&0x10 != 0 {
			c.in, c.out = p.count("inputs", 8), p.count("outputs", 8)
		}
		if flags&0x20 != 0 {
			c.properties = bytes.Clone(p.bytes(p.count("properties", 1<<10)))
		}
		if flags&0xc0 != 0 || c.in == 0 || c.out == 0 {
			p.fail("a coder of its is damaged")
		}
		in, out = in+c.in, out+c.out
		f.coders = append(f.coders, c)
	}
	if p.err != nil || out == 0 || in < out {
		p.fail("a folder of its is damaged")
		return f
	}
	f.sizes = make([]uint64, out)
	bound := make([]bool, in)
	for range out - 1 {
		b := bond{p.number(), p.number()}
		if b.in >= in || b.out >= out || bound[b.in] {
			p.fail("a folder of its is damaged")
			return f
		}
		bound[b.in] = true
		f.bonds = append(f.bonds, b)
	}
	for i := range in {
		if !bound[i] {
			f.inputs = append(f.inputs, i)
		}
	}
	if len(f.inputs) > 1 {
		for i := range f.inputs {
			if f.inputs[i] = p.number(); f.inputs[i] >= in {
				p.fail("a folder of its is damaged")
			}
		}
	}
	return f
}

// coders are those that sevenzip.Reader decodes with memory that is known before.
var coders = map[string]string{
	"\x00": "Copy", "\x03": "Delta", "\x0a": "ARM64", "\x21": "LZMA2", "\x03\x01\x01": "LZMA",
	"\x03\x03\x01\x03": "BCJ", "\x03\x03\x01\x1b": "BCJ2", "\x03\x03\x02\x05": "PPC", "\x03\x03\x05\x01": "ARM",
	"\x03\x03\x08\x05": "SPARC", "\x03\x04\x01": "PPMd", "\x04\x01\x08": "Deflate", "\x04\x02\x02": "BZip2",
	"\x06\xf1\x07\x01": "AES",
}

// assess finds the size of a folder, and the memory that unpacking it takes.
// A dictionary need not be longer than what it is a dictionary of, and is
// declared to be no longer in the header for the library.
func (p *sevenParser) assess(f *sevenFolder) {
	free := len(f.sizes)
	taken := make([]bool, len(f.sizes))
	for _, b := range f.bonds {
		if !taken[b.out] {
			taken[b.out] = true
			free--
		}
	}
	if free != 1 {
		p.fail("a folder of its has %d outputs", free)
		return
	}
	for i, t := range taken {
		if !t {
			f.size = int64(f.sizes[i])
		}
	}
	for _, size := range f.sizes {
		if size > math.MaxInt64 {
			p.fail("a folder of its declares %d bytes", size)
			return
		}
	}
	le := binary.LittleEndian
	out := uint64(0)
	var need uint64
	for _, c := range f.coders {
		size := f.sizes[out]
		out += c.out
		name, known := coders[c.id]
		q := c.properties
		if length, ok := map[string]int{"LZMA": 5, "LZMA2": 1, "PPMd": 5, "Delta": 1}[name]; ok && len(q) != length {
			p.fail("a coder of its is damaged")
			return
		}
		switch name {
		case "LZMA":
			dictionary := min(uint64(le.Uint32(q[1:])), max(size, 1<<12))
			le.PutUint32(q[1:], uint32(dictionary))
			need += dictionary
		case "LZMA2":
			dictionary := func(code byte) uint64 { return (2 | uint64(code&1)) << (code/2 + 11) }
			code := byte(0)
			for code < q[0] && dictionary(code) < size {
				code++
			}
			q[0] = code
			need += dictionary(min(code, 40))
		case "PPMd":
			need += uint64(le.Uint32(q[1:]))
		case "Delta":
			if q[0] == 0xff { // the library counts the distance of 256 as 0
				f.refused = "the filter Delta with a distance of 256"
			}
		case "AES":
			f.encrypted = true
		}
		if !known {
			f.refused = fmt.Sprintf("compression method %x of 7z: pack it again with LZMA2", c.id)
		}
		need += 1 << 20
	}
	if f.memory = int64(need); need > maxDictionary && f.refused == "" {
		f.refused = fmt.Sprintf("it needs %d MiB of memory, at most %d are used: pack it again with a dictionary of 64 MiB", need>>20, maxDictionary>>20)
	}
}

// sevenPart is a part of a folder, the content of a member.
type sevenPart struct {
	sevenEntry
	size int64
	crc  uint32
}

// subStreams reads what parts the folders have.
func (p *sevenParser) subStreams(folders []sevenFolder, most int) []sevenPart {
	id := p.byte()
	total := uint64(0)
	for i := range folders {
		folders[i].members = 1
		if id == idUnpackStreams {
			folders[i].members = p.number()
		}
		if total += folders[i].members; folders[i].members > uint64(most) || total > uint64(most) {
			if p.err == nil {
				p.err = &Error{Kind: ErrTooMany, Detail: fmt.Sprintf("at most %d are read", most)}
			}
			return nil
		}
	}
	if id == idUnpackStreams {
		id = p.byte()
	}
	var parts []sevenPart
	sized := id == idSize
	for i := range folders {
		f := &folders[i]
		left := f.size
		for k := range f.members {
			size := left
			if k < f.members-1 {
				if size = int64(p.number()); !sized || size < 0 || size > left || p.err != nil {
					p.fail("the sizes of its members are damaged")
					return nil
				}
			}
			parts = append(parts, sevenPart{sevenEntry{int32(i), f.members == 1 && f.hasCRC, f.size - left}, size, f.crc})
			left -= size
		}
	}
	if sized {
		id = p.byte()
	}
	if id == idCRC {
		var without []int
		for i := range parts {
			if !parts[i].hasCRC {
				without = append(without, i)
			}
		}
		p.digests(uint64(len(without)), func(i uint64, crc uint32) {
			parts[without[i]].crc, parts[without[i]].hasCRC = crc, true
		})
		id = p.byte()
	}
	if id != idEnd {
		p.fail("the list of its members' streams is damaged")
	}
	return parts
}

// parse reads a header that is not packed.
func (s *sevenStore) parse(p *sevenParser) error {
	if id := p.byte(); id != idHeader {
		p.fail("its header is of the unknown kind %d", id)
	}
	var parts []sevenPart
	id := p.byte()
	if id == idProperties {
		for p.err == nil && p.byte() != idEnd {
			p.bytes(p.number())
		}
		id = p.byte()
	}
	if id == idAdditional {
		p.streams(s.a.opt.MaxMembers)
		id = p.byte()
	}
	if id == idMainStreams {
		s.folders, parts = p.streams(s.a.opt.MaxMembers)
		id = p.byte()
	}
	if id == idFiles && p.err == nil {
		if err := s.files(p, parts); err != nil {
			return err
		}
		id = p.byte()
	}
	if id != idEnd || len(p.b) > 0 {
		p.fail("its header is damaged")
	}
	return p.err
}

// files reads the names and kinds of the members.
func (s *sevenStore) files(p *sevenParser, parts []sevenPart) error {
	n := p.number()
	if n > uint64(s.a.opt.MaxMembers) {
		return &Error{Kind: ErrTooMany, Detail: fmt.Sprintf("it declares %d, at most %d are read", n, s.a.opt.MaxMembers)}
	}
	var emptyStream, emptyFile, anti, names []byte
	attributes := &sevenParser{}
	empty := uint64(0)
	for p.err == nil {
		id := p.number()
		if id == idEnd {
			break
		}
		q := &sevenParser{b: p.bytes(p.number())}
		switch id {
		case idEmptyStream:
			emptyStream = q.bits(n)
			for i := range n {
				if q.err == nil && bit(emptyStream, i) {
					empty++
				}
			}
		case idEmptyFile:
			emptyFile = q.bits(empty)
		case idAnti:
			anti = q.bits(empty)
		case idNames:
			if q.byte() != 0 {
				q.fail("its names lie elsewhere")
			}
			names = q.b
		case idAttributes:
			attributes = q
		}
		if q.err != nil {
			return q.err
		}
	}
	var defined []byte
	if len(attributes.b) > 0 {
		defined = attributes.optionalBits(n)
		if attributes.byte() != 0 {
			attributes.fail("its attributes lie elsewhere")
		}
		if attributes.err != nil {
			return attributes.err
		}
	}
	// Offsets count through all folders, one after another.
	begin := make([]int64, len(s.folders))
	for i := 1; i < len(begin); i++ {
		begin[i] = begin[i-1] + s.folders[i-1].size
	}
	empty = 0
	var wide []uint16
	for i := range n {
		wide = wide[:0]
		for {
			if len(names) < 2 {
				return damaged("it has fewer names than members")
			}
			c := binary.LittleEndian.Uint16(names)
			if names = names[2:]; c == 0 {
				break
			}
			wide = append(wide, c)
		}
		m, e, reason := Member{Name: string(utf16.Decode(wide))}, sevenEntry{folder: -1}, ""
		if attributes.b != nil && (defined == nil || bit(defined, i)) {
			if b := attributes.bytes(4); b != nil {
				reason = sevenReason(binary.LittleEndian.Uint32(b))
			}
		}
		if emptyStream != nil && bit(emptyStream, i) {
			switch {
			case anti != nil && bit(anti, empty):
				reason = "marks a deletion"
			case emptyFile == nil || !bit(emptyFile, empty):
				reason = "is a directory"
			}
			empty++
		} else {
			if len(parts) == 0 {
				return damaged("it has more members than streams")
			}
			part := parts[0]
			parts = parts[1:]
			f := &s.folders[part.folder]
			m.Size, m.Offset, m.Encrypted = part.size, begin[part.folder]+part.offset, f.encrypted
			if e = part.sevenEntry; e.hasCRC {
				m.CRC32 = part.crc
			}
			s.solid = s.solid || f.members > 1
		}
		s.entries = append(s.entries, e)
		if err := s.a.add(m, reason); err != nil {
			return err
		}
	}
	if len(parts) > 0 {
		return damaged("it has fewer members than streams")
	}
	return p.err
}

// sevenReason is why a member of these attributes is no regular file, or "":
// those of Windows, with a Unix mode in the high half if 0x8000 is set.
func sevenReason(attributes uint32) string {
	switch {
	case attributes&0x8000 != 0:
		return modeReason(attributes >> 16)
	case attributes&0x10 != 0:
		return "is a directory"
	case attributes&0x400 != 0:
		return "is a link"
	}
	return ""
}

// header returns the header of an archive of this folder alone, with two
// members: its content, and an empty one. The library takes the size of a
// single member from the wrong coder.
func (f *sevenFolder) header() []byte {
	var b []byte
	number := func(n uint64) { b = binary.LittleEndian.AppendUint64(append(b, 0xff), n) }
	b = append(b, idHeader, idMainStreams, idPackInfo)
	number(uint64(f.packPos))
	number(uint64(len(f.packSizes)))
	b = append(b, idSize)
	for _, size := range f.packSizes {
		number(size)
	}
	b = append(b, idEnd, idUnpackInfo, idFolder, 1, 0, byte(len(f.coders)))
	for _, c := range f.coders {
		flags := byte(len(c.id)) | 0x10
		if len(c.properties) > 0 {
			flags |= 0x20
		}
		b = append(append(b, flags), c.id...)
		b = append(b, byte(c.in), byte(c.out))
		if len(c.properties) > 0 {
			number(uint64(len(c.properties)))
			b = append(b, c.properties...)
		}
	}
	for _, bond := range f.bonds {
		b = append(b, byte(bond.in), byte(bond.out))
	}
	if len(f.inputs) > 1 {
		for _, in := range f.inputs {
			b = append(b, byte(in))
		}
	}
	b = append(b, idUnpackSize)
	for _, size := range f.sizes {
		number(size)
	}
	b = append(b, idEnd, idSubStreams, idUnpackStreams, 2, idSize)
	number(uint64(f.size))
	b = append(b, idEnd, idEnd)
	return append(b, idFiles, 2, idNames, 9, 0, 'a', 0, 0, 0, 'b', 0, 0, 0, idEnd, idEnd)
}
