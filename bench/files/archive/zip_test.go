package archive

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"driftbench/internal/fuzzing"
)

// zipOf makes a zip of members that are stored or, if small is set, deflated.
func zipOf(t testing.TB, deflate bool, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		h := &zip.FileHeader{Name: members[i], NonUTF8: true}
		if deflate {
			h.Method = zip.Deflate
		}
		data := []byte(members[i+1])
		h.CRC32, h.UncompressedSize64, h.CompressedSize64 = crc32.ChecksumIEEE(data), uint64(len(data)), uint64(len(data))
		create := w.CreateRaw // without data descriptors
		if deflate {
			create = w.CreateHeader
		}
		f, err := create(h)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// entry is where the nth entry of the directory of a zip begins.
func entry(data []byte, n int) int {
	p := 0
	for range n + 1 {
		p += 1 + bytes.Index(data[p:], []byte("PK\x01\x02"))
	}
	return p - 1
}

func TestZipHostile(t *testing.T) {
	le := binary.LittleEndian
	long := strings.Repeat("MZ bytes ", 10_000)
	plain, packed := zipOf(t, false, "a", long), zipOf(t, true, "a", long)
	for _, c := range []struct {
		name   string
		data   []byte
		change func(b []byte)
		kind   error
		want   string // in the message
		heads  bool   // whether a head is refused too
	}{
		{"CRC", packed, func(b []byte) { b[entry(b, 0)+16]++ }, ErrFormat, "CRC", false},
		{"CRC, stored", plain, func(b []byte) { b[entry(b, 0)+16]++ }, ErrFormat, "CRC", false},
		{"shorter than declared", packed, func(b []byte) { b[entry(b, 0)+24]++ }, ErrFormat, "it ends after 90000 of 90001 bytes", false},
		{"longer than declared", packed, func(b []byte) { b[entry(b, 0)+24]-- }, ErrFormat, "longer than the 89999", false},
		{"declares 4 GB", packed, func(b []byte) { le.PutUint32(b[entry(b, 0)+24:], 0xfffffffe) }, ErrFormat, "it ends after 90000", false},
		{"stored size", plain, func(b []byte) { b[entry(b, 0)+24]++ }, ErrFormat, "stored in 90000 bytes and declares 90001", true},
		{"packed size", packed, func(b []byte) { le.PutUint32(b[entry(b, 0)+20:], 10) }, ErrFormat, "too early", true},
		{"packed outside", packed, func(b []byte) { le.PutUint32(b[entry(b, 0)+20:], 1<<30) }, ErrFormat, "outside", true},
		{"offset outside", packed, func(b []byte) { le.PutUint32(b[entry(b, 0)+42:], 1<<30) }, ErrFormat, "outside", true},
		{"offset elsewhere", packed, func(b []byte) { b[entry(b, 0)+42]++ }, ErrFormat, "no member", true},
		{"deflate", packed, func(b []byte) { b[40] ^= 0xff; b[41] ^= 0xff }, ErrFormat, "", true},
		{"deflate64", packed, func(b []byte) { b[entry(b, 0)+10] = 9 }, ErrUnsupported, "deflate64", true},
		{"unknown method", packed, func(b []byte) { b[entry(b, 0)+10] = 77 }, ErrUnsupported, "method 77", true},
		{"strong encryption", packed, func(b []byte) { b[entry(b, 0)+8] |= 0x41 }, ErrUnsupported, "strong", true},
		{"AES without parameters", packed, func(b []byte) { b[entry(b, 0)+10] = 99; b[entry(b, 0)+8] |= 1 }, ErrUnsupported, "parameters", true},
		{"encrypted and short", zipOf(t, false, "a", "MZ"), func(b []byte) { b[entry(b, 0)+8] |= 1 }, ErrFormat, "shorter than what encryption adds", true},
		{"link", plain, func(b []byte) { b[entry(b, 0)+5] = 3; b[entry(b, 0)+41] = 0xa1 }, ErrUnsupported, "is a link", true},
		{"another volume", plain, func(b []byte) { b[entry(b, 0)+34] = 1 }, ErrUnsupported, "another volume", true},
	} {
		b := bytes.Clone(c.data)
		c.change(b)
		a, err := openBytes(t, b, Options{Password: "infected"})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, length := range []int{100_000, 1_000} {
			buf := make([]byte, length)
			n, _, err := a.Read(t.Context(), 0, buf)
			if length < 90_000 && !c.heads {
				if err != nil || string(buf[:n]) != long[:length] {
					t.Errorf("%s: head of %d bytes, %v", c.name, n, err)
				}
				continue
			}
			if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.want) || !fuzzing.IsLine(fmt.Sprint(err)) {
				t.Errorf("%s in a buffer of %d: %v", c.name, length, err)
			}
		}
	}
}

