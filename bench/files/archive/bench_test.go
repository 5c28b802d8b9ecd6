package archive

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkHeads reads the first 200,000 bytes of 1,000 files of 300,000 from a
// folder and from archives that 7-Zip makes of it, on all cores.
func BenchmarkHeads(b *testing.B) {
	tool, err := exec.LookPath("7z")
	if err != nil {
		b.Skip("7z makes the archives: apt-get install p7zip-full")
	}
	const members, size, maxLen = 1_000, 300_000, 200_000
	dir := b.TempDir()
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o777); err != nil {
		b.Fatal(err)
	}
	half := lines(12_000)[:size/2] // so that about half remains when it is packed
	for i := range members {
		data := append(noise(i, size/2), half...)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%04d", i)), data, 0o666); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("from=folder", func(b *testing.B) {
		benchmarkHeads(b, members, maxLen, func(i int, buf []byte) error {
			f, err := os.Open(filepath.Join(folder, fmt.Sprintf("%04d", i)))
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.Read(buf)
			return err
		})
	})
	for _, c := range []struct {
		name    string
		options []string
	}{
		{"stored.zip", []string{"-tzip", "-mx=0"}},
		{"deflated.zip", []string{"-tzip", "-mx=1"}},
		{"zipcrypto.zip", []string{"-tzip", "-mx=1", "-mem=ZipCrypto", "-pinfected"}},
		{"aes256.zip", []string{"-tzip", "-mx=1", "-mem=AES256", "-pinfected"}},
		{"each.7z", []string{"-mx=1", "-ms=off"}},
		{"solid.7z", []string{"-mx=1", "-ms=on"}},
	} {
		b.Run("from="+c.name, func(b *testing.B) {
			path := filepath.Join(dir, c.name)
			if _, err := os.Stat(path); err != nil {
				command := append(append([]string{"a", "-bso0", "-bsp0"}, c.options...), path, folder+"/*")
				if out, err := exec.Command(tool, command...).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
			a, err := openPath(b, path, Options{Password: "infected"})
			if err != nil {
				b.Fatal(err)
			}
			defer a.Close()
			if !a.Sequential() {
				benchmarkHeads(b, members, maxLen, func(i int, buf []byte) error {
					_, _, err := a.Read(b.Context(), i, buf)
					return err
				})
				return
			}
			buf := make([]byte, maxLen)
			for b.Loop() {
				err := a.Each(b.Context(), func(int) bool { return true }, buf, func(_ int, _ []byte, _ int64, err error) {
					if err != nil {
						b.Error(err)
					}
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(members)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

// benchmarkHeads reads every member once in each iteration, from 4 goroutines.
func benchmarkHeads(b *testing.B, members, maxLen int, read func(i int, buf []byte) error) {
	for b.Loop() {
		var next atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				buf := make([]byte, maxLen)
				for i := int(next.Add(1)) - 1; i < members; i = int(next.Add(1)) - 1 {
					if err := read(i, buf); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(members)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
