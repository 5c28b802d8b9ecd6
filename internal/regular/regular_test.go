package regular

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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
		"socket": "no such device or address", // it cannot be opened at all
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
