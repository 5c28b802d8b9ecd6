package dataset

import (
	"strings"
	"unicode"

	"driftbench/internal/text"
)

// quoteAll quotes several strings, with commas between.
func quoteAll(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = text.Quote(s)
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
