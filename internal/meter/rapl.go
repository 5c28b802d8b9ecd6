package meter

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// domain is a processor package as RAPL counts it: a folder intel-rapl:N of
// powercap, which has that name on AMD too.
type domain struct {
	dir   string
	limit float64 // joules at which the counter starts again at 0
}

// openRAPL returns the packages below dir, or why they cannot be read.
func openRAPL(dir string) ([]domain, string) {
	const what = "joules of the CPU: "
	dirs, _ := filepath.Glob(filepath.Join(dir, "intel-rapl:*"))
	var found []domain
	for _, d := range dirs {
		if strings.Count(filepath.Base(d), ":") != 1 {
			continue // part of a package
		}
		name, err := os.ReadFile(filepath.Join(d, "name"))
		if err != nil || !strings.HasPrefix(string(name), "package") {
			continue
		}
		switch _, err := microjoules(d, "energy_uj"); {
		case errors.Is(err, fs.ErrPermission):
			return nil, what + filepath.Join(d, "energy_uj") + " is readable for root alone"
		case err != nil:
			return nil, what + err.Error()
		}
		limit, err := microjoules(d, "max_energy_range_uj")
		if err != nil {
			return nil, what + err.Error()
		}
		found = append(found, domain{d, limit})
	}
	if len(found) == 0 {
		return nil, what + "this machine shows no RAPL counters in " + dir + ", as virtual machines do not"
	}
	return found, ""
}

// microjoules reads a file of a domain, in joules.
func microjoules(dir, name string) (float64, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return math.NaN(), err
	}
	uj, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	if err != nil {
		return math.NaN(), err
	}
	return uj / 1e6, nil
}

func (d domain) joules() float64 {
	j, _ := microjoules(d.dir, "energy_uj")
	return j
}

// spent adds up what the packages have used between two readings of their
// counters, each of which has started again at 0 at most once. It is NaN without
// packages.
func spent(packages []domain, before, after []float64) float64 {
	if len(packages) == 0 {
		return math.NaN()
	}
	var sum float64
	for i, p := range packages {
		d := after[i] - before[i]
		if d < 0 {
			d += p.limit
		}
		sum += d
	}
	return sum
}
