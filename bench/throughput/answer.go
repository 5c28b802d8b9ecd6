package throughput

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Estimate is a median over repetitions with its 95% interval, NaN below six.
type Estimate struct{ Center, Lo, Hi float64 }

func missingEstimate() Estimate { return Estimate{math.NaN(), math.NaN(), math.NaN()} }

// Known reports whether there is a value.
func (e Estimate) Known() bool { return !math.IsNaN(e.Center) }

// ahead reports whether a ratio is above 1, its whole interval where it has one.
func (e Estimate) ahead() bool {
	if math.IsNaN(e.Lo) {
		return e.Center > 1
	}
	return e.Lo > 1
}

// Bounds of a target: what it would have to do faster to be faster.
const (
	BoundReading   = "reading"
	BoundFeeding   = "feeding"   // filling batches on the CPU
	BoundComputing = "computing" // on the device
)

// Speed is what one engine on one device does at its best batch. Numbers that were
// not measured are NaN, texts are empty.
type Speed struct {
	Engine, Device, Precision string

	Batch int      // the one of the highest median, from memory
	Files Estimate // files/s from memory
	Bytes float64  // B/s from memory
	Disk  Estimate // files/s with the files read from disk, at its best batch
	// Ratio and DiskRatio are how many times the fastest CPU engine it is: medians of
	// the ratios within a round.
	Ratio, DiskRatio Estimate
	Bound, DiskBound string
	Feed             float64 // files/s that its feeders could fill

	AheadFrom int     // the batch from which a GPU is ahead of the best CPU; 0 is none
	Latency   float64 // median seconds of one file at a time
	First     float64 // seconds from opening the engine to its first result

	CPUUse, GPUUse       float64 // shares
	Memory, GPUMemory    float64 // bytes: the peak of the process, and in use on the GPU
	Cost                 float64 // of a million files, in the currency of the prices
	CPUJoules, GPUJoules float64 // a file

	// Differences from the reference, as shares of its largest value, by layer, and of
	// AUROC.
	Differences []LayerDifference

	curve []Row // files/s from memory by batch
}

// LayerDifference is the largest difference of the outputs of a layer, as a share of
// the reference's largest value, or the largest difference of an AUROC.
type LayerDifference struct {
	Of    string // layer or "AUROC"
	Value float64
}

// Name is the target in words, such as "tensorflow on gpu in tf32".
func (s *Speed) Name() string {
	name := s.Engine + " on " + s.Device
	if s.Precision != "float32" {
		name += " in " + s.Precision
	}
	return name
}

// Answer is what a benchmark file says of CPU and GPU.
type Answer struct {
	Speeds    []*Speed // fastest first
	Base      *Speed   // the fastest on a CPU; nil where none was timed
	Reference string   // the target that differences are from
	Curve     []Row    // files/s from memory by target and batch, with one repetition or more
	Config    map[string]string
	Parts     int // environments that the file holds; the first is answered
}

// Read reads a file of [WriteFile] and works out its answer.
func Read(path string) (*Answer, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return f.answer(), nil
}

func (f *file) answer() *Answer {
	a := &Answer{Parts: len(f.config)}
	first := f.rows[0].environment
	a.Config = f.config[first]
	byTarget := map[string]*Speed{}
	rows := map[*Speed][]Row{}
	for _, r := range f.rows {
		if r.environment != first || r.Engine == "" || r.Device == "" {
			continue
		}
		key := r.Engine + "\x00" + r.Device + "\x00" + r.Precision
		s := byTarget[key]
		if s == nil {
			s = newSpeed(r)
			byTarget[key] = s
			a.Speeds = append(a.Speeds, s)
		}
		rows[s] = append(rows[s], r)
	}
	for _, s := range a.Speeds {
		s.read(rows[s], a)
		a.Curve = append(a.Curve, s.curve...)
	}
	a.Speeds = slices.DeleteFunc(a.Speeds, func(s *Speed) bool { return !s.Files.Known() && !s.Disk.Known() })
	slices.SortStableFunc(a.Speeds, func(x, y *Speed) int { return cmp.Compare(-x.Files.Center, -y.Files.Center) })
	for _, s := range a.Speeds {
		if s.Device == "cpu" && s.Files.Known() {
			a.Base = s
			break
		}
	}
	for _, s := range a.Speeds {
		s.compare(a.Base, rows)
		if price, err := strconv.ParseFloat(a.Config["price-"+s.Device], 64); err == nil && s.Files.Known() {
			s.Cost = price / (s.Best().Center * 3600) * 1e6
		}
	}
	return a
}

// Best is the speed from disk where that was timed, else from memory.
func (s *Speed) Best() Estimate {
	if s.Disk.Known() {
		return s.Disk
	}
	return s.Files
}

