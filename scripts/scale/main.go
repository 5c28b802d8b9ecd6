// Command scale times `driftbench score` on made-up features, to show what a row
// costs as rows grow:
//
//	go run ./scripts/scale --driftbench bin/driftbench --out out/scale 20000 200000 2000000
//
// For each number of rows it writes into <out>/<rows> a features folder with five
// splits and a corpus.yaml, scores it, and prints the time, the most memory that
// the process had resident, and the time a row. The features have the shape of the
// default model's: layer7 with 128 columns, not negative and correlated; layer8
// with 64, and 4 logits, which are a linear function of layer8. They drift a little
// from split to split.
package main

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"driftbench/bench/features"
)

const (
	width7, width8 = 128, 64
	factors        = 16 // directions that the rows of a class share
)

var (
	labels = []string{"trojan", "virus", "worm", "backdoor"}
	splits = []struct {
		name          string
		first, months int // since 2017-01
		drift         float32
	}{{"2017-fit", 0, 12, 0}, {"2017-val", 0, 12, 0}, {"2018-Q1", 12, 3, 0.1}, {"2018-late", 15, 9, 0.2}, {"2019", 24, 12, 0.4}}
)

const corpus = `labels: [trojan, virus, worm, backdoor]
train: {name: "2017", from: 2017-01, to: 2017-12}
tests:
  - {name: 2018-Q1, from: 2018-01, to: 2018-03, sample: 1}
  - {name: 2018-late, from: 2018-04, to: 2018-12, sample: 1}
  - {name: "2019", from: 2019-01, to: 2019-12, sample: 1}
`

func main() {
	log.SetFlags(0)
	log.SetPrefix("scale: ")
	driftbench := flag.String("driftbench", "bin/driftbench", "the `command` to time")
	out := flag.String("out", "out/scale", "`folder` for features and results")
	group := flag.Int("group", 0, "files a group; 0 names no groups")
	flag.Parse()
	fmt.Printf("%10s %8s %8s %8s %8s\n", "rows", "s", "CPU s", "µs/row", "MB")
	for _, arg := range flag.Args() {
		rows, err := strconv.Atoi(arg)
		if err != nil || rows < 1000 {
			log.Fatalf("%q rows: want a number of at least 1000", arg)
		}
		dir := filepath.Join(*out, arg)
		if err := write(dir, rows, *group); err != nil {
			log.Fatal(err)
		}
		cmd := exec.Command(*driftbench, "score", "--features", filepath.Join(dir, "features"),
			"--corpus-config", filepath.Join(dir, "corpus.yaml"), "--out", filepath.Join(dir, "scored"), "--quiet")
		cmd.Stderr = os.Stderr
		start := time.Now()
		if err := cmd.Run(); err != nil {
			log.Fatalf("%v: %v", cmd, err)
		}
		wall := time.Since(start)
		used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		fmt.Printf("%10d %8.1f %8.1f %8.1f %8d\n", rows, wall.Seconds(), cpu.Seconds(), wall.Seconds()/float64(rows)*1e6, used.Maxrss>>10)
	}
}

// write writes the features of that many rows into dir/features, and dir/corpus.yaml.
func write(dir string, rows, group int) error {
	if err := os.MkdirAll(filepath.Join(dir, "features"), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "corpus.yaml"), []byte(corpus), 0o666); err != nil {
		return err
	}
	net := newNetwork()
	for i, s := range splits {
		n := rows / len(splits)
		x := features.Split{Name: s.name, Rows: make([]features.Row, n), Layers: []features.Layer{
			{Name: "layer7", Width: width7, Data: make([]float32, n*width7)},
			{Name: "layer8", Width: width8, Data: make([]float32, n*width8)},
			{Name: "logits", Width: len(labels), Data: make([]float32, n*len(labels))},
		}}
		var wg sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			wg.Go(func() {
				for row := w; row < n; row += workers {
					rng := rand.New(rand.NewPCG(uint64(i), uint64(row)))
					class := rng.IntN(len(labels))
					net.run(x.Layers[0].Data[row*width7:][:width7], x.Layers[1].Data[row*width8:][:width8],
						x.Layers[2].Data[row*len(labels):][:len(labels)], class, s.drift, rng)
					var digest [32]byte
					for k := 0; k < len(digest); k += 8 {
						binary.LittleEndian.PutUint64(digest[k:], rng.Uint64())
					}
					seen := time.Date(2017, time.Month(1+s.first+rng.IntN(s.months)), 1+rng.IntN(28), 0, 0, 0, 0, time.UTC)
					r := features.Row{
						Name: fmt.Sprintf("%s/%x.exe", labels[class], digest[:16]), Label: labels[class], FirstSeen: seen.Format(time.DateOnly),
						SHA256: hex.EncodeToString(digest[:]), Size: int64(1 + rng.IntN(1<<20)), Kind: "PE",
						Linked: uint32(seen.Unix() - rng.Int64N(365*24*3600)), NearFit: "no",
					}
					if group > 0 {
						r.Group = fmt.Sprintf("%s-%d", s.name, rng.IntN(max(1, n/group)))
					}
					x.Rows[row] = r
				}
			})
		}
		wg.Wait()
		if err := features.Write(filepath.Join(dir, "features"), x); err != nil {
			return err
		}
	}
	return nil
}

// network makes features of random numbers.
type network struct {
	mean     [][]float32 // of each class, width7
	loadings []float32   // factors×width7
	drift    []float32   // width7
	w8       []float32   // width8×width7
	logits   []float32   // labels×width8
}

func newNetwork() *network {
	rng := rand.New(rand.NewPCG(1, 2))
	normal := func(n int, scale float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(scale * rng.NormFloat64())
		}
		return v
	}
	net := &network{
		loadings: normal(factors*width7, 0.3), drift: normal(width7, 1),
		w8: normal(width8*width7, 1/math.Sqrt(width7)), logits: make([]float32, len(labels)*width8),
	}
	for range labels {
		net.mean = append(net.mean, normal(width7, 1))
	}
	none, z := make([]float32, width7), make([]float32, width7)
	for c := range labels { // the weights of a class are its own layer8 at the mean
		copy(z, net.mean[c])
		net.layer8(net.logits[c*width8:][:width8], relu(none, z))
	}
	return net
}

func relu(dst, z []float32) []float32 {
	for j, v := range z {
		dst[j] = max(0, v)
	}
	return dst
}

func (net *network) layer8(dst, x []float32) {
	for i := range dst {
		sum := float32(0)
		for j, w := range net.w8[i*width7:][:width7] {
			sum += w * x[j]
		}
		dst[i] = max(0, sum)
	}
}

// run writes the features of a file of a class, drifted by that much.
func (net *network) run(layer7, layer8, logits []float32, class int, drift float32, rng *rand.Rand) {
	for j, m := range net.mean[class] {
		layer7[j] = m + drift*net.drift[j] + 0.5*float32(rng.NormFloat64())
	}
	for k := range factors {
		z := float32(rng.NormFloat64())
		for j, l := range net.loadings[k*width7:][:width7] {
			layer7[j] += z * l
		}
	}
	net.layer8(layer8, relu(layer7, layer7))
	for c := range logits {
		logits[c] = 0
		for j, w := range net.logits[c*width8:][:width8] {
			logits[c] += w * layer8[j] / 4
		}
	}
}
