package packed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"driftbench/internal/fuzzing"
)

// content is what scripts/golden/packed.py packs.
func content() []byte {
	b := []byte("MZ")
	for i := range 2_000 {
		b = fmt.Appendf(b, "%d lines of text\n", i)
	}
	return b
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestToolsFiles(t *testing.T) {
	all := content()
	for name, k := range map[string]Kind{
		"level0.zlib": Zlib, "level1.zlib": Zlib, "level6.zlib": Zlib, "level9.zlib": Zlib, "empty.zlib": Zlib,
		"python.gz": Gzip, "members.gz": Gzip, "plain.cart": CaRT, "named.cart": CaRT, "empty.cart": CaRT,
	} {
		data, want := golden(t, name), all
		if strings.HasPrefix(name, "empty") {
			want = nil
		}
		for _, length := range []int{len(data), 4_096, 100} {
			if got := Detect(data[:min(length, len(data))]); got != k {
				t.Errorf("%s is %v by its first %d bytes", name, got, length)
			}
		}
		for _, length := range []int{len(all) + 1, len(all), len(all) - 1, 1_000, 1, 0} {
			for _, r := range []io.Reader{bytes.NewReader(data), iotest.OneByteReader(bytes.NewReader(data))} {
				buf := make([]byte, length)
				n, more, err := Read(k, r, buf)
				if err != nil || !bytes.Equal(buf[:n], want[:min(length, len(want))]) || more != (length < len(want)) {
					t.Errorf("%s in a buffer of %d: %d bytes, more %v, %v", name, length, n, more, err)
				}
			}
		}
	}
}

func TestDetectNone(t *testing.T) {
	for _, data := range []string{
		"", "M", "MZ\x90\x00", "\x7fELF", "x^2", "x^2 + y^2 = z^2", "x\x9c\xff\xff\xff\xff", "x\x9d\x03\x00\x00\x00\x00\x01",
		"\x1f\x8b", "\x1f\x8b\x08", "\x1f\x8b\x09\x00\x00\x00\x00\x00\x00\x03",
		"CART", "CART\x02" + strings.Repeat("\x00", 40), "x\x01" + strings.Repeat("text", 100),
	} {
		if k := Detect([]byte(data)); k != None {
			t.Errorf("%q is %v", data, k)
		}
	}
}

// A file that is packed and damaged is packed: Read then says what is wrong.
func TestDetectDamaged(t *testing.T) {
	for name, at := range map[string]int{"level6.zlib": -1, "level9.zlib": 2000, "python.gz": -1, "members.gz": 12} {
		damaged := golden(t, name)
		damaged[(at+len(damaged))%len(damaged)]++
		k := Detect(damaged)
		if k == None {
			t.Errorf("%s with another byte at %d is not packed", name, at)
		} else if _, _, err := Read(k, bytes.NewReader(damaged), make([]byte, 1<<20)); err == nil {
			t.Errorf("%s with another byte at %d is read", name, at)
		}
	}
}

func TestReadRefused(t *testing.T) {
	change := func(data []byte, at int) []byte {
		if at < 0 {
			at += len(data)
		}
		data[at] ^= 0x5a
		return data
	}
	zlib, gzip, cart := golden(t, "level6.zlib"), golden(t, "python.gz"), golden(t, "named.cart")
	long := bytes.Clone(cart)
	long[30], long[37] = 0xff, 0x7f
	longer := bytes.Clone(cart)
	longer[31] = 0xff
	for _, c := range []struct {
		name string
		kind Kind
		data []byte
		want string
	}{
		{"zlib, nothing", Zlib, nil, "ends too early"},
		{"zlib, truncated", Zlib, zlib[:len(zlib)/2], "ends too early"},
		{"zlib without its checksum", Zlib, zlib[:len(zlib)-4], "ends too early"},
		{"zlib, checksum", Zlib, change(bytes.Clone(zlib), -1), "checksum"},
		{"zlib, header", Zlib, change(bytes.Clone(zlib), 1), "header"},
		{"zlib, data", Zlib, change(bytes.Clone(zlib), 3), "damaged"},
		{"gzip, truncated", Gzip, gzip[:len(gzip)-9], "ends too early"},
		{"gzip, checksum", Gzip, change(bytes.Clone(gzip), -6), "checksum"},
		{"CaRT, truncated header", CaRT, cart[:20], "ends too early"},
		{"CaRT, truncated", CaRT, cart[:len(cart)/2], "ends too early"},
		{"CaRT, key", CaRT, change(bytes.Clone(cart), 15), "header"},
		{"CaRT, version", CaRT, change(bytes.Clone(cart), 4), "version"},
		{"CaRT, own key", CaRT, golden(t, "key.cart"), "key that is not in the file"},
		{"CaRT, optional header of 2^63", CaRT, long, "optional header"},
		{"CaRT, optional header longer than the file", CaRT, longer, "ends too early"},
	} {
		buf := make([]byte, 100_000)
		n, more, err := Read(c.kind, bytes.NewReader(c.data), buf)
		var e *Error
		if n != 0 || more || !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || !fuzzing.IsLine(err.Error()) {
			t.Errorf("%s: %d bytes, more %v, %v", c.name, n, more, err)
		}
	}
}

// A file that breaks after the head is good for its head.
func TestReadHead(t *testing.T) {
	for name, k := range map[string]Kind{"level6.zlib": Zlib, "python.gz": Gzip, "plain.cart": CaRT} {
		data := golden(t, name)
		buf := make([]byte, 1_000)
		n, more, err := Read(k, bytes.NewReader(data[:len(data)*3/4]), buf)
		if err != nil || !more || !bytes.Equal(buf[:n], content()[:1_000]) {
			t.Errorf("%s, cut: %d bytes, more %v, %v", name, n, more, err)
		}
		failed := errors.New("the disk is broken")
		r := io.MultiReader(bytes.NewReader(data[:50]), iotest.ErrReader(failed))
		if _, _, err := Read(k, r, make([]byte, 100_000)); err != failed {
			t.Errorf("%s from a broken disk: %v", name, err)
		}
	}
}

// A bomb takes no memory, and little of it is read.
func TestReadBomb(t *testing.T) {
	zeros := append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), bytes.Repeat([]byte("\x00\xff\xff\x00\x00"+strings.Repeat("\x00", 65_535)), 100)...)
	r := bytes.NewReader(zeros)
	buf := make([]byte, 200_000)
	allocated := fuzzing.Allocated(func() {
		if n, more, err := Read(Gzip, r, buf); n != len(buf) || !more || err != nil {
			t.Errorf("%d bytes, more %v, %v", n, more, err)
		}
	})
	if read := len(zeros) - r.Len(); allocated > 1<<20 || read > 400_000 {
		t.Errorf("%d bytes allocated, %d read", allocated, read)
	}
}

