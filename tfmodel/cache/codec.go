package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// sumSize is how much of the SHA-256 of an entry is kept.
const sumSize = 16

// codec writes a row as the value of its key: the digest of scope, key and
// data, then the data, float32 little endian, layer after layer.
type codec struct {
	scope  []byte
	widths []int
	size   int // of a value in bytes
}

// name is the scope as its bucket is named.
func (s Scope) name() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return b
}

func newCodec(s Scope) codec {
	c := codec{scope: s.name(), widths: slices.Clone(s.Widths), size: sumSize}
	for _, w := range s.Widths {
		c.size += 4 * w
	}
	return c
}

func (c codec) encode(rows [][]float32, row int, key Key) []byte {
	v := make([]byte, sumSize, c.size)
	for i, w := range c.widths {
		for _, x := range rows[i][row*w : (row+1)*w] {
			v = binary.LittleEndian.AppendUint32(v, math.Float32bits(x))
		}
	}
	c.sum(v[:sumSize], key, v[sumSize:])
	return v
}

// lookUp decodes the entry of key into a row of dst; without one it reports
// false. A nil bucket is an empty one.
func (c codec) lookUp(dst [][]float32, row int, key Key, b *bolt.Bucket) (bool, error) {
	if b == nil {
		return false, nil
	}
	v := b.Get(key[:])
	if v == nil {
		return false, nil
	}
	return true, c.decode(dst, row, key, v)
}

func (c codec) decode(dst [][]float32, row int, key Key, v []byte) error {
	if len(v) != c.size {
		return fmt.Errorf("%w: the entry of %x has %d bytes, want %d", errDamaged, key, len(v), c.size)
	}
	var sum [sumSize]byte
	c.sum(sum[:], key, v[sumSize:])
	if !bytes.Equal(sum[:], v[:sumSize]) {
		return fmt.Errorf("%w: the entry of %x does not match its digest", errDamaged, key)
	}
	v = v[sumSize:]
	for i, w := range c.widths {
		to := dst[i][row*w : (row+1)*w]
		for j := range to {
			to[j] = math.Float32frombits(binary.LittleEndian.Uint32(v[4*j:]))
		}
		v = v[4*w:]
	}
	return nil
}

func (c codec) sum(dst []byte, key Key, data []byte) {
	h := sha256.New()
	h.Write(c.scope)
	h.Write(key[:])
	h.Write(data)
	var sum [sha256.Size]byte
	copy(dst, h.Sum(sum[:0]))
}

// checkRows panics unless rows holds n rows of every layer.
func (c codec) checkRows(rows [][]float32, n int) {
	if len(rows) != len(c.widths) {
		panic(fmt.Sprintf("cache: %d layers, want %d", len(rows), len(c.widths)))
	}
	for i, w := range c.widths {
		if len(rows[i]) < n*w {
			panic(fmt.Sprintf("cache: layer %d has %d values, want %d rows of %d", i, len(rows[i]), n, w))
		}
	}
}
