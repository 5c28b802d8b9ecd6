package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"driftbench/internal/fuzzing"
)

func tarOf(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, h := range headers {
		data := strings.Repeat(fmt.Sprintf("MZ %d ", i), 1_000)
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, data []byte, opt ...zstd.EOption) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, opt...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTarMembers(t *testing.T) {
	headers := []*tar.Header{
		{Name: "a", Typeflag: tar.TypeReg},
		{Name: "a", Typeflag: tar.TypeReg},
		{Name: "/abs", Typeflag: tar.TypeReg},
		{Name: "a/../../up", Typeflag: tar.TypeReg},
		{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		{Name: "hard", Typeflag: tar.TypeLink, Linkname: "a"},
		{Name: "device", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5},
		{Name: "pipe", Typeflag: tar.TypeFifo},
		{Name: "folder/", Typeflag: tar.TypeDir},
		{Name: "\xff\xfe", Typeflag: tar.TypeReg, Format: tar.FormatGNU},
		{Name: strings.Repeat("long/", 100) + "name", Typeflag: tar.TypeReg},
	}
	reasons := []string{"", "", "absolute", "out of", "is a link", "hard link", "device", "pipe", "directory", "", ""}
	plain := tarOf(t, headers...)
	for name, data := range map[string][]byte{"tar": plain, "tar.gz": gzipped(t, plain), "tar.zst": zstded(t, plain)} {
		a, err := openBytes(t, data, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if a.Sequential() != (name != "tar") {
			t.Errorf("%s: Sequential is %v", name, a.Sequential())
		}
		buf := make([]byte, 10_000)
		for _, i := range []int{10, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8} {
			m := a.Members()[i]
			if m.Name != headers[i].Name || m.Regular != (reasons[i] == "") || !strings.Contains(m.Reason, reasons[i]) {
				t.Errorf("%s: %+v, want reason %q", name, m, reasons[i])
			}
			n, size, err := a.Read(t.Context(), i, buf)
			if m.Regular && (err != nil || size != int64(n) || string(buf[:n]) != strings.Repeat(fmt.Sprintf("MZ %d ", i), 1_000)) {
				t.Errorf("%s: member %d: %d of %d bytes, %v", name, i, n, size, err)
			}
			if !m.Regular && !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: member %d: %v", name, i, err)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTarSparse(t *testing.T) {
	a := openTest(t, "sparse.tar", Options{})
	buf := make([]byte, 2<<20)
	n, size, err := a.Read(t.Context(), 0, buf)
	if err != nil || size != 1<<20+2 || !bytes.Equal(buf[:n], append(make([]byte, 1<<20), "MZ"...)) {
		t.Errorf("%d of %d bytes, %v", n, size, err)
	}
	if n, _, err := a.Read(t.Context(), 1, buf); err != nil || string(buf[:n]) != "MZ after" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

func TestTarRefused(t *testing.T) {
	plain := tarOf(t, &tar.Header{Name: "a", Typeflag: tar.TypeReg}, &tar.Header{Name: "b", Typeflag: tar.TypeReg})
	packed, zstd3 := gzipped(t, plain), zstded(t, plain)
	wide := zstded(t, append(plain, make([]byte, 300<<20)...), zstd.WithWindowSize(256<<20), zstd.WithEncoderLevel(zstd.SpeedFastest))
	for _, c := range []struct {
		name string
		data []byte
		kind error
		want string
	}{
		{"truncated", plain[:8_000], ErrFormat, "too early"},
		{"header damaged", set(plain, 150, '6'), ErrUnsupported, "no archive"},
		{"second header damaged", set(plain, 512*11+150, '6'), ErrFormat, "invalid tar header"},
		{"gzip truncated", packed[:len(packed)-9], ErrFormat, "too early"},
		{"gzip cut in its header", packed[:5], ErrFormat, "too early"},
		{"gzip checksum", set(packed, len(packed)-8, packed[len(packed)-8]+1), ErrFormat, "checksum"},
		{"zstd truncated", zstd3[:len(zstd3)-5], ErrFormat, "too early"},
		{"zstd damaged", set(zstd3, 30, 0xff, 0xff, 0xff), ErrFormat, ""},
		{"zstd window", wide, ErrUnsupported, "window"},
		{"gzip of no tar", gzipped(t, []byte(strings.Repeat("MZ", 1_000))), ErrUnsupported, "no tar"},
		{"gzip of little", gzipped(t, []byte("MZ")), ErrUnsupported, "no tar"},
		{"gzip of nothing", gzipped(t, nil), ErrUnsupported, "no tar"},
	} {
		_, err := openBytes(t, c.data, Options{})
		if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.want) || !fuzzing.IsLine(fmt.Sprint(err)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := openBytes(t, plain, Options{MaxMembers: 1}); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
	if a, err := openBytes(t, append(packed, make([]byte, 512)...), Options{}); err != nil || len(a.Members()) != 2 {
		t.Errorf("zeros at the end: %v", err)
	}
}

// In ascending order Read unpacks a compressed tar once.
func TestTarSequential(t *testing.T) {
	var headers []*tar.Header
	for i := range 200 {
		headers = append(headers, &tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg})
	}
	plain := tarOf(t, headers...)
	f := &hole{head: gzipped(t, plain)}
	f.size = int64(len(f.head))
	a, err := open(t.Context(), "test", f, f.size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.read = 0
	for i := range 200 {
		if _, _, err := a.Read(t.Context(), i, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if f.read > 2*f.size {
		t.Errorf("%d bytes read of %d", f.read, f.size)
	}
}

// A bomb of a megabyte that unpacks to a gigabyte takes no memory.
func TestTarBomb(t *testing.T) {
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	zeros := make([]byte, 1<<20)
	if err := w.WriteHeader(&tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Size: 200 << 20}); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	allocated := fuzzing.Allocated(func() {
		a, err := openBytes(t, b.Bytes(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n, size, err := a.Read(t.Context(), 0, zeros[:1_000]); n != 1_000 || size != 200<<20 || err != nil {
			t.Errorf("%d of %d bytes, %v", n, size, err)
		}
	})
	if allocated > 64<<20 {
		t.Errorf("%d bytes allocated", allocated)
	}
}
