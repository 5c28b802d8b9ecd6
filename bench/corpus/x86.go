package corpus

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// operand is a part of an instruction that differs from use to use.
type operand uint8

const (
	none    operand = iota
	byte8           // a small constant
	short           // a distance within a function, one byte
	near            // a distance between functions, four bytes
	small           // a small constant of four bytes
	address         // of data
	slot            // address of an imported function's entry
)

// instruction is an encoded instruction up to its operand.
type instruction struct {
	code    []byte
	operand operand
}

// idiom is a run of instructions that compilers and authors write again and
// again, with registers and local variables fixed.
type idiom []instruction

// form makes an instruction with registers of its choosing.
type form func(r *rand.Rand) instruction

// registers leaves out esp, number 4, whose encoding means something else.
var registers = [...]byte{0, 1, 2, 3, 5, 6, 7}

func reg(r *rand.Rand) byte { return registers[r.IntN(len(registers))] }

// pair is the ModRM byte of two registers.
func pair(r *rand.Rand) byte { return 0xc0 | reg(r)<<3 | reg(r) }

// local is ModRM and displacement of a register and a variable of the function.
func local(r *rand.Rand) (modrm, disp byte) { return 0x45 | reg(r)<<3, byte(-4 * (1 + r.IntN(24))) }

// one returns one of the opcodes at random.
func one(r *rand.Rand, opcodes ...byte) byte { return opcodes[r.IntN(len(opcodes))] }

// plainForms are the instructions that most 32-bit code is made of.
var plainForms = []form{
	func(r *rand.Rand) instruction { return instruction{[]byte{0x8b, pair(r)}, none} }, // mov r, r
	func(r *rand.Rand) instruction { // mov r, [ebp-n]; mov [ebp-n], r; lea r, [ebp-n]
		m, d := local(r)
		return instruction{[]byte{one(r, 0x8b, 0x8b, 0x89, 0x8d), m, d}, none}
	},
	func(r *rand.Rand) instruction { return instruction{[]byte{0xb8 + reg(r)}, small} },                 // mov r, n
	func(r *rand.Rand) instruction { return instruction{[]byte{0x8b, 0x05 | reg(r)<<3}, address} },      // mov r, [data]
	func(r *rand.Rand) instruction { return instruction{[]byte{0x50 + reg(r)}, none} },                  // push r
	func(r *rand.Rand) instruction { return instruction{[]byte{0x58 + reg(r)}, none} },                  // pop r
	func(r *rand.Rand) instruction { return instruction{[]byte{0x6a}, byte8} },                          // push n
	func(r *rand.Rand) instruction { return instruction{[]byte{0x68}, address} },                        // push data
	func(r *rand.Rand) instruction { return instruction{[]byte{0xe8}, near} },                           // call f
	func(r *rand.Rand) instruction { return instruction{[]byte{0xff, 0x15}, slot} },                     // call [import]
	func(r *rand.Rand) instruction { return instruction{[]byte{0x70 + byte(r.IntN(16))}, short} },       // jcc
	func(r *rand.Rand) instruction { return instruction{[]byte{0xeb}, short} },                          // jmp
	func(r *rand.Rand) instruction { return instruction{[]byte{0x40 + reg(r)}, none} },                  // inc r
	func(r *rand.Rand) instruction { return instruction{[]byte{0x83, 0xc0 | reg(r)}, byte8} },           // add r, n
	func(r *rand.Rand) instruction { return instruction{[]byte{0x83, 0xf8 | reg(r)}, byte8} },           // cmp r, n
	func(r *rand.Rand) instruction { return instruction{[]byte{0xc1, 0xe0 | reg(r)}, byte8} },           // shl r, n
	func(r *rand.Rand) instruction { return instruction{[]byte{0x0f, 0xb6, reg(r)<<3 | 6}, none} },      // movzx r, [esi]
	func(r *rand.Rand) instruction { return instruction{[]byte{0x8d, 0x04, 0x80 | reg(r)}, none} },      // lea eax, [r+eax*4]
	func(r *rand.Rand) instruction { return instruction{[]byte{0xf3, one(r, 0xa4, 0xa5, 0xab)}, none} }, // rep movs, stos
	func(r *rand.Rand) instruction { // add, sub, xor, and, or, cmp, test r, r
		return instruction{[]byte{one(r, 0x01, 0x29, 0x31, 0x21, 0x09, 0x39, 0x85), pair(r)}, none}
	},
}

