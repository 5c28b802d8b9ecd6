package date

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"driftbench/internal/text"
)

// Month is a month of the calendar, counted from January of year 0, so that
// months are ordered and subtract.
type Month int

// ParseMonth reads YYYY-MM.
func ParseMonth(s string) (Month, error) {
	if len(s) != len("2017-01") || s[4] != '-' {
		return 0, fmt.Errorf("%s is no month: want YYYY-MM", text.Quote(s))
	}
	var digits [6]int
	for i, c := range []byte(s[:4] + s[5:]) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%s is no month: want YYYY-MM", text.Quote(s))
		}
		digits[i] = int(c - '0')
	}
	year := digits[0]*1000 + digits[1]*100 + digits[2]*10 + digits[3]
	month := digits[4]*10 + digits[5]
	if month < 1 || month > 12 {
		return 0, fmt.Errorf("%s is no month: months go from 01 to 12", text.Quote(s))
	}
	return Month(year*12 + month - 1), nil
}

// String returns the month as YYYY-MM.
func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m/12, m%12+1) }

// MarshalText writes the month as YYYY-MM, in JSON too.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads YYYY-MM.
func (m *Month) UnmarshalText(text []byte) error {
	v, err := ParseMonth(string(text))
	if err == nil {
		*m = v
	}
	return err
}

// UnmarshalYAML reads YYYY-MM.
func (m *Month) UnmarshalYAML(node *yaml.Node) error {
	v, err := ParseMonth(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*m = v
	return nil
}
