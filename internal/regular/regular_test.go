package regular

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
		b, err := Read(at(name), 5)
		switch {
		case want == "" && (err != nil || string(b) != "bytes"):
			t.Errorf("%s: %q, %v", name, b, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), at(name))):
			t.Errorf("%s: error %v, want %q and the path", name, err, want)
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
}
