package stats

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// mostNeighbours is the k of the paper for CIFAR-10, with 5,000 rows a class.
const mostNeighbours = 50

// mostBank is the number of training rows above which knn uses a sample of them,
// and enoughInClass the number of each class that the sample has at least: a
// fifth of it is mostNeighbours.
const (
	mostBank      = 10_000
	enoughInClass = 5 * mostNeighbours
)

// knn is the distance to the k-th nearest training row, all rows at unit length:
// Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML
// 2022. With t_(k) the k-th nearest of the training rows,
//
//	score(f) = −‖f/‖f‖ − t_(k)‖.
//
// k is a fifth of the rows of the smallest class, from 1 to 50, which it is from
// 250 rows on. The k-th neighbour of a file must be of the file's own class. On the
// synthetic corpus with 25 rows a class and k = 50 it is of another, Out files are
// nearer to it than In files, and an AUROC of 0.93 becomes 0.02; with k = 5 it is
// 0.90.
//
// Of more than mostBank training rows a seeded sample is used, so that the time of
// a score does not grow with them. The paper uses 1% of ImageNet's 1.28 million
// rows (section 4.2), with no loss.
//
// At unit length ‖a−b‖² = 2−2a·b. Products of blocks of rows in float32 select
// the rows whose product is within rounding error of the k-th largest; only their
// distances are computed in float64, and those with a larger product are counted.
// The result is the one that float64 throughout would give.
type knn struct {
	layer string
	k     int
	bank  Matrix    // training rows that are not zero, not scaled
	norms []float64 // of the bank
	unit  []float32 // the bank at unit length
	zeros int       // training rows that are zero and have no direction
}

func fitKNN(_ *Detectors, t *Training, layer string) (detector, error) {
	x, err := t.Fit.layer(layer)
	if err != nil {
		return nil, err
	}
	var rows []int
	if x.Rows > mostBank {
		rows = sampleBank(t.Classes, t.NumClasses)
	} else {
		for i := range x.Rows {
			rows = append(rows, i)
		}
	}
	if x, err = x.pick(rows); err != nil {
		return nil, inLayer(layer, err)
	}
	classes := make([]int, len(rows))
	for i, row := range rows {
		classes[i] = t.Classes[row]
	}
	smallest := x.Rows
	for _, n := range classCounts(classes, t.NumClasses) {
		if n > 0 {
			smallest = min(smallest, n)
		}
	}
	return newKNN(layer, x, 0, max(1, min(smallest/5, mostNeighbours)))
}

func classCounts(classes []int, n int) []int {
	counts := make([]int, n)
	for _, c := range classes {
		counts[c]++
	}
	return counts
}

// sampleBank returns about mostBank rows, ascending: of each class its share of
// them, and at least enoughInClass where the number of classes allows it.
func sampleBank(classes []int, n int) []int {
	left := classCounts(classes, n) // rows of the class from here on
	wanted := make([]int, n)
	for c, rows := range left {
		wanted[c] = min(rows, max(mostBank*rows/len(classes), min(enoughInClass, mostBank/n)))
	}
	rng := rand.New(rand.NewPCG(1, 0))
	var rows []int
	for i, c := range classes {
		if rng.IntN(left[c]) < wanted[c] { // selection sampling: Knuth, The Art of Computer Programming 3.4.2, algorithm S
			rows = append(rows, i)
			wanted[c]--
		}
		left[c]--
	}
	return rows
}

// newKNN fits on training rows x and zeros more rows of zeros.
func newKNN(layer string, x Matrix, zeros, k int) (*knn, error) {
	if x.Rows+zeros < k {
		return nil, fmt.Errorf("stats: %d neighbours need as many rows, there are %d", k, x.Rows+zeros)
	}
	norms, unit := make([]float64, x.Rows), make([]float32, len(x.Data))
	if err := unitRows(norms, unit, x, 0, x.Rows, make([]float64, len(x.Data))); err != nil {
		return nil, inLayer(layer, err)
	}
	n := &knn{layer: layer, k: k, bank: Matrix{Cols: x.Cols}, zeros: zeros}
	for i, norm := range norms {
		if norm == 0 {
			n.zeros++
			continue
		}
		n.bank.Data = append(n.bank.Data, x.Row(i)...)
		copy(unit[n.bank.Rows*x.Cols:], unit[i*x.Cols:(i+1)*x.Cols])
		norms[n.bank.Rows] = norm
		n.bank.Rows++
	}
	n.norms, n.unit = norms[:n.bank.Rows], unit[:len(n.bank.Data)]
	return n, nil
}

