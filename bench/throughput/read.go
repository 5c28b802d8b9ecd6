package throughput

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"

	"driftbench/internal/regular"
	"driftbench/internal/utf"
)

// mostBytes bounds a benchmark file: that of a measurement has 100 KB, and x/perf keeps
// twenty times as much.
const mostBytes = 16 << 20

// input is a benchmark file, and what it is called in a comparison.
type input struct{ label, path string }

// inputs reads the arguments path and label=path. An argument with "=" is a path
// where there is such a file. Files that are given twice are told apart by a number.
func inputs(args []string) []input {
	var files []input
	times := map[string]int{}
	for _, arg := range args {
		f := input{arg, arg}
		if label, path, ok := strings.Cut(arg, "="); ok && label != "" {
			if _, err := os.Stat(arg); err != nil {
				f = input{label, path}
			}
		}
		files = append(files, f)
		times[f.label]++
	}
	seen := map[string]int{}
	for i, f := range files {
		if times[f.label] > 1 && f.label == f.path {
			files[i].label = fmt.Sprintf("%s#%d", f.label, seen[f.label])
			seen[f.label]++
		}
	}
	return files
}

// eachOf calls result and malformed as [each] does for the lines of all files,
// with the label of the file under the key ".file". A file without results is an
// error that names it.
func eachOf(files []input, result func(*benchfmt.Result), malformed func(*benchfmt.SyntaxError)) error {
	for _, f := range files {
		err := func() error {
			in, info, err := regular.Open(f.path)
			if err != nil {
				return err
			}
			defer in.Close()
			if info.Size() > mostBytes {
				return fmt.Errorf("%s has %d bytes, at most %d are read", f.path, info.Size(), mostBytes)
			}
			r := new(benchfmt.Reader)
			r.Reset(utf.NewReader(in), f.path, ".file", f.label)
			return each(r, result, malformed)
		}()
		if errors.Is(err, errNoResults) {
			return fmt.Errorf("%s holds %w: want a bench.txt of driftbench throughput or another file in the Go benchmark format", f.path, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errNoResults = errors.New("no benchmark results")

// each calls result for every benchmark line and malformed for every line
// that should be one. A stream without results is errNoResults.
func each(in *benchfmt.Reader, result func(*benchfmt.Result), malformed func(*benchfmt.SyntaxError)) error {
	found := false
	for in.Scan() {
		switch r := in.Result().(type) {
		case *benchfmt.Result:
			found = true
			result(r)
		case *benchfmt.SyntaxError:
			malformed(r)
		}
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		return tooLong(err)
	} else if err != nil {
		return fmt.Errorf("reading benchmarks: %w", err)
	}
	if !found {
		return errNoResults
	}
	return nil
}

// tooLong says in plain words what benchfmt says of a line that it cannot
// hold: file:line: [bufio.ErrTooLong], with the number of the line before.
func tooLong(err error) error {
	place := strings.TrimSuffix(err.Error(), ": "+bufio.ErrTooLong.Error())
	colon := strings.LastIndexByte(place, ':')
	before, _ := strconv.Atoi(place[colon+1:])
	return fmt.Errorf("%s:%d: the line is longer than %d bytes: it is no benchmark result", place[:colon], before+1, bufio.MaxScanTokenSize-1)
}
