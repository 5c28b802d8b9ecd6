package fuzzing

import "testing"

var kept []byte // so that it is on the heap

func TestAllocated(t *testing.T) {
	n := Allocated(func() {
		for range 4 {
			kept = make([]byte, 1<<20)
		}
	})
	if n < 4<<20 || n > 5<<20 {
		t.Errorf("%d bytes for four times 1 MiB", n)
	}
}

func TestIsLine(t *testing.T) {
	for s, want := range map[string]bool{"": true, "a “b”: é": true, "a\nb": false, "\x1b[2J": false, "a\tb": false, "\u202e": false, "\u009b": false} {
		if IsLine(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
