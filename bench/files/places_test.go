package files

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestHash(t *testing.T) {
	md5, sha1, sha256 := strings.Repeat("0aF", 11)[:32], strings.Repeat("b", 40), strings.Repeat("9c", 32)
	for name, want := range map[string]string{
		md5: strings.ToLower(md5), sha1: sha1, sha256: sha256,
		"VirusShare_" + md5:                 strings.ToLower(md5),
		"a/b/" + sha256 + ".exe":            sha256,
		`dir\` + sha1 + ".vir.zip":          sha1,
		md5 + "_" + sha256 + ".bin":         sha256,
		"x-" + sha1:                         sha1,
		sha256 + "/part":                    "",
		sha256[1:]:                          "",
		sha256 + "0":                        "",
		"x" + md5:                           "",
		md5 + "_1":                          "",
		"":                                  "",
		strings.Repeat("g", 32):             "",
		"é" + md5:                           "",
		strings.Repeat(".", 100):            "",
		"2017.exe":                          "",
		"." + md5:                           strings.ToLower(md5),
		strings.ToUpper(sha256):             sha256,
		sha256 + "." + strings.ToUpper(md5): sha256,
	} {
		if got := Hash(name); got != want {
			t.Errorf("Hash(%q) = %q, want %q", name, got, want)
		}
	}
}

// A file is found by its hash in every layout, whatever the case of either name.
func TestFindByHash(t *testing.T) {
	dir := t.TempDir()
	var names, want []string
	add := func(name, content, at string) {
		write(t, filepath.Join(dir, at), []byte(content))
		names, want = append(names, name), append(want, content)
	}
	for i, layout := range []string{"%[1]s", "%.2[1]s/%[1]s", "%.2[1]s/%[2]s/%[1]s", "%[3]s/%[4]s/%[5]s/%[6]s/%[1]s", "samples/%.2[1]s/%[1]s", "2017/12/%[1]s"} {
		for j, name := range []string{"%s", "VirusShare_%s", "%s.exe", "%s.vir.bin"} {
			for k, hash := range []string{"%x", "%X"} {
				content := fmt.Sprint("file ", i, j, k)
				var h string
				switch (i + j) % 3 {
				case 0:
					h = fmt.Sprintf(hash, sha256.Sum256([]byte(content)))
				case 1:
					h = fmt.Sprintf(hash, sha1.Sum([]byte(content)))
				default:
					h = fmt.Sprintf(hash, md5.Sum([]byte(content)))
				}
				at := fmt.Sprintf(layout, h, h[2:4], h[:1], h[1:2], h[2:3], h[3:4])
				at = filepath.Join(filepath.Dir(at), fmt.Sprintf(name, filepath.Base(at)))
				if wanted := strings.ToLower(h); j%2 == 0 {
					add(wanted, content, at)
				} else {
					add("x/"+strings.ToUpper(h), content, at)
				}
			}
		}
	}
	// Folders that no hash leads to are no loss.
	for i := range 40 {
		write(t, filepath.Join(dir, fmt.Sprintf("%02x", 160+i), strings.Repeat("e", 64)), []byte("another"))
	}
	_, contents, _, dropped := readAll(t, find(t, Options{}, []string{dir}, names...), ReadOptions{MaxLen: 100, Batch: 1000})
	if len(dropped) > 0 {
		t.Fatalf("dropped %v, such as %s", dropped, names[dropped[0].Number])
	}
	for i, content := range contents {
		if string(content) != want[i] {
			t.Errorf("%s is %q, want %q", names[i], content, want[i])
		}
	}
}

// The first place serves a hash, and in a place the highest folder; that another
// has other bytes is said.
func TestFindsTheFirst(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	a, b, c, d := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 32), strings.Repeat("d", 40)
	for at, content := range map[string]string{
		"aa/" + a: "deep", "x/" + a + ".exe": "deeper still",
		"z/" + b: "second", "b/" + b: "1st",
		"z/" + c: "same", "y/" + c: "SAME",
	} {
		write(t, filepath.Join(one, at), []byte(content))
	}
	for at, content := range map[string]string{a: "of another place", c: "same", d: "only here"} {
		write(t, filepath.Join(two, at), []byte(content))
	}
	for range 5 { // folders are listed several at a time
		p, err := Open(t.Context(), []string{one, two}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		files, warnings, err := p.Find(t.Context(), []string{a, b, c, d, strings.Repeat("e", 32)})
		if err != nil {
			t.Fatal(err)
		}
		_, contents, _, dropped := readAll(t, found{p, files}, ReadOptions{MaxLen: 100, Batch: 10})
		if got := fmt.Sprintf("%s", contents); got != "[deep 1st SAME only here]" {
			t.Errorf("files %s", got)
		}
		if want := []Dropped{{4, "is missing"}}; !reflect.DeepEqual(dropped, want) {
			t.Errorf("dropped %v", dropped)
		}
		if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "2 of 5 names, hashes, have two files of different lengths") {
			t.Errorf("warnings %q", warnings)
		}
		p.Close()
	}
}

// Links within a folder are followed, however they are written.
func TestFindFollowsLinks(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	h := strings.Repeat("5a", 32)
	write(t, filepath.Join(dir, "store", "file"), []byte("inside"))
	write(t, filepath.Join(outside, "file"), []byte("outside"))
	behind := strings.Repeat("77", 20)
	write(t, filepath.Join(outside, "in", behind), []byte("behind"))
	for name, target := range map[string]string{
		"relative": "store/file", "absolute": filepath.Join(dir, "store", "file"), "folder": filepath.Join(dir, "store"),
		h: "folder/file", "out": filepath.Join(outside, "file"), "elsewhere": outside, "gone": "nothing", "loop": "loop/..",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"relative", "absolute", "folder/file", h, "out", "elsewhere/file", "gone"}
	for _, allow := range []bool{false, true} {
		var got []string
		for _, f := range find(t, Options{AllowOutside: allow}, []string{dir}, names...).files {
			got = append(got, f.Reason)
		}
		want := []string{"", "", "", "", string(leads), string(leads), string(dangling)}
		if allow {
			want[4], want[5] = "", ""
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("outside %v: %q, want %q", allow, got, want)
		}
		// Behind a folder that is a link, a hash is found, or the link is named.
		p, err := Open(t.Context(), []string{dir}, Options{AllowOutside: allow})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		files, warnings, err := p.Find(t.Context(), []string{behind})
		if err != nil || (files[0].Reason == "") != allow {
			t.Errorf("outside %v: %q, %v", allow, files[0].Reason, err)
		}
		if said := strings.Contains(fmt.Sprint(warnings), `"elsewhere" leads out of the root by a symbolic link: --allow-outside follows it`); said == allow {
			t.Errorf("outside %v: warnings %q", allow, warnings)
		}
	}
}

// Names that differ by backslashes or by the form of Unicode are said, and taken
// where told.
func TestFindLoose(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "dir", "a.exe"), []byte("a"))
	write(t, filepath.Join(dir, "caf\u00e9"), []byte("composed"))
	write(t, filepath.Join(dir, "re\u0301sume\u0301"), []byte("decomposed"))
	write(t, filepath.Join(dir, `really\so`), []byte("with a backslash"))
	names := []string{`dir\a.exe`, "cafe\u0301", "r\u00e9sum\u00e9", `really\so`, `dir\b.exe`}
	for i, f := range find(t, Options{}, []string{dir}, names...).files {
		said := strings.Contains(f.Reason, "is there: set names: loose")
		if said != (i < 3) || (f.Reason == "") != (i == 3) {
			t.Errorf("%q: %q", names[i], f.Reason)
		}
	}
	_, contents, _, dropped := readAll(t, find(t, Options{Loose: true}, []string{dir}, names...), ReadOptions{MaxLen: 100, Batch: 10})
	if got := fmt.Sprintf("%s", contents); got != "[a composed decomposed with a backslash]" || len(dropped) != 1 {
		t.Errorf("loose: %s, dropped %v", got, dropped)
	}
}
