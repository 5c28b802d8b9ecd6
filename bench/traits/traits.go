// Package traits tells from the bytes that a model sees of a file what the file
// is, when it was linked, and of which other files it is nearly a copy.
//
// A corpus is rarely what its index says. Files may be pointers to where the
// programs are, or archives of them; of two splits one may be disarmed; files of
// one build, or copies of one module, are less than so many files. None of this
// shows in the outputs of a model, which computes them for any bytes.
package traits

import "slices"

// Traits are what is known of a file from its first bytes.
type Traits struct {
	Kind Kind
	// Linked is the TimeDateStamp of a PE file in seconds since 1970, and 0 where
	// that is no time: in other files, where it is 0 or 0xFFFFFFFF, the constant of
	// Delphi's linker, and in reproducible builds that say so within the bytes. It
	// may lie in the future.
	Linked uint32
	Sketch Sketch
}

// Of returns the traits of a file from its first bytes. Window is the number of
// bytes of a window of the sketch; 0 is 500.
func Of(head []byte, window int) Traits {
	t := Traits{Kind: kindOf(head), Sketch: newSketch(head, window)}
	if t.Kind == PE || t.Kind == Disarmed {
		t.Linked = linked(head)
	}
	return t
}

// Width is the number of float32 values that Encode sets. All are integers below
// 2^24, which float32 holds exactly.
const Width = 3 + SketchSize

// Revision names the meaning of the values; values of another are not decoded.
const Revision = 1

// Encode sets dst, Width values, to the traits.
func (t Traits) Encode(dst []float32) {
	dst = dst[:Width]
	dst[0] = float32(slices.Index(kinds, t.Kind))
	dst[1], dst[2] = float32(t.Linked>>16), float32(t.Linked&0xffff)
	for i := range SketchSize {
		dst[3+i] = -1
		if i < len(t.Sketch) {
			dst[3+i] = float32(t.Sketch[i])
		}
	}
}

// Decode returns the traits that Encode has set src to. It panics on other values.
func Decode(src []float32) Traits {
	src = src[:Width]
	t := Traits{Kind: kinds[int(src[0])], Linked: uint32(src[1])<<16 | uint32(src[2])}
	for _, v := range src[3:] {
		if v >= 0 {
			t.Sketch = append(t.Sketch, uint32(v))
		}
	}
	return t
}

// Valid reports whether Encode may have set src, Width values.
func Valid(src []float32) bool {
	if len(src) != Width || !(src[0] >= 0 && int(src[0]) < len(kinds)) {
		return false
	}
	const most = 1<<24 - 1
	for i, v := range src {
		least := float32(0)
		if i >= 3 {
			least = -1
		}
		if !(v >= least && v <= most) || v != float32(int(v)) || (i == 1 || i == 2) && v > 1<<16-1 {
			return false
		}
		if i > 3 && v >= 0 && v <= src[i-1] || i > 3 && v >= 0 && src[i-1] < 0 {
			return false // the values ascend, and what has none comes last
		}
	}
	return true
}
