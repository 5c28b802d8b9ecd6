// Package shard reads and writes the lines by which extraction is spread over
// machines: the rows that a worker is fed, and what it says of each.
//
// All are JSON objects, one a line (JSON Lines), in UTF-8. What feeds a worker:
//
//	{"name":"a.exe","label":"worm","first_seen":"2018-03","group":"g7"}
//	{"rows":1}
//
// Name is required. The others are carried through as they are, and "" where they
// are missing. Members of other names are ignored, and so are blank lines. The last
// line counts the rows since the beginning or since the last such line: without it a
// feeder that has died could not be told from one that has finished.
//
// What a worker writes, in any order:
//
//	{"name":…,"label":…,"first_seen":…,"group":…,"sha256":…,"size":…,"features":…,"traits":…,"model":…,"engine":…}
//	{"name":…,"label":…,"first_seen":…,"group":…,"dropped":"is missing","model":…,"engine":…}
//	{"rows":2,"dropped":1,"model":…,"engine":…}
//
// sha256 is that of the bytes that the model sees, in hexadecimal, and size the
// length of the whole file in bytes. features is base64 (RFC 4648, section 4) of
// little-endian float32, the layers in the order of the model, and traits the same
// of [driftbench/bench/traits.Traits.Encode]. form names what the file is a member
// of, and packed how it was packed, where there is such. whole_sha256 is the
// digest of the whole file, or whole_unread why there is none, where the model has a
// list of training files and does not see the whole file.
//
// The file of a shard of an index begins with a [Header].
//
// Lines are written in ASCII, so that nothing on their way takes a character of a
// name for the end of a line.
package shard

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Version is the version of the lines, which [Header] has.
const Version = 1

// Row is a row of the index.
type Row struct{ Name, Label, FirstSeen, Group string }

// Record is what a worker says of a row.
type Record struct {
	Row
	// Dropped is why the row is left out, as it follows a name in a message; "" if it
	// is not. The fields below but Model and Engine are those of a row that is not.
	Dropped string

	SHA256   [sha256.Size]byte // of the bytes that the model sees
	Size     int64             // of the whole file, unpacked, in bytes
	Features []byte            // little-endian float32, layer by layer
	Traits   []byte            // little-endian float32
	Form     string            // of the archive that the file is a member of, "S3", or ""
	Packed   string            // how the file was packed, or ""
	// Whole is the SHA-256 of the whole file in hexadecimal, and Unread why it is
	// not known. Both are "" where nobody asks for it.
	Whole, Unread string

	Model  string // hash
	Engine string // identity
}

// End counts the rows above it.
type End struct {
	Rows, Dropped int64
	Model, Engine string
}

// Header begins the file of a shard of an index: of the rows whose number is Shard
// modulo Of.
type Header struct {
	Version     int
	Shard, Of   int
	IndexSHA256 string // of the file of the index
	// Reading stands for the options that decide which rows and bytes are read.
	Reading       string
	Model, Engine string
}

// Kind is what a line is.
type Kind int

const (
	Blank Kind = iota
	IsRow
	IsRecord
	IsEnd
	IsHeader
)

// Line is a decoded line. Of its fields that of Kind is set. Its byte slices are
// valid until it is decoded into again.
type Line struct {
	Kind   Kind
	Record Record // its Row alone if Kind is IsRow
	End    End
	Header Header
}

// The names of the members.
const (
	nameKey = iota
	labelKey
	firstSeenKey
	groupKey
	sha256Key
	sizeKey
	featuresKey
	traitsKey
	formKey
	packedKey
	wholeKey
	unreadKey
	droppedKey
	modelKey
	engineKey
	rowsKey
	versionKey
	shardKey
	ofKey
	indexKey
	readingKey
	otherKey
)

var keys = [otherKey]string{
	"name", "label", "first_seen", "group", "sha256", "size", "features", "traits", "form", "packed", "whole_sha256", "whole_unread",
	"dropped", "model", "engine", "rows", "driftbench_shard", "shard", "of", "index_sha256", "reading",
}

var keyOf = func() map[string]int {
	of := make(map[string]int, len(keys))
	for i, k := range keys {
		of[`"`+k+`"`] = i
	}
	return of
}()

// AppendRow appends the line of a row that feeds a worker.
func AppendRow(dst []byte, r Row) []byte {
	return append(appendRow(append(dst, '{'), r), "}\n"...)
}

func appendRow(dst []byte, r Row) []byte {
	dst = appendString(dst, nameKey, r.Name)
	dst = appendString(append(dst, ','), labelKey, r.Label)
	dst = appendString(append(dst, ','), firstSeenKey, r.FirstSeen)
	return appendString(append(dst, ','), groupKey, r.Group)
}

