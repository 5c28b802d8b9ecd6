package windows

// Set holds the m distinct windows of a batch of files, and k pairs of a file and
// a window that it has. All slices are what the windows signature of a model
// takes, row-major.
type Set struct {
	Bytes  []byte  // m×W: the bytes of each window, zero where it has none
	Lead   []int32 // m: number of void positions before the bytes and pad symbols
	Length []int32 // m: number of positions that are bytes
	End    []int32 // m: position where the bytes and pad symbols end

	Index   []int32 // k: number of the window, at most once for each file
	Segment []int32 // k: number of the file, ascending
	Files   int     // number of files

	cutter Cutter
	key    []byte
	// rows finds a window by its key. A map compares whole keys, so that two
	// windows with one hash stay two.
	rows map[string]int32
	last []int32 // m: the last file that has the window
}

// NewSet returns the distinct windows of files of at most MaxLen bytes.
func NewSet(c Cutter, files [][]byte) *Set {
	var most int // windows, if no two were alike
	for _, f := range files {
		most += min(len(f)/c.Window+3, c.Windows)
	}
	s := &Set{
		Bytes:  make([]byte, 0, most*c.Window),
		Files:  len(files),
		cutter: c,
		key:    make([]byte, c.Stride()),
		rows:   make(map[string]int32, most),
	}
	for i, f := range files {
		s.add(f, int32(i))
	}
	return s
}

// add adds the windows of the file of this number.
func (s *Set) add(file []byte, number int32) {
	for w := 0; w < s.cutter.Windows; w = s.cutter.Next(file, w) {
		s.cutter.Cut(s.key, file, w)
		row, known := s.rows[string(s.key)]
		if !known {
			row = s.insert()
		}
		if s.last[row] == number {
			continue // the file has it already
		}
		s.last[row] = number
		s.Index = append(s.Index, row)
		s.Segment = append(s.Segment, number)
	}
}

// insert adds the window whose key is s.key and returns its number.
func (s *Set) insert() int32 {
	row := int32(len(s.Lead))
	s.rows[string(s.key)] = row
	from, bytes, end := s.cutter.Bounds(s.key)
	s.Bytes = append(s.Bytes, s.key[:s.cutter.Window]...)
	s.Lead = append(s.Lead, int32(from))
	s.Length = append(s.Length, int32(bytes-from))
	s.End = append(s.End, int32(end))
	s.last = append(s.last, -1)
	return row
}

// Pad adds windows that no file has, until their number is a multiple of n, and
// files that have the first window alone, until theirs is. A set that has no files
// must not be padded.
func (s *Set) Pad(n int) {
	for len(s.Lead)%n != 0 {
		s.Bytes = append(s.Bytes, make([]byte, s.cutter.Window)...)
		s.Lead, s.Length, s.End = append(s.Lead, 0), append(s.Length, 0), append(s.End, int32(s.cutter.Window))
	}
	for ; s.Files%n != 0; s.Files++ {
		s.Index, s.Segment = append(s.Index, 0), append(s.Segment, int32(s.Files))
	}
}
