package archive

import (
	"context"
	"io"
)

// isTar reports whether a file begins with the header of a tar member.
func isTar(head []byte) bool { return false }

func (a *Archive) openTar(ctx context.Context, kind Kind, r io.ReaderAt, size int64) error {
	return &Error{Kind: ErrUnsupported, Detail: "tar"}
}

func (a *Archive) open7z(ctx context.Context, r io.ReaderAt, size int64) error {
	return &Error{Kind: ErrUnsupported, Detail: "7z"}
}
