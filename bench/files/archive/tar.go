package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	tarBlock = 512
	// maxWindow is what zstd --long uses, and the most memory that unpacking a
	// .tar.zst takes: a frame of 11 bytes can ask for it.
	maxWindow = 128 << 20
)

// isTar reports whether a file begins with the header of a tar member: 512
// bytes with their sum, in octal and as if it were blank.
func isTar(head []byte) bool {
	if len(head) < tarBlock {
		return false
	}
	const at, length = 148, 8
	digits := strings.Trim(string(head[at:at+length]), " \x00")
	want, err := strconv.ParseInt(digits, 8, 32)
	unsigned, signed := int64(length*' '), int64(length*' ') // historic tars have summed signed bytes
	for i, b := range head[:tarBlock] {
		if i < at || i >= at+length {
			unsigned += int64(b)
			signed += int64(int8(b))
		}
	}
	return err == nil && (want == unsigned || want == signed)
}

// tarStore is a tar archive. The members of a plain one are read where they lie.
type tarStore struct {
	a      *Archive
	kind   Kind
	r      io.ReaderAt
	size   int64
	sparse map[int]bool // members with holes that are not in a plain archive

	mu     sync.Mutex
	cursor *tarStream // where Read has left a compressed archive, or nil
}

// tarStream is one pass over an archive.
type tarStream struct {
	tar   *tar.Reader
	next  int // the number of the member that comes next
	pos   int64
	in    io.Reader
	ctx   context.Context // of the call that uses it
	close func()
}

// Read counts what tar.Reader reads, which reads no more than it needs.
func (s *tarStream) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.in.Read(p)
	s.pos += int64(n)
	return n, err
}

// seeker is a tarStream over a plain archive, in which tar.Reader skips what it
// does not read.
type seeker struct{ *tarStream }

func (s seeker) Seek(offset int64, whence int) (int64, error) {
	pos, err := s.in.(io.Seeker).Seek(offset, whence)
	s.pos = pos
	return pos, err
}

func (t *tarStore) stream(ctx context.Context) (*tarStream, error) {
	file := io.NewSectionReader(t.r, 0, t.size)
	s := &tarStream{ctx: ctx, close: func() {}}
	switch t.kind {
	case Tar:
		s.in = file
		s.tar = tar.NewReader(seeker{s})
		return s, nil
	case TarGzip:
		z, err := gzip.NewReader(bufio.NewReaderSize(file, 1<<16))
		if err != nil {
			return nil, broken(err)
		}
		s.in = z
	case TarZstd:
		z, err := zstd.NewReader(bufio.NewReaderSize(file, 1<<16),
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, broken(err)
		}
		s.in, s.close = z, z.Close
	}
	s.tar = tar.NewReader(s)
	return s, nil
}

// advance goes to the header of the next member.
func (s *tarStream) advance() (*tar.Header, error) {
	for {
		h, err := s.tar.Next()
		switch {
		case err == io.EOF:
			return nil, err
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return nil, broken(err)
		case h.Typeflag != tar.TypeXGlobalHeader:
			s.next++
			return h, nil
		}
	}
}

func (a *Archive) openTar(ctx context.Context, kind Kind, r io.ReaderAt, size int64) error {
	t := &tarStore{a: a, kind: kind, r: r, size: size, sparse: map[int]bool{}}
	a.store = t
	s, err := t.stream(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if kind != Tar {
		first := make([]byte, tarBlock)
		n, err := io.ReadFull(s, first)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return broken(err)
		}
		if err == io.ErrUnexpectedEOF && n == 0 {
			return broken(err)
		}
		if !isTar(first[:n]) {
			return &Error{Kind: ErrUnsupported, Detail: "what is compressed in it is no tar"}
		}
		s.tar = tar.NewReader(io.MultiReader(strings.NewReader(string(first)), s))
	}
	for {
		h, err := s.advance()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if isSparse(h) {
			t.sparse[len(a.members)] = true
		}
		if err := a.add(Member{Name: h.Name, Size: h.Size, Offset: s.pos}, tarReason(h)); err != nil {
			return err
		}
	}
	if kind == Tar {
		return nil
	}
	// What follows is the end of the compressed stream, with its checksum.
	if _, err := io.Copy(io.Discard, s); err != nil && !errors.Is(err, gzip.ErrHeader) && !errors.Is(err, zstd.ErrMagicMismatch) {
		return broken(err)
	}
	return nil
}

func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// tarReason is why a member is no regular file, or "".
func tarReason(h *tar.Header) string {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return ""
	case tar.TypeDir:
		return "is a directory"
	case tar.TypeLink:
		return "is a hard link to another member"
	case tar.TypeSymlink:
		return "is a link"
	case tar.TypeChar, tar.TypeBlock:
		return "is a device"
	case tar.TypeFifo:
		return "is a named pipe"
	}
	return fmt.Sprintf("is of the tar type %q", h.Typeflag)
}

func (t *tarStore) sequential() bool { return t.kind != Tar }

func (t *tarStore) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave()
	return nil
}

// leave forgets the cursor.
func (t *tarStore) leave() {
	if t.cursor != nil {
		t.cursor.close()
		t.cursor = nil
	}
}

func (t *tarStore) read(ctx context.Context, i int, buf []byte) (int, int64, error) {
	m := &t.a.members[i]
	if t.kind == Tar && !t.sparse[i] {
		n, err := readHead(ctx, io.NewSectionReader(t.r, m.Offset, m.Size), m.Size, buf)
		return n, m.Size, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cursor == nil || t.cursor.next > i {
		t.leave()
		s, err := t.stream(ctx)
		if err != nil {
			return 0, 0, err
		}
		t.cursor = s
	}
	t.cursor.ctx = ctx
	n, err := t.readFrom(t.cursor, i, buf)
	if err != nil {
		t.leave()
	}
	return n, m.Size, err
}

// readFrom reads the head of member i from a stream that has not passed it.
func (t *tarStore) readFrom(s *tarStream, i int, buf []byte) (int, error) {
	m := &t.a.members[i]
	for {
		h, err := s.advance()
		switch {
		case err == io.EOF:
			return 0, damaged("it is gone: the file has changed since it was opened")
		case err != nil:
			return 0, err
		case s.next <= i:
			continue
		case h.Name != m.Name || h.Size != m.Size:
			return 0, damaged("another member is in its place: the file has changed since it was opened")
		}
		return readHead(s.ctx, s.tar, m.Size, buf)
	}
}

func (t *tarStore) each(
	ctx context.Context, want func(int) bool, buf []byte, visit func(i, n int, size int64, err error),
) error {
	if t.kind == Tar {
		return eachByRead(ctx, t, len(t.a.members), want, buf, visit)
	}
	s, err := t.stream(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	for i := range t.a.members {
		if !want(i) {
			continue
		}
		n, err := t.readFrom(s, i, buf)
		if err != nil {
			return err
		}
		visit(i, n, t.a.members[i].Size, nil)
	}
	return ctx.Err()
}
