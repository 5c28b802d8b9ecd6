// Package index reads the index of a corpus: which files there are, of which label
// each is and when it was first seen.
//
// An index is a table (CSV, TSV), JSON objects (JSON Lines, arrays, reports of
// VirusTotal), an SQLite database or a Parquet file; text can be packed by gzip or
// lie in a zip. The form is told by content, the columns by their names: those of
// [Options.Columns], or those of a known corpus (forms). An index is not trusted:
// records are bounded, errors name the line.
package index

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"driftbench/bench/dataset/date"
	"driftbench/internal/csvfile"
	"driftbench/internal/text"
)

// Options says how an index is read.
type Options struct {
	Columns Columns
	Query   string     // of an SQLite database: the rows are those of this SELECT
	Dates   date.Order // of dates that do not begin with the year
	// SkipBad is the share of the records that may be left out because they cannot
	// be read. One record above it is an error.
	SkipBad float64
	// LabelsFrom is a file of labels by digest, of AVClass or ClarAVy, in place of
	// the labels of the index. A family is then the group too where [Options.Map]
	// gives the file another label. GroupsFrom is such a file of groups alone.
	LabelsFrom, GroupsFrom string
	// Map gives labels by the labels of the index: "" is no label, and the records
	// of a label that is mapped to nil are left out. "*" stands for every label that
	// neither Map nor Labels has.
	Map    map[string]*string
	Labels []string // of the classes

	classes map[string]bool // Labels
	kept    []string        // labels and groups, so that rows share them
	number  map[string]uint32
}

// Row is a record of an index.
type Row struct {
	Name      string
	Label     string // "" where none is known
	FirstSeen string // see [date.Date.Text]
	Month     date.Month
	Group     string // "" where none is known
	Line      int    // of text; the number of the record in a database or a Parquet file
}

// Summary says what was read.
type Summary struct {
	Form         string  `json:"form"`
	Columns      Columns `json:"columns"`
	LabelsSHA256 string  `json:"labels_sha256,omitempty"` // of Options.LabelsFrom
	GroupsSHA256 string  `json:"groups_sha256,omitempty"` // of Options.GroupsFrom
	Rows         int     `json:"rows"`                    // that were returned
	Skipped      int     `json:"skipped"`                 // could not be read
	LeftOut      int     `json:"left_out"`                // by Options.Map
	Duplicates   int     `json:"duplicates"`              // records of a digest that an equal record has
	Unlabelled   int     `json:"unlabelled"`              // of Rows

	SHA256   string   `json:"-"` // of the index, in hex
	Notes    []string `json:"-"` // one line each, of what was taken how
	Warnings []string `json:"-"` // one line each
}

// fault is an error of one record, which can be left out.
type fault struct{ error }

func (f *fault) Unwrap() error { return f.error }

// source is a stream of records.
type source interface {
	columns() []string
	choose(columns []int)    // says which columns next returns
	next() ([][]byte, error) // the fields are valid until the next call; io.EOF ends
	place() int              // the line or the number of the record
}

// reader reads one index, which can have several sources.
type reader struct {
	opt     Options
	add     func(Row) error
	summary Summary

	labels, groups   *families
	unknown          int             // records that labels lacks
	unused           map[string]bool // keys of Options.Map that no label has had
	records          int
	bad              faults
	firstOf          map[digest]first // of rows named by a digest
	moved, unlikely  counted
	earliest, latest int64 // likely dates of files, in seconds since 1970
	benign           int
	ties             int // rows with two tags of one count
}

// digest is an MD5, SHA-1 or SHA-256, with zeros behind a short one.
type digest [32]byte

// first is what is known of the first record of a digest. It is small, since there
// are millions.
type first struct {
	label, group uint32 // of Options.kept
	month, line  int32
}

// counted counts records, and says where the first is.
type counted struct {
	n     int
	where string
}

func (c *counted) add(format string, args ...any) {
	if c.n == 0 {
		c.where = fmt.Sprintf(format, args...)
	}
	c.n++
}

