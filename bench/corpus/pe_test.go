package corpus

import (
	"bytes"
	"debug/pe"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every kind of file parses with Go's own reader of PE, and what the headers
// say is what is there.
func TestFilesArePE(t *testing.T) {
	w := newWorld()
	known := map[string]bool{}
	for _, b := range w.banks {
		for _, im := range b.imports {
			known[im.function+":"+im.library] = true
		}
	}
	total, large, packed, n := 0, 0, 0, 0
	for i, f := range newPlan(Options{Files: 1200, Seed: 1, Drift: 1}) {
		if i%3 != 0 {
			continue
		}
		content := w.file(f)
		n++
		total += len(content)
		if len(content) > 200_000 {
			large++
		}
		file, err := pe.NewFile(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if at := time.Unix(int64(file.TimeDateStamp), 0).UTC(); !at.Equal(f.linked) || !strings.Contains(f.name, at.Format("/2006-01/")) {
			t.Errorf("%s: linked %v, want %v", f.name, at, f.linked)
		}
		opt := file.OptionalHeader.(*pe.OptionalHeader32)
		end, memory := opt.SizeOfHeaders, uint32(memoryAlign)
		for _, s := range file.Sections {
			if s.Offset != end || s.Offset%opt.FileAlignment != 0 || s.Size%opt.FileAlignment != 0 {
				t.Errorf("%s: %s is at %#x, %#x long, want it at %#x", f.name, s.Name, s.Offset, s.Size, end)
			}
			if s.VirtualAddress != memory || s.VirtualSize > s.Size || s.VirtualSize == 0 {
				t.Errorf("%s: %s is at %#x in memory, %#x long, want it at %#x", f.name, s.Name, s.VirtualAddress, s.VirtualSize, memory)
			}
			end += s.Size
			memory += align(s.VirtualSize, opt.SectionAlignment)
		}
		if int(end) != len(content) || opt.SizeOfImage != memory {
			t.Errorf("%s: sections end at %d of %d bytes, at %#x of %#x in memory", f.name, end, len(content), memory, opt.SizeOfImage)
		}
		if file.Section(".pack") != nil {
			packed++
		}

		text, err := file.Section(".text").Data()
		if err != nil {
			t.Fatal(err)
		}
		if start := opt.AddressOfEntryPoint - file.Section(".text").VirtualAddress; !bytes.HasPrefix(text[start:], []byte(entry)) {
			t.Errorf("%s: the program begins with %x", f.name, text[start:])
		}
		symbols, err := file.ImportedSymbols()
		if err != nil || len(symbols) < 5 {
			t.Errorf("%s: imports %v, %v", f.name, symbols, err)
		}
		for _, s := range symbols {
			if !known[s] {
				t.Errorf("%s: imports %q", f.name, s)
			}
		}
	}
	if mean := total / n; mean < 50_000 || mean > 100_000 {
		t.Errorf("files of %d bytes on average", mean)
	}
	if large == 0 || packed < n/20 || packed > n/2 {
		t.Errorf("of %d files %d are over 200,000 bytes, %d are packed", n, large, packed)
	}
}

// The functions of a file come back from its import table, by library.
func TestImportTable(t *testing.T) {
	libs := []library{{"A.dll", []string{"One", "Three"}}, {"Longer.dll", []string{"Four"}}}
	const rva = 2 * memoryAlign
	data, dirs, slots := importTable(libs, rva)
	text := section{name: ".text", data: []byte(entry), flags: code, rva: memoryAlign}
	file, err := pe.NewFile(bytes.NewReader(buildPE(time.Unix(0, 0), 0x80, []section{text, {".rdata", data, readOnly, rva}}, memoryAlign, dirs)))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := file.ImportedSymbols()
	if want := []string{"One:A.dll", "Three:A.dll", "Four:Longer.dll"}; err != nil || !slices.Equal(symbols, want) {
		t.Errorf("imports %q, %v, want %q", symbols, err, want)
	}
	if want := []uint32{rva, rva + 4, rva + 12}; !slices.Equal(slots, want) {
		t.Errorf("slots %x, want %x", slots, want)
	}
}

// Objects are whole windows long, in every file.
func TestObjectsAreWholeWindows(t *testing.T) {
	w := newWorld()
	for _, b := range w.banks {
		for i, o := range b.objects {
			a := assembler{rng: newPlan(Options{Files: 50})[0].rng, dataLength: 400, slots: []uint32{4}}
			a.write(o)
			if len(a.code) == 0 || len(a.code)%window != 0 || len(a.code) != o.length() || !bytes.HasSuffix(a.code, []byte{0xc9, 0xc3}) {
				t.Errorf("object %d is %d bytes long", i, len(a.code))
			}
		}
	}
}
