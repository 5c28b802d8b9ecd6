package dataset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Version is what the file system says of a file's content without reading it:
// device, inode, size, and the times of the last change to the content (mtime)
// and to the inode (ctime), in nanoseconds. While it is the same, so are the
// bytes: whatever writes to a file or sets its mtime back sets its ctime, which
// no program chooses. The zero Version tells nothing.
type Version [5]int64

// Size is the length of the file in bytes.
func (v Version) Size() int64 { return v[2] }

// still is how long an inode must have been left alone before its times are
// relied on. Two writes within the resolution of a file system's clock, which
// is two seconds at worst, have the same time.
const still = 3 * time.Second

// version is the zero Version for what has changed just now.
func version(info os.FileInfo, now time.Time) Version {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || now.Sub(time.Unix(st.Ctim.Unix())) < still {
		return Version{}
	}
	return Version{int64(st.Dev), int64(st.Ino), st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

// Paths are the absolute paths of the files of rows.
func (c *Config) Paths(rows []Row) ([]string, error) {
	dir, err := filepath.Abs(c.RootPath())
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	paths := make([]string, len(rows))
	for i, row := range rows {
		paths[i] = (&root{dir: dir}).path(row.Name)
	}
	return paths, nil
}

// Versions looks at the files of rows without opening them. A file that a
// Reader would drop, or that has changed just now, has the zero Version.
func (c *Config) Versions(ctx context.Context, rows []Row) ([]Version, error) {
	root, err := c.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.close()
	versions, now := make([]Version, len(rows)), time.Now()
	looking, ctx := errgroup.WithContext(ctx)
	const part = 64
	looking.SetLimit(8) // waits for disks and servers, not for processors
	for first := 0; first < len(rows); first += part {
		looking.Go(func() error {
			for i := first; i < min(first+part, len(rows)); i++ {
				if info, err := root.stat(rows[i].Name); err == nil && readable(info) == nil {
					versions[i] = version(info, now)
				}
			}
			return ctx.Err()
		})
	}
	return versions, looking.Wait()
}
