package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLabels(t *testing.T) {
	for _, tc := range []struct {
		labels           []string
		strict, distinct string // parts of the errors; "" is none
	}{
		{[]string{"a", "b", "A"}, "", ""},
		{nil, "at least one", "at least one"},
		{[]string{"a", "b", "a"}, `"a" is there twice`, `"a" is there twice`},
		{[]string{"a", " "}, "label 2 is empty", ""},
		{[]string{"", ""}, "label 1 is empty", `"" is there twice`},
	} {
		for want, err := range map[string]error{tc.strict: Labels(tc.labels), "x" + tc.distinct: Distinct(tc.labels)} {
			want = strings.TrimPrefix(want, "x")
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", tc.labels, err, want)
			}
		}
	}
}

// Many labels take no longer than their number.
func TestLabelsIsLinear(t *testing.T) {
	labels := make([]string, 300_000)
	for i := range labels {
		labels[i] = fmt.Sprint("label", i)
	}
	start := time.Now()
	if err := Labels(labels); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestSplits(t *testing.T) {
	ok := []Split{{"2017-fit", "fit", "2017-01", "2017-12"}, {"2017-val", "in", "2017-01", "2017-12"}, {"2018", "out", "2018-01", "2018-01"}, {"my split", "out", "", ""}}
	for _, tc := range []struct {
		add  Split
		want string
	}{
		{Split{"2019", "out", "2019-01", "2019-12"}, ""},
		{Split{"2018", "out", "", ""}, `"2018" is there twice`},
		{Split{"", "out", "", ""}, "split 5 has no name"},
		{Split{"../x", "out", "", ""}, "cannot name a file"},
		{Split{"..", "out", "", ""}, "cannot name a file"},
		{Split{"2016-fit", "fit", "", ""}, `"2017-fit" and "2016-fit" both have the role fit`},
		{Split{"2016-val", "in", "", ""}, "both have the role in"},
		{Split{"2019", "later", "", ""}, `the role "later"`},
		{Split{"2019", "", "", ""}, `the role ""`},
		{Split{"2019", "out", "2019-13", "2019-12"}, `month "2019-13"`},
		{Split{"2019", "out", "2019-12", "2019-01"}, "runs from 2019-12 to 2019-01"},
	} {
		err := Splits(append(ok[:len(ok):len(ok)], tc.add))
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.add, err, tc.want)
		}
	}
}
