package files

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample is the content of a sample of scripts/golden/stores.py.
func sample(i int) []byte {
	b := fmt.Appendf(nil, "MZ sample %d\n", i)
	for j := range 200 * (i % 4) {
		b = fmt.Appendf(b, "%d: line %d\n", i, j)
	}
	return b
}

func hexSHA256(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
func hexMD5(b []byte) string    { return fmt.Sprintf("%X", md5.Sum(b)) }
func hexSHA1(b []byte) string   { return fmt.Sprintf("%x", sha1.Sum(b)) }

// golden reads a file of testdata.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// collection is the samples of the stores in testdata.
type collection struct {
	names    []string
	contents [][]byte
	forms    []string // what they are unpacked from
}

func (c *collection) add(name string, content []byte, form string) {
	c.names, c.contents, c.forms = append(c.names, name), append(c.contents, content), append(c.forms, form)
}

func stores(t *testing.T) (c collection) {
	for _, i := range []int{1, 0} {
		c.add(hexSHA256(sample(i)), sample(i), "zip")
	}
	for _, i := range []int{4, 2, 3} {
		c.add(hexMD5(sample(i)), sample(i), "zip")
	}
	for _, i := range []int{7, 5, 6} {
		c.add(hexMD5(sample(i)), sample(i), "7z")
	}
	for _, i := range []int{8, 9} {
		c.add(hexSHA256(sample(i)), sample(i), "zlib")
	}
	for _, i := range []int{10, 11} {
		c.add(hexSHA256(sample(i)), sample(i), "CaRT")
	}
	for _, i := range []int{12, 13} {
		c.add(hexSHA1(sample(i)), sample(i), "gzip")
	}
	for _, path := range []string{"gzip/62d78608916d835adf5e2f1c2876b1b34a97082f7721338aa347df5bcf25c300", "bazaar/b73e3d5e8acfd81b99d73daf39af9a40da136e4305b10196850e5e71ae783622.zip"} {
		c.add(strings.TrimSuffix(filepath.Base(path), ".zip"), golden(t, path), "")
	}
	for _, i := range []int{18, 16, 17} {
		c.add(fmt.Sprintf("2017/%d.exe", i), sample(i), "tar.gz")
	}
	return c
}

// Samples are read out of what their usual tools have packed them into, in
// whatever order they are asked for, from the whole collection as one place and
// from each store as a place. Whole files have their digests.
func TestStores(t *testing.T) {
	c := stores(t)
	all, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range all {
		if path == filepath.FromSlash("testdata/virusshare") {
			all[i] = filepath.Join(path, "VirusShare_00000.zip") // an archive as a place
		}
	}
	for _, places := range [][]string{{"testdata"}, all} {
		found := find(t, Options{}, places, c.names...)
		for i, f := range found.files {
			if f.Reason != "" {
				t.Errorf("%s, from %s: %s", c.names[i], c.forms[i], f.Reason)
			}
		}
		for _, maxLen := range []int{5, 1000, 1 << 20} {
			for _, batch := range []int{1, 100} {
				r := found.NewReader(t.Context(), found.files, ReadOptions{MaxLen: maxLen, Batch: batch})
				defer r.Close()
				n := 0
				for b, err := r.Next(); b != nil; b, err = r.Next() {
					if err != nil {
						t.Fatal(err)
					}
					for j, row := range b.Rows {
						want := c.contents[row]
						form := strings.TrimSuffix(found.files[row].Form()+b.Packed[j].String(), "not packed")
						if !bytes.Equal(b.Files[j], want[:min(maxLen, len(want))]) || b.Size[j] != int64(len(want)) || form != c.forms[row] {
							t.Errorf("%s: %d bytes of %d from %q, want %d from %q", c.names[row], len(b.Files[j]), b.Size[j], form, len(want), c.forms[row])
						}
						n++
					}
					b.Release()
				}
				if n != len(c.names) {
					t.Errorf("%d files, want %d: %v", n, len(c.names), r.Dropped())
				}
			}
		}
		sums, dropped, err := found.Digests(t.Context(), found.files, func(int) {})
		if err != nil || len(dropped) > 0 {
			t.Fatal(err, dropped)
		}
		for i, sum := range sums {
			if sum != sha256.Sum256(c.contents[i]) {
				t.Errorf("%s has another digest", c.names[i])
			}
		}
	}
}

// With Raw, packed files and archives of one sample are read as they are.
func TestRaw(t *testing.T) {
	paths := []string{"sorel/" + hexSHA256(sample(9)), "gzip/" + hexSHA1(sample(12)) + ".gz", "bazaar/" + hexSHA256(sample(0)) + ".zip"}
	var names []string
	for _, p := range paths {
		names = append(names, Hash(p))
	}
	found := find(t, Options{Raw: true}, []string{"testdata"}, names...)
	_, contents, _, dropped := readAll(t, found, ReadOptions{MaxLen: 1 << 20, Batch: 10})
	if len(dropped) > 0 {
		t.Fatal(dropped)
	}
	for i, p := range paths {
		if !bytes.Equal(contents[i], golden(t, p)) {
			t.Errorf("%s is unpacked", p)
		}
		packed := find(t, Options{}, []string{"testdata"}, names[i])
		if packed.files[0].ID() == found.files[i].ID() {
			t.Errorf("%s has one name in the cache for its packed and its unpacked bytes", p)
		}
	}
}

// A wrong password drops a file with a line that says what to do, and no line
// tells the password.
func TestPassword(t *testing.T) {
	c := stores(t)
	const secret = "Tr0ub4dor"
	found := find(t, Options{Password: secret}, []string{"testdata"}, c.names...)
	_, _, _, dropped := readAll(t, found, ReadOptions{MaxLen: 100, Batch: 10})
	var got []string
	for _, d := range dropped {
		got = append(got, c.forms[d.Number])
		if d.Reason != "is missing" && !strings.Contains(d.Reason, "--password") || strings.Contains(d.Reason, secret) || strings.Contains(d.Reason, "infected") {
			t.Errorf("%s: %q", c.names[d.Number], d.Reason)
		}
	}
	if want := []string{"zip", "zip", "zip", "zip", "zip", "7z", "7z", "7z"}; !slices.Equal(got, want) {
		t.Errorf("dropped files of %q, want %q: %v", got, want, dropped)
	}
}

func writeZip(t *testing.T, path string, members ...string) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		m, err := w.Create(members[i])
		if err == nil {
			_, err = m.Write([]byte(members[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, b.Bytes())
}

// What an archive holds is taken by path before hash, and of equal paths the last,
// as unpacking them would; files come before members, and damaged archives cost no
// more than their members.
func TestFindInArchives(t *testing.T) {
	dir := t.TempDir()
	a, b, c, d := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64), strings.Repeat("d", 64)
	writeZip(t, filepath.Join(dir, "in", "one.zip"), "x.exe", "first", "x.exe", "last", "./y.exe", "y", "dir/", "", a, "member", "deep/"+b+".bin", "b", "empty", "")
	writeZip(t, filepath.Join(dir, "in", "two.zip"), "x.exe", "of the second", "deep/"+b, "other b", "z.exe", "z")
	write(t, filepath.Join(dir, "in", "three.zip"), []byte("no archive"))
	write(t, filepath.Join(dir, "in", "five.RAR"), []byte("Rar!"))
	writeZip(t, filepath.Join(dir, c+".zip"), "one", "1", "two", "2")
	write(t, filepath.Join(dir, d+".zip"), []byte("no archive"))
	write(t, filepath.Join(dir, a+".exe"), []byte("file"))
	writeZip(t, filepath.Join(dir, "in", "four.zip"), "top/in/v.exe", "v", "top/in/w/v.exe", "deeper", "top/in/in/v.exe", "deepest")
	names := []string{"x.exe", "y.exe", a, b, "z.exe", "dir", "empty", c, d, "none", "v.exe", "in/v.exe"}
	p, err := Open(t.Context(), []string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	files, warnings, err := p.Find(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	_, contents, _, dropped := readAll(t, found{p, files}, ReadOptions{MaxLen: 100, Batch: 100})
	if got := fmt.Sprintf("%s", contents); got != "[last y file b z v v]" {
		t.Errorf("files %s", got)
	}
	want := []string{"is a directory", "is empty", "lies in", "cannot be read: ", "is missing"}
	for i, d := range dropped {
		if i >= len(want) || !strings.HasPrefix(d.Reason, want[i]) {
			t.Errorf("%s %s", names[d.Number], d.Reason)
		}
	}
	if len(dropped) != len(want) {
		t.Errorf("dropped %v", dropped)
	}
	if len(warnings) != 3 || !strings.Contains(warnings[2], `"in/five.RAR" in `) || !strings.Contains(warnings[0], `1 of 12 names have different members in two archives, and the first is taken: such as "x.exe" in `) || !strings.Contains(warnings[1], "1 of 4 archives") {
		t.Errorf("warnings %q", warnings)
	}
}

// Damaged packed files are dropped with their names; a file that only looks packed
// is read.
func TestUnpackRefuses(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(sample(3))
	w.Close()
	whole := b.Bytes()
	flipped := slices.Clone(whole)
	flipped[len(flipped)-6] ^= 1
	b = bytes.Buffer{}
	w = gzip.NewWriter(&b)
	w.Close()
	write(t, filepath.Join(dir, "whole"), whole)
	write(t, filepath.Join(dir, "cut"), whole[:len(whole)/2])
	write(t, filepath.Join(dir, "sum"), flipped)
	write(t, filepath.Join(dir, "nothing"), b.Bytes())
	write(t, filepath.Join(dir, "text"), []byte("x\x9c is no zlib"))
	found := find(t, Options{}, []string{dir}, "whole", "cut", "sum", "nothing", "text")
	_, contents, _, dropped := readAll(t, found, ReadOptions{MaxLen: 100, Batch: 10})
	if len(contents) != 2 || !bytes.Equal(contents[0], sample(3)[:100]) || !bytes.HasPrefix(contents[1], []byte("x\x9c")) {
		t.Errorf("files %q", contents)
	}
	for i, want := range []string{"cannot be unpacked: gzip: the file ends too early", "cannot be unpacked: gzip: damaged", "is empty"} {
		if i >= len(dropped) || !strings.HasPrefix(dropped[i].Reason, want) {
			t.Errorf("dropped %v, want %s", dropped, want)
		}
	}
}