// AppendRecord appends the line of a record.
func AppendRecord(dst []byte, r *Record) []byte {
	dst = appendRow(append(dst, '{'), r.Row)
	if r.Dropped != "" {
		dst = appendString(append(dst, ','), droppedKey, r.Dropped)
	} else {
		dst = hex.AppendEncode(append(appendKey(append(dst, ','), sha256Key), '"'), r.SHA256[:])
		dst = strconv.AppendInt(appendKey(append(dst, `",`...), sizeKey), r.Size, 10)
		dst = base64.StdEncoding.AppendEncode(append(appendKey(append(dst, ','), featuresKey), '"'), r.Features)
		dst = base64.StdEncoding.AppendEncode(append(appendKey(append(dst, `",`...), traitsKey), '"'), r.Traits)
		dst = append(dst, '"')
		for _, optional := range []struct {
			key   int
			value string
		}{{formKey, r.Form}, {packedKey, r.Packed}, {wholeKey, r.Whole}, {unreadKey, r.Unread}} {
			if optional.value != "" {
				dst = appendString(append(dst, ','), optional.key, optional.value)
			}
		}
	}
	return append(appendMadeBy(append(dst, ','), r.Model, r.Engine), "}\n"...)
}

// AppendEnd appends the line that ends the output of a worker.
func AppendEnd(dst []byte, e End) []byte {
	dst = strconv.AppendInt(appendKey(append(dst, '{'), rowsKey), e.Rows, 10)
	dst = strconv.AppendInt(appendKey(append(dst, ','), droppedKey), e.Dropped, 10)
	return append(appendMadeBy(append(dst, ','), e.Model, e.Engine), "}\n"...)
}

// AppendHeader appends the line that begins the file of a shard.
func AppendHeader(dst []byte, h Header) []byte {
	dst = strconv.AppendInt(appendKey(append(dst, '{'), versionKey), int64(h.Version), 10)
	dst = strconv.AppendInt(appendKey(append(dst, ','), shardKey), int64(h.Shard), 10)
	dst = strconv.AppendInt(appendKey(append(dst, ','), ofKey), int64(h.Of), 10)
	dst = appendString(append(dst, ','), indexKey, h.IndexSHA256)
	dst = appendString(append(dst, ','), readingKey, h.Reading)
	return append(appendMadeBy(append(dst, ','), h.Model, h.Engine), "}\n"...)
}

func appendMadeBy(dst []byte, model, engine string) []byte {
	return appendString(append(appendString(dst, modelKey, model), ','), engineKey, engine)
}

func appendKey(dst []byte, key int) []byte {
	return append(append(append(dst, '"'), keys[key]...), `":`...)
}

// appendString appends a member with a value in ASCII. What is not valid UTF-8 becomes
// U+FFFD: [Row.Check] tells where that is.
func appendString(dst []byte, key int, s string) []byte {
	dst = append(appendKey(dst, key), '"')
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c <= '~' {
			if c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
			i++
			continue
		}
		if at := strings.IndexByte("\n\r\t", c); at >= 0 {
			dst = append(dst, '\\', "nrt"[at])
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r > 0xffff {
			dst = appendEscape(appendEscape(dst, 0xd800+(r-0x10000)>>10), 0xdc00+(r-0x10000)&0x3ff)
		} else {
			dst = appendEscape(dst, r)
		}
		i += n
	}
	return append(dst, '"')
}

func appendEscape(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// Check returns an error if a field of the row is not valid UTF-8, which JSON cannot
// carry, or the name is empty.
func (r Row) Check() error {
	for i, s := range []string{r.Name, r.Label, r.FirstSeen, r.Group} {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%s %.120q is not valid UTF-8, which JSON cannot carry: rename it", keys[i], s)
		}
	}
	if r.Name == "" {
		return errors.New("name is empty: name a file")
	}
	return nil
}

// Decoder decodes lines. It serves one goroutine.
type Decoder struct {
	json   *jsontext.Decoder
	source bytes.Buffer
	text   []byte // scratch
	known  [otherKey]string
}

// NewDecoder returns a decoder.
func NewDecoder() *Decoder {
	d := new(Decoder)
	d.json = jsontext.NewDecoder(&d.source)
	return d
}