func newSpeed(r Row) *Speed {
	nan := math.NaN()
	return &Speed{
		Engine: r.Engine, Device: r.Device, Precision: r.Precision,
		Files: missingEstimate(), Disk: missingEstimate(), Ratio: missingEstimate(), DiskRatio: missingEstimate(),
		Bytes: nan, Feed: nan, Latency: nan, First: nan, CPUUse: nan, GPUUse: nan, Memory: nan, GPUMemory: nan,
		Cost: nan, CPUJoules: nan, GPUJoules: nan,
	}
}

// offline returns the row of a unit of whole passes at a batch, nil without one.
func offline(rows []Row, unit string, batch int, read bool) *Row {
	i := slices.IndexFunc(rows, func(r Row) bool {
		return r.name == "Extract" && r.Scenario == "offline" && r.Unit == unit && r.Batch == batch && r.Read == read
	})
	if i < 0 {
		return nil
	}
	return &rows[i]
}

// fastest returns the row of whole passes with the highest median of samples/s.
func fastest(rows []Row, read bool) *Row {
	var best *Row
	for i, r := range rows {
		if r.name == "Extract" && r.Scenario == "offline" && r.Unit == unitSamples && r.Read == read && (best == nil || r.Center > best.Center) {
			best = &rows[i]
		}
	}
	return best
}

// read takes the numbers of a target out of its rows.
func (s *Speed) read(rows []Row, a *Answer) {
	at := func(unit string, read bool, batch int) float64 {
		if r := offline(rows, unit, batch, read); r != nil {
			return r.Center
		}
		return math.NaN()
	}
	memory, disk := fastest(rows, false), fastest(rows, true)
	if memory != nil {
		s.Batch, s.Files = memory.Batch, Estimate{memory.Center, memory.Lo, memory.Hi}
		s.Bytes, s.Feed = at("B/s", false, s.Batch), at(unitFeed, false, s.Batch)
		s.CPUUse, s.GPUUse = at(unitCPUUse, false, s.Batch), at(unitGPUUse, false, s.Batch)
		s.Memory, s.GPUMemory = at(unitRSS, false, s.Batch), at(unitGPUMemory, false, s.Batch)
		s.CPUJoules, s.GPUJoules = at(unitCPUJoules, false, s.Batch), at(unitGPUJoules, false, s.Batch)
		s.Bound = bound(s.Device, at(unitBusy, false, s.Batch), s.GPUUse)
	}
	if s.Device != "gpu" { // what other processes do on a GPU
		s.GPUUse, s.GPUMemory, s.GPUJoules = math.NaN(), math.NaN(), math.NaN()
	}
	if disk != nil {
		s.Disk = Estimate{disk.Center, disk.Lo, disk.Hi}
		s.DiskBound = s.Bound
		const same = 0.9 // of the speed from memory: reading costs nothing
		if s.Files.Known() && s.Disk.Center < same*s.Files.Center {
			s.DiskBound = BoundReading
		}
	}
	for _, r := range rows {
		switch {
		case r.name == "Extract" && r.Scenario == "offline" && r.Unit == unitSamples && !r.Read:
			s.curve = append(s.curve, r)
		case r.name == "Extract" && r.Scenario == "single-stream" && r.Unit == "p50-latency-sec":
			s.Latency = r.Center
		case r.name == "Start":
			s.First = r.Center
		case r.name == "Difference":
			s.Differences = append(s.Differences, LayerDifference{r.of, r.Center})
			a.Reference = r.from
		}
	}
	slices.SortStableFunc(s.curve, func(a, b Row) int { return a.Batch - b.Batch })
}

// bound says what whole passes from memory wait for: the device where it computes
// for 80% of the time, else the CPU that fills its batches. "" is not known. How
// much of the time a GPU computes NVML says; without it all calls count that have
// handed a batch to TensorFlow, and so the copies too.
func bound(device string, busy, gpu float64) string {
	const most = 0.8
	if device == "gpu" && !math.IsNaN(gpu) {
		busy = gpu
	}
	switch {
	case math.IsNaN(busy):
		return ""
	case busy >= most:
		return BoundComputing
	}
	return BoundFeeding
}

// compare sets a target against the best CPU.
func (s *Speed) compare(base *Speed, rows map[*Speed][]Row) {
	if base == nil || base == s {
		return
	}
	at := offline(rows[base], unitSamples, base.Batch, false)
	if own := offline(rows[s], unitSamples, s.Batch, false); own != nil {
		s.Ratio = paired(own.Values, at.Values)
	}
	if own, disk := fastest(rows[s], true), fastest(rows[base], true); own != nil && disk != nil {
		s.DiskRatio = paired(own.Values, disk.Values)
	}
	if s.Device != "gpu" {
		return
	}
	for _, r := range slices.Backward(s.curve) {
		if !paired(r.Values, at.Values).ahead() {
			break
		}
		s.AheadFrom = r.Batch
	}
}

// paired returns the median of the ratios of a to b within a round. Without as many
// values of both it is the ratio of their medians, without an interval.
func paired(a, b []float64) Estimate {
	if len(a) != len(b) {
		x, _, _ := median(slices.Clone(a))
		y, _, _ := median(slices.Clone(b))
		return Estimate{x / y, math.NaN(), math.NaN()}
	}
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	center, lo, hi := median(ratios)
	return Estimate{center, lo, hi}
}

