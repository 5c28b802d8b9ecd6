package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// Version is what a file system says of a file's content without reading it:
// device, inode, size, and the times of the last change to the content and to
// the inode. The zero Version is of no use to tell a change by.
type Version [5]int64

// File is the file that bytes were read from. A file whose version is the same
// is not read again to know its key.
type File struct {
	Path    string // absolute
	Head    int    // most bytes that are read of it
	Version Version
}

// filesName names the bucket in which the keys of files are kept: the SHA-256
// of head and path, to version and key. It lies beside the scopes' bucket, as
// the key of a file is the same for every model of its length.
var filesName = []byte("driftbench files 1")

const fileSize = 8*len(Version{}) + len(Key{})

// Recall sets the rows of dst whose files are as they were when [Cache.Run]
// was last given them, and whose outputs are stored. It returns the keys of the
// files and the numbers of the other rows, ascending, whose keys and values
// are undefined.
func (c *Cache) Recall(dst [][]float32, files []File) (keys []Key, missing []int) {
	keys = make([]Key, len(files))
	if c != nil {
		c.codec.checkRows(dst, len(files))
	}
	ok := c.read(func(root *bolt.Bucket) (err error) {
		missing = missing[:0]
		known, scope := root.Tx().Bucket(filesName), root.Bucket(c.codec.scope)
		for row, f := range files {
			found := known != nil && scope != nil && recallKey(&keys[row], known, f)
			if found {
				if found, err = c.codec.lookUp(dst, row, keys[row], scope); err != nil {
					return err
				}
			}
			if !found {
				missing = append(missing, row)
			}
		}
		return nil
	})
	if !ok {
		missing = all(len(files))
	}
	return keys, missing
}

func recallKey(dst *Key, known *bolt.Bucket, f File) bool {
	v := known.Get(f.name())
	if !f.tellsChanges() || len(v) != fileSize || !bytes.Equal(v[:len(v)-len(dst)], f.Version.encode()) {
		return false
	}
	*dst = Key(v[len(v)-len(dst):])
	return true
}

// remember stores the keys of files whose version can be relied on.
func remember(root *bolt.Bucket, files []File, keys []Key) error {
	known, err := root.Tx().CreateBucketIfNotExists(filesName)
	for i := 0; i < len(files) && err == nil; i++ {
		if files[i].tellsChanges() {
			err = known.Put(files[i].name(), append(files[i].Version.encode(), keys[i][:]...))
		}
	}
	return err
}

func (f File) tellsChanges() bool { return f.Version != (Version{}) }

func (f File) name() []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(f.Head))
	sum := sha256.Sum256(append(b, f.Path...))
	return sum[:]
}

func (v Version) encode() []byte {
	b := make([]byte, 0, fileSize)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return b
}

// all returns the numbers below n.
func all(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}