func TestZipRefused(t *testing.T) {
	good := zipOf(t, true, "a", "MZ", "b", "MZ")
	end := len(good) - endLen
	for _, c := range []struct {
		name string
		data []byte
		kind error
		want string
	}{
		{"empty", nil, ErrUnsupported, "empty"},
		{"no archive", []byte("MZ" + strings.Repeat("x", 1_000)), ErrUnsupported, "no archive"},
		{"truncated", good[:end], ErrFormat, "end of the zip is missing"},
		{"truncated in the end record", good[:end+10], ErrFormat, "end of the zip is missing"},
		{"count", set(good, end+8, 3, 0, 3, 0), ErrFormat, "declares 3 members and lists 2"},
		{"volumes", set(good, end+4, 1), ErrUnsupported, "several volumes"},
		{"directory outside", set(good, end+12, 0, 0, 0, 1), ErrFormat, "outside"},
		{"directory ends early", set(good, end+12, good[end+12]-1), ErrFormat, "within an entry"},
		{"entry cut", set(good, entry(good, 1)+28, 200), ErrFormat, "within an entry"},
		{"masked", set(good, entry(good, 0)+9, 0x20), ErrUnsupported, "directory is encrypted"},
		{"encrypted directory", set(good, entry(good, 0), 0x77), ErrUnsupported, "directory is encrypted or damaged"},
		{"xz", []byte("\xfd7zXZ\x00 and so on"), ErrUnsupported, "this is xz"},
		{"rar", []byte("Rar!\x1a\x07\x01\x00"), ErrUnsupported, "this is rar"},
	} {
		_, err := openBytes(t, c.data, Options{})
		if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.want) || !fuzzing.IsLine(fmt.Sprint(err)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// set returns a copy of b with other bytes at p.
func set(b []byte, p int, bytes ...byte) []byte {
	b = append([]byte(nil), b...)
	copy(b[p:], bytes)
	return b
}

// A frame of Zstandard asks for memory before it holds anything.
func TestZipZstdWindow(t *testing.T) {
	for window, kind := range map[byte]error{13: nil, 17: ErrUnsupported} { // 8 and 128 MiB
		frame := "\x28\xb5\x2f\xfd\x00" + string([]byte{window << 3}) + "\x11\x00\x00MZ"
		data := zipOf(t, false, "a", frame)
		at := entry(data, 0)
		data[at+10] = zstandard
		binary.LittleEndian.PutUint32(data[at+16:], crc32.ChecksumIEEE([]byte("MZ")))
		data[at+24] = 2
		a, err := openBytes(t, data, Options{})
		if err != nil {
			t.Fatal(err)
		}
		allocated := fuzzing.Allocated(func() { _, _, err = a.Read(t.Context(), 0, make([]byte, 10)) })
		if !errors.Is(err, kind) || allocated > 20<<20 {
			t.Errorf("window 2^%d: %v, %d bytes allocated", window+10, err, allocated)
		}
	}
}

func TestZipNames(t *testing.T) {
	names := []string{
		"a", "a", "\xff\xfe\x80", "folder/", "/abs", `\abs`, "C:/abs", "c:abs", "../up", "a/../../b", `a\..\b`, "a\x00b",
		"..a/b..", "./a", "", strings.Repeat("n", 60_000),
	}
	var members []string
	for i, name := range names {
		content := fmt.Sprint("MZ ", i)
		if name == "folder/" {
			content = ""
		}
		members = append(members, name, content)
	}
	a, err := openBytes(t, zipOf(t, false, members...), Options{})
	if err != nil {
		t.Fatal(err)
	}
	regular := map[int]bool{0: true, 1: true, 2: true, 12: true, 13: true, 15: true}
	for i, m := range a.Members() {
		if m.Name != names[i] || m.Regular != regular[i] || m.Regular != (m.Reason == "") {
			t.Errorf("member %d of name %.20q: %.20q, regular %v, %q", i, names[i], m.Name, m.Regular, m.Reason)
		}
		buf := make([]byte, 10)
		n, _, err := a.Read(t.Context(), i, buf)
		if m.Regular && (err != nil || string(buf[:n]) != members[2*i+1]) {
			t.Errorf("member %d: %q, %v", i, buf[:n], err)
		}
		if !m.Regular && !(errors.Is(err, ErrUnsupported) && strings.Contains(err.Error(), m.Reason)) {
			t.Errorf("member %d: %v", i, err)
		}
		if err != nil && !fuzzing.IsLine(err.Error()) {
			t.Errorf("message %q", err)
		}
	}
}

// A zip may follow a program, or be followed by a comment.
func TestZipWithin(t *testing.T) {
	zip := zipOf(t, true, "a", "MZ", "b", strings.Repeat("x", 1_000))
	commented := append(set(zip, len(zip)-2, 5, 0), "PK\x05\x06!"...)
	for name, data := range map[string][]byte{
		"program":             append([]byte("MZ program"), zip...),
		"comment":             commented,
		"program and comment": append(bytes.Repeat([]byte("program"), 100_000), commented...),
	} {
		a, err := openBytes(t, data, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		buf := make([]byte, 2_000)
		if n, _, err := a.Read(t.Context(), 1, buf); err != nil || string(buf[:n]) != strings.Repeat("x", 1_000) {
			t.Errorf("%s: %q, %v", name, buf[:n], err)
		}
	}
}

// hole is a file of zeros but for its beginning and end, which counts what is
// read of it.
type hole struct {
	head, tail []byte
	size, read int64
}

func (h *hole) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), h.size-off)))
	clear(p[:n])
	if off < int64(len(h.head)) {
		copy(p[:n], h.head[off:])
	}
	if from := h.size - int64(len(h.tail)); off+int64(n) > from {
		copy(p[max(0, from-off):n], h.tail[max(0, off-from):])
	}
	h.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// The head of a stored member of 5 GB takes reading no more than that, through
