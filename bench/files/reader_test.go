package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"driftbench/internal/fuzzing"
)

// found is files with their places.
type found struct {
	*Places
	files []File
}

// find opens places and finds the files of names in them.
func find(t testing.TB, opt Options, places []string, names ...string) found {
	t.Helper()
	p, err := Open(t.Context(), places, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	files, warnings, err := p.Find(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Log(w)
	}
	return found{p, files}
}

// write makes a file with its folders.
func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// numbered makes n small files and returns their names.
func numbered(t testing.TB, dir string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("d/%04d", i)
		write(t, filepath.Join(dir, names[i]), []byte("x"))
	}
	return names
}

// readAll reads every batch and returns the numbers of the files, their first
// bytes and their sizes.
func readAll(t *testing.T, found found, opt ReadOptions) (order []int, contents [][]byte, sizes []int64, dropped []Dropped) {
	t.Helper()
	r := found.NewReader(t.Context(), found.files, opt)
	defer r.Close()
	for {
		b, err := r.Next()
		if err == io.EOF {
			return order, contents, sizes, r.Dropped()
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Rows) == 0 || len(b.Rows) > opt.Batch {
			t.Errorf("batch of %d", len(b.Rows))
		}
		for i, data := range b.Files {
			order = append(order, b.Rows[i])
			contents = append(contents, bytes.Clone(data))
			sizes = append(sizes, b.Size[i])
			if sha256.Sum256(data) != b.SHA256[i] {
				t.Errorf("row %d: SHA256 is not of the bytes in the batch", b.Rows[i])
			}
		}
		b.Release()
	}
}

func TestReader(t *testing.T) {
	dir := t.TempDir()
	names := numbered(t, dir, 101)
	var want [][]byte
	for i, name := range names {
		content := bytes.Repeat([]byte{byte(i + 1)}, 1+i*37%400)
		write(t, filepath.Join(dir, name), content)
		want = append(want, content)
	}
	found := find(t, Options{}, []string{dir}, names...)
	for _, opt := range []ReadOptions{
		{MaxLen: 200, Batch: 8},
		{MaxLen: 200, Batch: 1, Ahead: 1, Readers: 1},
		{MaxLen: 1000, Batch: 1000, Ahead: 5, Readers: 16},
		{MaxLen: 1, Batch: 7},
	} {
		order, contents, sizes, dropped := readAll(t, found, opt)
		if len(order) != len(names) || len(dropped) != 0 {
			t.Fatalf("%+v: %d files, dropped %v", opt, len(order), dropped)
		}
		for i := range order {
			head := want[i][:min(opt.MaxLen, len(want[i]))]
			if order[i] != i || !bytes.Equal(contents[i], head) || sizes[i] != int64(len(want[i])) {
				t.Fatalf("%+v: place %d has file %d, %d bytes of %d", opt, i, order[i], len(contents[i]), sizes[i])
			}
		}
	}
	if order, _, _, dropped := readAll(t, find(t, Options{}, []string{dir}), ReadOptions{MaxLen: 1, Batch: 1}); order != nil || dropped != nil {
		t.Errorf("no files: %v, %v", order, dropped)
	}
}

