package corpus

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"time"
)

// The layout of a 32-bit PE file: headers, then the sections one after the
// other, in the file at multiples of fileAlign, in memory at multiples of
// memoryAlign. An RVA is an address in memory relative to imageBase.
const (
	imageBase   = 0x400000
	fileAlign   = 0x200
	memoryAlign = 0x1000
	headerSize  = 0x400 // of the file, with room for eight sections
)

// section is one section of a PE file.
type section struct {
	name  string
	data  []byte
	flags uint32
	rva   uint32
}

const (
	code     = pe.IMAGE_SCN_CNT_CODE | pe.IMAGE_SCN_MEM_READ | pe.IMAGE_SCN_MEM_EXECUTE
	readOnly = pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ
	writable = readOnly | pe.IMAGE_SCN_MEM_WRITE
)

func align[T int | uint32](n, to T) T { return (n + to - 1) / to * to }

// directories are the data directories that a file has.
type directories struct {
	imports, resources, addresses pe.DataDirectory
}

// stub is the program that DOS runs: it prints a message and exits.
var stub = append([]byte{
	0x0e, 0x1f, // push cs; pop ds
	0xba, 0x0e, 0x00, // mov dx, message
	0xb4, 0x09, 0xcd, 0x21, // print
	0xb8, 0x01, 0x4c, 0xcd, 0x21, // exit 1
}, "This program cannot be run in DOS mode.\r\r\n$"...)

// buildPE lays sections out as a file that was linked at that time. The first
// section is code; lfanew is where the PE header begins, entry the RVA that a
// run begins at.
func buildPE(linked time.Time, lfanew int, sections []section, entry uint32, dirs directories) []byte {
	var b bytes.Buffer
	dos := make([]byte, lfanew)
	copy(dos, "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8\x00\x00\x00\x00\x00\x00\x00\x40")
	binary.LittleEndian.PutUint32(dos[60:], uint32(lfanew))
	copy(dos[64:], stub)
	b.Write(dos)
	b.WriteString("PE\x00\x00")

	opt := pe.OptionalHeader32{
		Magic:                 0x10b,
		MajorLinkerVersion:    14,
		AddressOfEntryPoint:   entry,
		BaseOfCode:            sections[0].rva,
		BaseOfData:            sections[1].rva,
		ImageBase:             imageBase,
		SectionAlignment:      memoryAlign,
		FileAlignment:         fileAlign,
		MajorSubsystemVersion: 6,
		SizeOfHeaders:         headerSize,
		Subsystem:             pe.IMAGE_SUBSYSTEM_WINDOWS_CUI,
		SizeOfStackReserve:    1 << 20,
		SizeOfStackCommit:     1 << 12,
		SizeOfHeapReserve:     1 << 20,
		SizeOfHeapCommit:      1 << 12,
		NumberOfRvaAndSizes:   16,
	}
	opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_IMPORT] = dirs.imports
	opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_RESOURCE] = dirs.resources
	opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_IAT] = dirs.addresses
	headers := make([]pe.SectionHeader32, len(sections))
	offset := uint32(headerSize)
	for i, s := range sections {
		size := align(uint32(len(s.data)), fileAlign)
		headers[i] = pe.SectionHeader32{
			VirtualSize:      uint32(len(s.data)),
			VirtualAddress:   s.rva,
			SizeOfRawData:    size,
			PointerToRawData: offset,
			Characteristics:  s.flags,
		}
		copy(headers[i].Name[:], s.name)
		offset += size
		if s.flags&pe.IMAGE_SCN_CNT_CODE != 0 {
			opt.SizeOfCode += size
		} else {
			opt.SizeOfInitializedData += size
		}
		opt.SizeOfImage = align(s.rva+uint32(len(s.data)), memoryAlign)
	}
	for _, header := range []any{
		pe.FileHeader{
			Machine:              pe.IMAGE_FILE_MACHINE_I386,
			NumberOfSections:     uint16(len(sections)),
			TimeDateStamp:        uint32(linked.Unix()),
			SizeOfOptionalHeader: uint16(binary.Size(opt)),
			Characteristics:      pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_32BIT_MACHINE,
		}, opt, headers,
	} {
		binary.Write(&b, binary.LittleEndian, header) // into memory: does not fail
	}
	b.Write(make([]byte, headerSize-b.Len()))
	for _, s := range sections {
		b.Write(s.data)
		b.Write(make([]byte, align(len(s.data), fileAlign)-len(s.data)))
	}
	return b.Bytes()
}

