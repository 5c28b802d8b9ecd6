package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"driftbench/bench"
)

// Features are the same wherever the samples lie, and a second run takes all of
// them from the cache.
func TestFilesInOtherPlaces(t *testing.T) {
	slow(t)
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	var zipped, tarred bytes.Buffer
	z, g := zip.NewWriter(&zipped), gzip.NewWriter(&tarred)
	w := tar.NewWriter(g)
	parts := []string{"one", "two"}
	n := 0
	err := filepath.WalkDir(small(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".exe" {
			return err
		}
		name, err := filepath.Rel(small(), path)
		if err != nil {
			return err
		}
		content := readFile(t, path)
		m, err := z.Create("corpus/" + name)
		if err != nil {
			return err
		}
		m.Write([]byte(content))
		if err := w.WriteHeader(&tar.Header{Name: "./" + name, Size: int64(len(content)), Mode: 0o600}); err != nil {
			return err
		}
		w.Write([]byte(content))
		var packed bytes.Buffer
		p := gzip.NewWriter(&packed)
		p.Write([]byte(content))
		p.Close()
		for at, content := range map[string]string{"packed": packed.String(), parts[n%2]: content} {
			at = filepath.Join(dir, at, name)
			os.MkdirAll(filepath.Dir(at), 0o777)
			writeFile(t, at, content)
		}
		n++
		return nil
	})
	for _, closing := range []error{err, z.Close(), w.Close(), g.Close()} {
		if closing != nil {
			t.Fatal(closing)
		}
	}
	writeFile(t, filepath.Join(dir, "all.zip"), zipped.String())
	writeFile(t, filepath.Join(dir, "all.tar.gz"), tarred.String())
	time.Sleep(3100 * time.Millisecond) // files that are newer are read again

	features := func(out string) map[string]string {
		paths, err := filepath.Glob(filepath.Join(out, "features", "*"))
		if err != nil || len(paths) == 0 {
			t.Fatal(paths, err)
		}
		all := map[string]string{}
		for _, path := range paths {
			all[filepath.Base(path)] = readFile(t, path)
		}
		return all
	}
	want := features(extracted())
	for _, tc := range []struct {
		name     string
		places   []string
		unpacked map[string]int
	}{
		{"zip", []string{"all.zip"}, map[string]int{"zip": n}},
		{"tar.gz", []string{"all.tar.gz"}, map[string]int{"tar.gz": n}},
		{"packed", []string{"packed"}, map[string]int{"gzip": n}},
		{"two folders", parts, nil},
	} {
		out := t.TempDir()
		args := []string{"extract", "--corpus", small(), "--model", model, "--out", out, "--cache", filepath.Join(cache, tc.name), "--password", "s3cret"}
		for _, p := range tc.places {
			args = append(args, "--files", filepath.Join(dir, p))
		}
		for _, again := range []bool{false, true} {
			status, _, stderr := driftbench(args...)
			if status != exitDone {
				t.Fatalf("%s: status %d, stderr:\n%s", tc.name, status, stderr)
			}
			if got := features(out); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, again %v: other features than of plain files", tc.name, again)
			}
			for _, m := range regexp.MustCompile(`msg=extracted .* files=(\d+) .* cached=(\d+)`).FindAllStringSubmatch(stderr, -1) {
				if cached := m[1] == m[2]; cached != again {
					t.Errorf("%s, again %v: %s", tc.name, again, m[0])
				}
			}
			text := readFile(t, filepath.Join(out, "manifest.json"))
			var man bench.Manifest
			if err := json.Unmarshal([]byte(text), &man); err != nil {
				t.Fatal(err)
			}
			// Not all rows are drawn, and the two runs draw the same.
			total := 0
			for _, s := range man.Splits {
				total += s.Files
			}
			for form, most := range tc.unpacked {
				if total > most || man.Unpacked[form] != total || len(man.Unpacked) != 1 {
					t.Errorf("%s, again %v: unpacked %v, want %d of %s", tc.name, again, man.Unpacked, total, form)
				}
			}
			if len(tc.unpacked) == 0 && len(man.Unpacked) > 0 {
				t.Errorf("%s: unpacked %v", tc.name, man.Unpacked)
			}
			if strings.Contains(text+stderr, "s3cret") {
				t.Errorf("%s: the password is in the manifest or on stderr", tc.name)
			}
		}
	}
}
