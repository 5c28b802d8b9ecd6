package traits

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// image is a PE file of one section that begins at its offset 0x200.
type image struct {
	machine uint16
	stamp   uint32
	wide    bool     // PE32+
	debug   []uint32 // types of the debug directory's entries
	lfanew  uint32   // 0 is 0x80
}

func (m image) bytes() []byte {
	b := make([]byte, 0x400)
	le := binary.LittleEndian
	lfanew := max(m.lfanew, 0x80)
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], lfanew)
	if int(lfanew) >= len(b) {
		return b
	}
	pe := b[lfanew:]
	copy(pe, "PE\x00\x00")
	le.PutUint16(pe[4:], m.machine)
	le.PutUint16(pe[6:], 1)
	le.PutUint32(pe[8:], m.stamp)
	directories := 24 + 96
	le.PutUint16(pe[24:], 0x10b)
	if m.wide {
		directories += 16
		le.PutUint16(pe[24:], 0x20b)
	}
	le.PutUint16(pe[20:], uint16(directories-24+16*8))
	le.PutUint32(pe[directories-4:], 16)
	section := pe[directories+16*8:]
	le.PutUint32(section[12:], 0x1000) // RVA
	le.PutUint32(section[16:], 0x200)
	le.PutUint32(section[20:], 0x200)
	if len(m.debug) > 0 {
		le.PutUint32(pe[directories+6*8:], 0x1040)
		le.PutUint32(pe[directories+6*8+4:], uint32(28*len(m.debug)))
		for i, kind := range m.debug {
			le.PutUint32(b[0x240+28*i+12:], kind)
		}
	}
	return b
}

func packed(t *testing.T, packer func(w io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	z := packer(&b)
	if _, err := z.Write(noise(1, 5000)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func TestKind(t *testing.T) {
	program := string(image{machine: 0x14c}.bytes())
	ustar := make([]byte, 512)
	copy(ustar, "file.exe")
	copy(ustar[257:], "ustar")
	for _, tc := range []struct {
		head string
		want Kind
	}{
		{program, PE},
		{string(image{}.bytes()), Disarmed},
		{string(image{machine: 1, lfanew: 0x100}.bytes()), PE},
		{string(image{machine: 1, lfanew: 0x100}.bytes()[:0x110]), MZ}, // the header is cut
		{string(image{machine: 1, lfanew: 0xfffffff0}.bytes()), MZ},
		{"MZ" + string(noise(1, 300)), MZ},
		{"MZ is how a program of DOS begins, after Mark Zbikowski, its author at the time\n", MZ},
		{"MZ\n", Text},
		{"\x7fELF\x02\x01\x01", ELF},
		{"\xcf\xfa\xed\xfe\x07\x00\x00\x01", MachO},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x02", MachO},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x34", Other}, // a Java class
		{"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", Pointer},
		{"\n <!DOCTYPE HTML PUBLIC><html>function() {}", HTML},
		{"\xef\xbb\xbf<html>", HTML},
		{"#!/bin/sh\nexit\n", Script},
		{"Set s = CreateObject(\"WScript.Shell\")\n", Script},
		{"\xff\xfee\x00v\x00a\x00l\x00(\x00x\x00)\x00", Script},
		{"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", Text},
		{"404: Not Found\n" + strings.Repeat("\x00", 5000), Text},
		{"x^2 + y^2 = z^2, which zlib's header could begin with", Text},
		{"не найдено", Text}, {strings.Repeat("я", 5000), Text}, {"!" + strings.Repeat("я", 5000), Text},
		{"trouv\xe9 nulle part, in Latin-1", Text},
		{"", Zeros}, {"\x00", Zeros}, {strings.Repeat("\x00", 1000), Zeros},
		{strings.Repeat("\x00", 1000) + "\x01", Other},
		{"\x01", Other}, {"a", Text}, {"\xff\xfe", Text}, {"\xff", Other},
		{string(noise(1, 1000)), Other},
		{packed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }), Gzip},
		{packed(t, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }), Zlib},
		{"BZh91AY&SY\x00", Bzip2}, {"BZhang, a name\n", Text},
		{"\xfd7zXZ\x00", XZ}, {"\x28\xb5\x2f\xfd\x04", Zstd}, {"7z\xbc\xaf\x27\x1c\x00", SevenZip},
		{"Rar!\x1a\x07\x01\x00", RAR}, {string(ustar), Tar}, {"CART\x01\x00\x00", CaRT},
		{"PK\x03\x04\x14\x00\x00\x00\x08\x00", Zip}, {"PK\x03\x04\x14\x00\x09\x00\x63\x00", EncryptedZip},
	} {
		got := Of([]byte(tc.head), 0).Kind
		if got != tc.want {
			t.Errorf("%.40q is %s, want %s", tc.head, got, tc.want)
		}
		if got.Program() && got.StandIn() {
			t.Errorf("%s is both a program and a stand-in", got)
		}
	}
	if !PE.Program() || PE.StandIn() || Gzip.Program() || !Gzip.StandIn() || Zip.Program() || Zip.StandIn() || Other.Program() || Other.StandIn() || Kind("").StandIn() {
		t.Error("kinds are of the wrong sort")
	}
}

