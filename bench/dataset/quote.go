package dataset

import (
	"strconv"
	"strings"
	"unicode"
)

// quote makes a hostile string safe for one line of a terminal or log: quoted,
// with everything escaped that does not print, and cut.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// quoteAll quotes several strings, with commas between.
func quoteAll(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ", ")
}

// oneLine replaces what does not print in a message of another package.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
