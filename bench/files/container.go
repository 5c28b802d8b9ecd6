package files

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"driftbench/bench/files/archive"
	"driftbench/internal/regular"
	"driftbench/internal/text"
)

// container is an archive of samples. It is opened while it is needed.
type container struct {
	folder *folder
	path   string // in folder

	// As it was when it was opened first.
	number     int // in the order of opening, of [Places]
	size       int64
	modified   time.Time
	version    regular.Version
	format     string
	sequential bool // members are read in the order of the archive
}

func (c *container) String() string { return c.folder.path(c.path) }
func (c *container) close()         { c.folder.close() } // of a place

// pool holds the archives that were used last open.
type pool struct {
	mu   sync.Mutex
	open []*opened // in the order of last use
}

// The most that a pool holds open of what nobody uses.
const (
	mostOpen    = 16
	mostMembers = 2_000_000 // whose names are in memory
)

// opened is an open archive.
type opened struct {
	container *container
	users     int
	ready     sync.Once
	file      *os.File
	archive   *archive.Archive
	err       error
}

// use calls do with the open archive.
func (c *container) use(ctx context.Context, do func(*opened) error) error {
	p := &c.folder.places.pool
	p.mu.Lock()
	i := slices.IndexFunc(p.open, func(o *opened) bool { return o.container == c })
	var o *opened
	if i >= 0 {
		o = p.open[i]
		p.open = slices.Delete(p.open, i, i+1)
	} else {
		o = &opened{container: c}
	}
	p.open = append(p.open, o)
	o.users++
	p.mu.Unlock()
	o.ready.Do(func() { o.err = o.open(ctx) })
	err := o.err
	if err == nil {
		err = do(o)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o.users--
	p.trim()
	return err
}

// trim closes what is too much to hold open.
func (p *pool) trim() {
	members, kept := 0, 0
	for i := len(p.open) - 1; i >= 0; i-- {
		o := p.open[i]
		if o.users > 0 {
			kept++
			continue
		}
		if o.archive != nil {
			members += len(o.archive.Members())
		}
		if kept++; kept > mostOpen || members > mostMembers && kept > 1 || o.err != nil {
			kept--
			o.close()
			p.open = slices.Delete(p.open, i, i+1)
		}
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.open {
		o.close()
	}
	p.open = nil
}

func (o *opened) close() {
	if o.archive != nil {
		o.archive.Close()
	}
	if o.file != nil {
		o.file.Close()
	}
}

func (o *opened) open(ctx context.Context) (err error) {
	c := o.container
	now := time.Now()
	var info os.FileInfo
	if o.file, info, err = c.folder.open(c.path); err != nil {
		return err
	}
	if c.number > 0 && !c.unchanged(info) {
		return changed
	}
	if o.archive, err = archive.Open(ctx, c.String(), o.file, archive.Options{Password: c.folder.places.opt.Password}); err != nil {
		return c.refuse(ctx, err)
	}
	if c.number == 0 {
		head := make([]byte, 512)
		n, _ := o.file.ReadAt(head, 0)
		c.size, c.modified, c.version = info.Size(), info.ModTime(), c.folder.fileSystem.Version(info, now)
		c.format, c.sequential = formatOf(head[:n]), o.archive.Sequential()
		c.number = int(c.folder.places.containers.Add(1))
	}
	return nil
}

func (c *container) unchanged(info os.FileInfo) bool {
	return info.Size() == c.size && info.ModTime().Equal(c.modified)
}

// formatOf names the format of an archive.
func formatOf(head []byte) string {
	switch archive.Detect(head) {
	case archive.SevenZip:
		return "7z"
	case archive.Tar:
		return "tar"
	case archive.TarGzip:
		return "tar.gz"
	case archive.TarZstd:
		return "tar.zst"
	}
	return "zip"
}

// refuse turns the error of an archive or of a member into a refusal, as the
// function refuse does for files.
func (c *container) refuse(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, archive.ErrPassword) {
		return refusal("cannot be read: " + text.Line(err.Error(), ' ') + ": give its password with --password")
	}
	return refuse(err, c.String())
}

// member returns a member as the file of a name.
func (c *container) member(name string, number int, m archive.Member) File {
	return File{Name: name, Version: c.memberVersion(number, m), in: c, path: m.Name, number: number, size: m.Size}
}

// memberVersion is the version of a member: the SHA-256 of all that identifies
// it, with its length where a version has it. That of the archive changes with
// any of its bytes.
func (c *container) memberVersion(number int, m archive.Member) regular.Version {
	if !c.version.Known() {
		return regular.Version{}
	}
	var b []byte
	for _, x := range slices.Concat(c.version[:], []int64{int64(number), m.Offset, m.Size, int64(m.CRC32)}) {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	if m.Encrypted {
		password := sha256.Sum256([]byte(c.folder.places.opt.Password))
		b = append(b, password[:]...)
	}
	return foldVersion(b, m.Size)
}

// foldVersion returns a version that stands for b.
func foldVersion(b []byte, size int64) (v regular.Version) {
	sum := sha256.Sum256(b)
	for i, to := range []int{0, 1, 3, 4} {
		v[to] = int64(binary.LittleEndian.Uint64(sum[8*i:]))
	}
	v[2] = size
	return v
}

func (c *container) id(f *File) string {
	return c.String() + "\x00" + strconv.Itoa(f.number) + "\x00" + f.path + c.folder.places.rawMark()
}

// read reads the first bytes of a member.
func (c *container) read(ctx context.Context, f *File, buf []byte) (got content, err error) {
	err = c.use(ctx, func(o *opened) error {
		n, size, err := o.archive.Read(ctx, f.number, buf)
		if err != nil {
			return c.refuse(ctx, err)
		}
		if n == 0 {
			return empty
		}
		after, err := o.file.Stat()
		if err != nil {
			return refuse(err, c.String())
		}
		if !c.unchanged(after) {
			return changed
		}
		got = content{n: n, size: size}
		if c.folder.fileSystem.Version(after, time.Now()) == c.version {
			got.version = f.Version
		}
		return nil
	})
	return got, err
}

// mostWhole is the most bytes of members and objects that are read whole at a
// time: to unpack them, or for their digests.
const mostWhole = 256 << 20

func (c *container) reader(ctx context.Context, f *File) (io.ReadCloser, error) {
	return c.folder.places.readWhole(ctx, f.size, func(buf []byte) (int, error) {
		got, err := c.read(ctx, f, buf)
		return got.n, err
	})
}

// find sets the files of the names that are members: by path, by path without the
// folders that all members lie in, and by hash, in this order. Of equal paths the
// last counts, as tools unpack it, and of a hash the first.
func (c *container) find(ctx context.Context, s *search) error {
	return c.use(ctx, func(o *opened) error {
		const byItsHash = 1 << 20 // ranks after any path
		byName, byHash := s.index()
		members := o.archive.Members()
		common := commonFolder(members)
		type match struct{ number, rank int }
		taken := map[int]match{} // of each file
		offer := func(i, number, rank int) {
			if crc, ok := s.byPath[i]; ok && rank < byItsHash && (crc != members[number].CRC32 || s.files[i].size != members[number].Size) {
				s.twice[i] = text.Quote(s.files[i].in.(*container).path) + " and " + text.Quote(c.path)
			}
			if first, ok := taken[i]; s.lacks(i) && (!ok || rank < first.rank || rank == first.rank && rank < byItsHash) {
				taken[i] = match{number, rank}
			} else if ok && rank == byItsHash && first.rank == rank {
				if a, b := members[first.number], members[number]; a.Size != b.Size || a.CRC32 != b.CRC32 {
					s.differs(Hash(a.Name), fmt.Sprintf("%s and %s in %s", text.Quote(a.Name), text.Quote(b.Name), text.Quote(c.String())))
				}
			}
		}
		for number, m := range members {
			name := path.Clean(m.Name)
			if s.loose {
				name = canonical(name)
			}
			for rank, rest := 0, name; ; rank++ {
				for _, i := range byName[rest] {
					offer(i, number, rank)
				}
				if rank == common {
					break
				}
				_, rest, _ = strings.Cut(rest, "/")
			}
			if hash := Hash(name); hash != "" {
				for _, i := range byHash[hash] {
					offer(i, number, byItsHash)
				}
			}
		}
		for i, to := range taken {
			switch m := members[to.number]; {
			case !m.Regular:
				s.explain(i, refusal(fmt.Sprintf("%s in %s", m.Reason, text.Quote(c.String()))))
			case m.Size == 0:
				s.explain(i, empty)
			default:
				s.files[i] = c.member(s.files[i].Name, to.number, m)
				if s.byPath != nil && Hash(s.files[i].Name) == "" {
					s.byPath[i] = m.CRC32
				}
			}
		}
		return ctx.Err()
	})
}

// commonFolder returns the number of folders, one in the other, that all members
// lie in.
func commonFolder(members []archive.Member) int {
	var common []string
	first := true
	for _, m := range members {
		if !m.Regular {
			continue
		}
		folders := strings.Split(path.Clean(m.Name), "/")
		folders = folders[:len(folders)-1]
		if first {
			common, first = folders, false
		}
		n := 0
		for n < min(len(common), len(folders)) && common[n] == folders[n] {
			n++
		}
		if common = common[:n]; n == 0 {
			break
		}
	}
	return len(common)
}

// single returns the sample of own, an archive that is named by a hash: the member
// of that hash, or the only one. Where nothing tells that the archive holds the
// sample, it may be the sample, as its digest then says.
func (f *folder) single(ctx context.Context, own File, hash string) (found File, err error) {
	c := &container{folder: f, path: own.path}
	err = c.use(ctx, func(o *opened) error {
		number, regular := -1, 0
		for i, m := range o.archive.Members() {
			if !m.Regular || m.Size == 0 {
				continue
			}
			regular++
			if Hash(m.Name) == hash {
				number, regular = i, 1
				break
			}
			if number < 0 {
				number = i
			}
		}
		if regular != 1 {
			return refusal(fmt.Sprintf("lies in %s, which holds %d files and none of that name", text.Quote(c.String()), regular))
		}
		m := o.archive.Members()[number]
		found = c.member(own.Name, number, m)
		if m.Encrypted || Hash(m.Name) == hash {
			return nil
		}
		return errUnsure
	})
	if err == nil || err != errUnsure && !isRefusal(err) {
		return found, err
	}
	switch same, digestErr := hasDigest(ctx, &own, hash); {
	case digestErr != nil:
		return File{}, digestErr
	case same:
		return own, nil
	case err == errUnsure:
		return found, nil
	}
	return File{}, err
}

// errUnsure says that an archive may be the sample itself.
var errUnsure = errors.New("the archive may be the sample")

// openContainer opens an archive that is a place.
func openContainer(ctx context.Context, p *Places, name string) (*container, error) {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(p, filepath.Dir(real))
	if err != nil {
		return nil, err
	}
	c := &container{folder: f, path: filepath.Base(real)}
	if err := c.use(ctx, func(*opened) error { return nil }); err != nil {
		f.close()
		if isRefusal(err) {
			return nil, fmt.Errorf("%s %w", text.Quote(name), err)
		}
		return nil, err
	}
	return c, nil
}