func newReader(opt Options, add func(Row) error) (*reader, error) {
	opt.kept, opt.number, opt.classes = nil, map[string]uint32{}, make(map[string]bool, len(opt.Labels))
	for _, label := range opt.Labels {
		opt.classes[label] = true
	}
	r := &reader{
		opt: opt, add: add, unused: map[string]bool{}, firstOf: map[digest]first{},
		earliest: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), latest: time.Now().AddDate(0, 0, 1).Unix(),
	}
	for label := range opt.Map {
		if label != "*" {
			r.unused[label] = true
		}
	}
	var err error
	if opt.LabelsFrom != "" {
		if r.labels, err = readFamilies(opt.LabelsFrom); err != nil {
			return nil, err
		}
		r.summary.LabelsSHA256 = r.labels.sha256
	}
	if opt.GroupsFrom != "" {
		if r.groups, err = readFamilies(opt.GroupsFrom); err != nil {
			return nil, err
		}
		r.summary.GroupsSHA256 = r.groups.sha256
	}
	return r, nil
}

// keep returns a copy of b that all rows with b share.
func (o *Options) keep(b []byte) string {
	n, ok := o.number[string(b)]
	if !ok {
		return o.kept[o.numberOf(string(b))]
	}
	return o.kept[n]
}

// numberOf returns the place of s in kept.
func (o *Options) numberOf(s string) uint32 {
	n, ok := o.number[s]
	if !ok {
		n = uint32(len(o.kept))
		o.number[s], o.kept = n, append(o.kept, s)
	}
	return n
}

// listed reports whether the configuration speaks of a label.
func (o *Options) listed(label string) bool {
	_, mapped := o.Map[label]
	return mapped || o.classes[label]
}

// read reads the records of a source, the lines of which begin behind offset. path
// names it in messages. form is that of the reports of VirusTotal, or nil.
func (r *reader) read(src source, path string, offset int, only *form) error {
	at := func(line int, err error) error { return &csvfile.SyntaxError{File: path, Line: line, Err: err} }
	l := &layout{opt: &r.opt, present: src.columns()}
	if err := l.find(only); err != nil {
		return at(src.place(), err)
	}
	if r.summary.Form == "" {
		r.summary.Form, r.summary.Columns = l.form, l.columns
		said := fmt.Sprintf("%s: taken as %s: name from %s, label from %s", path, l.form, l.columns.Name, l.columns.Label)
		if l.said != "" {
			said += " (" + l.said + ")"
		}
		said += ", date from " + l.columns.FirstSeen
		if l.columns.Group != "" {
			said += ", group from " + l.columns.Group
		}
		if asNamed := DefaultColumns; l.said != "" || l.columns != asNamed && l.columns != (Columns{asNamed.Name, asNamed.Label, asNamed.FirstSeen, "group"}) {
			r.summary.Notes = append(r.summary.Notes, said)
		}
	}
	src.choose(l.chosen)
	records, stop := ahead(src)
	defer stop()
	for rec := range records {
		if rec.err == io.EOF {
			break
		}
		var row Row
		bad, isFault := errors.AsType[*fault](rec.err)
		err := rec.err
		switch {
		case isFault:
			err = bad.error
		case err != nil:
			return r.bad.before(err)
		default:
			row, err = r.row(l, rec.fields, rec.line)
		}
		r.records++
		if err == errLeftOut {
			r.summary.LeftOut++
			continue
		}
		if err == nil {
			row.Line = rec.line + offset
			err = r.take(row, rec.line)
		}
		if err != nil {
			r.bad.add(at(rec.line, err), rec.line, err)
			if _, ok := errors.AsType[*date.Error](err); !ok && r.opt.SkipBad == 0 {
				return r.bad.before(r.bad.last)
			}
		}
	}
	if l.ties != nil {
		r.ties += *l.ties
	}
	return nil
}

// record is what next of a source returned. The fields are valid until the next
// record.
type record struct {
	fields [][]byte
	line   int
	err    error
}