// hostile makes a root with every kind of file that is not to be read, and a
// few that are, and returns names with the reason for which they are dropped.
func hostile(t *testing.T, dir string) (names, reasons []string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, []byte("outside"))
	add := func(name, reason string) {
		names, reasons = append(names, name), append(reasons, reason)
	}
	must(os.Mkdir(filepath.Join(dir, "d"), 0o755))
	for _, good := range []string{"good", "new\nline", "\xff\xfe", `"quoted"`, "=1+1", "<b>", "d/../good2", "\x1b[2J"} {
		write(t, filepath.Join(dir, good), []byte("bytes of "+good))
		add(good, "")
	}
	add("nowhere", "is missing")
	add("good/below", "cannot be read: not a directory")
	add("nul\x00", "cannot be read: invalid argument")
	add(strings.Repeat("n", 300), "cannot be read: file name too long")
	write(t, filepath.Join(dir, "nothing"), nil)
	add("nothing", "is empty")
	must(os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	add("folder", "is a directory")
	add(".", "is a directory")
	must(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	add("pipe", "is a named pipe")
	add("pipe/below", "cannot be read: not a directory")
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	must(err)
	t.Cleanup(func() { l.Close() })
	add("socket", "is a socket")
	for name, target := range map[string]string{"in": "good", "out": outside, "up": "../" + filepath.Base(dir) + "/good", "loop": "link-loop", "zero": "/dev/zero"} {
		must(os.Symlink(target, filepath.Join(dir, "link-"+name)))
	}
	must(os.Symlink(filepath.Dir(outside), filepath.Join(dir, "link-folder")))
	add("link-folder/outside", string(leads))
	must(os.Link(filepath.Join(dir, "good"), filepath.Join(dir, "hard")))
	add("hard", "")
	if syscall.Mknod(filepath.Join(dir, "device"), syscall.S_IFCHR|0o666, 1<<8|5) == nil { // root alone makes devices
		add("device", "is a device")
	}
	for _, shown := range []string{"\u009b31m", "\u202egpj.exe", "\a", "-x", "@x", "CON", "a,b|`c`"} {
		write(t, filepath.Join(dir, shown), []byte("x"))
		add(shown, "")
	}
	add("gone\u202e\u009b2J", "is missing")
	add("link-in", "")
	add("link-out", string(leads))
	add("link-up", "") // out and in again
	add("link-zero", string(leads))
	add("link-loop", "cannot be read: too many levels of symbolic links")
	if os.Getuid() != 0 { // root reads everything
		write(t, filepath.Join(dir, "secret"), []byte("s"))
		must(os.Chmod(filepath.Join(dir, "secret"), 0))
		add("secret", "cannot be read: permission denied")
	}
	return names, reasons
}

func TestReaderDrops(t *testing.T) {
	dir := t.TempDir()
	names, reasons := hostile(t, dir)
	found := find(t, Options{}, []string{dir}, names...)
	order, _, _, dropped := readAll(t, found, ReadOptions{MaxLen: 100, Batch: 3})
	var kept []int
	var want []Dropped
	for i, reason := range reasons {
		if reason == "" {
			kept = append(kept, i)
		} else {
			want = append(want, Dropped{i, reason})
		}
		if found.files[i].Reason != reason { // Find decides the same without reading
			t.Errorf("%q is found as %q, want %q", names[i], found.files[i].Reason, reason)
		}
	}
	if !reflect.DeepEqual(order, kept) {
		t.Errorf("files %v, want %v", order, kept)
	}
	if !reflect.DeepEqual(dropped, want) {
		t.Errorf("dropped\n%v, want\n%v", dropped, want)
	}
	for _, d := range dropped {
		if !fuzzing.IsLine(d.Reason) {
			t.Errorf("%q", d.Reason)
		}
	}
}

func TestReaderAllowOutside(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	write(t, filepath.Join(dir, "beside"), []byte("beside"))
	write(t, filepath.Join(root, "in"), []byte("in"))
	for name, target := range map[string]string{"link": "../beside", "device": "/dev/zero"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	found := find(t, Options{AllowOutside: true}, []string{root}, "in", "../beside", filepath.Join(dir, "beside"), "link", "device")
	_, contents, _, dropped := readAll(t, found, ReadOptions{MaxLen: 100, Batch: 10})
	if got := fmt.Sprintf("%s", contents); got != "[in beside beside beside]" {
		t.Errorf("files %s", got)
	}
	if want := []Dropped{{4, "is a device"}}; !reflect.DeepEqual(dropped, want) {
		t.Errorf("dropped %v", dropped)
	}
}

// 10 GB without a block on the disk cost the first MaxLen bytes.
func TestReaderSparse(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sparse"), []byte("MZ"))
	if err := os.Truncate(filepath.Join(dir, "sparse"), 10<<30); err != nil {
		t.Skip(err)
	}
	start := time.Now()
	_, files, sizes, _ := readAll(t, find(t, Options{}, []string{dir}, "sparse"), ReadOptions{MaxLen: 200_000, Batch: 1})
	if len(files) != 1 || len(files[0]) != 200_000 || !bytes.HasPrefix(files[0], []byte("MZ\x00")) || sizes[0] != 10<<30 {
		t.Errorf("sizes %v", sizes)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

// A file that changes between its opening and the end of its reading is
// refused; one that only loses its name is whole.
func TestReadUnchanged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(path string) error
		want   error
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"shrinks", func(p string) error { return os.Truncate(p, 500) }, changed},
		{"shrinks to nothing", func(p string) error { return os.Truncate(p, 0) }, changed},
		{"grows", func(p string) error { return os.Truncate(p, 2000) }, changed},
		{"is written", func(p string) error { return os.Chtimes(p, time.Time{}, time.Unix(1, 0)) }, changed},
		{"vanishes", os.Remove, nil},
		{"is replaced", func(p string) error {
			if err := os.WriteFile(p+"2", []byte("other"), 0o644); err != nil {
				return err
			}
			return os.Rename(p+"2", p)
		}, nil},
	} {
		for _, maxLen := range []int{100, 1000, 5000} {
			path := filepath.Join(t.TempDir(), "f")
			write(t, path, bytes.Repeat([]byte{7}, 1000))
			r := folder{dir: filepath.Dir(path)}
			f, info, err := r.open("f")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, maxLen)
			n, _, err := readUnchanged(buf, f, info)
			f.Close()
			if err != c.want {
				t.Errorf("%s, maxlen %d: %v, want %v", c.name, maxLen, err, c.want)
			}
			if err == nil && !bytes.Equal(buf[:n], bytes.Repeat([]byte{7}, min(1000, maxLen))) {
				t.Errorf("%s, maxlen %d: other bytes", c.name, maxLen)
			}
		}
	}
}

