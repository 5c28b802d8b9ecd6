package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"driftbench/internal/fuzzing"
)

// sevenOf makes a 7z of packed streams and a header, with the right CRCs.
func sevenOf(packed, header []byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, sevenStart)
	copy(b, "7z\xbc\xaf\x27\x1c\x00\x04")
	le.PutUint64(b[12:], uint64(len(packed)))
	le.PutUint64(b[20:], uint64(len(header)))
	le.PutUint32(b[28:], crc32.ChecksumIEEE(header))
	le.PutUint32(b[8:], crc32.ChecksumIEEE(b[12:]))
	return append(append(b, packed...), header...)
}

// sevenHeader is a header of one folder in parts that a test replaces.
type sevenHeader struct {
	packInfo, coders, sizes, parts, files string
}

func num(n uint64) string { return "\xff" + string(binary.LittleEndian.AppendUint64(nil, n)) }

func utf16le(names ...string) string {
	var b []byte
	for _, name := range names {
		for _, c := range append(utf16.Encode([]rune(name)), 0) {
			b = binary.LittleEndian.AppendUint16(b, c)
		}
	}
	return string(b)
}

// sevenStored is the header of two members of 5 bytes each, "MZ 00" and "MZ 11".
func sevenStored() sevenHeader {
	crc := func(s string) string {
		return string(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s))))
	}
	names := utf16le("a", "b")
	return sevenHeader{
		packInfo: "\x06" + num(0) + "\x01\x09" + num(10) + "\x00",
		coders:   "\x01\x01\x00",
		sizes:    num(10),
		parts:    "\x08\x0d\x02\x09\x05\x0a\x01" + crc("MZ 00") + crc("MZ 11") + "\x00",
		files:    "\x02\x11" + num(uint64(len(names)+1)) + "\x00" + names + "\x00",
	}
}

func (h sevenHeader) bytes() []byte {
	return []byte("\x01\x04" + h.packInfo + "\x07\x0b\x01\x00" + h.coders + "\x0c" + h.sizes + "\x00" + h.parts + "\x00\x05" + h.files + "\x00")
}

