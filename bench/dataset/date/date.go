// Package date reads the dates of an index, at which a file was first seen, in
// the forms that corpora have. A date counts by its month, and months are those
// of UTC.
//
// Read without being told are
//
//   - the year first: 2018-03, 2018-03-04, 2018/03/04, then a time of day and a
//     zone, as in RFC 3339 or with a blank before either;
//   - seconds since 1970, from 0 to 2³²−1: 1520121600, 1520121600.0, 1.5201216e9.
//
// Forms with the day or the month first are read only when the [Order] says
// which, because 04/03/2018 can be either. Nothing is guessed: a value in another
// form is an [Error] that names the form it may have.
package date

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"driftbench/internal/text"
)

// Order is the order of day and month in dates that do not begin with the year.
type Order string

const (
	YearFirst  Order = "" // no other dates are read
	DayFirst   Order = "dmy"
	MonthFirst Order = "mdy"
)

// Date is a point in time.
type Date struct {
	// Text begins with the year and month of UTC. It is the value itself where
	// that does, otherwise the date in RFC 3339.
	Text  string
	Month Month
	Unix  int64 // seconds since 1970; of a date without a day, those of its first
	// Moved reports that the month of the value as written is not the month of
	// UTC.
	Moved bool
}

// Error is a value that is no date.
type Error struct {
	Reason  string // quotes the value
	Suspect string // the form that the value may have, or ""
	// Dates with two numbers before the year, of which the first or the second is
	// no month.
	FirstIsDay, SecondIsDay bool
}

func (e *Error) Error() string {
	if e.Suspect == "" {
		return e.Reason
	}
	return e.Reason + " (" + e.Suspect + ")"
}

const shortDate = "want YYYY-MM"

// Parse reads a date. Blanks around it do not count.
func Parse(s string, order Order) (Date, error) {
	s = strings.Trim(s, " \t")
	if len(s) > 64 {
		return Date{}, noMonth(s, "")
	}
	if seconds, ok, err := epoch(s); err != nil {
		return Date{}, err
	} else if ok {
		return FromTime(time.Unix(seconds, 0)), nil
	}
	if len(s) >= len("2017-1") && isDigits(s[:4]) && (s[4] == '-' || s[4] == '/') {
		return yearFirst(s)
	}
	return yearLast(s, order)
}

// FromTime returns t as a date.
func FromTime(t time.Time) Date {
	t = t.UTC()
	return Date{Text: t.Format(time.RFC3339), Month: monthOf(t.Year(), int(t.Month())), Unix: t.Unix()}
}

// OfFirstSeen returns the month that a value begins with which Parse returned as
// a [Date.Text].
func OfFirstSeen(s string) (Month, error) {
	const n = len("2017-01")
	if len(s) < n || len(s) > n && isDigits(s[n:n+1]) {
		return 0, fmt.Errorf("%s does not begin with a month, YYYY-MM", text.Quote(s))
	}
	return ParseMonth(s[:n])
}

func monthOf(year, month int) Month { return Month(year*12 + month - 1) }

func noMonth(s, suspect string) *Error {
	return &Error{Reason: text.Quote(s) + " is no month: " + shortDate, Suspect: suspect}
}

// epoch reads seconds since 1970. It returns false for a value that is no
// number, and an error for a number in another unit.
func epoch(s string) (seconds int64, ok bool, err error) {
	if s == "" || s[0] < '0' || s[0] > '9' || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false, nil // such as 2018-03-04
	}
	suspect := ""
	whole := s // without the fraction that a column of floats has
	if before, after, ok := strings.Cut(s, "."); ok && strings.Trim(after, "0") == "" {
		whole = before
	}
	month, year, _ := strings.Cut(s, ".")
	switch n := len(whole); {
	case n == 4 && isDigits(whole):
		suspect = "a year without a month"
	case n == 6 && isDigits(whole) && plausible(whole[:4], whole[4:], "1"):
		suspect = "YYYYMM without a dash"
	case isDigits(whole) && n >= 8 && n <= 14 && n%2 == 0 && plausible(whole[:4], whole[4:6], whole[6:8]) && isTime(whole[8:]):
		suspect = "YYYYMMDD without dashes" // with an hour also seconds of 2032 and later, in which no file was seen
	case n == 7 && s[4] == '.' && plausible(s[:4], s[5:], "1"):
		suspect = "YYYY.MM; write it with a dash"
	case len(year) == 4 && len(month) <= 2 && plausible(year, month, "1"):
		suspect = "MM.YYYY; write it as YYYY-MM"
	case v < 1<<32:
		return int64(v), true, nil
	case v < 1e11:
		return 0, false, &Error{Reason: text.Quote(s) + " is no date: epoch seconds end in 2106, at 4294967295"}
	case v < 1e14:
		suspect = "epoch milliseconds; divide by 1000"
	case v < 1e17:
		suspect = "epoch microseconds; divide by 1000000"
	default:
		suspect = "epoch nanoseconds; divide by 1000000000"
	}
	return 0, false, noMonth(s, suspect)
}

