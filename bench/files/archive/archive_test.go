package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"driftbench/internal/fuzzing"
)

// noise returns n bytes that do not compress, as scripts/golden/archives.py does.
func noise(seed, n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d", seed, i))
		b = append(b, sum[:]...)
	}
	return b[:n]
}

// golden are the members of the archives that scripts/golden/archives.py makes.
var golden = []struct {
	name string
	data []byte
}{
	{"empty", nil},
	{"short", []byte("MZ short")},
	{"folder/zeros", append([]byte("MZ"), make([]byte, 70_000)...)},
	{"folder/noise", append([]byte("MZ"), noise(1, 5_000)...)},
	{"text", lines(2_000)},
}

func lines(n int) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "%d lines of text\n", i)
	}
	return b
}

func openPath(t testing.TB, path string, opt Options) (*Archive, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return Open(t.Context(), filepath.Base(path), f, opt)
}

// testPath is where scripts/golden/archives.py puts an archive: a folder a format.
func testPath(name string) string {
	format := "tar"
	if ext := filepath.Ext(name); ext == ".zip" || ext == ".7z" {
		format = ext[1:]
	}
	return filepath.Join("testdata", format, name)
}

func openTest(t testing.TB, name string, opt Options) *Archive {
	t.Helper()
	a, err := openPath(t, testPath(name), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// openBytes opens an archive in memory.
func openBytes(t testing.TB, data []byte, opt Options) (*Archive, error) {
	return open(t.Context(), "test", bytes.NewReader(data), int64(len(data)), opt)
}

// Every archive that a tool made has the names and bytes that went into it,
// whether a buffer holds whole members or heads.
func TestToolsArchives(t *testing.T) {
	for _, format := range []string{"zip", "7z", "tar"} {
		paths, err := filepath.Glob(filepath.Join("testdata", format, "*"))
		if err != nil || len(paths) < 5 {
			t.Fatal(paths, err)
		}
		for _, path := range paths {
			if name := filepath.Base(path); name == "deflate64.zip" || name == "sparse.tar" {
				continue // they have tests of their own
			}
			t.Run(filepath.Base(path), func(t *testing.T) { testGolden(t, path) })
		}
	}
}

func testGolden(t *testing.T, path string) {
	name := filepath.Base(path)
	a := openTest(t, name, Options{Password: "infected"})
	at := map[string]int{}
	for i, m := range a.Members() {
		if m.Regular {
			at[strings.TrimPrefix(m.Name, "./")] = i
		}
	}
	if len(at) != len(golden) {
		t.Fatalf("%d members: %+v", len(at), a.Members())
	}
	encrypted := strings.HasPrefix(name, "aes") || strings.HasPrefix(name, "zipcrypto") || strings.Contains(name, "encrypted")
	for _, length := range []int{1 << 20, 4_096, 1, 0} {
		buf := make([]byte, length)
		for _, want := range golden {
			i, ok := at[want.name]
			if !ok {
				t.Fatalf("no %s in %+v", want.name, a.Members())
			}
			m := a.Members()[i]
			if m.Size != int64(len(want.data)) {
				t.Errorf("%s declares %d bytes, want %d", want.name, m.Size, len(want.data))
			}
			if m.Encrypted != encrypted && len(want.data) > 0 {
				t.Errorf("%s: Encrypted is %v", want.name, m.Encrypted)
			}
			n, size, err := a.Read(t.Context(), i, buf)
			if err != nil {
				t.Fatal(err)
			}
			head := want.data[:min(len(want.data), length)]
			if size != int64(len(want.data)) || !bytes.Equal(buf[:n], head) {
				t.Errorf("%s in a buffer of %d: %d of %d bytes, or others than went in", want.name, length, n, size)
			}
		}
		visited := 0
		err := a.Each(t.Context(), func(int) bool { return true }, buf, func(i int, head []byte, size int64, err error) {
			if err != nil {
				t.Error(err)
			}
			for _, want := range golden {
				if at[want.name] == i && bytes.Equal(head, want.data[:min(len(want.data), length)]) && size == int64(len(want.data)) {
					visited++
				}
			}
		})
		if err != nil || visited != len(golden) {
			t.Errorf("Each visited %d members with their bytes, error %v", visited, err)
		}
	}
}

func TestDeflate64(t *testing.T) {
	a := openTest(t, "deflate64.zip", Options{})
	for i, m := range a.Members() {
		_, _, err := a.Read(t.Context(), i, make([]byte, 10))
		if m.Name == "text" && (!errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "deflate64")) {
			t.Error(err)
		}
	}
}

func TestWrongPassword(t *testing.T) {
	paths, _ := filepath.Glob("testdata/zip/*")
	for _, path := range paths {
		name := filepath.Base(path)
		if !strings.HasPrefix(name, "aes") && !strings.HasPrefix(name, "zipcrypto") {
			continue
		}
		for _, password := range []string{"", "Infected", "secret-of-mine"} {
			a := openTest(t, name, Options{Password: password})
			for i, m := range a.Members() {
				if !m.Encrypted || m.Size == 0 {
					continue
				}
				for _, length := range []int{1 << 20, 100} {
					n, _, err := a.Read(t.Context(), i, make([]byte, length))
					if !errors.Is(err, ErrPassword) || n != 0 {
						t.Fatalf("%s with %q: %d bytes, %v", name, password, n, err)
					}
					if !fuzzing.IsLine(err.Error()) || password != "" && strings.Contains(err.Error(), password) {
						t.Errorf("message %q", err)
					}
				}
			}
		}
	}
}

// Some wrong passwords pass the check before the data of ZipCrypto, and none
// gives bytes.
func TestWrongPasswordByChance(t *testing.T) {
	for _, name := range []string{"zipcrypto-deflated.zip", "zipcrypto-stored.zip"} {
		chances := 0
		for try := range 800 {
			a := openTest(t, name, Options{Password: fmt.Sprint(try)})
			for _, i := range []int{3, 4} { // noise and text
				_, _, err := a.Read(t.Context(), i, make([]byte, 1_000))
				if !errors.Is(err, ErrPassword) {
					t.Fatalf("%s with password %d: %v", name, try, err)
				}
				if strings.Contains(err.Error(), "damaged") {
					chances++
				}
			}
			a.Close()
		}
		if chances < 1 || chances > 25 { // 6 are expected
			t.Errorf("%s: %d passwords passed the check", name, chances)
		}
	}
}

// An archive is read by many at a time.
func TestConcurrent(t *testing.T) {
	content := map[string][]byte{}
	for _, g := range golden {
		content[g.name] = g.data
	}
	for _, name := range []string{"zipcrypto-deflated.zip", "aes256-ae2-deflated.zip", "bsdtar.tar", "bsdtar.tar.gz", "py7zr-solid.7z", "7z-each.7z"} {
		a := openTest(t, name, Options{Password: "infected"})
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				buf := make([]byte, 10_000)
				for k := range a.Members() {
					i := (k + g) % len(a.Members())
					n, _, err := a.Read(t.Context(), i, buf)
					if want := content[a.Members()[i].Name]; err != nil || !bytes.Equal(buf[:n], want[:min(len(want), len(buf))]) {
						t.Errorf("%s, %s: %d bytes, %v", name, a.Members()[i].Name, n, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := openTest(t, "deflated.zip", Options{})
	if _, _, err := a.Read(ctx, 1, make([]byte, 10)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v", err)
	}
	err := a.Each(ctx, func(int) bool { return true }, make([]byte, 10), func(int, []byte, int64, error) { t.Error("visited") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Each: %v", err)
	}
}
