package main

import (
	"io"
	"strings"
	"unicode"
)

// output is the stdout of a command, or what a package prints on stderr. It
// keeps the first error of writing, so that what prints need not look, and lets
// no control sequence through: names and labels come from whoever made the files.
type output struct {
	w   io.Writer
	err error
}

// Write writes whole lines or other text that ends between two characters.
func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	if _, o.err = io.WriteString(o.w, plain(string(b))); o.err != nil {
		return 0, o.err
	}
	return len(b), nil
}

// line is s as one line, in which nothing is hidden.
func line(s string) string {
	return strings.NewReplacer("\n", "?", "\t", "?").Replace(plain(s))
}

// plain is s with a question mark for every character that is neither to be
// seen nor a line break or tab.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) || r == '\n' || r == '\t' {
			return r
		}
		return '?'
	}, s)
}
