package tfmodel

import (
	"bytes"

	tf "github.com/wamuir/graft/tensorflow"

	"driftbench/tfmodel/windows"
)

// wholeFiles are the inputs of the serving signature.
func (m *Model) wholeFiles(files [][]byte) (map[string]*tf.Tensor, error) {
	lengths := make([]int32, len(files))
	for i, f := range files {
		lengths[i] = int32(len(f))
	}
	t := new(tensors)
	t.addBytes("bytes", len(files), m.MaxLen, &paddedReader{files: files, width: m.MaxLen})
	t.add("length", lengths)
	return t.byName, t.err
}

// windowsInputs are the inputs of the windows signature; the doc comment of
// scripts/malconv_savedmodel.py says what they hold.
var windowsInputs = []string{"windows", "lead", "length", "end", "index", "segment", "files"}

// distinctWindows are the inputs of the windows signature: every window of the
// batch that differs from all others once, as bytes. On real programs they are
// less than half of the windows of whole files.
func (m *Model) distinctWindows(files [][]byte) (map[string]*tf.Tensor, error) {
	set := windows.NewSet(m.Shape.cutter(), files)
	t := new(tensors)
	t.addBytes("windows", len(set.Lead), m.Shape.Window, bytes.NewReader(set.Bytes))
	t.add("lead", set.Lead)
	t.add("length", set.Length)
	t.add("end", set.End)
	t.add("index", set.Index)
	t.add("segment", set.Segment)
	t.add("files", int32(set.Files))
	return t.byName, t.err
}

func (s *Shape) cutter() windows.Cutter {
	return windows.Cutter{MaxLen: s.MaxLen, Window: s.Window, Windows: s.Windows, Lead: s.Lead, Pad: s.Pad}
}
