package index

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strings"

	"driftbench/internal/csvfile"
	"driftbench/internal/regular"
	"driftbench/internal/text"
	"driftbench/internal/utf"
)

// families are the families that a second file gives to files by their digests.
type families struct {
	of     map[string]string // by the bytes of a digest; "" has none
	tags   bool              // they are tags of a behaviour, no families
	sha256 string
}

// readFamilies reads the output of AVClass or ClarAVy, or a table of the same form: a
// digest (MD5, SHA-1 or SHA-256), then behind a tab, a comma or blanks a family.
// "SINGLETON:…" is none. Of output with tags, digest, number of scanners and
// "FAM:zbot|12,CLASS:…", the first FAM tag is the family; where no line has one, the
// first CLASS or BEH tag is taken. A first line without a digest is a header.
func readFamilies(file string) (*families, error) {
	f, _, err := regular.Open(file)
	if err != nil {
		return nil, fmt.Errorf("opening the file with labels: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	fam, err := parseFamilies(io.TeeReader(f, hash), file)
	if err != nil {
		return nil, err
	}
	fam.sha256 = hex.EncodeToString(hash.Sum(nil))
	return fam, nil
}

func parseFamilies(r io.Reader, file string) (*families, error) {
	fam := &families{of: map[string]string{}}
	classes := map[string]string{}
	kept := map[string]string{}
	lines := bufio.NewScanner(utf.NewReader(r))
	lines.Buffer(nil, csvfile.MaxRecord)
	number := 0
	errorf := func(format string, args ...any) error {
		return &csvfile.SyntaxError{File: file, Line: number, Err: fmt.Errorf(format, args...)}
	}
	for lines.Scan() {
		number++
		line := strings.Trim(lines.Text(), " \r")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		fields := splitLine(line)
		key := digestOf(fields[0])
		if key == "" {
			if number == 1 {
				continue
			}
			return nil, errorf("%s is no MD5, SHA-1 or SHA-256: want lines of a digest and a family, as AVClass and ClarAVy write them", cmp.Or(text.Header(fields[:1]), "the first field"))
		}
		family, class := "", ""
		switch {
		case len(fields) > 2 && isNumber(fields[1]) && (fields[2] == "" || strings.Contains(fields[2], ":")):
			family, class = tagsOf(fields[2])
		case len(fields) == 2 && isNumber(fields[1]) && strings.Count(line, "\t") != 1: // no tags
		case len(fields) > 1 && digestOf(fields[1]) != "":
			return nil, errorf("two digests before the family: want lines of one digest and a family")
		case len(fields) > 2 && isNumber(fields[1]) && strings.Trim(fields[2], "0123456789.") != "":
			return nil, errorf("the number %s before %s: want lines of a digest and a family, or of a digest, a number and tags such as FAM:zbot|12", fields[1], text.Quote(fields[2]))
		case len(fields) > 1:
			family = groupOf(fields[1])
		}
		if !text.Printable(family) || !text.Printable(class) {
			return nil, errorf("family %s holds characters that do not print", text.Quote(family+class))
		}
		if other, ok := fam.of[key]; ok && (other != family || classes[key] != class) {
			return nil, errorf("%s is there twice, with %s and %s: leave one", fields[0], text.Quote(other+classes[key]), text.Quote(family+class))
		}
		fam.of[key] = intern(kept, family)
		if class != "" {
			classes[key] = intern(kept, class)
		}
	}
	if err := lines.Err(); err == bufio.ErrTooLong {
		number++
		return nil, errorf("more than %d bytes in a line: it is no list of digests and families", csvfile.MaxRecord)
	} else if err != nil {
		return nil, readError(file, err)
	}
	if len(fam.of) == 0 {
		return nil, fmt.Errorf("%s: no line with a digest and a family, as AVClass and ClarAVy write them", file)
	}
	if len(classes) > 0 {
		fam.tags = true
		for _, family := range fam.of {
			fam.tags = fam.tags && family == ""
		}
		if fam.tags {
			for key, class := range classes {
				fam.of[key] = class
			}
		}
	}
	return fam, nil
}

func intern(kept map[string]string, s string) string {
	k, ok := kept[s]
	if !ok {
		k = strings.Clone(s)
		kept[k] = k
	}
	return k
}

// splitLine splits a line at tabs, else at commas, else at blanks.
func splitLine(line string) []string {
	var fields []string
	switch {
	case strings.Contains(line, "\t"):
		fields = strings.Split(line, "\t")
	case strings.IndexByte(line, ',') >= 0 && !strings.ContainsAny(line[:strings.IndexByte(line, ',')], " :"):
		fields = strings.Split(line, ",")
	default:
		fields = strings.Fields(line)
	}
	for i, f := range fields {
		f = strings.TrimSpace(f)
		if n := len(f); n > 1 && f[0] == '"' && f[n-1] == '"' {
			f = f[1 : n-1]
		}
		fields[i] = f
	}
	return fields
}

// tagsOf returns the first family and the first behaviour of tags that are ordered
// by the number of scanners.
func tagsOf(tags string) (family, class string) {
	for tag := range strings.SplitSeq(tags, ",") {
		tag, _, _ = strings.Cut(strings.TrimSpace(tag), "|")
		kind, value, _ := strings.Cut(tag, ":")
		switch kind {
		case "FAM":
			if family == "" {
				family = value[strings.LastIndexByte(value, ':')+1:]
			}
		case "CLASS", "BEH":
			if class == "" {
				class = value[strings.LastIndexByte(value, ':')+1:]
			}
		}
	}
	return groupOf(family), class
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// IsDigest reports whether s is an MD5, SHA-1 or SHA-256 in hex.
func IsDigest(s string) bool {
	return (len(s) == 32 || len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// digestOf returns the bytes of a digest in hex, or "".
func digestOf(s string) string {
	if !IsDigest(s) {
		return ""
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(b)
}

// digestIn returns the bytes of the digest that the name of a file is or holds, as
// in VirusShare_<md5> and <sha256>.exe, or "".
func digestIn(name string) string {
	for part := range strings.FieldsFuncSeq(path.Base(name), func(r rune) bool { return r == '_' || r == '.' || r == '-' || r == ' ' }) {
		if d := digestOf(part); d != "" {
			return d
		}
	}
	return ""
}

// groupOf returns the group that a field of the index names, or "". Values that
// say that none is known would otherwise join files that have nothing in common.
func groupOf(field string) string {
	field = strings.TrimSpace(field)
	switch low := strings.ToLower(field); low {
	case "", "-", "?", "n/a", "na", "nan", "nil", "null", "none", "unknown", "undefined",
		"f34d5f2d4577ed6d9ceec516c1f5a744", // the imphash of every .NET program
		"dae02f32a21e03ce65412f6e56942daa", // and of every .NET library
		"d41d8cd98f00b204e9800998ecf8427e": // the MD5 of nothing
		return ""
	default:
		if low == "singleton" || strings.HasPrefix(low, "singleton:") { // AVClass: no family
			return ""
		}
	}
	return field
}
