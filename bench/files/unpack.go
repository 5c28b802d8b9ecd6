package files

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"driftbench/bench/files/packed"
	"driftbench/internal/text"
)

// detectLen is how many bytes tell how a file is packed.
const detectLen = 4096

// mostUnpacked is how far a packed file is unpacked to learn its length: further
// than samples are long, and as much as takes seconds.
const mostUnpacked = 1 << 30

// read reads the first bytes of a file, and unpacks them if they are packed.
func (p *Places) read(ctx context.Context, f *File, buf []byte) (content, error) {
	c, err := p.readHead(ctx, f, buf)
	return c, p.tolerate(err, f)
}

func (p *Places) readHead(ctx context.Context, f *File, buf []byte) (content, error) {
	if f.in == nil {
		return content{}, refusal(f.Reason)
	}
	if in, ok := f.in.(*container); ok && in.sequential && !p.opt.Raw {
		return p.readInOrder(ctx, f, buf)
	}
	head := buf
	if len(buf) < detectLen {
		head = make([]byte, detectLen)
	}
	c, err := f.in.read(ctx, f, head)
	if err != nil {
		return c, err
	}
	kind := packed.None
	if !p.opt.Raw {
		kind = packed.Detect(head[:min(c.n, detectLen)])
	}
	if len(buf) < detectLen {
		c.n = copy(buf, head[:c.n])
	}
	if kind == packed.None {
		return c, nil
	}
	if own, err := isOwn(ctx, kind, f); own || err != nil {
		return c, err
	}
	r, err := f.in.reader(ctx, f)
	if err != nil {
		return content{}, err
	}
	c.packed = kind
	if c.n, c.size, err = unpack(ctx, kind, f, r, buf); err == nil {
		err = r.Close()
	} else {
		r.Close()
	}
	return c, err
}

// readInOrder is read for a member of an archive that is one stream: to come back
// to a member is to unpack all before it again. So that the first bytes serve to
// unpack a packed member, too, a little more is read than its content can need.
func (p *Places) readInOrder(ctx context.Context, f *File, buf []byte) (content, error) {
	const more = 64 << 10 // for headers, and for what does not compress
	scratch, ok := p.scratch.Get().(*[]byte)
	if !ok || len(*scratch) < len(buf)+more {
		b := make([]byte, len(buf)+more)
		scratch = &b
	}
	defer p.scratch.Put(scratch)
	raw := *scratch
	c, err := f.in.read(ctx, f, raw)
	if err != nil {
		return c, err
	}
	all := int64(c.n) == c.size
	kind := packed.Detect(raw[:min(c.n, detectLen)])
	if own, err := isOwn(ctx, kind, f); err != nil {
		return c, err
	} else if own {
		kind = packed.None
	}
	if kind == packed.None {
		c.n = copy(buf, raw[:c.n])
		return c, nil
	}
	c.packed = kind
	c.n, c.size, err = unpack(ctx, kind, f, bytes.NewReader(raw[:c.n]), buf)
	if _, short := errors.AsType[refusal](err); short && !all {
		r, err := f.in.reader(ctx, f)
		if err != nil {
			return content{}, err
		}
		defer r.Close()
		c.n, c.size, err = unpack(ctx, kind, f, r, buf)
		return c, err
	}
	return c, err
}

// isOwn reports whether a packed file is the sample itself: a gzip whose digest is
// the hash that names it.
func isOwn(ctx context.Context, kind packed.Kind, f *File) (bool, error) {
	if hash := Hash(f.Name); kind == packed.Gzip && hash != "" {
		return hasDigest(ctx, f, hash)
	}
	return false, nil
}

// unpack unpacks the first len(buf) bytes of a packed file, which r reads, and
// learns its length.
func unpack(ctx context.Context, kind packed.Kind, f *File, r io.Reader, buf []byte) (n int, size int64, err error) {
	z := packed.NewReader(kind, untilDone{ctx, r})
	n, err = io.ReadFull(z, buf)
	size = int64(n)
	if err == nil {
		var rest int64
		if rest, err = io.Copy(io.Discard, io.LimitReader(z, mostUnpacked)); rest == mostUnpacked {
			return 0, 0, refusal(fmt.Sprintf("unpacks to more than %d bytes", mostUnpacked))
		}
		size += rest
	}
	switch {
	case ctx.Err() != nil:
		return 0, 0, ctx.Err()
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
		return 0, 0, refuseUnpacking(err, f)
	case n == 0:
		return 0, 0, empty
	}
	return n, size, nil
}

// refuseUnpacking is the function refuse for a packed file.
func refuseUnpacking(err error, f *File) error {
	if _, ok := errors.AsType[*packed.Error](err); ok {
		return refusal("cannot be unpacked: " + text.Line(err.Error(), ' '))
	}
	return refuse(err, f.Name)
}

// digest returns the SHA-256 of a whole file, unpacked.
func (p *Places) digest(ctx context.Context, f *File) (sum [sha256.Size]byte, err error) {
	if f.in == nil {
		return sum, refusal(f.Reason)
	}
	kind := packed.None
	raw, err := f.in.reader(ctx, f)
	if err != nil {
		return sum, err
	}
	defer func() {
		if closing := raw.Close(); err == nil {
			err = closing
		}
	}()
	in := bufio.NewReaderSize(untilDone{ctx, raw}, 1<<16)
	if !p.opt.Raw {
		head, err := in.Peek(detectLen)
		if err != nil && err != io.EOF {
			return sum, refuse(err, f.Name)
		}
		kind = packed.Detect(head)
		if own, err := isOwn(ctx, kind, f); err != nil {
			return sum, err
		} else if own {
			kind = packed.None
		}
	}
	h := sha256.New()
	if kind == packed.None {
		_, err = io.Copy(h, in)
	} else {
		_, err = io.Copy(h, io.LimitReader(packed.NewReader(kind, in), mostUnpacked))
	}
	switch {
	case ctx.Err() != nil:
		return sum, ctx.Err()
	case err != nil:
		return sum, refuseUnpacking(err, f)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// hasDigest reports whether the bytes of a file, as they are, have that hash.
func hasDigest(ctx context.Context, f *File, hash string) (bool, error) {
	r, err := f.in.reader(ctx, f)
	if err != nil {
		return false, err
	}
	defer r.Close()
	h := digestOf(hash)()
	if _, err := io.Copy(h, untilDone{ctx, r}); err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, refuse(err, f.Name)
	}
	return hex.EncodeToString(h.Sum(nil)) == hash, nil
}

// untilDone is a reader that ends with the error of a context.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
