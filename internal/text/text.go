// Package text makes strings that come from files, models and other programs
// safe to print. Such a string may hold control sequences that a terminal
// obeys, characters that reverse the direction of the text around them, line
// breaks that forge a line of a log, or a formula that a spreadsheet computes.
package text

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s as one line: placeholder replaces every character that is not
// graphic, line breaks and tabs among them, and U+FFFD every invalid byte.
func Line(s string, placeholder rune) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return placeholder
	}, s)
}

// Lines returns s as [Line] does with a question mark as the placeholder, but
// keeps its line feeds and tabs.
func Lines(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) || r == '\n' || r == '\t' {
			return r
		}
		return '?'
	}, s)
}

// Printable reports whether s is valid UTF-8 of characters that [strconv.Quote]
// does not escape for being invisible. The only space among those is U+0020.
func Printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Quote returns the first 120 bytes of s as a Go string literal, followed by an
// ellipsis if s is longer.
func Quote(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// Nearest returns the one of known that s is most likely a slip of: that of the
// fewest insertions, deletions, replacements and swaps of neighbours (Damerau
// 1964), if these are at most a third of the length of s. It returns "" if there is
// none, or more than one.
func Nearest(s string, known []string) string {
	best, nearest := len(s)/3+1, ""
	for _, k := range known {
		switch d := edits([]rune(s), []rune(k)); {
		case d < best:
			best, nearest = d, k
		case d == best:
			nearest = ""
		}
	}
	return nearest
}

// edits returns the optimal string alignment distance of a and b.
func edits(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := range a {
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			d := min(rows[i][j+1]+1, rows[i+1][j]+1, rows[i][j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(a)][len(b)]
}

// columnName is what names a column; a line of another file is not to be printed.
var columnName = regexp.MustCompile(`^[\pL_][\pL\pN_ .-]{0,39}$`)

// Header quotes the names of the columns of a table for a message. It returns ""
// where they do not look like names: the file may be something else, such as one
// with passwords, whose first line is not to be shown.
func Header(names []string) string {
	if slices.ContainsFunc(names, func(n string) bool { return !columnName.MatchString(n) }) {
		return ""
	}
	return Quote(strings.Join(names, ","))
}

// SpreadsheetSafe returns s with an apostrophe before it if a spreadsheet that
// opens a CSV file would compute s as a formula (OWASP, CSV injection), or if s
// looks as if it had been given one, so that [SpreadsheetOriginal] tells them apart.
func SpreadsheetSafe(s string) string {
	if startsFormula(strings.TrimLeft(s, "'")) {
		return "'" + s
	}
	return s
}

// SpreadsheetOriginal returns the string of which SpreadsheetSafe made safe.
func SpreadsheetOriginal(safe string) string {
	if s, ok := strings.CutPrefix(safe, "'"); ok && startsFormula(strings.TrimLeft(s, "'")) {
		return s
	}
	return safe
}

func startsFormula(s string) bool {
	first, size := utf8.DecodeRuneInString(s)
	return size > 0 && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first)
}
