package corpus

import (
	"debug/pe"
	"math/rand/v2"
	"slices"
)

// entry is the program that every file is: xor eax, eax; ret.
const entry = "\x33\xc0\xc3"

// file makes the content of a planned file. It uses up the file's stream: a
// second call would make another file.
func (w *world) file(f planned) []byte {
	r := f.rng
	shared := r // draws what the files of a build have in common
	if f.build != nil {
		shared = rand.New(rand.NewPCG(f.build.seed[0], f.build.seed[1]))
	}
	objects := newDrawer(w, f, shared, func(b *bank) []idiom { return b.objects }, func(f *family) [2]weights { return f.objects })
	idioms := newDrawer(w, f, shared, func(b *bank) []idiom { return b.idioms }, func(f *family) [2]weights { return f.idioms })
	imports := newDrawer(w, f, shared, func(b *bank) []imported { return b.imports }, func(f *family) [2]weights { return f.imports })
	p := &palette{
		newDrawer(w, f, shared, func(b *bank) []table { return b.tables }, func(f *family) [2]weights { return f.tables }),
		newDrawer(w, f, shared, func(b *bank) []string { return b.strings }, func(f *family) [2]weights { return f.strings }),
		newDrawer(w, f, shared, func(b *bank) []byte { return b.keys }, func(f *family) [2]weights { return f.keys }),
	}

	packed := shared.Float64() < 0.12+0.3*f.strength
	codeSize := spread(shared, 4_000, 60_000)
	switch {
	case packed:
		codeSize /= 4 // what unpacks the rest
	case shared.IntN(20) == 0:
		codeSize *= 3
	}
	codeSize += int(float64(codeSize) * f.strength / 2)

	var linked []idiom
	for range 16 + r.IntN(9) + int(16*f.strength) {
		linked = append(linked, objects.draw())
		codeSize += linked[len(linked)-1].length()
	}

	text := section{name: ".text", flags: code, rva: memoryAlign}
	rdata := section{name: ".rdata", flags: readOnly, rva: after(text.rva, codeSize)}
	var dirs directories
	var slots []uint32
	rdata.data, dirs, slots = importTable(drawImports(r, imports), rdata.rva)
	for range 40 + r.IntN(160) {
		rdata.data = append(rdata.data, p.strings.draw()...)
		rdata.data = append(rdata.data, make([]byte, 4-len(rdata.data)%4)...)
	}
	rdata.data = p.appendTables(rdata.data, spread(r, 1_000, 12_000))

	data := section{name: ".data", flags: writable, rva: after(rdata.rva, len(rdata.data))}
	data.data = p.appendTables(nil, spread(r, 3_000, 24_000))
	data.data = append(data.data, make([]byte, spread(r, 64, 8_000))...) // variables that begin as zero

	a := assembler{rng: r, data: data.rva, dataLength: len(data.data), slots: slots}
	for _, o := range linked {
		a.write(o)
	}
	for len(a.code) < codeSize {
		a.function(6+r.IntN(25), idioms.draw)
	}
	copy(a.code[codeSize-len(entry):], entry)
	text.data = a.code[:codeSize]

	rsrc := section{name: ".rsrc", flags: readOnly, rva: after(data.rva, len(data.data))}
	rsrc.data = resourceTree(drawResources(r), rsrc.rva)
	dirs.resources = pe.DataDirectory{VirtualAddress: rsrc.rva, Size: uint32(len(rsrc.data))}

	sections := []section{text, rdata, data, rsrc}
	if packed {
		pack := section{name: ".pack", flags: writable, rva: after(rsrc.rva, len(rsrc.data))}
		pack.data = noise(r, spread(r, 12_000, 90_000))
		sections = append(sections, pack)
	}
	return buildPE(f.linked, 0x80+8*r.IntN(16), sections, text.rva+uint32(codeSize-len(entry)), dirs)
}

// after is the RVA behind a section.
func after(rva uint32, size int) uint32 { return align(rva+uint32(size), memoryAlign) }

// spread draws a size from lo to hi: each doubling is as likely as the next.
func spread(r *rand.Rand, lo, hi int) int {
	doublings := 0
	for lo<<doublings < hi {
		doublings++
	}
	lo <<= r.IntN(doublings)
	return lo + r.IntN(min(lo, hi-lo)+1)
}

// drawImports draws functions and orders them by library.
func drawImports(r *rand.Rand, imports drawer[imported]) []library {
	var libs []library
	for range 12 + r.IntN(40) {
		im := imports.draw()
		i := slices.IndexFunc(libs, func(l library) bool { return l.name == im.library })
		if i < 0 {
			i = len(libs)
			libs = append(libs, library{name: im.library})
		}
		if !slices.Contains(libs[i].functions, im.function) {
			libs[i].functions = append(libs[i].functions, im.function)
		}
	}
	return libs
}

// drawResources makes an icon, plain data with a version in it, and a manifest.
func drawResources(r *rand.Rand) []resource {
	const icon, rcdata, manifest = 3, 10, 24
	return []resource{
		{icon, shades(r, 32*32*4*(1+r.IntN(4)))},
		{rcdata, utf16("FileVersion\x00" + digits(r, 4) + "\x00ProductName\x00" + word(r) + "\x00OriginalFilename\x00" + word(r) + ".exe\x00")},
		{manifest, []byte(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\r\n" +
			`<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0"><assemblyIdentity name="` + word(r) + `" version="1.0.0.0" type="win32"/></assembly>`)},
	}
}
