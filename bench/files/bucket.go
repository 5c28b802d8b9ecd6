package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"driftbench/bench/files/objects"
	"driftbench/internal/text"
)

// bucket is a place in an object store.
type bucket struct {
	places *Places
	store  *objects.Store
}

func openBucket(ctx context.Context, p *Places, url string) (*bucket, error) {
	store, err := objects.Open(ctx, url, objects.Options{})
	if err != nil {
		return nil, err
	}
	return &bucket{p, store}, nil
}

func (b *bucket) String() string { return b.store.String() }
func (b *bucket) close()         {}

func (b *bucket) id(f *File) string { return b.String() + f.path + b.places.rawMark() }

// requests is the number of objects that are asked for at a time: each waits for
// the network.
const requests = 64

func (f *File) isObject() bool {
	_, ok := f.in.(*bucket)
	return ok
}

// object returns an object as the file of a name.
func (b *bucket) object(name string, o objects.Object) File {
	f := File{Name: name, in: b, path: o.Key, etag: o.ETag, size: o.Size}
	if o.ETag != "" {
		f.Version = foldVersion([]byte(o.ETag), o.Size)
	}
	return f
}

// find sets the files of the names that are keys, or whose hashes are in the last
// part of a key. A store with far more objects than names is not listed to its
// end: its keys are asked for one by one, in the layouts of hashes that are known.
func (b *bucket) find(ctx context.Context, s *search) error {
	complete, err := b.list(ctx, s, 10_000+20*len(s.left()))
	if err != nil || complete {
		return err
	}
	return b.probe(ctx, s)
}

// list looks for names among the first most objects. complete reports whether
// these are all that there are.
func (b *bucket) list(ctx context.Context, s *search, most int) (complete bool, err error) {
	byName, byHash := s.index()
	type match struct {
		objects.Object
		rank int // 0 is the key itself, others are by the depth of the key
	}
	taken := map[int]match{}
	n := 0
	for o, err := range b.store.List(ctx) {
		if errors.Is(err, objects.ErrDenied) {
			return false, nil // reading may be allowed
		}
		if err != nil {
			return false, b.failed(err)
		}
		if n++; n > most {
			return false, nil
		}
		key := o.Key
		if s.loose {
			key = canonical(key)
		}
		for _, i := range byName[key] {
			taken[i] = match{o, 0}
		}
		hash := Hash(key)
		if hash == "" {
			continue
		}
		rank := 1 + strings.Count(key, "/")
		for _, i := range byHash[hash] {
			other, ok := taken[i]
			if ok && other.Size != o.Size {
				s.differs(hash, fmt.Sprintf("%s and %s in %s", text.Quote(other.Key), text.Quote(o.Key), b))
			}
			if !ok || rank < other.rank {
				taken[i] = match{o, rank}
			}
		}
	}
	for i, m := range taken {
		if s.lacks(i) {
			b.take(s, i, m.Object)
		}
	}
	return true, nil
}

// take sets file i to an object, if that can be read.
func (b *bucket) take(s *search, i int, o objects.Object) {
	switch {
	case o.Size == 0:
		s.explain(i, empty)
	case isArchive(o.Key) && Hash(o.Key) != "" && !b.places.opt.Raw:
		s.explain(i, refusal(fmt.Sprintf("is an archive in %s: archives are read from file systems alone", b)))
	default:
		s.files[i] = b.object(s.files[i].Name, o)
	}
}

// layouts returns the keys under which stores that are ordered by hash have one.
func layouts(hash string) []string {
	return []string{
		hash, path.Join(hash[:2], hash), path.Join(hash[:2], hash[2:4], hash),
		path.Join(hash[:1], hash[1:2], hash[2:3], hash[3:4], hash), strings.ToUpper(hash),
	}
}

// probe asks for the keys of names one by one. The layouts that the first hashes
// are found in are tried first.
func (b *bucket) probe(ctx context.Context, s *search) error {
	open := s.left()
	b.places.opt.Log(fmt.Sprintf("asking %s for %d names one by one", b, len(open)))
	order := make([]int, len(layouts(strings.Repeat("0", 64))))
	for k := range order {
		order[k] = k
	}
	hits := make([]atomic.Int64, len(order))
	first := min(len(open), requests)
	for _, part := range [][]int{open[:first], open[first:]} {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(requests)
		for _, i := range part {
			if gctx.Err() != nil {
				break
			}
			g.Go(func() error { return b.ask(gctx, s, i, order, hits) })
		}
		if err := cmp.Or(g.Wait(), ctx.Err()); err != nil {
			return err
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(hits[b].Load() - hits[a].Load()) })
	}
	return nil
}

// ask asks for the key of one name, and then for its hash in each layout.
func (b *bucket) ask(ctx context.Context, s *search, i int, order []int, hits []atomic.Int64) error {
	name := s.files[i].Name
	keys, numbers := []string{name}, []int{-1}
	if s.loose {
		for _, form := range forms(name) {
			keys, numbers = append(keys, form), append(numbers, -1)
		}
	}
	if hash := Hash(name); hash != "" {
		all := layouts(hash)
		if isBareHash(name) { // one of the layouts
			keys, numbers = nil, nil
		}
		for _, k := range order {
			keys, numbers = append(keys, all[k]), append(numbers, k)
		}
	}
	for j, key := range keys {
		o, err := b.store.Stat(ctx, key)
		switch {
		case err == nil:
			if numbers[j] >= 0 {
				hits[numbers[j]].Add(1)
			}
			b.take(s, i, o)
			return nil
		case errors.Is(err, objects.ErrDenied):
			s.explain(i, refusal("is missing, or may not be read: "+text.Line(err.Error(), ' ')))
		case !errors.Is(err, objects.ErrNotFound):
			if err := b.failed(err); !isRefusal(err) {
				return err
			}
			s.explain(i, refusal("cannot be read: "+text.Line(err.Error(), ' ')))
		}
	}
	return nil
}

// failed turns the error of one object into a refusal. Others stay errors.
func (b *bucket) failed(err error) error {
	switch {
	case errors.Is(err, objects.ErrNotFound):
		return missing
	case errors.Is(err, objects.ErrChanged):
		return changed
	case objects.OfObject(err):
		return refusal("cannot be read: " + text.Line(err.Error(), ' '))
	}
	return fmt.Errorf("files: %w", err)
}

func (b *bucket) read(ctx context.Context, f *File, buf []byte) (content, error) {
	n, size, err := b.store.Read(ctx, f.path, f.etag, buf)
	if err != nil {
		return content{}, b.failed(err)
	}
	if n == 0 {
		return content{}, empty
	}
	c := content{n: n, size: size}
	if size == f.size {
		c.version = f.Version
	}
	return c, nil
}

func (b *bucket) reader(ctx context.Context, f *File) (io.ReadCloser, error) {
	return b.places.readWhole(ctx, f.size, func(buf []byte) (int, error) {
		got, err := b.read(ctx, f, buf)
		return got.n, err
	})
}