// Lead returns the GPU that the main sentence is about: the fastest in float32, or
// else the fastest. It is nil without GPUs.
func (a *Answer) Lead() *Speed {
	var lead *Speed
	for _, s := range a.Speeds {
		if s.Device == "gpu" && (lead == nil || s.Precision == "float32" && lead.Precision != "float32") {
			lead = s
		}
	}
	return lead
}

// Lines are the answer in sentences, the main one first, then what the numbers do
// not say or were not measured for.
func (a *Answer) Lines() []string {
	var lines []string
	if lead := a.Lead(); lead != nil && a.Base != nil {
		lines = append(lines, lead.sentence(a.Base))
		for _, s := range a.Speeds {
			if s.Device == "gpu" && s != lead {
				lines = append(lines, s.sentence(a.Base))
			}
		}
	}
	switch {
	case len(lines) > 0:
	case a.Base != nil && len(a.Speeds) > 1:
		lines = append(lines, a.engines())
	case len(a.Speeds) > 0:
		s := a.Speeds[0]
		lines = append(lines, fmt.Sprintf("%s: %s files/s at batch %d%s.", s.Name(), interval(s.Files, number), s.Batch, s.fromDisk()))
	}
	if why := a.Config["no-gpu"]; why != "" {
		lines = append(lines, "No GPU was timed: "+why+".")
	}
	for _, s := range a.Speeds {
		if s.Device == "gpu" && s.Bound == BoundFeeding && s.Feed > 0 {
			lines = append(lines, fmt.Sprintf("%s is bound by feeding: the CPU could fill batches with %s files/s, and it takes %.0f%% of that.", s.Name(), number(s.Feed), min(100, 100*s.Files.Center/s.Feed)))
		}
	}
	for _, key := range []string{"notes", "not-read"} {
		for note := range strings.SplitSeq(a.Config[key], "; ") {
			if note != "" {
				if key == "not-read" {
					note = "Not read: " + note
				}
				lines = append(lines, note+".")
			}
		}
	}
	if a.Parts > 1 {
		lines = append(lines, fmt.Sprintf("The file holds %d environments; this is the first.", a.Parts))
	}
	return lines
}

// sentence says how a GPU does against the best CPU.
func (s *Speed) sentence(base *Speed) string {
	name := "GPU"
	if s.Precision != "float32" {
		name += " in " + strings.ToUpper(s.Precision)
	}
	line := fmt.Sprintf("%s %s the best CPU%s at batch %d", name, times(s.Ratio.Center), within(s.Ratio), s.Batch)
	line += fmt.Sprintf(" (%s at batch %d)", base.Engine, base.Batch)
	switch {
	case s.AheadFrom == 0:
		line += "; ahead at no batch"
	case len(s.curve) > 1:
		line += fmt.Sprintf("; ahead from batch %d", s.AheadFrom)
	}
	if s.Disk.Known() && base.Disk.Known() {
		line += fmt.Sprintf("; from disk %s%s", times(s.DiskRatio.Center), within(s.DiskRatio))
		switch {
		case s.DiskBound == "" || base.DiskBound == "":
		case s.DiskBound == base.DiskBound:
			line += ", where both are bound by " + s.DiskBound
		default:
			line += fmt.Sprintf(", where the GPU is bound by %s and the CPU by %s", s.DiskBound, base.DiskBound)
		}
	}
	return line + "."
}

// engines says how the fastest engine does against the others on a CPU.
func (a *Answer) engines() string {
	base := a.Base
	var others []string
	for _, s := range a.Speeds {
		if s != base && s.Ratio.Known() {
			inverse := Estimate{1 / s.Ratio.Center, 1 / s.Ratio.Hi, 1 / s.Ratio.Lo}
			others = append(others, fmt.Sprintf("%s %s at batch %d%s", times(inverse.Center), s.Engine, s.Batch, within(inverse)))
		}
	}
	return fmt.Sprintf("On the CPU %s at batch %d is %s%s.", base.Engine, base.Batch, strings.Join(others, " and "), base.fromDisk())
}

// fromDisk is a clause about the files from disk.
func (s *Speed) fromDisk() string {
	if !s.Disk.Known() {
		return ""
	}
	clause := fmt.Sprintf("; from disk %s files/s", number(s.Disk.Center))
	if s.DiskBound != "" {
		clause += ", bound by " + s.DiskBound
	}
	return clause
}

// within is an interval in brackets, or that there is none.
func within(e Estimate) string {
	if math.IsNaN(e.Lo) {
		return " (no interval: it needs 6 rounds)"
	}
	return " (" + number(e.Lo) + " to " + number(e.Hi) + ")"
}

// interval is a number with its interval in brackets, where it has one.
func interval(e Estimate, format func(float64) string) string {
	if math.IsNaN(e.Lo) {
		return format(e.Center)
	}
	return format(e.Center) + " (" + format(e.Lo) + " to " + format(e.Hi) + ")"
}
