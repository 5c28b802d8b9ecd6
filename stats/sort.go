package stats

import (
	"math"
	"slices"
	"sync"
)

// sortBoth returns sorted copies of both. It panics when a score is NaN.
func sortBoth(in, out []float64) (a, b []float64) {
	check(in)
	check(out)
	var wg sync.WaitGroup
	wg.Go(func() { a = sorted(in) })
	b = sorted(out)
	wg.Wait()
	return a, b
}

// check panics when a score is NaN, which has no place in any order.
func check(scores []float64) {
	for _, v := range scores {
		if v != v {
			panic("stats: a score is NaN")
		}
	}
}

// sorted returns a sorted copy of scores, none of which is NaN. Many scores go
// through a radix sort: eight passes over bytes take a fifth of the time of
// comparing.
func sorted(scores []float64) []float64 {
	const fewScores = 2048
	s := slices.Clone(scores)
	if len(s) < fewScores {
		slices.Sort(s)
		return s
	}
	keys, spare := make([]uint64, len(s)), make([]uint64, len(s))
	var counts [8][256]int
	for i, v := range s {
		k := sortKey(v)
		keys[i] = k
		for b := range counts {
			counts[b][byte(k>>(8*b))]++
		}
	}
	for b := range counts {
		count := &counts[b]
		if count[byte(keys[0]>>(8*b))] == len(keys) {
			continue // all share this byte
		}
		next := 0
		for v, n := range count {
			count[v] = next
			next += n
		}
		for _, k := range keys {
			at := &count[byte(k>>(8*b))]
			spare[*at] = k
			*at++
		}
		keys, spare = spare, keys
	}
	for i, k := range keys {
		s[i] = fromSortKey(k)
	}
	return s
}

// sortKey maps floats to integers of the same order: the bits of positive
// numbers are in order already, those of negative ones in reverse.
func sortKey(v float64) uint64 {
	b := math.Float64bits(v)
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

func fromSortKey(k uint64) float64 {
	return math.Float64frombits(k ^ (uint64(int64(^k)>>63) | 1<<63))
}

// kthLargest returns the k-th largest of v, k from 1, and leaves v in another
// order (Hoare's selection).
func kthLargest[T float32 | float64](v []T, k int) T {
	lo, hi, at := 0, len(v)-1, k-1
	for lo < hi {
		pivot := v[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for v[i] > pivot {
				i++
			}
			for v[j] < pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case at <= j:
			hi = j
		case at >= i:
			lo = i
		default:
			return v[at]
		}
	}
	return v[at]
}
