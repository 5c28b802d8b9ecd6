package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"driftbench/internal/text"
)

// clean returns s as one line that a page, an axis and an XML document can
// hold, with U+FFFD for every other character: names come from files on disk.
func clean(s string) string { return text.Line(s, unicode.ReplacementChar) }

// shorten cuts the middle out of a long name: both ends tell names apart.
func shorten(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	tail := (most - 1) / 2
	return string(r[:most-1-tail]) + "…" + string(r[len(r)-tail:])
}

// missing stands for a number that could not be computed.
const missing = "–"

// none is the number that could not be computed.
func none() Num { return Num(math.NaN()) }

// fixed formats x with a fixed number of decimals, or as missing.
func fixed(x Num, decimals int) string {
	if !x.OK() {
		return missing
	}
	s := strconv.FormatFloat(float64(x), 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return s
}

// percent formats a share between 0 and 1.
func percent(x Num) string {
	if !x.OK() {
		return missing
	}
	switch p := 100 * x; {
	case p > 0 && p < 0.05:
		return "<0.1%"
	case p > 99.95 && p < 100:
		return ">99.9%"
	case p > 0 && p < 1 || p > 99 && p < 100:
		return fixed(p, 1) + "%"
	}
	return fixed(100*x, 0) + "%"
}

// interval formats a value and its 95% interval, each through f.
func interval(x, lo, hi Num, f func(Num) string) string {
	if !x.OK() || !lo.OK() || !hi.OK() {
		return f(x)
	}
	return fmt.Sprintf("%s (%s to %s)", f(x), f(lo), f(hi))
}

// auroc2 and auroc3 format an AUROC in sentences and in tables.
func auroc2(x Num) string { return fixed(x, 2) }
func auroc3(x Num) string { return fixed(x, 3) }

// pValue formats a p-value: below a thousandth only its bound is of use.
func pValue(p Num) string {
	if p.OK() && p < 0.001 {
		return "<0.001"
	}
	return fixed(p, 3)
}

// count formats a number with its noun: "1 file", "2 files".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
