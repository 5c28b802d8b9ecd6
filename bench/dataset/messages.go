package dataset

import (
	"fmt"
	"slices"
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

// count is a number of things, such as "1 row" or "2 rows".
func count(n int, thing string) string { return fmt.Sprintf("%d %s%s", n, thing, agree(n, "", "s")) }

// agree returns the form of a word that agrees with the number n.
func agree(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// firstFew returns the first 20 of all, and how many more there are.
func firstFew(all []string) []string {
	const n = 20
	if len(all) <= n {
		return all
	}
	return append(slices.Clone(all[:n]), fmt.Sprintf("and %d more", len(all)-n))
}
