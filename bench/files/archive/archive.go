// Package archive reads the first bytes of the members of zip, 7z and tar
// archives straight into memory. Nothing is written to disk.
//
// An archive is not trusted. Memory is bounded by Options.MaxMembers and the
// buffers of the callers, whatever sizes and counts the archive declares; what
// contradicts itself is an error of one line, an [*Error].
//
// The formats are those of PKWARE's APPNOTE.TXT 6.3.10 with WinZip's AE-1 and
// AE-2 encryption for zip, of 7zFormat.txt in 7-Zip's sources, and of POSIX
// pax, ustar and GNU for tar, plain or compressed by gzip or Zstandard.
package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"driftbench/internal/text"
)

// The kinds of errors that an [*Error] wraps. Any other error is one of
// reading the file or of the context.
var (
	// ErrPassword is the kind for a member, or the directory of an archive,
	// that the password does not open.
	ErrPassword = errors.New("wrong password")
	// ErrFormat is the kind for bytes that are damaged, truncated or contradict
	// what the archive declares of them.
	ErrFormat = errors.New("damaged")
	// ErrUnsupported is the kind for a format, method or encryption that this
	// package does not read, and for a member that is no regular file.
	ErrUnsupported = errors.New("not supported")
	// ErrTooMany is the kind for an archive of more members than Options.MaxMembers.
	ErrTooMany = errors.New("too many members")
)

// Error is an error with its place. Its message is one line and holds no
// password.
type Error struct {
	Path   string // of the archive, as given to Open
	Member string // "" if the error is that of the whole archive
	Kind   error  // ErrPassword, ErrFormat, ErrUnsupported, ErrTooMany, or an error of reading
	Detail string // what is wrong and what to do; "" if Kind says it
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(text.Line(e.Path, '?'))
	if e.Member != "" {
		b.WriteString(": member " + text.Quote(e.Member))
	}
	fmt.Fprintf(&b, ": %v", e.Kind)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Kind }

// DefaultMaxMembers is what the zero Options.MaxMembers means.
const DefaultMaxMembers = 2_000_000

// nameBytes is how long the names of an archive may be on average, times
// MaxMembers. The memory of an index is bounded by it.
const nameBytes = 256

// Options are the options of Open.
type Options struct {
	Password   string // of encrypted members; "" is none
	MaxMembers int    // most members, folders and links included; 0 means DefaultMaxMembers
}

// Member is an entry of an archive.
type Member struct {
	Name      string // the bytes in the archive, of any encoding; two members may have the same
	Size      int64  // length of the unpacked member in bytes, as declared
	Offset    int64  // where it begins: in the file for zip and plain tar, else in the unpacked stream
	CRC32     uint32 // as declared; 0 if none is
	Encrypted bool
	Regular   bool   // a file that Read reads
	Reason    string // why it is not Regular, such as "is a link"; else ""
}

// Archive is an open archive. All methods are safe for concurrent use.
type Archive struct {
	path    string
	opt     Options
	members []Member
	named   int // bytes of all names
	store   store
}

// store is a format's part of an Archive.
type store interface {
	// read reads the first len(buf) bytes of the regular member i.
	read(ctx context.Context, i int, buf []byte) (n int, size int64, err error)
	// each calls visit for every wanted member, in order. It returns errors
	// after which no member can be read.
	each(ctx context.Context, want func(i int) bool, buf []byte, visit func(i, n int, size int64, err error)) error
	sequential() bool
	close() error
}

// Open reads the list of members of the archive in f; path is its name for
// messages. The format is told by content: zip, 7z, tar, tar with gzip or
// Zstandard. A compressed tar is unpacked once for it. The file must be left
// open until Close, and is the caller's to close.
func Open(ctx context.Context, path string, f *os.File, opt Options) (*Archive, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return open(ctx, path, f, info.Size(), opt)
}