// ahead reads the records of a source while those before them are used. The last has
// an error that is no fault; stop ends earlier, and waits until the source is left.
func ahead(src source) (records iter.Seq[record], stop func()) {
	type batch struct {
		records []record
		bytes   []byte
	}
	const size, most = 256, 1 << 20 // records and bytes of a batch
	full, empty := make(chan *batch), make(chan *batch, 2)
	empty <- new(batch)
	empty <- new(batch)
	quit, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		defer close(full)
		for ended := false; !ended; {
			var b *batch
			select {
			case b = <-empty:
			case <-quit:
				return
			}
			b.bytes = b.bytes[:0]
			n := 0
			for ; n < size && len(b.bytes) < most && !ended; n++ {
				fields, err := src.next()
				if n == len(b.records) {
					b.records = append(b.records, record{})
				}
				rec := &b.records[n]
				rec.fields, rec.line, rec.err = rec.fields[:0], src.place(), err
				if err != nil {
					_, isFault := errors.AsType[*fault](err)
					ended = !isFault
					continue
				}
				for _, f := range fields {
					from := len(b.bytes)
					b.bytes = append(b.bytes, f...) // what lay in a smaller array stays there
					rec.fields = append(rec.fields, b.bytes[from:len(b.bytes):len(b.bytes)])
				}
			}
			b.records = b.records[:n]
			select {
			case full <- b:
			case <-quit:
				return
			}
		}
	}()
	return func(yield func(record) bool) {
			for b := range full {
				for _, rec := range b.records {
					if !yield(rec) {
						return
					}
				}
				empty <- b
			}
		}, sync.OnceFunc(func() {
			close(quit)
			<-left
		})
}

// errLeftOut is a record that Options.Map leaves out.
var errLeftOut = errors.New("left out")

// row makes a row of the fields of a record.
func (r *reader) row(l *layout, fields [][]byte, line int) (row Row, err error) {
	name := fields[l.name]
	for _, other := range l.otherNames {
		if len(name) == 0 {
			name = fields[other]
		}
	}
	row.Name = string(name)
	if row.Label, err = l.label(fields); err != nil {
		return row, err
	}
	d, err := date.Parse(string(fields[l.seen]), r.opt.Dates)
	if bad, ok := errors.AsType[*date.Error](err); ok {
		return row, &dateError{l.columns.FirstSeen, bad}
	}
	if row.FirstSeen, row.Month = d.Text, d.Month; d.Moved {
		r.moved.add("line %d, %s is %s", line, text.Quote(string(fields[l.seen])), d.Text)
	}
	if d.Unix < r.earliest || d.Unix > r.latest {
		r.unlikely.add("line %d, %s", line, text.Quote(string(fields[l.seen])))
	}
	if l.group >= 0 {
		row.Group = groupOf(r.opt.keep(fields[l.group]))
	}
	family := ""
	if r.labels != nil {
		var ok bool
		if family, ok = r.labels.find(row.Name, l, fields); !ok {
			r.unknown++
		}
		row.Label = family
	}
	label, leave := r.opt.mapped(row.Label)
	delete(r.unused, row.Label)
	row.Label = label
	switch {
	case leave:
		return row, errLeftOut
	case !text.Printable(row.Label):
		return row, fmt.Errorf("label %s holds characters that do not print: correct it", text.Quote(row.Label))
	case r.groups != nil:
		row.Group, _ = r.groups.find(row.Name, l, fields)
	case row.Group == "" && family != row.Label && r.labels != nil && !r.labels.tags:
		row.Group = family
	}
	return row, nil
}

// find finds the family of a file by the digest that it is named by, or by one in
// another column.
func (f *families) find(name string, l *layout, fields [][]byte) (family string, ok bool) {
	if key := digestIn(name); key != "" {
		if family, ok = f.of[key]; ok {
			return family, true
		}
	}
	for _, at := range l.hashes {
		if key := digestOf(string(bytes.TrimSpace(fields[at]))); key != "" {
			if family, ok = f.of[key]; ok {
				return family, true
			}
		}
	}
	return "", false
}

