package stats

import "math"

const momentsHeader = "driftbench moments 1\n"

// MarshalBinary returns the moments in a form that UnmarshalBinary reads: of
// every class the count, the mean and the upper triangle of the scatter.
func (m *Moments) MarshalBinary() ([]byte, error) {
	e := encoder{[]byte(momentsHeader)}
	e.moments(m)
	return e.b, nil
}

func (e *encoder) moments(m *Moments) {
	d := m.width
	e.int(len(m.classes))
	e.int(d)
	for _, c := range m.classes {
		e.int(c.n)
		e.floats(c.mean)
		for i := range d {
			e.floats(c.scatter[i*d+i : (i+1)*d])
		}
	}
}

// UnmarshalBinary replaces m by the moments that MarshalBinary wrote. Anything
// else is a [*FormatError] and leaves m as it was.
func (m *Moments) UnmarshalBinary(b []byte) error {
	d := decoder{b: b}
	d.header(momentsHeader)
	read := d.moments()
	if err := d.end(); err != nil {
		return err
	}
	*m = *read
	return nil
}

func (d *decoder) moments() *Moments {
	classes, width := d.int(math.MaxInt32), d.int(1<<20)
	if d.err == nil && (classes == 0 || width == 0) {
		d.fail("moments of %d classes and %d features", classes, width)
	}
	// 8 bytes for each number; bounds are such that the product cannot overflow.
	if size := 1 + width + width*(width+1)/2; d.err == nil && classes > len(d.b)/8/size {
		d.fail("the file is cut short")
	}
	if d.err != nil {
		return nil
	}
	m := NewMoments(classes, width)
	for c := range m.classes {
		class := &m.classes[c]
		class.n = d.int(1 << 40)
		copy(class.mean, d.floats(width, math.MaxFloat32))
		for i := range width {
			copy(class.scatter[i*width+i:(i+1)*width], d.floats(width-i, 1e150))
			if d.err == nil && class.scatter[i*width+i] < 0 {
				d.fail("a sum of squares is negative")
			}
		}
	}
	return m
}
