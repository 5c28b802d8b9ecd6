// Package jsonfile reads JSON files that are not trusted. What is no JSON object
// is refused at its first bytes, and what encoding/json would turn into many times
// the memory of its text before it is decoded.
package jsonfile

import (
	"bytes"
	"encoding/json"
	"fmt"

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
	if n := objects(b); n > (len(b)+1<<16)/leastObject {
		return fmt.Errorf("%s: it holds %d objects in %d bytes: that is no file of driftbench", path, n, len(b))
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// objects counts the objects in a JSON text.
func objects(b []byte) int {
	n := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{':
			n++
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		}
	}
	return n
}