// plausible reports whether a year, month and day of digits are a date of files.
func plausible(year, month, day string) bool {
	y, m, d := number(year), number(month), number(day)
	return isDigits(month) && 1980 <= y && y < 2100 && 1 <= m && m <= 12 && 1 <= d && d <= 31
}

// isTime reports whether digits are an hour, and a minute and a second where they
// are there.
func isTime(s string) bool {
	for most := 23; s != ""; s, most = s[2:], 59 {
		if number(s[:2]) > most {
			return false
		}
	}
	return true
}

// yearFirst reads YYYY-MM, YYYY-MM-DD and the same with slashes, and what follows.
func yearFirst(s string) (Date, error) {
	year, separator := number(s[:4]), s[4]
	month, rest := leadingNumber(s[5:])
	switch {
	case month < 0:
		return Date{}, noMonth(s, "")
	case month < 1 || month > 12:
		return Date{}, &Error{Reason: text.Quote(s[:len(s)-len(rest)]) + " is no month: months go from 01 to 12", Suspect: dayInMiddle(rest, separator)}
	case rest == "":
		d := Date{Text: s, Month: monthOf(year, month), Unix: time.Date(year, time.Month(month), 1, 0, 0, 0, 0, time.UTC).Unix()}
		if len(s) != len("2017-01") || separator != '-' {
			d.Text = d.Month.String()
		}
		return d, nil
	case rest[0] != separator:
		return Date{}, noMonth(s, "")
	}
	day, rest := leadingNumber(rest[1:])
	if day < 0 {
		return Date{}, noMonth(s, "")
	}
	return complete(s, year, month, day, rest)
}

// dayInMiddle suspects YYYY-DD-MM.
func dayInMiddle(rest string, separator byte) string {
	if rest != "" && rest[0] == separator {
		if last, _ := leadingNumber(rest[1:]); 1 <= last && last <= 12 {
			return "YYYY-DD-MM"
		}
	}
	return ""
}

// yearLast reads DD/MM/YYYY or MM/DD/YYYY, and the same with dots and dashes and
// with two digits for the year, from 1969 to 2068 as in POSIX.
func yearLast(s string, order Order) (Date, error) {
	first, rest := leadingNumber(s)
	if first < 0 || rest == "" || !strings.ContainsRune("/.-", rune(rest[0])) {
		return Date{}, noMonth(s, suspectText(s))
	}
	separator := rest[0]
	second, rest := leadingNumber(rest[1:])
	if second < 0 && len(s) == len("01/2017") && isDigits(s[3:]) {
		return Date{}, noMonth(s, "MM/YYYY")
	}
	if second < 0 || rest == "" || rest[0] != separator {
		return Date{}, noMonth(s, suspectText(s))
	}
	digits := 0
	for rest = rest[1:]; digits < len(rest) && isDigits(rest[digits:digits+1]); {
		digits++
	}
	year := number(rest[:digits])
	if digits != 2 && digits != 4 {
		return Date{}, noMonth(s, "")
	}
	if digits == 2 {
		if year += 1900; year < 1969 {
			year += 100
		}
	}
	e := &Error{Reason: text.Quote(s) + " is no month: " + shortDate, FirstIsDay: first > 12, SecondIsDay: second > 12}
	day, month := first, second
	switch {
	case first > 31 || second > 31 || e.FirstIsDay && e.SecondIsDay:
		return Date{}, noMonth(s, "")
	case order == YearFirst && e.FirstIsDay:
		e.Suspect = "day first; say so with dates: dmy"
		return Date{}, e
	case order == YearFirst && e.SecondIsDay:
		e.Suspect = "month first; say so with dates: mdy"
		return Date{}, e
	case order == YearFirst:
		e.Suspect = "day first or month first; say which with dates: dmy or dates: mdy"
		return Date{}, e
	case order == MonthFirst:
		day, month = second, first
	}
	if month > 12 || month < 1 {
		e.Suspect = map[Order]string{DayFirst: "month first", MonthFirst: "day first"}[order] + ", but dates is " + string(order)
		return Date{}, e
	}
	d, err := complete(s, year, month, day, rest[digits:])
	if err != nil || d.Moved {
		return d, err
	}
	return FromTime(time.Unix(d.Unix, 0)), nil
}

