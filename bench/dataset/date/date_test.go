package date

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"driftbench/internal/fuzzing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		s, text, month string
		order          Order
		moved          bool
	}{
		{s: "2017-01", text: "2017-01", month: "2017-01"},
		{s: " 2017-01-05 ", text: "2017-01-05", month: "2017-01"},
		{s: "2017-01-05 10:00:00", text: "2017-01-05 10:00:00", month: "2017-01"},
		{s: "2017-01-05T10:00:00Z", text: "2017-01-05T10:00:00Z", month: "2017-01"},
		{s: "2017-01-05 10:00 UTC", text: "2017-01-05 10:00 UTC", month: "2017-01"},
		{s: "2017-01-05T10:00:00.123456+00:00", text: "2017-01-05T10:00:00.123456+00:00", month: "2017-01"},
		{s: "2018-01-01T00:30:00+02:00", text: "2017-12-31T22:30:00Z", month: "2017-12", moved: true},
		{s: "2017-12-31 20:00:00 -0500", text: "2018-01-01T01:00:00Z", month: "2018-01", moved: true},
		{s: "2017-12-31T23:59:60-00", text: "2018-01-01T00:00:00Z", month: "2018-01", moved: true},
		{s: "2018/03/04", text: "2018-03-04T00:00:00Z", month: "2018-03"},
		{s: "2018/3/4 5:06", text: "2018-03-04T05:06:00Z", month: "2018-03"},
		{s: "2018/3", text: "2018-03", month: "2018-03"},
		{s: "2018-3-4", text: "2018-03-04T00:00:00Z", month: "2018-03"},
		{s: "2020-02-29", text: "2020-02-29", month: "2020-02"},
		{s: "1520121600", text: "2018-03-04T00:00:00Z", month: "2018-03"},
		{s: "1520121600.9", text: "2018-03-04T00:00:00Z", month: "2018-03"},
		{s: "1.5201216e9", text: "2018-03-04T00:00:00Z", month: "2018-03"},
		{s: "1.5201216E+09", text: "2018-03-04T00:00:00Z", month: "2018-03"},
		{s: "0", text: "1970-01-01T00:00:00Z", month: "1970-01"},
		{s: "2017010524", text: "2033-12-01T00:42:04Z", month: "2033-12"}, // there is no hour 24
		{s: "4294967295", text: "2106-02-07T06:28:15Z", month: "2106-02"},
		{s: "04/03/2018", order: DayFirst, text: "2018-03-04T00:00:00Z", month: "2018-03"},
		{s: "04/03/2018", order: MonthFirst, text: "2018-04-03T00:00:00Z", month: "2018-04"},
		{s: "4.3.18 23:59", order: DayFirst, text: "2018-03-04T23:59:00Z", month: "2018-03"},
		{s: "31-12-2018", order: DayFirst, text: "2018-12-31T00:00:00Z", month: "2018-12"},
		{s: "2018-03-04", order: DayFirst, text: "2018-03-04", month: "2018-03"},
	} {
		d, err := Parse(c.s, c.order)
		if err != nil || d.Text != c.text || d.Month.String() != c.month || d.Moved != c.moved {
			t.Errorf("%q %s: %+v, %v, want %s in %s", c.s, c.order, d, err, c.text, c.month)
		}
		if m, err := OfFirstSeen(d.Text); err != nil || m != d.Month {
			t.Errorf("%q begins with %v, %v", d.Text, m, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		s     string
		order Order
		want  string
	}{
		{"", "", "(empty)"},
		{"n/a", "", "(no date is known)"},
		{"NaT", "", "(no date is known)"},
		{"2017", "", "(a year without a month)"},
		{"201701", "", "(YYYYMM without a dash)"},
		{"20170105", "", "(YYYYMMDD without dashes)"},
		{"20170105103000", "", "(YYYYMMDD without dashes)"},
		{"2017.01", "", "(YYYY.MM; write it with a dash)"},
		{"2017.0", "", "(a year without a month)"},
		{"201701.0", "", "(YYYYMM without a dash)"},
		{"2017010510", "", "(YYYYMMDD without dashes)"},
		{"201701051030", "", "(YYYYMMDD without dashes)"},
		{"2017010523.0", "", "(YYYYMMDD without dashes)"},
		{"20170105.0", "", "(YYYYMMDD without dashes)"},
		{"20170105103000.0", "", "(YYYYMMDD without dashes)"},
		{"03.2018", "", "(MM.YYYY; write it as YYYY-MM)"},
		{"3.2018", "", "(MM.YYYY; write it as YYYY-MM)"},
		{"1520121600000", "", "(epoch milliseconds; divide by 1000)"},
		{"1520121600000000", "", "(epoch microseconds; divide by 1000000)"},
		{"1520121600000000000", "", "(epoch nanoseconds; divide by 1000000000)"},
		{"5000000000", "", "epoch seconds end in 2106"},
		{"-1", "", "(epoch seconds before 1970)"},
		{"2017-13", "", `"2017-13" is no month: months go from 01 to 12`},
		{"2017-13-04", "", "(YYYY-DD-MM)"},
		{"2017-00", "", "months go from 01 to 12"},
		{"2018-02-31", "", "2018-02 has no day 31"},
		{"2018-02-29T00:00:00Z", "", "2018-02 has no day 29"},
		{"2018-03-04 25:00", "", "the time of day is in no known form"},
		{"2018-03-04 noon", "", "the time of day is in no known form"},
		{"2018-03-04T00:00:00+25:00", "", "the time of day is in no known form"},
		{"2018-03/04", "", "want YYYY-MM"},
		{"2017-01\n", "", `"2017-01\n" is no month`},
		{"04/03/2018", "", "dates: dmy or dates: mdy"},
		{"24/03/2018", "", "day first; say so with dates: dmy"},
		{"03/24/2018", "", "month first; say so with dates: mdy"},
		{"03/24/2018", DayFirst, "(month first, but dates is dmy)"},
		{"24/03/2018", MonthFirst, "(day first, but dates is mdy)"},
		{"31/02/2018", DayFirst, "2018-02 has no day 31"},
		{"03/2018", "", "(MM/YYYY)"},
		{"4 Mar 2018", "", "(the month by its name)"},
		{"٢٠١٧-٠١", "", "is no month"},
		{strings.Repeat("1", 65), "", "is no month"},
	} {
		_, err := Parse(c.s, c.order)
		if _, ok := errors.AsType[*Error](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %s: %v, want %q", c.s, c.order, err, c.want)
		}
	}
}

// The values and their readings by pandas are made by scripts/golden/index.py.
func TestParseAsPandas(t *testing.T) {
	b, err := os.ReadFile("testdata/pandas.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden []struct {
		Value, UTC string
		Order      Order
	}
	if err := json.Unmarshal(b, &golden); err != nil || len(golden) < 20 {
		t.Fatal(len(golden), err)
	}
	for _, g := range golden {
		d, err := Parse(g.Value, g.Order)
		if got := time.Unix(d.Unix, 0).UTC().Format("2006-01-02T15:04:05"); err != nil || got != g.UTC {
			t.Errorf("%q %s: %s, %v, pandas reads %s", g.Value, g.Order, got, err, g.UTC)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"2017-01-05T10:00:00.5+02:00", "1.5e9", "04/03/18 10:00", "2018/3/4", "20170105", "2018-02-31", "1e400", "0000-1-1 0:00:00,0+00:01"} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, s string, order uint8) {
		o := []Order{YearFirst, DayFirst, MonthFirst}[order%3]
		d, err := Parse(s, o)
		if err != nil {
			if !fuzzing.IsLine(err.Error()) {
				t.Errorf("error %q is not one line", err)
			}
			return
		}
		m, err := OfFirstSeen(d.Text)
		if again, err2 := Parse(d.Text, o); err != nil || err2 != nil || m != d.Month || again.Month != d.Month || again.Text != d.Text {
			t.Errorf("%q is %+v and then %+v, %v, %v", s, d, again, err, err2)
		}
	})
}
