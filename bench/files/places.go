// Package files finds samples where they lie, and reads their first bytes.
//
// A place is a folder, an archive (zip, 7z, or tar plain, with gzip or with
// Zstandard), or a bucket of an object store with a prefix. The file of a name is,
// in this order:
//
//   - the file of that path in the folder, or the object of that key;
//   - where the name is a SHA-256, SHA-1 or MD5, a file in the folder whose name
//     holds that hash, see [Hash]: flat, in ab/cd/ as stores that are ordered by
//     hash have it, or elsewhere;
//   - a member of an archive in the folder, by its path or hash.
//
// The first place that has the file serves it, and in a place the first path, by
// depth and then by spelling. An archive that is named by a hash holds one sample:
// the member of that hash, or the only one. It is the sample itself if its own
// digest is that hash.
//
// A file that is packed as zlib, gzip or CaRT, which its first bytes tell, is
// unpacked, unless it is a gzip whose own digest is the hash that names it.
//
// Files are hostile. They are only ever read: regular files in their places and
// nothing else. Nothing is written to disk.
package files

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"driftbench/bench/files/packed"
	"driftbench/internal/regular"
	"driftbench/internal/text"
)

// Options are the options of Open.
type Options struct {
	AllowOutside bool         // names and symbolic links may lead out of a folder
	Loose        bool         // a name may differ from that of its file by backslashes for slashes, and by NFC for NFD
	Raw          bool         // packed files, and archives of one sample that are named by its hash, are read as they are
	Password     string       // of encrypted archives; "" is DefaultPassword
	Strict       bool         // a file that a disk fails to give back is an error, not one that is left out
	Log          func(string) // receives lines about what takes time; nil drops them
}

// DefaultPassword is the password that collections of malware have by custom.
const DefaultPassword = "infected"

// Places are opened places. All methods are safe for concurrent use.
type Places struct {
	opt        Options
	all        []place
	pool       pool
	scratch    sync.Pool           // of *[]byte
	containers atomic.Int64        // archives that were opened so far
	failures   atomic.Int64        // files that could not be read for an I/O error
	memory     *semaphore.Weighted // of members and objects that are read whole
}

// place is a store of files.
type place interface {
	source
	fmt.Stringer
	// find sets the files of s that it has.
	find(ctx context.Context, s *search) error
	// check returns an error if the place is not there or holds nothing.
	check() error
	close()
}

// source is where the bytes of a file come from.
type source interface {
	// id is the file in the cache of features: the same for the same file in every
	// run.
	id(f *File) string
	// read reads the first len(buf) bytes of a file.
	read(ctx context.Context, f *File, buf []byte) (content, error)
	// reader returns a reader of the whole file, of which Close can fail, too.
	reader(ctx context.Context, f *File) (io.ReadCloser, error)
}

// content is what was read of a file: n bytes of its size.
type content struct {
	n       int
	size    int64
	version regular.Version
	packed  packed.Kind
}

// File is the file of a name.
type File struct {
	Name    string          // that was looked for
	Reason  string          // why there is no file to read, such as "is missing"; "" if there is one
	Version regular.Version // of the file when it was found

	in     source // nil if there is Reason
	path   string // in the source
	etag   string // of an object
	number int    // of a member
	size   int64  // in the source
}

// ID names the file in every run; with its version it stands for the bytes that
// are read.
func (f *File) ID() string { return f.in.id(f) }

// rawMark ends the names of files that are read as they are: a packed file has
// other bytes then.
func (p *Places) rawMark() string {
	if p.opt.Raw {
		return "\x00raw"
	}
	return ""
}

// Path returns the path of a file of the file system, or "" of another.
func (f *File) Path() string {
	if in, ok := f.in.(*folder); ok {
		return in.path(f.path)
	}
	return ""
}

// Open opens the places of samples. The caller closes them. An error says what is
// wrong with one of them.
func Open(ctx context.Context, places []string, opt Options) (*Places, error) {
	opt.Password = cmp.Or(opt.Password, DefaultPassword)
	if opt.Log == nil {
		opt.Log = func(string) {}
	}
	p := &Places{opt: opt, memory: semaphore.NewWeighted(mostWhole)}
	for _, name := range places {
		one, err := p.open(ctx, name)
		if err != nil {
			p.Close()
			return nil, err
		}
		p.all = append(p.all, one)
	}
	return p, nil
}

func (p *Places) open(ctx context.Context, name string) (place, error) {
	if scheme, _, ok := strings.Cut(name, "://"); ok {
		if scheme != "s3" {
			return nil, fmt.Errorf("%s is of another protocol than s3: give a folder, an archive or s3://bucket/prefix", text.Quote(name))
		}
		return openBucket(ctx, p, name)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return openFolder(p, name)
	case info.Mode().IsRegular():
		return openContainer(ctx, p, name)
	}
	return nil, fmt.Errorf("%s %s, neither a folder nor an archive", text.Quote(name), regular.Kind(info.Mode()))
}

