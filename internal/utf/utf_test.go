package utf

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

// encode returns s as UTF-16 with a byte order mark.
func encode(s string, big bool) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return b
}

func TestNewReader(t *testing.T) {
	text := "name,label\nпример.exe,worm\n𝄞,trojan\n"
	long := strings.Repeat(text, 5000)
	for name, b := range map[string][]byte{
		"UTF-8":          []byte(long),
		"UTF-8 with BOM": []byte("\ufeff" + long),
		"UTF-16LE":       encode(long, false),
		"UTF-16BE":       encode(long, true),
	} {
		got, err := io.ReadAll(NewReader(iotest.OneByteReader(bytes.NewReader(b))))
		if err != nil || string(got) != long {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(long))
		}
	}
	for _, same := range []string{"", "a", "\xff", "ab", "\x00\x00\x00\x00", "\xffa\x00b", "a\x00\x00b"} {
		if got, err := Bytes([]byte(same)); err != nil || string(got) != same {
			t.Errorf("%q: %q, %v", same, got, err)
		}
	}
	for name, b := range map[string][]byte{
		"UTF-16 without": encode(text, false)[2:],
		"and big":        encode(text, true)[2:],
		"is UTF-32":      []byte("\xff\xfe\x00\x00a\x00\x00\x00"),
	} {
		if got, err := Bytes(b); err == nil || !strings.Contains(err.Error(), "save it as UTF-8") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
