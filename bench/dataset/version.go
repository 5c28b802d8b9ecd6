package dataset

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Version is what the file system says of a file's content without reading it:
// device, inode, size, and the times of the last change to the content (mtime)
// and to the inode (ctime), in nanoseconds. While it is the same, so are the
// bytes: whatever writes to a file or sets its mtime back sets its ctime, which
// no program chooses. Two things pass it by: a store through a shared memory
// mapping, until the system writes the page back, and another image of a file
// system, changed elsewhere, in the place of the first.
//
// The zero Version tells nothing.
type Version [5]int64

// Size is the length of the file in bytes.
func (v Version) Size() int64 { return v[2] }

// still is how long an inode must have been left alone before its times are
// relied on. Two writes within the resolution of a file system's clock, which
// is two seconds at worst, have the same time.
const still = 3 * time.Second

// keepCtime are the file systems that store the time of a change to the inode
// and let nobody set it.
var keepCtime = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true, unix.NFS_SUPER_MAGIC: true, 0x2fc12fc1: true, // ZFS
}

// versionedDevice is the device of a folder whose files have versions, or 0.
func versionedDevice(dir string) uint64 {
	var fs unix.Statfs_t
	info, err := os.Stat(dir)
	if err != nil || unix.Statfs(dir, &fs) != nil || !keepCtime[int64(fs.Type)] {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(st.Dev)
}

// version is what a file was that was opened after now. What has changed just
// before has the zero Version, and so have files of other file systems.
func (r *root) version(info os.FileInfo, now time.Time) Version {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || r.device == 0 || uint64(st.Dev) != r.device || now.Sub(time.Unix(st.Ctim.Unix())) < still {
		return Version{}
	}
	return Version{int64(st.Dev), int64(st.Ino), st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

// steady is the version of a file that was opened after now, was as before
// says, and was read until it was as after says.
func (r *root) steady(before, after os.FileInfo, now time.Time) Version {
	v := r.version(after, now)
	if v != r.version(before, now) {
		return Version{}
	}
	return v
}

// Path is where the file of a row lies.
func (c *Config) Path(row Row) string {
	return (&root{dir: c.RootPath()}).path(row.Path)
}

// Absolute is the configuration with the folders that it names made absolute.
func (c Config) Absolute() (Config, error) {
	var err error
	c.Dir, err = filepath.Abs(c.Dir)
	return c, err
}