func TestRefuseKeepsFailures(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOTCONN, syscall.ESTALE, syscall.ETIMEDOUT} {
		err := refuse(&fs.PathError{Op: "open", Path: "x", Err: errno}, "x")
		if isRefusal(err) || !errors.Is(err, errno) {
			t.Errorf("%v became %v", errno, err)
		}
	}
}

// A disk may fail to give back some files, but not many.
func TestTolerate(t *testing.T) {
	p := new(Places)
	for i := range mostFailures + 2 {
		err := p.tolerate(refuse(&fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}, "x"), &File{Name: "x"})
		if isRefusal(err) != (i < mostFailures) {
			t.Fatalf("failure %d: %v", i+1, err)
		}
		if err := p.tolerate(missing, &File{Name: "y"}); err != missing {
			t.Error(err)
		}
	}
}

// Where one attempt is not to decide, a disk may fail to give back no file.
func TestStrict(t *testing.T) {
	p := &Places{opt: Options{Strict: true}}
	err := p.tolerate(refuse(&fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}, "x"), &File{Name: "x"})
	if isRefusal(err) || !Outage(err) || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("EIO is %v", err)
	}
	for _, why := range []refusal{missing, denied, empty} {
		if err := p.tolerate(why, &File{Name: "y"}); err != why || Outage(err) {
			t.Errorf("%v is %v", why, err)
		}
		if absent := why != empty; Absent(string(why)) != absent {
			t.Errorf("a file that %s is absent: %v, want %v", why, !absent, absent)
		}
	}
	if Outage(refuse(&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "x")) || !Outage(&fs.PathError{Op: "open", Path: "x", Err: syscall.ESTALE}) {
		t.Error("EACCES is an outage, or ESTALE is none")
	}
}

// A place that is gone, empty or another than it was is told from one without a file.
func TestPlaceIsThere(t *testing.T) {
	for what, tc := range map[string]struct {
		change func(dir string) error
		say    string
	}{
		"":       {func(string) error { return nil }, ""},
		"a file": {func(dir string) error { return os.Remove(filepath.Join(dir, "a")) }, ""},
		"all": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "a")), os.Remove(filepath.Join(dir, "b")))
		}, "is an empty folder: is it mounted"},
		"gone": {os.RemoveAll, "no such file or directory"},
		"another": {func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o777), os.WriteFile(filepath.Join(dir, "a"), nil, 0o666))
		}, "is another folder than it was"},
	} {
		dir := filepath.Join(t.TempDir(), "place")
		if err := errors.Join(os.Mkdir(dir, 0o777), os.WriteFile(filepath.Join(dir, "a"), nil, 0o666), os.WriteFile(filepath.Join(dir, "b"), nil, 0o666)); err != nil {
			t.Fatal(err)
		}
		p, err := Open(t.Context(), []string{dir}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := tc.change(dir); err != nil {
			t.Fatal(err)
		}
		if err := p.Check(); (err == nil) != (tc.say == "") || err != nil && !strings.Contains(err.Error(), tc.say) {
			t.Errorf("without %q: %v, want %q", what, err, tc.say)
		}
	}
}

