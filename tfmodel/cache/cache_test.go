package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var testScope = Scope{Model: "0badc0de", Engine: "tensorflow", Widths: []int{128, 64, 4}}

// testKey is key number n.
func testKey(n int) Key {
	return sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func testKeys(from, n int) []Key {
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = testKey(from + i)
	}
	return keys
}

// testRows are the values that belong to keys in a scope.
func testRows(s Scope, keys []Key) [][]float32 {
	rows := newRows(s, len(keys))
	for row, k := range keys {
		seed := sha256.Sum256(append(s.name(), k[:]...))
		r := rand.New(rand.NewChaCha8(seed))
		for i, w := range s.Widths {
			for j := range w {
				rows[i][row*w+j] = float32(r.NormFloat64())
			}
		}
	}
	return rows
}

func newRows(s Scope, n int) [][]float32 {
	rows := make([][]float32, len(s.Widths))
	for i, w := range s.Widths {
		rows[i] = make([]float32, n*w)
	}
	return rows
}

// warnings is a logger and what was logged to it.
type warnings struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *warnings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *warnings) log() *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func (w *warnings) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Split(strings.TrimSuffix(w.text.String(), "\n"), "\n")[:strings.Count(w.text.String(), "\n")]
}

// want fails unless exactly the given warnings were logged, each by a part of it.
func (w *warnings) want(t *testing.T, parts ...string) {
	t.Helper()
	lines := w.lines()
	ok := len(lines) == len(parts)
	for i := 0; ok && i < len(parts); i++ {
		ok = strings.Contains(lines[i], parts[i])
	}
	if !ok {
		t.Errorf("warnings %q, want %q", lines, parts)
	}
}

func mustOpen(t testing.TB, dir string, s Scope) (*Cache, *warnings) {
	t.Helper()
	w := new(warnings)
	c, err := Open(dir, s, w.log())
	if err != nil {
		t.Fatal(err)
	}
	return c, w
}

// stored returns which of keys the cache has, and fails when it serves a value
// that was not stored.
func stored(t testing.TB, c *Cache, s Scope, keys []Key) []bool {
	t.Helper()
	got, want := newRows(s, len(keys)), testRows(s, keys)
	has := slices.Repeat([]bool{true}, len(keys))
	for _, row := range c.Get(got, keys) {
		has[row] = false
	}
	for row := range keys {
		for i, w := range s.Widths {
			if has[row] && !slices.Equal(got[i][row*w:(row+1)*w], want[i][row*w:(row+1)*w]) {
				t.Fatalf("key %d, layer %d: wrong values", row, i)
			}
		}
	}
	return has
}

func count(has []bool) (n int) {
	for _, h := range has {
		if h {
			n++
		}
	}
	return n
}

// Puts and Gets at random agree with a map, in scopes that share the keys.
func TestAgreesWithMap(t *testing.T) {
	scopes := []Scope{
		testScope,
		{Model: testScope.Model, Engine: "table", Widths: testScope.Widths},
		{Model: "another", Engine: "table", Widths: testScope.Widths},
		{Model: "another", Engine: "table", Widths: []int{1}},
		{Model: "another", Engine: "table", Widths: []int{2000, 3}}, // more than a page
	}
	dir := filepath.Join(t.TempDir(), "made", "as needed")
	r := rand.New(rand.NewPCG(1, 1))
	model := make([]map[int]bool, len(scopes))
	for i := range model {
		model[i] = make(map[int]bool)
	}
	for range 60 {
		i := r.IntN(len(scopes))
		c, w := mustOpen(t, dir, scopes[i])
		for range 4 {
			from, n := r.IntN(500), r.IntN(65)
			keys := testKeys(from, n)
			if r.IntN(2) == 0 {
				c.Put(keys, testRows(scopes[i], keys))
				for k := range n {
					model[i][from+k] = true
				}
			}
			for k, has := range stored(t, c, scopes[i], keys) {
				if has != model[i][from+k] {
					t.Fatalf("scope %d, key %d: stored %v, want %v", i, from+k, has, !has)
				}
			}
		}
		w.want(t)
	}
}

func TestKeepsEveryBit(t *testing.T) {
	s := Scope{Widths: []int{7}}
	c, _ := mustOpen(t, t.TempDir(), s)
	want := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), math.SmallestNonzeroFloat32, math.MaxFloat32, math.Float32frombits(0x7fc00001), math.Float32frombits(0xffc12345)}
	c.Put(testKeys(0, 1), [][]float32{want})
	got := newRows(s, 1)
	if missing := c.Get(got, testKeys(0, 1)); len(missing) != 0 {
		t.Fatal("not stored")
	}
	for i := range want {
		if g, w := math.Float32bits(got[0][i]), math.Float32bits(want[i]); g != w {
			t.Errorf("value %d is %#x, want %#x", i, g, w)
		}
	}
}