func open(ctx context.Context, path string, r io.ReaderAt, size int64, opt Options) (*Archive, error) {
	if opt.MaxMembers < 0 {
		panic(fmt.Sprintf("archive: MaxMembers %d", opt.MaxMembers))
	}
	if opt.MaxMembers == 0 {
		opt.MaxMembers = DefaultMaxMembers
	}
	a := &Archive{path: path, opt: opt}
	head := make([]byte, min(size, headLen))
	if err := readAt(r, head, 0); err != nil {
		return nil, a.wrap(-1, err)
	}
	kind := Detect(head)
	if kind == None { // a zip may begin with something else, such as a program that unpacks it
		if _, err := findEnd(r, size); err == nil {
			kind = Zip
		}
	}
	var err error
	switch kind {
	case Zip:
		err = a.openZip(ctx, r, size)
	case SevenZip:
		err = a.open7z(ctx, r, size)
	case Tar, TarGzip, TarZstd:
		err = a.openTar(ctx, kind, r, size)
	default:
		err = &Error{Kind: ErrUnsupported, Detail: unread(head)}
	}
	if err != nil {
		return nil, a.wrap(-1, err)
	}
	return a, nil
}

// Members returns the members in the order of the archive. The slice is the
// archive's own and must not be changed.
func (a *Archive) Members() []Member { return a.members }

// Sequential reports whether members share a compressed stream, so that they
// are best read in order: in a compressed tar or a solid 7z. Each reads all of
// them in one pass; Read is as cheap for a member after the one read last, and
// unpacks from the beginning of the stream for one before it.
func (a *Archive) Sequential() bool { return a.store.sequential() }

// Read reads the first bytes of member i into buf: n is len(buf), or the length
// of the member if that is less. size is the true length if n < len(buf), else
// as declared.
//
// A member that fits in buf is checked as a whole: its length, its CRC, and the
// HMAC of AE-1 and AE-2. Of a longer one only the head is read, so that its
// declared length, CRC and HMAC are not verified: a wrong password that passes
// the check before the data, 1 in 65,536 of AES, shows only if the data does not
// inflate then. A ZipCrypto member that is stored without compression is read to
// its end for its CRC, since that check passes 1 wrong password in 256.
//
// Errors are [*Error] or those of ctx. Read panics if i is no member.
func (a *Archive) Read(ctx context.Context, i int, buf []byte) (n int, size int64, err error) {
	m := &a.members[i]
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	if !m.Regular {
		return 0, 0, a.wrap(i, &Error{Kind: ErrUnsupported, Detail: m.Reason})
	}
	n, size, err = a.store.read(ctx, i, buf)
	if err != nil {
		return 0, 0, a.wrap(i, err)
	}
	return n, size, nil
}

// Each reads the first len(buf) bytes of the regular members that want selects
// as Read does, in the order of the archive and in one pass over a compressed
// stream, and calls visit with each: head is a part of buf, valid until visit
// returns, and err is that of the member alone. Each returns the error of ctx,
// or one after which nothing more of the archive can be read; the wanted
// members that are left are not visited then.
func (a *Archive) Each(
	ctx context.Context, want func(i int) bool, buf []byte, visit func(i int, head []byte, size int64, err error),
) error {
	regular := func(i int) bool { return a.members[i].Regular && want(i) }
	err := a.store.each(ctx, regular, buf, func(i, n int, size int64, err error) {
		if err != nil {
			visit(i, nil, 0, a.wrap(i, err))
			return
		}
		visit(i, buf[:n], size, nil)
	})
	return a.wrap(-1, err)
}

// Close releases what the archive holds in memory.
func (a *Archive) Close() error { return a.store.close() }

// add adds a member, with the reason why it is not regular or "".
func (a *Archive) add(m Member, reason string) error {
	if len(a.members) == a.opt.MaxMembers {
		return &Error{Kind: ErrTooMany, Detail: fmt.Sprintf("at most %d are read", a.opt.MaxMembers)}
	}
	if a.named += len(m.Name); a.named/nameBytes > a.opt.MaxMembers {
		return &Error{Kind: ErrTooMany, Detail: fmt.Sprintf("their names take more than %d bytes", a.opt.MaxMembers*nameBytes)}
	}
	if reason == "" {
		reason = badName(m.Name)
	}
	if reason == "" && m.Size < 0 {
		reason = "declares a length of 2^63 bytes or more"
	}
	m.Regular, m.Reason = reason == "", reason
	a.members = append(a.members, m)
	return nil
}