// No more than Ahead+1 batches are ever under way.
func TestReaderIsBounded(t *testing.T) {
	dir := t.TempDir()
	found := find(t, Options{}, []string{dir}, numbered(t, dir, 50)...)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r := found.NewReader(ctx, found.files, ReadOptions{MaxLen: 10, Batch: 5, Ahead: 3})
	defer r.Close()
	for range 4 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := r.Next(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fifth batch: %v, %v", b, err)
	}
}

func TestReaderStops(t *testing.T) {
	dir := t.TempDir()
	found := find(t, Options{}, []string{dir}, numbered(t, dir, 500)...)
	before := runtime.NumGoroutine()
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		r := found.NewReader(ctx, found.files, ReadOptions{MaxLen: 10, Batch: 5})
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		cancel()
		if _, err := r.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("after cancel: %v", err)
		}
		r.Close()
		if _, err := r.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("after Close: %v", err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
		}
	}
}

func TestReaderPanics(t *testing.T) {
	panics := func(what string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s does not panic", what)
			}
		}()
		f()
	}
	dir := t.TempDir()
	found := find(t, Options{}, []string{dir}, numbered(t, dir, 1)...)
	panics("MaxLen 0", func() { found.NewReader(t.Context(), nil, ReadOptions{Batch: 1}) })
	panics("a second Release", func() {
		r := found.NewReader(t.Context(), found.files, ReadOptions{MaxLen: 1, Batch: 1})
		defer r.Close()
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		b.Release()
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for root, want := range map[string]string{"none": "no such file", "pipe": "is a named pipe"} {
		if _, err := Open(t.Context(), []string{dir, filepath.Join(dir, root)}, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("root %s: %v", root, err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	dir := b.TempDir()
	found := find(b, Options{}, []string{dir}, numbered(b, dir, 4)...)
	for _, f := range found.files {
		write(b, f.Path(), make([]byte, 200_000))
	}
	for len(found.files) < 1024 {
		found.files = append(found.files, found.files[:4]...)
	}
	for _, readers := range []int{1, 4} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			b.SetBytes(int64(len(found.files)) * 200_000)
			for b.Loop() {
				r := found.NewReader(b.Context(), found.files, ReadOptions{MaxLen: 200_000, Batch: 32, Readers: readers})
				for {
					batch, err := r.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					batch.Release()
				}
				r.Close()
			}
		})
	}
}

func TestDigests(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("a long file ", 100000)
	for name, content := range map[string]string{"long": long, "short": "x", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	found := find(t, Options{}, []string{dir}, "long", "none", "short", "out", "empty")
	var done atomic.Int32
	sums, dropped, err := found.Digests(t.Context(), found.files, func(n int) { done.Add(int32(n)) })
	if err != nil {
		t.Fatal(err)
	}
	if sums[0] != sha256.Sum256([]byte(long)) || sums[2] != sha256.Sum256([]byte("x")) || sums[1] != [sha256.Size]byte{} || done.Load() != 5 {
		t.Errorf("digests %x, %d done", sums, done.Load())
	}
	if want := []Dropped{{1, "is missing"}, {3, string(leads)}, {4, "is empty"}}; !reflect.DeepEqual(dropped, want) {
		t.Errorf("dropped %v, want %v", dropped, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if err := os.Truncate(filepath.Join(dir, "long"), 1<<40); err != nil { // which would take an hour
		t.Fatal(err)
	}
	_, _, err = found.Digests(ctx, []File{found.files[2], found.files[0]}, func(int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
