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
	linked   time.Time
	seen     time.Time
	strength float64 // of the drift, 0 in 2017
	rng      *rand.Rand
	build    *build // nil where files are on their own
}

// build is a group of files that were made together.
type build struct {
	name   string
	linked time.Time // of the first file
	left   int       // files that are not planned yet
	seed   [2]uint64 // draws what the files share
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
	opt = opt.withDefaults()
	var plan []planned
	names := map[string]bool{}
	scale, most := opt.buildSizes()
	var count [len(labels)]int // of the builds of each family
	left, shares := opt.Files, 1200
	for _, span := range spans {
		n := left * span.share / shares
		left, shares = left-n, shares-span.share
		date := func(rng *rand.Rand, days int) time.Time { // in the first days of a month
			return time.Date(span.year, time.Month(span.month+rng.IntN(span.months)), 1+rng.IntN(days), rng.IntN(24), rng.IntN(60), rng.IntN(60), 0, time.UTC)
		}
		var builds [len(labels)]*build // that are being planned
		for i := range n {
			// One stream a file: no file depends on how many others there are.
			stream := uint64(span.year*12+span.month)<<32 | uint64(i)
			f := planned{family: i % len(labels), rng: rand.New(rand.NewPCG(opt.Seed, stream))}
			if most == 1 {
				f.linked = date(f.rng, 28)
				f.seen = f.linked
			} else {
				b := builds[f.family]
				if b == nil || b.left == 0 {
					count[f.family]++
					rng := rand.New(rand.NewPCG(opt.Seed, 1<<63|stream))
					b = &build{
						name:   fmt.Sprintf("%s-%03d", labels[f.family], count[f.family]),
						left:   max(1, min(most, int(scale/(1-rng.Float64())))),
						linked: date(rng, 26),
						seed:   [2]uint64{opt.Seed, 3<<62 | stream},
					}
					builds[f.family] = b
				}
				b.left--
				f.build = b
				f.linked = b.linked.Add(time.Duration(f.rng.IntN(2*60*60)) * time.Second)
				f.seen = f.linked.Add(time.Duration(f.rng.IntN(46)) * time.Hour)
			}
			k := (f.linked.Year()-2018)*12 + int(f.linked.Month()) // months after December 2017
			f.strength = min(1, opt.Drift*0.6*math.Sqrt(float64(max(0, k))/24))
			for f.name == "" || names[f.name] {
				f.name = fmt.Sprintf("%s/%s/%06x.exe", labels[f.family], f.seen.Format("2006-01"), f.rng.IntN(1<<24))
			}
			names[f.name] = true
			plan = append(plan, f)
		}
	}
	slices.SortFunc(plan, func(a, b planned) int { return cmp.Compare(a.name, b.name) })
	return plan
}

// buildSizes returns the scale and the greatest size of builds: a build has s
// files or more with probability min(1, scale/s), up to most, which are
// opt.GroupSize on average. Most grows with the corpus, so that every family has
// three builds or more in 2017 where that is possible.
func (opt Options) buildSizes() (scale float64, most int) {
	if opt.GroupSize == 1 {
		return 0, 1
	}
	most = max(2, min(max(int(2*opt.GroupSize), opt.Files/40), opt.Files/29))
	mean := func(scale float64) float64 {
		sum := 1.0
		for s := 2; s <= most; s++ {
			sum += min(1, scale/float64(s))
		}
		return sum
	}
	low, high := 0.0, float64(most)
	for range 50 {
		if scale = (low + high) / 2; mean(scale) < opt.GroupSize {
			low = scale
		} else {
			high = scale
		}
	}
	return scale, most
}
