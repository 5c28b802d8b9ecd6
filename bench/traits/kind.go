package traits

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"slices"
	"unicode/utf8"
)

// Kind says what a file is.
type Kind string

// Programs.
const (
	PE       Kind = "PE"
	Disarmed Kind = "PE, disarmed" // its Machine is 0, as in SOREL-20M, so that it does not run
	MZ       Kind = "MZ"           // a DOS header without a PE header in the bytes
	ELF      Kind = "ELF"
	MachO    Kind = "Mach-O"
	Script   Kind = "script"
)

// Stand-ins: what lies where a program should be.
const (
	Pointer      Kind = "Git LFS pointer"
	HTML         Kind = "HTML" // such as the page that a download gave
	Text         Kind = "text" // that is no script
	Zeros        Kind = "empty/zeros"
	Gzip         Kind = "gzip"
	Zlib         Kind = "zlib" // as SOREL-20M stores files
	Bzip2        Kind = "bzip2"
	XZ           Kind = "xz"
	Zstd         Kind = "zstd"
	SevenZip     Kind = "7z"
	RAR          Kind = "RAR"
	Tar          Kind = "tar"
	CaRT         Kind = "CaRT"
	EncryptedZip Kind = "zip, encrypted" // as malware is handed on
)

// Neither a program nor certainly a stand-in.
const (
	// Zip may hold a program, and may be one: a JAR, an APK.
	Zip   Kind = "zip"
	Other Kind = "other"
)

// programs and standIns are the kinds of either sort.
var (
	programs = []Kind{PE, Disarmed, MZ, ELF, MachO, Script}
	standIns = []Kind{Pointer, HTML, Text, Zeros, Gzip, Zlib, Bzip2, XZ, Zstd, SevenZip, RAR, Tar, CaRT, EncryptedZip}
)

// kinds are all kinds, in the order that [Traits.Encode] numbers.
var kinds = slices.Concat([]Kind{Other, Zip}, programs, standIns)

// Program reports whether files of the kind are programs.
func (k Kind) Program() bool { return slices.Contains(programs, k) }

// StandIn reports whether files of the kind lie where a program should be: a
// packed one, a pointer to one, or the message of a failed download.
func (k Kind) StandIn() bool { return slices.Contains(standIns, k) }

// magics are the bytes that files of a kind begin with.
var magics = []struct {
	kind  Kind
	bytes string
}{
	{ELF, "\x7fELF"},
	{MachO, "\xfe\xed\xfa\xce"}, {MachO, "\xfe\xed\xfa\xcf"}, {MachO, "\xce\xfa\xed\xfe"}, {MachO, "\xcf\xfa\xed\xfe"},
	{Pointer, "version https://git-lfs.github.com/spec/"}, {Pointer, "version https://hawser.github.com/spec/"},
	{Gzip, "\x1f\x8b\x08"},
	{XZ, "\xfd7zXZ\x00"},
	{Zstd, "\x28\xb5\x2f\xfd"},
	{SevenZip, "7z\xbc\xaf\x27\x1c"},
	{RAR, "Rar!\x1a\x07"},
	{CaRT, "CART\x01\x00"},
}

// kindOf returns the kind of a file that begins with head.
func kindOf(head []byte) Kind {
	if len(head) == 0 || head[0] == 0 && repeats(head) {
		return Zeros
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.bytes)) {
			return m.kind
		}
	}
	big := func(at int) uint32 { return binary.BigEndian.Uint32(head[at:]) }
	switch {
	case len(head) >= 64 && string(head[:2]) == "MZ":
		if pe, ok := peHeader(head); !ok {
			return MZ
		} else if binary.LittleEndian.Uint16(pe[4:]) == 0 {
			return Disarmed
		}
		return PE
	// A universal binary. In a Java class the second number is its version, 45 or more.
	case len(head) >= 8 && (big(0) == 0xcafebabe || big(0) == 0xcafebabf) && big(4) < 45:
		return MachO
	case len(head) >= 8 && string(head[:4]) == "PK\x03\x04":
		if head[6]&1 != 0 {
			return EncryptedZip
		}
		return Zip
	case len(head) >= 10 && string(head[:3]) == "BZh" && string(head[4:10]) == "1AY&SY":
		return Bzip2
	case len(head) >= 262 && string(head[257:262]) == "ustar":
		return Tar
	}
	if k := textKind(head); k != Other {
		return k
	}
	if isZlib(head) {
		return Zlib
	}
	return Other
}