func TestLinked(t *testing.T) {
	const stamp = 1500000000
	for name, tc := range map[string]struct {
		head []byte
		want uint32
	}{
		"a time":                {image{machine: 0x14c, stamp: stamp}.bytes(), stamp},
		"disarmed":              {image{stamp: stamp}.bytes(), stamp},
		"zero":                  {image{machine: 0x14c}.bytes(), 0},
		"all ones":              {image{machine: 0x14c, stamp: 0xffffffff}.bytes(), 0},
		"in the future":         {image{machine: 0x14c, stamp: 0xfffffffe}.bytes(), 0xfffffffe},
		"Delphi":                {image{machine: 0x14c, stamp: 0x2a425e19}.bytes(), 0},
		"other debug entries":   {image{machine: 0x14c, stamp: stamp, debug: []uint32{2, 12}}.bytes(), stamp},
		"reproducible":          {image{machine: 0x14c, stamp: stamp, debug: []uint32{2, 16}}.bytes(), 0},
		"reproducible, 64 bits": {image{machine: 0x8664, stamp: stamp, wide: true, debug: []uint32{16}}.bytes(), 0},
		"cut before the entry":  {image{machine: 0x14c, stamp: stamp, debug: []uint32{16}}.bytes()[:0x240], stamp},
		"ELF":                   {[]byte("\x7fELF" + strings.Repeat("\x05", 100)), 0},
	} {
		if got := Of(tc.head, 0).Linked; got != tc.want {
			t.Errorf("%s: linked %d, want %d", name, got, tc.want)
		}
	}
}

// Sketches are stored between runs, so the hash may never change.
func TestSketch(t *testing.T) {
	file := noise(1, 3000)
	want := Sketch{1217653, 6695571, 7055205, 8952036, 11102712, 11443329}
	if got := Of(file, 500).Sketch; !slices.Equal(got, want) {
		t.Errorf("sketch %v, want %v", got, want)
	}
	padded := slices.Concat(make([]byte, 1000), file, bytes.Repeat([]byte{0xcc}, 1000), file)
	if got := Of(padded, 500).Sketch; !slices.Equal(got, want) {
		t.Errorf("windows that repeat one byte, or others, make the sketch %v", got)
	}
	if s := Of(noise(2, 100000), 500).Sketch; len(s) != SketchSize || !slices.IsSorted(s) || s[SketchSize-1] >= 1<<24 {
		t.Errorf("sketch %v of 200 windows", s)
	}
	// The definition, by all hashes.
	long := noise(3, 50000)
	var all []uint32
	for w := range slices.Chunk(long, 500) {
		all = append(all, Of(w, 500).Sketch...)
	}
	slices.Sort(all)
	if got := Of(long, 0).Sketch; !slices.Equal(got, all[:SketchSize]) {
		t.Errorf("sketch %v, want %v", got, all[:SketchSize])
	}
}

// nearCopies is the definition of NearCopy.
func nearCopies(a, b Sketch) bool {
	shared := 0
	for _, v := range a {
		if slices.Contains(b, v) {
			shared++
		}
	}
	least := min(len(a), len(b))
	return least >= 4 && 2*shared >= least
}

