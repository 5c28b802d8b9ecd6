package report

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// setCategories puts names at 0, 1, … of the x axis, each with a second line.
// Where they do not fit side by side they are turned.
func setCategories(p *plot.Plot, names, notes []string, width vg.Length) {
	sty := &p.X.Tick.Label
	slot := (width - 60) / vg.Length(len(names))
	fits := true
	ticks := make([]plot.Tick, len(names))
	for i, name := range names {
		ticks[i] = plot.Tick{Value: float64(i), Label: shorten(name, 22) + "\n" + notes[i]}
		fits = fits && sty.Width(ticks[i].Label) < slot-4
	}
	if !fits {
		for i, name := range names {
			ticks[i].Label = shorten(name, 22) + ", " + notes[i]
		}
		sty.Rotation, sty.XAlign, sty.YAlign = math.Pi/2, draw.XRight, draw.YCenter
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.X.Tick.Length = 0
	p.X.Min, p.X.Max = -0.5, float64(len(names))-0.5
}

// setAUROC bounds the y axis by what is drawn, always with 0.5 and some room
// for its label inside.
func setAUROC(p *plot.Plot, ps []point) {
	lo, hi := 0.45, 0.7
	for _, q := range ps {
		for _, y := range []float64{q.y, q.lo, q.hi} {
			if finite(y) {
				lo, hi = min(lo, y), max(hi, y)
			}
		}
	}
	p.Y.Min = max(0, math.Floor(lo*20-0.2)/20)
	p.Y.Max = min(1, math.Ceil(hi*20+0.2)/20)
}

// shareTicks labels an axis of shares in percent.
type shareTicks struct{}

// Ticks implements plot.Ticker.
func (shareTicks) Ticks(lo, hi float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lo, hi)
	for i, t := range ticks {
		if !t.IsMinor() {
			ticks[i].Label = strconv.FormatFloat(math.Round(t.Value*1e4)/100, 'f', -1, 64) + "%"
		}
	}
	return ticks
}