// ZIP64 records and without memory.
func TestZipLarge(t *testing.T) {
	const size = 5 << 30
	le := binary.LittleEndian
	local := make([]byte, localLen+1)
	le.PutUint32(local, localSig)
	le.PutUint16(local[26:], 1)
	local[30] = 'a'
	dir := make([]byte, entryLen+1, 400)
	le.PutUint32(dir, entrySig)
	le.PutUint32(dir[20:], 0xffffffff)
	le.PutUint32(dir[24:], 0xffffffff)
	le.PutUint16(dir[28:], 1)
	le.PutUint16(dir[30:], 20)
	dir[46] = 'a'
	dir = le.AppendUint32(dir, 1|16<<16)
	dir = le.AppendUint64(le.AppendUint64(dir, size), size)
	end64 := make([]byte, end64Len)
	le.PutUint32(end64, end64Sig)
	le.PutUint64(end64[4:], 44)
	le.PutUint64(end64[24:], 1)
	le.PutUint64(end64[32:], 1)
	le.PutUint64(end64[40:], uint64(len(dir)))
	le.PutUint64(end64[48:], size+localLen+1)
	locator := make([]byte, locatorLen)
	le.PutUint32(locator, locatorSig)
	le.PutUint64(locator[8:], uint64(size+localLen+1+len(dir)))
	le.PutUint32(locator[16:], 1)
	end := make([]byte, endLen)
	le.PutUint32(end, endSig)
	for i := 8; i < 20; i++ {
		end[i] = 0xff
	}
	tail := append(append(append(dir, end64...), locator...), end...)
	f := &hole{head: append(local, "MZ"...), tail: tail, size: int64(size + localLen + 1 + len(tail))}
	a, err := open(t.Context(), "test", f, f.size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.read = 0
	buf := make([]byte, 200_000)
	allocated := fuzzing.Allocated(func() {
		n, length, err := a.Read(t.Context(), 0, buf)
		if n != len(buf) || length != size || err != nil || string(buf[:3]) != "MZ\x00" {
			t.Errorf("%d of %d bytes, %v", n, length, err)
		}
	})
	if f.read > 300_000 || allocated > 1<<20 {
		t.Errorf("%d bytes read, %d allocated", f.read, allocated)
	}
}

func TestZipTooMany(t *testing.T) {
	var members []string
	for i := range 1_000 {
		members = append(members, fmt.Sprint(i), "")
	}
	data := zipOf(t, false, members...)
	if _, err := openBytes(t, data, Options{MaxMembers: 1_000}); err != nil {
		t.Error(err)
	}
	_, err := openBytes(t, data, Options{MaxMembers: 999})
	if !errors.Is(err, ErrTooMany) || !strings.Contains(err.Error(), "at most 999 are read") {
		t.Error(err)
	}
	named := zipOf(t, false, strings.Repeat("a", 1_000), "", "b", "")
	if _, err := openBytes(t, named, Options{MaxMembers: 2}); !errors.Is(err, ErrTooMany) {
		t.Errorf("long names: %v", err)
	}
}

// A member needs little memory.
func TestZipMemory(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	const members = 70_000 // more than a zip without ZIP64 counts
	for i := range members {
		if _, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%064x", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var a *Archive
	allocated := fuzzing.Allocated(func() {
		var err error
		if a, err = openBytes(t, b.Bytes(), Options{}); err != nil {
			t.Fatal(err)
		}
	})
	if n := len(a.Members()); n != members || allocated/members > 800 { // growing slices included
		t.Errorf("%d members, %d bytes allocated for each", n, allocated/members)
	}
}

// FuzzOpen holds every format to memory in proportion to the file and errors of
// one line, and zip to what archive/zip reads.
func FuzzOpen(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil {
			f.Add(data)
		}
	}
	f.Add(zipOf(f, false, "a", "MZ", "../b", "c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		buf := make([]byte, 5_000)
		allocated := fuzzing.Allocated(func() { fuzzArchive(t, data, buf) })
		if limit := uint64(fuzzMemory + 200*len(data)); allocated > limit {
			t.Errorf("%d bytes allocated for %d", allocated, len(data))
		}
	})
}

// fuzzMemory is what decompressors and decryption may allocate for an archive.
const fuzzMemory = 64 << 20

func fuzzArchive(t *testing.T, data, buf []byte) {
	a, err := openBytes(t, data, Options{Password: "infected", MaxMembers: 1_000})
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || !fuzzing.IsLine(err.Error()) {
			t.Errorf("error %T %q", err, err)
		}
		return
	}
	defer a.Close()
	var reader *zip.Reader
	if _, ok := a.store.(*zipStore); ok {
		reader, _ = zip.NewReader(bytes.NewReader(data), int64(len(data)))
	}
	for i, m := range a.Members()[:min(10, len(a.Members()))] {
		n, size, err := a.Read(t.Context(), i, buf)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || !fuzzing.IsLine(err.Error()) || n != 0 {
				t.Errorf("member %d: %d bytes, error %T %q", i, n, err, err)
			}
			continue
		}
		if int64(n) != min(size, int64(len(buf))) {
			t.Errorf("member %d: %d of %d bytes", i, n, size)
		}
		if reader == nil || len(reader.File) != len(a.Members()) || m.Encrypted {
			continue
		}
		z := reader.File[i]
		if z.Name != m.Name || z.UncompressedSize64 != uint64(m.Size) {
			t.Errorf("member %d is %q of %d bytes, by archive/zip %q of %d", i, m.Name, m.Size, z.Name, z.UncompressedSize64)
		}
		if r, err := z.Open(); err == nil {
			want := make([]byte, n)
			if _, err := io.ReadFull(r, want); err == nil && !bytes.Equal(want, buf[:n]) {
				t.Errorf("member %d has other bytes than archive/zip reads", i)
			}
			r.Close()
		}
	}
}