func TestSevenHostile(t *testing.T) {
	const packed = "MZ 00MZ 11"
	huge := num(1 << 40)
	for _, c := range []struct {
		name   string
		change func(h *sevenHeader)
		kind   error // of Open, or of Read of the first member
		want   string
	}{
		{"nothing", func(h *sevenHeader) {}, nil, ""},
		{"packed streams", func(h *sevenHeader) { h.packInfo = "\x06" + num(0) + huge + "\x09" }, ErrFormat, "declares 1099511627776 packed streams"},
		{"packed outside", func(h *sevenHeader) { h.packInfo = "\x06" + num(1) + "\x01\x09" + num(10) + "\x00" }, ErrFormat, "outside"},
		{"packed far outside", func(h *sevenHeader) { h.packInfo = "\x06" + num(1<<62) + "\x01\x09" + num(1<<63) + "\x00" }, ErrFormat, "too long"},
		{"no packed stream", func(h *sevenHeader) { h.packInfo = "" }, ErrFormat, "fewer packed streams"},
		{"coders", func(h *sevenHeader) { h.coders = huge }, ErrFormat, "coders"},
		{"inputs", func(h *sevenHeader) { h.coders = "\x01\x11\x00" + huge + "\x01" }, ErrFormat, "inputs"},
		{"properties", func(h *sevenHeader) { h.coders = "\x01\x21\x21" + huge }, ErrFormat, "properties"},
		{"unknown coder", func(h *sevenHeader) { h.coders = "\x01\x01\x7f" }, ErrUnsupported, "method 7f"},
		{"Zstandard", func(h *sevenHeader) { h.coders = "\x01\x04\x04\xf7\x11\x01" }, ErrUnsupported, "method 04f71101"},
		{"Delta of 256", func(h *sevenHeader) { h.coders = "\x01\x21\x03\x01\xff" }, ErrUnsupported, "Delta"},
		{"PPMd of 4 GB", func(h *sevenHeader) { h.coders = "\x01\x23\x03\x04\x01\x05\x06\xff\xff\xff\xff" }, ErrUnsupported, "MiB of memory"},
		{"LZMA2 of 4 GB", func(h *sevenHeader) {
			h.coders, h.sizes = "\x01\x21\x21\x01\x28", num(1<<40)
		}, ErrUnsupported, "MiB of memory"},
		{"LZMA2 of 4 GB for 10 bytes", func(h *sevenHeader) { h.coders = "\x01\x21\x21\x01\x28" }, ErrFormat, ""},
		{"bond to itself", func(h *sevenHeader) { h.coders = "\x02\x01\x00\x01\x00\x00\x00"; h.sizes += num(10) }, ErrFormat, ""},
		{"sizes", func(h *sevenHeader) { h.parts = "\x08\x0d\x02\x09\x0b\x00" }, ErrFormat, "sizes of its members"},
		{"parts", func(h *sevenHeader) { h.parts = "\x08\x0d" + huge + "\x00" }, ErrTooMany, "at most"},
		{"CRC", func(h *sevenHeader) { h.parts = "\x08\x0d\x02\x09\x05\x0a\x01abcdabcd\x00" }, ErrFormat, "CRC"},
		{"another boundary", func(h *sevenHeader) { h.parts = strings.Replace(h.parts, "\x09\x05", "\x09\x04", 1) }, ErrFormat, "CRC"},
		{"size", func(h *sevenHeader) { h.sizes = num(1 << 63) }, ErrFormat, "declares"},
		{"longer than packed", func(h *sevenHeader) { h.sizes, h.parts = num(20), "\x08\x0d\x02\x09"+num(15)+"\x00" }, ErrFormat, ""},
		{"files", func(h *sevenHeader) { h.files = huge }, ErrTooMany, "declares 1099511627776"},
		{"more files", func(h *sevenHeader) { h.files = "\x03\x11\x0d\x00" + utf16le("a", "b", "c") + "\x00" }, ErrFormat, "more members than streams"},
		{"fewer files", func(h *sevenHeader) { h.files = "\x01\x11\x05\x00" + utf16le("a") + "\x00" }, ErrFormat, "fewer members"},
		{"names", func(h *sevenHeader) { h.files = "\x02\x11\x05\x00" + utf16le("a") + "\x00" }, ErrFormat, "fewer names"},
		{"no names", func(h *sevenHeader) { h.files = "\x02\x00" }, ErrFormat, "fewer names"},
		{"property outside", func(h *sevenHeader) { h.files = "\x02\x11" + huge }, ErrFormat, "too early"},
		{"directory", func(h *sevenHeader) {
			h.files = strings.TrimSuffix(h.files, "\x00") + "\x15\x0a\x01\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00"
		}, ErrUnsupported, "is a directory"},
		{"Unix link", func(h *sevenHeader) {
			h.files = strings.TrimSuffix(h.files, "\x00") + "\x15\x0a\x01\x00\x00\x80\xff\xa1\x00\x00\x00\x00\x00"
		}, ErrUnsupported, "is a link"},
	} {
		h := sevenStored()
		c.change(&h)
		data := sevenOf([]byte(packed), h.bytes())
		var n int
		var err error
		buf := make([]byte, 100)
		allocated := fuzzing.Allocated(func() {
			var a *Archive
			if a, err = openBytes(t, data, Options{}); err == nil {
				n, _, err = a.Read(t.Context(), 0, buf)
				a.Close()
			}
		})
		if c.kind == nil {
			if err != nil || string(buf[:n]) != "MZ 00" {
				t.Errorf("%s: %q, %v", c.name, buf[:n], err)
			}
			continue
		}
		if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.want) || !fuzzing.IsLine(fmt.Sprint(err)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if allocated > 4<<20 {
			t.Errorf("%s: %d bytes allocated", c.name, allocated)
		}
	}
}

func TestSevenRefused(t *testing.T) {
	h := sevenStored()
	good := sevenOf([]byte("MZ 00MZ 11"), h.bytes())
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"start header cut", good[:20], "too early"},
		{"truncated", good[:len(good)-1], "end of the 7z is missing"},
		{"start header", set(good, 12, 1), "CRC of its start header"},
		{"header", set(good, len(good)-1, 1), "CRC of its header"},
		{"kind of header", sevenOf(nil, []byte{7}), "unknown kind 7"},
		{"nothing in the header", sevenOf(nil, []byte{1}), "too early"},
	} {
		_, err := openBytes(t, c.data, Options{})
		if !errors.Is(err, ErrFormat) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if a, err := openBytes(t, sevenOf(nil, nil), Options{}); err != nil || len(a.Members()) != 0 {
		t.Errorf("an archive of nothing: %v", err)
	}
	if _, err := openBytes(t, good, Options{MaxMembers: 1}); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
}