func FuzzRead(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.*")
	if err != nil || len(paths) == 0 {
		f.Fatal(paths, err)
	}
	for _, path := range paths {
		f.Add(golden(f, filepath.Base(path)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		buf := make([]byte, 1_000)
		allocated := fuzzing.Allocated(func() {
			if k := Detect(data); k != None {
				if _, _, err := Read(k, bytes.NewReader(data), buf); err != nil && !fuzzing.IsLine(err.Error()) {
					t.Errorf("error %q", err)
				}
			}
			for k := Zlib; k <= CaRT; k++ {
				n, more, err := Read(k, bytes.NewReader(data), buf)
				if err != nil && (n != 0 || more || !fuzzing.IsLine(err.Error())) || more && n < len(buf) {
					t.Errorf("%v: %d bytes, more %v, %v", k, n, more, err)
				}
			}
		})
		if allocated > 2<<20 {
			t.Errorf("%d bytes allocated", allocated)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	buf := make([]byte, 1<<20)
	for _, name := range []string{"level6.zlib", "python.gz", "plain.cart"} {
		data := golden(b, name)
		b.Run("file="+name, func(b *testing.B) {
			k := Detect(data)
			b.SetBytes(int64(len(content())))
			for b.Loop() {
				if _, _, err := Read(k, bytes.NewReader(data), buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A sample of SOREL-20M is a file with zlib.
func ExampleRead() {
	data, err := os.ReadFile("testdata/level6.zlib")
	if err != nil {
		fmt.Println(err)
		return
	}
	buf := make([]byte, 12)
	k := Detect(data)
	n, more, err := Read(k, bytes.NewReader(data), buf)
	fmt.Printf("%v: %q, more: %v, %v\n", k, buf[:n], more, err)
	// Output:
	// zlib: "MZ0 lines of", more: true, <nil>
}
