package throughput

import (
	"errors"
	"fmt"

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
	if err := in.Err(); err != nil {
		return fmt.Errorf("reading benchmarks: %w", err)
	}
	if !found {
		return errNoResults
	}
	return nil
}