// members calls set with each member of the object that is the line and that of a
// known name, and returns which there were. more is false for a blank line. The value
// is valid until set returns.
func (d *Decoder) members(line []byte, set func(key int, v jsontext.Value) error) (seen uint32, more bool, err error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return 0, false, nil
	}
	d.source = *bytes.NewBuffer(line)
	// Names are compared here, where they are known.
	d.json.Reset(&d.source, jsontext.AllowDuplicateNames(true))
	if d.json.PeekKind() != '{' {
		if _, err := d.json.ReadValue(); err != nil {
			return 0, true, syntax(err)
		}
		return 0, true, errors.New("want a JSON object")
	}
	d.json.ReadToken()
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadValue()
		if err != nil {
			return 0, true, syntax(err)
		}
		key, ok := keyOf[string(name)]
		if !ok {
			key = otherKey
			if bytes.IndexByte(name, '\\') >= 0 {
				if d.text, err = jsontext.AppendUnquote(append(d.text[:0], '"'), name); err != nil {
					return 0, true, syntax(err)
				}
				if k, ok := keyOf[string(append(d.text, '"'))]; ok {
					key = k
				}
			}
		}
		v, err := d.json.ReadValue()
		if err != nil {
			return 0, true, syntax(err)
		}
		if key == otherKey {
			continue
		}
		if seen&(1<<key) != 0 {
			return 0, true, fmt.Errorf("%s is there twice", keys[key])
		}
		seen |= 1 << key
		if err := set(key, v); err != nil {
			return 0, true, fmt.Errorf("%s %w", keys[key], err)
		}
	}
	d.json.ReadToken()
	if _, err := d.json.ReadToken(); err != io.EOF {
		return 0, true, errors.New("want one JSON object a line")
	}
	return seen, true, nil
}

// syntax is an error of package jsontext without its name.
func syntax(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("is no whole JSON object")
	}
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if s.Err == io.ErrUnexpectedEOF {
			return errors.New("is no whole JSON object")
		}
		return fmt.Errorf("is no JSON object in UTF-8: %w at byte %d", s.Err, s.ByteOffset+1)
	}
	return err
}

// Feed decodes a line that feeds a worker into a row or an end.
func (d *Decoder) Feed(line []byte, to *Line) error {
	to.Kind, to.Record, to.End = Blank, Record{}, End{}
	var rows error
	seen, more, err := d.members(line, func(key int, v jsontext.Value) (err error) {
		switch r := &to.Record.Row; key {
		case nameKey:
			r.Name, err = d.string(v)
		case labelKey:
			r.Label, err = d.carried(v)
		case firstSeenKey:
			r.FirstSeen, err = d.carried(v)
		case groupKey:
			r.Group, err = d.carried(v)
		case rowsKey:
			to.End.Rows, rows = number(v)
		}
		return err
	})
	switch has := func(key int) bool { return seen&(1<<key) != 0 }; {
	case err != nil || !more:
		return err
	case has(nameKey):
		to.Kind = IsRow
		return to.Record.Row.Check()
	case !has(rowsKey):
		return errors.New("has neither name nor rows")
	case rows != nil:
		return fmt.Errorf("rows %w", rows)
	}
	to.Kind = IsEnd
	return nil
}

// Output decodes a line that a worker has written.
func (d *Decoder) Output(line []byte, to *Line) error {
	r, h := &to.Record, &to.Header
	*r = Record{Features: r.Features[:0], Traits: r.Traits[:0]}
	to.Kind, to.End, *h = Blank, End{}, Header{}
	var droppedRows jsontext.Value // of an End
	seen, more, err := d.members(line, func(key int, v jsontext.Value) (err error) {
		var n int64
		switch key {
		case nameKey:
			r.Name, err = d.string(v)
		case labelKey:
			r.Label, err = d.kept(key, v)
		case firstSeenKey:
			r.FirstSeen, err = d.kept(key, v)
		case groupKey:
			r.Group, err = d.kept(key, v)
		case sha256Key:
			err = d.digest(r.SHA256[:], v)
		case sizeKey:
			r.Size, err = number(v)
		case featuresKey:
			r.Features, err = d.bytes(r.Features, v)
		case traitsKey:
			r.Traits, err = d.bytes(r.Traits, v)
		case formKey:
			r.Form, err = d.kept(key, v)
		case packedKey:
			r.Packed, err = d.kept(key, v)
		case wholeKey:
			if r.Whole, err = d.string(v); err == nil {
				err = d.digest(make([]byte, sha256.Size), v)
			}
		case unreadKey:
			r.Unread, err = d.string(v)
		case droppedKey:
			if v.Kind() == '0' {
				droppedRows = v.Clone()
				break
			}
			if r.Dropped, err = d.kept(key, v); err == nil && r.Dropped == "" {
				err = errors.New("is empty: want a reason")
			}
		case modelKey:
			r.Model, err = d.named(key, v)
		case engineKey:
			r.Engine, err = d.named(key, v)
		case rowsKey:
			to.End.Rows, err = number(v)
		case versionKey:
			n, err = number(v)
			h.Version = int(n)
		case shardKey:
			n, err = number(v)
			h.Shard = int(n)
		case ofKey:
			n, err = number(v)
			h.Of = int(n)
		case indexKey:
			h.IndexSHA256, err = d.kept(key, v)
		case readingKey:
			h.Reading, err = d.kept(key, v)
		}
		return err
	})
	if err != nil || !more {
		return err
	}
	want := func(what string, needed ...int) error {
		for _, key := range needed {
			if seen&(1<<key) == 0 {
				return fmt.Errorf("%s without %s", what, keys[key])
			}
		}
		return nil
	}
	has := func(key int) bool { return seen&(1<<key) != 0 }
	switch {
	case has(versionKey):
		to.Kind = IsHeader
		h.Model, h.Engine = r.Model, r.Engine
		if h.Version != Version {
			return fmt.Errorf("is of version %d of these lines, version %d is read: use the driftbench that wrote it", h.Version, Version)
		}
		return want("the first line of a shard", shardKey, ofKey, indexKey, modelKey, engineKey)
	case has(nameKey):
		to.Kind = IsRecord
		if droppedRows != nil {
			return errors.New("dropped is a number: want a reason")
		}
		if err := r.Row.Check(); err != nil {
			return err
		}
		if r.Dropped != "" {
			return want("a dropped row", modelKey, engineKey)
		}
		return want("a row", sha256Key, sizeKey, featuresKey, traitsKey, modelKey, engineKey)
	case has(rowsKey):
		to.Kind = IsEnd
		to.End.Model, to.End.Engine = r.Model, r.Engine
		if droppedRows != nil {
			if to.End.Dropped, err = number(droppedRows); err != nil {
				return fmt.Errorf("dropped %w", err)
			}
		}
		return want("the last line of a shard", modelKey, engineKey)
	}
	return errors.New("has neither name nor rows: want the output of driftbench worker")
}

