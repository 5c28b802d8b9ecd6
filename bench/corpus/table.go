package corpus

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"strings"
)

// palette is what the tables of a file are made from.
type palette struct {
	tables  drawer[table]
	strings drawer[string]
	keys    drawer[byte]
}

// table makes about n bytes of one kind of data.
type table func(r *rand.Rand, n int, p *palette) []byte

var plainTables = []table{
	func(_ *rand.Rand, n int, _ *palette) []byte { return make([]byte, n) },
	func(r *rand.Rand, n int, _ *palette) []byte { // small numbers
		return words(n, func() uint32 { return uint32(r.IntN(200)) })
	},
	func(r *rand.Rand, n int, _ *palette) []byte { // pointers
		at := uint32(imageBase + 0x8000 + r.IntN(1<<16))
		return words(n, func() uint32 { at += uint32(4 * (1 + r.IntN(16))); return at })
	},
	func(_ *rand.Rand, n int, p *palette) []byte { // UTF-16
		var b []byte
		for len(b) < n {
			b = append(b, utf16(p.strings.draw()+"\x00")...)
		}
		return b
	},
	func(r *rand.Rand, n int, _ *palette) []byte { // float64
		var b []byte
		for len(b) < n {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(r.IntN(1000))/8))
		}
		return b
	},
	func(r *rand.Rand, n int, _ *palette) []byte { return shades(r, n) },
	func(r *rand.Rand, n int, _ *palette) []byte {
		return []byte(base64.StdEncoding.EncodeToString(noise(r, n*3/4)))
	},
	func(r *rand.Rand, n int, _ *palette) []byte { // a checksum's table, from anywhere
		i := r.IntN(256)
		return words(n, func() uint32 { i++; return crc32.IEEETable[i%256] })
	},
}

var laterTables = []table{
	func(r *rand.Rand, n int, p *palette) []byte { // JSON
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(`{"` + word(r) + `":"` + p.strings.draw() + `","` + word(r) + `":[` + digits(r, 6) + `]},`)
		}
		return []byte(b.String())
	},
	func(r *rand.Rand, n int, _ *palette) []byte { // keys with their lengths
		var b []byte
		for len(b) < n {
			b = append(b, 32, 0, 0, 0, 1, 0, 0, 0)
			b = append(b, noise(r, 32)...)
		}
		return b
	},
	func(r *rand.Rand, n int, _ *palette) []byte { // float32
		return words(n, func() uint32 { return math.Float32bits(float32(r.IntN(1000)-500) / 1024) })
	},
}

// appendTables appends tables up to a length of n more bytes. Every third is
// hidden text, whatever the family.
func (p *palette) appendTables(b []byte, n int) []byte {
	r := p.tables.rng
	for end := len(b) + n; len(b) < end; {
		size := 200 + r.IntN(1800)
		if r.IntN(3) == 0 {
			b = append(b, p.hidden(size)...)
		} else {
			b = append(b, p.tables.draw()(r, size, p)...)
		}
		b = append(b, make([]byte, 16-len(b)%16)...)
	}
	return b
}

// hidden is n bytes or more of text, hidden by one byte.
func (p *palette) hidden(n int) []byte {
	key := p.keys.draw()
	var b []byte
	for len(b) < n {
		b = append(b, p.strings.draw()...)
		b = append(b, 0)
	}
	for i := range b {
		b[i] ^= key
	}
	return b
}

// words is n bytes of 32-bit numbers.
func words(n int, next func() uint32) []byte {
	b := make([]byte, 0, n+4)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint32(b, next())
	}
	return b
}

// noise is n bytes with nothing to learn from, as of packed or enciphered data.
func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// shades is n bytes that change slowly, as of a picture.
func shades(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	at := r.IntN(256)
	for i := range b {
		at += r.IntN(7) - 3
		b[i] = byte(at)
	}
	return b
}

// utf16 encodes ASCII.
func utf16(s string) []byte {
	b := make([]byte, 0, 2*len(s))
	for _, c := range []byte(s) {
		b = append(b, c, 0)
	}
	return b
}

// word is a name that can be spoken.
func word(r *rand.Rand) string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	var b []byte
	for range 2 + r.IntN(3) {
		b = append(b, consonants[r.IntN(len(consonants))], vowels[r.IntN(len(vowels))])
	}
	return string(b)
}

// digits is n digits with commas between.
func digits(r *rand.Rand, n int) string {
	var b []byte
	for range n {
		b = append(b, '0'+byte(r.IntN(10)), ',')
	}
	return string(b[:len(b)-1])
}