// Heads of an encrypted 7z are as sure to be right as whole members.
func TestSevenWrongPassword(t *testing.T) {
	for _, name := range []string{"py7zr-encrypted.7z", "7z-each-encrypted.7z"} {
		for _, password := range []string{"", "Infected", "another"} {
			a := openTest(t, name, Options{Password: password})
			for i, m := range a.Members() {
				if m.Size == 0 {
					continue
				}
				if _, _, err := a.Read(t.Context(), i, make([]byte, 2)); !errors.Is(err, ErrPassword) || !fuzzing.IsLine(err.Error()) {
					t.Errorf("%s with %q, member %s: %v", name, password, m.Name, err)
				}
			}
		}
	}
	for _, password := range []string{"", "another"} {
		_, err := openPath(t, testPath("py7zr-encrypted-names.7z"), Options{Password: password})
		if !errors.Is(err, ErrPassword) {
			t.Errorf("encrypted names with %q: %v", password, err)
		}
	}
}

func TestSevenSequential(t *testing.T) {
	for name, want := range map[string]bool{"py7zr-solid.7z": true, "7z-each.7z": false} {
		if got := openTest(t, name, Options{}).Sequential(); got != want {
			t.Errorf("%s: Sequential is %v", name, got)
		}
	}
}

func FuzzSeven(f *testing.F) {
	paths, err := filepath.Glob("testdata/7z/*")
	if err != nil || len(paths) == 0 {
		f.Fatal(paths, err)
	}
	for _, path := range paths {
		if strings.Contains(path, "copy") {
			continue // it is long
		}
		a := openTest(f, filepath.Base(path), Options{Password: "infected"})
		s := a.store.(*sevenStore)
		packed := make([]byte, s.end-sevenStart)
		if _, err := s.r.ReadAt(packed, sevenStart); err != nil {
			f.Fatal(err)
		}
		info, err := s.r.(*os.File).Stat()
		if err != nil {
			f.Fatal(err)
		}
		header, _, err := s.header(f.Context(), info.Size())
		if err == nil {
			f.Add(packed, header)
		}
	}
	h := sevenStored()
	f.Add([]byte("MZ 00MZ 11"), h.bytes())
	f.Fuzz(func(t *testing.T, packed, header []byte) {
		data := sevenOf(packed, header)
		buf := make([]byte, 1_000)
		a, err := openBytes(t, data, Options{Password: "infected", MaxMembers: 100})
		if err != nil {
			if !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q", err)
			}
			return
		}
		defer a.Close()
		for i, m := range a.Members()[:min(3, len(a.Members()))] {
			n, _, err := a.Read(t.Context(), i, buf)
			if err != nil && !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q", err)
			}
			if err == nil && m.CRC32 != 0 && m.Size == int64(n) && crc32.ChecksumIEEE(buf[:n]) != m.CRC32 {
				t.Errorf("member %d has another CRC", i)
			}
		}
	})
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		b    string
		want uint64
	}{
		{"\x00", 0}, {"\x7f", 127}, {"\x80\x80", 128}, {"\xbf\xff", 0x3fff}, {"\xc0\x00\x40", 0x4000},
		{"\xf0\x78\x56\x34\x12", 0x12345678}, {"\xff\x01\x02\x03\x04\x05\x06\x07\x08", 0x0807060504030201},
	} {
		p := &sevenParser{b: []byte(c.b)}
		if got := p.number(); got != c.want || p.err != nil || len(p.b) != 0 {
			t.Errorf("%x is %d, want %d; %v", c.b, got, c.want, p.err)
		}
	}
	if p := (&sevenParser{b: bytes.Repeat([]byte{0xff}, 8)}); p.number() != 0 && p.err == nil {
		t.Error("a number that is cut is read")
	}
}