// Close closes the places.
func (p *Places) Close() {
	p.pool.close()
	for _, one := range p.all {
		one.close()
	}
}

// hold waits until n bytes of memory are free for a file that is read whole, and
// returns what gives them back.
func (p *Places) hold(ctx context.Context, n int64) (release func(), err error) {
	if n > mostWhole {
		return nil, refusal(fmt.Sprintf("cannot be read to its end: it has %d bytes, and at most %d are held in memory", n, mostWhole))
	}
	if err := p.memory.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { p.memory.Release(n) }, nil
}

// inMemory reads a file that is held in memory.
type inMemory struct {
	*bytes.Reader
	release func()
}

func (m inMemory) Close() error {
	m.release()
	return nil
}

// readWhole reads a file of that size into memory by read.
func (p *Places) readWhole(ctx context.Context, size int64, read func(buf []byte) (int, error)) (io.ReadCloser, error) {
	release, err := p.hold(ctx, size)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, size)
	n, err := read(buf)
	if err != nil {
		release()
		return nil, err
	}
	return inMemory{bytes.NewReader(buf[:n]), release}, nil
}

// readers is the number of files that are opened or read at a time. They wait
// for disks and servers, not for processors.
const readers = 8

// Find returns the file of each name, and warnings, one line each. Nothing is
// read but folders. It fails where a place cannot be searched.
func (p *Places) Find(ctx context.Context, names []string) (found []File, warnings []string, err error) {
	s := &search{files: make([]File, len(names)), loose: p.opt.Loose, differing: map[string]string{}}
	for i, name := range names {
		s.files[i] = File{Name: name, Reason: string(missing)}
	}
	for _, one := range p.all {
		if s.done() {
			break
		}
		if err := one.find(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	if !s.loose {
		if err := p.suggest(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	if err := p.compare(ctx, s); err != nil {
		return nil, nil, err
	}
	outside := 0
	for i := range s.files {
		if s.files[i].Reason == string(leads) {
			outside++
		}
	}
	if outside > 0 {
		s.warnings = append(s.warnings, fmt.Sprintf("%d of %d names lead out of their place by a symbolic link: --allow-outside reads such files", outside, len(names)))
	}
	if n := len(s.differing); n > 0 {
		example := s.differing[slices.Min(slices.Collect(maps.Keys(s.differing)))]
		s.warnings = append(s.warnings, fmt.Sprintf("%d of %d names, hashes, have two files of different lengths, and the first is taken: such as %s", n, len(names), example))
	}
	return s.files, s.warnings, nil
}

// suggest says of names without a file which one would be theirs if backslashes
// and Unicode forms did not count.
func (p *Places) suggest(ctx context.Context, s *search) error {
	return s.each(ctx, func(i int) error {
		if s.files[i].Reason != string(missing) {
			return nil
		}
		for _, form := range forms(s.files[i].Name) {
			for _, one := range p.all {
				if f, ok := one.(*folder); ok {
					if _, err := f.stat(form); err == nil {
						s.files[i].Reason = fmt.Sprintf("is missing, but %s is there: set names: loose in corpus.yaml to take it", text.Quote(form))
						return nil
					}
				}
			}
		}
		return nil
	})
}

// compare counts the hashes of which a later folder has another file under the
// same name.
func (p *Places) compare(ctx context.Context, s *search) error {
	if len(p.all) < 2 {
		return nil
	}
	differing := make([]string, len(s.files)) // the other file
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range s.files {
		f := &s.files[i]
		if f.in == nil || Hash(f.Name) == "" || f.Path() == "" || gctx.Err() != nil {
			continue
		}
		g.Go(func() error {
			after := p.all[1+slices.IndexFunc(p.all, func(x place) bool { return source(x) == f.in }):]
			for _, one := range after {
				if other, ok := one.(*folder); ok {
					if info, err := other.stat(f.Name); err == nil && info.Mode().IsRegular() && info.Size() != f.size {
						differing[i] = other.path(f.Name)
						return nil
					}
				}
			}
			return nil
		})
	}
	if err := cmp.Or(g.Wait(), ctx.Err()); err != nil {
		return err
	}
	for i, other := range differing {
		if other != "" {
			s.differs(Hash(s.files[i].Name), text.Quote(s.files[i].Path())+" and "+text.Quote(other))
		}
	}
	return nil
}

// search is a search for the files of names.
type search struct {
	files    []File
	loose    bool
	warnings []string

	byName, byHash map[string][]int  // see index
	differing      map[string]string // the paths of two files of a hash with different lengths

	byPath map[int]uint32 // CRC-32 of the files that are members, by path, of archives of one folder
	twice  map[int]string // the archives that hold different members of a name
}

// differs notes two files of a hash that have different lengths.
func (s *search) differs(hash, pair string) {
	if s.differing[hash] == "" {
		s.differing[hash] = pair
	}
}

// lacks reports whether file i is not found yet.
func (s *search) lacks(i int) bool { return s.files[i].in == nil }

func (s *search) done() bool {
	return !slices.ContainsFunc(s.files, func(f File) bool { return f.in == nil })
}

// left returns the numbers of the files that are not found yet.
func (s *search) left() []int {
	var left []int
	for i := range s.files {
		if s.lacks(i) {
			left = append(left, i)
		}
	}
	return left
}

// each calls do with the number of each file that is not found yet, several at a
// time.
func (s *search) each(ctx context.Context, do func(i int) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, i := range s.left() {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(i) })
	}
	return cmp.Or(g.Wait(), ctx.Err())
}

// take sets file i to the file at a path of a folder, if it can be read. Else it
// keeps the reason, unless it has one that says more.
func (s *search) take(ctx context.Context, i int, in *folder, path string) error {
	f, err := in.look(path)
	if err == nil && !in.places.opt.Raw && isArchive(path) && Hash(path) != "" {
		f, err = in.single(ctx, f, Hash(path))
	}
	if err == nil {
		f.Name = s.files[i].Name
		s.files[i] = f
		return nil
	}
	var why refusal
	if err = in.places.tolerate(err, &s.files[i]); !errors.As(err, &why) {
		return err
	}
	s.explain(i, why)
	return nil
}

// explain says why file i cannot be read, unless that has been said.
func (s *search) explain(i int, why refusal) {
	if s.files[i].Reason == string(missing) {
		s.files[i].Reason = string(why)
	}
}

// index returns the numbers of the files by name and by hash.
func (s *search) index() (byName, byHash map[string][]int) {
	if s.byName == nil {
		s.byName, s.byHash = map[string][]int{}, map[string][]int{}
		for i := range s.files {
			name := path.Clean(s.files[i].Name)
			if s.loose {
				name = canonical(name)
			}
			s.byName[name] = append(s.byName[name], i)
			if hash := Hash(name); hash != "" {
				s.byHash[hash] = append(s.byHash[hash], i)
			}
		}
	}
	return s.byName, s.byHash
}

// inArchives looks for names in the archives of a folder.
func (s *search) inArchives(ctx context.Context, f *folder, archives []string) error {
	left := len(s.left())
	if left == 0 || len(archives) == 0 {
		return nil
	}
	f.places.opt.Log(fmt.Sprintf("%d of %d names are no files in %s: looking into its archives, %d", left, len(s.files), f.dir, len(archives)))
	unread, first := 0, error(nil)
	s.byPath, s.twice = map[int]uint32{}, map[int]string{}
	for _, at := range archives {
		if s.done() && len(s.byPath) == 0 { // a hash names one content, a path can name several
			break
		}
		err := f.places.tolerate((&container{folder: f, path: at}).find(ctx, s), &File{Name: at})
		if err != nil && !isRefusal(err) {
			return err
		}
		if err != nil {
			unread, first = unread+1, cmp.Or(first, err)
		}
	}
	if n := len(s.twice); n > 0 {
		i := slices.Min(slices.Collect(maps.Keys(s.twice)))
		s.warnings = append(s.warnings, fmt.Sprintf("%d of %d names have different members in two archives, and the first is taken: such as %s in %s", n, len(s.files), text.Quote(s.files[i].Name), s.twice[i]))
	}
	if unread > 0 {
		s.warnings = append(s.warnings, fmt.Sprintf("%d of %d archives in %s could not be searched; the first %v", unread, len(archives), f.dir, first))
	}
	return nil
}

// hashes returns the hashes that name files that are not found, sorted, and how
// many of these files have no such name.
func (s *search) hashes() (hashes []string, others int) {
	for _, i := range s.left() {
		if h := Hash(s.files[i].Name); h != "" {
			hashes = append(hashes, strings.Clone(h))
		} else {
			others++
		}
	}
	slices.Sort(hashes)
	return slices.Compact(hashes), others
}

// Form names the format of the archive that a file is a member of, "S3" for an
// object, or is "".
func (f *File) Form() string {
	switch in := f.in.(type) {
	case *container:
		return in.format
	case *bucket:
		return "S3"
	}
	return ""
}
