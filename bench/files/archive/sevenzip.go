package archive

import (
	"context"
	"io"
)

func (a *Archive) open7z(ctx context.Context, r io.ReaderAt, size int64) error {
	return &Error{Kind: ErrUnsupported, Detail: "7z"}
}
