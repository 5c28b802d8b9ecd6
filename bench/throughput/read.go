package throughput

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// records is a stream of benchmark records: benchfmt.Reader or benchfmt.Files.
type records interface {
	Scan() bool
	Result() benchfmt.Record
	Err() error
}

var errNoResults = errors.New("no benchmark results")

// each calls result for every benchmark line and malformed for every line
// that should be one. A stream without results is errNoResults.
func each(in records, result func(*benchfmt.Result), malformed func(*benchfmt.SyntaxError)) error {
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