// suspectText suspects forms that hold words.
func suspectText(s string) string {
	lower := strings.ToLower(s)
	switch {
	case s == "":
		return "empty"
	case strings.Trim(lower, "<>") == "na", lower == "n/a", lower == "nan", lower == "nat", lower == "none", lower == "null", lower == "-":
		return "no date is known"
	case s[0] == '-' && isDigits(s[1:]):
		return "epoch seconds before 1970"
	}
	for m := time.January; m <= time.December; m++ {
		if strings.Contains(lower, strings.ToLower(m.String()[:3])) {
			return "the month by its name"
		}
	}
	return ""
}

// complete checks the day of the value s, and reads a time and a zone from what
// follows it.
func complete(s string, year, month, day int, rest string) (Date, error) {
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if day < 1 || t.Day() != day {
		return Date{}, &Error{Reason: fmt.Sprintf("%s is no date: %04d-%02d has no day %d", text.Quote(s), year, month, day)}
	}
	ok, zone := true, 0
	if rest != "" {
		var seconds int
		if seconds, zone, ok = timeOfDay(rest); ok {
			t = t.Add(time.Duration(seconds-zone) * time.Second)
		}
	}
	if !ok || t.Year() < 0 || t.Year() > 9999 {
		return Date{}, &Error{Reason: text.Quote(s) + " is no date: the time of day is in no known form"}
	}
	if utc := monthOf(t.Year(), int(t.Month())); utc != monthOf(year, month) {
		d := FromTime(t)
		d.Moved = true
		return d, nil
	}
	d := Date{Text: s, Month: monthOf(year, month), Unix: t.Unix()}
	if len(s) < 7 || s[4] != '-' || !isDigits(s[5:7]) || len(s) > 7 && isDigits(s[7:8]) {
		d.Text = FromTime(t).Text
	}
	return d, nil
}

// timeOfDay reads a time of day with its separator from the date, and a zone:
// T10:00:00Z, " 10:00", " 10:00:00.5 +0200". zone is in seconds east of UTC.
func timeOfDay(s string) (seconds, zone int, ok bool) {
	if s[0] != 'T' && s[0] != 't' && s[0] != ' ' {
		return 0, 0, false
	}
	s = strings.TrimLeft(s[1:], " ")
	unit := 3600
	for i, most := range []int{23, 59, 60} {
		n, rest := leadingNumber(s)
		if n < 0 || n > most || i > 0 && len(s)-len(rest) != 2 {
			return 0, 0, false
		}
		seconds += unit * n
		unit /= 60
		if s = rest; i == 2 || s == "" || s[0] != ':' {
			if i == 2 && s != "" && (s[0] == '.' || s[0] == ',') {
				fraction := strings.TrimLeft(s[1:], "0123456789")
				if len(fraction) == len(s)-1 {
					return 0, 0, false
				}
				s = fraction
			}
			break
		}
		s = s[1:]
	}
	s = strings.TrimLeft(s, " ")
	switch strings.ToUpper(s) {
	case "", "Z", "UTC", "GMT":
		return seconds, 0, true
	}
	sign := 1
	if s[0] == '-' {
		sign = -1
	} else if s[0] != '+' {
		return 0, 0, false
	}
	s = strings.Replace(s[1:], ":", "", 1)
	if !isDigits(s) || len(s) != 2 && len(s) != 4 {
		return 0, 0, false
	}
	hours, minutes := number(s[:2]), number(s[2:])
	if hours > 23 || minutes > 59 {
		return 0, 0, false
	}
	return seconds, sign * (hours*3600 + minutes*60), true
}

// leadingNumber reads one or two digits, which no further digit follows. It
// returns -1 where there are none.
func leadingNumber(s string) (n int, rest string) {
	digits := 0
	for digits < len(s) && isDigits(s[digits:digits+1]) {
		digits++
	}
	if digits == 0 || digits > 2 {
		return -1, s
	}
	return number(s[:digits]), s[digits:]
}

// number is the value of a few digits; 0 for none.
func number(s string) int {
	n := 0
	for _, c := range []byte(s) {
		n = 10*n + int(c-'0')
	}
	return n
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
