// Package jsonfile reads JSON files that are not trusted. What is no JSON object
// is refused at its first bytes, and what encoding/json would turn into many times
// the memory of its text before it is decoded.
package jsonfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"driftbench/internal/regular"
)

// leastObject is the mean number of bytes of an object, with what lies between it
// and the next, below which a file is refused: "{}," becomes a struct of hundreds of
// bytes. The smallest object that is written, {"kind":"PE","files":3}, has 23.
const leastObject = 16

// Read reads the JSON object in the regular file at path, of at most most bytes,
// into the value that v points to, as [json.Unmarshal] does. Errors name the path.
func Read(path string, most int64, v any) error {
	b, err := regular.Read(path, most, func(head []byte) error { return begins(head, path) })
	if err != nil {
		return err
	}
	return Decode(b, path, v)
}

// begins returns an error for the first bytes of what is no JSON object.
func begins(head []byte, path string) error {
	if b := bytes.TrimLeft(head, " \t\r\n"); len(b) == 0 || b[0] != '{' {
		return fmt.Errorf("%s: it does not begin with {: it is no JSON object", path)
	}
	return nil
}

// Decode decodes the content of the file at path as [Read] does.
func Decode(b []byte, path string, v any) error {
	if err := begins(b, path); err != nil {
		return err
	}
	n, err := objects(b, structLists(v))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if n > (len(b)+1<<16)/leastObject {
		return fmt.Errorf("%s: it holds %d objects in %d bytes: that is no file of driftbench", path, n, len(b))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// deepest is how deeply encoding/json lets arrays and objects lie in another.
const deepest = 10_000

// objects counts the objects in a JSON text. Anything but an object in a list of
// structs is an error, since encoding/json makes a struct of it: "null," or "0,"
// would take hundreds of times its bytes.
func objects(b []byte, lists map[string]bool) (n int, err error) {
	var open []bool // of every open array and object: it is a list of structs
	var text, key []byte
	for i := 0; i < len(b); i++ {
		c := b[i]
		if len(open) > 0 && open[len(open)-1] && !bytes.ContainsRune([]byte("{,] \t\r\n"), rune(c)) {
			return 0, fmt.Errorf("byte %d: a list of objects holds something else", i)
		}
		switch c {
		case '{', '[':
			if len(open) == deepest {
				return 0, fmt.Errorf("byte %d: more than %d arrays and objects lie in another", i, deepest)
			}
			if c == '{' {
				n++
			}
			open = append(open, c == '[' && key != nil && isList(key, lists))
			key = nil
		case '}', ']':
			open = open[:max(0, len(open)-1)]
		case ':':
			key = text
		case ',':
			key = nil
		case '"':
			start := i
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			text = b[start:min(i+1, len(b))]
		}
	}
	return n, nil
}

// isList reports whether encoding/json takes a quoted key for one of lists.
func isList(key []byte, lists map[string]bool) bool {
	var name string
	if json.Unmarshal(key, &name) != nil {
		return false
	}
	if lists[name] {
		return true
	}
	for list := range lists {
		if strings.EqualFold(list, name) {
			return true
		}
	}
	return false
}

// structLists returns the keys that hold lists of structs, and nothing else,
// wherever they are in the value that v points to.
func structLists(v any) map[string]bool {
	lists, others, seen := map[string]bool{}, map[string]bool{}, map[reflect.Type]bool{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			add(t.Elem())
		case reflect.Struct:
			if seen[t] {
				return
			}
			seen[t] = true
			for f := range t.Fields() {
				if !f.IsExported() {
					continue
				}
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				name = cmp.Or(name, f.Name)
				if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
					lists[name] = true
				} else if f.Type.Kind() == reflect.Slice {
					others[name] = true
				}
				add(f.Type)
			}
		}
	}
	add(reflect.TypeOf(v))
	maps.DeleteFunc(lists, func(name string, _ bool) bool { return others[name] })
	return lists
}
