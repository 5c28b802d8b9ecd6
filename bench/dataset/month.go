package dataset

import "driftbench/bench/dataset/date"

// Month is a month of the calendar.
type Month = date.Month

// ParseMonth reads YYYY-MM.
func ParseMonth(s string) (Month, error) { return date.ParseMonth(s) }
