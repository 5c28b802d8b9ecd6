package windows

import (
	"fmt"
	"slices"
	"testing"
)

// symbols returns what a window holds by MalConv's definition: the symbol of
// each position, -1 where it is void.
func (c *Cutter) symbols(file []byte, window int) string {
	out := make([]int, c.Window)
	for i := range out {
		first := 0
		if c.Front {
			first = c.MaxLen - len(file)
		}
		switch at := window*c.Window - c.Lead + i; {
		case at < 0 || at >= c.MaxLen:
			out[i] = -1
		case first <= at && at < first+len(file):
			out[i] = int(file[at-first])
		default:
			out[i] = c.Pad
		}
	}
	return fmt.Sprint(out)
}

// symbols returns what the row of a set says, by the contract of its fields.
func (s *Set) symbols(row int32) string {
	c := s.cutter
	out := make([]int, c.Window)
	for i := range out {
		lead, length, end := int(s.Lead[row]), int(s.Length[row]), int(s.End[row])
		switch {
		case i < lead || i >= end:
			out[i] = -1
		case !c.Front && i < lead+length, c.Front && i >= end-length:
			out[i] = int(s.Bytes[int(row)*c.Window+i])
		default:
			out[i] = c.Pad
		}
	}
	return fmt.Sprint(out)
}

// check holds a set to the definition: each file has its windows' distinct
// contents, each once, and no two rows are alike.
func check(t *testing.T, c Cutter, files [][]byte) {
	t.Helper()
	s := NewSet(c, files)
	got := make([][]string, len(files))
	for k, row := range s.Index {
		got[s.Segment[k]] = append(got[s.Segment[k]], s.symbols(row))
	}
	for i, f := range files {
		var want []string
		for w := range c.Windows {
			want = append(want, c.symbols(f, w))
		}
		slices.Sort(want)
		slices.Sort(got[i])
		if want = slices.Compact(want); !slices.Equal(got[i], want) {
			t.Errorf("%+v: file %d of %d bytes has the windows\n%v, want\n%v", c, i, len(f), got[i], want)
		}
	}
	if !slices.IsSorted(s.Segment) {
		t.Errorf("%+v: segments %v do not ascend", c, s.Segment)
	}
	var rows []string
	for row := range s.Lead {
		rows = append(rows, s.symbols(int32(row)))
	}
	slices.Sort(rows)
	if n := len(rows); n != len(slices.Compact(rows)) || len(s.Bytes) != n*c.Window || s.Files != len(files) {
		t.Errorf("%+v: %d rows, %d of them distinct, %d bytes, %d files", c, n, len(slices.Compact(rows)), len(s.Bytes), s.Files)
	}
}

var cutters = []Cutter{
	{MaxLen: 40, Window: 4, Windows: 10, Pad: 0},
	{MaxLen: 40, Window: 4, Windows: 10, Pad: 256},
	{MaxLen: 43, Window: 4, Windows: 10, Pad: 256},         // "valid" leaves a rest out
	{MaxLen: 41, Window: 4, Windows: 11, Lead: 1, Pad: 0},  // "same", void at both ends
	{MaxLen: 41, Window: 4, Windows: 11, Lead: 1, Pad: 65}, // a pad symbol that files hold too
	{MaxLen: 41, Window: 4, Windows: 11, Lead: 1, Pad: 256},
	{MaxLen: 3, Window: 8, Windows: 1, Lead: 2, Pad: 256}, // shorter than its window
	{MaxLen: 5, Window: 1, Windows: 5, Pad: 256},
	{MaxLen: 40, Window: 4, Windows: 10, Pad: 0, Front: true},
	{MaxLen: 43, Window: 4, Windows: 10, Pad: 256, Front: true},
	{MaxLen: 41, Window: 4, Windows: 11, Lead: 1, Pad: 65, Front: true},
	{MaxLen: 41, Window: 4, Windows: 11, Lead: 1, Pad: 256, Front: true},
	{MaxLen: 3, Window: 8, Windows: 1, Lead: 2, Pad: 256, Front: true},
	{MaxLen: 5, Window: 1, Windows: 5, Pad: 256, Front: true},
}

func TestSet(t *testing.T) {
	for _, c := range cutters {
		var files [][]byte
		for length := range c.MaxLen + 1 {
			file := make([]byte, length)
			for i := range file {
				file[i] = "\x00\x00AB"[i*i/7%4]
			}
			files = append(files, file)
		}
		check(t, c, files)
		check(t, c, append(files, files...)) // repeats add no rows and lose none
	}
}

// Padding adds rows and leaves those that are there.
func TestPad(t *testing.T) {
	for _, c := range cutters {
		files := [][]byte{[]byte("AB\x00"), nil, []byte("A")}
		want, s := NewSet(c, files), NewSet(c, files)
		s.Pad(5)
		if m, n := len(want.Lead), len(s.Lead); n%5 != 0 || n < m || n >= m+5 || len(s.Bytes) != n*c.Window || len(s.Length) != n || len(s.End) != n ||
			string(s.Bytes[:m*c.Window]) != string(want.Bytes) || !slices.Equal(s.Lead[:m], want.Lead) || !slices.Equal(s.Length[:m], want.Length) || !slices.Equal(s.End[:m], want.End) {
			t.Errorf("%+v: %d windows are padded to %d", c, m, n)
		}
		k := len(want.Index)
		if s.Files != 5 || !slices.Equal(s.Index[:k], want.Index) || !slices.Equal(s.Index[k:], []int32{0, 0}) || !slices.Equal(s.Segment, append(want.Segment, 3, 4)) {
			t.Errorf("%+v: %d files, segments %v", c, s.Files, s.Segment)
		}
	}
}

func FuzzSet(f *testing.F) {
	for i := range cutters {
		f.Add(uint8(i), []byte("AAAABBBB\x00\x00\x00\x00AAAA"), []byte(""))
	}
	f.Fuzz(func(t *testing.T, which uint8, a, b []byte) {
		c := cutters[int(which)%len(cutters)]
		check(t, c, [][]byte{a[:min(len(a), c.MaxLen)], b[:min(len(b), c.MaxLen)]})
	})
}
