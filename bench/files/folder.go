package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"driftbench/internal/regular"
	"driftbench/internal/text"
)

// folder is a place on a file system.
type folder struct {
	places     *Places
	dir        string
	real       string   // dir without symbolic links
	inner      *os.Root // nil when names may lead out of dir
	fileSystem regular.FileSystem
}

func openFolder(p *Places, dir string) (*folder, error) {
	f := &folder{places: p, dir: dir, fileSystem: regular.FileSystemOf(dir)}
	var err error
	if f.real, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	if p.opt.AllowOutside {
		return f, nil
	}
	if f.inner, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *folder) close() {
	if f.inner != nil {
		f.inner.Close()
	}
}

func (f *folder) String() string { return f.dir }

// path returns the path of the file of that name.
func (f *folder) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir, name)
}

// inside returns another name, without symbolic links, of a file that os.Root
// takes for one outside: a link inside may be absolute, or lead out and in again.
func (f *folder) inside(name string) (string, bool) {
	real, err := filepath.EvalSymlinks(f.path(name))
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(f.real, real)
	return rel, err == nil && filepath.IsLocal(rel)
}

// within calls do with the name, and again with that of [folder.inside] where
// the name seems to lead out.
func (f *folder) within(name string, do func(name string) error) error {
	err := do(name)
	if escapes(err) {
		if name, ok := f.inside(name); ok {
			return do(name)
		}
	}
	return err
}

// open opens the regular file of that name, or returns a refusal.
func (f *folder) open(name string) (file *os.File, info os.FileInfo, err error) {
	for range 2 {
		if f.inner == nil {
			file, info, err = regular.Open(f.path(name))
		} else {
			err = f.within(name, func(name string) (err error) {
				file, info, err = regular.OpenIn(f.inner, name)
				return err
			})
		}
		if !errors.Is(err, syscall.ESTALE) { // a handle that the server has forgotten; another may serve
			break
		}
	}
	if err != nil {
		err = refuse(err, f.path(name))
		if err == missing && f.isLink(name) {
			err = dangling
		} else if err == leads && !filepath.IsLocal(name) {
			err = outside
		}
		return nil, nil, err
	}
	if info.Size() == 0 {
		file.Close()
		return nil, nil, empty
	}
	return file, info, nil
}