// badName is why no member of that name is read, or "".
func badName(name string) string {
	slashed := strings.ReplaceAll(name, `\`, "/")
	drive := len(name) > 1 && name[1] == ':' && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z')
	switch {
	case name == "":
		return "has no name"
	case strings.HasPrefix(slashed, "/") || drive:
		return "has an absolute name"
	case strings.IndexByte(name, 0) >= 0:
		return "has a zero byte in its name"
	}
	for part := range strings.SplitSeq(slashed, "/") {
		if part == ".." {
			return "has a name that leads out of the archive"
		}
	}
	return ""
}

// wrap gives an error its place: member i, or the whole archive for -1. Errors
// of a context stay as they are.
func (a *Archive) wrap(i int, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e, ok := err.(*Error)
	if !ok {
		e = &Error{Kind: err}
	}
	e.Path = a.path
	if i >= 0 {
		e.Member = a.members[i].Name
	}
	return e
}

// damaged returns an error of kind ErrFormat.
func damaged(format string, args ...any) error {
	return &Error{Kind: ErrFormat, Detail: fmt.Sprintf(format, args...)}
}

// Kind is a format of archives.
type Kind int

// The formats that Open reads.
const (
	None Kind = iota
	Zip
	SevenZip
	Tar
	TarGzip // or another file with gzip
	TarZstd // or another file with Zstandard
)

// headLen is how many bytes Detect looks at.
const headLen = 512

// Detect tells an archive by its first 512 bytes, fewer if it has no more. That
// gzip or Zstandard holds a tar shows only in Open. A zip that begins with
// something else, as self-extracting ones do, is None; Open reads it.
func Detect(head []byte) Kind {
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("PK\x03\x04"), begins("PK\x05\x06"), begins("PK\x06\x06"):
		return Zip
	case begins("7z\xbc\xaf\x27\x1c"):
		return SevenZip
	case begins("\x1f\x8b\x08"):
		return TarGzip
	case begins("\x28\xb5\x2f\xfd"):
		return TarZstd
	case isTar(head):
		return Tar
	}
	return None
}

// unread says what a file is that Open does not read.
func unread(head []byte) string {
	const want = "zip, 7z, and tar plain, with gzip or with Zstandard are read"
	for _, f := range []struct{ magic, name string }{
		{"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"Rar!\x1a\x07", "rar"}, {"MSCF", "a Microsoft cabinet"},
		{"\x1f\x9d", "compress"}, {"\x04\x22\x4d\x18", "lz4"}, {"PK\x07\x08", "a zip of several volumes"},
		{"PK\x08\x06", "a zip whose directory is encrypted"},
	} {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return "this is " + f.name + "; " + want
		}
	}
	if len(head) == 0 {
		return "the file is empty; " + want
	}
	return "this is no archive, or its end is missing; " + want
}

// readAt fills p from off. A file that ends before is damaged.
func readAt(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return damaged("the file ends %d bytes too early: copy it again", len(p)-n)
	}
	return err
}

// readHead reads the first len(buf) bytes of a stream of the declared size, and
// checks that the stream ends there if all of it fits.
func readHead(ctx context.Context, r io.Reader, size int64, buf []byte) (int, error) {
	want := int(min(size, int64(len(buf))))
	n := 0
	for idle := 0; n < want; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		k, err := r.Read(buf[n:min(want, n+1<<20)])
		n += k
		if idle++; k > 0 {
			idle = 0
		}
		switch {
		case n == want:
		case err == io.EOF:
			return 0, damaged("it ends after %d of %d bytes", n, size)
		case err != nil:
			return 0, broken(err)
		case idle == 100:
			return 0, io.ErrNoProgress
		}
	}
	if size > int64(len(buf)) {
		return n, nil
	}
	var more [1]byte
	switch _, err := io.ReadFull(r, more[:]); err {
	case io.EOF:
		return n, nil
	case nil:
		return 0, damaged("it is longer than the %d bytes that it declares", size)
	default:
		return 0, broken(err)
	}
}

// broken tells damaged data, of which a decompressor complains, from a failure
// to read the file.
func broken(err error) error {
	var path *fs.PathError
	var own *Error
	switch {
	case errors.As(err, &path), errors.As(err, &own), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &Error{Kind: ErrUnsupported, Detail: "its Zstandard window takes too much memory: compress it without --ultra and --long"}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return damaged("its compressed data ends too early")
	}
	reason := err.Error() // behind the names of packages
	reason = reason[strings.LastIndex(reason, ": ")+1:]
	return damaged("%s", text.Line(strings.TrimSpace(reason), '?'))
}