// unitRows writes the lengths of rows lo to hi to norms, and the rows scaled to
// unit length to unit. rows is memory for them.
func unitRows(norms []float64, unit []float32, x Matrix, lo, hi int, rows []float64) error {
	if err := load(rows, x, lo, hi, nil); err != nil {
		return err
	}
	for i := range hi - lo {
		row := rows[i*x.Cols : (i+1)*x.Cols]
		norms[i] = toUnit(row)
		for j, v := range row {
			unit[i*x.Cols+j] = float32(v)
		}
	}
	return nil
}

// The products of knnQueries rows with knnBank training rows take 1 MB, which
// fits a processor's cache.
const (
	knnQueries = 256
	knnBank    = 1024
)

func (k *knn) score(dst []float64, x Features) error {
	rows, err := x.layer(k.layer)
	if err != nil {
		return err
	}
	d := k.bank.Cols
	if err := checkScores(dst, rows, d); err != nil {
		return inLayer(k.layer, err)
	}
	return inLayer(k.layer, eachBlock(rows.Rows, knnQueries, k.newSearch, func(s *search, lo, hi int) error {
		n := hi - lo
		if err := unitRows(s.norms, s.unit, rows, lo, hi, s.rows); err != nil {
			return err
		}
		raw, err := rows.rows(&s.raw, lo, hi)
		if err != nil {
			return err
		}
		k.search(s, 0, n, true)
		for q := range n {
			if s.norms[q] > 0 && !s.nearest[q].complete() {
				k.search(s, q, q+1, false)
				s.nearest[q].complete()
			}
			dst[lo+q] = -k.distance(raw[q*d:(q+1)*d], s.norms[q], &s.nearest[q])
		}
		return nil
	}))
}

// search finds the candidates of rows lo to hi−1 of s.unit. With guess the
// candidates of a row may turn out not to be complete.
func (k *knn) search(s *search, lo, hi int, guess bool) {
	d := k.bank.Cols
	for q := lo; q < hi; q++ {
		s.nearest[q].reset(k.k, d)
	}
	guess = guess && k.bank.Rows >= 4*knnBank
	for b := 0; b < k.bank.Rows; b += knnBank {
		m := min(knnBank, k.bank.Rows-b)
		blas32.Gemm(blas.NoTrans, blas.Trans,
			1, blas32.General{Rows: hi - lo, Cols: d, Stride: d, Data: s.unit[lo*d:]},
			blas32.General{Rows: m, Cols: d, Stride: d, Data: k.unit[b*d:]},
			0, blas32.General{Rows: hi - lo, Cols: m, Stride: m, Data: s.products})
		for q := lo; q < hi; q++ {
			if s.norms[q] == 0 {
				continue
			}
			products := s.products[(q-lo)*m : (q-lo+1)*m]
			if guess && b == 0 {
				s.nearest[q].guessFrom(products, k.bank.Rows)
			}
			s.nearest[q].add(products, b)
		}
	}
}

func (k *knn) encode(e *encoder) {
	e.int(k.k)
	e.int(k.zeros)
	e.int(k.bank.Rows)
	e.int(k.bank.Cols)
	e.float32s(k.bank.Data)
}

func decodeKNN(_ *Detectors, r *decoder, layer string) detector {
	k := mostNeighbours // of every fit of version 1
	if r.version > 1 {
		k = r.int(mostNeighbours)
	}
	zeros, rows, cols := r.int(math.MaxInt32), r.int(math.MaxInt32), r.int(1<<20)
	data := r.float32s(rows * cols)
	if cols == 0 || k == 0 {
		r.fail("knn of layer %s has %d features a row and %d neighbours", layer, cols, k)
	}
	if r.err != nil {
		return nil
	}
	n, err := newKNN(layer, Matrix{Rows: rows, Cols: cols, Data: data}, zeros, k)
	r.err = err
	return n
}

// search is the memory of one goroutine.
type search struct {
	raw      []float32 // rows that are not in memory
	rows     []float64 // knnQueries×width
	norms    []float64 // knnQueries
	unit     []float32 // knnQueries×width
	products []float32 // knnQueries×knnBank
	nearest  []candidates
}

