package corpus

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// labels are the families.
var labels = [...]string{"trojan", "virus", "worm", "backdoor"}

// planned is one file before it has content.
type planned struct {
	name     string
	family   int // index of its label
	seen     time.Time
	strength float64 // of the drift, 0 in 2017
	rng      *rand.Rand
}

// spans share the files out so that the default configuration, which draws 0.3
// of the later ones, keeps enough in every split for an interval of use.
var spans = [...]struct {
	share       int // of 1200
	year, month int // the first
	months      int
}{
	{500, 2017, 1, 12},
	{220, 2018, 1, 3},
	{240, 2018, 4, 9},
	{240, 2019, 1, 12},
}

// newPlan lists the files in the order of their names. Nothing but the
// strength depends on the drift.
func newPlan(opt Options) []planned {
	var plan []planned
	names := map[string]bool{}
	left, shares := opt.Files, 1200
	for _, span := range spans {
		n := left * span.share / shares
		left, shares = left-n, shares-span.share
		for i := range n {
			// One stream a file: no file depends on how many others there are.
			rng := rand.New(rand.NewPCG(opt.Seed, uint64(span.year*12+span.month)<<32|uint64(i)))
			month := span.month + rng.IntN(span.months)
			f := planned{
				family: i % len(labels),
				seen:   time.Date(span.year, time.Month(month), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60), 0, time.UTC),
				rng:    rng,
			}
			k := (span.year-2018)*12 + month // months after December 2017
			f.strength = min(1, opt.Drift*0.6*math.Sqrt(float64(max(0, k))/24))
			for f.name == "" || names[f.name] {
				f.name = fmt.Sprintf("%s/%s/%06x.exe", labels[f.family], f.seen.Format("2006-01"), rng.IntN(1<<24))
			}
			names[f.name] = true
			plan = append(plan, f)
		}
	}
	slices.SortFunc(plan, func(a, b planned) int { return cmp.Compare(a.name, b.name) })
	return plan
}
