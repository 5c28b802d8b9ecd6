package tfmodel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"driftbench/internal/regular"
)

// The files of the variables are a tensor bundle
// (tensorflow/core/util/tensor_bundle): variables.index is a table of LevelDB
// (doc/table_format.md) that maps the name of each tensor to a BundleEntryProto
// with its type, its shape and where its bytes lie in variables.data-….

// mostVariables bounds the bytes of a model: a MalConv has 4 MB.
const mostVariables = 2 << 30

// mostIndex bounds the bytes of variables.index: an entry takes 60.
const mostIndex = 64 << 20

// checkVariables compares what the index of the variables of the model in dir claims
// with the files that hold them. TensorFlow allocates what is claimed before it reads.
// A model without an index has no variables to check.
func checkVariables(dir string) error {
	path := filepath.Join(dir, "variables", "variables.index")
	b, err := regular.Read(path, mostIndex, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := tableEntries(b)
	if err != nil {
		return fmt.Errorf("%s is damaged: %w: convert the Keras file again", path, err)
	}
	var header corepb.BundleHeaderProto
	if err := proto.Unmarshal(entries[""], &header); err != nil || header.GetNumShards() < 1 || header.GetNumShards() > 1<<16 {
		return fmt.Errorf("%s is damaged: it does not say how many files hold the variables: convert the Keras file again", path)
	}
	delete(entries, "")
	left := map[int32]int64{} // bytes of each file of which no variable has been seen
	for i := range header.GetNumShards() {
		name := fmt.Sprintf("%s.data-%05d-of-%05d", strings.TrimSuffix(path, ".index"), i, header.GetNumShards())
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		left[i] = info.Size()
	}
	size := make(map[int32]int64, len(left))
	for shard, n := range left {
		size[shard] = n
	}
	for name, value := range entries {
		var e corepb.BundleEntryProto
		if err := proto.Unmarshal(value, &e); err != nil {
			return fmt.Errorf("%s is damaged: the entry of %q: convert the Keras file again", path, name)
		}
		claimed, known := tensorSize(&e)
		shard := e.GetShardId()
		if left[shard] -= e.GetSize(); e.GetOffset() < 0 || e.GetSize() < 0 || e.GetOffset() > size[shard]-e.GetSize() || known && claimed != e.GetSize() || left[shard] < 0 {
			return fmt.Errorf("%s claims %d bytes of %v in %d bytes of a file that holds %d for the variable %q: it is damaged, convert the Keras file again",
				path, claimed, sizes(e.GetShape()), e.GetSize(), size[shard], name)
		}
	}
	return nil
}

// tensorSize returns the bytes of a tensor by its type and shape, at most 2^62; it is
// not known of a type that no network computes with.
func tensorSize(e *corepb.BundleEntryProto) (n int64, known bool) {
	switch e.GetDtype() {
	case typespb.DataType_DT_BOOL, typespb.DataType_DT_INT8, typespb.DataType_DT_UINT8:
		n = 1
	case typespb.DataType_DT_HALF, typespb.DataType_DT_BFLOAT16, typespb.DataType_DT_INT16, typespb.DataType_DT_UINT16:
		n = 2
	case typespb.DataType_DT_FLOAT, typespb.DataType_DT_INT32, typespb.DataType_DT_UINT32:
		n = 4
	case typespb.DataType_DT_DOUBLE, typespb.DataType_DT_INT64, typespb.DataType_DT_UINT64:
		n = 8
	default:
		return 0, false
	}
	for _, d := range sizes(e.GetShape()) {
		if d == 0 {
			return 0, true
		}
		if d < 0 || n > 1<<62/d {
			return 1 << 62, true
		}
		n *= d
	}
	return n, true
}

var errTable = errors.New("it is no table of variables")

// tableEntries returns the entries of a table of LevelDB without compression.
func tableEntries(b []byte) (map[string][]byte, error) {
	const footer, tableMagic = 48, 0xdb4775248b80fb57
	if len(b) < footer || binary.LittleEndian.Uint64(b[len(b)-8:]) != tableMagic {
		return nil, errTable
	}
	handles := b[len(b)-footer:]
	_, rest, ok := blockAt(b, handles) // the index of further blocks, which a bundle has none of
	if !ok {
		return nil, errTable
	}
	index, _, ok := blockAt(b, rest)
	if !ok {
		return nil, errTable
	}
	entries := map[string][]byte{}
	read := 0 // bytes of blocks: several handles could name one block
	err := eachEntry(index, func(_, value []byte) error {
		block, _, ok := blockAt(b, value)
		if read += len(block); !ok || read > len(b) {
			return errTable
		}
		return eachEntry(block, func(key, value []byte) error {
			entries[string(key)] = value
			return nil
		})
	})
	return entries, err
}

// blockAt returns the content of the block that a handle names, and what lies behind
// the handle.
func blockAt(b, handle []byte) (block, rest []byte, ok bool) {
	const trailer = 5 // its compression, 0 for none, and a checksum
	offset, n := protowire.ConsumeVarint(handle)
	if n < 0 {
		return nil, nil, false
	}
	size, m := protowire.ConsumeVarint(handle[n:])
	if m < 0 || offset > uint64(len(b)) || size+trailer > uint64(len(b))-offset || size+trailer < size || b[offset+size] != 0 {
		return nil, nil, false
	}
	return b[offset : offset+size], handle[n+m:], true
}

// eachEntry calls f for each entry of a block. Keys share their beginnings.
func eachEntry(block []byte, f func(key, value []byte) error) error {
	if len(block) < 4 {
		return errTable
	}
	restarts := uint64(binary.LittleEndian.Uint32(block[len(block)-4:]))
	if restarts*4+4 > uint64(len(block)) {
		return errTable
	}
	block = block[:uint64(len(block))-4-4*restarts]
	const longest = 1 << 12 // bytes of a key, the name of a variable
	var key []byte
	for len(block) > 0 {
		var lengths [3]uint64 // of the key: shared with the one before, not shared; of the value
		for i := range lengths {
			n := 0
			if lengths[i], n = protowire.ConsumeVarint(block); n < 0 {
				return errTable
			}
			block = block[n:]
		}
		shared, added, value := lengths[0], lengths[1], lengths[2]
		if shared > uint64(len(key)) || added > longest || shared+added > longest || value > uint64(len(block)) || added > uint64(len(block))-value {
			return errTable
		}
		key = append(key[:shared], block[:added]...)
		if err := f(key, block[added:added+value]); err != nil {
			return err
		}
		block = block[added+value:]
	}
	return nil
}