func (k *knn) newSearch() *search {
	return &search{
		rows:     make([]float64, knnQueries*k.bank.Cols),
		norms:    make([]float64, knnQueries),
		unit:     make([]float32, knnQueries*k.bank.Cols),
		products: make([]float32, knnQueries*min(knnBank, k.bank.Rows)),
		nearest:  make([]candidates, knnQueries),
	}
}

// distance returns the distance of f, of length norm, to its k-th neighbour: one
// of the candidates or of the training rows that are zero.
func (k *knn) distance(f []float32, norm float64, c *candidates) float64 {
	if norm == 0 {
		// f is at distance 0 from rows of zeros and at 1 from all others.
		if k.zeros >= k.k {
			return 0
		}
		return 1
	}
	squared, larger := c.exact[:0], 0
	for i, row := range c.rows {
		if k.zeros == 0 && c.products[i] > c.least+2*c.slack { // nearer than the k-th, whatever the rounding
			larger++
			continue
		}
		s, scale, other := 0.0, 1/norm, 1/k.norms[row]
		for j, v := range k.bank.Row(int(row)) {
			diff := float64(f[j])*scale - float64(v)*other
			s += diff * diff
		}
		squared = append(squared, -s)
	}
	for range min(k.zeros, k.k) {
		squared = append(squared, -1)
	}
	c.exact = squared
	return math.Sqrt(-kthLargest(squared, k.k-larger))
}

// candidates are the training rows that may be among the k nearest to one row.
type candidates struct {
	k        int
	products []float32
	rows     []int32
	limit    int     // length at which the list is cut
	least    float32 // rows with a smaller product are dropped
	guess    float32 // least from the start
	slack    float32 // twice the error of a float32 product of unit rows

	scratch []float32
	exact   []float64
}

func (c *candidates) reset(k, width int) {
	c.k = k
	c.products, c.rows = c.products[:0], c.rows[:0]
	c.limit = 4 * mostNeighbours
	c.least = float32(math.Inf(-1))
	c.guess = c.least
	// The error of rounding both rows and of adding, in any order, width terms
	// whose sizes sum to at most 1; doubled, and doubled again to be safe.
	c.slack = 4 * float32(width+4) / (1 << 24)
}

// guessFrom guesses a product that the k-th largest with all rows is not below, from
// those with the first rows, so that few candidates are taken in vain. Of n rows
// among which the k nearest are spread at random, the first have 4 standard
// deviations fewer than guessed once in some thousand times.
func (c *candidates) guessFrom(first []float32, rows int) {
	mean := float64(c.k) * float64(len(first)) / float64(rows)
	rank := min(len(first), 1+int(mean+4*math.Sqrt(mean)))
	largest := c.scratch[:0] // sorted, the largest first
	for _, p := range first {
		if len(largest) == rank {
			if p <= largest[rank-1] {
				continue
			}
			largest = largest[:rank-1]
		}
		at := len(largest)
		largest = append(largest, p)
		for ; at > 0 && largest[at-1] < p; at-- {
			largest[at] = largest[at-1]
		}
		largest[at] = p
	}
	c.scratch = largest
	c.guess = largest[len(largest)-1]
	c.least = c.guess
}

// complete cuts the list a last time, and reports whether it has every row that may
// be among the k nearest: the guess was not too high.
func (c *candidates) complete() bool {
	c.cut()
	return math.IsInf(float64(c.guess), -1) || len(c.products) >= c.k && c.least > c.guess
}

// add takes the products with training rows first, first+1, ….
func (c *candidates) add(products []float32, first int) {
	least := c.least
	for j, p := range products {
		if p >= least {
			c.products = append(c.products, p)
			c.rows = append(c.rows, int32(first+j))
			if len(c.rows) == c.limit {
				c.cut()
				least = c.least
			}
		}
	}
}

// cut drops the candidates whose product is below the k-th largest by more than
// rounding error. Ties stay, and raise the limit. It does nothing to fewer than k.
func (c *candidates) cut() {
	if len(c.products) < c.k {
		return
	}
	c.scratch = append(c.scratch[:0], c.products...)
	c.least = max(c.guess, kthLargest(c.scratch, c.k)-c.slack)
	n := 0
	for i, p := range c.products {
		if p >= c.least {
			c.products[n], c.rows[n] = p, c.rows[i]
			n++
		}
	}
	c.products, c.rows = c.products[:n], c.rows[:n]
	c.limit = max(4*mostNeighbours, 2*n)
}
