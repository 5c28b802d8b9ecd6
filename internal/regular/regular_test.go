package regular

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, err := range []error{
		os.WriteFile(at("file"), []byte("bytes"), 0o666),
		os.Mkdir(at("folder"), 0o777),
		syscall.Mkfifo(at("pipe"), 0o666),
		os.Symlink("file", at("link")),
		os.Symlink("/dev/zero", at("device")),
		os.WriteFile(at("sparse"), nil, 0o666),
		os.Truncate(at("sparse"), 10<<30),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"file": "", "link": "",
		"folder": "is a directory", "pipe": "is a named pipe", "device": "is a device",
		"socket": "is a socket",
		"sparse": "has 10737418240 bytes, at most 5 are read",
		"none":   "no such file",
	} {
		b, err := Read(at(name), 5, nil)
		switch {
		case want == "" && (err != nil || string(b) != "bytes"):
			t.Errorf("%s: %q, %v", name, b, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), at(name))):
			t.Errorf("%s: error %v, want %q and the path", name, err, want)
		}
		var other *NotRegularError
		if errors.As(err, &other) != strings.HasPrefix(want, "is a ") {
			t.Errorf("%s: error %#v", name, err)
		}
	}
}

// What is no regular file is not opened, not even to look at it: opening a
// device can do things. A watch on the folder sees what is opened.
func TestOpensNothingElse(t *testing.T) {
	dir := t.TempDir()
	pipe, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	for _, err := range []error{syscall.Mkfifo(pipe, 0o666), os.WriteFile(file, nil, 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, dir, unix.IN_OPEN); err != nil {
		t.Skip(err)
	}
	opened := func() bool {
		n, err := unix.Read(watch, make([]byte, 4096))
		return err == nil && n > 0
	}
	if f, _, err := Open(file); err != nil || !opened() {
		t.Fatalf("a file: %v, or the watch sees nothing", err)
	} else {
		f.Close()
	}
	for _, flag := range []int{os.O_RDONLY, os.O_RDWR} {
		if _, _, err := OpenFile(pipe, flag); err == nil || opened() {
			t.Errorf("flag %d: error %v, and it was opened", flag, err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	opened() // the root itself
	if f, _, err := OpenIn(root, "file"); err != nil || !opened() {
		t.Fatalf("a file in the root: %v, or the watch sees nothing", err)
	} else {
		f.Close()
	}
	if _, _, err := OpenIn(root, "pipe"); err == nil || opened() {
		t.Errorf("in the root: error %v, and it was opened", err)
	}
}

// Whatever gives a file other bytes gives it another version, its size and
// mtime set back or not; reading it does not.
func TestVersionChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	long := time.Date(2017, 6, 1, 0, 0, 0, 0, time.UTC)
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	// See the file as it will be when its times can be relied on.
	fs := FileSystemOf(dir)
	if fs.device == 0 {
		t.Skipf("the file system of %s is not known to keep the times of changes: files there have no versions", dir)
	}
	stat := func() os.FileInfo {
		t.Helper()
		time.Sleep(20 * time.Millisecond) // more than a tick of the kernel's clock
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	see := func() Version {
		t.Helper()
		info := stat()
		if v := fs.Version(info, time.Now()); v.Known() {
			t.Errorf("a file written just now has the version %v", v)
		}
		v := fs.Version(info, time.Now().Add(settled))
		if !v.Known() || v.Size() != info.Size() {
			t.Errorf("version %v of a file of %d bytes", v, info.Size())
		}
		return v
	}
	write("one")
	first := see()
	if _, err := os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if v := see(); v != first {
		t.Errorf("reading changes %v to %v", first, v)
	}
	for what, change := range map[string]func(){
		"written in place": func() { write("two") },
		"replaced": func() {
			old := path
			path = filepath.Join(dir, "new")
			write("two")
			if err := os.Rename(path, old); err != nil {
				t.Fatal(err)
			}
			path = old
		},
		"grown": func() { write("longer") },
	} {
		write("one")
		before, whole := see(), stat()
		change()
		if after := see(); after == before {
			t.Errorf("%s: still %v", what, after)
		}
		// The same while it is read, which may take long.
		if v := fs.VersionRead(whole, stat(), time.Now().Add(settled)); v.Known() {
			t.Errorf("%s while it is read: %v", what, v)
		}
	}
	whole := stat()
	if v := fs.VersionRead(whole, stat(), time.Now().Add(settled)); v != see() {
		t.Errorf("left alone while it is read: %v", v)
	}
	for _, other := range []FileSystem{{}, {fs.device + 1}} {
		if v := other.Version(whole, time.Now().Add(settled)); v.Known() {
			t.Errorf("version %v of a file of another file system", v)
		}
	}
}

// A file that its first bytes rule out is not read on, and one that grows is not
// read for ever.
func TestReadChecks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	if err := errors.Join(os.WriteFile(path, []byte("head"), 0o666), os.Truncate(path, 1<<40)); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	if _, err := Read(path, 1<<50, func(head []byte) error {
		if len(head) != 512 || string(head[:4]) != "head" {
			t.Errorf("the first bytes are %q", head)
		}
		return refused
	}); err != refused {
		t.Errorf("error %v, want that of the check", err)
	}
	if err := os.Truncate(path, 3); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(path, 3, func([]byte) error { return nil }); err != nil || string(b) != "hea" {
		t.Errorf("a file shorter than its head: %q, %v", b, err)
	}
	if _, err := Read(path, 1<<20, func([]byte) error { return os.Truncate(path, 1<<20) }); err == nil || !strings.Contains(err.Error(), "grows while it is read") {
		t.Errorf("a file that grows: error %v", err)
	}
}