// repeats reports whether all bytes of b, which has some, are the same.
func repeats(b []byte) bool { return bytes.Equal(b[1:], b[:len(b)-1]) }

// peHeader returns head from its PE signature on, if the header is within it.
func peHeader(head []byte) ([]byte, bool) {
	const size = 24 // of signature and file header
	at := uint64(binary.LittleEndian.Uint32(head[0x3c:]))
	if at+size > uint64(len(head)) || string(head[at:at+4]) != "PE\x00\x00" {
		return nil, false
	}
	return head[at:], true
}

// isZlib reports whether head is the beginning of a zlib stream. Its header alone
// is too short to tell, so the first bytes are inflated.
func isZlib(head []byte) bool {
	r, err := zlib.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	_, err = io.CopyN(io.Discard, r, 1024)
	return err == nil || err == io.EOF || err == io.ErrUnexpectedEOF
}

// textKind tells scripts, HTML and other text by the first 4096 bytes. A script
// without a line #! is one of the words of which other text has none.
func textKind(head []byte) Kind {
	const most = 4096
	head = bytes.TrimRight(head[:min(len(head), most)], "\x00") // a file may be padded
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		head = bytes.ReplaceAll(head[2:], []byte{0}, nil) // of UTF-16, ASCII
	}
	ascii := 0
	for _, c := range head {
		if c < ' ' && (c < '\a' || c > '\r') && c != 0x1b || c == 0x7f {
			return Other
		}
		if c < 0x80 {
			ascii++
		}
	}
	end := len(head)
	for end > most-utf8.UTFMax && !utf8.Valid(head[:end]) {
		end-- // before a character that is cut
	}
	if ascii*4 < len(head)*3 && !utf8.Valid(head[:end]) {
		return Other
	}
	text := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"))
	begins := func(s string) bool { return bytes.HasPrefix(text, []byte(s)) }
	has := func(s string) bool { return bytes.Contains(text, []byte(s)) }
	switch {
	case slices.ContainsFunc([]string{"<!doctype html", "<html", "<head", "<body", "<title"}, begins):
		return HTML
	case slices.ContainsFunc([]string{"#!", "<?php", "@echo"}, begins),
		slices.ContainsFunc([]string{"createobject(", "wscript.", "eval(", "function(", "powershell"}, has):
		return Script
	}
	return Text
}

// linked returns the TimeDateStamp of a PE file, see [Traits.Linked].
func linked(head []byte) uint32 {
	const delphi = 0x2a425e19 // 1992-06-19, in every file of Delphi 4 to 2006
	pe, ok := peHeader(head)
	if !ok {
		return 0
	}
	stamp := binary.LittleEndian.Uint32(pe[8:])
	if stamp == 0xffffffff || stamp == delphi || reproducible(head, pe) {
		return 0
	}
	return stamp
}

// reproducible reports whether the debug directory says that TimeDateStamp is a
// hash of the file: an entry of type 16, IMAGE_DEBUG_TYPE_REPRO. A directory
// beyond head says nothing.
func reproducible(head, pe []byte) bool {
	const repro, debug, entry, section = 16, 6, 28, 40 // types, and sizes in bytes
	// at reads a little-endian number at an offset of b, 0 where b ends before.
	at := func(b []byte, offset uint64) uint64 {
		if offset+4 > uint64(len(b)) {
			return 0
		}
		return uint64(binary.LittleEndian.Uint32(b[offset:]))
	}
	directories := uint64(24 + 96) // after signature, file header and the optional header's own fields
	if at(pe, 24)&0xffff == 0x20b {
		directories += 16
	}
	optional := at(pe, 20) & 0xffff // size
	if at(pe, directories-4) <= debug || directories+8*(debug+1) > 24+optional {
		return false
	}
	rva, size := at(pe, directories+8*debug), at(pe, directories+8*debug+4)
	sections := at(pe, 6) & 0xffff
	for i := range sections {
		s := 24 + optional + i*section
		if s+section > uint64(len(pe)) {
			return false
		}
		start, raw, offset := at(pe, s+12), at(pe, s+16), at(pe, s+20)
		if rva < start || rva >= start+raw {
			continue
		}
		for e := offset + rva - start; size >= entry && e+entry <= uint64(len(head)); size, e = size-entry, e+entry {
			if at(head, e+12) == repro {
				return true
			}
		}
		return false
	}
	return false
}