// Run computes what is missing, each in its row, and no more.
func TestRun(t *testing.T) {
	c, w := mustOpen(t, t.TempDir(), testScope)
	computed := 0
	engine := func(dst [][]float32, files [][]byte) error {
		computed += len(files)
		keys := make([]Key, len(files))
		for i, f := range files {
			keys[i] = sha256.Sum256(f)
		}
		for i, v := range testRows(testScope, keys) {
			copy(dst[i], v)
		}
		return nil
	}
	run := func(c *Cache, wantFound int, numbers ...int) {
		t.Helper()
		var keys []Key
		var files [][]byte
		for _, n := range numbers {
			files = append(files, binary.LittleEndian.AppendUint64(nil, uint64(n)))
			keys = append(keys, testKey(n))
		}
		computed = 0
		dst, want := newRows(testScope, len(keys)), testRows(testScope, keys)
		missing, err := c.Run(dst, keys, files, nil, engine)
		if err != nil || len(missing) != len(keys)-wantFound || computed != len(missing) {
			t.Errorf("%v: missing %d, computed %d, %v; want %d found", numbers, missing, computed, err, wantFound)
		}
		for i := range want {
			if !slices.Equal(dst[i], want[i]) {
				t.Errorf("%v: layer %d is wrong", numbers, i)
			}
		}
	}
	run(c, 0, 1, 2, 3)
	run(c, 3, 3, 2, 1)
	run(c, 2, 9, 1, 8, 2, 7)
	run(c, 5, 1, 2, 7, 8, 9)
	run(c, 0, 20, 20)
	run(c, 2, 20, 20)
	run(c, 0)
	run(nil, 0, 1, 2)
	w.want(t)

	// What failed is not stored.
	failure := errors.New("engine failed")
	for _, keys := range [][]Key{testKeys(30, 2), testKeys(9, 2)} {
		_, err := c.Run(newRows(testScope, 2), keys, make([][]byte, 2), nil, func([][]float32, [][]byte) error { return failure })
		if err != failure {
			t.Errorf("error %v, want the engine's", err)
		}
	}
	if has := stored(t, c, testScope, append(testKeys(30, 2), testKey(10))); count(has) != 0 {
		t.Errorf("stored after a failure: %v", has)
	}
}

func TestConcurrentUse(t *testing.T) {
	c, w := mustOpen(t, t.TempDir(), testScope)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 10 {
				keys := testKeys(g*100+i*8, 16)
				c.Put(keys, testRows(testScope, keys))
				if n := count(stored(t, c, testScope, keys)); n != len(keys) {
					t.Errorf("%d of %d stored", n, len(keys))
				}
			}
		})
	}
	wg.Wait()
	w.want(t)
}