// library is a DLL and the functions imported from it.
type library struct {
	name      string
	functions []string
}

// importTable is the content of an import section at an RVA: the address
// table that the loader fills in, the descriptors, the lookup table, and the
// names. slots are the RVAs of the address table's entries.
func importTable(libs []library, rva uint32) (data []byte, dirs directories, slots []uint32) {
	const descriptor, entry = 20, 4
	entries := 0
	for _, l := range libs {
		entries += len(l.functions) + 1 // a zero ends each library
	}
	addresses, descriptors := 0, entries*entry
	lookups := descriptors + (len(libs)+1)*descriptor
	data = make([]byte, lookups+entries*entry)
	put := func(at int, v uint32) { binary.LittleEndian.PutUint32(data[at:], v) }
	dirs.addresses = pe.DataDirectory{VirtualAddress: rva, Size: uint32(entries * entry)}
	dirs.imports = pe.DataDirectory{VirtualAddress: rva + uint32(descriptors), Size: uint32((len(libs) + 1) * descriptor)}
	for _, l := range libs {
		put(descriptors, rva+uint32(lookups))
		put(descriptors+16, rva+uint32(addresses))
		for _, f := range l.functions {
			put(lookups, rva+uint32(len(data)))
			put(addresses, rva+uint32(len(data)))
			slots = append(slots, rva+uint32(addresses))
			lookups, addresses = lookups+entry, addresses+entry
			data = append(data, 0, 0) // the hint
			data = append(data, f...)
			data = append(data, make([]byte, 2-len(f)%2)...)
		}
		lookups, addresses = lookups+entry, addresses+entry
		put(descriptors+12, rva+uint32(len(data)))
		data = append(data, l.name...)
		data = append(data, make([]byte, 2-len(l.name)%2)...)
		descriptors += descriptor
	}
	return data, dirs, slots
}

// resource is one resource of a type, such as 24, a manifest.
type resource struct {
	kind uint32
	data []byte
}

// resourceTree is the content of a resource section at an RVA: types, under
// each one name, under that one language, then the data. Types must ascend.
func resourceTree(rs []resource, rva uint32) []byte {
	const directory, entry, leaf = 16, 8, 16
	le := binary.LittleEndian
	names := directory + len(rs)*entry // names, languages and leaves follow the types
	languages := names + len(rs)*(directory+entry)
	leaves := languages + len(rs)*(directory+entry)
	b := make([]byte, leaves+len(rs)*leaf)
	list := func(at, i int, id, offset uint32) { // a directory with one entry, of number i
		le.PutUint16(b[at+14:], uint16(i+1))
		le.PutUint32(b[at+directory+i*entry:], id)
		le.PutUint32(b[at+directory+i*entry+4:], offset)
	}
	const down = 1 << 31 // the offset is of a directory
	for i, r := range rs {
		list(0, i, r.kind, down|uint32(names))
		list(names, 0, 1, down|uint32(languages))
		list(languages, 0, 0x409, uint32(leaves))
		le.PutUint32(b[leaves:], rva+uint32(len(b)))
		le.PutUint32(b[leaves+4:], uint32(len(r.data)))
		b = append(b, r.data...)
		b = append(b, make([]byte, align(len(r.data), 4)-len(r.data))...)
		names, languages, leaves = names+directory+entry, languages+directory+entry, leaves+leaf
	}
	return b
}
