package throughput

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"

	"driftbench/internal/regular"
	"driftbench/internal/utf"
)

// confidence is the level of every interval.
const confidence = 0.95

// Row is one unit of one case, summarised over its repetitions.
type Row struct {
	Engine, Device, Scenario string
	Precision                string // "float32" where the case does not say
	Batch                    int    // 0 where the case has none
	Read                     bool   // whether reading the files is in the time

	Unit   string  // as x/perf reads it, in base units: samples/s, B/s, sec/op, …
	Center float64 // median
	Lo, Hi float64 // 95% interval of the median; NaN below 6 repetitions
	N      int     // repetitions

	Values []float64 // of the repetitions, in the order of the file

	name, of, from string // of the benchmark; what a difference is of, and from which target
	environment    string // of the file or of its part
}

// Summaries reads a file of [WriteFile] and returns a row per case and unit,
// in the order of the file. Cases that the environment tells apart, as in
// files of several machines put together, are not pooled.
func Summaries(path string) ([]Row, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(f.rows, func(r Row) bool { return r.name != "Extract" }), nil
}

// file is what a benchmark file holds.
type file struct {
	rows   []Row
	config map[string]map[string]string // of each environment, by key
}

func readFile(path string) (*file, error) {
	in, info, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("throughput: %w", err)
	}
	defer in.Close()
	if info.Size() > mostBytes {
		return nil, fmt.Errorf("throughput: %s has %d bytes, at most %d are read", path, info.Size(), mostBytes)
	}
	f, err := read(benchfmt.NewReader(utf.NewReader(in), path))
	if err != nil {
		return nil, fmt.Errorf("throughput: %s: %w", path, err)
	}
	return f, nil
}

func read(in *benchfmt.Reader) (*file, error) {
	all, err := benchproc.NewFilter("*")
	if err != nil {
		return nil, err
	}
	var parser benchproc.ProjectionParser
	by, unit, err := parser.ParseWithUnit("/engine,/device,/scenario,/batch,/read,/precision,.name,/of,/from,.fullname,.config", all)
	if err != nil {
		return nil, err
	}
	environment, err := parser.Parse(".config", all)
	if err != nil {
		return nil, err
	}
	f := &file{config: map[string]map[string]string{}}
	values := map[benchproc.Key][]float64{}
	environments := map[benchproc.Key]string{}
	var keys []benchproc.Key
	var bad *benchfmt.SyntaxError
	err = each(in, func(r *benchfmt.Result) {
		env := environment.Project(r).String()
		if f.config[env] == nil {
			f.config[env] = map[string]string{}
			for _, kv := range r.Config {
				if kv.File {
					f.config[env][kv.Key] = string(kv.Value)
				}
			}
		}
		for i, k := range by.ProjectValues(r) {
			if values[k] == nil {
				keys = append(keys, k)
				environments[k] = env
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
	for _, k := range keys {
		row := Row{
			Engine: k.Get(field[0]), Device: k.Get(field[1]), Scenario: k.Get(field[2]),
			Read:      k.Get(field[4]) == "yes",
			Precision: cmp.Or(k.Get(field[5]), "float32"),
			Unit:      k.Get(unit), N: len(values[k]),
			name: k.Get(field[6]), of: k.Get(field[7]), from: k.Get(field[8]),
			environment: environments[k], Values: slices.Clone(values[k]),
		}
		if b := k.Get(field[3]); b != "" {
			if row.Batch, err = strconv.Atoi(b); err != nil {
				return nil, fmt.Errorf("batch=%s is no number", b)
			}
		}
		row.Center, row.Lo, row.Hi = median(values[k])
		f.rows = append(f.rows, row)
	}
	return f, nil
}

// median returns the median of values, which it sorts, and its 95% interval, NaN
// below 6 values.
func median(values []float64) (center, lo, hi float64) {
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), confidence)
	if math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) {
		return s.Center, math.NaN(), math.NaN()
	}
	return s.Center, s.Lo, s.Hi
}
