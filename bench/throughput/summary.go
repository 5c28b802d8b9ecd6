package throughput

import (
	"fmt"
	"math"
	"strconv"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"

	"driftbench/internal/regular"
)

// confidence is the level of every interval.
const confidence = 0.95

// Row is one unit of one case, summarised over its repetitions.
type Row struct {
	Engine, Device, Scenario string
	Batch                    int  // 0 where the case has none
	Read                     bool // whether reading the files is in the time

	Unit   string  // as x/perf reads it, in base units: samples/s, B/s, sec/op, …
	Center float64 // median
	Lo, Hi float64 // 95% interval of the median; NaN below 6 repetitions
	N      int     // repetitions
}

// Summaries reads a file of [WriteFile] and returns a row per case and unit,
// in the order of the file. Cases that the environment tells apart, as in
// files of several machines put together, are not pooled.
func Summaries(path string) ([]Row, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("throughput: %w", err)
	}
	defer f.Close()
	rows, err := summaries(benchfmt.NewReader(f, path))
	if err != nil {
		return nil, fmt.Errorf("throughput: %s: %w", path, err)
	}
	return rows, nil
}

func summaries(in *benchfmt.Reader) ([]Row, error) {
	all, err := benchproc.NewFilter("*")
	if err != nil {
		return nil, err
	}
	var parser benchproc.ProjectionParser
	by, unit, err := parser.ParseWithUnit("/engine,/device,/scenario,/batch,/read,.fullname,.config", all)
	if err != nil {
		return nil, err
	}
	values := map[benchproc.Key][]float64{}
	var keys []benchproc.Key
	var bad *benchfmt.SyntaxError
	err = each(in, func(r *benchfmt.Result) {
		for i, k := range by.ProjectValues(r) {
			if values[k] == nil {
				keys = append(keys, k)
			}
			values[k] = append(values[k], r.Values[i].Value)
		}
	}, func(e *benchfmt.SyntaxError) {
		if bad == nil {
			bad = e
		}
	})
	if bad != nil {
		return nil, bad
	}
	if err != nil {
		return nil, err
	}

	field := by.Fields()
	var rows []Row
	for _, k := range keys {
		row := Row{
			Engine: k.Get(field[0]), Device: k.Get(field[1]), Scenario: k.Get(field[2]),
			Read: k.Get(field[4]) == "yes",
			Unit: k.Get(unit), N: len(values[k]),
		}
		if b := k.Get(field[3]); b != "" {
			if row.Batch, err = strconv.Atoi(b); err != nil {
				return nil, fmt.Errorf("batch=%s is no number", b)
			}
		}
		s := benchmath.AssumeNothing.Summary(benchmath.NewSample(values[k], &benchmath.DefaultThresholds), confidence)
		row.Center, row.Lo, row.Hi = s.Center, s.Lo, s.Hi
		if math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) {
			row.Lo, row.Hi = math.NaN(), math.NaN()
		}
		rows = append(rows, row)
	}
	return rows, nil
}