// laterForms are what newer compilers and hand-written loops use more of.
var laterForms = []form{
	func(r *rand.Rand) instruction { // movups, movaps, xorps, addps, mulps
		return instruction{[]byte{0x0f, one(r, 0x10, 0x11, 0x28, 0x57, 0x58, 0x59), pair(r)}, none}
	},
	func(r *rand.Rand) instruction { // movsd, addsd, mulsd
		return instruction{[]byte{0xf2, 0x0f, one(r, 0x10, 0x58, 0x59), pair(r)}, none}
	},
	func(r *rand.Rand) instruction { // movdqa, pxor, paddd, pshufb's kin
		return instruction{[]byte{0x66, 0x0f, one(r, 0x6f, 0xef, 0xfe, 0xd4), pair(r)}, none}
	},
	func(r *rand.Rand) instruction {
		return instruction{[]byte{0x0f, 0x40 | byte(r.IntN(16)), pair(r)}, none}
	}, // cmovcc
	func(r *rand.Rand) instruction { return instruction{[]byte{0x0f, 0x90 | byte(r.IntN(16)), 0xc0}, none} }, // setcc al
	func(r *rand.Rand) instruction { return instruction{[]byte{0x0f, 0xc8 + reg(r)}, none} },                 // bswap r
	func(r *rand.Rand) instruction { return instruction{[]byte{0xc1, one(r, 0xc0, 0xc8) | reg(r)}, byte8} },  // rol, ror
	func(r *rand.Rand) instruction { return instruction{[]byte{one(r, 0x11, 0x19, 0x87), pair(r)}, none} },   // adc, sbb, xchg
	func(r *rand.Rand) instruction { return instruction{[]byte{0x0f, 0xaf, pair(r)}, none} },                 // imul r, r
	func(r *rand.Rand) instruction { return instruction{[]byte{0xf7, 0xd0 | reg(r)}, none} },                 // not r
}

// newIdiom puts three to eight instructions of those forms together.
func newIdiom(r *rand.Rand, forms []form) idiom {
	id := make(idiom, 3+r.IntN(6))
	for i := range id {
		id[i] = forms[r.IntN(len(forms))](r)
	}
	return id
}

// window is the stride of MalConv's convolution. Objects are whole windows
// long, so that an object is seen alike wherever it is linked: a real corpus
// has the files to learn every offset from, a small one has not.
const window = 500

// newObject makes a function of a library, one to three windows long. It is
// the same in every file but for the addresses that the linker fills in.
func newObject(r *rand.Rand, idioms []idiom) idiom {
	size := window * (1 + r.IntN(3))
	o := idiom{{code: []byte{0x55, 0x8b, 0xec}}} // push ebp; mov ebp, esp
	left := size - o.length()
	for left > 0 {
		for _, in := range idioms[r.IntN(len(idioms))] {
			in = in.fixed(r)
			if in.length() > left-2 {
				in = instruction{code: append(slices.Repeat([]byte{0x90}, left-2), 0xc9, 0xc3)} // nop; leave; ret
			}
			o = append(o, in)
			if left -= in.length(); left == 0 {
				break
			}
		}
	}
	return o
}

// fixed is the instruction with its operand filled in, unless it is for the
// linker to fill in.
func (in instruction) fixed(r *rand.Rand) instruction {
	if in.operand == address || in.operand == slot {
		return in
	}
	a := assembler{rng: r}
	a.write(idiom{in})
	return instruction{code: a.code}
}

// length is how many bytes the instruction takes.
func (in instruction) length() int {
	switch in.operand {
	case none:
		return len(in.code)
	case byte8, short:
		return len(in.code) + 1
	}
	return len(in.code) + 4
}

// length is how many bytes the idiom takes.
func (id idiom) length() int {
	n := 0
	for _, in := range id {
		n += in.length()
	}
	return n
}

// assembler writes code that refers to data and imports.
type assembler struct {
	rng        *rand.Rand
	code       []byte
	data       uint32 // RVA of the data that addresses point into
	dataLength int
	slots      []uint32 // RVAs of the import address table
}

// function writes a function of n idioms, each the next() one.
func (a *assembler) function(n int, next func() idiom) {
	a.code = append(a.code, 0x55, 0x8b, 0xec, 0x83, 0xec, byte(4*(1+a.rng.IntN(24)))) // push ebp; mov ebp, esp; sub esp, n
	for range n {
		a.write(next())
	}
	a.code = append(a.code, 0xc9, 0xc3) // leave; ret
	for len(a.code)%16 != 0 {
		a.code = append(a.code, 0xcc) // int3 up to the next function
	}
}

func (a *assembler) write(id idiom) {
	for _, in := range id {
		a.code = append(a.code, in.code...)
		a.operand(in.operand)
	}
}

func (a *assembler) operand(kind operand) {
	word := func(v uint32) { a.code = binary.LittleEndian.AppendUint32(a.code, v) }
	switch kind {
	case byte8:
		a.code = append(a.code, byte(a.rng.IntN(1<<(1+a.rng.IntN(7)))))
	case short:
		a.code = append(a.code, byte(a.rng.IntN(96)-32))
	case near:
		word(uint32(a.rng.IntN(1<<14) - 1<<13))
	case small:
		word(uint32(a.rng.IntN(1 << (1 + a.rng.IntN(12)))))
	case address:
		word(imageBase + a.data + uint32(4*a.rng.IntN(a.dataLength/4)))
	case slot:
		word(imageBase + a.slots[a.rng.IntN(len(a.slots))])
	}
}