// string returns a string.
func (d *Decoder) string(v jsontext.Value) (_ string, err error) {
	if v.Kind() != '"' {
		return "", fmt.Errorf("is %.40s: want a string", v)
	}
	d.text, err = jsontext.AppendUnquote(d.text[:0], v)
	if err != nil {
		return "", syntax(err)
	}
	return string(d.text), nil
}

// carried is string, and takes numbers as they are written and null as "".
func (d *Decoder) carried(v jsontext.Value) (string, error) {
	switch v.Kind() {
	case '0':
		return string(v), nil
	case 'n':
		return "", nil
	}
	return d.string(v)
}

// kept is string. Strings that come again and again take no memory.
func (d *Decoder) kept(key int, v jsontext.Value) (_ string, err error) {
	if len(v) == len(d.known[key])+2 && string(v[1:len(v)-1]) == d.known[key] {
		return d.known[key], nil
	}
	s, err := d.string(v)
	if err == nil && bytes.IndexByte(v, '\\') < 0 {
		d.known[key] = s
	}
	return s, err
}

// named returns a string as kept does, and an error where it is empty.
func (d *Decoder) named(key int, v jsontext.Value) (string, error) {
	s, err := d.kept(key, v)
	if err == nil && s == "" {
		err = errors.New("is empty: want what computed the row")
	}
	return s, err
}

// plain returns what is between the quotes of a string.
func (d *Decoder) plain(v jsontext.Value) (_ []byte, err error) {
	switch {
	case v.Kind() != '"':
		return nil, fmt.Errorf("is %.40s: want a string", v)
	case bytes.IndexByte(v, '\\') < 0:
		return v[1 : len(v)-1], nil
	}
	d.text, err = jsontext.AppendUnquote(d.text[:0], v)
	return d.text, err
}

func (d *Decoder) digest(dst []byte, v jsontext.Value) error {
	s, err := d.plain(v)
	if err != nil {
		return err
	}
	if n, err := hex.Decode(dst, s[:min(len(s), 2*len(dst))]); err != nil || len(s) != 2*n || n != len(dst) {
		return fmt.Errorf("%.80q is no SHA-256 in hexadecimal", s)
	}
	return nil
}

func (d *Decoder) bytes(dst []byte, v jsontext.Value) ([]byte, error) {
	s, err := d.plain(v)
	if err != nil {
		return dst, err
	}
	before := len(dst)
	dst, err = strict.AppendDecode(dst, s)
	if err != nil || strict.EncodedLen(len(dst)-before) != len(s) { // it passes over line ends
		return dst[:0], errors.New("is no base64")
	}
	return dst, nil
}

var strict = base64.StdEncoding.Strict()

// number returns a whole number of 0 or more.
func number(v jsontext.Value) (int64, error) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("is %.40s: want a whole number of 0 or more", v)
	}
	return n, nil
}
