package cache

import (
	"fmt"
	"slices"
	"testing"

	"driftbench/internal/regular"
)

// testFiles are files whose contents have the keys from number from on.
func testFiles(from, n int) []File {
	files := make([]File, n)
	for i := range files {
		files[i] = File{Path: fmt.Sprint("/files/", from+i), Head: 200000, Version: regular.Version{1, int64(from + i), 3, 4, 5}}
	}
	return files
}

// A file is found with its key and outputs while nothing about it, nor what
// the outputs depend on, is another.
func TestLookup(t *testing.T) {
	dir := t.TempDir()
	c, w := mustOpen(t, dir, testScope)
	keys, files := testKeys(0, 6), testFiles(0, 6)
	files[5].Version = regular.Version{}
	want := testRows(testScope, keys)
	engine := func(dst [][]float32, _ [][]byte) error {
		for i := range dst {
			copy(dst[i], want[i])
		}
		return nil
	}
	if _, err := c.Run(newRows(testScope, 6), keys, make([][]byte, 6), files, engine); err != nil {
		t.Fatal(err)
	}
	check := func(what string, c *Cache, files []File, missing ...int) {
		t.Helper()
		got := newRows(testScope, len(files))
		gotKeys, gotMissing := c.Lookup(got, files)
		if !slices.Equal(gotMissing, missing) {
			t.Errorf("%s: missing %v, want %v", what, gotMissing, missing)
		}
		for row := range files {
			if slices.Contains(gotMissing, row) {
				continue
			}
			if gotKeys[row] != keys[row] {
				t.Errorf("%s: file %d has another's key", what, row)
			}
			for i, width := range testScope.Widths {
				if !slices.Equal(got[i][row*width:(row+1)*width], want[i][row*width:(row+1)*width]) {
					t.Errorf("%s: file %d, layer %d: not its outputs", what, row, i)
				}
			}
		}
	}
	check("as it was", c, files, 5)
	reopened, _ := mustOpen(t, dir, testScope)
	check("by another process", reopened, files, 5)
	for i := range (regular.Version{}) {
		changed := slices.Clone(files)
		changed[2].Version[i]++
		check(fmt.Sprint("part ", i, " of a version changed"), c, changed, 2, 5)
	}
	for what, change := range map[string]func(*File){
		"another path":         func(f *File) { f.Path += "x" },
		"more bytes seen":      func(f *File) { f.Head++ },
		"version that is zero": func(f *File) { f.Version = regular.Version{} },
	} {
		changed := slices.Clone(files)
		change(&changed[0])
		check(what, c, changed, 0, 5)
	}
	other := testScope
	other.Engine = "table"
	anew, _ := mustOpen(t, dir, other)
	check("another engine", anew, files, 0, 1, 2, 3, 4, 5)
	check("no cache", nil, files, 0, 1, 2, 3, 4, 5)
	check("no files", c, nil)

	// A changed file is found by what it is now, once it was read again.
	files[2].Version[3]++
	keys[2] = testKey(100)
	want = testRows(testScope, keys)
	missing, err := c.Run(newRows(testScope, 6), keys, make([][]byte, 6), files, func(dst [][]float32, _ [][]byte) error {
		for i, rows := range testRows(testScope, keys[2:3]) {
			copy(dst[i], rows)
		}
		return nil
	})
	if err != nil || !slices.Equal(missing, []int{2}) {
		t.Errorf("computed %v, %v; want the changed file alone", missing, err)
	}
	check("after a change", c, files, 5)

	// Outputs alone are served to files of any name, and their names kept.
	moved := testFiles(50, 6)
	if missing, err := c.Run(newRows(testScope, 6), keys, make([][]byte, 6), moved, nil); err != nil || missing != nil {
		t.Errorf("moved files: computed %v, %v", missing, err)
	}
	check("moved", c, moved)
	w.want(t)
}

// A file whose key is stored without outputs is as good as unknown.
func TestLookupWithoutOutputs(t *testing.T) {
	c, w := mustOpen(t, t.TempDir(), testScope)
	keys, files := testKeys(0, 3), testFiles(0, 3)
	c.append(keys, testRows(testScope, keys), files, append(testKeys(0, 2), testKey(9)))
	if _, missing := c.Lookup(newRows(testScope, 3), files); !slices.Equal(missing, []int{2}) {
		t.Errorf("missing %v, want the file without outputs", missing)
	}
	w.want(t)
}