func TestMistakesPanic(t *testing.T) {
	c, _ := mustOpen(t, t.TempDir(), testScope)
	for name, f := range map[string]func(){
		"no layers":      func() { Open(t.TempDir(), Scope{}, slog.Default()) },
		"missing layer":  func() { c.Put(testKeys(0, 1), newRows(testScope, 1)[:2]) },
		"short to store": func() { c.Put(testKeys(0, 2), newRows(testScope, 1)) },
		"short to fill":  func() { c.Get(newRows(testScope, 1), testKeys(0, 2)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, testScope, slog.Default()); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
}

// A folder that cannot be written to serves what it holds, with one warning.
func TestReadOnlyFolder(t *testing.T) {
	for _, filled := range []bool{false, true} {
		dir := t.TempDir()
		if filled {
			c, _ := mustOpen(t, dir, testScope)
			c.Put(testKeys(0, 10), testRows(testScope, testKeys(0, 10)))
			os.Chmod(c.store.path(), 0o444)
		}
		os.Chmod(filepath.Dir(dir), 0o755)
		os.Chmod(dir, 0o555)
		done := make(chan struct{})
		go func() { // a thread of its own, which ends with its identity
			defer close(done)
			runtime.LockOSThread()
			if os.Geteuid() == 0 {
				unix.Setfsuid(65534) // root may write anywhere
			}
			c, w := mustOpen(t, dir, testScope)
			c.Put(testKeys(10, 10), testRows(testScope, testKeys(10, 10)))
			has := stored(t, c, testScope, testKeys(0, 20))
			for i := range has {
				if has[i] != (filled && i < 10) {
					t.Errorf("filled %v: key %d stored %v", filled, i, has[i])
				}
			}
			w.want(t, "permission denied")
		}()
		<-done
		os.Chmod(dir, 0o777)
	}
}

// What is no file is not taken for a store: one warning, no wait, nothing read.
func TestStoreThatIsNoFile(t *testing.T) {
	for want, put := range map[string]func(path string) error{
		"is a named pipe": func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"is a directory":  func(path string) error { return os.Mkdir(path, 0o777) },
		"is a device":     func(path string) error { return os.Symlink("/dev/zero", path) },
		"no such file":    func(path string) error { return os.Symlink("none", path) },
	} {
		dir := t.TempDir()
		path := (&store{dir: dir}).path()
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		c, w := mustOpen(t, dir, testScope)
		for range 2 {
			c.Put(testKeys(0, 1), testRows(testScope, testKeys(0, 1)))
			if has := stored(t, c, testScope, testKeys(0, 1)); has[0] {
				t.Errorf("%s: stored", want)
			}
		}
		w.want(t, want)
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: it did not stay: %v", want, err)
		}
	}
}

// A store that stops being a file in the middle of a run is not waited for.
func TestStoreTurnsIntoPipe(t *testing.T) {
	c, w := mustOpen(t, t.TempDir(), testScope)
	for _, err := range []error{os.Remove(c.store.path()), syscall.Mkfifo(c.store.path(), 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if has := stored(t, c, testScope, testKeys(0, 1)); has[0] {
			t.Error("stored")
		}
		c.Put(testKeys(0, 1), testRows(testScope, testKeys(0, 1)))
	}
	w.want(t, "is a named pipe")
}

// A store is where a link says.
func TestStoreBehindLink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	c, w := mustOpen(t, elsewhere, testScope)
	c.Put(testKeys(0, 3), testRows(testScope, testKeys(0, 3)))
	if err := os.Symlink(c.store.path(), (&store{dir: dir}).path()); err != nil {
		t.Fatal(err)
	}
	linked, v := mustOpen(t, dir, testScope)
	linked.Put(testKeys(3, 3), testRows(testScope, testKeys(3, 3)))
	for _, c := range []*Cache{c, linked} {
		if n := count(stored(t, c, testScope, testKeys(0, 6))); n != 6 {
			t.Errorf("%s: %d of 6 stored", c.store.dir, n)
		}
	}
	w.want(t)
	v.want(t)
}

// What lies where a store is made is not written to and not waited for.
func TestTemporaryThatIsThere(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(mine, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		put  func(path string) error
		want []string // warnings
	}{
		"left by a kill": {func(path string) error { return os.WriteFile(path, make([]byte, 9000), 0o666) }, nil},
		"link":           {func(path string) error { return os.Symlink(mine, path) }, nil},
		"dangling link":  {func(path string) error { return os.Symlink(mine+"2", path) }, nil},
		"pipe":           {func(path string) error { return syscall.Mkfifo(path, 0o666) }, nil},
		"full folder":    {func(path string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o777) }, []string{"not empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.put((&store{dir: dir}).temporary()); err != nil {
				t.Fatal(err)
			}
			cache, w := mustOpen(t, dir, testScope)
			cache.Put(testKeys(0, 2), testRows(testScope, testKeys(0, 2)))
			n := count(stored(t, cache, testScope, testKeys(0, 2)))
			if stores := n == 2; stores != (len(c.want) == 0) {
				t.Errorf("%d of 2 stored", n)
			}
			w.want(t, c.want...)
			if b, err := os.ReadFile(mine); err != nil || string(b) != "mine" {
				t.Errorf("the link's target holds %q, %v", b, err)
			}
			if _, err := os.Stat(mine + "2"); err == nil {
				t.Error("the link's target was made")
			}
		})
	}
}

// Another process that never lets go costs the cache, not the run.
func TestLockHeldForever(t *testing.T) {
	dir := t.TempDir()
	c, w := mustOpen(t, dir, testScope)
	c.store.patience = 20 * time.Millisecond
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.Put(testKeys(0, 1), testRows(testScope, testKeys(0, 1)))
		if has := stored(t, c, testScope, testKeys(0, 1)); has[0] {
			t.Error("stored under another's lock")
		}
	}
	w.want(t, "in use by another process", "in use by another process")
}