// mapped returns the label that Map gives to a label, and whether its records are
// left out.
func (o *Options) mapped(label string) (_ string, leave bool) {
	return Mapped(o.Map, label, func(label string) bool { return o.classes[label] })
}

// Mapped returns the label that the map of a configuration gives to a label, and
// whether its records are left out. listed says which labels are classes: "*" does
// not stand for them.
func Mapped(m map[string]*string, label string, listed func(string) bool) (_ string, leave bool) {
	to, ok := m[label]
	if rest, others := m["*"]; others && !ok && label != "" && !listed(label) {
		to, ok = rest, true
	}
	switch {
	case !ok:
		return label, false
	case to == nil:
		return "", true
	}
	return *to, false
}

// take counts a row and hands it on, if it is not one of a digest again.
func (r *reader) take(row Row, line int) error {
	var key digest
	if IsDigest(row.Name) {
		hex.Decode(key[:], []byte(row.Name))
		here := first{r.opt.numberOf(row.Label), r.opt.numberOf(row.Group), int32(row.Month), int32(line)}
		known, again := r.firstOf[key]
		var label, group string
		if again {
			label, group = r.opt.kept[known.label], r.opt.kept[known.group]
		}
		switch {
		case !again:
			r.firstOf[key] = here
		case known.label != here.label:
			return fmt.Errorf("%s has the label %s, and %s on line %d: a file has one label", text.Quote(row.Name), text.Quote(row.Label), text.Quote(label), known.line)
		case known.month != here.month:
			return fmt.Errorf("%s was first seen in %v, and in %v on line %d: a file has one date", text.Quote(row.Name), row.Month, date.Month(known.month), known.line)
		case known.group != here.group:
			return fmt.Errorf("%s has the group %s, and %s on line %d: a file has one group", text.Quote(row.Name), text.Quote(row.Group), text.Quote(group), known.line)
		default:
			r.summary.Duplicates++
			return nil
		}
	}
	if err := r.add(row); err != nil {
		return err
	}
	r.summary.Rows++
	switch row.Label {
	case "":
		r.summary.Unlabelled++
	case Benign:
		r.benign++
	}
	return nil
}

// finish says what came of the records. path names the index.
func (r *reader) finish(path string) (Summary, error) {
	s := &r.summary
	s.Skipped = r.bad.n
	if r.bad.n > 0 && (r.opt.SkipBad == 0 || float64(r.bad.n) > r.opt.SkipBad*float64(r.records)) {
		return *s, r.bad.error(r.records, r.opt.SkipBad)
	}
	if s.Rows == 0 {
		return *s, fmt.Errorf("%s: no rows below the header", path)
	}
	warn := func(n int, format string, args ...any) {
		if n > 0 {
			s.Warnings = append(s.Warnings, path+": "+fmt.Sprintf(format, args...))
		}
	}
	warn(r.bad.n, "%d of %s cannot be read and %s left out, as --skip-bad allows; the first: %v", r.bad.n, count(r.records, "record"), agree(r.bad.n, "is", "are"), r.bad.first)
	warn(s.Duplicates, "%s %s a file that an equal record has named: each file counts once", count(s.Duplicates, "record"), agree(s.Duplicates, "names", "name"))
	warn(s.LeftOut, "%s left out, since map gives null for %s", count(s.LeftOut, "record")+agree(s.LeftOut, " is", " are"), agree(s.LeftOut, "its label", "their labels"))
	warn(r.moved.n, "%s in another month of UTC than of %s own zone, and UTC counts; the first: %s", count(r.moved.n, "date")+agree(r.moved.n, " is", " are"), agree(r.moved.n, "its", "their"), r.moved.where)
	warn(r.unlikely.n, "%s before 1990 or after today; the first: %s", count(r.unlikely.n, "date")+agree(r.unlikely.n, " is", " are"), r.unlikely.where)
	warn(r.ties, "%s two tags with the largest count: the first of %s counts", count(r.ties, "row")+agree(r.ties, " has", " have"), strings.Join(sorelTags, ", "))
	warn(r.unknown, "%s not in %s: %s no label", count(r.unknown, "record")+agree(r.unknown, " is", " are"), r.opt.LabelsFrom, agree(r.unknown, "it has", "they have"))
	var unused []string
	for label := range r.unused {
		unused = append(unused, text.Quote(label))
	}
	slices.Sort(unused)
	warn(len(unused), "map names %s, which no record has", strings.Join(firstFew(unused), ", "))
	if r.labels != nil && r.labels.tags {
		s.Notes = append(s.Notes, r.opt.LabelsFrom+": no line has a FAM tag: the first CLASS or BEH tag is the label")
	}
	rows := fmt.Sprintf("%s: %s", path, count(s.Rows, "row"))
	said := rows
	if r.benign > 0 {
		said += fmt.Sprintf(", %d with the label %s", r.benign, Benign)
		if !r.opt.classes[Benign] {
			said += ", which is not among labels (map: {benign: null} leaves them out)"
		}
	}
	if s.Unlabelled > 0 {
		said += fmt.Sprintf(", %d without a label", s.Unlabelled)
	}
	if len(s.Notes) > 0 || said != rows {
		s.Notes = append(s.Notes, said)
	}
	return *s, nil
}

