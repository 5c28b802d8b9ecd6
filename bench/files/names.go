package files

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Hash returns the SHA-256, SHA-1 or MD5, in lower-case hex, that names a file,
// or "": the last part of the path holds 64, 40 or 32 hex digits, after nothing
// or a prefix that ends in no letter or digit, such as "VirusShare_", and before
// nothing or an extension.
func Hash(name string) string {
	base := name[strings.LastIndexAny(name, `/\`)+1:]
	for start := 0; start < len(base); {
		end := start
		for end < len(base) && alphanumeric(base[end]) {
			end++
		}
		if token := base[start:end]; digestOf(token) != nil && (end == len(base) || base[end] == '.') && isHex(token) {
			return strings.ToLower(token)
		}
		start = end + 1
	}
	return ""
}

func alphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b >= 0x80
}

func isHex(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F')
	})
}

// digestOf returns the function that a hash of that many hex digits is of, or
// nil.
func digestOf(hex string) func() hash.Hash {
	switch len(hex) {
	case 2 * sha256.Size:
		return sha256.New
	case 2 * sha1.Size:
		return sha1.New
	case 2 * md5.Size:
		return md5.New
	}
	return nil
}

// canonical is what names that differ by backslashes and Unicode forms alone
// have in common.
func canonical(name string) string {
	return path.Clean(norm.NFC.String(strings.ReplaceAll(name, `\`, "/")))
}

// forms are the other forms under which a file of that name may lie: with
// slashes for backslashes, composed (NFC) and decomposed (NFD).
func forms(name string) []string {
	slashed := strings.ReplaceAll(name, `\`, "/")
	var other []string
	for _, form := range []string{slashed, norm.NFC.String(slashed), norm.NFD.String(slashed)} {
		if form != name && !slices.Contains(other, form) {
			other = append(other, form)
		}
	}
	return other
}

// isArchive reports whether a file is an archive by its name.
func isArchive(name string) bool {
	return hasSuffix(name, ".zip", ".7z", ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst")
}

// isForeignArchive reports whether a file is an archive of a format that is not read,
// by its name.
func isForeignArchive(name string) bool {
	return hasSuffix(name, ".rar", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.lz4")
}

// hasSuffix reports whether a name ends in one of the suffixes, in any case.
func hasSuffix(name string, suffixes ...string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}