func TestNearCopy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	draw := func() Sketch {
		s := Sketch{}
		for range rng.IntN(SketchSize + 1) {
			s = append(s, rng.Uint32N(60))
		}
		slices.Sort(s)
		return slices.Compact(s)
	}
	var files []Sketch
	for range 12 {
		files = append(files, draw())
	}
	x, counts := NewIndex(files), map[bool]int{}
	for range 500 {
		s := draw()
		near, known := x.NearCopy(s)
		want := slices.ContainsFunc(files, func(f Sketch) bool { return nearCopies(s, f) })
		if near != want || known != (len(s) >= 4) {
			t.Errorf("%v is near: %v, known: %v; want near: %v", s, near, known, want)
		}
		counts[near]++
	}
	if counts[true] < 20 || counts[false] < 20 {
		t.Errorf("near and not: %v", counts)
	}

	original := noise(1, 100000)
	changed := slices.Clone(original)
	for i := 0; i < 20; i++ {
		changed[i*5000] ^= 1 // one window of ten
	}
	x = NewIndex([]Sketch{Of(noise(2, 100000), 0).Sketch, Of(original, 0).Sketch})
	for name, tc := range map[string]struct {
		file        []byte
		near, known bool
	}{
		"copy":    {original, true, true},
		"changed": {changed, true, true},
		"another": {noise(3, 100000), false, true},
		"short":   {original[:1500], false, false},
	} {
		if near, known := x.NearCopy(Of(tc.file, 0).Sketch); near != tc.near || known != tc.known {
			t.Errorf("%s: near %v, known %v", name, near, known)
		}
	}
}

// Whatever the bytes, traits are the same each time and survive being stored.
func FuzzTraits(f *testing.F) {
	for _, m := range []image{{}, {machine: 0x14c, stamp: 1e9, debug: []uint32{2, 16}}, {machine: 0x8664, wide: true, debug: []uint32{16}}} {
		f.Add(m.bytes(), uint16(0))
	}
	for _, s := range []string{"", "x\x9c", "\x1f\x8b\x08", "MZ", "PK\x03\x04", "\xca\xfe\xba\xbe", "#!/bin/sh", "\xff\xfe", "<html>"} {
		f.Add([]byte(s), uint16(3))
	}
	f.Fuzz(func(t *testing.T, head []byte, window uint16) {
		got := Of(head[:len(head):len(head)], int(window))
		if again := Of(slices.Clone(head), int(window)); !reflect.DeepEqual(got, again) {
			t.Fatalf("%+v, then %+v", got, again)
		}
		values := make([]float32, Width)
		got.Encode(values)
		if back := Decode(values); back.Kind != got.Kind || back.Linked != got.Linked || !slices.Equal(back.Sketch, got.Sketch) {
			t.Fatalf("%+v is stored as %+v", got, back)
		}
		if !slices.Contains(kinds, got.Kind) || got.Linked != 0 && got.Kind != PE && got.Kind != Disarmed {
			t.Fatalf("%+v", got)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	head := noise(1, 200000)
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		Of(head, 500)
	}
}

// Only what Encode sets is valid.
func TestValid(t *testing.T) {
	values := make([]float32, Width)
	for _, tr := range []Traits{
		{Kind: PE, Linked: 1<<32 - 1, Sketch: Sketch{0, 1, 1<<24 - 1}},
		Of([]byte("MZ"), 0), {Kind: kinds[len(kinds)-1]},
	} {
		tr.Encode(values)
		if !Valid(values) {
			t.Errorf("%+v is not valid", tr)
		}
	}
	Traits{Kind: PE, Linked: 7, Sketch: Sketch{5, 9}}.Encode(values)
	for _, wrong := range []struct {
		at int
		v  float32
	}{
		{0, -1}, {0, float32(len(kinds))}, {0, 0.5}, {0, float32(math.NaN())}, {1, 1 << 16}, {2, -1}, {3, 9}, {3, -1}, {4, 5.5},
		{5, 9}, {5, -2}, {5, 1 << 24}, {7, 20}, {18, float32(math.Inf(1))},
	} {
		changed := slices.Clone(values)
		if changed[wrong.at] = wrong.v; Valid(changed) {
			t.Errorf("valid with %v at %d", wrong.v, wrong.at)
		}
	}
	if Valid(values[1:]) || Valid(nil) {
		t.Error("other lengths are valid")
	}
}