// dateError is a date of a column that cannot be read.
type dateError struct {
	column string
	cause  *date.Error
}

func (e *dateError) Error() string {
	s := e.column + ": " + e.cause.Reason + ": correct the date"
	if e.cause.Suspect != "" {
		s += "; it looks like " + e.cause.Suspect
	}
	return s
}

func (e *dateError) Unwrap() error { return e.cause }

// faults counts the records that cannot be read.
type faults struct {
	n           int
	first, last error
	lines       []string // the first few
	dates       int
	suspects    map[string]int
	day, month  int // dates that can only have the day first, or only the month
}

func (f *faults) add(err error, line int, cause error) {
	f.n++
	if f.last = err; f.first == nil {
		f.first = err
	}
	if len(f.lines) < 5 {
		f.lines = append(f.lines, strconv.Itoa(line))
	}
	if d, ok := errors.AsType[*date.Error](cause); ok {
		f.dates++
		if f.suspects == nil {
			f.suspects = map[string]int{}
		}
		f.suspects[d.Suspect]++
		if d.FirstIsDay {
			f.day++
		}
		if d.SecondIsDay {
			f.month++
		}
	}
}

// before returns the first fault, or err where there is none before it.
func (f *faults) before(err error) error {
	if f.first != nil {
		return f.first
	}
	return err
}

// error says what is wrong with the records. skip is the share that may be.
func (f *faults) error(records int, skip float64) error {
	if f.dates == 0 && skip == 0 {
		return f.first
	}
	s := f.first.Error()
	if f.n > 1 {
		s += fmt.Sprintf("; in all %d of %s cannot be read, lines %s", f.n, count(records, "record"), strings.Join(f.lines, ", "))
		if f.n > len(f.lines) {
			s += ", …"
		}
	}
	if f.dates > 1 {
		suspect, most := "", 0
		for s, n := range f.suspects {
			if s != "" && (n > most || n == most && s < suspect) {
				suspect, most = s, n
			}
		}
		switch {
		case f.day > 0 && f.month > 0:
			s += "; some dates have the day first and some the month: write them as YYYY-MM-DD"
		case f.day > 0:
			s += "; they look like day first: set dates: dmy"
		case f.month > 0:
			s += "; they look like month first: set dates: mdy"
		case suspect != "":
			s += "; they look like " + suspect
		}
	}
	share := float64(f.n) / float64(records)
	if skip > 0 {
		s += fmt.Sprintf("; %.3g of the records is more than --skip-bad %v allows", share, skip)
	} else if f.n < records {
		s += fmt.Sprintf("; --skip-bad %v leaves them out", math.Ceil(share*100)/100)
	}
	return errors.New(s)
}

func count(n int, thing string) string { return fmt.Sprintf("%d %s%s", n, thing, agree(n, "", "s")) }

func agree(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