func (f *folder) isLink(name string) bool {
	info, err := f.lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

func (f *folder) lstat(name string) (os.FileInfo, error) {
	if f.inner == nil {
		return os.Lstat(f.path(name))
	}
	return f.inner.Lstat(name)
}

func (f *folder) stat(name string) (info os.FileInfo, err error) {
	if f.inner == nil {
		return os.Stat(f.path(name))
	}
	err = f.within(name, func(name string) error {
		info, err = f.inner.Stat(name)
		return err
	})
	return info, err
}

// look opens the file of that name without reading it, and returns it.
func (f *folder) look(name string) (File, error) {
	now := time.Now()
	file, info, err := f.open(name)
	if err != nil {
		return File{}, err
	}
	defer file.Close()
	return File{in: f, path: name, Version: f.fileSystem.Version(info, now), size: info.Size()}, nil
}

func (f *folder) id(file *File) string { return f.path(file.path) + f.places.rawMark() }

// find sets the files of those names that lie in f under the name itself, then
// those of hashes, then those in archives.
func (f *folder) find(ctx context.Context, s *search) error {
	skip, err := f.notFlat(ctx, s)
	if err != nil {
		return err
	}
	err = s.each(ctx, func(i int) error {
		if skip && isBareHash(s.files[i].Name) {
			return nil
		}
		return s.take(ctx, i, f, s.files[i].Name)
	})
	if err != nil {
		return err
	}
	if s.loose {
		err := s.each(ctx, func(i int) error {
			for _, form := range forms(s.files[i].Name) {
				if err := s.take(ctx, i, f, form); err != nil || !s.lacks(i) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if s.done() {
		return nil
	}
	hashes, others := s.hashes()
	l := &listing{folder: f, hashes: hashes, all: others, seen: map[[2]uint64]bool{}}
	if err := l.walk(ctx); err != nil {
		return err
	}
	for hash, pair := range l.differing {
		s.differs(hash, pair)
	}
	if l.unlisted > 0 {
		hint := ""
		if strings.HasSuffix(l.first, string(leads)) {
			hint = ": --allow-outside follows it"
		}
		s.warnings = append(s.warnings, fmt.Sprintf("%d folders in %s cannot be listed; the first: %s%s", l.unlisted, f.dir, l.first, hint))
	}
	err = s.each(ctx, func(i int) error {
		c := l.candidates[Hash(s.files[i].Name)]
		if c.file != "" {
			if err := s.take(ctx, i, f, c.file); err != nil || !s.lacks(i) {
				return err
			}
		}
		if c.archive != "" {
			return s.take(ctx, i, f, c.archive)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.inArchives(ctx, f, l.archives); err != nil {
		return err
	}
	if l.foreign != "" && !s.done() {
		s.warnings = append(s.warnings, fmt.Sprintf("%s in %s is an archive of a format that is not read: pack what is in such archives again as zip or 7z", text.Quote(l.foreign), f.dir))
	}
	return nil
}

// notFlat reports whether most of the first names that are hashes are no files
// that lie in f itself. To list the folders then takes less than to try all names,
// and finds files that do lie there first.
func (f *folder) notFlat(ctx context.Context, s *search) (bool, error) {
	const some = 256
	tried, there := 0, 0
	for i := range s.files {
		if name := s.files[i].Name; s.lacks(i) && isBareHash(name) {
			if tried++; tried > some {
				break
			}
			if info, err := f.lstat(name); err == nil && !info.IsDir() {
				there++
			}
		}
	}
	return tried > some && 2*there < tried, ctx.Err()
}

// isBareHash reports whether a name is a hash alone.
func isBareHash(name string) bool { return len(name) > 0 && len(Hash(name)) == len(name) }

// listing is what a folder holds of the hashes that are looked for. It lists each
// folder within once, at first those that hashes lead to, such as ab/cd/ for abcd…
type listing struct {
	folder *folder
	hashes []string // sorted
	all    int      // names that are no hashes, and may be members of any archive

	mu         sync.Mutex // of what follows
	candidates map[string]candidate
	archives   []string // that no hash names
	foreign    string   // an archive of a format that is not read
	seen       map[[2]uint64]bool
	differing  map[string]string // the paths of two files of a hash with different lengths
	unlisted   int               // folders that cannot be listed
	first      string            // one of them, and why
}

// candidate is where the file of a hash lies: the first in the order of depth,
// then of path. "" is nowhere.
type candidate struct{ file, archive string }

// branch is a folder to list: its path, and the digits of a hash that it stands
// for, if it is one of a store that is ordered by hash.
type branch struct{ path, digits string }

// walk lists the folders that hashes lead to, and all others only if some name
// has no file yet.
func (l *listing) walk(ctx context.Context) error {
	l.candidates, l.differing = map[string]candidate{}, map[string]string{}
	level := []branch{{path: "."}}
	var aside []branch
	for _, all := range []bool{false, true} {
		for len(level) > 0 && !(l.all == 0 && len(l.candidates) == len(l.hashes)) {
			next, off, err := l.list(ctx, level, all)
			if err != nil {
				return err
			}
			level, aside = next, append(aside, off...)
		}
		level, aside = aside, nil
	}
	slices.Sort(l.archives)
	return nil
}

// shards is the least number of folders side by side that are named by as many
// digits of a hash each, some by letters, for them to be taken as a store that is
// ordered by hash: a file is in none of them but its own.
const shards = 8

// ordered returns which lengths of names are those of folders of a store that is
// ordered by hash. Four digits may be a year.
func ordered(branches []branch) (lengths [4]bool) {
	var folders [4]int
	var letters [4]bool
	for _, b := range branches {
		if name := path.Base(b.path); len(name) < len(folders) {
			folders[len(name)]++
			letters[len(name)] = letters[len(name)] || strings.ContainsAny(name, "abcdefABCDEF")
		}
	}
	for n := range lengths {
		lengths[n] = letters[n] && folders[n] >= shards
	}
	return lengths
}

// list lists folders of one depth. next are the folders in them to list, aside
// those that no hash leads to, unless all are listed.
func (l *listing) list(ctx context.Context, level []branch, all bool) (next, aside []branch, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	here := map[string]candidate{} // of this level
	for _, b := range level {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			dir, err := l.open(b.path)
			if dir == nil || err != nil {
				return err
			}
			defer dir.Close()
			var lead, pruned, others []branch
			for err == nil {
				var entries []os.DirEntry
				entries, err = dir.ReadDir(1024)
				for _, e := range entries {
					at := path.Join(b.path, e.Name())
					digits := b.digits + strings.ToLower(e.Name())
					switch {
					case !l.isFolder(at, e):
						l.add(here, at)
					case len(e.Name()) > 4 || !isHex(digits):
						others = append(others, branch{path: at})
					case l.wants(digits):
						lead = append(lead, branch{at, digits})
					default:
						pruned = append(pruned, branch{path: at})
					}
				}
				if gctx.Err() != nil {
					return gctx.Err()
				}
			}
			if err != io.EOF {
				if err := l.refuse(err, b.path); err != nil {
					return err
				}
			}
			store := ordered(slices.Concat(lead, pruned))
			for _, b := range pruned {
				if name := path.Base(b.path); len(name) >= len(store) || !store[len(name)] {
					others = append(others, b)
				}
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			next = append(next, lead...)
			if all {
				next = append(next, others...)
			} else {
				aside = append(aside, others...)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	for hash, c := range here {
		known := l.candidates[hash]
		l.candidates[hash] = candidate{cmp.Or(known.file, c.file), cmp.Or(known.archive, c.archive)}
	}
	return next, aside, ctx.Err()
}

// open opens a folder to list it, or returns nil where it has been listed or
// cannot be.
func (l *listing) open(name string) (dir *os.File, err error) {
	f := l.folder
	if f.inner == nil {
		dir, err = os.Open(f.path(name))
	} else {
		err = f.within(name, func(name string) (err error) {
			dir, err = f.inner.Open(name)
			return err
		})
	}
	if err != nil {
		return nil, l.refuse(err, name)
	}
	info, err := dir.Stat()
	if err != nil || !info.IsDir() {
		dir.Close()
		return nil, nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		if id := [2]uint64{uint64(st.Dev), st.Ino}; l.seen[id] { // links make loops
			dir.Close()
			return nil, nil
		} else {
			l.seen[id] = true
		}
	}
	return dir, nil
}

// refuse notes a folder that cannot be listed. An error that is not the folder's is
// returned.
func (l *listing) refuse(err error, name string) error {
	why := refuse(err, l.folder.path(name))
	if why == failed || !isRefusal(why) {
		return fmt.Errorf("files: listing %s: %w", text.Quote(l.folder.path(name)), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if said := text.Quote(name) + " " + why.Error(); l.unlisted == 0 || said < l.first {
		l.first = said
	}
	l.unlisted++
	return nil
}

func (l *listing) isFolder(at string, e os.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	if isArchive(at) || Hash(at) != "" { // most links of a store are to files
		return false
	}
	info, err := l.folder.stat(at)
	if escapes(err) {
		l.refuse(err, at)
	}
	return err == nil && info.IsDir()
}

// wants reports whether a hash that is looked for begins with those digits.
func (l *listing) wants(digits string) bool {
	i, _ := slices.BinarySearch(l.hashes, digits)
	return i < len(l.hashes) && strings.HasPrefix(l.hashes[i], digits)
}

// add takes a file into the candidates of this level.
func (l *listing) add(here map[string]candidate, at string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	hash, archive := Hash(at), isArchive(at)
	if hash == "" {
		if archive {
			l.archives = append(l.archives, at)
		} else if isForeignArchive(at) && (l.foreign == "" || at < l.foreign) {
			l.foreign = at
		}
		return
	}
	if _, ok := slices.BinarySearch(l.hashes, hash); !ok {
		return
	}
	c, known := here[hash], l.candidates[hash]
	to, other := &c.file, known.file
	if archive {
		to, other = &c.archive, known.archive
	}
	if *to != "" {
		other = *to
	}
	if *to == "" || at < *to {
		*to = at
	}
	here[hash] = c
	if other != "" && l.differ(other, at) {
		pair := text.Quote(min(other, at)) + " and " + text.Quote(max(other, at))
		if known, ok := l.differing[hash]; !ok || pair < known {
			l.differing[hash] = pair
		}
	}
}

// differ reports whether two files are of different lengths.
func (l *listing) differ(a, b string) bool {
	x, err := l.folder.stat(a)
	if err != nil {
		return false
	}
	y, err := l.folder.stat(b)
	return err == nil && x.Size() != y.Size()
}

// read reads the first bytes of a file, or all of a shorter one.
func (f *folder) read(_ context.Context, file *File, buf []byte) (content, error) {
	c, err := f.readOnce(file, buf)
	if errors.Is(err, syscall.ESTALE) {
		c, err = f.readOnce(file, buf)
	}
	return c, err
}

func (f *folder) readOnce(file *File, buf []byte) (content, error) {
	start := time.Now() // the file may change at any time from here on
	in, before, err := f.open(file.path)
	if err != nil {
		return content{}, err
	}
	defer in.Close()
	n, after, err := readUnchanged(buf, in, before)
	if err != nil {
		return content{}, err
	}
	return content{n: n, size: after.Size(), version: f.fileSystem.VersionRead(before, after, start)}, nil
}

// readUnchanged reads the first bytes of a file, and refuses one that has
// changed since before was taken: its bytes may be of two versions.
func readUnchanged(buf []byte, f *os.File, before os.FileInfo) (n int, after os.FileInfo, err error) {
	n, err = io.ReadFull(f, buf)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return 0, nil, refuse(err, f.Name())
	}
	if after, err = f.Stat(); err != nil {
		return 0, nil, refuse(err, f.Name())
	}
	if int64(n) != min(after.Size(), int64(len(buf))) || !unchanged(before, after) {
		return 0, nil, changed
	}
	return n, after, nil
}

func unchanged(before, after os.FileInfo) bool {
	return after.Size() == before.Size() && after.ModTime().Equal(before.ModTime())
}

// reader returns a reader of a whole file. Its Close returns an error if the file
// has changed since.
func (f *folder) reader(_ context.Context, file *File) (io.ReadCloser, error) {
	in, before, err := f.open(file.path)
	if err != nil {
		return nil, err
	}
	return &unchangedFile{io.LimitReader(in, before.Size()), in, before}, nil
}

type unchangedFile struct {
	io.Reader
	file   *os.File
	before os.FileInfo
}

func (f *unchangedFile) Close() error {
	defer f.file.Close()
	after, err := f.file.Stat()
	if err == nil && !unchanged(f.before, after) {
		err = changed
	}
	return err
}
