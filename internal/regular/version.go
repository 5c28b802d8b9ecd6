package regular

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Version identifies a file and the state of its content without reading it:
// device, inode, size, and the times of the last change to the content (mtime)
// and to the inode (ctime), in nanoseconds. While it is the same, so are the
// bytes: whatever writes to a file or sets its mtime back sets its ctime, which
// no program chooses. There are two exceptions: a store through a shared memory
// mapping, until the system writes the page back, and another image of a file
// system, changed elsewhere, in the place of the first.
//
// The zero Version is not known: it equals that of no file.
type Version [5]int64

// Known reports whether a change to the file would show in its Version.
func (v Version) Known() bool { return v != Version{} }

// Size is the length of the file in bytes.
func (v Version) Size() int64 { return v[2] }

// settled is how long an inode must have been left alone before its times are
// relied on. Two writes within the resolution of a file system's clock, which
// is two seconds at worst, have the same time.
const settled = 3 * time.Second

// keepCtime are the file systems that store the time of a change to the inode
// and let nobody set it.
var keepCtime = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true, unix.NFS_SUPER_MAGIC: true, 0x2fc12fc1: true, // ZFS
}

// FileSystem tells the versions of its files. That of the zero FileSystem, and
// of files of any other file system, is not known.
type FileSystem struct{ device uint64 }

// FileSystemOf returns the file system of a folder, or the zero FileSystem
// where times cannot be relied on.
func FileSystemOf(dir string) FileSystem {
	var fs unix.Statfs_t
	info, err := os.Stat(dir)
	if err != nil || unix.Statfs(dir, &fs) != nil || !keepCtime[int64(fs.Type)] {
		return FileSystem{}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return FileSystem{}
	}
	return FileSystem{uint64(st.Dev)}
}

// Version returns the version of a file that was opened after start. That of a
// file that changed in the seconds before start is not known.
func (fs FileSystem) Version(info os.FileInfo, start time.Time) Version {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || fs.device == 0 || uint64(st.Dev) != fs.device || start.Sub(time.Unix(st.Ctim.Unix())) < settled {
		return Version{}
	}
	return Version{int64(st.Dev), int64(st.Ino), st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

// VersionRead returns the version of the content that was read of a file: the
// file was opened after start, and described by before and after at the
// beginning and the end of reading. That of a file that changed in between is not known.
func (fs FileSystem) VersionRead(before, after os.FileInfo, start time.Time) Version {
	v := fs.Version(after, start)
	if v != fs.Version(before, start) {
		return Version{}
	}
	return v
}
